"""What a connection holds in memory: a server is given more and more idle ones, and is looked at in between.

`holding` is the measurement, `held_connections` has the clients' side of it, and `kernel_memory` what the kernel holds
for a server beside the server's own pages.
"""
