"""Who was messaged in an experiment: exposure by arm, and overlaps of experiments."""

import ibis
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.source import Shop

__all__ = ["count_exposure", "count_overlaps"]


def count_exposure(shop: Shop, experiment: str | None = None) -> pd.DataFrame:
    """Messages sent to each arm while its experiment (all, or this one) ran.

    Returns:
        experiment_id, arm, channel; messaged (customers with any message), messages, as_planned (messages with the
        arm's text, or at the arm's hours; null where the arm names neither).
    """
    theirs = measures.sent_during(shop, measures.outcome_windows(shop, experiment))
    plan = shop.arms
    stated = {
        f"planned_{name}": plan[name] if name in plan.columns else ibis.null(kind)
        for name, kind in (("variant", "string"), ("hour_start", "int64"), ("hour_end", "int64"))
    }
    plan = plan.select(plan_of="experiment_id", planned_arm="arm", **stated)
    theirs = theirs.join(plan, (theirs.experiment_id == plan.plan_of) & (theirs.arm == plan.planned_arm))
    at_hour = (theirs.hour >= theirs.planned_hour_start) & (theirs.hour < theirs.planned_hour_end)
    as_planned = ibis.coalesce(theirs.variant == theirs.planned_variant, at_hour)
    cells = theirs.group_by("experiment_id", "arm", "channel").aggregate(
        messaged=theirs.customer_id.nunique(),
        messages=theirs.count(),
        as_planned=as_planned.cast("int64").sum(),
    )
    return shop.count(cells.order_by("experiment_id", "arm", "channel"))


def count_overlaps(shop: Shop) -> pd.DataFrame:
    """Customers in two experiments: experiment_id, arm, other_id, other_arm, customers; each pair once."""
    one = shop.assignments.select("experiment_id", "customer_id", "arm")
    two = shop.assignments.select(other_id="experiment_id", member_id="customer_id", other_arm="arm")
    both = one.join(two, (one.customer_id == two.member_id) & (one.experiment_id < two.other_id))
    by = ("experiment_id", "arm", "other_id", "other_arm")
    return shop.count(both.group_by(*by).aggregate(customers=both.count()).order_by(*by))
