"""What today's weeks show of clicks and opt-outs, by what was known of customers before: see `todays_level`."""

import datetime as dt

import ibis
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.frequency import counts
from smsroi_helpers.measures import Practice
from smsroi_helpers.segmentation import Covariates, Cuts, known_people, resolve
from smsroi_helpers.source import Shop

__all__ = ["count_recent"]


def count_recent(shop: Shop, practice: Practice, segment_by: str, cuts: Cuts, covariates: Covariates) -> pd.DataFrame:
    """What those subscribed when today's weeks began got in them, clicked and left, by what was known of them before.

    Customers whose frequency or hour an experiment set are left out.

    Returns:
        segment, stage, cell (of `covariates`), as of the day before these weeks, group (0–63), n (customers), messages
        (of the channel), clicks (of people), opt_outs, weeks (subscribed), as `counts.count_arms` counts them. Without
        opt-outs in the source, opt_outs is 0 and weeks are elapsed.
    """
    start, end = measures.practice_instants(shop, practice)
    before = practice.first_day - dt.timedelta(days=1)
    rows = measures.subscribed(shop, ibis.literal(start), known_people(shop, before))
    aside = measures.customers_in_experiments(shop, start, end)
    rows = shop.keep(rows if aside is None else rows.anti_join(aside, "customer_id"))
    people = rows
    labels = {
        name: resolve(shop, by, cuts=cuts).label for name, by in (("segment", segment_by), ("stage", "lifecycle_stage"))
    }
    for name, label in (labels | {"cell": covariates.label}).items():
        labelled = label(people, before).select("segment", member="customer_id").rename({name: "segment"})
        rows = rows.left_join(labelled, rows.customer_id == labelled.member).drop("member")
    texts = counts.texts_of(shop, practice.channel)
    texts = texts.filter(texts.sent_at >= ibis.literal(start), texts.sent_at < ibis.literal(end))
    sums = texts.group_by("addressee").aggregate(
        messages=texts.count(), clicks=texts.count(where=texts.human_click_at.notnull())
    )
    rows = rows.left_join(sums, rows.customer_id == sums.addressee).drop("addressee")
    events = measures.opt_outs(shop)
    rows = rows.mutate(weeks=ibis.literal(practice.weeks_covered).cast("float64"), left=ibis.literal(0))
    if events is not None:
        events = events.filter(events.opt_out_at >= ibis.literal(start), events.opt_out_at < ibis.literal(end))
        first = events.group_by(leaver="customer_id").aggregate(at=events.opt_out_at.min())
        rows = rows.drop("left").left_join(first, rows.customer_id == first.leaver)
        stayed = rows["at"].delta(ibis.literal(start), unit="second") / (7 * 86_400.0)
        rows = rows.mutate(weeks=ibis.coalesce(stayed, rows.weeks), left=rows["at"].notnull().cast("int64"))
    rows = rows.mutate(group=hash_group(rows.customer_id, counts.JACKKNIFE)).fill_null({"messages": 0, "clicks": 0})
    by_cell = ("segment", "stage", "cell", "group")
    found = rows.group_by(*by_cell).aggregate(
        n=rows.count(), messages=rows.messages.sum(), clicks=rows.clicks.sum(), opt_outs=rows.left.sum(),
        weeks=total(rows.weeks),
    )  # fmt: skip
    return shop.count(found.order_by(*by_cell))
