"""Allowed hours are each recipient's own: candidates, gains and advice by place, added up."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.contract import OUTPUTS
from smsroi_helpers.measures import RULES
from smsroi_helpers.timing import best_hours, customer_hours, place_tables, places
from smsroi_helpers.timing import wording as timing_wording
from smsroi_helpers.timing.decision import decide, gains_by_place
from smsroi_helpers.timing.response import rate_by_hour
from tests.timing.samples import PRICE, cells_of, looked, wave

CALIFORNIA = ("America/Los_Angeles", "California")
RHODE_ISLAND = ("America/New_York", "Rhode Island")
PARIS = ("Europe/Paris", "")


def sent(*rows):
    """Today's sends: (place, weekday, hour, messages)."""
    return pd.DataFrame([
        {"segment": "a", "timezone": zone, "region": region, "weekday": weekday, "hour": hour, "messages": n}
        for (zone, region), weekday, hour, n in rows
    ])  # fmt: skip


@pytest.fixture(scope="module")
def evening():
    """A test of 8:00 to 21:00 in which 19:00 is best by far, and the sends of three places."""
    cells = cells_of(np.random.default_rng(31), lambda hour, name: wave(hour, 19, 0.8), 20_000, ("a",), range(8, 21))
    practice = sent(
        (CALIFORNIA, 0, 10, 600), (CALIFORNIA, 1, 19, 100), (RHODE_ISLAND, 2, 14, 150), (RHODE_ISLAND, 2, 12, 50),
        (PARIS, 3, 11, 100),
    )  # fmt: skip
    return dataclasses.replace(looked(cells, hours=range(8, 21)), practice=practice)


def answered(seen):
    return best_hours.find_best_hours(seen, np.random.default_rng(1))


def test_the_gain_is_that_of_each_place_at_its_own_best_allowed_hour_added_up(evening):
    answer = answered(evening)[0]
    rate = rate_by_hour(evening.main, "all").set_index("hour")["rate"]
    assert rate.idxmax() == 19
    best = answer.windows.iloc[answer.best]
    assert best["hour"] == 19
    # By hand: California and Paris at 19:00, Rhode Island, whose weekdays end at 18:00, at 17:00.
    today = 0.6 * rate[10] + 0.1 * rate[19] + 0.15 * rate[14] + 0.05 * rate[12] + 0.1 * rate[11]
    moved = 0.7 * rate[19] + 0.2 * rate[17] + 0.1 * rate[19]
    assert best["gain"] == pytest.approx(moved - today, rel=1e-9)
    assert best["allowed_share"] == pytest.approx(0.8)
    assert answer.today @ rate.to_numpy() == pytest.approx(today)
    assert (answer.untried_share, answer.forbidden_share) == pytest.approx((0.0, 0.0))
    advice = answer.places.set_index("rules")
    assert advice["hour"].to_dict() == {"US": 19, "US-RI": 17, "FR": 19}
    assert advice["share"].to_dict() == pytest.approx({"US": 0.7, "US-RI": 0.2, "FR": 0.1})


def test_one_strict_state_does_not_take_the_best_hour_from_all_others(evening):
    """One intersection would leave 9:00 to 18:00 to everybody."""
    answer = answered(evening)[0]
    assert answer.windows["hour"].tolist() == list(range(8, 21))
    assert answer.outcome == "move"
    alone = dataclasses.replace(evening, practice=sent((RHODE_ISLAND, 2, 12, 100)))
    assert answered(alone)[0].windows["hour"].tolist() == list(range(9, 18))


def test_the_limits_are_those_of_the_sum_over_places(evening):
    """With a single candidate: the gain ± t · s.e. of Σ (p − q) r, from the curve's own covariance."""
    answer = answered(dataclasses.replace(evening, own_hours=(18, 19)))[0]
    assert answer.windows["hour"].tolist() == [18]
    rate, covariance = best_hours._rates(evening.main.curves("all"), "all", evening.main.windows)
    contrast = np.zeros(13)  # what is sent elsewhere falls at no allowed window, so nothing is compared
    assert np.isnan(answer.gain()).all()
    both = dataclasses.replace(
        evening, own_hours=(18, 20), practice=sent((CALIFORNIA, 0, 18, 70), (RHODE_ISLAND, 0, 12, 30))
    )
    answer = answered(both)[0]
    contrast[[19 - 8, 18 - 8]] = 1.0, -1.0  # Rhode Island has no hour left, and counts in neither
    row = answer.windows.iloc[answer.best]
    error = np.sqrt(contrast @ covariance @ contrast)
    assert row["gain"] == pytest.approx(contrast @ rate)
    assert (row["gain_high"] - row["gain"]) / error == pytest.approx(1.998, abs=0.06)  # Student's t, 63 degrees
    assert answer.untried_share == pytest.approx(0.3)


def test_a_single_window_is_never_flat(evening):
    cells = cells_of(np.random.default_rng(6), lambda hour, name: np.full(len(hour), 0.06), 60_000, hours=range(8, 20))
    seen = looked(cells, today={10: 1.0})
    assert best_hours.find_best_hours(seen, np.random.default_rng(1), smallest_click_gain=0.012)[0].outcome == "flat"
    one = dataclasses.replace(seen, own_hours=(10, 11))
    answer = best_hours.find_best_hours(one, np.random.default_rng(1), smallest_click_gain=0.012)[0]
    assert len(answer.windows) == 1
    assert answer.outcome == "open"
    assert decide(one, [answer])[0].outcome == "not_enough_evidence"


@pytest.mark.parametrize("nights", [0.5, 2, 40, 49.5, 50.5, 60])
def test_texts_outside_allowed_hours_are_advised_to_move_whatever_their_share(nights):
    """Above 1 % of the texts the advice is the same: it does not turn at one half."""
    cells = cells_of(np.random.default_rng(6), lambda hour, name: np.full(len(hour), 0.06), 60_000, hours=range(8, 20))
    practice = sent((CALIFORNIA, 0, 23, 10 * nights), (CALIFORNIA, 0, 10, 1_000 - 10 * nights))
    seen = dataclasses.replace(looked(cells), practice=practice)
    answers = best_hours.find_best_hours(seen, np.random.default_rng(1), smallest_click_gain=0.012)
    found = decide(seen, answers)[0]
    moves = nights >= 1
    assert (found.outcome, found.reason) == (("do", "not_allowed") if moves else ("dont", "no_gain_possible"))
    assert found.tested == "no_gain_possible"
    assert "forbidden_hours" in found.warnings
    words = timing_wording.put_in_words(found, seen)
    assert words.action == (
        "Send only at the hours that are allowed where the text arrives, and take the cheapest of them"
        if moves
        else "Leave the hours as they are: take the cheapest allowed one"
    )
    said = f"{words.text} {words.caveat}"
    assert said.count(f"{float(nights)}% of today’s texts go out at hours that are not allowed") == 1
    assert bool(np.isnan(words.value)) is moves  # the gain is of the texts that need not move
    assert "No hour tried can bring more than" in words.text


def test_advice_names_the_places_where_the_best_hour_is_not_allowed(evening):
    words = timing_wording.decide(evening, answered(evening))[0]
    assert words.outcome == "do"
    assert "Skip public holidays where no texts are allowed on them" in words.caveat  # in France and Rhode Island
    assert "Where it is not allowed: 17:00–18:00 (US-RI; 20.0% of texts)." in words.text
    assert (
        "These hours are allowed only on: Monday to Friday (US-RI; 20.0% of texts); Monday to Saturday (France; 10.0%"
        " of texts)."
    ) in words.text


def test_a_customer_gets_the_hour_of_the_advice_for_the_place(evening, make_source, open_source):
    """The table `customer_send_hour` and the decision say the same."""
    customers = "customer_id,timezone,region\n" + "".join(
        f"c{i},{zone},{region}\n" for i, (zone, region) in enumerate((CALIFORNIA, RHODE_ISLAND, PARIS))
    )
    shop = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n1,c0,2026-01-01,5\n",
                                   customers=customers))  # fmt: skip
    curve = {"all": rate_by_hour(evening.main, "all")}
    candidates = customer_hours._candidates(shop, curve, "", [0]).set_index("zone")["hour"].to_dict()
    advice = answered(evening)[0].places.set_index("rules")["hour"].to_dict()
    assert candidates == {CALIFORNIA[0]: advice["US"], RHODE_ISLAND[0]: advice["US-RI"], PARIS[0]: advice["FR"]}


def test_policies_send_each_place_somewhere_it_allows():
    masks = np.array([[True, True, False], [False, True, True], [False, False, False]])
    policies, chosen = places.send_policies(masks, np.array([0.7, 0.3, 0.0]), np.array([0.3, 0.1, 0.2]))
    assert chosen.tolist() == [[0, 1, 0], [2, 1, 2], [-1, -1, -1]]
    # At window 0: x goes to 0, y cannot and goes to its best, 2. At 1: both. At 2: x cannot and goes to 0.
    assert policies == pytest.approx(np.array([[0.7, 0.0, 0.3], [0.0, 1.0, 0.0], [0.7, 0.0, 0.3]]))
    assert places.share_of_places(masks, np.array([6.0, 3.0, 1.0])) == pytest.approx([0.6, 0.9, 0.3])


def test_a_window_is_a_candidate_if_it_is_allowed_on_some_weekday():
    """The careful default allows 19:00 on weekdays only; a Saturday's text at 19:00 is not counted as allowed."""
    windows = pd.DataFrame({"hour": [12, 19], "until": [13, 20]})
    lagos = ("Africa/Lagos", "")
    found = places.read_practice(
        sent((lagos, 0, 19, 60), (lagos, 5, 19, 30), (lagos, 6, 12, 10)), windows, "", "", None, np.ones(24)
    )
    assert found.rules == ["careful"]
    assert found.masks.tolist() == [[True, True]]
    assert found.weeks[0, :, 1].tolist() == [True] * 5 + [False] * 2
    assert found.shares == pytest.approx(np.array([[10 / 70, 60 / 70]]))
    assert (found.untried, found.forbidden) == pytest.approx((0.3, 0.3))


def test_e_mail_may_go_out_at_any_hour(evening):
    """The rules are on texts and calls: what counts as not allowed for texts is allowed for another channel."""
    windows = pd.DataFrame({"hour": [12, 22], "until": [13, 23]})
    sends = sent((RHODE_ISLAND, 0, 22, 60), (CALIFORNIA, 6, 12, 40))
    found = places.read_practice(sends, windows, "", "", None, np.ones(24), ruled=False)
    assert (found.rules, found.untried, found.forbidden) == ([""], 0.0, 0.0)
    assert found.weeks.all()
    assert found.shares == pytest.approx(np.array([[0.4, 0.6]]))
    own = places.read_practice(sends, windows, "", "", (9, 18), np.ones(24), ruled=False)
    assert (own.untried, own.forbidden) == (pytest.approx(0.6), 0.0), "own hours hold for every channel"
    night = sent((RHODE_ISLAND, 0, 22, 100))
    texts, letters = (dataclasses.replace(evening, practice=night, channel=channel) for channel in ("sms", "email"))
    for seen, share in ((texts, 1.0), (letters, 0.0)):
        answers = answered(seen)
        assert {answer.forbidden_share for answer in answers} == {share}
        assert ("hours that are not allowed" in timing_wording.decide(seen, answers)[0].text) is bool(share)


@pytest.mark.parametrize("priced", [True, False])
def test_messages_clicks_and_money_of_the_places_add_up_to_the_total(evening, priced):
    seen = dataclasses.replace(evening, click=PRICE) if priced else evening
    answer = answered(seen)[0]
    rows = gains_by_place(seen, answer)
    assert rows["messages_per_week"].sum() == pytest.approx(answer.messages_per_week)
    assert rows["clicks"].sum() == pytest.approx(answer.gain()[0] * answer.messages_per_week)
    assert (rows["clicks_low"] <= rows["clicks"]).all()
    assert (rows["clicks"] <= rows["clicks_high"]).all()
    # By hand: California sends 600 of its 700 texts at 10:00, all of them would go out at 19:00.
    rate = rate_by_hour(seen.main, "all").set_index("hour")["rate"]
    own = rows.set_index("rules").loc["US"]
    assert own["clicks"] == pytest.approx(0.6 * (rate[19] - rate[10]) * answer.messages_per_week)
    total = decide(seen, [answer])[0]
    if priced:
        assert rows["money"].sum() == pytest.approx(total.value)
        assert (rows["money_low"] < rows["money"]).all()
        assert (rows["money"] < rows["money_high"]).all()
        assert own["money"] == pytest.approx(own["clicks"] * PRICE.estimate)
    else:
        assert rows["money"].isna().all()
    assert set(rows["evidence"]) == {"modelled"}  # of a pooled curve, not of the arms
    assert set(rows["money_evidence"]) == {"modelled" if priced else "none"}
    assert set(OUTPUTS["timing_places"]) == set(rows.columns)


def test_a_single_place_has_the_limits_of_the_total(evening):
    """One critical value for the total and for each place: the limits agree where they are the same number."""
    alone = dataclasses.replace(evening, practice=sent((CALIFORNIA, 0, 10, 100)))
    answer = answered(alone)[0]
    row = answer.places.iloc[0]
    assert (row["gain"], row["gain_low"], row["gain_high"]) == pytest.approx(answer.gain())


def test_an_hour_tried_in_a_window_that_is_not_wholly_allowed_is_not_called_untried(evening):
    """Rhode Island allows 17:00 and not 18:00 on weekdays: texts at 17:00 are in no usable window of 17:00 to 19:00."""
    windows = pd.DataFrame({"hour": [12, 17], "until": [14, 19]})
    part = places.read_practice(sent((RHODE_ISLAND, 0, 17, 100)), windows, "", "", None, np.ones(24))
    assert (part.untried, part.forbidden) == (1.0, 0.0)
    seen = dataclasses.replace(evening, practice=sent((RHODE_ISLAND, 0, 17, 100)), own_hours=(18, 20))
    assert "was not tried" not in timing_wording.uncompared_words(seen)
    some = dataclasses.replace(evening, practice=sent((CALIFORNIA, 0, 10, 70), (CALIFORNIA, 0, 22, 30)))
    caveat = timing_wording.decide(some, answered(some))[0].caveat
    assert "30% of today’s texts fall in no window that was tried and is allowed as a whole; the gain is" in caveat


def test_the_page_shows_each_place_and_the_total(evening):
    seen = dataclasses.replace(evening, click=PRICE)
    page = place_tables.places_table(seen, answered(seen), "USD").markup
    for words in ("US-RI", "17:00–18:00", "Monday to Friday", "All places", "Monday to Saturday", "modelled"):
        assert words in page
    nowhere = dataclasses.replace(seen, practice=sent((CALIFORNIA, 0, 3, 100)))
    assert "no gain can be given by place" in place_tables.places_table(nowhere, answered(nowhere), "USD").markup


def test_of_several_rules_the_least_verified_and_the_oldest_check_count():
    rule = next(iter(RULES.values()))
    law, guides, unknown = (
        dataclasses.replace(rule, checked=checked, checked_on=month)
        for checked, month in (("law", "2026-03"), ("guides", "2025-11"), ("none", ""))
    )
    assert places.least_verified([law]) == ("law", "2026-03")
    assert places.least_verified([law, guides]) == ("guides", "2025-11")
    assert places.least_verified([law, unknown, guides]) == ("none", "2025-11")
    assert places.least_verified([unknown]) == ("none", "")
