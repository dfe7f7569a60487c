"""Is this machine fit to measure on?

A server that has to share its CPU, a client that runs out of ports, a hypervisor that takes a tenth of the time and
tells nobody: each makes figures that look right. So before anything is measured, `serverlab doctor` looks at what is
known to mislead, and says what to change.

Modules: `findings` is what was found, `looking` and `probes` find it (`probe` is the processes that probes start),
`judging` makes of it verdicts with their reasons and fixes, from nothing but the findings. The command is
`tools.commands.doctor`.
"""
