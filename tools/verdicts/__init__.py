"""What limited a server: each cell gets one word, one sentence with figures, and all that was looked at.

`judging` asks in this order, and the first that applies is the verdict:

    nothing to judge by      no load, too short a window, a server that failed
    pool, with certainty     clients were never served, and as many were as the server has places
    host-noise               something else used CPUs that were wanted, or the machine lost CPU
    admission                many clients of a closed loop were never served, since they were turned away
    pool                     all places were taken and somebody always waited, though the client was near its end, too
    GIL, server-CPU, client  who had nothing left; where both were near their end the client, unless the server
                             used 95 % of what it can use, and a larger share than the client did
    admission                connections were turned away or came late while there was CPU to spare
    pool                     all places were taken while there was CPU to spare
    unsaturated              nothing was used up: more clients would get more

`verdict` has the record and the words, `facts` brings a cell's figures into one unit, `places` knows how many clients a
server can serve at a time, `exhaustion` tells who had no CPU left, `evidence` puts all of it into words, and `rows`
makes one verdict of several rounds. Pure functions of the records: no clocks, no files.
"""
