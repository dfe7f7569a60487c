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

Reading order: `plan` (what is asked), `pacing` and `demand` with `closed_loop` and `open_loop` (when, and by whom),
`conversations` and `scripts` (what is sent and what a right answer is; `mixes` and `distributions` where requests
differ), `answers` and `http_answers` (who says so), `loop` with `coming_in`, `entrance`, `dialogues`, `sending`,
`hearing` and `endings` (how, over streams; `trust` and `secure` are TLS under them), `datagram_loop` and `datagrams`
(how, over UDP), `course` (from the start to the end), `swarm` (together), `gathering`, `population`, `connection_rows`
and `result` (what it means), `verdict` and `ceiling` (was it the client?), `options`, `command`, `summary`,
`summary_json` and `progress` (the words on the terminal), `talk` (the interactive client). Folders of their own:
`guests` (who else is there), `cluster` (from many machines), `searching` (how much can the server take?).
"""
