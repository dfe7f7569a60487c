"""One service, many models: open this folder and see the ways to serve many clients.

What varies between two models is *how a server waits*, and nothing else. A client is a stream of requests, and
between any two steps of its conversation there is waiting: for its bytes, for room to send, for a time to pass. A
server with many clients must do something while it waits for one of them:

    nothing: the next client waits in the kernel's accept queue
        iterative
    another process serves the next client, and the kernel switches between them
        forking                        one made for each client
        preforked                      made beforehand, all waiting in accept; preforked_file_lock and
                                       preforked_semaphore take turns at it
        passing, passing_first_free    made beforehand; the parent accepts, and chooses who serves
        dynamic                        as many as the load needs, and a few to spare
    another thread does; they share one memory and, in CPython, one lock on the interpreter
        threaded                       one started for each client
        prethreaded, prethreaded_mutex started beforehand, each accepting
        pooled                         started beforehand, fed from a queue by the one that accepts
        hybrid                         processes of threads
        event_mpm                      threads for clients that ask, a poller for those that are silent
    one loop asks which clients are ready, and takes one step for each; it never waits for one
        selector                       the loop itself
        callbacks, uvloop              asyncio's loop, or libuv's in C, calls what was registered
        symped, reuseport              one loop for each CPU, on one listening socket or on one each
        offloading                     the loop hands computations to processes
    one loop resumes the function that waited, which reads as if it had blocked
        trampoline                     a scheduler of generators by hand: how the others work underneath
        coroutines, trio               await, on asyncio's streams or in trio's nurseries
        greenlets                      no word for it at all: gevent switches stacks inside recv and send
    what you would pick instead, from the standard library
        socketserver_threading, socketserver_forking

What is held equal, because otherwise a comparison would compare something else:

    protocols/   the handler: what is said. A session is told what arrived and answers with effects, bytes to send,
                 a sleep, a computation; it knows nothing of sockets, threads and clocks
    runtime/     the listener with its backlog and socket options, receive sizes, limits and deadlines, TLS, the answer
                 to SIGTERM, the counts, and what keeps workers. And the drivers, which carry out a session's effects,
                 one for each way to wait: `blocking` where somebody waits in a system call for one client,
                 `nonblocking` where nobody may, `awaiting` for coroutines, and asyncio's own two

One request, from listener to answer, in a threaded server: `threaded.serve` takes the connection from
`runtime/listener.py` and starts a thread; `runtime/blocking.py` receives its bytes, hands them to the session in
`protocols/echo.py`, and sends what that answers. In `iterative` and `forking` only the first of these files is another;
`selector`, which may not block, has `runtime/nonblocking.py` in place of `blocking.py` besides.

When is each the wrong one? Read the heads of the model files; in short:

    clients that may be slow or silent      not iterative; nor any pool of processes or threads that each serve one
                                            client to the end, unless a proxy before it keeps such clients away
    short connections, and many of them     not forking; threaded costs less, every pool much less
    thousands of clients, mostly idle       not a thread or a process for each: a loop, or event_mpm
    answers that take CPU                   not one loop, and not threads, which take turns under the GIL: processes,
                                            or offloading
    calls into libraries that block         not a loop and not coroutines: threads or processes
    requests of very unequal length         not reuseport, whose clients cannot change queues
    a crash that must not reach others      processes; with one for each client it reaches nobody else

How to add a model: write `servers/NAME.py` with an essay at its head and a function `serve(listener, service)`, and
give it an entry in `registry.py`. The command line, the tests, the comparison and the tour take it from there. If
anything else must change, the seam is wrong: mend the seam first.
"""
