"""Past texts that went out when they are not allowed: at closed hours, or on public holidays."""

import datetime as dt
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers.measures import OTHER_CHANNELS, allowed, days_off, rule_of, with_place
from smsroi_helpers.source import Shop
from smsroi_helpers.timing.counts import Sends

__all__ = ["COLUMNS", "AuditSums", "audit_sends", "mark_disallowed", "sum_audit", "with_rules"]

COLUMNS = ("rules", "texts", "on_days_off", "at_closed_hours")


def audit_sends(shop: Shop, sends: Sends, weeks: int = 26, channel: str = "sms") -> pd.DataFrame:
    """Count the texts of the last weeks by the recipients' rules, whatever planned them.

    Args:
        shop: the company.
        sends: of `counts.collect_sends`.
        weeks: how many weeks, up to the last day observed.
        channel: of the texts; no rule applies to `OTHER_CHANNELS`.

    Returns:
        rules (names, separated by blanks), texts; on_days_off (on a public holiday on which these rules allow no
        texts); at_closed_hours (on other days, at an hour that is not allowed on the weekday). Most texts first.
    """
    first = shop.as_of - dt.timedelta(days=7 * weeks - 1)
    if channel in OTHER_CHANNELS:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = mark_disallowed(shop, sends.rows.filter(sends.rows.local_date >= ibis.literal(first)), first)
    found = rows.group_by("rules").aggregate(
        texts=rows.count(), on_days_off=rows.on_day_off.sum(), at_closed_hours=rows.at_closed_hour.sum()
    )
    return shop.count(found.order_by(ibis.desc("texts"), "rules"))


@dataclass(frozen=True)
class AuditSums:
    """The texts of all rules together."""

    texts: float
    off_share: float
    """Share (0–1) of them on days off; NaN without texts."""
    closed_share: float
    """Share (0–1) of them at closed hours of other days; NaN without texts."""


def sum_audit(audit: pd.DataFrame) -> AuditSums:
    """All rows of `audit_sends` together."""
    texts, off, closed = (float(audit[name].sum()) for name in COLUMNS[1:])
    return AuditSums(texts, *(part / texts if texts else float("nan") for part in (off, closed)))


def mark_disallowed(shop: Shop, rows: ir.Table, first: dt.date) -> ir.Table:
    """Texts with the recipients' rules, and whether these allow them at that time.

    Args:
        shop: the company.
        rows: texts with customer_id, local_date, weekday and hour, as `measures.local_sends` has them; and with the
            columns of `with_rules`, if it has been asked.
        first: the earliest local_date.

    Returns:
        the columns of `rows`; rules (names, separated by blanks); on_day_off (on a public holiday on which these rules
        allow no texts), at_closed_hour (on another day, at an hour that is not allowed on the weekday).
    """
    columns = [name for name in rows.columns if name not in ("rules", "rules_number")]
    if "rules_number" not in rows.columns:
        rows = with_rules(shop, rows)
    names = _names_of(_rules_of_places(shop))
    closed = ibis.memtable(_closed_hours(names), schema={"at": "int64", "day": "int64", "closed": "int64"})
    rows = rows.left_join(
        closed, [rows.rules_number == closed["at"], rows.weekday == closed.day, rows.hour == closed.closed]
    )
    off = ibis.memtable(_days(names, first, shop.as_of), schema={"under": "int64", "date": "date"})
    rows = rows.left_join(off, [rows.rules_number == off.under, rows.local_date == off.date])
    return rows.select(
        [*columns, "rules"],
        on_day_off=rows.date.notnull(),
        at_closed_hour=rows.date.isnull() & rows.closed.notnull(),
    )


def with_rules(shop: Shop, rows: ir.Table) -> ir.Table:
    """Rows with a customer_id, with the recipients' rules (names, separated by blanks) and rules_number.

    Numbers of rules are compared in a fraction of the time of their names.
    """
    places = _rules_of_places(shop)
    number = {rules: at for at, rules in enumerate(_names_of(places))}
    places = places.assign(rules_number=[number[rules] for rules in places["rules"]])
    return with_place(shop, rows).join(ibis.memtable(places), ["zone", "area"]).drop("zone", "area")


def _rules_of_places(shop: Shop) -> pd.DataFrame:
    """zone, area, rules: of every place that customers have, and of who is not among them."""
    places = pd.DataFrame({"zone": [""], "area": [""]})
    if shop.has("customers"):
        people = with_place(shop, shop.customers.select("customer_id"))
        known = shop.count(people.select("zone", "area").distinct().order_by("zone", "area"))
        places = pd.concat([places, known], ignore_index=True).drop_duplicates(ignore_index=True)
    where = (shop.settings.jurisdiction, shop.settings.timezone)
    return places.assign(rules=[" ".join(rule_of(place.zone, place.area, *where)) for place in places.itertuples()])


def _names_of(places: pd.DataFrame) -> list[str]:
    return sorted(set(places["rules"]))


def _closed_hours(names: list[str]) -> pd.DataFrame:
    """At (the number of rules), day (weekday), closed (an hour that is not allowed)."""
    parts = [np.argwhere(~allowed(rules.split())) for rules in names]
    at = np.repeat(np.arange(len(names)), [len(part) for part in parts])
    hours = np.concatenate(parts) if parts else np.zeros((0, 2), int)
    return pd.DataFrame({"at": at, "day": hours[:, 0], "closed": hours[:, 1]})


def _days(names: list[str], first: dt.date, last: dt.date) -> pd.DataFrame:
    """Under (the number of rules), date: the days off by recipients' clocks, which may be a day ahead."""
    end = last + dt.timedelta(days=1)
    rows = [(at, day) for at, rules in enumerate(names) for day in days_off(rules.split(), first, end)]
    return pd.DataFrame(rows, columns=["under", "date"])
