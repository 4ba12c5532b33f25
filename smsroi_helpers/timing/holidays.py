"""Response rates on public holidays, on working days moved to a weekend, and by month.

The package `holidays` gives each country's holidays; the country follows from the recipient's time zone. Holidays are
few and not randomised, so the ratios include everything else that happened on those days.
"""

import datetime as dt
from dataclasses import dataclass

import holidays
import ibis
import numpy as np
import pandas as pd
from scipy.stats import t

from smsroi_helpers.measures import territory_of
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import FEW_EVENTS, GROUPS, Floats, rates
from smsroi_helpers.timing.counts import Outcome, Sends

__all__ = [
    "KINDS",
    "SpecialDays",
    "analyse_days",
    "compare_days",
    "count_kinds",
    "kind_of_days",
    "season",
]

KINDS = ("holiday", "shifted")
"""A public holiday; a Saturday or Sunday that is a working day in exchange for one."""

_FEWEST_STRATA = 5
"""With fewer strata the variance between special days cannot be estimated."""


@dataclass(frozen=True)
class SpecialDays:
    """Response ratios of special days, and response rates by month."""

    ratios: pd.DataFrame
    """kind, strata, messages, clicks, ratio, low, high: see `compare_days`."""
    months: pd.DataFrame
    """month (ISO, `2026-02`), events, trials, rate, low, high."""
    outcome: Outcome
    """What is counted as `clicks`, as `Sends.outcome`."""


def kind_of_days(territory: str, first: dt.date, last: dt.date) -> dict[dt.date, str]:
    """The special days of a country; none where its holidays are not known.

    >>> days = kind_of_days("CN", dt.date(2026, 2, 1), dt.date(2026, 2, 28))
    >>> days[dt.date(2026, 2, 17)], days[dt.date(2026, 2, 28)], dt.date(2026, 2, 14) in days
    ('holiday', 'shifted', True)
    """
    if territory not in holidays.list_supported_countries():
        return {}
    known = holidays.country_holidays(territory, years=range(first.year, last.year + 1))
    found = {day: "holiday" for day in known if first <= day <= last}
    worked = getattr(known, "weekend_workdays", ())
    return found | {day: "shifted" for day in worked if first <= day <= last}


def count_kinds(shop: Shop, sends: Sends, weeks: int = 104) -> pd.DataFrame:
    """territory, kind (empty for ordinary days), month, weekday, group; messages, clicks.

    Args:
        shop: the company.
        sends: of `counts.collect_sends`.
        weeks: how far back.
    """
    first = shop.as_of - dt.timedelta(weeks=weeks)
    rows = sends.rows.filter(sends.rows.local_date > ibis.literal(first))
    zones = shop.count(rows.select("timezone").distinct().order_by("timezone"))["timezone"].tolist()
    where = pd.DataFrame({"zone": zones, "territory": [territory_of(zone) for zone in zones]})
    named = [
        {"country": country, "day": day, "kind": kind}
        for country in sorted(set(where["territory"]))
        for day, kind in kind_of_days(country, first, shop.as_of + dt.timedelta(days=1)).items()
    ]
    countries = ibis.memtable(where, schema={"zone": "string", "territory": "string"})
    rows = rows.join(countries, rows.timezone == countries.zone)
    days = ibis.memtable(
        pd.DataFrame(named or [{"country": "none", "day": first, "kind": ""}]),
        schema={"country": "string", "day": "date", "kind": "string"},
    )
    rows = rows.left_join(days, [rows.territory == days.country, rows.local_date == days.day])
    keys = ["territory", "kind", "month", "weekday", "group"]
    cells = rows.group_by(
        "territory", "weekday", "group", kind=rows.kind.fill_null(""), month=rows.local_date.cast("string").substr(0, 7)
    ).aggregate(
        messages=rows.count(where=rows.known),
        clicks=rows.count(where=rows.happened),
    )
    return shop.count(cells.order_by(keys))


def compare_days(cells: pd.DataFrame) -> pd.DataFrame:
    """Response on special days ÷ on ordinary ones of the same country, month and weekday (Mantel & Haenszel 1959).

    RR = Σ a·n₀/N ÷ Σ b·n₁/N over strata with both kinds of days; a and b are the responses on special and on ordinary
    days, n₁ and n₀ the messages, N their sum. A working weekend day is compared with ordinary weekend days. The
    variance of log RR is the sum of a jackknife over groups of customers and a jackknife over strata. The second part
    covers the variation between the few special days, and is the larger one.

    Returns:
        kind, strata, messages, clicks (on special days that have ordinary days in their stratum), ratio, low, high; NaN
        with fewer than 5 strata, or fewer than 20 responses on either side. No row for a kind without such days.
    """
    found = []
    keys = ["territory", "month", "weekday"]
    for kind in KINDS:
        own = cells[cells["kind"].isin(["", kind])].assign(special=lambda rows: rows["kind"] != "")
        own = own[own["messages"] > 0]
        both = own.groupby(keys)["special"].transform("nunique") == 2
        own = own[both]
        if not len(own):
            continue
        stratum = own.groupby(keys, sort=True).ngroup().to_numpy(int)
        strata = int(stratum.max()) + 1
        place = (stratum * 2 + own["special"].to_numpy(int)) * GROUPS + own["group"].to_numpy(int)
        m, k = (
            np.bincount(place, own[name].to_numpy(float), strata * 2 * GROUPS).reshape(-1, 2, GROUPS).astype(float)
            for name in ("messages", "clicks")
        )
        ratio, low, high = _ratio_with_limits(m, k)
        found.append({
            "kind": kind, "strata": strata, "messages": m[:, 1].sum(), "clicks": k[:, 1].sum(), "ratio": ratio,
            "low": low, "high": high,
        })  # fmt: skip
    return pd.DataFrame(found, columns=["kind", "strata", "messages", "clicks", "ratio", "low", "high"])


def _ratio_with_limits(m: Floats, k: Floats) -> tuple[float, float, float]:
    """The ratio and its 95 % limits; NaN with too few strata or responses.

    Args:
        m: messages, strata × (ordinary, special) × groups of customers.
        k: responses, the same.
    """
    strata = len(m)
    if strata < _FEWEST_STRATA or min(k[:, 1].sum(), k[:, 0].sum()) < FEW_EVENTS:
        return float("nan"), float("nan"), float("nan")
    m_all, k_all = m.sum(axis=-1), k.sum(axis=-1)
    whole = _log_ratio(m_all, k_all)
    without_group = [_log_ratio(m_all - m[..., g], k_all - k[..., g]) for g in range(GROUPS)]
    without_stratum = [_log_ratio(np.delete(m_all, s, axis=0), np.delete(k_all, s, axis=0)) for s in range(strata)]
    variance = sum(
        (len(left) - 1) / len(left) * ((np.array(left) - whole) ** 2).sum() for left in (without_group, without_stratum)
    )
    half_width = t.ppf(0.975, strata - 1) * np.sqrt(variance)
    ratio, low, high = (float(np.exp(x)) for x in (whole, whole - half_width, whole + half_width))
    return ratio, low, high


def _log_ratio(m: Floats, k: Floats) -> float:
    """The logarithm of the Mantel–Haenszel ratio; columns: ordinary, special."""
    both = m.sum(axis=1)
    used = (m > 0).all(axis=1)
    m, k, both = m[used], k[used], both[used]
    return float(np.log((k[:, 1] * m[:, 0] / both).sum() / (k[:, 0] * m[:, 1] / both).sum()))


def season(cells: pd.DataFrame, customers: int) -> pd.DataFrame:
    """Response by month: month, events, trials, rate, low, high.

    Args:
        cells: of `count_kinds`.
        customers: the approximate number of customers who get a month's messages.
    """
    sums = cells.groupby(["month", "group"], as_index=False)[["messages", "clicks"]].sum()
    sums = sums[sums["messages"] > 0].assign(people=lambda rows: np.minimum(rows["messages"], customers / GROUPS))
    return rates(sums, ["month"], events="clicks", trials="messages", units="people").drop(columns="units")


def analyse_days(shop: Shop, sends: Sends) -> SpecialDays:
    """Holidays, shifted workdays and months."""
    cells = count_kinds(shop, sends)
    people = shop.count(sends.rows.aggregate(n=sends.rows.customer_id.nunique()))["n"].iloc[0]
    return SpecialDays(compare_days(cells), season(cells, int(people)), sends.outcome)
