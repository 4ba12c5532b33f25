"""Warnings on later weeks: counting by hand, and the ranking against scikit-learn."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from smsroi_helpers import cltv
from smsroi_helpers.retention import early_warning, warning_wording


def test_the_warning_of_cdnow_is_scored_on_the_later_weeks(cdnow_shop):
    comparison = cltv.compare_models(cdnow_shop(), model="auto", horizon_weeks=39, holdout_weeks=39)
    tested = cltv.holdout_test(cdnow_shop(), comparison)
    today = pd.DataFrame({"p_alive": [0.2, 0.5, 0.9], "customers": [300, 100, 600]})
    found = early_warning.evaluate_alive(comparison, tested, today, 0.5)
    assert (found.listed, found.people) == (300, 1000)
    outcomes = comparison.outcomes.loc[comparison.outcomes.index.repeat(comparison.outcomes["customers"])]
    alive = cltv.probability_alive(comparison.fits[found.model], outcomes)
    away = (outcomes["later_purchases"] == 0).to_numpy()
    # Those with the lowest P(alive): of all cuts, the one whose share is nearest to that of today's list.
    warned = alive < min(np.unique(alive), key=lambda level: abs((alive < level).mean() - 0.3))
    assert found.score.share == pytest.approx(warned.mean())
    assert found.score.precision[0] == pytest.approx((warned & away).sum() / warned.sum())
    assert found.score.recall[0] == pytest.approx((warned & away).sum() / away.sum())
    assert found.ranking == pytest.approx(roc_auc_score(away, -alive), abs=1e-9)
    assert found.score.difference[1] > 0


def test_fading_clicks_are_counted_by_hand(read_once):
    """Four subscribers with texts in both periods: stopped clicking or not, opted out later or not."""
    last = dt.date(2023, 12, 31)
    day = last - dt.timedelta(weeks=8)
    early, late = day - dt.timedelta(weeks=12), day - dt.timedelta(weeks=4)
    messages, clicks = [], {"stops": (1, 0), "stays": (1, 1), "leaves": (1, 0), "never": (0, 0), "few": (1, 0)}
    for name, clicked in clicks.items():
        for period, (at, click) in enumerate(zip((early, late), clicked, strict=True)):
            for k in range(1 if name == "few" else 2):
                sent = dt.datetime.combine(at + dt.timedelta(days=k), dt.time(10))
                when = sent + dt.timedelta(minutes=7) if click and not k else ""
                messages.append(f"{name}{period}{k},{name},k,{sent},{when}")
    messages.append(f"end,other,k,{last} 12:00:00,")
    shop = read_once(
        messages="message_id,customer_id,campaign_id,sent_at,clicked_at\n" + "\n".join(messages) + "\n",
        customers=f"customer_id,opted_out_at\nleaves,{last - dt.timedelta(days=9)}\nstops,\nstays,\nnever,\nfew,\n",
        orders="order_id,customer_id,ordered_at,amount\n1,stops,2023-01-02,5\n"
        f"2,stays,{last - dt.timedelta(days=3)},5\n",
    )
    found = early_warning.evaluate_fading(shop, "sms")
    counts = {name: (one.customers, one.warned, one.away, one.hits) for name, one in found.items()}
    assert counts == {"opt_out": (3, 2, 1, 1), "no_purchase": (3, 2, 2, 2)}
    assert found["opt_out"].precision[0] == 0.5
    assert found["opt_out"].recall[0] == 1
    assert early_warning.evaluate_fading(shop, "") == {}


def test_nothing_to_score_is_not_a_number():
    nobody = early_warning.score_warning(dt.date(2023, 1, 1), 8, warned=0, hits=0, customers=10, away=0)
    assert np.isnan([nobody.precision[0], nobody.recall[0], nobody.difference[0]]).all()


def test_a_warning_of_nobody_is_said_to_be_none():
    """No customer below the threshold: there is no share of the warned, and no dash for it."""
    nobody = early_warning.score_warning(dt.date(2023, 1, 1), 8, warned=0, hits=0, customers=1200, away=300)
    calibration = pd.DataFrame({"bought": [0.5], "low": [0.4], "high": [0.6]})
    said = warning_wording.warning_decision(early_warning.AliveTest("bg_nbd", 0.5, 0, 1300, nobody, 0.5, calibration))
    assert said.text == "None of 1,300 customers has a P(alive) below 50%, so it warns of nobody."
    assert (said.outcome, said.unit) == ("not_enough_evidence", "")
    assert "warns of no customer" in said.action


def test_the_precision_is_of_a_list_as_long_as_todays_and_says_so():
    score = early_warning.score_warning(dt.date(2023, 1, 1), 8, warned=600, hits=450, customers=1200, away=700)
    calibration = pd.DataFrame({"bought": [0.5], "low": [0.4], "high": [0.6]})
    alive = early_warning.AliveTest("bg_nbd", 0.5, 700, 1400, score, 0.5, calibration)
    said = warning_wording.warning_decision(alive)
    assert said.value == 0.75
    assert said.text.startswith("Today’s list warns of 50% of all 1,400 buyers: those with a P(alive) below 50%.")
    assert "Of a list as long on Jan 1, 2023 (600 of 1,200 customers), 75% bought nothing" in said.text


def test_a_list_of_everybody_tells_nobody_apart():
    score = early_warning.score_warning(dt.date(2023, 1, 1), 8, warned=1200, hits=700, customers=1200, away=700)
    calibration = pd.DataFrame({"bought": [0.5], "low": [0.4], "high": [0.6]})
    said = warning_wording.warning_decision(early_warning.AliveTest("bg_nbd", 0.5, 9, 9, score, 0.5, calibration))
    assert said.outcome == "not_enough_evidence"
    assert "nan" not in said.text
