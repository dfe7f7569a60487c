"""What to make of a comparison: for each workload who is first, what that costs, and when the answer would change.

`of_comparison` goes through a comparison's workloads. What is known of each model is brought into the plain values of
`standings`, of which `giving` makes the advice; its parts are `costs` (the first against the next, in CPU and in
memory) and `changes` (what each verdict says of another machine, client or setting).

Nothing is said that the intervals do not bear: throughput differs as tiers say, CPU where its ratio within rounds
surely differs by as much as parts tiers, and other figures where their intervals do not meet. Models that
failed, or that served only some of the clients, are named with the reason, and nothing is concluded from them.
"""
