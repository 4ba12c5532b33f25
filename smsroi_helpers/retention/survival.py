"""Survival of custom and of consent: Kaplan and Meier's estimate from customers counted by duration.

Each customer is one duration, so Greenwood's variance on the log(−log) scale has the customer as its unit. `lifelines`
does the estimation; a count of customers is its weight. Groups are compared by the log-rank test.

References:
    Kaplan & Meier (1958), Nonparametric estimation from incomplete observations, JASA 53(282).
    Mantel (1966), Evaluation of survival data and two new rank order statistics, Cancer Chemotherapy Reports 50(3).
    Tsai, Jewell & Wang (1987), A note on the product-limit estimator under right censoring and left truncation,
        Biometrika 74(4).
"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test

from smsroi_helpers.retention.cohorts import wilson
from smsroi_helpers.retention.counts import ALL, count_durations
from smsroi_helpers.retention.spells import (
    consent_spells,
    custom_after,
    custom_spells,
    first_campaigns,
    knows_consent,
)
from smsroi_helpers.segmentation import resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import adjust

__all__ = [
    "FEWEST_AT_RISK",
    "Curve",
    "Grouping",
    "Survival",
    "analyse_survival",
    "compare_groups",
    "custom_rows",
    "estimate_curve",
    "estimate_curves",
    "landmark_of",
]

FEWEST_AT_RISK = 10
"""A curve ends where fewer customers are still observed: beyond, one of them is a tenth of the share."""
Kind = Literal["custom", "consent"]
Grouping = Literal["all", "segment", "acquisition_channel", "first_campaign"]


@dataclass(frozen=True)
class Curve:
    """The share of a group's customers who had not ended after so many days."""

    group: str
    customers: int
    ended: int
    steps: pd.DataFrame
    """days, at_risk, survival, low, high (95 %): one row per day with an end, and day 0."""
    days: int
    """How far the curve goes: the last day with `FEWEST_AT_RISK` customers observed."""

    def at(self, days: int) -> tuple[float, float, float]:
        """Survival after so many days, with limits; NaN beyond the curve's end."""
        if days > self.days or not len(self.steps):
            return (float("nan"),) * 3
        row = self.steps[self.steps["days"] <= days].iloc[-1]
        return float(row["survival"]), float(row["low"]), float(row["high"])

    @property
    def ended_at_once(self) -> float:
        """The share (0–1) of the group who ended on day 0; NaN where the curve has no day."""
        return 1 - self.at(0)[0]

    @property
    def ended_share(self) -> tuple[float, float, float]:
        """The share (0–1) of the group whose end was seen, with Wilson's 95 % limits; NaN without customers."""
        low, high = wilson(pd.Series([self.ended]), pd.Series([self.customers]))
        return self.ended / self.customers if self.customers else float("nan"), float(low[0]), float(high[0])

    @property
    def median(self) -> float:
        """The first day on which at most half are left; NaN where the curve does not fall so far."""
        below = self.steps[self.steps["survival"] <= 0.5]
        return float(below["days"].iloc[0]) if len(below) else float("nan")


@dataclass(frozen=True)
class Survival:
    """The curves of one kind of ending, by one grouping, with the test that all groups are alike."""

    kind: Kind
    by: Grouping
    curves: tuple[Curve, ...]
    """The largest group first."""
    p_value: float = float("nan")
    """Of the log-rank test; NaN with fewer than two groups."""
    adjusted_p: float = float("nan")
    """Holm, over all groupings of the page."""
    start: dt.date | None = None
    """The landmark, where the clock starts on one day for all."""


# --- estimation ------------------------------------------------------------------------------------------------------


def estimate_curve(cells: pd.DataFrame, group: str = ALL) -> Curve:
    """Kaplan and Meier's curve of customers counted by duration.

    With entry after day 0 (left truncation) the first days may have few customers, and one end there would weigh on the
    whole curve: ends before the first day with `FEWEST_AT_RISK` customers at risk are left out.

    Args:
        cells: days (≥ 0), event (0 or 1), entry (days, 0 where observed from the start), customers.
        group: its name.

    >>> cells = pd.DataFrame({"days": [1, 2, 3], "event": [1, 0, 1], "entry": 0, "customers": [10, 10, 20]})
    >>> estimate_curve(cells).steps["survival"].round(6).tolist()  # 1, 30/40, 30/40 · 0/20
    [1.0, 0.75, 0.0]
    """
    cells = cells[cells["days"] >= cells["entry"]]
    delayed = bool((cells["entry"] > 0).any())
    if delayed:
        cells = cells[cells["days"] >= _settled_from(cells)]
    customers = int(cells["customers"].sum())
    ended = int(cells.loc[cells["event"] == 1, "customers"].sum())
    if not customers:
        return Curve(group, 0, 0, pd.DataFrame(columns=["days", "at_risk", "survival", "low", "high"]), -1)
    fitter = KaplanMeierFitter()
    # lifelines takes nobody at risk who enters on the day of the end; who leaves on the first day was there.
    entry = cells["entry"].to_numpy(float) - 0.5 if delayed else None
    fitter.fit(cells["days"], cells["event"], entry=entry, weights=cells["customers"])
    table, limits = fitter.event_table, fitter.confidence_interval_
    steps = pd.DataFrame({
        "days": table.index.to_numpy(float),
        "at_risk": table["at_risk"].to_numpy(int),
        "survival": fitter.survival_function_.iloc[:, 0].to_numpy(float),
        "low": limits.iloc[:, 0].to_numpy(float),
        "high": limits.iloc[:, 1].to_numpy(float),
    })  # fmt: skip
    watched = _at_risk(cells)
    last = int(watched.index[watched >= min(FEWEST_AT_RISK, customers)].max())
    keep = (table["observed"].to_numpy(float) > 0) | (steps["days"].to_numpy() <= 0)
    steps = steps[keep & (steps["days"] <= last)].reset_index(drop=True)
    steps["days"] = steps["days"].clip(lower=0.0)
    steps = steps.drop_duplicates("days", keep="last").reset_index(drop=True)
    if not len(steps) or steps["days"].iloc[0] > 0:
        start = pd.DataFrame({"days": [0.0], "at_risk": [customers], "survival": 1.0, "low": 1.0, "high": 1.0})
        steps = pd.concat([start, steps], ignore_index=True)
    steps["low"] = np.minimum(steps["low"].fillna(steps["survival"]), steps["survival"])
    steps["high"] = np.maximum(steps["high"].fillna(steps["survival"]), steps["survival"])
    return Curve(group, customers, ended, steps.astype({"days": int}), last)


def _at_risk(cells: pd.DataFrame) -> pd.Series:
    """Customers observed on each day that is the end or the last of somebody, by day."""
    leaves = cells.groupby("days")["customers"].sum()
    enters = cells.groupby("entry")["customers"].sum()
    days = leaves.index.to_numpy()
    gone_before = np.append(0, np.cumsum(leaves.to_numpy()))[:-1]
    come = np.cumsum(enters.to_numpy())[np.searchsorted(enters.index.to_numpy(), days, side="right") - 1]
    return pd.Series(come - gone_before, index=days)


def _settled_from(cells: pd.DataFrame) -> int:
    """The first day on which enough customers are observed."""
    watched = _at_risk(cells)
    enough = watched.index[watched >= FEWEST_AT_RISK]
    return int(enough.min()) if len(enough) else int(watched.index.max())


def estimate_curves(cells: pd.DataFrame, kind: Kind, by: Grouping, start: dt.date | None = None) -> Survival:
    """The curve of each group that ten customers are in, and the log-rank test of all of them.

    Args:
        cells: of `counts.count_durations`, with the column segment.
        kind: what ends.
        by: the grouping.
        start: the landmark, if one day is everybody's.
    """
    sizes = cells.groupby("segment")["customers"].sum().sort_values(ascending=False, kind="stable")
    names = [str(name) for name in sizes.index[sizes >= FEWEST_AT_RISK]]
    curves = tuple(estimate_curve(cells[cells["segment"] == name], name) for name in names)
    return Survival(kind, by, curves, compare_groups(cells[cells["segment"].isin(names)]), start=start)


def compare_groups(cells: pd.DataFrame) -> float:
    """The log-rank test that all groups survive alike: its p-value; NaN with fewer than two groups, or no end.

    Customers observed from a later day than the first (entry) are left out: the test has no place for them.
    """
    cells = cells[cells["entry"] == 0]
    if cells["segment"].nunique() < 2 or not (cells["event"] == 1).any():
        return float("nan")
    days, groups, ends, weights = (cells[name].to_numpy() for name in ("days", "segment", "event", "customers"))
    found = multivariate_logrank_test(days, groups, ends, weights=weights)
    return float(found.p_value)


# --- what is compared ------------------------------------------------------------------------------------------------


def landmark_of(shop: Shop, settle_days: int = 0, most_days: int = 365) -> dt.date:
    """The day from which segments are followed: a year before the last day known, at most half of the log until then.

    Args:
        shop: the company.
        settle_days: the last days in which an end cannot be known yet.
        most_days: of the year.
    """
    firsts = [table.first for name, table in shop.loaded.tables.items() if name in ("orders", "messages")]
    first = min(dt.date.fromisoformat(one) for one in firsts if one is not None)
    last = shop.as_of - dt.timedelta(days=settle_days)
    return last - dt.timedelta(days=min(most_days, max((last - first).days, 0) // 2))


def analyse_survival(shop: Shop, *, gone_after_days: int, segment_by: str, channel: str) -> list[Survival]:
    """Every curve of the page: custom and consent, of all, by segment, acquisition channel and first campaign.

    All and channels are followed from the first purchase or the opt-in on. Segments are those of the landmark, of
    customers then not gone or subscribed; first campaigns are followed from the first text on. Segments made of
    purchases differ in custom by definition (who is dormant has been silent), so the test of custom leaves them out;
    those of a column of `customers` are tested.

    Args:
        shop: the company.
        gone_after_days: as for `spells.custom_spells`; not used without orders.
        segment_by: as for `segmentation.resolve`.
        channel: of the texts; empty where there are none.
    """
    parts: list[tuple[Kind, Grouping, ir.Table, dt.date | None]] = []
    people = _channel_of(shop)
    grouping = resolve(shop, segment_by)

    def segments(start: dt.date) -> ir.Table:
        return grouping.at(start).select("customer_id", "segment", start=ibis.literal(start))

    campaigns = first_campaigns(shop, channel) if channel else None
    if shop.has("orders"):
        rows = custom_rows(shop, gone_after_days)
        parts.append(("custom", "all", rows.mutate(segment=ibis.literal(ALL)), None))
        parts += [("custom", "acquisition_channel", _label(rows, people), None)] if people is not None else []
        start = landmark_of(shop, gone_after_days)
        parts.append(("custom", "segment", custom_after(shop, gone_after_days, segments(start)), start))
        if campaigns is not None:
            parts.append(("custom", "first_campaign", custom_after(shop, gone_after_days, campaigns), None))
    if knows_consent(shop):
        rows = _consent(shop)
        parts.append(("consent", "all", rows.mutate(segment=ibis.literal(ALL)), None))
        parts += [("consent", "acquisition_channel", _label(rows, people), None)] if people is not None else []
        start = landmark_of(shop)
        parts.append(("consent", "segment", _consent_after(shop, segments(start), same_day=False), start))
        if campaigns is not None:
            parts.append(("consent", "first_campaign", _consent_after(shop, campaigns, same_day=True), None))
    found = [estimate_curves(count_durations(shop, rows), kind, by, day) for kind, by, rows, day in parts]
    if not shop.has("customers", segment_by):
        found = [replace(one, p_value=np.nan) if (one.kind, one.by) == ("custom", "segment") else one for one in found]
    p_values = np.array([each.p_value for each in found])
    tested = np.isfinite(p_values)
    adjusted = np.full(len(found), np.nan)
    adjusted[tested] = adjust(p_values[tested], "holm")
    return [replace(each, adjusted_p=float(p)) for each, p in zip(found, adjusted, strict=True) if each.curves]


def custom_rows(shop: Shop, gone_after_days: int) -> ir.Table:
    """Custom from the first purchase on: customer_id, came_back, days, event.

    Only customers are in it who have been observed long enough to be gone.
    """
    spells = custom_spells(shop, gone_after_days)
    spells = spells.filter(spells.observed_days >= gone_after_days)
    length = spells.last_day.delta(spells.first_day, unit="day").cast("int64")
    return spells.select(
        "customer_id",
        "came_back",
        days=ibis.ifelse(spells.gone, length, spells.observed_days - gone_after_days),
        event=spells.gone,
    )


def _consent(shop: Shop) -> ir.Table:
    """Consent from its beginning on: customer_id, days, event, entry."""
    spells = consent_spells(shop)
    assert spells is not None
    end = ibis.coalesce(spells.ended, ibis.literal(shop.as_of))
    rows = spells.select(
        "customer_id",
        days=end.delta(spells.began, unit="day").cast("int64"),
        event=spells.ended.notnull(),
        entry=spells.entered.delta(spells.began, unit="day").cast("int64"),
    )
    return rows.filter(rows.days >= rows.entry)


def _consent_after(shop: Shop, starts: ir.Table | None, *, same_day: bool) -> ir.Table:
    """Consent from a day on: customer_id, segment, days, event.

    Args:
        shop: the company.
        starts: customer_id, segment, start.
        same_day: whether an opt-out of that day comes after the start, as after a first text; or before it.
    """
    spells = consent_spells(shop)
    assert spells is not None
    assert starts is not None
    spells = spells.rename(person="customer_id")
    rows = starts.join(spells, starts.customer_id == spells.person).drop("person")
    left_later = rows.ended >= rows.start if same_day else rows.ended > rows.start
    rows = rows.filter(rows.began <= rows.start, rows.ended.isnull() | left_later)
    end = ibis.coalesce(rows.ended, ibis.literal(shop.as_of))
    return rows.select(
        "customer_id", "segment", days=end.delta(rows.start, unit="day").cast("int64"), event=rows.ended.notnull()
    )


def _channel_of(shop: Shop) -> ir.Table | None:
    if not shop.has("customers", "acquisition_channel"):
        return None
    return resolve(shop, "acquisition_channel").at()


def _label(rows: ir.Table, people: ir.Table | None) -> ir.Table:
    assert people is not None
    named = people.select("segment", member="customer_id")
    labelled = rows.left_join(named, rows.customer_id == named.member).drop("member")
    return labelled.mutate(segment=labelled.segment.fill_null("unknown"))
