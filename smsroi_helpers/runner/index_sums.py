"""Whether the values of the recommended changes on the index add up."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from smsroi_helpers import locale
from smsroi_helpers.locale import _

__all__ = ["Sum", "judge_sum", "together"]

Sum = Literal["none", "one", "kinds", "overlap"]
"""`none`: no amount is recommended; `one`: a single change; `kinds`: several, some in cash and some in the long run;
`overlap`: several in one kind of money, which act on the same texts."""


def judge_sum(rows: Sequence[Mapping[str, Any]]) -> Sum:
    """Whether the amounts of recommended changes may be added: no two of them may.

    Hours, weekdays, texts per week and the text itself are changed in the same messages to the same customers, and each
    gain is computed with everything else as it is today.

    Args:
        rows: of the index, one per question: outcome, numbers (None where there is no amount), money.
    """
    recommended = _recommended(rows)
    if len(recommended) < 2:
        return "one" if recommended else "none"
    return "kinds" if len({row["money"] for row in recommended}) > 1 else "overlap"


def _recommended(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["outcome"] == "do" and row["numbers"]]


def _quoted(rows: Sequence[Mapping[str, Any]]) -> str:
    return locale.listed(_("“{question}”").format(question=row["question"]) for row in _recommended(rows))


def together(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say whether the amounts of the recommended changes add up; empty where no amount is recommended."""
    found = judge_sum(rows)
    if found == "none":
        return ""
    segments = _("Segments of one question add up: no customer is in two. They replace the row of all customers.")
    if found == "one":
        return locale.joined(_("One change is recommended, so there is nothing to add."), segments)
    parts = [
        _(
            "Do not add these amounts ({questions}): the changes act on the same texts, and each amount is computed"
            " with everything else as it is today. What all of them bring together is not estimated; measure it by"
            " making them together in a randomised test."
        ).format(questions=_quoted(rows))
    ]
    if found == "kinds":
        parts.append(_("Cash and long-run value are different money: the long run includes cash already."))
    return locale.joined(*parts, segments)
