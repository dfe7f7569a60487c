"""Figures, numbers and names in words, alike wherever they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.saved.header import Variant

KIBIBYTE, MEBIBYTE, GIBIBYTE = 2**10, 2**20, 2**30


def significant(value: float, digits: int = 3) -> str:
    """The value to so many significant digits, never in powers of ten, with a comma between thousands."""
    if value == 0:
        return "0"
    decimals = max(0, digits - len(str(int(abs(value)))) if abs(value) >= 1 else _leading_zeros(value) + digits)
    return f"{value:,.{decimals}f}"


def two_digits(value: float) -> str:
    """The value to two significant digits."""
    return significant(value, 2)


def named(model: Variant) -> str:
    """A model with the options that it is started with, as they stand on a command line."""
    return " ".join([model.name, *(f"--{option} {value}" for option, value in model.options.items())])


def counted(number: int, noun: str) -> str:
    """A number and its noun, in the plural where it is not one."""
    plural = "es" if noun.endswith("ch") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"


def enumerated(words: Sequence[str]) -> str:
    """As in "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def _leading_zeros(value: float) -> int:
    """Zeros between the decimal point and the first digit: 1 for 0.05."""
    mantissa_exponent = f"{abs(value):e}".partition("e")[2]
    return -int(mantissa_exponent) - 1
