"""Campaigns, and the messages of one chunk of customers: texts and newsletters."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from smsroi_helpers.simulation.behaviour import DAY, NEVER, Company, Customers, Ints
from smsroi_helpers.simulation.columns import Batch, ids, instants, instants_of, words, write_part
from smsroi_helpers.simulation.ground_truth import CREATIVES, MARKETS
from smsroi_helpers.simulation.texting import Columns

__all__ = ["list_campaigns", "write_messages"]


def list_campaigns(company: Company) -> list[dict[str, Any]]:
    """Return one row per week, market and channel, in the order of the campaign numbers of messages."""
    rows = []
    for week in range(company.weeks + company.later_weeks):
        monday = company.first_day + dt.timedelta(days=7 * week)
        for market in MARKETS:
            for channel, noun in (("sms", "texts"), ("mail", "newsletter")):
                theme = CREATIVES[company.pairs[week][0]].content_type if channel == "sms" else "newsletter"
                rows.append({
                    "campaign_id": f"{channel}-{monday:%Y%m%d}-{market}",
                    "name": f"Week of {monday}, {market.upper()} {noun}",
                    "started_at": monday - dt.timedelta(days=1),
                    "objective": "sales" if channel == "sms" else "news",
                    "theme": theme,
                })  # fmt: skip
    return rows


def _draw_mails(company: Company, customers: Customers, batch: Batch, rng: np.random.Generator) -> Columns:
    """Draw the newsletters: every second Tuesday at ten, to customers with an e-mail address."""
    days = np.arange(1, batch.end_day, 14)
    days = days[days >= batch.first_day]
    rows = [np.flatnonzero(customers.email & (customers.joined < day)) for day in days]
    customer = np.concatenate([np.zeros(0, np.int64), *rows])
    day = np.repeat(days, np.array([len(r) for r in rows], int))
    sent_at = instants_of(company, customers, customer, day, 36_000 + rng.integers(0, 900, len(customer)))
    opened = np.where(rng.random(len(customer)) < 0.25, sent_at + 60 + rng.integers(0, 2 * DAY, len(customer)), NEVER)
    clicks = (opened < NEVER) & (rng.random(len(customer)) < 0.12)
    return {"customer": customer, "day": day, "sent_at": sent_at, "opened": opened,
            "clicked": np.where(clicks, opened + rng.integers(5, 120, len(customer)), NEVER)}  # fmt: skip


def write_messages(
    company: Company, customers: Customers, batch: Batch, sent: Columns, sent_at: Ints, plan_ids: Sequence[str],
    rng: np.random.Generator,
) -> tuple[Ints, Ints, Ints]:  # fmt: skip
    """Write the table messages. Return the number of each SMS, and the times of its human click and opt-out.

    `sent["plan"]` is the number of the message's plan in `plan_ids`, −1 for none.
    """
    n = len(sent_at)

    def time_if(happened: Any, seconds: Any) -> Ints:
        return np.where(happened, delivered + np.asarray(seconds).astype(np.int64), NEVER)

    delivered = sent_at + 1 + rng.integers(0, 20, n)
    human_click = time_if(sent["clicked"], np.minimum(rng.lognormal(np.log(900), 1.2, n) + 5, 3.0 * DAY))
    machine_click = time_if(sent["scanned"], rng.integers(0, 4, n))
    opted_out_at = time_if(sent["opted_out"], 5 + rng.exponential(1200.0, n))
    replied = time_if(sent["replied"], 20 + rng.exponential(1800.0, n))
    mails = _draw_mails(company, customers, batch, rng)
    m = len(mails["customer"])
    customer = np.concatenate([sent["customer"], mails["customer"]])
    week = np.concatenate([sent["day"], mails["day"]]) // 7
    mail = np.arange(n + m) >= n
    never = np.full(m, NEVER)
    cost = company.world.costs[sent["variant"], customers.market[sent["customer"]]]
    starts = np.concatenate([sent_at, mails["sent_at"]])
    order = np.argsort(starts, kind="stable")
    message_number = np.empty(n + m, np.int64)
    message_number[order] = np.arange(n + m)

    def column(of_sms: Any, of_mail: Any) -> Any:
        return np.concatenate([of_sms, of_mail])[order]

    campaign = (week * 2 + customers.market[customer]) * 2 + mail
    write_part(batch, "messages", {
        "message_id": ids(batch.prefix, np.arange(n + m), 9),
        "customer_id": ids("c", customers.number[customer[order]], 8),
        "campaign_id": words(campaign[order], [row["campaign_id"] for row in list_campaigns(company)]),
        "sent_at": instants(starts[order], company.seen_until),
        "channel": words(mail[order].astype(np.int64), ("sms", "email")),
        "variant": words(column(sent["variant"], np.full(m, -1)), [c.variant for c in CREATIVES]),
        "cost": column(cost, np.zeros(m)),
        "delivered_at": instants(column(np.where(sent["delivered"], delivered, NEVER), mails["sent_at"] + 2),
                                  company.seen_until),
        "opened_at": instants(column(np.full(n, NEVER), mails["opened"]), company.seen_until),
        "clicked_at": instants(column(np.minimum(human_click, machine_click), mails["clicked"]), company.seen_until),
        "replied_at": instants(column(replied, never), company.seen_until),
        "opted_out_at": instants(column(opted_out_at, never), company.seen_until),
        "plan_id": words(column(sent["plan"], np.full(m, -1)), plan_ids),
    })  # fmt: skip
    return message_number[:n], human_click, opted_out_at
