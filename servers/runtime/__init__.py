"""What every model shares and must hold equal.

`listener` is where clients arrive and `opening` how it comes to be, `lifecycle` how a server ends and `errors` what
ends it otherwise, `settings` and `limits` what is granted, `tally` what is counted and `messages` what is said,
`service` all of that in one value. `tls` lies between a connection and its driver, `datagrams` need no connection.

`blocking`, `nonblocking` and `awaiting` are the drivers, the ways to carry out what a session asks for. `wrapped` is
what the first takes beside a socket, `resting` and `cooperative` have it wait otherwise; `stepwise` is what the second
shares with the drivers on asyncio's loops: `asyncio_loop`, `asyncio_reception`, `asyncio_conversation`, `asyncio_tls`.
`tasks` is a server whose driver is the third. `hanging_up` is how each of them closes on a client, `compute` how it
computes, and by `bell` a loop hears of signals.

What some models need besides: `pollers`, `slots`, `scarcity`, `threads`, `socketservers`; for processes `children`,
`rehearsal` and `orphans`; and for those that are made beforehand `workers`, `worker`, `turns`, `restarts`,
`retirement`. The server process begins in `__main__`.

Nothing here imports more than it needs: what is imported is memory, and a forking server copies the page tables of
its memory for every connection.
"""
