"""The table of «Are the models still valid?»."""

from collections.abc import Sequence

import pandas as pd

from smsroi_helpers.effectiveness.drift_counts import NEWEST_WEEKS
from smsroi_helpers.effectiveness.drift_wording import advice_words, change_words, model_words, outcome_words
from smsroi_helpers.effectiveness.model_drift import ModelCheck
from smsroi_helpers.locale import _, day, number
from smsroi_helpers.pages import Html, evidence_label, table

__all__ = ["checks_table"]


def checks_table(checks: Sequence[ModelCheck], currency: str) -> Html:
    """One row per model: what the newest weeks say, and what to do.

    Args:
        checks: of `model_drift.check_models`.
        currency: the source's; empty where it names none.
    """
    rows = [
        {
            _("Model"): model_words(check.model),
            _("Newest weeks"): outcome_words(check),
            _("What was seen"): change_words(check, currency),
            _("From"): day(check.first) if check.first else "–",
            _("To"): day(check.last) if check.last else "–",
            _("Adjusted p"): number(check.adjusted_p, 3) if check.outcome != "unknown" else "–",
            _("Evidence"): evidence_label(check.evidence) if check.evidence != "none" else "–",
            _("What to do"): advice_words(check) or "–",
        }
        for check in checks
    ]
    caption = _(
        "Models beside the newest {weeks} weeks, the holdout beside its newest two complete months. Adjusted p: Holm,"
        " over the models that can be tested; below .05 a model has changed."
    ).format(weeks=number(NEWEST_WEEKS))
    return table(pd.DataFrame(rows), caption=caption)
