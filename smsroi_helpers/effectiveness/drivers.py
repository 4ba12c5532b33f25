"""What goes together with more clicks or orders: rank correlations, and a regression with clustered errors.

Nothing here is randomised: differences between campaigns have many causes, and none of these numbers is an effect.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import ibis
import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from statsmodels.regression.linear_model import WLS  # statsmodels.formula.api takes a second to import

from smsroi_helpers.effectiveness.counts import Sends
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import adjust

__all__ = [
    "FEWEST_CAMPAIGNS",
    "Regression",
    "correlate",
    "count_drivers",
    "find_drivers",
    "regress",
]

FEWEST_CAMPAIGNS = 20
"""With fewer clusters, clustered errors are too small (Cameron & Miller 2015, Journal of Human Resources 50(2))."""
CORRELATED = ("messages", "delivered_rate", "click_rate", "conversion_rate", "opt_out_rate", "revenue_per_message")
_DAYPARTS = (11, 14, 18)
_PART_NAMES = (
    f"before {_DAYPARTS[0]}:00",
    *(f"from {start}:00 to {end}:00" for start, end in pairwise(_DAYPARTS)),
    f"from {_DAYPARTS[-1]}:00",
)


@dataclass(frozen=True)
class Regression:
    """A linear probability model of a response per message, with errors clustered by campaign."""

    outcome: Literal["clicked", "converted"]
    rows: pd.DataFrame
    """factor, level, reference, estimate (difference in the share who respond), low, high, p_value, adjusted_p
    (Benjamini–Hochberg); one row per level."""
    campaigns: int
    messages: int


def correlate(campaigns: pd.DataFrame) -> pd.DataFrame | None:
    """Spearman's rank correlations of campaigns' numbers.

    Args:
        campaigns: of `kpis.of_campaigns`.

    Returns:
        a square frame by name; None with fewer than `FEWEST_CAMPAIGNS` campaigns, or fewer than two numbers that vary.
    """
    known = [n for n in CORRELATED if n in campaigns and campaigns[n].notna().sum() >= FEWEST_CAMPAIGNS]
    frame = campaigns[known].dropna()
    known = [n for n in known if frame[n].min() < frame[n].max()]
    if len(frame) < FEWEST_CAMPAIGNS or len(known) < 2:
        return None
    matrix = np.eye(len(known))
    for i, one in enumerate(known):
        for j, two in enumerate(known[:i]):
            matrix[i, j] = matrix[j, i] = spearmanr(frame[one], frame[two]).statistic
    return pd.DataFrame(matrix, index=known, columns=known)


def count_drivers(shop: Shop, sends: Sends) -> pd.DataFrame:
    """Cells of delivered messages: campaign_id, channel, segment, weekday, part (of the recipient's day).

    Returns:
        those columns; delivered, click_known, clicked, converted.
    """
    rows = sends.rows.filter(sends.rows.delivered == 1)
    rows = rows.mutate(
        part=ibis.cases(
            *((rows.hour < hour, name) for hour, name in zip(_DAYPARTS, _PART_NAMES, strict=False)),
            else_=_PART_NAMES[-1],
        )
    )
    by = ("campaign_id", "channel", "segment", "weekday", "part")
    cells = rows.group_by(*by).aggregate(
        delivered=rows.count(),
        **{name: rows[name].sum().cast("float64") for name in ("click_known", "clicked", "converted")},
    )
    return shop.count(cells.order_by(*by))


def regress(cells: pd.DataFrame, outcome: Literal["clicked", "converted"] = "clicked") -> Regression | None:
    """Regress the share who respond on channel, segment, weekday and part of the day, with errors by campaign.

    Weighted least squares on cells equals the regression on messages; the sandwich has campaigns as clusters (Liang &
    Zeger 1986, Biometrika 73(1)) and Student's t at campaigns − 1 degrees of freedom.

    Args:
        cells: of `count_drivers`.
        outcome: the response.

    Returns:
        None with fewer than `FEWEST_CAMPAIGNS` campaigns, or where the outcome is not known or never happened.
    """
    trials = "click_known" if outcome == "clicked" else "delivered"
    used = cells[(cells[trials] > 0) & cells[outcome].notna()]
    campaigns = int(used["campaign_id"].nunique())
    factors = [name for name in ("channel", "segment", "weekday", "part") if len(set(used[name])) > 1]
    if campaigns < FEWEST_CAMPAIGNS or not factors or not used[outcome].sum():
        return None
    frame = used.assign(share=used[outcome] / used[trials], weekday=used["weekday"].astype(str))
    largest = {name: str(frame.groupby(name)[trials].sum().idxmax()) for name in factors}
    terms = " + ".join(f"C({name}, Treatment({largest[name]!r}))" for name in factors)
    model = WLS.from_formula(f"share ~ {terms}", frame, weights=frame[trials].to_numpy(float))
    groups = pd.factorize(frame["campaign_id"])[0]
    fitted = model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    limits, rows = fitted.conf_int(), []
    for name in factors:
        for level in sorted(set(frame[name].astype(str)) - {largest[name]}):
            term = f"C({name}, Treatment({largest[name]!r}))[T.{level}]"
            rows.append({
                "factor": name, "level": level, "reference": largest[name], "estimate": float(fitted.params[term]),
                "low": float(limits.loc[term, 0]), "high": float(limits.loc[term, 1]),
                "p_value": float(fitted.pvalues[term]),
            })  # fmt: skip
    found = pd.DataFrame(rows)
    found["adjusted_p"] = adjust(found["p_value"].to_numpy(float), "benjamini_hochberg")
    return Regression(outcome, found, campaigns, int(frame[trials].sum()))


def find_drivers(shop: Shop, sends: Sends | None) -> list[Regression | None]:
    """The regressions of clicks and of orders; empty without messages.

    Args:
        shop: the company.
        sends: of `counts.collect_sends`.
    """
    if sends is None:
        return []
    cells = count_drivers(shop, sends)
    return [regress(cells, "clicked"), regress(cells, "converted")]
