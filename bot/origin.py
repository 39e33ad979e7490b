"""Whether our packages are ours: they have common names, and another could stand in their way."""

import importlib.util
from pathlib import Path

PACKAGES = (
    "messages", "supervisor", "state", "exchanges", "venue", "actors", "research", "tui", "bot",
)  # fmt: skip


class ForeignPackageError(Exception):
    """A package of ours would be imported from somewhere else."""

    exit_code = 1


def check_origin() -> None:
    """Raise `ForeignPackageError` if a package of ours lies outside this installation."""
    root = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or origin.parent.parent != root:
            raise ForeignPackageError(
                f"the package {name} would come from {origin or 'nowhere'}, not from {root}: "
                "remove the other one, or run Canopy in an environment of its own (`make install`)"
            )
