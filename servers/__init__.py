"""One service, many models: open this folder and see the ways to serve many clients.

What varies between two models is *how a server waits*, and nothing else. A client is a stream of requests, and
between any two steps of its conversation there is waiting: for its bytes, for room to send, for a time to pass. A
server with many clients must do something while it waits for one of them:

    iterative    nothing: the next client waits in the kernel's accept queue
    forking      another process serves the next client; the kernel switches between them
    threaded     another thread does; they share one memory and, in CPython, one lock on the interpreter
    selector     one loop asks which clients are ready, and takes one step for each; it is never waiting for one

What is held equal, because otherwise a comparison would compare something else:

    protocols/   the handler: what is said. A session is told what arrived and answers with effects, bytes to send,
                 a sleep, a computation; it knows nothing of sockets, threads and clocks
    runtime/     the listener with its backlog and socket options, receive sizes, limits and deadlines, the answer to
                 SIGTERM, the counts. And the drivers, which carry out a session's effects: `blocking` for the models
                 in which somebody waits in a system call for one client, `nonblocking` for those in which nobody may

One request, from listener to answer, in a threaded server: `threaded.serve` takes the connection from
`runtime/listener.py` and starts a thread; `runtime/blocking.py` receives its bytes, hands them to the session in
`protocols/echo.py`, and sends what that answers. In `iterative` and `forking` only the first of these files is another;
`selector`, which may not block, has `runtime/nonblocking.py` in place of `blocking.py` besides.

When is each the wrong one? Read the heads of the model files; in short: `iterative` as soon as a client may be slow;
`forking` when connections are short and many; `threaded` when there are thousands of idle clients, or when the work
is Python code that computes; `selector` when one answer takes long to compute, or must call what blocks.

How to add a model: write `servers/NAME.py` with an essay at its head and a function `serve(listener, service)`, and
give it an entry in `registry.py`. The command line, the tests, the comparison and the tour take it from there. If
anything else must change, the seam is wrong: mend the seam first.
"""
