"""What a reader sees: figures, tables and the answer box, in one style, with every piece of data as text.

A notebook's cell ends in `figure(…)`, `table(…)`, `answer(…)` or `note(…)`; the page shows nothing else as markup.
"""

import importlib
from types import ModuleType

from smsroi_helpers.figures.answers import Amount, amount, answer, evidence_words, verdict_words
from smsroi_helpers.figures.markup import Html, note
from smsroi_helpers.figures.style import PALETTE, figure, use_style
from smsroi_helpers.figures.tables import table

__all__ = [
    "PALETTE",
    "Amount",
    "Html",
    "amount",
    "answer",
    "evidence_words",
    "figure",
    "note",
    "table",
    "use_style",
    "verdict_words",
]


def __getattr__(stage: str) -> ModuleType:
    """`figures.cltv` and its like: the figures of a stage, imported when first asked for."""
    if stage.startswith("_"):
        raise AttributeError(stage)
    try:
        return importlib.import_module(f"{__name__}.{stage}")
    except ModuleNotFoundError:
        raise AttributeError(f"there are no figures of a stage {stage!r}") from None
