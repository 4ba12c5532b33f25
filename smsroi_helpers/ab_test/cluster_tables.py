"""The table of `05_ab_test` on tests that assigned households or stores."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.effects import largest_design_effect
from smsroi_helpers.ab_test.study import Evaluated
from smsroi_helpers.locale import _, number
from smsroi_helpers.pages import Html, experiment_name, note, table
from smsroi_helpers.statistics import FEWEST_CLUSTERS

__all__ = ["clusters_table"]


def clusters_table(evaluated: Sequence[Evaluated]) -> Html:
    """The clusters of each test that assigned any, the design effect, and what is not computed for it.

    Args:
        evaluated: of `ab_test.analyse`.
    """
    rows = []
    for each in evaluated:
        clusters = each.experiment.clusters
        if clusters is None:
            continue
        effect = largest_design_effect(each.effects, each.decision.metric)
        rows.append({
            _("Test"): experiment_name(each.experiment.name),
            _("Households or stores"): number(clusters.count),
            _("Customers in each"): number(clusters.mean_size, 1),
            _("In the largest"): number(clusters.largest),
            _("With customers in two arms"): number(clusters.mixed),
            _("Design effect"): number(effect, 2) if np.isfinite(effect) else "–",
        })  # fmt: skip
    if not rows:
        return note(_("No test assigned households or stores."))
    caption = _(
        "Tests that assigned households or stores. Their customers are alike, so errors are those between households or"
        " stores; the design effect is how many times the variance of the deciding difference is that of as many"
        " customers assigned one by one. An arm needs {n} of them, counted as if of equal size. Not computed for these"
        " tests, since customers would count as independent: profit modelled from clicks, profit by week and by"
        " month, whether segments differ, targeting rules, and the pages on timing and frequency"
    ).format(n=number(FEWEST_CLUSTERS))
    return table(pd.DataFrame(rows), caption=caption)
