"""Sends against a plain Python reading of small random worlds."""

import datetime as dt
import zoneinfo

import pytest

from smsroi_helpers.measures.local_sends import local_sends
from tests.measures.worlds import SEEDS, cost, delivered, human_click, machines, rows_of


@pytest.mark.parametrize("seed", SEEDS)
def test_sends_have_the_recipients_local_time(open_world, seed):
    world, shop = open_world(seed)
    counted = rows_of(local_sends(shop), "message_id")
    zones = {row["customer_id"]: row.get("timezone") for row in world.seen("customers")}
    expected, machine = {}, machines(world)
    for message in world.seen("messages"):
        zone = zoneinfo.ZoneInfo(zones.get(message["customer_id"]) or world.zone)
        local = message["sent_at"].replace(tzinfo=dt.UTC).astimezone(zone).replace(tzinfo=None)
        arrived = delivered(world, message)
        expected[(message["message_id"],)] = {
            "message_id": message["message_id"], "customer_id": message["customer_id"],
            "campaign_id": message["campaign_id"], "channel": message.get("channel") or "sms", "variant": None,
            "plan_id": message.get("plan_id"), "cost": cost(world, message),
            "sent_at": message["sent_at"], "delivered_at": arrived,
            "delivered": arrived is not None, "timezone": zone.key,
            "observed_hours": (world.end - (arrived or message["sent_at"])).total_seconds() / 3600,
            "local_at": local, "local_date": local.date(), "weekday": local.weekday(), "hour": local.hour,
        }  # fmt: skip
        for name in ("opened", "clicked", "replied", "opted_out"):
            at = message.get(f"{name}_at")
            known = world.has("messages", f"{name}_at")
            expected[(message["message_id"],)] |= {f"{name}_at": at, name: at is not None if known else None}
        judged = machine[message["message_id"]]
        expected[(message["message_id"],)] |= {
            "machine": judged, "click_known": judged == "none" and world.has("messages", "clicked_at"),
            "human_click_at": human_click(world, message, machine), "any_click_at": message.get("clicked_at"),
            "opt_out_at": message.get("opted_out_at"),
        }  # fmt: skip
    assert counted == expected
