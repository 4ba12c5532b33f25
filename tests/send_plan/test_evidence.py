"""In which of several tests each text counts, against plain Python over the same rows."""

import datetime as dt

import ibis
import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.send_plan.evidence import EXPLORED, _texts
from tests.segmentation.samples import HEAD

START = dt.datetime(2024, 1, 1)
TESTS = {"c1": "content", "c2": "content", "plan-a": EXPLORED, "plan-b": EXPLORED, "t1": "timing", "f1": "frequency",
         "h1": "holdout", "h2": "holdout"}  # fmt: skip
RANK = {"content": 0, EXPLORED: 1, "timing": 2, "frequency": 3, "holdout": 9}
"""A text of several tests counts first in that of its text, then of its hour, then of its frequency."""


def at(hours):
    return START + dt.timedelta(hours=int(hours))


@pytest.mark.parametrize("explored", [True, False])
def test_a_text_of_several_tests_counts_first_in_one(make_source, open_source, explored):
    rng = np.random.default_rng(3)
    members, sent = [], []
    for who in (f"c{number}" for number in range(40)):
        for test, kind in TESTS.items():
            if rng.random() < 0.5 and (explored or kind != EXPLORED):
                start, end = sorted(rng.choice(60, 2, replace=False))  # ends of windows are often those of others
                end = 240 if kind == EXPLORED else end
                members.append((test, kind, who, "arm", at(start), at(end), "10", 1))
        for _ in range(12):
            sent.append((who, at(rng.integers(0, 60)), str(rng.choice(["", "", "plan-a", "plan-b", "plan-c"]))))
    names = ["test", "kind", "customer_id", "arm", "assigned_at", "ended_at", "code", "group"]
    shop = open_source(make_source(
        orders=HEAD + "1,c1,2024-01-15,5\n",
        messages="message_id,customer_id,campaign_id,sent_at,plan_id\n"
        + "".join(f"m{i},{who},w,{when},{plan}\n" for i, (who, when, plan) in enumerate(sent)),
    ))  # fmt: skip
    table = ibis.memtable(
        pd.DataFrame(members, columns=names), schema={
            "test": "string", "kind": "string", "customer_id": "string", "arm": "string",
            "assigned_at": "timestamp(6)", "ended_at": "timestamp(6)", "code": "string", "group": "int64",
        }
    )  # fmt: skip
    found = shop.count(_texts(shop, shop.keep(table), "sms"))
    expected = []
    for who, when, plan in sent:
        own = [(RANK[kind], test) for test, kind, member, _arm, start, end, *_ in members
               if member == who and start <= when < end and (kind != EXPLORED or plan == test)]  # fmt: skip
        expected += [(test, who, when, (rank, test) == min(own)) for rank, test in own]
    counted = found[["test", "person", "sent_at", "first"]].itertuples(index=False, name=None)
    assert sorted((test, who, when.to_pydatetime(), first) for test, who, when, first in counted) == sorted(expected)
    assert len(expected) > 500
    assert 0.2 < np.mean([first for *_, first in expected]) < 0.8
    assert any(test.startswith("plan") and not first for test, *_, first in expected) == explored
