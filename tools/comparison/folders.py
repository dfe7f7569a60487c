"""Options of `serverlab compare` that name folders of comparisons, and what they refuse beside them."""

from __future__ import annotations

from pathlib import Path

from servers.registry import MODELS
from tools.comparison.asked import Asked, AskedError
from tools.variants.choosing import ALL, NONE


def saved_folder(asked: Asked, against: Path | None) -> Path | None:
    """The folder that stands in a model's place where two saved comparisons are to be set side by side.

    Raises AskedError where what stands there may have been meant as one, and there is none.
    """
    named = [name for name in asked.models if name and name not in MODELS and name not in {ALL, NONE}]
    folder = next((Path(name) for name in named if Path(name).is_dir()), None)
    if folder is None and named and (against is not None or "/" in named[0]):
        raise AskedError(f"{named[0]!r} is neither a model nor a folder: {', '.join(MODELS)}, or {ALL}")
    return folder


def check_another(folder: Path | None, against: Path | None) -> None:
    """Refuse a comparison beside itself: of that nothing follows."""
    if folder is not None and against is not None and folder.resolve() == against.resolve():
        raise AskedError(f"--against {against} is the same comparison: give the folder of another")


def check_both_saved(asked: Asked, saved: Path, against: Path | None, other: Path | None) -> None:
    """Refuse a folder without another beside it, and options of what would be run."""
    if against is None:
        raise AskedError(
            f"{saved} is a folder and no model: set it beside another comparison with --against DIR, "
            f"or draw it again with: serverlab report {saved}"
        )
    if asked != Asked(models=asked.models) or len(asked.models) > 1 or other is not None:
        raise AskedError(
            f"{saved} is set beside {against} and nothing is run: it takes no models and no other options than --json"
        )


def check_alone(asked: Asked, output: Path | None) -> None:
    """Refuse to change a plan that is half carried out."""
    if asked != Asked() or output is not None:
        raise AskedError("--resume goes on with the plan of that folder: it takes only --against and --json beside it")
