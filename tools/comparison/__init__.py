"""A comparison, from the options of a command line to the last line of its file.

In the order of the work: `asked` makes a plan of the options (`folders` has those that name saved comparisons, `undone`
what of them comes to nothing, and why), `planning` has the plan (which cells, in which order, how long), `fitness`
looks at the machine, `carrying_out` opens the folder and takes the machine in hand, `comparing` goes from step to step
and adds rounds as long as `tools.analysis.narrowing` asks for them. A step is a cell (`measuring`, with what is known
meanwhile in `findings`), or a memory probe or a search for a capacity (`probing`, `capacity`). `progress` tells how far
it is, and `remaining` how long the rest takes; `interruption` and `leftovers` see to it that nothing outlives a
comparison that was broken off.

What a plan may hold is in `tools.variants`, what is written in `tools.saved`, what is concluded in `tools.analysis`.
"""
