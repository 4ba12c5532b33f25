"""What a reader sees: figures, tables and the answer box, in one style, with every piece of data as text.

A notebook's cell ends in `figure(…)`, `table(…)`, `answer(…)` or `note(…)`; the page shows nothing else as markup.
"""

from smsroi_helpers.pages.answer_box import Amount, amount, answer, evidence_words, outcome_label
from smsroi_helpers.pages.markup import Html, note
from smsroi_helpers.pages.style import PALETTE, Chart, figure, use_style
from smsroi_helpers.pages.table import table
from smsroi_helpers.pages.vocabulary import (
    column_name,
    compact_words,
    lift_words,
    metric_words,
    names_of,
    p_words,
    problem_words,
    segment_name,
    sentence_case,
)

__all__ = [
    "PALETTE",
    "Amount",
    "Chart",
    "Html",
    "amount",
    "answer",
    "column_name",
    "compact_words",
    "evidence_words",
    "figure",
    "lift_words",
    "metric_words",
    "names_of",
    "note",
    "outcome_label",
    "p_words",
    "problem_words",
    "segment_name",
    "sentence_case",
    "table",
    "use_style",
]
