"""Tables of earlier plans: the track record, the roles, the tenths of the promise, the actions."""

import pandas as pd

from smsroi_helpers.locale import _, day, joined, money, number
from smsroi_helpers.pages import Html, arm_name, compact_words, note, p_words, plan_title, table
from smsroi_helpers.send_plan.past_comparison import Comparison, Estimate
from smsroi_helpers.send_plan.past_wording import (
    caveats,
    describe_factor,
    describe_latest,
    role_words,
    score_words,
    status_words,
)
from smsroi_helpers.send_plan.previous_plans import PlanScore, PreviousPlans

__all__ = [
    "actions_table",
    "factor_note",
    "latest_note",
    "roles_table",
    "tenths_table",
    "track_table",
]


def latest_note(found: PreviousPlans, currency: str) -> Html:
    """Whether the last plan kept its promise, with what limits the answer.

    Args:
        found: of `previous_plans.score_plans`.
        currency: the source's.
    """
    lines = caveats(found.latest, found) if found.latest is not None else []
    return note(joined(describe_latest(found, currency), *lines))


def factor_note(found: PreviousPlans) -> Html:
    """Whether promises are corrected, and by how much."""
    return note(describe_factor(found))


def track_table(found: PreviousPlans, currency: str) -> Html:
    """The track record: one row per plan.

    Args:
        found: of `previous_plans.score_plans`.
        currency: the source's.
    """
    if not found.plans:
        return note(describe_latest(found, currency))
    rows = []
    for score in found.plans:
        main = score.main
        rows.append({
            _("Plan"): _title(score),
            _("Period"): _period(score),
            _("Result"): status_words(score),
            _("Customers"): main.customers if main else score.plan.customers,
            _("Held out"): number(main.held_out) if main else "–",
            _("Promised"): money(main.promised, currency) if main else "–",
            _("Measured"): _money(main.measured, currency) if main else "–",
            _("Promise − measured"): _money(main.gap, currency) if main else "–",
            _("Part kept"): _number(main.ratio) if main else "–",
        })  # fmt: skip
    caption = _(
        "Incremental profit per customer over each plan’s weeks, promised and measured: customers treated as planned"
        " less held-out customers, randomised, 95% intervals"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def _title(score: PlanScore) -> str:
    return plan_title(score.plan.plan_id, score.plan.first)


def _period(score: PlanScore) -> str:
    """The first and the last day of a plan."""
    first, last = (day(one) if one else "–" for one in (score.plan.first, score.last))
    return _("{first} to {last}").format(first=first, last=last)


def roles_table(score: PlanScore | None, currency: str) -> Html | None:
    """Each role of one plan against the held-out customers.

    Args:
        score: of `previous_plans.score_plans`; None: there is none, and nothing to show.
        currency: the source's.
    """
    if score is None:
        return None
    if not score.roles:
        return note(score_words(score, currency))
    rows = [{_("Customers treated"): role_words(each.role), **_columns(each, currency)} for each in score.roles]
    caption = _(
        "{plan}: each role less the {n} held-out customers. Profit per customer, 95% intervals; opt-outs in percentage"
        " points; texts per customer, those of held-out customers in brackets"
    ).format(plan=_title(score), n=number(score.roles[0].held_out))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), fold=True)


def tenths_table(score: PlanScore | None, currency: str) -> Html | None:
    """Calibration: promise and outcome by tenths of the promise.

    Args:
        score: of `previous_plans.score_plans`; None: there is none, and nothing to show.
        currency: the source's.
    """
    if score is None:
        return None
    if not score.tenths:
        return note(_few_words(score, currency))
    rows = [{_("Tenths by promise"): each.label, **_columns(each, currency, p=True)} for each in score.tenths]
    caption = joined(
        _(
            "{plan}: customers by what they were promised, from the least, each compared with held-out customers."
        ).format(plan=_title(score)),
        _("Each customer’s own promise is recorded, held-out ones included.")
        if score.by_customer
        else _("Held-out customers have no promise of their own, so all customers of a group have the group’s mean."),
        _("p is for no difference of promise and outcome, adjusted by Holm."),
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), fold=True)


def actions_table(score: PlanScore | None, currency: str) -> Html | None:
    """Promise and outcome by texts per week and by variant.

    Args:
        score: of `previous_plans.score_plans`; None: there is none, and nothing to show.
        currency: the source's.
    """
    if score is None:
        return None
    if not score.actions:
        words = _(
            "The plan does not record by which groups it chose. Whom it would have sent what among those held out is"
            " not known, so actions cannot be compared."
        )
        return note(words if score.roles else score_words(score, currency))
    rows = [{_("Action"): _action_words(each), **_columns(each, currency, p=True)} for each in score.actions]
    caption = _(
        "{plan}: customers by the most common action of their group, compared with held-out customers of the same"
        " groups. p is for no difference of promise and outcome, adjusted by Holm"
    ).format(plan=_title(score))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), fold=True)


def _few_words(score: PlanScore, currency: str) -> str:
    if score.status != "scored":
        return score_words(score, currency)
    return _(
        "{plan}: too few held-out customers ordered to compare promise and outcome by the size of the promise, or the"
        " promise is not recorded."
    ).format(plan=_title(score))


def _action_words(each: Comparison) -> str:
    if each.by == "texts_per_week":
        return _("1 text a week") if each.label == "1" else _("{n} texts a week").format(n=each.label)
    return _("text {variant}").format(variant=arm_name(each.label))


def _columns(each: Comparison, currency: str, *, p: bool = False) -> dict[str, object]:
    columns = {
        _("Customers"): each.customers,
        _("Held out"): number(each.held_out),
        _("Promised"): money(each.promised, currency),
        _("Measured"): _money(each.measured, currency),
        _("Promise − measured"): _money(each.gap, currency),
        _("Opt-outs"): _points(each.opt_outs),
        _("Texts"): _("{n} ({held_out})").format(n=number(each.texts, 1), held_out=number(each.texts_held_out, 1)),
    }
    return {**columns, _("Adjusted p"): p_words(each.gap_p)} if p else columns


def _money(found: Estimate, currency: str) -> str:
    return compact_words(found.value, found.low, found.high, currency) if found.known else "–"


def _number(found: Estimate) -> str:
    return compact_words(found.value, found.low, found.high) if found.known else "–"


def _points(found: Estimate) -> str:
    """A difference of shares, in percentage points."""
    return compact_words(100 * found.value, 100 * found.low, 100 * found.high) if found.known else "–"
