"""Load from many machines, over the workers of a Dask scheduler.

Dask carries orders and results, and stands in no timing: each worker starts a clean load process, as a run on one
machine does. Reading order: `run` (the caller's side), `link` (the only one of it that calls Dask), `task` (what a Dask
worker does), `clock` (how far two monotonic clocks are apart), `watch` (who has gone), `part`, `gathering` and `result`
(what comes back).
"""
