"""The page advises to set `jurisdiction`: then its rules hold for everybody whose own place is not known."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import measures
from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load
from smsroi_helpers.timing import mark_disallowed
from smsroi_helpers.timing.counts import count_practice
from smsroi_helpers.timing.places import read_practice

EVERY_STATE = "US US-FL US-MD US-NJ US-CT US-RI US-PA US-MA US-MI US-KY"


@pytest.mark.parametrize(("told", "rules"), [("US-TX", "US-TX"), ("US", EVERY_STATE), ("", EVERY_STATE)])
def test_texts_to_people_of_unknown_place_are_judged_by_it(make_source, open_source, told, rules):
    """On weekdays 20:30 is legal in Texas, and not in Connecticut, which is in New York's zone; Ann is in Paris."""
    days = [day for n in range(28) if (day := dt.date(2024, 5, 6) + dt.timedelta(days=n)).weekday() < 5]
    rows = "".join(f"{n},c{n},k,{day} 20:30:00\n" for n, day in enumerate(days))
    shop = open_source(make_source(
        messages=f"message_id,customer_id,campaign_id,sent_at\n{rows}99,ann,k,{days[-1]} 08:30:00\n",
        customers="customer_id,timezone,region\nann,Europe/Paris,\nc0,,\n",
        source="timezone: America/New_York\n" + (f"jurisdiction: {told}\n" if told else ""),
    ))  # fmt: skip
    texts = mark_disallowed(shop, measures.local_sends(shop), days[0])
    counts = shop.count(
        texts.group_by("rules").aggregate(n=texts.count(), closed=(texts.at_closed_hour | texts.on_day_off).sum())
    )
    counts = counts.set_index("rules")
    closed = 0 if told == "US-TX" else len(days)
    assert counts.to_dict() == {"n": {rules: len(days), "FR": 1}, "closed": {rules: closed, "FR": 0}}
    sent = count_practice(shop, measures.find_practice(shop), "region")
    assert set(sent["timezone"]) == {"", "Europe/Paris"}
    windows = pd.DataFrame({"hour": [20], "until": [21]})
    today = read_practice(sent, windows, told, "America/New_York", None, np.ones(24))
    late = sent.loc[sent["hour"] == 20, "messages"].sum() / sent["messages"].sum()
    assert late > 0.5
    assert today.forbidden == pytest.approx(late if closed else 0.0)
    assert set(measures.count_places(shop)["rules"]) == {"FR", rules}


@pytest.mark.parametrize(("text", "hint"), [("Texas", "US-TX"), ("USA", "US-TX"), ("UK", "such as GB")])
def test_a_word_that_is_no_jurisdiction_is_refused(make_source, tmp_path, text, hint):
    orders = "order_id,customer_id,ordered_at,amount\n1,c1,2024-01-01,5\n"
    with pytest.raises(DataError, match=f"'{text}' is not a jurisdiction; .*{hint}"):
        load(make_source(orders=orders, source=f"jurisdiction: {text}\n"), tmp_path / "into")
