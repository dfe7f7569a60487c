"""One verdict of several rounds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tools.verdicts.verdict import UNKNOWN, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence


def of_row(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that most rounds have, and where not all have it, in how many: "3 of 5 rounds".

    Rounds that could not be judged count only where none could. Of two that are as frequent the earlier one is taken,
    and the sentence names the other. The sentence and the evidence are those of the first round that has the verdict.
    """
    known = [verdict for verdict in verdicts if verdict.limit != UNKNOWN]
    if not known:
        return verdicts[0] if verdicts else Verdict(UNKNOWN, "it was not measured")
    counts = Counter(verdict.limit for verdict in known)
    limit, count = counts.most_common(1)[0]
    first = next(verdict for verdict in known if verdict.limit == limit)
    if count == len(verdicts):
        return first
    others = [f"{number} {name}" for name, number in counts.items() if name != limit]
    others += [f"{len(verdicts) - len(known)} could not be judged"] if len(known) < len(verdicts) else []
    sentence = f"in {count} of {len(verdicts)} rounds ({', '.join(others)}), {first.sentence}"
    return Verdict(limit, sentence, first.evidence)
