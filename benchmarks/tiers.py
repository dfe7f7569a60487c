"""Whether comparisons give the same tiers when they are run again.

    .venv/bin/python benchmarks/tiers.py [RUNS [MODEL ...]]      (default: 3, the default comparison)

Prints, for each run and workload, the tiers of the models and what limited them; then where all runs agreed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

WORKLOADS = ("churn", "keepalive", "waiting", "computing")


def compared(models: list[str], seed: int) -> dict[str, dict[str, str]]:
    """The tiers of each model on each workload, as text."""
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder, "results"))
        command = ["-m", "tools", "compare", *models, "--json", "--seed", str(seed), "--output", output]
        done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    print(f"run {seed}: sound {found['sound']}, {found['control']['reason']}")
    tiers: dict[str, dict[str, str]] = {}
    for name, workload in found["workloads"].items():
        rows = {model: row for model, row in workload["models"].items() if row["tiers"]}
        tiers[name] = {model: "-".join(map(str, row["tiers"])) for model, row in rows.items()}
        told = ", ".join(f"{model} {tiers[name][model]} ({row['limit']})" for model, row in rows.items())
        ratios = ", ".join(
            f"{model} {row['by_the_first']['estimate']:.2f}" for model, row in rows.items() if row["by_the_first"]
        )
        print(f"  {name}: {told}; by the first: {ratios}", flush=True)
    return tiers


def main() -> None:
    runs, models = int((*sys.argv[1:2], "3")[0]), sys.argv[2:]
    found = [compared(models, seed) for seed in range(1, runs + 1)]
    for name in WORKLOADS:
        kinds = {json.dumps(run.get(name), sort_keys=True) for run in found}
        print(f"{name}: {'the same tiers in all runs' if len(kinds) == 1 else f'{len(kinds)} different answers'}")


if __name__ == "__main__":
    main()
