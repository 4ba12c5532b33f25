"""Tables of `08_effectiveness`: attributed beside incremental, scores, and drivers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.effectiveness.calibration import MOST_CLAIMS, claims_per_revenue
from smsroi_helpers.effectiveness.drivers import FEWEST_CAMPAIGNS, Regression
from smsroi_helpers.effectiveness.incremental import Ratio
from smsroi_helpers.effectiveness.score import Scores
from smsroi_helpers.effectiveness.study import Effectiveness
from smsroi_helpers.effectiveness.wording import factor_words, kpi_words, level_words, touch_words, window_words
from smsroi_helpers.locale import (
    _,
    day,
    joined,
    money,
    number,
    percent,
    sentence,
)
from smsroi_helpers.pages import (
    Html,
    arm_name,
    campaign_name,
    compact_words,
    experiment_name,
    experiment_title,
    note,
    p_words,
    table,
)

__all__ = [
    "comparisons_table",
    "correlations_table",
    "overlap_table",
    "regression_table",
    "returns_table",
    "scores_table",
    "weights_table",
    "windows_table",
]

_MOST_CAMPAIGNS = 20


def comparisons_table(found: Effectiveness, currency: str) -> Html:
    """Each valid test with an arm without messages: incremental beside attributed.

    Args:
        found: of `study.analyse`.
        currency: the source's.
    """
    if not found.comparisons:
        return note(
            _("This source has no valid test with an arm without messages, so nothing incremental is known.")
        )  # fmt: skip
    rows = []
    for one in found.comparisons:
        rule = one.rule(found.attribution_hours)
        rows.append({
            _("Test"): experiment_name(one.experiment), _("Arm"): arm_name(one.arm),
            _("Customers"): number(one.customers), _("In the control"): number(one.control_customers),
            _("Attributed revenue"): money(rule.revenue, currency, 0),
            _("Incremental revenue, before refunds"): _ratio(one.incremental, currency),
            _("Incremental profit"): _ratio(one.profit, currency),
        })  # fmt: skip
    caption = _(
        "Attributed to the texts of the test (last touch) beside incremental, of the arm’s customers from their"
        " assignment to the last day, 95% intervals. The KPI “Attributed ROI of messages” is of other customers and"
        " months"
    )
    if any(one.running for one in found.comparisons):
        caption = joined(
            sentence(caption),
            _("Intervals of a running test are always-valid: they hold over all looks together, as in the A/B tests."),
        )
    return table(pd.DataFrame(rows), caption=caption)


def returns_table(found: Effectiveness) -> Html | None:
    """The return on the messages' costs, attributed and incremental, and the lift of buyers; None without a test.

    Args:
        found: of `study.analyse`.
    """
    if not found.comparisons:
        return None
    rows = [
        {
            _("Test"): experiment_name(one.experiment), _("Arm"): arm_name(one.arm),
            _("From"): day(one.first), _("To"): day(one.last),
            _("Attributed ROI of the arm"): number(one.attributed_roi, 1) if np.isfinite(one.attributed_roi) else "–",
            _("Incremental ROI of the arm"): _ratio(one.roi),
            _("Relative lift of buyers"): percent(one.relative_lift, 1),
            _("Incremental share of buyers"): percent(one.incremental_share, 1),
        }
        for one in found.comparisons
    ]  # fmt: skip
    caption = _(
        "The same arms: what their messages returned on their cost. Relative lift is the difference ÷ the rate of the"
        " control; incremental share is the difference ÷ the rate of the arm"
    )
    return table(pd.DataFrame(rows), caption=caption)


def windows_table(found: Effectiveness, currency: str) -> Html | None:
    """Attributed revenue by window and touch against the randomised estimate; None without a test.

    Args:
        found: of `study.analyse`.
        currency: the source's.
    """
    test = found.calibration
    if test is None:
        return None
    frame = pd.DataFrame([
        {
            _("Window"): window_words(rule.hours), _("Credit"): touch_words(rule.touch),
            _("Attributed revenue"): money(rule.revenue, currency, 0),
            _("Inflation factor"): _inflation(rule.inflation),
            _("Calibration factor"): _ratio(rule.calibration),
        }
        for rule in test.rules
    ])  # fmt: skip
    caption = _(
        "{test}: attributed revenue by rule; incremental revenue is {incremental}. Inflation = attributed ÷"
        " incremental revenue, calibration its inverse, with Fieller’s 95% intervals"
    ).format(test=experiment_title(test.experiment), incremental=_ratio(test.incremental, currency))
    return table(frame, caption=caption)


def _inflation(ratio: Ratio) -> str:
    """The inflation factor; only a lower limit where incremental revenue may be zero."""
    if np.isfinite([ratio.estimate, ratio.low, ratio.high]).all():
        return compact_words(ratio.estimate, ratio.low, ratio.high)
    if np.isfinite(ratio.low):
        return _("at least {low}, or nothing is incremental").format(low=number(ratio.low, 2))
    return _("not known")


def overlap_table(found: Effectiveness, currency: str) -> Html | None:
    """Orders by the number of campaigns that claim them; None without orders or messages.

    Args:
        found: of `study.analyse`.
        currency: the source's.
    """
    rows = found.overlap
    if not len(rows):
        return None
    frame = pd.DataFrame({
        _("Campaigns that claim the order"): [
            _("{n} or more").format(n=number(n)) if n == MOST_CLAIMS else number(n) for n in rows["campaigns"]
        ],
        _("Orders"): rows["orders"].astype(int),
        _("Revenue"): [money(x, currency, 0) for x in rows["revenue"]],
        _("Sum of the campaigns’ claims"): [money(x, currency, 0) for x in rows["credits"]],
    })  # fmt: skip
    times = claims_per_revenue(rows)
    caption = joined(
        _("Overlap of campaigns within {window}.").format(window=window_words(found.attribution_hours)),
        _("If each campaign claims its orders in full, the claims sum to {times} times the revenue.").format(
            times=number(times, 2)
        ) if np.isfinite(times) else "",
    )  # fmt: skip
    return table(frame, caption=caption)


def scores_table(scores: Scores | None, found: Effectiveness) -> Html:
    """The composite score of the best campaigns, with the interval of their ranks.

    Args:
        scores: of `score.score_campaigns`.
        found: of `study.analyse`.
    """
    if scores is None:
        return note(_("Fewer than two campaigns can be compared, so there is no score."))
    names = found.campaigns.set_index("campaign_id")["name"]
    shown = scores.rows.head(_MOST_CAMPAIGNS)
    frame = pd.DataFrame({
        _("Campaign"): [campaign_name(str(names[key])) for key in shown["campaign_id"]],
        _("Score (0–100)"): [number(100 * x) for x in shown["score"]],
        _("Rank"): shown["rank"].astype(int),
        _("95% interval of the rank"): [
            _("{low} to {high}").format(low=number(row.rank_low), high=number(row.rank_high))
            for row in shown.itertuples()
        ],
    })  # fmt: skip
    caption = joined(
        _("The {n} best of {all} campaigns by composite score.").format(
            n=number(len(shown)), all=number(len(scores.rows))
        ),
        _("With weights changed by up to half, the first stays first in {share} of the cases; the mean rank correlation"
          " is {rho}.").format(share=percent(scores.stays_first), rho=number(scores.correlation, 2)),
        _("Small campaigns are shrunken towards the mean of all."),
        _("{n} campaigns are not ranked: their channel does not record every indicator.").format(
            n=number(scores.unknown)
        ) if scores.unknown else "",
        _("{n} campaigns are not ranked: they were sent to too few customers.").format(n=number(scores.too_few))
        if scores.too_few else "",
    )  # fmt: skip
    return table(frame, caption=caption)


def weights_table(scores: Scores | None) -> Html | None:
    """The weights of the indicators; None without a score.

    Args:
        scores: of `score.score_campaigns`.
    """
    if scores is None:
        return None
    frame = pd.DataFrame({
        _("Indicator"): [kpi_words(name) for name in scores.weights["indicator"]],
        _("Weight"): [percent(x, 1) for x in scores.weights["weight"]],
        _("Variation between campaigns"): [percent(x) if np.isfinite(x) else "–" for x in scores.weights["variation"]],
        _("Nearly constant"): scores.weights["near_constant"],
    })  # fmt: skip
    caption = joined(
        _("Weights of the score. A nearly constant indicator hardly tells campaigns apart."),
        _("Consistency ratio of the comparisons: {ratio} (below 0.1 is accepted).").format(
            ratio=number(scores.consistency_ratio, 3)
        ) if np.isfinite(scores.consistency_ratio) else "",
    )  # fmt: skip
    return table(frame, caption=caption, fold=True)


def correlations_table(matrix: pd.DataFrame | None) -> Html:
    """Spearman's rank correlations of campaigns' numbers.

    Args:
        matrix: of `drivers.correlate`.
    """
    if matrix is None:
        return note(
            _("Fewer than {n} campaigns can be compared, so no correlations are shown.").format(
                n=number(FEWEST_CAMPAIGNS)
            )
        )  # fmt: skip
    names = [_("Messages") if name == "messages" else kpi_words(name) for name in matrix.index]
    frame = pd.DataFrame({_("Spearman’s correlation"): names})
    for place, name in enumerate(names):
        frame[name] = [number(x, 2) for x in matrix.iloc[:, place]]
    return table(
        frame, caption=_("Rank correlations over campaigns: what goes together, not what causes what"), fold=True
    )


def regression_table(found: Sequence[Regression | None]) -> Html:
    """What goes with a higher share who respond, with errors clustered by campaign.

    Args:
        found: of `drivers.regress`, one for each outcome; None where it has too little data.
    """
    fitted = [one for one in found if one is not None]
    if not fitted:
        return note(
            _("A regression with campaigns as clusters needs {n} campaigns with responses.").format(
                n=number(FEWEST_CAMPAIGNS)
            )
        )  # fmt: skip
    frame = pd.DataFrame([
        {
            _("Outcome"): kpi_words("click_rate" if one.outcome == "clicked" else "conversion_rate"),
            _("Factor"): factor_words(row.factor), _("Level"): level_words(row.factor, row.level),
            _("Compared with"): level_words(row.factor, row.reference),
            _("Difference, percentage points"): compact_words(100 * row.estimate, 100 * row.low, 100 * row.high),
            _("Adjusted p"): p_words(row.adjusted_p),
        }
        for one in fitted
        for row in one.rows.itertuples()
    ])  # fmt: skip
    caption = _(
        "Regression over {n} campaigns, errors clustered by campaign, p by Benjamini and Hochberg. Observational."
    )
    return table(frame, caption=caption.format(n=number(fitted[0].campaigns)))


def _ratio(ratio: Ratio, currency: str = "") -> str:
    if not np.isfinite([ratio.estimate, ratio.low, ratio.high]).all():
        return "–"
    return compact_words(ratio.estimate, ratio.low, ratio.high, currency)
