"""What every model shares and must hold equal.

`listener` is where clients arrive, `lifecycle` how a server ends, `settings` and `limits` what is granted, `tally`
what is counted, `service` all of that in one value. `blocking`, `nonblocking` and `awaiting` are the drivers, the ways
to carry out what a session asks for, and `hanging_up` is how each of them closes on a client; `pollers`, `slots`,
`children`, `workers` and `scarcity` are what some models need besides. The server process begins in `__main__`.

Nothing here imports more than it needs: what is imported is memory, and a forking server copies the page tables of
its memory for every connection.
"""
