"""Visits and feedback of one chunk of customers, in the log or in a week after it."""

import numpy as np

from smsroi_helpers.simulation.behaviour import Company, Customers, Ints, draw_seconds
from smsroi_helpers.simulation.columns import Batch, ids, instants, instants_of, words, write_part
from smsroi_helpers.simulation.texting import Columns

__all__ = ["write_feedback", "write_visits"]

_MEAN_SCORES = (8.6, 7.8, 7.4, 6.6)
_FEEDBACK_TEXTS = {
    "often": ("Too many texts.", "短信太多了。"),
    "bad": ("Delivery took two weeks.", "发货太慢，等了两周。"),
    "fair": ("Nice clothes, a bit expensive.", "衣服不错，价格偏高。"),
    "good": ("Love the quality!", "质量很好，很喜欢！"),
}


def write_visits(
    company: Company, customers: Customers, batch: Batch, orders: Columns, clicks: Ints, sent: Columns,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Write the table visits: before each order, after each click, and without either."""
    n = len(customers.number)
    start = np.maximum(customers.joined, batch.first_day)
    days_as_customer = batch.end_day - start
    browsing = np.repeat(np.arange(n), rng.poisson(0.05 * days_as_customer / 7))
    day = start[browsing] + (rng.random(len(browsing)) * days_as_customer[browsing]).astype(np.int64)
    clicked = np.flatnonzero(clicks < company.seen_until)
    earliest = 0 if batch.later_week < 0 else company.midnight_of(batch.first_day)
    before = np.maximum(orders["at"] - rng.integers(60, 5400, len(orders["at"])), earliest)
    at = np.concatenate(
        [
            before,
            clicks[clicked],
            instants_of(company, customers, browsing, day, draw_seconds(customers, browsing, rng)),
        ]
    )
    customer = np.concatenate([orders["customer"], sent["customer"][clicked], browsing])
    source = np.concatenate([rng.integers(1, 4, len(before)), np.zeros(len(clicked), np.int64),
                             rng.integers(1, 4, len(browsing))])  # fmt: skip
    by_time = np.argsort(at, kind="stable")[: (at < company.seen_until).sum()]
    write_part(batch, "visits", {
        "customer_id": ids("c", customers.number[customer[by_time]], 8),
        "visited_at": instants(at[by_time], company.seen_until),
        "source": words(source[by_time], ("sms", "direct", "search", "social")),
    })  # fmt: skip


def write_feedback(
    company: Company, customers: Customers, batch: Batch, sent: Columns, rng: np.random.Generator
) -> None:
    """Write the table feedback; scores fall with the number of texts in the week before."""
    n = len(customers.number)
    start = np.maximum(customers.joined, batch.first_day)
    days_as_customer = batch.end_day - start
    respondent = np.repeat(np.arange(n), rng.poisson(0.01 * days_as_customer / 7))
    day = start[respondent] + (rng.random(len(respondent)) * days_as_customer[respondent]).astype(np.int64)
    span = np.int64(10_000)
    text_days = np.sort(sent["customer"] * span + sent["day"])
    texts = np.searchsorted(text_days, respondent * span + day) - np.searchsorted(
        text_days, respondent * span + np.maximum(day - 7, 0)
    )
    annoyance = 0.0 if company.world.null else 0.6
    score = (
        np.array(_MEAN_SCORES)[customers.segment[respondent]] - annoyance * texts + rng.normal(0, 1.8, len(respondent))
    )
    score = np.clip(np.round(score), 0, 10)
    kind = np.select([(texts >= 2) & (score <= 6), score <= 4, score <= 7], [0, 1, 2], 3)
    text_number = np.where(rng.random(len(respondent)) < 0.6, kind * 2 + customers.market[respondent], -1)
    at = instants_of(company, customers, respondent, day, draw_seconds(customers, respondent, rng))
    by_time = np.argsort(at, kind="stable")[: (at < company.seen_until).sum()]
    write_part(batch, "feedback", {
        "customer_id": ids("c", customers.number[respondent[by_time]], 8),
        "responded_at": instants(at[by_time], company.seen_until),
        "score": score[by_time],
        "text": words(text_number[by_time], [text for pair in _FEEDBACK_TEXTS.values() for text in pair]),
    })  # fmt: skip
