"""Who was messaged in an experiment: exposure by arm, the untreated arm of a holdout, overlaps of experiments."""

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.source import Shop

__all__ = ["count_exposure", "count_overlaps", "untreated_arms"]


def untreated_arms(shop: Shop) -> dict[str, str]:
    """Holdout → the arm whose customers were messaged least until `ended_at`, by the channel that differs most.

    Holdouts whose arms were messaged alike are left out.
    """
    if not shop.has("messages"):
        return {}
    holdouts = shop.experiments.filter(shop.experiments.kind == "holdout").select(of="experiment_id")
    people = measures.outcome_windows(shop)
    people = people.semi_join(holdouts, people.experiment_id == holdouts.of)
    theirs = _sent_during(shop, people)
    by = ("experiment_id", "arm", "channel")
    messaged = shop.count(theirs.group_by(*by).aggregate(messaged=theirs.customer_id.nunique()).order_by(*by))
    sizes = shop.count(people.group_by("experiment_id", "arm").aggregate(n=people.count()).order_by(*by[:2]))
    found = {}
    for name, own in sizes.groupby("experiment_id"):
        counts = messaged[messaged["experiment_id"] == name]
        wide = counts.pivot_table(index="arm", columns="channel", values="messaged").reindex(own["arm"]).fillna(0.0)
        if wide.empty:
            continue
        shares = wide.div(own["n"].to_numpy(float), axis=0)
        shares = shares[(shares.max() - shares.min()).idxmax()]
        if shares.min() < shares.max():
            found[str(name)] = str(shares.idxmin())
    return found


def count_exposure(shop: Shop, experiment: str | None = None) -> pd.DataFrame:
    """Messages sent to each arm while its experiment (all, or this one) ran.

    Returns:
        experiment_id, arm, channel; messaged (customers with any message), messages, as_planned (messages with the
        arm's text, or at the arm's hours; null where the arm names neither).
    """
    theirs = _sent_during(shop, measures.with_zone(shop, measures.outcome_windows(shop, experiment)))
    plan = shop.arms
    stated = {
        f"planned_{name}": plan[name] if name in plan.columns else ibis.null(kind)
        for name, kind in (("variant", "string"), ("hour_start", "int64"), ("hour_end", "int64"))
    }
    plan = plan.select(plan_of="experiment_id", planned_arm="arm", **stated)
    theirs = theirs.join(plan, (theirs.experiment_id == plan.plan_of) & (theirs.arm == plan.planned_arm))
    # Local hours are computed only for tests of hours, because they are most of the work.
    sent_at = ibis.ifelse(theirs.planned_hour_start.notnull(), theirs.sent_at, ibis.null("timestamp"))
    hour = measures.local_time(shop, sent_at, theirs.timezone).hour()
    at_hour = (hour >= theirs.planned_hour_start) & (hour < theirs.planned_hour_end)
    as_planned = ibis.coalesce(theirs.variant == theirs.planned_variant, at_hour)
    cells = theirs.group_by("experiment_id", "arm", "channel").aggregate(
        messaged=theirs.customer_id.nunique(),
        messages=theirs.count(),
        as_planned=as_planned.cast("int64").sum(),
    )
    return shop.count(cells.order_by("experiment_id", "arm", "channel"))


def _sent_during(shop: Shop, people: ir.Table) -> ir.Table:
    """The customers of `measures.outcome_windows` with each message to them while their experiment treated them."""
    experiments = shop.experiments
    ended = experiments.ended_at if "ended_at" in experiments.columns else ibis.null("timestamp")
    experiments = experiments.select(of="experiment_id", treated_until=ended)
    people = people.join(experiments, people.experiment_id == experiments.of)
    people = people.mutate(stop=ibis.least(people.outcome_end, ibis.coalesce(people.treated_until, people.outcome_end)))
    sends = measures.every_send(shop).select("sent_at", "channel", "variant", addressee="customer_id")
    theirs = people.join(sends, people.customer_id == sends.addressee)
    return theirs.filter(theirs.sent_at >= theirs.assigned_at, theirs.sent_at < theirs.stop)


def count_overlaps(shop: Shop) -> pd.DataFrame:
    """Customers in two experiments: experiment_id, arm, other_id, other_arm, customers; each pair once."""
    one = shop.assignments.select("experiment_id", "customer_id", "arm")
    two = shop.assignments.select(other_id="experiment_id", member_id="customer_id", other_arm="arm")
    both = one.join(two, (one.customer_id == two.member_id) & (one.experiment_id < two.other_id))
    by = ("experiment_id", "arm", "other_id", "other_arm")
    return shop.count(both.group_by(*by).aggregate(customers=both.count()).order_by(*by))
