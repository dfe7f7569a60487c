"""Where these packages lie, and how a Python process that is started finds them from any folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = Path(__file__).resolve().parent.parent


def with_checkout(environment: Mapping[str, str]) -> dict[str, str]:
    """The same environment, in which Python looks for packages in the checkout first, and then where it did before."""
    paths = filter(None, [str(CHECKOUT), environment.get("PYTHONPATH", "")])
    return {**environment, "PYTHONPATH": os.pathsep.join(paths)}
