"""What to test next: the plan's own test, the questions that have no answer yet, and answers that no test supports."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from smsroi_helpers import locale
from smsroi_helpers.locale import _

__all__ = ["list_next_tests"]


def list_next_tests(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the tests to run, in the order: the plan's, no evidence yet, broken, observational only.

    Args:
        rows: of the index, one per question: question, stage, outcome, action, text, next_test (in words; empty: none
            is proposed), css (the kind of evidence), page.
    """
    ranked = sorted((row for row in rows if _rank(row) is not None), key=lambda row: _rank(row) or 0)
    return [
        {"question": str(row["question"]), "why": _why(row), "what": _what(row), "page": str(row["page"])}
        for row in ranked
    ]


def _rank(row: Mapping[str, Any]) -> int | None:
    if row.get("stage") == "send_plan" and row.get("next_test"):
        return 0
    if row["outcome"] == "not_enough_evidence":
        return 1
    if row["outcome"] == "broken":
        return 2
    return 3 if row["outcome"] == "do" and row["css"] == "observational" else None


def _why(row: Mapping[str, Any]) -> str:
    if _rank(row) == 0:
        return ""
    return {
        "not_enough_evidence": "" if row.get("next_test") else _("Not enough evidence yet."),
        "broken": _("The test is broken: repeat it."),
        "do": _("Observational so far: confirm it in a randomised test before everybody is treated so."),
    }[row["outcome"]]


def _what(row: Mapping[str, Any]) -> str:
    if row.get("next_test"):
        return str(row["next_test"])
    return locale.joined(_sentence(row["action"]), _last(row["text"])) if row["outcome"] != "do" else ""


def _last(text: object) -> str:
    """The last sentence of an explanation, which gives the size of the test; the row above has the others."""
    return re.split(r"(?<=[.。])\s+|(?<=。)", str(text).strip())[-1] if text else ""


def _sentence(text: object) -> str:
    return locale.sentence(str(text)) if text else ""
