"""Tables on who gets one mailing."""

import numpy as np
import pandas as pd

from smsroi_helpers.locale import _, money, number, percent
from smsroi_helpers.pages import Html, arm_name, column_name, compact_words, experiment_words, note, segment_name, table
from smsroi_helpers.send_plan.customer_types import RFM_GROUP, read_codes
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
    levels, given = read_codes(plan.codes), plan.given * plan.today[:, None]
    if (given.sum(axis=0) > 0).sum() < 2:
        return note(
            _("Every customer gets the same: {what}.").format(what=arm_name(plan.arms[int(plan.given[0].argmax())]))
        )
    rows = []
    for name in (*plan.types.values, *([RFM_GROUP] if plan.types.cuts is not None else [])):
        own, names = levels[:, plan.types.place(name)], plan.types.names(name)
        if len(np.unique(own[plan.today > 0])) < 2:
            continue
        for level in np.unique(own[plan.today > 0]):
            sums = given[own == level].sum(axis=0)
            heading = _("RFM group") if name == RFM_GROUP else column_name(name)
            rows.append({
                _("Attribute"): heading, _("Level"): segment_name(names[level], name), _("Customers"): sums.sum(),
                **{arm_name(arm): percent(sums[a] / sums.sum(), 0) for a, arm in enumerate(plan.arms)},
            })  # fmt: skip
    if not rows:
        return note(_("Customers have no attributes to choose by."))
    caption = _("Today’s customers by attribute, and how many of them get which message")
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits={_("Customers"): 0})
