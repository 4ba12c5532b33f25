"""The audit of past texts in words: the rules, and the finding of the table `decisions`."""

import pandas as pd

from smsroi_helpers.contract import Decision
from smsroi_helpers.effectiveness.audit import RECENT_DAYS, Audit, most_customers_of_a_breach
from smsroi_helpers.locale import _, day, joined, number, percent
from smsroi_helpers.pages import FEWEST_SHOWN

__all__ = ["check_words", "put_audit_in_words"]


def check_words(check: str, audit: Audit) -> str:
    """The name of a rule that was broken."""
    return {
        "closed_hours": _("At hours that are not allowed"),
        "days_off": _("On public holidays that are not allowed"),
        "after_opt_out": _("After an opt-out"),
        "without_consent": _("Without recorded consent"),
        "above_cap": _("More than {n} in seven days").format(n=number(audit.weekly_cap))
        if audit.weekly_cap
        else _("Above the frequency cap"),
    }[check]


def put_audit_in_words(audit: Audit | None) -> list[Decision]:
    """The finding, where past texts break a rule: what to do, how many texts, since when; else none.

    `do` while texts of the last `RECENT_DAYS` days break a rule; `dont` where only older ones do.

    Args:
        audit: of `audit.audit_rules`.
    """
    if audit is None or not audit.breaches:
        return []
    rows = audit.checks[audit.checks["texts"] > 0].sort_values("texts", ascending=False, kind="stable")
    still = bool((rows["recent"] > 0).any())
    customers = most_customers_of_a_breach(rows)
    return [
        Decision(
            stage="effectiveness",
            question=_("Were the rules on sending kept?"),
            topic="rules",
            outcome="do" if still else "dont",
            action=_("Stop the texts that break a rule on sending.")
            if still
            else _("No text of the last {n} days breaks a rule; older ones do.").format(n=number(RECENT_DAYS)),
            text=joined(*(_finding(row, audit) for _place, row in rows.iterrows())),
            caveat=_("This is not legal advice."),
            evidence="descriptive",
            customers=customers if customers >= FEWEST_SHOWN else 0,
        )
    ]


def _finding(row: "pd.Series[float]", audit: Audit) -> str:
    return _("{rule}: {n} of {all} texts ({share}), from {first} to {last}; {recent} in the last {days} days.").format(
        rule=check_words(str(row["check"]), audit), n=number(row["texts"]), all=number(audit.texts),
        share=percent(row["share"], 1), first=day(pd.Timestamp(row["first"]).date()),
        last=day(pd.Timestamp(row["last"]).date()), recent=number(row["recent"]), days=number(RECENT_DAYS),
    )  # fmt: skip
