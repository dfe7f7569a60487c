"""Requests that are not all alike: the parts of a mix, and work lines whose numbers come from distributions.

A mix is parts with their shares, "95% work 64; 5% work 64 cpu=0.05". Few requests that cost much beside many that cost
little are what tells servers apart: where one waits behind another, the many have the latency of the few. Everything
that differs from request to request is drawn before the run, from a seed; sizes and seconds are independent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.conversations import LARGEST_ANSWER, LARGEST_LINE, PROTOCOLS, SMALLEST_FRAME, work_size
from clients.distributions import read_distribution

if TYPE_CHECKING:
    from clients.distributions import Distribution

FORMS = (
    '"P% work SIZE [sleep=SECONDS] [cpu=SECONDS]", "P% http work SIZE ..." or "P% PROTOCOL SIZE" '
    "with echo, upper, frames or http"
)
_PART = re.compile(r"(\d+(?:\.\d*)?)% (\S+) (.+)", re.ASCII)
_WORK = re.compile(r"(\S+)((?: (?:sleep|cpu)=\S+)*)")
_ROUNDING = 0.01 + 1e-9  # percent by which shares may miss 100, so that three times 33.33 % will do


@dataclass(frozen=True, slots=True)
class WorkLine:
    """A line of the protocol work, as `read_work` makes it: its parts may each be a distribution.

    `waits` are sleep and cpu in the order in which they were given, which is that in which a server obeys them.
    """

    text: str
    size: Distribution
    waits: tuple[tuple[str, Distribution], ...]

    @property
    def sleep(self) -> Distribution | None:
        """The seconds that the server is to sleep, None where the line does not say."""
        return dict(self.waits).get("sleep")

    @property
    def cpu(self) -> Distribution | None:
        """The seconds that the server is to compute, None where the line does not say."""
        return dict(self.waits).get("cpu")

    @property
    def constant(self) -> bool:
        """Whether every line is the same, and the user's own."""
        return self.size.constant and all(wait.constant for _, wait in self.waits)

    def lines(self, count: int, seed: int) -> list[str]:
        """Return `count` lines with plain numbers in them, without a newline; the same `seed` gives the same.

        A size is whole, from 1 to `LARGEST_ANSWER`; seconds have at most nine decimals.
        """
        if self.constant:
            return [self.text] * count
        # Every column has its own seed: with one for all, the largest answers would also be the slowest.
        columns = [[str(size) for size in _whole(self.size, count, 3 * seed, 1, LARGEST_ANSWER)]]
        for number, (name, wait) in enumerate(self.waits, 1):
            columns.append([f"{name}={_plain(draw)}" for draw in wait.draws(count, 3 * seed + number)])
        return [" ".join(words) for words in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of request in a mix, and its `share` of all of them (0..1).

    Either `work` is the text of a work line, for `read_work`, and `size` None; or `work` is empty and `size` that of
    the lines with their newline, of the frames with their marks, or of the bodies, in bytes.
    """

    share: float
    protocol: str
    size: Distribution | None
    work: str

    @property
    def constant(self) -> bool:
        """Whether all its requests are alike, but for the names in them."""
        return read_work(self.work).constant if self.size is None else self.size.constant

    def sizes(self, count: int, seed: int) -> list[int]:
        """Return `count` sizes in bytes, of what the protocol can have; none for work. The same `seed`, the same."""
        if self.size is None:
            return []
        return _whole(self.size, count, seed, _least(self.protocol), LARGEST_LINE)


def read_work(text: str) -> WorkLine:
    """Return the work line "SIZE [sleep=SECONDS] [cpu=SECONDS]", in which each number may be a distribution.

    ValueError, in one clear line, where it is none, or where its size is on average not from 1 to `LARGEST_ANSWER`.
    """
    match = _WORK.fullmatch(text)
    if match is None:
        raise ValueError(f'a work line is "SIZE [sleep=SECONDS] [cpu=SECONDS]", not {text!r}')
    waits = [word.split("=") for word in match[2].split()]
    try:
        line = WorkLine(
            text, read_distribution(match[1]), tuple((name, read_distribution(word)) for name, word in waits)
        )
    except ValueError as error:
        raise ValueError(f'a work line is "SIZE [sleep=SECONDS] [cpu=SECONDS]", not {text!r}: {error}') from None
    if len(dict(waits)) < len(waits):
        raise ValueError(f"a work line says sleep and cpu at most once, not {text!r}")
    _check_size("the SIZE of a work line", line.size, 1, LARGEST_ANSWER)
    if line.constant:
        work_size(text)  # it is sent as it stands
    return line


def read_mix(text: str) -> tuple[Part, ...]:
    """Return the parts of a mix, in their order, with shares that add up to 1.

    ValueError, in one clear line, where a part is none, where the shares do not add up to 100 % (to within 0.01 %), or
    where the parts are not of one protocol.
    """
    parts = [_read_part(" ".join(part.split())) for part in text.split(";")]
    total = sum(percent for percent, _ in parts)
    if abs(total - 100) > _ROUNDING:
        raise ValueError(f"the shares of a mix add up to 100%, not to {total:g}%")
    protocols = sorted({part.protocol for _, part in parts})
    if len(protocols) > 1:
        raise ValueError(f"a server speaks one protocol, so a mix has one, not {' and '.join(protocols)}")
    return tuple(Part(percent / total, part.protocol, part.size, part.work) for percent, part in parts)


def single_part(protocol: str, size: str, work: str) -> Part:
    """Return the one part of a load that is no mix: a work line, or lines of `size`. ValueError, in one clear line."""
    if work:
        return Part(1.0, protocol, None, read_work(work).text)
    sizes = read_distribution(size)
    _check_size("size", sizes, _least(protocol), LARGEST_LINE)
    return Part(1.0, protocol, sizes, "")


def describe(part: Part) -> str:
    """Return the part as `read_mix` reads it, its share in percent with at most six digits."""
    words = [f"{part.share * 100:g}%", part.protocol]
    if part.size is not None:
        words.append(str(part.size))
    else:
        words += [part.work] if part.protocol == "work" else ["work", part.work]
    return " ".join(words)


def _read_part(text: str) -> tuple[float, Part]:
    """A part and its percentage; the part's own share is not known before all percentages are."""
    match = _PART.fullmatch(text)
    if match is None or match[2] not in PROTOCOLS:
        raise ValueError(f"a part of a mix is {FORMS}, not {text!r}")
    percent, protocol, rest = float(match[1]), match[2], match[3]
    if percent == 0:
        raise ValueError(f"the share of a part is above 0%, not as in {text!r}")
    if protocol == "work" or (protocol == "http" and rest.startswith("work ")):
        work = rest.removeprefix("work ") if protocol == "http" else rest
        return percent, Part(0.0, protocol, None, read_work(work).text)
    if " " in rest:
        raise ValueError(f"a part of a mix is {FORMS}, not {text!r}")
    size = read_distribution(rest)
    _check_size(f"the SIZE of {protocol}", size, _least(protocol), LARGEST_LINE)
    return percent, Part(0.0, protocol, size, "")


def _least(protocol: str) -> int:
    return SMALLEST_FRAME if protocol == "frames" else 1


def _check_size(what: str, size: Distribution, least: int, most: int) -> None:
    if size.constant and not str(size).isdigit():
        raise ValueError(f"{what} is a whole number of bytes, not {size}")
    if not least <= size.mean <= most:
        mean = f"{size}" if size.constant else f"on average {size.mean:g} as in {size}"
        raise ValueError(f"{what} is from {least} to {most} bytes, not {mean}")


def _whole(size: Distribution, count: int, seed: int, least: int, most: int) -> list[int]:
    return [min(max(round(draw), least), most) for draw in size.draws(count, seed)]


def _plain(seconds: float) -> str:
    """The number without an exponent, which a work line does not know."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".")
