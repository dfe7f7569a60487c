"""Processes that are started, listened to, and ended with all that came of them.

`children` starts a command in a session of its own and leaves nothing of it behind, `marking` finds what has left that
session, `announcements` reads the two lines that a server of ours prints, and `launch` makes a running server of these.
"""
