"""Load, knowing only the wire.

A load generator is a measuring instrument, and most of what goes wrong in comparing servers goes wrong in the
instrument: it stalls and does not count the stall, it divides by a duration that it did not keep, it does not
look at the answers, or it is slower than what it measures. So here

- every request is recorded, in integer nanoseconds of one monotonic clock, and every byte of every answer is compared
  with what this package itself knows to be right. It never imports the servers: a fault of theirs is visible here;
- the load itself runs in processes of its own (`clients.worker`), one epoll loop each, with nothing else in them: no
  numpy, no progress bar, no garbage collector. The parent (`clients.swarm`) starts them together at an agreed
  time, reads their records when all is over, and does the arithmetic;
- what failed is counted by kind and stays in the latency distribution, and what was still in flight when the window
  closed is counted too. Nothing is dropped because it is awkward. A datagram that is lost is in the distribution,
  too, and has a count of its own, because it is nobody's error.

Reading order:

    what is asked           `plan`, which `plan_options` reads and `plan_checks` and `ports` find possible
    when, and by whom       `pacing`, `demand` and its `askers`; `closed_loop`, `open_loop`
    what is sent            `conversations` and `scripts`; `mixes` and `distributions` where requests differ
    what is right           `answers`, `http_answers`
    how, over streams       `loop`, `client`, `connections`, `coming_in`, `entrance`, `dialogues`, `sending`, `hearing`,
                            `endings`; `trust` and `secure` are TLS under them
    how, over UDP           `datagram_loop`, `caller`, `datagrams`, `datagram_lines`, `datagram_sockets`
    from start to end       `course` and `window`, with `polling`; `ledger`, `failures` and `evidence` keep the books
    a load process          `worker` is what it runs, `spec` what it is told, `process` what its parent sees of it;
                            `checkout` has it find these packages
    all together            `swarm`, and the `events` that it tells its caller
    what it means           `records`, `gathering`, `population`, `connection_rows`, `percentiles`, `breakdown`,
                            `littles_law`, `result`
    was it the client?      `verdict`, and `ceiling` with `ceiling_cache`, `processor`, `null_server` and
                            `null_answers`
    on the command line     `options`, `arguments`, `addresses`, `cpu_lists`, `durations`, `command`
    in words                `summary`, `summary_json`, `progress`, `readings`, `histogram`, `words`, `standard_output`
    in files                `folder`, `formats`, `export`, `hgrm`
    the interactive client  `talk`, `talk_datagrams`, `terminal`

Folders of their own: `guests` (who else is there), `cluster` (from many machines), `searching` (how much can the server
take?).
"""
