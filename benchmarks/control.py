"""How often the control of a comparison differs from itself beside a CPU hog: at most one session in twenty should.

    .venv/bin/python benchmarks/control.py [SESSIONS [MODEL]]      (default: 20 selector)

Runs that many comparisons of one model, entered twice, in five rounds on churn and waiting, while a process that
computes without end takes what CPU it can get; prints a line per session, and how many were called unsound.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

OPTIONS = (
    "--workload",
    "churn",
    "--workload",
    "waiting",
    "--rounds",
    "5",
    "--duration",
    "0.25",
    "--held",
    "0",
    "--json",
)


def session(model: str, seed: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "-m",
            "tools",
            "compare",
            model,
            *OPTIONS,
            "--seed",
            str(seed),
            "--output",
            str(Path(folder, "results")),
        ]
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def main() -> None:
    sessions, model = int((*sys.argv[1:2], "20")[0]), (*sys.argv[2:3], "selector")[0]
    unsound = 0
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        for seed in range(1, sessions + 1):
            found = session(model, seed)
            unsound += found["sound"] is False
            control = found["control"]
            assert isinstance(control, dict)
            print(f"session {seed}: sound {found['sound']}; {control['reason']}", flush=True)
    finally:
        hog.kill()
        hog.wait()
    print(f"{unsound} of {sessions} sessions were called unsound")


if __name__ == "__main__":
    main()
