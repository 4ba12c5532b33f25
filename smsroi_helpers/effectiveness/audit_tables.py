"""Tables of «Were the rules kept?»."""

import pandas as pd

from smsroi_helpers.effectiveness.audit import CHECKS, RECENT_DAYS, Audit
from smsroi_helpers.effectiveness.audit_wording import check_words
from smsroi_helpers.errors import redact, shortened
from smsroi_helpers.locale import (
    _,
    day,
    joined,
    listed,
    number,
    percent,
    sentence,
    translated,
)
from smsroi_helpers.measures import CONSENT_SOURCES, EU_MEMBERS, RULES
from smsroi_helpers.pages import FEWEST_SHOWN, Html, campaign_name, channel_name, note, rule_place, table

__all__ = ["campaigns_table", "checks_table", "places_table"]

_MOST_CAMPAIGNS = 10
_HOURS = ("closed_hours", "days_off")


def checks_table(audit: Audit | None) -> Html:
    """How many past texts break each rule, since when, and whether they still do.

    Args:
        audit: of `audit.audit_rules`; None where the source has no messages.
    """
    if audit is None:
        return note(_("This source has no messages, so there is nothing to check."))
    reasons = {
        "other_channel": _("not checked: these are rules on texts, not on channel {channel}").format(
            channel=redact(shortened(channel_name(audit.channel)))
        ),
        "no_times": _("not checked: texts have dates without times"),
        "no_opt_outs": _("not checked: the source records no opt-outs"),
        "no_opt_ins": _("unknown: the source records no consent"),
        "no_cap": _("not checked: no frequency cap is set"),
    }
    counted = audit.checks.set_index("check")
    rows = []
    for check in CHECKS:
        reason = audit.unchecked.get(check)
        row = None if reason else counted.loc[check]
        some = row is not None and row["texts"] > 0
        rows.append({
            _("Rule"): check_words(check, audit),
            _("Texts"): reasons[str(reason)] if row is None else number(row["texts"]),
            _("Share of all texts"): percent(row["share"], 2) if row is not None else "",
            _("Customers"): _few(row["customers"]) if row is not None else "",
            _("First"): day(pd.Timestamp(row["first"]).date()) if some and row is not None else "",
            _("Last"): day(pd.Timestamp(row["last"]).date()) if some and row is not None else "",
            _("In the last {n} days").format(n=number(RECENT_DAYS)): number(row["recent"]) if row is not None else "",
        })  # fmt: skip
    caption = _(
        "Past texts that break a rule: {n} texts of channel {channel}, {first} to {last}, delivered or not"
    ).format(
        n=number(audit.texts),
        channel=redact(shortened(channel_name(audit.channel))),
        first=day(audit.first),
        last=day(audit.last),
    )
    unknown = (
        _("For {n} texts the source does not say whether the recipient consented: unknown, not a breach.").format(
            n=number(audit.unknown_consent)
        )
        if audit.unknown_consent
        else ""
    )
    return table(pd.DataFrame(rows), caption=joined(sentence(caption), unknown))


def _few(customers: float) -> str:
    """A number of customers; small groups are not shown."""
    return number(customers) if customers >= FEWEST_SHOWN or customers == 0 else f"<{FEWEST_SHOWN}"


def places_table(audit: Audit | None) -> Html:
    """The same by the recipients' rules, with the source of each rule."""
    rows = [] if audit is None else audit.places[audit.places["texts"] > 0].to_dict("records")
    if audit is None or not rows:
        return note(_("No rule was broken by any text that could be checked."))
    shown = [
        {
            _("Rule"): check_words(row["check"], audit),
            _("Recipients under"): listed(map(rule_place, str(row["rules"]).split()))
            if str(row["rules"]).count(" ") < 3
            else _("{n} rules of the US (state not known)").format(n=number(len(str(row["rules"]).split()))),
            _("Texts"): number(row["texts"]),
            _("Share of their texts"): percent(row["share"], 2),
            _("First"): day(pd.Timestamp(row["first"]).date()),
            _("Last"): day(pd.Timestamp(row["last"]).date()),
            _("Source of the rule"): _source(row["check"], str(row["rules"]).split()),
        }
        for row in rows
    ]
    caption = _(
        "Where rules were broken, by the recipients’ rules. Sources are secondary in part; let your own counsel confirm"
        " them"
    )
    return table(pd.DataFrame(shown), caption=caption)


def _source(check: str, rules: list[str]) -> str:
    if check == "above_cap":
        return _("the cap that you gave")
    if check in _HOURS:
        if len(rules) > 1:
            return _("hours that all of {n} rules allow: {rules}").format(
                n=number(len(rules)), rules=_(", ").join(rules)
            )
        return translated(RULES[rules[0]].source)
    countries = {rule.partition("-")[0] for rule in rules}
    named = {country if country in CONSENT_SOURCES else "EU" if country in EU_MEMBERS else "" for country in countries}
    return listed(sorted(CONSENT_SOURCES[name] for name in named if name)) or _("no rule in this table")


def campaigns_table(audit: Audit | None) -> Html:
    """The campaigns with texts against each rule, those to act on first: with the most in the last days."""
    if audit is None or not len(audit.campaigns):
        return note(_("No campaign has a text that breaks a rule."))
    largest = audit.campaigns.sort_values(["recent", "texts"], ascending=False, kind="stable").head(_MOST_CAMPAIGNS)
    rows = [
        {
            _("Campaign"): redact(shortened(campaign_name(str(row.campaign_id)))),
            _("Rule"): check_words(str(row.check), audit),
            _("Texts"): int(row.texts),
            _("In the last {n} days").format(n=number(RECENT_DAYS)): int(row.recent),
            _("Last"): day(pd.Timestamp(row.last).date()),
        }
        for row in largest.itertuples()
    ]
    caption = _("Campaigns with texts that break a rule, the most in the last {days} days first; {n} of {all} shown")
    shown = caption.format(days=number(RECENT_DAYS), n=number(len(rows)), all=number(len(audit.campaigns)))
    return table(pd.DataFrame(rows), caption=shown, digits=0, fold=True)
