"""Early warning, tested out of time: of those a warning names, how many stay away; of those who stay away, how many it
names; and whether the probabilities are right.

P(alive) is that of the purchase models of `cltv`, fitted to the days before its test weeks and compared with what
customers did in them. It ranks customers better than it counts those who have left, so the test warns of as large a
share of the customers as the list of today has: those with the lowest P(alive). Staying away from a shop for the test
weeks is not leaving it for good: some of those named by mistake are slow, and some of those who stayed away come back.
Click fading compares subscribers who had clicked earlier and stopped with those who went on clicking, by what both did
in the weeks after. The list of today's customers is in the table `churn_warnings` (02_cltv), today's fading by segment
on 04_frequency.
"""

import datetime as dt
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import cltv, measures
from smsroi_helpers.retention.cohorts import wilson
from smsroi_helpers.segmentation import known_people
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import difference_of_rates

__all__ = [
    "AliveTest",
    "WarningTest",
    "evaluate_alive",
    "evaluate_fading",
    "score_warning",
]

FADING_WEEKS = 8
"""The weeks in which clicks are looked for, before the warning; the outcome is that of as many weeks after it."""
_FEWEST_TEXTS = 2


@dataclass(frozen=True)
class WarningTest:
    """How a warning did on later weeks; shares are 0–1, with 95 % limits."""

    warned_on: dt.date
    """The last day that the warning uses."""
    weeks: int
    """The weeks after it whose outcome counts."""
    customers: int
    """Everybody who could have been warned of."""
    warned: int
    away: int
    """Of all: had the outcome the warning is of (bought nothing; opted out)."""
    hits: int
    """Of the warned: likewise."""
    precision: tuple[float, float, float]
    """hits ÷ warned."""
    recall: tuple[float, float, float]
    """hits ÷ away."""
    others: tuple[float, float, float]
    """The share of those not warned of who had the outcome all the same."""
    difference: tuple[float, float, float]
    """precision − others; a warning that knows nothing has 0."""

    @property
    def share(self) -> float:
        """The share (0–1) of the customers who were warned of: the length of the list."""
        return self.warned / self.customers if self.customers else float("nan")

    @property
    def base(self) -> float:
        """The share of all who had the outcome: the precision of a warning at random."""
        return self.away / self.customers if self.customers else float("nan")


def score_warning(warned_on: dt.date, weeks: int, *, warned: int, hits: int, customers: int, away: int) -> WarningTest:
    """Precision, recall and the difference from those not warned of, from four counts.

    >>> found = score_warning(dt.date(2024, 1, 1), 8, warned=50, hits=40, customers=200, away=80)
    >>> found.precision[0], found.recall[0], round(found.others[0], 4), found.base
    (0.8, 0.5, 0.2667, 0.4)
    """

    def share(part: int, whole: int) -> tuple[float, float, float]:
        if not whole:
            return (float("nan"),) * 3
        low, high = wilson(pd.Series([part]), pd.Series([whole]))
        return part / whole, float(low[0]), float(high[0])

    difference = (float("nan"),) * 3
    if 0 < warned < customers:
        found = difference_of_rates([hits], [warned], [away - hits], [customers - warned])
        difference = (float(found.estimate[0]), float(found.low[0]), float(found.high[0]))
    return WarningTest(
        warned_on, weeks, customers, warned, away, hits, share(hits, warned), share(hits, away),
        share(away - hits, customers - warned), difference,
    )  # fmt: skip


@dataclass(frozen=True)
class AliveTest:
    """The test of P(alive)."""

    model: str
    threshold: float
    """Customers with a lower P(alive) are on the list of today."""
    listed: int
    """Customers on it."""
    people: int
    """Customers who could be: everybody who has bought."""
    score: WarningTest
    """Of the test, for a list of as large a share of the customers."""
    ranking: float
    """The probability (0–1) that of a customer who stayed away and one who bought, the former had the lower P(alive)
    (the area under the ROC curve); 0.5 knows nothing."""
    calibration: pd.DataFrame
    """By P(alive): lowest, highest, customers, predicted, low, high (share expected to buy), bought (share who did)."""

    @property
    def listed_share(self) -> float:
        """Share (0–1) of the customers who are on the list."""
        return self.listed / self.people


def evaluate_alive(
    comparison: cltv.ModelComparison, tested: cltv.Holdout, today: pd.DataFrame, alive_below: float
) -> AliveTest:
    """How P(alive) before the test weeks predicted who would stay away in them, for a list as long as today's.

    Args:
        comparison: of `cltv.compare_models`.
        tested: of `cltv.holdout_test`.
        today: p_alive (on the last day observed, under the same model), customers.
        alive_below: customers with a lower P(alive) are on the list of today (0–1).
    """
    outcomes = comparison.outcomes
    alive = np.asarray(cltv.probability_alive(comparison.fits[comparison.alive_model], outcomes), float)
    n = outcomes["customers"].to_numpy(int)
    away = outcomes["later_purchases"].to_numpy() == 0
    people = int(today["customers"].sum())
    listed = int(today.loc[today["p_alive"] < alive_below, "customers"].sum())
    warned = _lowest(alive, n, listed / people if people else 0.0)
    score = score_warning(
        comparison.split, comparison.weeks, warned=int(n[warned].sum()), hits=int(n[warned & away].sum()),
        customers=int(n.sum()), away=int(n[away].sum()),
    )  # fmt: skip
    return AliveTest(
        comparison.alive_model, alive_below, listed, people, score, _ranking(alive, away, n),
        tested.by_alive[["lowest", "highest", "customers", "predicted", "low", "high", "bought"]],
    )  # fmt: skip


def _lowest(alive: np.ndarray, customers: np.ndarray, share: float) -> np.ndarray:
    """(cells,): whether they are among the share (0–1) of the customers with the lowest P(alive).

    Customers alike are all in or all out, so the share is the nearest to the one asked for.

    >>> _lowest(np.array([0.9, 0.1, 0.5, 0.1]), np.array([5, 1, 3, 1]), 0.45).tolist()
    [False, True, True, True]
    """
    levels, place = np.unique(alive, return_inverse=True)
    reached = np.concatenate([[0.0], np.cumsum(np.bincount(place, customers, len(levels))) / customers.sum()])
    return np.asarray(place < int(np.abs(reached - share).argmin()))


def _ranking(alive: np.ndarray, away: np.ndarray, customers: np.ndarray) -> float:
    """The area under the ROC curve of a low P(alive) for staying away; ties count half."""
    cells = pd.DataFrame({"alive": alive, "away": away * customers, "bought": ~away * customers})
    by_score = cells.groupby("alive")[["away", "bought"]].sum()
    if not by_score["away"].sum() or not by_score["bought"].sum():
        return float("nan")
    above = by_score["bought"].sum() - by_score["bought"].cumsum()
    won = (by_score["away"] * (above + by_score["bought"] / 2)).sum()
    return float(won / by_score["away"].sum() / by_score["bought"].sum())


# --- clicks ----------------------------------------------------------------------------------------------------------


def evaluate_fading(shop: Shop, channel: str) -> dict[str, WarningTest]:
    """Whether subscribers who stopped clicking went on to opt out, or to buy nothing, more than those who did not stop.

    Subscribers on a day eight weeks before the last one observed, who had clicked in the eight weeks that ended eight
    weeks before that day, and had got two or more texts in those and in the eight weeks up to the day. Warned of: no
    click in the latter.

    Returns:
        `opt_out` and `no_purchase`, where the source knows them; empty without clicks, or in a shorter log.
    """
    if not channel or not measures.knows_clicks(shop):
        return {}
    day = shop.as_of - dt.timedelta(weeks=FADING_WEEKS)
    edges = [ibis.literal(shop.start_of(day + dt.timedelta(days=1, weeks=-FADING_WEEKS * k))) for k in (0, 1, 2)]
    sends = measures.human_clicks(shop)
    sends = sends.filter(sends.channel == channel, sends.sent_at < edges[0], sends.sent_at >= edges[2])
    late, known = sends.sent_at >= edges[1], sends.click_known
    clicked = (sends.human_click_at < edges[0]).fill_null(False)
    each = sends.group_by("customer_id").aggregate(
        texts_late=sends.count(where=late & known), texts_early=sends.count(where=~late & known),
        clicks_late=sends.count(where=late & clicked), clicks_early=sends.count(where=~late & clicked),
    )  # fmt: skip
    each = each.filter(each.texts_late >= _FEWEST_TEXTS, each.texts_early >= _FEWEST_TEXTS, each.clicks_early > 0)
    there = measures.subscribed(shop, edges[0], known_people(shop, day)).rename(member="customer_id")
    each = each.semi_join(there, each.customer_id == there.member)
    each = each.mutate(quiet=each.clicks_late == 0)
    found = {}
    if (withdrawn := measures.opt_outs(shop)) is not None:
        after = withdrawn.filter(withdrawn.opt_out_at >= edges[0])
        found["opt_out"] = _score(shop, each.mutate(away=each.customer_id.isin(after.customer_id)), day)
    if shop.has("orders"):
        bought = measures.purchases(shop)
        bought = bought.filter(bought.day > ibis.literal(day))
        found["no_purchase"] = _score(shop, each.mutate(away=each.customer_id.notin(bought.customer_id)), day)
    return {name: score for name, score in found.items() if score.customers}


def _score(shop: Shop, rows: ir.Table, day: dt.date) -> WarningTest:
    sums = rows.aggregate(
        customers=rows.count(), warned=rows.count(where=rows.quiet), away=rows.count(where=rows.away),
        hits=rows.count(where=rows.quiet & rows.away),
    )  # fmt: skip
    counted = shop.count(sums).iloc[0]
    return score_warning(day, FADING_WEEKS, **{name: int(counted[name]) for name in counted.index})
