"""What to test next: the questions of the index that have no answer yet, and the answers that no test supports."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from smsroi_helpers import locale
from smsroi_helpers.locale import _

__all__ = ["list_next_tests"]


def list_next_tests(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the tests to run, in the order: no evidence yet, broken, observational only.

    Args:
        rows: of the index, one per question: question, outcome, action, text, css (the kind of evidence), page.
    """
    ranked = sorted((row for row in rows if _rank(row) is not None), key=lambda row: _rank(row) or 0)
    return [
        {
            "question": str(row["question"]),
            "why": _why(row),
            "what": locale.joined(_sentence(row["action"]), _last(row["text"])) if _rank(row) != 2 else "",
            "page": str(row["page"]),
        }
        for row in ranked
    ]


def _rank(row: Mapping[str, Any]) -> int | None:
    if row["outcome"] == "not_enough_evidence":
        return 0
    if row["outcome"] == "broken":
        return 1
    return 2 if row["outcome"] == "do" and row["css"] == "observational" else None


def _why(row: Mapping[str, Any]) -> str:
    return {
        "not_enough_evidence": _("Not enough evidence yet."),
        "broken": _("The test is broken: repeat it."),
        "do": _("Observational so far: confirm it in a randomised test before everybody is treated so."),
    }[row["outcome"]]


def _last(text: object) -> str:
    """The last sentence of an explanation, which gives the size of the test; the row above has the others."""
    return re.split(r"(?<=[.。])\s+|(?<=。)", str(text).strip())[-1] if text else ""


def _sentence(text: object) -> str:
    return locale.sentence(str(text)) if text else ""
