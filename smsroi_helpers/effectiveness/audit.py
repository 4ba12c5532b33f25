"""Were the rules kept: past texts at hours that are not allowed, after an opt-out, without consent, above the cap.

Hours are those of `measures.sending_rules` on the recipient's clock; they are rules on texts and calls, so messages of
other channels are not checked for them. Consent and opt-outs are those of `measures.consent`; consent that the source
does not record is unknown, not a breach.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.contract import withdrawn
from smsroi_helpers.source import Shop
from smsroi_helpers.timing import mark_disallowed, with_rules

__all__ = ["CHECKS", "RECENT_DAYS", "Audit", "Check", "audit_rules", "most_customers_of_a_breach"]

Check = Literal["closed_hours", "days_off", "after_opt_out", "without_consent", "above_cap"]
CHECKS: tuple[Check, ...] = ("closed_hours", "days_off", "after_opt_out", "without_consent", "above_cap")
RECENT_DAYS = 28
_FLAGS = {
    "closed_hours": "at_closed_hour", "days_off": "on_day_off", "after_opt_out": "after_opt_out",
    "without_consent": "without_consent", "above_cap": "above_cap",
}  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """What the audit found."""

    channel: str
    texts: int
    """Sent, delivered or not."""
    first: dt.date
    last: dt.date
    checks: pd.DataFrame
    """check, texts, customers, first, last (dates; null without a breach), recent (in the last `RECENT_DAYS` days);
    share (0–1, of all texts)."""
    places: pd.DataFrame
    """check, rules (names, separated by blanks), texts, customers, first, last, all_texts (to these recipients);
    share (0–1) of these."""
    campaigns: pd.DataFrame
    """check, campaign_id, texts, customers, first, last; most texts first."""
    unchecked: dict[Check, str]
    """Check → why it was not made: `other_channel` (`measures.OTHER_CHANNELS`), `no_times`, `no_opt_outs`,
    `no_opt_ins`, `no_cap`."""
    unknown_consent: int
    """Texts to recipients of whom the source does not record whether they consented."""
    weekly_cap: int
    """0: none was given."""

    @property
    def breaches(self) -> int:
        """Findings of all checks; a text may be counted by several."""
        return int(self.checks["texts"].sum())


def audit_rules(shop: Shop, channel: str = "", weekly_cap: int = 0) -> Audit | None:
    """Count past texts against the rules, whatever planned them; None where the source has no messages.

    Args:
        shop: the company.
        channel: of the messages, as for `measures.choose_channel`.
        weekly_cap: the most texts to one customer within seven days; 0: there is no cap.

    Raises:
        UsageError: the source has no messages of the channel.
    """
    if not shop.has("messages"):
        return None
    chosen = measures.choose_channel(shop, channel)
    sends = measures.local_sends(shop)
    sends = sends.filter(sends.channel == chosen).select(
        "message_id", "customer_id", "campaign_id", "sent_at", "timezone", "local_date", "weekday", "hour"
    )
    span = shop.count(sends.aggregate(first=sends.local_date.min(), last=sends.local_date.max(), texts=sends.count()))
    texts = int(span["texts"].iloc[0])
    if not texts:
        return None
    first, last = (pd.Timestamp(span[name].iloc[0]).date() for name in ("first", "last"))
    people = shop.keep(_recipients(shop, sends))
    rows = _mark_consent(shop, _mark_cap(sends, weekly_cap), people, _last_opt_outs(shop, sends))
    rows = mark_disallowed(shop, rows, first)
    # Few texts break a rule: they alone are kept.
    broken = ibis.or_(*(rows[flag] for flag in _FLAGS.values()))
    rows = shop.keep(rows.filter(broken).select("customer_id", "campaign_id", "rules", "local_date", *_FLAGS.values()))
    unchecked: dict[Check, str] = {}
    if chosen in measures.OTHER_CHANNELS:
        unchecked |= {"closed_hours": "other_channel", "days_off": "other_channel"}
    elif measures.mostly_dates(shop, "messages", "sent_at"):
        unchecked["closed_hours"] = "no_times"
    if measures.opt_outs(shop) is None:
        unchecked["after_opt_out"] = "no_opt_outs"
    if measures.opt_in_times(shop) is None:
        unchecked["without_consent"] = "no_opt_ins"
    if not weekly_cap:
        unchecked["above_cap"] = "no_cap"
    done = [check for check in CHECKS if check not in unchecked]
    recent = shop.as_of - dt.timedelta(days=RECENT_DAYS - 1)
    sums = people.group_by("rules").aggregate(
        all_texts=people.texts.sum(), unknown=ibis.ifelse(people.listed, 0, people.texts).sum()
    )
    everything = shop.count(sums.order_by("rules")).astype({"all_texts": "int64", "unknown": "int64"})
    unknown = everything.pop("unknown").sum()
    checks, places, campaigns = (_count(shop, rows, done, key, recent) for key in (None, "rules", "campaign_id"))
    places = places.merge(everything, on="rules")
    return Audit(
        chosen, texts, first, last, checks.assign(share=checks["texts"] / texts),
        places.assign(share=places["texts"] / places["all_texts"]), campaigns, unchecked, int(unknown), weekly_cap,
    )  # fmt: skip


def _recipients(shop: Shop, sends: ir.Table) -> ir.Table:
    """customer_id, texts, rules, rules_number, consent_at, listed (the source records whether they consented)."""
    people = with_rules(shop, sends.group_by("customer_id").aggregate(texts=sends.count()))
    opt_ins = measures.opt_in_times(shop)
    if opt_ins is None:
        return people.mutate(consent_at=ibis.null("timestamp"), listed=ibis.literal(False))
    opt_ins = opt_ins.select("customer_id", "consent_at", listed=ibis.literal(True))
    people = measures.left_join_columns(people, opt_ins, "customer_id")
    return people.mutate(listed=people.listed.fill_null(False))


def _last_opt_outs(shop: Shop, sends: ir.Table) -> ir.Table | None:
    """message_id, last_opt_out (before it) of the texts to customers who had opted out; None without opt-outs."""
    opt_outs = measures.opt_outs(shop)
    if opt_outs is None:
        return None
    left = opt_outs.rename(whose="customer_id")
    before = sends.select("message_id", "sent_at", "customer_id")
    before = before.join(left, [before.customer_id == left.whose, left.opt_out_at < before.sent_at])
    # Few are texted after they have opted out; kept, they are few to join with.
    return shop.keep(before.group_by("message_id").aggregate(last_opt_out=before.opt_out_at.max()))


def _mark_consent(shop: Shop, rows: ir.Table, people: ir.Table, last_opt_outs: ir.Table | None) -> ir.Table:
    """Rows with the rules of their recipients, after_opt_out and without_consent."""
    people = people.rename(person="customer_id").drop("texts")
    rows = rows.join(people, rows.customer_id == people.person).drop("person")
    if last_opt_outs is None:
        rows = rows.mutate(last_opt_out=ibis.null("timestamp"))
    else:
        rows = measures.left_join_columns(rows, last_opt_outs, "message_id")
    at = rows.sent_at.cast("timestamp")
    after = withdrawn(rows.consent_at, rows.last_opt_out, at)
    allowed = measures.consents(shop, rows.consent_at, rows.last_opt_out, at)
    rows = rows.mutate(after_opt_out=after, without_consent=rows.listed & ~allowed & ~after)
    return rows.drop("consent_at", "last_opt_out", "listed")


def _mark_cap(rows: ir.Table, weekly_cap: int) -> ir.Table:
    """Rows with above_cap: as many texts as the cap were sent to the customer in the seven days before."""
    if not weekly_cap:
        return rows.mutate(above_cap=ibis.literal(False))
    order = ibis.window(group_by="customer_id", order_by=["sent_at", "message_id"])
    earlier = rows.sent_at.lag(weekly_cap).over(order)
    return rows.mutate(above_cap=(rows.sent_at < earlier + ibis.interval(days=7)).fill_null(False))


def _count(shop: Shop, rows: ir.Table, done: list[Check], key: str | None, recent: dt.date) -> pd.DataFrame:
    """The rows of `_by` for all checks that were made."""
    if not done:
        return pd.DataFrame(columns=["check", *([key] if key else []), "texts", "customers", "first", "last", "recent"])
    return pd.concat([_by(shop, rows, check, key, recent) for check in done], ignore_index=True)


def _by(shop: Shop, rows: ir.Table, check: str, key: str | None, recent: dt.date) -> pd.DataFrame:
    """check, key (if any), texts, customers, first, last, recent: the texts that break one rule."""
    found = rows.filter(rows[_FLAGS[check]])
    sums = {
        "texts": found.count(),
        "customers": found.customer_id.nunique(),
        "first": found.local_date.min(),
        "last": found.local_date.max(),
        "recent": found.count(where=found.local_date >= ibis.literal(recent)),
    }
    if key is None:
        counted = shop.count(found.aggregate(**sums))
    else:
        counted = shop.count(found.group_by(key).aggregate(**sums).order_by(ibis.desc("texts"), key))
    counted.insert(0, "check", check)
    return counted


def most_customers_of_a_breach(checks: pd.DataFrame) -> int:
    """The customers of the breach that most customers were touched by."""
    return int(checks["customers"].max())
