"""The table of `05_ab_test` on pre-period columns."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.evaluate import Evaluated
from smsroi_helpers.locale import _, percent
from smsroi_helpers.pages import Html, arm_name, experiment_name, metric_words, note, p_words, table

__all__ = ["pre_period_table"]


def pre_period_table(evaluated: Sequence[Evaluated]) -> Html:
    """How much the columns named in `pre_period_columns` reduce the variance, and whether the arms are alike in them.

    Args:
        evaluated: of `ab_test.analyse`.
    """
    rows = []
    for each in evaluated:
        found = each.reduction
        for row in found.columns.itertuples() if found is not None else ():
            assert found is not None
            rows.append({
                _("Test and arm"): _("{test}: {arm}").format(
                    test=experiment_name(each.experiment.name), arm=arm_name(found.arm)
                ),
                _("What"): metric_words(found.metric),
                _("Variance left, own past"): percent(found.by_past, 1),
                _("… and the columns"): percent(found.by_columns, 1),
                _("Column"): row.column,
                _("Known of"): percent(row.known, 1),
                _("Arms alike (p)"): p_words(row.adjusted_p) if np.isfinite(row.adjusted_p) else "–",
            })  # fmt: skip
    if not rows:
        return note(
            _("Effects are adjusted for customers’ own orders before the assignment, and for no further column.")
        )
    caption = _(
        "The variance of the difference as a share of the unadjusted one: adjusted for the customers’ own past, and for"
        " the columns named in pre_period_columns too. Customers of whom a column is not known stay in, with an"
        " indicator. That the columns were known before the assignment is the analyst’s statement, and is not checked:"
        " a column that the texts can change takes a part of their effect away, and a small p points to one"
    )
    return table(pd.DataFrame(rows), caption=caption)
