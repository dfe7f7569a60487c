"""`serverlab load --find-rate`: the search as a user sees it, trial by trial, and what is saved of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clients.folder import header, save
from clients.process import LoadError
from clients.progress import bar, no_bar
from clients.searching.probing import probe_with
from clients.searching.search import search
from clients.searching.trials import SearchResult, Trial, describe_found, describe_trial
from clients.summary import describe_plan

if TYPE_CHECKING:
    from clients.command import Run
    from clients.plan import LoadPlan
    from clients.result import LoadResult
    from clients.searching.objective import Objective


def find_rate(
    plan: LoadPlan,
    objective: Objective,
    run_load: Run,
    *,
    as_json: bool,
    folder: str | None,
    export: tuple[str, ...],
) -> int:
    """Search from the rate of `plan` on, tell of it on standard output, and return the exit status.

    0 where a rate was found and confirmed, 1 otherwise. `run_load` carries a trial out, which is as long as `plan`, or
    longer where the percentile needs it. `folder`, which is there, gets `search.jsonl`, and the last run as
    `load --output` saves it. LoadError as from `run_load`.
    """
    last: list[LoadResult] = []

    def run(asked: LoadPlan) -> LoadResult:
        last.clear()  # one run's records at a time
        with bar(asked) if sys.stderr.isatty() and not as_json else no_bar() as listener:
            last.append(run_load(asked, listener))
        return last[0]

    def tell(trial: Trial) -> None:
        if not as_json:
            print(f"  {describe_trial(trial)}", flush=True)

    if not as_json:
        print(describe_plan(plan))
        print(f"  in search of the highest rate that holds {objective}, from {plan.rate:,g} on:", flush=True)
    window = plan.duration - plan.warmup_seconds
    assert plan.rate is not None
    result = search(probe_with(plan, objective, run), objective, start_rate=plan.rate, window=window, on_trial=tell)
    if folder is not None and last:
        save(last[0], folder, formats=export)
        save_search(result, header(last[0], export), folder)
    found = {**(last[0].summary() if last else {}), "find_rate": result.to_json()}
    print(json.dumps(found) if as_json else "\n".join(describe_found(result)), flush=True)
    return 0 if result.confirmed else 1


def save_search(result: SearchResult, head: dict[str, object], folder: str) -> None:
    """Write `search.jsonl` into `folder`: a header, a trial a line, what was found; LoadError where that fails."""
    told = result.to_json()
    trials = told.pop("trials")
    assert isinstance(trials, list)
    records = [{**head, "format": "serverlab search"}]
    records += [{"record": "trial", **trial} for trial in trials]
    records += [{"record": "found", **told}]
    try:
        lines = "\n".join(map(json.dumps, records))
        (Path(folder) / "search.jsonl").write_text(lines + "\n", encoding="utf-8")
    except OSError as error:
        raise LoadError(f"cannot write to {folder}: {error.strerror or error}") from error
