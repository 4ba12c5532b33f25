"""Everything that `07_retention` counts and estimates, as far as the source's tables go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ibis
import numpy as np
import pandas as pd

from smsroi_helpers import cltv, measures
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.retention.base_audit import BaseAudit, audit_base, period_length
from smsroi_helpers.retention.cohorts import (
    Triangle,
    began_with_log,
    consent_triangle,
    order_triangle,
    wilson,
)
from smsroi_helpers.retention.counts import ALL, count_durations
from smsroi_helpers.retention.early_warning import AliveTest, WarningTest, evaluate_alive, evaluate_fading
from smsroi_helpers.retention.observational import Association, associate
from smsroi_helpers.retention.planning import WinBackPlan, plan_win_back
from smsroi_helpers.retention.survival import Curve, Survival, analyse_survival, custom_rows, estimate_curve
from smsroi_helpers.retention.texting import Retained, find_holdouts, measure_retention
from smsroi_helpers.retention.win_back import WonBack, measure_win_back
from smsroi_helpers.segmentation import Cuts, count_funnel, count_stage_moves, find_cuts, known_people
from smsroi_helpers.source import Shop

__all__ = [
    "MOST_BACK",
    "PurchaseModel",
    "Silence",
    "Study",
    "analyse",
    "choose_silence",
    "fit_purchase_model",
    "try_silences",
]


SHARES = (0.8, 0.9, 0.95, 0.975, 0.99)
"""Shares of repeat purchases that come within a silence: the definitions of gone that are tried."""
MOST_BACK = 0.2
"""Of those gone by a good definition, at most this share (0–1) has bought again since."""


@dataclass(frozen=True)
class Silence:
    """One definition of gone, and what it makes of custom."""

    days: int
    share: float
    """Of repeat purchases that come within it (0–1)."""
    curve: Curve
    came_back: tuple[float, float, float]
    """Share (0–1) of those gone who have bought again since, with 95 % limits."""


@dataclass(frozen=True)
class PurchaseModel:
    """What the purchase model of `02_cltv` says of retention, with the same parameters as there."""

    alive: AliveTest
    gains: pd.DataFrame
    """Of `cltv.gains`: the value of one more point of retention, by segment and of all."""
    forecast: cltv.Forecast


@dataclass(frozen=True)
class Study:
    """The results of the page; None or empty where the source does not show them."""

    people: int
    """Everybody known by the last day observed."""
    buyers: int
    """Of them, who have bought."""
    channel: str
    """Of the texts; empty where there are none."""
    cuts: Cuts | None
    """Where dormant and lost begin (01_segmentation); None without orders."""
    gone: Cuts | None
    """The silence after which a customer counts as gone: `lost_after_days`, within which `lost_share` of repeat
    purchases come."""
    new_with_log: bool
    """Whether the source shows that no buyer is older than the log."""
    orders: Triangle
    consent: Triangle
    survivals: list[Survival]
    silences: list[Silence]
    """Custom by each definition of gone that was tried."""
    audit: BaseAudit | None
    model: PurchaseModel | None
    no_model: str
    """Why there is no purchase model, as a message of `NotEnoughData`; empty where there is one, or no orders."""
    fading: dict[str, WarningTest]
    retained: list[Retained]
    won_back: list[WonBack]
    association: Association | None
    plan: WinBackPlan | None
    funnel: pd.DataFrame
    moves: pd.DataFrame
    period_days: int

    def survival(self, kind: str, by: str) -> Survival | None:
        """The curves of one kind of ending by one grouping; None where there are none."""
        return next((one for one in self.survivals if (one.kind, one.by) == (kind, by)), None)


def count_exclusions(
    study: Study,
) -> list[tuple[Literal["known", "no_purchase", "young", "no_consent"], float, float]]:
    """Customers by why they are left out: out (NaN in the first row, of everybody), and left."""
    rows: list[tuple[Literal["known", "no_purchase", "young", "no_consent"], float, float]]
    rows = [("known", float("nan"), study.people)]
    if study.gone is not None:
        custom = study.survival("custom", "all")
        watched = custom.curves[0].customers if custom is not None else 0
        rows.append(("no_purchase", study.people - study.buyers, study.buyers))
        rows.append(("young", study.buyers - watched, watched))
    consent = study.survival("consent", "all")
    if consent is not None:
        left = consent.curves[0].customers
        rows.append(("no_consent", study.people - left, left))
    return rows


def analyse(
    shop: Shop,
    rng: np.random.Generator,
    *,
    segment_by: str = "rfm_group",
    channel: str = "",
    gone_share: float = 0.0,
    alive_below: float = 0.5,
    horizon_weeks: int = 52,
    yearly_discount_rate: float = 0.1,
    period_days: int = 0,
) -> Study:
    """Count and estimate everything on the page.

    Args:
        shop: the company.
        rng: of the forecast's draws.
        segment_by: as for `segmentation.resolve`.
        channel: of the texts; empty: as `measures.choose_channel` chooses.
        gone_share: share (above 0.75, below 1) of repeat purchases that come within the silence after which a customer
            counts as gone; 0: as `choose_silence` chooses.
        alive_below: customers with a lower P(alive) are on the list of today (0–1).
        horizon_weeks: of the value of a point of retention.
        yearly_discount_rate: likewise.
        period_days: of the audit; 0: a year, at most half of the log.
    """
    channel = measures.choose_channel(shop, channel)
    people = known_people(shop)
    number = int(shop.count(people.aggregate(n=people.count()))["n"].iloc[0])
    fading = evaluate_fading(shop, channel)
    if not shop.has("orders"):
        survivals = analyse_survival(shop, gone_after_days=0, segment_by=segment_by, channel=channel)
        none = pd.DataFrame()
        return Study(
            number, 0, channel, None, None, False, order_triangle(shop, 0), consent_triangle(shop), survivals, [], None,
            None, "", fading, [], [], None, None, none, none, 0,
        )  # fmt: skip
    silences = try_silences(shop)
    cuts, gone = find_cuts(shop), find_cuts(shop, lost_share=gone_share or choose_silence(silences))
    with_log = began_with_log(shop)
    holdouts = find_holdouts(shop)
    period = period_length(shop, period_days)
    model, reason = fit_purchase_model(
        shop, rng, segment_by=segment_by, alive_below=alive_below, horizon_weeks=horizon_weeks,
        yearly_discount_rate=yearly_discount_rate,
    )  # fmt: skip
    return Study(
        people=number, buyers=_count_buyers(shop), channel=channel, cuts=cuts, gone=gone, new_with_log=with_log,
        orders=order_triangle(shop, cuts.dormant_after_days),
        consent=consent_triangle(shop),
        survivals=analyse_survival(
            shop, gone_after_days=gone.lost_after_days, segment_by=segment_by, channel=channel
        ),
        silences=silences,
        audit=audit_base(
            shop, settle_days=cuts.dormant_after_days, settled_always=with_log, period_days=period_days
        ),
        model=model, no_model=reason, fading=fading,
        retained=measure_retention(shop, holdouts, cuts.dormant_after_days),
        won_back=measure_win_back(shop, holdouts, cuts),
        association=associate(shop, channel), plan=plan_win_back(shop, cuts, channel),
        funnel=count_funnel(shop, cuts), moves=count_stage_moves(shop, cuts, period), period_days=period,
    )  # fmt: skip


def _count_buyers(shop: Shop) -> int:
    bought = measures.purchases(shop)
    return int(shop.count(bought.aggregate(n=bought.customer_id.nunique()))["n"].iloc[0])


def fit_purchase_model(
    shop: Shop,
    rng: np.random.Generator,
    *,
    segment_by: str,
    alive_below: float,
    horizon_weeks: int,
    yearly_discount_rate: float,
) -> tuple[PurchaseModel | None, str]:
    """The models of `02_cltv` by the same functions, and why there are none where there are too few repeat purchases.

    Args:
        shop: the company, with orders.
        rng: of the forecast's draws, which the value of a point does not depend on.
        segment_by: as for `analyse`.
        alive_below: likewise.
        horizon_weeks: likewise.
        yearly_discount_rate: likewise.
    """
    try:
        comparison = cltv.compare_models(shop, model="auto", horizon_weeks=horizon_weeks, holdout_weeks=0)
        tested = cltv.holdout_test(shop, comparison)
        cells = cltv.count_cells(shop)
        purchases = cltv.fit_purchases(cells, comparison.chosen, shop.recall)
        forecast = cltv.forecast_value(
            cells, purchases, cltv.fit_value(cltv.count_value_cells(shop)),
            margin=cltv.profit_share(shop), rng=rng, horizon_weeks=horizon_weeks,
            yearly_discount_rate=yearly_discount_rate,
        )  # fmt: skip
    except NotEnoughData as too_few:
        return None, str(too_few)
    gains = cltv.gains(forecast, cltv.count_segments(shop, segment_by))
    alive_fit = cltv.fit_purchases(cells, comparison.alive_model, shop.recall)
    today = cells[["customers"]].assign(p_alive=cltv.probability_alive(alive_fit, cells))
    return PurchaseModel(evaluate_alive(comparison, tested, today, alive_below), gains, forecast), ""


def try_silences(shop: Shop) -> list[Silence]:
    """Custom by each definition of gone in `SHARES`, the shortest silence first."""
    found: list[Silence] = []
    for share in SHARES:
        cuts = find_cuts(shop, lost_share=share)
        rows = custom_rows(shop, cuts.lost_after_days).mutate(segment=ibis.literal(ALL))
        curve = estimate_curve(count_durations(shop, rows))
        if not curve.customers or cuts.lost_after_days in [one.days for one in found]:
            continue
        came_back = int(shop.count(rows.aggregate(n=rows.count(where=rows.came_back)))["n"].iloc[0])
        low, high = wilson(pd.Series([came_back]), pd.Series([curve.ended]))
        back = (came_back / curve.ended, float(low[0]), float(high[0])) if curve.ended else (float("nan"),) * 3
        found.append(Silence(cuts.lost_after_days, cuts.lost_share, curve, back))
    return found


def choose_silence(tried: Sequence[Silence]) -> float:
    """The share of repeat purchases of the shortest silence after which at most `MOST_BACK` came back.

    The longest tried where more came back after all of them; 0.9 where none could be tried.
    """
    known = [one for one in tried if np.isfinite(one.share)]
    few = [one.share for one in known if one.came_back[0] <= MOST_BACK]
    return min(few) if few else max((one.share for one in known), default=0.9)
