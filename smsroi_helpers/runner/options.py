"""Options of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["RunOptions"]


@dataclass(frozen=True)
class RunOptions:
    """Options of a run; none of them changes a number."""

    only: Sequence[str] = ()
    start_from: str = ""
    overrides: Sequence[str] = ()
    """`name=value` or `stage.name=value`."""
    jobs: int = 2
    force: bool = False
    """Run even if nothing has changed, and read and count everything anew."""
    deadline_minutes: float | None = None
    cell_timeout_seconds: int | None = None
    show_code: bool = True
    on_failure: str = ""
    """A command that receives a summary of the run as JSON; run without a shell."""
    on_success: str = ""
