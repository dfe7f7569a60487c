"""What is compared: models of ours under one interpreter or another, and servers of the user's own.

`choosing` goes from names and options to the notes of a comparison's header, and `starting` from such a note to a
server that runs. `foreign` has the servers of the user's own, `interpreters` other Pythons.
"""
