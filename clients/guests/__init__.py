"""Clients that are no part of the load that is measured: some only hold a connection, and some do their worst.

They run in a load process of their own, so that they never delay those who measure; what a server makes of them is told
by kind. Reading order: `hostile` (what each kind does, as a script) and `garbage`, `guest` and `guests` (who is there),
`entrance` and `visits` (how they come, and what happens then), `tally` and `words` (what became of them), `loop` (all
together).
"""
