"""The commands of `serverlab` that belong to tools: each reads its arguments, has something done, and shows it.

`tools.cli` has the table of all commands, and imports only the module of the one that is asked for. `compare`,
`report`, `workloads`, `doctor`, `monitor`, `resolve` and `tour` are commands; `essays`, `resolving` and
`monitor_output` are what some of them show, and where; `watching` is what `monitor` does; `options` reads what several
take.
"""
