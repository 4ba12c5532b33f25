"""The building blocks of pages: figures, tables, the answer box and vocabulary.

A notebook's cell ends in `figure(…)`, `table(…)`, `answer(…)` or `note(…)`; a page shows no other output as markup. All
data are escaped as text.
"""

from smsroi_helpers.pages.answer_box import (
    Amount,
    amount,
    answer,
    cash_amount,
    cash_words,
    evidence_words,
    outcome_label,
)
from smsroi_helpers.pages.markup import Html, note, stacked
from smsroi_helpers.pages.names import (
    arm_name,
    attribute_words,
    channel_name,
    column_name,
    experiment_name,
    experiment_title,
    experiment_words,
    names_of,
    segment_name,
)
from smsroi_helpers.pages.practice import practice_dates, practice_table
from smsroi_helpers.pages.style import PALETTE, Chart, figure, tooltips, use_style
from smsroi_helpers.pages.table import FEWEST_SHOWN, table
from smsroi_helpers.pages.vocabulary import (
    carried_words,
    compact_words,
    cost_unknown_words,
    evidence_label,
    evidence_meaning,
    lift_words,
    metric_words,
    money_kind_words,
    p_words,
    percent_range,
    plan_result_words,
    problem_words,
    question_words,
    sentence_case,
)

__all__ = [
    "FEWEST_SHOWN",
    "PALETTE",
    "Amount",
    "Chart",
    "Html",
    "amount",
    "answer",
    "arm_name",
    "attribute_words",
    "carried_words",
    "cash_amount",
    "cash_words",
    "channel_name",
    "column_name",
    "compact_words",
    "cost_unknown_words",
    "evidence_label",
    "evidence_meaning",
    "evidence_words",
    "experiment_name",
    "experiment_title",
    "experiment_words",
    "figure",
    "lift_words",
    "metric_words",
    "money_kind_words",
    "names_of",
    "note",
    "outcome_label",
    "p_words",
    "percent_range",
    "plan_result_words",
    "practice_dates",
    "practice_table",
    "problem_words",
    "question_words",
    "segment_name",
    "sentence_case",
    "stacked",
    "table",
    "tooltips",
    "use_style",
]
