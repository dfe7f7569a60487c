"""The command line, and what compares models.

`cli` has the table of all commands, and each of those that belong here is a module of `commands`. `serverlab compare`
goes through most of the packages. In the order of the work:

    workloads    what the clients do: TOML files, read and checked
    variants     what is compared: models under one interpreter or another, and servers of the user's own
    comparison   the plan, and its steps: which cells, in which order, as long as it takes
    fitness      whether the machine is fit to measure on (`serverlab doctor` asks the same)
    processes    servers that are started, listened to, and ended with all that came of them
    accounting   what a process and its descendants cost (`serverlab monitor` tells the same)
    host         what the machine gave meanwhile
    memory       what a connection holds in memory
    saved        the folder of a comparison, written record by record and read back
    verdicts     what limited each server
    inference    intervals, ratios, tiers, fits: arithmetic alone
    analysis     what a saved comparison says, in figures
    advice       what follows from them, in sentences
    tables       all of it in tables, for the terminal and for the report
    report       one HTML file that needs no network

What is written stands between the two halves: all before `saved` makes a comparison, all after it reads one, so that a
saved one is drawn again without anything being run. In the first, `comparison` uses all the others, and of the second
`inference` and `analysis` (how many rounds are enough?) and `tables` (how wide is the terminal?). In the second, each
uses some of those before it. `failure` (a user's mistake, in one line), `machine` (what this one is) and `words`
(figures in words, and units) are used by many; `readme` writes the README's table of models. No package imports one
that imports it, in however many steps: a test holds that.
"""
