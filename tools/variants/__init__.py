"""What is compared: models of ours under one interpreter or another, and servers of the user's own.

`choosing` goes from names and options to the notes of a comparison's header, and `starting` from such a note to a
server that runs. `commands` reads the commands of the user's own servers, `foreign` runs them; `interpreters` has
other Pythons.
"""
