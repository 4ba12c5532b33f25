"""The table of `05_ab_test` on pre-period columns."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.study import Evaluated
from smsroi_helpers.locale import _, percent
from smsroi_helpers.pages import Html, arm_name, experiment_name, metric_words, note, p_words, table

__all__ = ["pre_period_table"]


def pre_period_table(evaluated: Sequence[Evaluated]) -> Html:
    """How much customers' past and the columns named in `pre_period_columns` reduce the variance.

    Of the columns also whether the arms are alike in them.

    Args:
        evaluated: of `ab_test.analyse`.
    """
    rows = []
    for each in evaluated:
        found = each.reduction
        if found is None or not np.isfinite(found.by_past):
            continue
        own = {
            _("Test and arm"): _("{test}: {arm}").format(
                test=experiment_name(each.experiment.name), arm=arm_name(found.arm)
            ),
            _("What"): metric_words(found.metric),
            _("Variance left, own past"): percent(found.by_past, 1),
        }
        if not len(found.columns):
            rows.append(own)
        for row in found.columns.itertuples():
            rows.append(own | {
                _("… and the columns"): percent(found.by_columns, 1),
                _("Column"): row.column,
                _("Known of"): percent(row.known, 1),
                _("Arms alike (p)"): p_words(row.adjusted_p) if np.isfinite(row.adjusted_p) else "–",
            })  # fmt: skip
    if not rows:
        return note(
            _("No test is decided by a metric that customers’ own past could adjust, so no variance is reduced.")
        )
    if all(_("Column") not in row for row in rows):
        caption = _(
            "The variance of the difference that is left when it is adjusted for customers’ own past and the day of"
            " assignment, as a share of the unadjusted variance: at 50% half as many customers show the same. Tests"
            " that are decided by clicks or replies per message are not adjusted. No further columns are named in"
            " `pre_period_columns`"
        )
        return table(pd.DataFrame(rows), caption=caption)
    caption = _(
        "The variance of the difference as a share of the unadjusted one: adjusted for the customers’ own past, and for"
        " the columns named in `pre_period_columns` too. Customers of whom a column is not known stay in, with an"
        " indicator. That the columns were known before the assignment is the analyst’s statement, and is not checked:"
        " a column that the texts can change takes a part of their effect away, and a small p points to one"
    )
    return table(pd.DataFrame(rows), caption=caption)
