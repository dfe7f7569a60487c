"""What a saved comparison says, in figures: no clocks, no processes, and nothing of how it is shown.

`figures` has what single cells give, by round, and `served` which cells count. `measures` says what ranks the models
of a workload, `one_speed` takes out how fast the CPUs ran, and `standings` tells who is ahead and how sure that is.
`controls` asks whether the session can be believed, `process_control` is Stevens' subtraction, and `workers` his shares
of a pool. `holdings` has what a connection takes of memory, and `scaled` how throughput goes with the number of
connections. `narrowing` says whether more rounds are needed, `searches` which capacities are searched and which of
these searches are missing. `summary` has one row for each model and workload, from `statistics` and `spent` (what a
request cost). Two comparisons are set side by side by `alike` (whether they may be) and `pairing` (what they have in
common).

The arithmetic is in `tools.inference`, what limited a cell in `tools.verdicts`, and all is shown by `tools.tables`.
"""
