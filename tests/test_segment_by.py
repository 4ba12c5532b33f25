"""`segment_by` is accepted by every stage, which counts the same customers in each group, as of the day that it states.

A column of `customers` and recency are grouped in plain Python; groups that cuts or clusters make are those of
`segmentation.resolve`, whose own tests are in tests/segmentation. `quality` groups nobody.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
import pytest

from smsroi_helpers import ab_test, measures
from smsroi_helpers.ab_test.left_alone import count_listed
from smsroi_helpers.cltv.implications import count_segments
from smsroi_helpers.cltv.natural_loss import count_subscribers
from smsroi_helpers.content import counts as content_counts
from smsroi_helpers.content.tests_of_texts import evaluate_tests
from smsroi_helpers.content.texts import read_texts
from smsroi_helpers.effectiveness.activity import count_activity
from smsroi_helpers.effectiveness.counts import collect_sends as effectiveness_sends
from smsroi_helpers.effectiveness.counts import count_sends
from smsroi_helpers.experiments.registry import list_experiments
from smsroi_helpers.frequency import counts as frequency_counts
from smsroi_helpers.frequency.recent_counts import count_recent
from smsroi_helpers.retention.survival import analyse_survival
from smsroi_helpers.retention.texting import find_holdouts
from smsroi_helpers.retention.win_back import measure_win_back
from smsroi_helpers.segmentation import covariates, membership, resolution
from smsroi_helpers.segmentation.clusters import fit_clusters, take_sample
from smsroi_helpers.segmentation.criteria import reachable
from smsroi_helpers.segmentation.cutoffs import find_cuts
from smsroi_helpers.segmentation.migration import count_moves
from smsroi_helpers.segmentation.predictive_value import collect_outcomes, outcomes_by_segment
from smsroi_helpers.send_plan.past_counts import count_outcomes, find_plans
from smsroi_helpers.timing import counts as timing_counts
from tests import fact_sources as facts
from tests.fact_sources import FROM, LAST, PLANNED, Rows
from tests.test_facts import frequency_test

VALUES = ("rfm_group", "cluster", "lifecycle_stage", "recency", "attr_level", "region")
BEFORE_TEST = FROM.date() - dt.timedelta(days=1)

Found = Iterator[tuple[str, dict[str, int], Counter[str]]]
"""What was counted, and how many customers (or texts) of each group: by the stage, and expected."""


@dataclass(frozen=True)
class Company:
    """A company of `fact_sources` in which three clusters are accepted."""

    rows: Rows
    shop: object
    cuts: object
    grouping: membership.Grouping

    def labels(self, segment_by: str, day: dt.date) -> dict[str, str]:
        """Customer → group on a day, of everybody."""
        people = facts.everybody(self.rows) | {row["customer_id"] for row in self.rows["messages"]}
        if segment_by == "recency":
            return facts.recency_by_hand(self.rows, people, day)
        if segment_by in self.rows["customers"][0]:
            own = {row["customer_id"]: row[segment_by] for row in self.rows["customers"]}
            return {customer: own.get(customer, "unknown") for customer in people}
        known = self.shop.assignments.select("customer_id").distinct()
        found = resolution.resolve(self.shop, segment_by).label(known, day).execute()
        return dict(zip(found["customer_id"], found["segment"], strict=True))

    def groups(self, segment_by: str, people: Iterable[str], day: dt.date) -> Counter[str]:
        """How many of these, each as often as named, are in each group on a day."""
        labels = self.labels(segment_by, day)
        return Counter(labels[customer] for customer in people)


@pytest.fixture(scope="module")
def company(made_once) -> Company:
    rows, shop = facts.open_world(0, made_once)
    cuts = find_cuts(shop)
    pause = cuts.dormant_after_days // 2
    sample = take_sample(shop, pause, attributes=membership.attribute_columns(shop))
    fitted = fit_clusters(sample, 3, seed=1)
    membership._CLUSTERS.setdefault(shop, {})[pause] = (None, fitted, sample)
    return Company(rows, shop, cuts, membership.Grouping(cuts, None, fitted, sample))


def summed(table: pd.DataFrame, n: str, group: str = "segment") -> dict[str, int]:
    """The sums of a column by group, without groups of nobody."""
    sums = table[table[group] != "all"].groupby(group)[n].sum()
    return {str(name): int(value) for name, value in sums.items() if value}


def of_segmentation(company: Company, by: str) -> Found:
    rows, shop = company.rows, company.shop
    everybody = facts.everybody(rows)
    if by in ("rfm_group", "cluster", "lifecycle_stage"):
        table = membership.customer_segments(shop, company.grouping).execute()
        yield "customer_segments", table[by].value_counts().to_dict(), company.groups(by, everybody, LAST)
    if by not in rows["customers"][0]:
        moves = count_moves(shop, company.grouping, by, 60)
        yield "moves", summed(moves, "customers", "now"), company.groups(by, everybody, LAST)
    if by != "cluster":  # clusters of outcomes are fitted anew to what was known at the split
        split = LAST - dt.timedelta(days=60)
        outcomes = outcomes_by_segment(shop, collect_outcomes(shop, company.grouping, 60, by), by)
        buyers = facts.purchase_days_by_hand(rows, split)
        yield "outcomes", summed(outcomes, "customers"), company.groups(by, buyers, split)
    detail = reachable(shop, resolution.resolve(shop, by).at(), by, 400).detail
    texted = {row["customer_id"] for row in rows["messages"]}
    subscribers = facts.subscribers_by_hand(rows, rows.end)
    yield "reachable", summed(detail, "reachable"), company.groups(by, subscribers & texted, LAST)


def of_cltv(company: Company, by: str) -> Found:
    rows, shop = company.rows, company.shop
    buyers = set(facts.purchase_days_by_hand(rows))
    yield "value", summed(count_segments(shop, by), "customers", "group"), company.groups(by, buyers, LAST)
    loss = count_subscribers(shop, {"segment": by}, company.cuts)
    kept = buyers & facts.subscribers_by_hand(rows, rows.end)
    yield "natural loss", summed(loss, "customers"), company.groups(by, kept, LAST)


def of_timing(company: Company, by: str) -> Found:
    rows, shop = company.rows, company.shop
    tested = facts.members(rows, "f")
    test = timing_counts.TimingTest(frequency_test(shop), pd.DataFrame(), 1.0, True)
    assigned = company.groups(by, tested, BEFORE_TEST)
    yield "members", summed(timing_counts.count_test_people(shop, test, by), "customers"), assigned
    cells = covariates.find_covariates(shop, company.cuts, rows.day(FROM))
    yield "members by cell", summed(timing_counts.count_test_members(shop, test.experiment, by, cells), "n"), assigned
    practice = measures.find_practice(shop)
    texted = [row["customer_id"] for row in facts.sent_within(rows, shop.start_of(practice.first_day), rows.end)]
    volume = timing_counts.count_volume(shop, practice, by)
    yield "texted today", summed(volume, "customers"), company.groups(by, set(texted), LAST)
    today = timing_counts.count_practice(shop, practice, by)
    yield "texts today", summed(today, "messages"), company.groups(by, texted, LAST)
    first = LAST - dt.timedelta(days=7 * 8 - 1)
    log, _cells = timing_counts.count_log(shop, timing_counts.collect_sends(shop, 72), by, 8)
    listed = {row["customer_id"] for row in rows["customers"]}
    before = known_by(rows, first - dt.timedelta(days=1)) | listed
    sent = [row["customer_id"] for row in facts.judged(rows) if row["sent_at"] >= shop.start_of(first)]
    sent = [customer for customer in sent if customer in before]
    yield "log", summed(log, "all_messages"), company.groups(by, sent, first - dt.timedelta(days=1))


def known_by(rows: Rows, day: dt.date) -> set[str]:
    """Customers with an order or a refund by a day."""
    return {row["customer_id"] for row in rows["orders"] if rows.day(row["ordered_at"]) <= day}


def of_frequency(company: Company, by: str) -> Found:
    rows, shop, cuts = company.rows, company.shop, company.cuts
    arms = frequency_counts.count_arms(shop, frequency_test(shop), by, "sms", cuts)
    yield "members", summed(arms, "n"), company.groups(by, facts.members(rows, "f"), BEFORE_TEST)
    practice = measures.find_practice(shop)
    audience = frequency_counts.count_audience(shop, practice, by, cuts)
    subscribers = facts.subscribers_by_hand(rows, rows.end)
    yield "audience", summed(audience, "customers"), company.groups(by, subscribers, LAST)
    start = shop.start_of(practice.first_day)
    texted = [row["customer_id"] for row in facts.sent_within(rows, start, rows.end)]
    today = frequency_counts.count_today(shop, practice, by, cuts)
    yield "today", summed(today, "messages"), company.groups(by, texted, LAST)
    schedules = frequency_counts.count_schedules(shop, practice, by, cuts, [2.0])
    weeks = [facts.subscribers_by_hand(rows, shop.start_of(day)) for day in practice.first_days]
    ends = [*weeks[1:], subscribers]
    whole = set().union(*(week & end for week, end in zip(weeks, ends, strict=True)))
    yield "schedules", summed(schedules, "customers"), company.groups(by, whole, LAST)
    before = practice.first_day - dt.timedelta(days=1)
    cells = covariates.find_covariates(shop, cuts, rows.day(FROM))
    recent = count_recent(shop, practice, by, cuts, cells)
    yield "recent", summed(recent, "n"), company.groups(by, weeks[0], before)
    log = frequency_counts.LogWeeks(LAST + dt.timedelta(days=1), None, (LAST - dt.timedelta(weeks=8),))
    landmark, _share = frequency_counts.count_log_weeks(shop, log, by, "sms", cuts)
    people = facts.subscribers_by_hand(rows, shop.start_of(log.landmarks[0]))
    day = log.landmarks[0] - dt.timedelta(days=1)
    yield "landmark", landmark["segment"].value_counts().to_dict(), company.groups(by, people, day)


def of_ab_test(company: Company, by: str) -> Found:
    rows, shop = company.rows, company.shop
    yield from arms(company, by, ab_test.analyse(shop, segment_by=by), "f", BEFORE_TEST)
    subscribers = facts.subscribers_by_hand(rows, rows.end)
    yield "listed", count_listed(shop, by), company.groups(by, subscribers, LAST)


def arms(company: Company, by: str, evaluated: list[ab_test.Evaluated], name: str, day: dt.date) -> Found:
    """Customers of an experiment's arms, by the rows of their effects."""
    (one,) = (each for each in evaluated if each.experiment.name == name)
    found: Counter[str] = Counter()
    for effect in one.effects:
        if effect.metric == "order_rate" and effect.segment != "all":
            found[effect.segment] += int(effect.customers)
    yield f"arms of {name}", found, company.groups(by, facts.members(company.rows, name), day)


def of_content(company: Company, by: str) -> Found:
    rows, shop = company.rows, company.shop
    texts = read_texts(shop)
    first = LAST - dt.timedelta(days=7 * 8 - 1)
    sends = content_counts.collect_sends(shop, texts, segment_by=by, log_weeks=8)
    cells = content_counts.count_cells(shop, sends)
    before = first - dt.timedelta(days=1)
    listed = {row["customer_id"] for row in rows["customers"]} | known_by(rows, before)
    sent = [row["customer_id"] for row in facts.judged(rows) if row["sent_at"] >= shop.start_of(first)]
    expected = company.groups(by, [customer for customer in sent if customer in listed], before)
    yield "log", summed(cells, "sent"), expected
    practice = measures.find_practice(shop)
    texted = [row["customer_id"] for row in facts.sent_within(rows, shop.start_of(practice.first_day), rows.end)]
    today, people = content_counts.count_today(shop, texts, practice, by)
    yield "texts today", summed(today, "messages"), company.groups(by, texted, LAST)
    yield "texted today", summed(people, "customers"), company.groups(by, set(texted), LAST)
    tests = evaluate_tests(shop, segment_by=by)
    yield from arms(company, by, tests, "x", facts.ASSIGNED.date() - dt.timedelta(days=1))


def of_retention(company: Company, by: str) -> Found:
    rows, shop, gone_after = company.rows, company.shop, 60
    curves = {
        one.kind: one
        for one in analyse_survival(shop, gone_after_days=gone_after, segment_by=by, channel="sms")
        if one.by == "segment"
    }
    start = curves["consent"].start
    given = {row["customer_id"]: row["opted_in_at"] for row in rows["customers"] if row["opted_in_at"] is not None}
    left = {
        who for who, at in facts.opt_outs_by_hand(rows) if who in given and given[who] <= at and rows.day(at) <= start
    }
    people = {customer for customer, at in given.items() if rows.day(at) <= start} - left
    yield "consent", sizes(curves["consent"]), large(company.groups(by, people, start))
    start = curves["custom"].start
    there = {
        customer
        for customer, days in facts.purchase_days_by_hand(rows, start).items()
        if all((later - day).days <= gone_after for day, later in pairwise(days))
        and (start - days[-1]).days < gone_after
    }
    yield "custom", sizes(curves["custom"]), large(company.groups(by, there, start))
    if by == "rfm_group":  # customers who were inactive when assigned, whatever `segment_by` is
        won = measure_win_back(shop, find_holdouts(shop), company.cuts)
        found = {one.segment: sum(one.customers) for one in won if one.experiment == "f"}
        groups = company.groups(by, facts.members(rows, "f"), BEFORE_TEST)
        yield "win-back", {"inactive": found["inactive"]}, Counter(inactive=groups["dormant"] + groups["lost"])


def sizes(survival) -> dict[str, int]:
    return {curve.group: curve.customers for curve in survival.curves}


def large(groups: Counter[str]) -> Counter[str]:
    """Groups that have a curve."""
    return Counter({name: n for name, n in groups.items() if n >= 10})


def of_effectiveness(company: Company, by: str) -> Found:
    rows, shop = company.rows, company.shop
    sent, active = Counter(), Counter()
    clicked = facts.human_clicks_by_hand(rows["messages"])
    there = {(rows.month(row["ordered_at"]), row["customer_id"]) for row in facts.purchases_by_hand(rows)}
    there |= {
        (rows.month(row["clicked_at"]), row["customer_id"]) for row in rows["messages"] if row["message_id"] in clicked
    }
    for month in range(1, 7):
        before = dt.date(2025, month, 1) - dt.timedelta(days=1)
        own = [row["customer_id"] for row in facts.judged(rows) if rows.month(row["sent_at"]) == month]
        sent += company.groups(by, own, before)
        active += company.groups(by, [customer for at, customer in there if at == month], before)
    counted = count_sends(shop, effectiveness_sends(shop, segment_by=by)).query("dimension == 'segment'")
    yield "texts", summed(counted, "messages", "value"), sent
    activity = count_activity(shop, segment_by=by).query("dimension == 'segment'")
    yield "active", summed(activity, "active", "value"), active


def of_send_plan(company: Company, by: str) -> Found:
    (plan,) = find_plans(company.shop)
    planned = {row["customer_id"] for row in company.rows["plans"]}
    found = count_outcomes(company.shop, plan, by)
    expected = company.groups(by, planned, PLANNED.date() - dt.timedelta(days=1))
    yield "earlier plan", summed(found, "n", "grouping"), expected


STAGES = {
    "segmentation": of_segmentation, "cltv": of_cltv, "timing": of_timing, "frequency": of_frequency,
    "ab_test": of_ab_test, "content": of_content, "retention": of_retention, "effectiveness": of_effectiveness,
    "send_plan": of_send_plan,
}  # fmt: skip


@pytest.mark.parametrize("segment_by", VALUES)
@pytest.mark.parametrize("stage", STAGES)
def test_the_same_customers_are_in_the_same_group(company, stage, segment_by):
    compared = list(STAGES[stage](company, segment_by))
    for what, found, expected in compared:
        assert found == expected, what
    assert max(len(expected) for _what, _found, expected in compared) > 1


def test_groups_differ_by_value_and_by_day(company):
    """So that none of these tests would pass with other groups, or with those of another day."""
    everybody = facts.everybody(company.rows)
    days = (BEFORE_TEST, PLANNED.date(), LAST)
    groups = {(by, day): frozenset(company.groups(by, everybody, day).items()) for by in VALUES for day in days}
    assert len(set(groups.values())) == 4 * len(days) + 2
    assert {test.name for test in list_experiments(company.shop)} == {"f", "x"}
