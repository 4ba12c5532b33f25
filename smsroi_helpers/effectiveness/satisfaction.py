"""The net promoter score by texts per week before the answer, and what surveys outside the log say."""

import ibis
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.effectiveness.activity import DETRACTOR, PROMOTER
from smsroi_helpers.effectiveness.counts import JACKKNIFE
from smsroi_helpers.engine import hash_group
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import ratios

__all__ = [
    "EXTERNAL_COLUMNS",
    "FREQUENCIES",
    "external_changes",
    "nps_by_frequency",
]

WEEKS_BEFORE = 4
FREQUENCIES = ("0", "up to 1", "1 to 2", "2 to 4", "more than 4")
"""Texts per week in the four weeks before the answer."""
EXTERNAL_COLUMNS = (
    "metric", "first", "start", "last", "estimate", "low", "high", "change", "change_low", "change_high", "source",
)  # fmt: skip


def nps_by_frequency(shop: Shop) -> pd.DataFrame | None:
    """The net promoter score by messages per week in the four weeks before the answer; descriptive.

    Returns:
        frequency (of `FREQUENCIES`), respondents, nps (−1 to 1), low, high; each customer's last answer. None without
        feedback or messages.
    """
    if not (shop.has("feedback") and shop.has("messages")):
        return None
    answers = shop.feedback.group_by("customer_id").aggregate(
        score=shop.feedback.score.argmax(shop.feedback.responded_at), at=shop.feedback.responded_at.max()
    )
    sends = measures.every_send(shop).select("sent_at", addressee="customer_id")
    pairs = answers.join(sends, answers.customer_id == sends.addressee)
    before = (pairs.sent_at < pairs["at"]) & (pairs.sent_at >= pairs["at"] - ibis.interval(days=7 * WEEKS_BEFORE))
    counted = pairs.filter(before).group_by("customer_id").aggregate(texts=ibis._.count()).rename(texted="customer_id")
    rows = answers.left_join(counted, answers.customer_id == counted.texted)
    per_week = rows.texts.fill_null(0) / WEEKS_BEFORE
    limits = (0, 1, 2, 4)
    rows = rows.mutate(
        group=hash_group(rows.customer_id, JACKKNIFE),
        frequency=ibis.cases(*((per_week <= most, i) for i, most in enumerate(limits)), else_=len(limits)),
        vote=(rows.score >= PROMOTER).cast("int64") - (rows.score <= DETRACTOR).cast("int64"),
    )
    cells = rows.group_by("frequency", "group").aggregate(respondents=rows.count(), vote=rows.vote.sum())
    found = ratios(
        shop.count(cells.order_by("frequency", "group")), ["frequency"], numerator="vote", denominator="respondents"
    )
    return pd.DataFrame({
        "frequency": [FREQUENCIES[int(i)] for i in found["frequency"]], "respondents": found["denominator"],
        "nps": found["ratio"], "low": found["low"], "high": found["high"],
    })  # fmt: skip


def external_changes(shop: Shop) -> pd.DataFrame | None:
    """Each external metric's last value with its own error, and its change since the first value.

    The error of a change takes the two values as independent; it is not known where the source states no limits.

    Returns:
        metric; first (day), start (value then); last (day), estimate, low, high (value then); change, change_low,
        change_high; source. None without the table external_metrics.
    """
    if not shop.has("external_metrics"):
        return None
    table = shop.external_metrics
    optional = {
        name: table[name] if name in table.columns else ibis.null(kind)
        for name, kind in (("low", "float64"), ("high", "float64"), ("source", "string"))
    }
    rows = shop.count(
        table.select("metric", "value", day=shop.day(table["at"]), **optional).order_by("metric", "day", "value")
    )
    found = []
    for metric, own in rows.groupby("metric", sort=True):
        start, last = own.iloc[0], own.iloc[-1]
        widths = [float(x["high"]) - float(x["low"]) for x in (start, last)]
        half = float(np.hypot(widths[0], widths[1])) / 2
        change = float(last["value"] - start["value"]) if len(own) > 1 else float("nan")
        found.append((
            metric, start["day"], start["value"], last["day"], last["value"], last["low"], last["high"], change,
            change - half, change + half, last["source"],
        ))  # fmt: skip
    return pd.DataFrame(found, columns=list(EXTERNAL_COLUMNS))
