"""Is this machine fit to measure on?

A server that has to share its CPU, a client that runs out of ports, a hypervisor that takes a tenth of the time and
tells nobody: each makes figures that look right. So before anything is measured, `serverlab doctor` looks at what is
known to mislead, and says what to change.

Modules: `findings` is what was found. `glancing` reads what the system tells, with who is busy meanwhile
(`watching`), in a twentieth of a second; `looking` does that and starts `probes` (`probe` is their processes), which
takes seconds. `judging` makes verdicts of it, from nothing but the findings: `checks` says what a verdict is;
`processors`, `connections` and `time_and_memory` judge. The command is `tools.commands.doctor`; what a comparison makes
of a glance is in `tools.comparison.fitness`.
"""
