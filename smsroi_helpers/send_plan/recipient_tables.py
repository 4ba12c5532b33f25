"""Tables on who gets one mailing."""

import numpy as np
import pandas as pd

from smsroi_helpers.locale import _, money, number, percent
from smsroi_helpers.pages import Html, arm_name, column_name, compact_words, experiment_words, note, segment_name, table
from smsroi_helpers.send_plan.customer_types import RFM_GROUP
from smsroi_helpers.send_plan.recipient_rules import Rule
from smsroi_helpers.send_plan.recipient_wording import rule_name, window_words
from smsroi_helpers.send_plan.recipients import RecipientPlan

__all__ = ["mailing_note", "rules_table", "traits_table"]


def mailing_note(plan: RecipientPlan) -> Html:
    """The test that everything rests on."""
    words = _("Learned from {test}: {n} customers, {arms}; profit after message cost within {time}.").format(
        test=experiment_words(plan.test.name), n=number(plan.members),
        arms=" / ".join(arm_name(arm) for arm in plan.arms),
        time=window_words(plan),
    )  # fmt: skip
    return note(words)


def rules_table(plan: RecipientPlan, currency: str) -> Html:
    """Every rule that was tried, with what it gains over messaging nobody."""
    rows = []
    for rule in sorted(plan.rules, key=lambda each: (-each.ips[0].round(9), each.parameters)):

        def shown(replicates: np.ndarray, rule: Rule = rule) -> str:
            found = plan.estimate(rule, replicates)
            if np.isclose(found.low, found.high, rtol=1e-9, atol=1e-9):
                return money(found.value, currency)
            return compact_words(found.value, found.low, found.high, currency)

        rows.append({
            _("Who gets a message"): rule_name(plan, rule),
            _("Share of customers"): percent(rule.share),
            _("Gain, plain weighting"): shown(rule.ips),
            _("Self-normalised weighting"): shown(rule.snipw),
            _("Doubly robust"): shown(rule.doubly_robust),
            _("Effective sample size"): np.round(rule.value.effective),
            _("Chosen"): rule is plan.chosen,
        })  # fmt: skip
    caption = _(
        "Profit per customer within {time} above sending nothing, randomised, with intervals that cover all rules"
        " together (95%); learned from one half of the customers, valued by the other"
    ).format(time=window_words(plan))
    return table(pd.DataFrame(rows), caption=caption, digits={_("Effective sample size"): 0})


def traits_table(plan: RecipientPlan) -> Html:
    """Whom the plan gives what today, by each attribute."""
    if plan.only_arm:
        return note(_("Every customer gets the same: {what}.").format(what=arm_name(plan.only_arm)))
    rows = []
    for name in (*plan.types.values, *([RFM_GROUP] if plan.types.cuts is not None else [])):
        levels = plan.by_level(name)
        heading = _("RFM group") if name == RFM_GROUP else column_name(name)
        rows += [
            {
                _("Attribute"): heading, _("Level"): segment_name(own.level, name), _("Customers"): own.customers,
                **{arm_name(arm): percent(share, 0) for arm, share in zip(plan.arms, own.shares, strict=True)},
            }
            for own in levels if len(levels) > 1
        ]  # fmt: skip
    if not rows:
        return note(_("Customers have no attributes to choose by."))
    caption = _("Today’s customers by attribute, and how many of them get which message")
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits={_("Customers"): 0})
