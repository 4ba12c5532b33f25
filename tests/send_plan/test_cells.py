"""Counts of the evidence by group, profile and arm, against plain Python over the kept rows and the source."""

import hashlib
from collections import Counter

import ibis
import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.experiments import CLICK_VALUE_GROUP
from smsroi_helpers.send_plan.campaign_levels import count_levels, fit_levels
from smsroi_helpers.send_plan.cells import CREDIT_DAYS
from smsroi_helpers.send_plan.click_profit import per_click
from smsroi_helpers.statistics import GROUPS


@pytest.fixture(scope="module")
def cells(second_plan):
    return next(each.cells for each in second_plan.plan.candidates if each.name == "rfm_group")


@pytest.fixture(scope="module")
def profile(second_plan, cells):
    return dict(zip(second_plan.plan.evidence.codes["code"], cells.grouping.profile, strict=True))


@pytest.fixture(scope="module")
def texts(second_plan):
    return second_plan.plan.shop.count(second_plan.plan.evidence.texts)


@pytest.fixture(scope="module")
def people(second_plan):
    return second_plan.plan.shop.count(second_plan.plan.evidence.people)


def levels_of(table):
    """Level of each campaign, from its texts (size) and clicks (sum) by text or weekday."""
    return dict(
        zip(table.index, fit_levels(*(table[name].fillna(0).to_numpy() for name in ("size", "sum"))), strict=True)
    )


def filled(counter, like):
    found = np.zeros(like.shape)
    for at, number in counter.items():
        found[at] = number
    return found


def test_groups_are_those_of_the_hash(texts):
    for row in texts.drop_duplicates("person").head(300).itertuples():
        digest = hashlib.md5(f"{CLICK_VALUE_GROUP}:{row.person}".encode()).hexdigest()
        assert row.group == int(digest[:2], 16) % GROUPS


def test_texts_are_those_sent_to_members_during_their_test(second_plan, texts):
    """Straight from the source, of the test of frequencies and that of hours."""
    sent, assigned = second_plan.table("messages"), second_plan.table("assignments")
    tests = second_plan.table("experiments").set_index("experiment_id")
    for name in ("how-often", "which-window"):
        members = assigned[assigned["experiment_id"] == name].set_index("customer_id")["assigned_at"]
        ours = sent[sent["customer_id"].isin(members.index)]
        start = ours["customer_id"].map(members)
        ours = ours[(ours["sent_at"] >= start) & (ours["sent_at"] < tests.loc[name, "ended_at"])]
        assert (texts["test"] == name).sum() == len(ours)
        assert texts.loc[texts["test"] == name, "delivered"].sum() == ours["delivered_at"].notna().sum()


def test_clicks_and_texts_by_frequency(second_plan, cells, profile, people):
    plan, doses = second_plan.plan, second_plan.plan.evidence.doses
    of_arm = plan.evidence.of_kind("frequency")[0].plan["messages_per_week"]
    events, sent, lost, weeks = Counter(), Counter(), Counter(), Counter()
    for row in people[people["kind"] == "frequency"].itertuples():
        dose = doses.index(of_arm[row.arm])
        at = (row.group, profile[row.code])
        lost[(*at, dose)] += row.opted_out or 0
        weeks[(*at, dose)] += row.weeks
        if dose:
            events[(*at, dose - 1)] += row.clicked * row.texts / max(row.known, 1)
            sent[(*at, dose - 1)] += row.texts
    for found, counted in (
        (cells.clicks_by_dose.events, events), (cells.clicks_by_dose.exposure, sent),
        (cells.opt_outs_by_dose.events, lost), (cells.opt_outs_by_dose.exposure, weeks),
    ):  # fmt: skip
        assert found.sum() > 0
        assert np.allclose(found, filled(counted, found), atol=1e-4)


def test_clicks_by_window(second_plan, cells, profile, texts):
    evidence = second_plan.plan.evidence
    arms = evidence.of_kind("timing")[0].plan
    events, exposure = Counter(), Counter()
    for row in texts[(texts["known"] == 1) & texts["delivered"] & (texts["kind"] == "timing")].itertuples():
        hours = (int(arms["hour_start"][row.arm]), int(arms["hour_end"][row.arm]))
        at = (row.group, profile[row.code], evidence.windows.index(hours))
        events[at] += row.clicked
        exposure[at] += 1
    found = cells.clicks_by_window
    assert found.events.sum() > 50
    assert np.array_equal(found.events, filled(events, found.events))
    assert np.array_equal(found.exposure, filled(exposure, found.exposure))


def test_weekdays_are_compared_within_campaigns_that_went_out_on_several(cells, profile, texts):
    heard = texts[(texts["known"] == 1) & texts["delivered"] & texts["kind"].isin(["timing", "frequency"])]
    heard = heard.assign(stratum=heard["kind"] + ":" + heard["campaign_id"])
    table = heard.pivot_table(index="stratum", columns="weekday", values="clicked", aggfunc=["size", "sum"])
    assert (table["size"].notna().sum(axis=1) > 1).all()
    level = levels_of(table)
    events, exposure = Counter(), Counter()
    for row in heard.itertuples():
        at = (row.group, profile[row.code], row.weekday)
        events[at] += row.clicked
        exposure[at] += level[row.stratum]
    found = cells.clicks_by_weekday
    assert found.events.sum() > 50
    assert np.array_equal(found.events, filled(events, found.events))
    assert np.allclose(found.exposure, filled(exposure, found.exposure), atol=1e-3)


def test_the_weekday_of_a_good_campaign_is_not_taken_for_a_good_weekday(second_plan):
    """Clicks per text depend on the campaign alone; the two that went out on one weekday each would say otherwise."""
    sent = pd.DataFrame(
        [("frequency:good", 0, 100, 30), ("frequency:bad", 3, 100, 3), ("frequency:both", 0, 60, 6),
         ("frequency:both", 3, 40, 4)], columns=["stratum", "weekday", "texts", "clicks"],
    )  # fmt: skip
    rows = sent.loc[sent.index.repeat(sent["texts"])].reset_index(drop=True)
    rows["group"] = rows.index % GROUPS
    rows["clicked"] = (rows.groupby(["stratum", "weekday"]).cumcount() < rows["clicks"]).astype(int)
    texts = ibis.memtable(rows)
    levels = count_levels(second_plan.plan.evidence, texts, texts.weekday, 7, texts.clicked)
    compared = rows.merge(levels.table.to_pandas(), left_on="stratum", right_on="of_stratum")
    assert set(compared["stratum"]) == {"frequency:both"}
    by_weekday = compared.groupby("weekday").agg(clicks=("clicked", "sum"), exposure=("level", "sum"))
    assert (by_weekday["clicks"] / by_weekday["exposure"]).tolist() == pytest.approx([0.1, 0.1])


def test_texts_are_compared_within_campaigns_that_sent_several(second_plan, cells, profile, texts):
    """The exposure of a text is the campaign's level; campaigns of one text say nothing."""
    numbers = {name: i for i, name in enumerate(second_plan.plan.evidence.creatives)}
    heard = texts[(texts["known"] == 1) & texts["delivered"] & texts["first"] & texts["variant"].notna()]
    heard = heard.assign(stratum=heard["kind"] + ":" + heard["campaign_id"])
    table = heard.pivot_table(index="stratum", columns="variant", values="clicked", aggfunc=["size", "sum"])
    level = levels_of(table[table["size"].notna().sum(axis=1) > 1])
    events, exposure = Counter(), Counter()
    for row in heard[heard["stratum"].map(level).fillna(0) > 0].itertuples():
        at = (row.group, profile[row.code], numbers[row.variant])
        events[at] += row.clicked
        exposure[at] += level[row.stratum]
    assert np.array_equal(cells.clicks_by_text.events, filled(events, cells.clicks_by_text.events))
    assert np.allclose(cells.clicks_by_text.exposure, filled(exposure, cells.clicks_by_text.exposure), atol=1e-3)


def test_credit_is_profit_after_a_click_less_profit_before_the_text(second_plan, cells, profile, texts):
    """Within the days that show it most clearly; the margin is 0.35 and there are no discounts."""
    orders = second_plan.table("orders")
    assert "discount" not in orders
    numbers, periods = second_plan.plan.evidence.creatives, [pd.Timedelta(days=days) for days in CREDIT_DAYS]
    kept = texts[(texts["clicked"] == 1) & texts["first"] & (texts["kind"] != "holdout")].reset_index(drop=True)
    pairs = kept.reset_index(names="click").merge(orders, left_on="person", right_on="customer_id")
    at, profit = pairs["ordered_at"].dt.tz_localize(None), 0.35 * pairs["amount"]
    credited = np.zeros((len(periods), len(kept)))
    for i, period in enumerate(periods):
        after = (at >= pairs["human_click_at"]) & (at < pairs["human_click_at"] + period)
        before = (at < pairs["sent_at"]) & (at >= pairs["sent_at"] - period)
        np.add.at(credited[i], pairs["click"], profit * (after.astype(float) - before.astype(float)))
    of_group = np.stack([np.bincount(kept["group"], each, cells.credit.shape[0]) for each in credited])
    clicks = np.bincount(kept["group"], minlength=cells.credit.shape[0])
    noise = of_group - clicks * of_group.sum(axis=1, keepdims=True) / clicks.sum()
    clearest = int((of_group.sum(axis=1) / np.sqrt((noise**2).sum(axis=1))).argmax())
    places = (kept["group"], kept["code"].map(profile), kept["variant"].map(numbers.index))
    expected, counted = np.zeros_like(cells.credit), np.zeros_like(cells.credit)
    np.add.at(expected, places, credited[clearest])
    np.add.at(counted, places, 1.0)
    assert np.array_equal(cells.credited_clicks, counted)
    assert np.allclose(cells.credit, expected, atol=1e-3)
    # Texts are compared within campaigns: least squares of all clicks on campaign and text.
    kept = kept.assign(credit=credited[clearest], stratum=kept["kind"] + ":" + kept["campaign_id"])
    kept = kept[kept.groupby("stratum")["variant"].transform("nunique") > 1]
    of_campaign, of_text = (pd.get_dummies(kept[name]).to_numpy(float) for name in ("stratum", "variant"))
    both = np.column_stack([of_campaign, of_text])
    solved = np.linalg.lstsq(both, kept["credit"].to_numpy(), rcond=None)[0][of_campaign.shape[1] :]
    clicks = cells.text_credit.clicks
    found = per_click(cells.text_credit.profit, clicks)[0]
    assert clicks.sum(axis=(0, 1)).tolist() == of_text.sum(axis=0).tolist()
    assert np.allclose(found - found.mean(), solved - solved.mean(), atol=1e-3)
    assert found @ of_text.sum(axis=0) == pytest.approx(kept["credit"].sum(), abs=0.01)
    assert not cells.text_credit.discounts.any()


def test_discounts_of_clicks_are_those_after_the_click_less_those_before_the_text(own_plan):
    """By campaign and text, of campaigns that sent several; from the orders of the source."""
    found = own_plan.plan.chosen.cells
    names, period = own_plan.plan.evidence.creatives, pd.Timedelta(days=found.credit_days)
    texts = own_plan.plan.shop.count(own_plan.plan.evidence.texts)
    kept = texts[(texts["clicked"] == 1) & texts["first"] & (texts["kind"] != "holdout") & texts["variant"].notna()]
    kept = kept.assign(stratum=kept["kind"] + ":" + kept["campaign_id"]).reset_index(drop=True)
    kept = kept[kept.groupby("stratum")["variant"].transform("nunique") > 1].reset_index(drop=True)
    orders = own_plan.table("orders")
    assert (orders["discount"] > 0).any()
    pairs = kept.reset_index(names="click").merge(orders, left_on="person", right_on="customer_id")
    at = pairs["ordered_at"].dt.tz_localize(None)
    after = (at >= pairs["human_click_at"]) & (at < pairs["human_click_at"] + period)
    before = (at < pairs["sent_at"]) & (at >= pairs["sent_at"] - period)
    given = pairs["discount"].where(pairs["amount"] >= 0, 0.0).fillna(0.0) * (
        after.astype(float) - before.astype(float)
    )
    by_text = given.groupby(pairs["variant"]).sum().reindex(names).fillna(0.0)
    assert np.allclose(found.text_credit.discounts.sum(axis=(0, 1)), by_text, atol=1e-3)
    assert by_text["sale_20"] > 0


def test_each_text_is_counted_once_where_it_must(texts):
    first = texts[texts["first"]]
    assert not first.duplicated(["person", "sent_at"]).any()


def test_members_clicks_and_profit_of_arms(second_plan, cells, profile, people):
    members, profit = Counter(), Counter()
    for row in people[people["kind"].isin(["frequency", "holdout"])].itertuples():
        at = (row.group, profile[row.code], cells.arms.index((row.test, row.arm)))
        members[at] += 1
        profit[at] += row.order_profit
    assert np.array_equal(cells.people, filled(members, cells.people))
    assert np.allclose(cells.people_profit, filled(profit, cells.people_profit), atol=1e-3)
    assigned = second_plan.table("assignments").groupby(["experiment_id", "arm"]).size()
    for arm, number in zip(cells.arms, cells.people.sum(axis=(0, 1)), strict=True):
        assert 0 < number <= assigned[arm], "those of the arm who consented"
