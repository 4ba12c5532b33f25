"""Experiments that assign weekdays: found by what their arms were sent, since a source does not plan weekdays.

An experiment on timing assigns weekdays if each arm's texts went out on one weekday, and the arms' weekdays differ. All
texts to an arm count on the arm's weekday (intention to treat). Hours must not differ with the weekday.
"""

import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.experiments import Experiment, find_valid_tests
from smsroi_helpers.segmentation import find_covariates, known_cuts
from smsroi_helpers.source import Shop
from smsroi_helpers.timing.counts import Sends, count_test_members, label_test, with_covariates
from smsroi_helpers.timing.response import FEWEST_EVENTS, HourResponse, carry_response, fit_cells

__all__ = ["arms_by_weekday", "estimate_from_weekday_test"]

_OF_ITS_WEEKDAY = 0.9
"""The least share (0–1) of an arm's texts that went out on its weekday."""


def arms_by_weekday(messages: pd.DataFrame, plan: pd.DataFrame) -> dict[str, int] | None:
    """The weekday of each arm; None unless arms differ in their weekday and in nothing else that is planned.

    Args:
        messages: arm, weekday, messages (sent to its customers).
        plan: by arm (index): hour_start, hour_end, where stated.

    >>> sent = pd.DataFrame({"arm": ["a", "a", "b"], "weekday": [1, 2, 4], "messages": [95, 5, 100]})
    >>> arms_by_weekday(sent, pd.DataFrame(index=["a", "b"])), arms_by_weekday(sent.head(2), pd.DataFrame(index=["a"]))
    ({'a': 1, 'b': 4}, None)
    """
    wide = messages.pivot_table(index="arm", columns="weekday", values="messages", aggfunc="sum", fill_value=0)
    if not len(wide) or (wide.max(axis=1) < _OF_ITS_WEEKDAY * wide.sum(axis=1)).any():
        return None
    days = {str(arm): int(day) for arm, day in wide.idxmax(axis=1).items()}
    if len(set(days.values())) < 2:
        return None
    if {"hour_start", "hour_end"} <= set(plan.columns):
        hours = plan.loc[list(days), ["hour_start", "hour_end"]].fillna(-1).apply(tuple, axis=1)
        by_day = {day: {hours[arm] for arm in days if days[arm] == day} for day in days.values()}
        if len({frozenset(of_day) for of_day in by_day.values()}) > 1:
            return None
    return days


def estimate_from_weekday_test(shop: Shop, sends: Sends, segment_by: str, channel: str = "") -> HourResponse | None:
    """The response by weekday from the largest valid experiment that assigns weekdays; None without one.

    Its members are weighted to be like today's subscribers of each segment, as those of a test of hours are.

    Args:
        shop: the company.
        sends: of `counts.collect_sends`.
        segment_by: which grouping, as of the assignment.
        channel: of the texts whose clicks are a covariate; empty as for `measures.choose_channel`.
    """
    tests = [test for test in find_valid_tests(shop) if test.kind == "timing"]
    for test in sorted(tests, key=lambda each: -each.customers.sum()):
        found = _estimate(shop, sends, test, segment_by, channel)
        if found is not None:
            return found
    return None


def _estimate(shop: Shop, sends: Sends, test: Experiment, segment_by: str, channel: str) -> HourResponse | None:
    people = measures.arm_outcomes(shop, test.name, window="treatment")
    people = people.filter(people.outcome_days > 0).select("arm", "assigned_at", "outcome_end", who="customer_id")
    rows = sends.rows.join(people, sends.rows.customer_id == people.who)
    rows = rows.filter(rows.sent_at >= rows.assigned_at, rows.sent_at < rows.outcome_end)
    sent = shop.count(rows.group_by("arm", "weekday").aggregate(messages=rows.count()).order_by("arm", "weekday"))
    days = arms_by_weekday(sent, test.plan)
    if days is None:
        return None
    labels = label_test(shop, test, segment_by)
    rows = rows.join(labels, rows.customer_id == labels.member)
    covariates = find_covariates(shop, known_cuts(shop), test.started, channel)
    rows = with_covariates(shop, rows, "customer_id", test, covariates)
    keys = ["segment", "cell", "arm", "hour", "group"]
    cells = rows.group_by(keys).aggregate(messages=rows.count(where=rows.known), clicks=rows.happened.sum())
    cells = shop.count(cells.order_by(keys))
    cells = cells.assign(weekday=cells["arm"].map(days), until=cells["hour"] + 1, stratum=0)
    by_covariates = cells[cells["messages"] > 0].drop(columns="arm").reset_index(drop=True)
    keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
    cells = by_covariates.groupby(keys, as_index=False)[["messages", "clicks"]].sum()
    if cells["clicks"].sum() < FEWEST_EVENTS:
        return None
    assigned = labels.group_by("segment").aggregate(customers=labels.count())
    by_segment, everybody = fit_cells(cells)
    windows = cells[["hour", "until"]].drop_duplicates().sort_values("hour", ignore_index=True)
    customers = shop.count(assigned.order_by("segment"))
    response = HourResponse("randomised", cells, by_segment, everybody, windows, customers)
    members = count_test_members(shop, test, segment_by, covariates)
    return carry_response(shop, response, by_covariates, members, segment_by, covariates)
