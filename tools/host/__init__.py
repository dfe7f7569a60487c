"""What the machine gave while a cell ran: the evidence that says whether its figures are the server's own.

A server can be slow because it is slow, because something else had its CPUs, because the hypervisor had them, because
the CPUs themselves were slower for a while, or because connections did not get in. Each leaves a trace of its own,
which is read here at the opening and at the closing of a window.

Modules: `canary` tells how fast each CPU computes and `spinning` whether a loop gets it, `cpus` what was used of each
CPU and by whom, `judging` whether a cell is to be repeated, `listening` how full the accept queue was, `threads` which
process and which thread worked. Nothing here raises where the system does not tell: the figure is None.
"""
