"""What a process and all its descendants cost the CPU, the dead ones included.

A monitor that adds up what it sees ten times a second misses every child that lives between two looks, and a
server that forks for each connection is made of such children. The kernel keeps better books, which are used
in this order of trust:

    cgroup-v1, cgroup-v2   a cgroup of its own: the kernel's counter over all that ever ran in it, waited for
                           or not, reparented or not. Needs a cgroup folder that we may write in.
    rusage                 for a command that we started: wait4 at its end tells its own CPU and that of every
                           descendant that was waited for, to the microsecond; before the end as below.
    process-tree           for each process of the tree: its own CPU, and that of its dead children which it
                           waited for. A child that nobody waits for (SIGCHLD ignored) is lost.

The last two are blind in places; a reading says so (`complete` false, and the `reason`). User and system time
are told apart by the kernel's timer ticks, their sum by the scheduler's clock: the sum is exact, and the
split of a few milliseconds is not.

Modules: `processes` reads /proc, `cgroups` makes and removes a cgroup, `ledger` keeps the books of the tree,
`meters` puts them behind one face, `readings` is what a meter tells. `resources` has what a process holds rather than
uses up, `samples` and `sampling` look at both again and again, and `cost` is what `serverlab monitor` makes of that.
"""
