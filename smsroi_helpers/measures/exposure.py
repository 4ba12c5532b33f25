"""Messages to an experiment's customers while it treated them, and the untreated arm of a holdout."""

import ibis
import ibis.expr.types as ir

from smsroi_helpers.measures.columns import optional
from smsroi_helpers.measures.experiment_outcomes import outcome_windows
from smsroi_helpers.measures.local_sends import local_sends
from smsroi_helpers.measures.messages import choose_channel
from smsroi_helpers.source import Shop, once

__all__ = [
    "sent_during",
    "untreated_arms",
]


def sent_during(shop: Shop, people: ir.Table) -> ir.Table:
    """The customers of `outcome_windows` with each message to them while their experiment treated them.

    Beside their columns: sent_at (UTC), hour (0–23, of the recipient), channel, variant.
    """
    experiments = shop.experiments
    ended = optional(experiments, "ended_at", "timestamp")
    experiments = experiments.select(of="experiment_id", treated_until=ended)
    people = people.join(experiments, people.experiment_id == experiments.of)
    people = people.mutate(stop=ibis.least(people.outcome_end, ibis.coalesce(people.treated_until, people.outcome_end)))
    sends = local_sends(shop).select("sent_at", "channel", "variant", "hour", addressee="customer_id")
    theirs = people.join(sends, people.customer_id == sends.addressee)
    return theirs.filter(theirs.sent_at >= theirs.assigned_at, theirs.sent_at < theirs.stop)


@once
def untreated_arms(shop: Shop) -> dict[str, str]:
    """Holdout → the arm whose customers were messaged least until `ended_at`, by the run's channel (`choose_channel`).

    Only where its arms differ in that channel by less than half of what they do in another one is it the other: the
    holdout is of that channel then. Holdouts whose arms were messaged alike are left out.
    """
    if not shop.has("messages"):
        return {}
    holdouts = shop.experiments.filter(shop.experiments.kind == "holdout").select(of="experiment_id")
    people = outcome_windows(shop)
    people = people.semi_join(holdouts, people.experiment_id == holdouts.of)
    theirs = sent_during(shop, people)
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
        apart = shares.max() - shares.min()
        main = choose_channel(shop)
        by_main = main in apart and apart[main] >= apart.max() / 2
        shares = shares[main if by_main else apart.idxmax()]
        if shares.min() < shares.max():
            found[str(name)] = str(shares.idxmin())
    return found
