"""Customers who are fading, and the feedback score by texts per week."""

import datetime as dt
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import t

from smsroi_helpers import measures
from smsroi_helpers.cltv import Fit, fit_drop_out
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.frequency import counts
from smsroi_helpers.frequency.study import Study
from smsroi_helpers.segmentation import find_cuts, known_people, segments
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, difference_of_means, ratios

__all__ = [
    "ALIVE",
    "RECENT_WEEKS",
    "alive_expression",
    "score_by_frequency",
    "warn_early",
]

RECENT_WEEKS = 8
"""The weeks up to the last day observed, compared with as many weeks before."""
ALIVE = 0.5
"""P(alive) from which a customer counts as alive."""


# --- early warning ---------------------------------------------------------------------------------------------------


def warn_early(shop: Shop, study: Study) -> tuple[pd.DataFrame, str]:
    """Count fading subscribers, by purchases (P(alive)) and by clicks, per segment of eight weeks ago.

    Returns:
        segment, subscribers; alive (of them, P(alive) ≥ .5 eight weeks ago), fading (of these, below .5 now); clickers
        (clicked at least once in the eight weeks before the last eight, and got two or more texts in both periods),
        gone_quiet (of these, no click in the last eight weeks), silent (no click before, texts as above), woken (of
        these, clicked since); fading_share (0–1, of alive), quiet_share (of clickers), woken_share (of silent); `all`
        is the first row; NaN where not known. And the reason why P(alive) is not known: `few_buyers`, or empty.
    """
    last = shop.as_of
    then = last - dt.timedelta(weeks=RECENT_WEEKS)
    end = ibis.literal(shop.start_of(last + dt.timedelta(days=1)))
    people = measures.subscribed(shop, end, known_people(shop))
    label = segments(shop, study.segment_by, then, cuts=find_cuts(shop)).rename(member_id="customer_id")
    rows = people.join(label, people.customer_id == label.member_id).drop("member_id")
    rows, why = _with_alive(shop, rows, then)
    rows = _with_clicks(shop, rows, study.channel)
    enough = (rows.texts_now >= 2) & (rows.texts_then >= 2)
    cells = rows.group_by("segment").aggregate(
        subscribers=rows.count(),
        alive=rows.count(where=rows.alive_then >= ALIVE),
        fading=rows.count(where=(rows.alive_then >= ALIVE) & (rows.alive_now < ALIVE)),
        clickers=rows.count(where=enough & (rows.clicks_then > 0)),
        gone_quiet=rows.count(where=enough & (rows.clicks_then > 0) & (rows.clicks_now == 0)),
        silent=rows.count(where=enough & (rows.clicks_then == 0)),
        woken=rows.count(where=enough & (rows.clicks_then == 0) & (rows.clicks_now > 0)),
    )
    frame = shop.count(cells.order_by("segment"))
    frame = pd.concat([pd.DataFrame([{"segment": counts.ALL, **frame.drop(columns="segment").sum()}]), frame])
    if why:
        frame[["alive", "fading"]] = np.nan
    frame = frame.assign(
        fading_share=frame["fading"] / frame["alive"], quiet_share=frame["gone_quiet"] / frame["clickers"],
        woken_share=frame["woken"] / frame["silent"],
    )  # fmt: skip
    return frame.reset_index(drop=True), why


def _with_alive(shop: Shop, rows: ir.Table, then: dt.date) -> tuple[ir.Table, str]:
    """The rows with alive_then and alive_now, P(alive) by MBG/NBD; null for customers who never bought.

    The model is fitted to the whole log of a hashed sample of customers (`cltv.fit_drop_out`) and applied to
    all.
    """
    fits = [fit for fit in fit_drop_out(shop) if fit.model == "mbg_nbd"]
    if not fits:
        unknown = ibis.null("float64")
        return rows.mutate(alive_then=unknown, alive_now=unknown), "few_buyers"
    for name, day in (("alive_then", then), ("alive_now", None)):
        history = measures.purchase_history(shop, day)
        alive = history.select(member_id="customer_id", **{name: alive_expression(fits[0], history)})
        rows = rows.left_join(alive, rows.customer_id == alive.member_id).drop("member_id")
    return rows, ""


def alive_expression(fit: Fit, history: ir.Table) -> ir.FloatingValue:
    """P(alive) under MBG/NBD of the rows of `measures.purchase_history`, for the engine.

    1 ÷ (1 + a/(b + x) · ((α + T)/(α + t))^(r + x)), with x repeat purchases, the last at week t, of a customer for T
    weeks (Batislam, Denizel & Filiztekin 2007, International Journal of Research in Marketing 24). The formula is that
    of `cltv.probability_alive`, which computes it in Python from cells. Here it is an engine expression, so that every
    customer is scored on two days without reading a row per customer into memory. A test compares the two.

    Args:
        fit: an MBG/NBD fit; `predicting` holds r, α, a, b.
        history: frequency (x), recency_days (t), T_days (T).

    Returns:
        0 to 1, one value per row.
    """
    r, alpha, a, b = (float(value) for value in fit.predicting)
    x, t_x, age = history.frequency, history.recency_days / 7, history.T_days / 7
    silent = (r + x) * ((alpha + age) / (alpha + t_x)).ln() + (a / (b + x)).ln()
    return 1 / (1 + ibis.least(silent, 700.0).exp())


def _with_clicks(shop: Shop, rows: ir.Table, channel: str) -> ir.Table:
    """The rows with texts and clicks of the last eight weeks (now) and of the eight weeks before (then)."""
    names = ("texts_then", "texts_now", "clicks_then", "clicks_now")
    if not channel or not measures.knows_clicks(shop):
        return rows.mutate(**dict.fromkeys(names, ibis.literal(0)))
    after = shop.as_of + dt.timedelta(days=1)
    edges = [ibis.literal(shop.start_of(after - dt.timedelta(weeks=RECENT_WEEKS * k))) for k in (2, 1)]
    texts = counts.texts_of(shop, channel)
    texts = texts.filter(texts.sent_at >= edges[0])
    now, clicked = texts.sent_at >= edges[1], texts.human_click_at.notnull()
    sums = texts.group_by(member_id="addressee").aggregate(
        texts_then=texts.count(where=~now & texts.click_known),
        texts_now=texts.count(where=now & texts.click_known),
        clicks_then=texts.count(where=~now & clicked),
        clicks_now=texts.count(where=now & clicked),
    )
    rows = rows.left_join(sums, rows.customer_id == sums.member_id).drop("member_id")
    return rows.fill_null(dict.fromkeys(names, 0))


# --- satisfaction ----------------------------------------------------------------------------------------------------


def score_by_frequency(shop: Shop, study: Study) -> tuple[pd.DataFrame, Literal["randomised", "observational", "none"]]:
    """The feedback score by texts per week: by arm of a valid test, else by texts in the week before the response.

    Returns:
        dose (texts a week), n (customers of an arm, or responses), mean, low, high; difference (from the zero arm),
        difference_low, difference_high (randomised only; else NaN). And the kind of evidence. No rows without feedback.
    """
    columns = ["dose", "n", "mean", "low", "high", "difference", "difference_low", "difference_high"]
    if not shop.has("feedback"):
        return pd.DataFrame(columns=columns), "none"
    if study.sound and study.experiment is not None and study.texts_per_week:
        cells = counts.count_scores(shop, study.experiment)
        cells = (
            cells.assign(dose=cells["arm"].map(study.texts_per_week)).groupby("dose")[["n", "sum_y", "sum_y2"]].sum()
        )
        if len(cells) and cells["n"].min() >= 2:
            return _randomised_scores(cells.reset_index())[columns], "randomised"
    if not study.channel:
        return pd.DataFrame(columns=columns), "none"
    return _observational_scores(shop, study.channel).reindex(columns=columns), "observational"


def _randomised_scores(cells: pd.DataFrame) -> pd.DataFrame:
    n, y, yy = (cells[name].to_numpy(float) for name in ("n", "sum_y", "sum_y2"))
    mean = y / n
    half_width = t.ppf(0.975, n - 1) * np.sqrt(np.maximum(yy - n * mean**2, 0.0) / (n - 1) / n)
    frame = cells.assign(mean=mean, low=mean - half_width, high=mean + half_width)
    frame[["difference", "difference_low", "difference_high"]] = np.nan
    if (zero := cells["dose"] == 0).any():
        control = tuple(np.full((~zero).sum(), x[zero][0]) for x in (n, y, yy))
        found = difference_of_means(tuple(x[~zero] for x in (n, y, yy)), control)  # type: ignore[arg-type]
        columns = ["difference", "difference_low", "difference_high"]
        frame.loc[~zero, columns] = np.stack([found.estimate, found.low, found.high], axis=1)
    return frame


def _observational_scores(shop: Shop, channel: str) -> pd.DataFrame:
    """Feedback by the number of texts in the week before; intervals by a jackknife over customers."""
    feedback = shop.feedback.select("customer_id", "responded_at", "score")
    texts = counts.texts_of(shop, channel).select("addressee", "sent_at")
    pairs = feedback.left_join(
        texts,
        (feedback.customer_id == texts.addressee)
        & (texts.sent_at < feedback.responded_at)
        & (texts.sent_at >= feedback.responded_at - ibis.interval(days=7)),
    )
    each = pairs.group_by("customer_id", "responded_at", "score").aggregate(texts=pairs.sent_at.count())
    each = each.mutate(dose=ibis.least(each.texts, 4), group=hash_group(each.customer_id, counts.JACKKNIFE, GROUPS))
    cells = shop.count(
        each.group_by("dose", "group")
        .aggregate(answers=each.count(), scores=total(each.score))
        .order_by("dose", "group")
    )
    if not len(cells):
        return pd.DataFrame()
    found = ratios(cells, ["dose"], numerator="scores", denominator="answers")
    return found.rename(columns={"ratio": "mean", "denominator": "n"})
