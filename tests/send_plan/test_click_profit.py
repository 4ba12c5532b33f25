"""What a click brings: simulated tests of which it is known, and the order of classes and texts."""

from types import SimpleNamespace

import numpy as np
import pytest

from smsroi_helpers.experiments import ClickValueSums
from smsroi_helpers.send_plan.cells import TextCredit
from smsroi_helpers.send_plan.click_profit import credit_by_class, credit_by_text, fit_click_profit, per_click
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.mixture_rates import standard_error
from smsroi_helpers.statistics import GROUPS, t_quantile

SEEN = np.eye(2)
MIXED = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
RATE = np.array([0.5, 2.0])
"""Clicks per member of each class at one text a week."""
DOSES = np.array([0.0, 1.0, 2.0, 4.0])
WORTH = np.array([4.0, 2.0])
BASE = np.array([20.0, 50.0])
"""Profit without texts."""


def draw(rng, membership, worth=WORTH, people=60, noise=8.0):
    """Cells of one test of frequencies, whose members' class is drawn by their profile."""
    shape = (GROUPS, len(membership), len(DOSES))
    n, clicks, profit = (np.zeros(shape) for _ in range(3))
    credit, credited = np.zeros((*shape[:2], 2)), np.zeros((*shape[:2], 2))
    for k in range(2):
        members = rng.poisson(people * np.broadcast_to(membership[:, k, None], shape))
        clicked = rng.poisson(members * RATE[k] * DOSES)
        n += members
        clicks += clicked
        profit += members * BASE[k] + clicked * worth[k] + rng.normal(size=shape) * noise * np.sqrt(members)
        for text, relative in enumerate((1.0, 1.5)):
            part = rng.binomial(clicked, 0.5).sum(axis=2)
            credited[..., text] += part
            credit[..., text] += part * (worth[k] * relative + 1.0) + rng.normal(size=part.shape) * 3 * np.sqrt(part)
    sums = np.zeros((6, len(DOSES), GROUPS))
    sums[:3] = [each.sum(axis=1).T for each in (n, profit, clicks)]
    grouping = Grouping("x", np.arange(len(membership)), membership, ("a", "b"))
    return SimpleNamespace(
        grouping=grouping, arms=tuple(("how-often", f"{dose:g}") for dose in DOSES), people=n, people_clicks=clicks,
        people_profit=profit, credit=credit, credited_clicks=credited,
        text_credit=one_campaign(credit.sum(axis=1), credited.sum(axis=1)),
        click_value=(ClickValueSums("how-often", DOSES, sums),),
    )  # fmt: skip


def alone(cells):
    """The same customers as one class."""
    cells.grouping = Grouping("all", np.zeros(1, int), np.ones((1, 1)), ("all",))
    return cells


def fit(cells):
    return fit_click_profit(cells, np.arange(GROUPS), RATE[:, None] * DOSES, RATE)


@pytest.mark.parametrize("membership", [SEEN, MIXED], ids=["seen", "mixed"])
def test_the_mean_value_of_a_click_is_that_of_the_tests(membership):
    """Weighted by whose clicks they are, and within four errors of the truth; errors are as large as they say."""
    found, errors, truths = [], [], []
    for seed in range(12):
        cells = draw(np.random.default_rng(seed), membership, worth=np.array([3.0, 3.0]))
        each = fit(cells)
        share = cells.people_clicks.sum(axis=(0, 2)) @ (membership * RATE / (membership @ RATE)[:, None])
        mean = each.by_class @ (share / share.sum())
        found.append(mean[0])
        errors.append(standard_error(mean))
        truths.append(3.0)
    assert abs(np.mean(found) - 3.0) < 4 * np.std(found, ddof=1) / np.sqrt(12)
    assert 0.5 < np.mean(errors) / np.std(found, ddof=1) < 2.0


def test_classes_are_told_apart_by_credit_and_tests():
    """Of classes that are drawn together by a prior, most of the difference is seen."""
    found = np.mean([fit(draw(np.random.default_rng(seed), SEEN)).by_class[0] for seed in range(6)], axis=0)
    assert found[0] > found[1] + 0.5 * (WORTH[0] - WORTH[1])
    assert found[0] < WORTH[0] * 1.25
    assert found[1] > WORTH[1] * 0.75


def test_where_clicks_bring_nothing_the_value_is_around_nothing():
    means = []
    for seed in range(20):
        each = fit(draw(np.random.default_rng(100 + seed), SEEN, worth=np.zeros(2)))
        means.append(each.by_class[0].mean() / standard_error(each.by_class.mean(axis=1)))
    assert abs(np.mean(means)) < 4 / np.sqrt(20)
    assert min(means) < 0 < max(means), "it can be below 0"


def test_there_is_one_replicate_for_each_group_and_one_for_all():
    found = fit(draw(np.random.default_rng(1), SEEN))
    assert found.by_class.shape == (1 + GROUPS, 2)
    assert found.by_text.shape == (1 + GROUPS, 2)
    assert (found.by_text > 0).all()


def test_a_replicate_is_the_fit_without_its_group():
    """Of the mean over clicks, when classes are worth the same."""
    cells = alone(draw(np.random.default_rng(2), np.array([[1.0, 0.0]])))
    arguments = (RATE[:1, None] * DOSES, RATE[:1])
    whole = fit_click_profit(cells, np.arange(GROUPS), *arguments)
    for group in (0, 40):
        without = fit_click_profit(cells, np.delete(np.arange(GROUPS), group), *arguments)
        assert whole.by_class[1 + group, 0] == pytest.approx(without.by_class[0, 0], rel=1e-6)


# --- credit ---


def one_campaign(credit, clicks, discounts=None):
    """Credits of two texts in one campaign: (groups, texts)."""
    discounts = np.zeros_like(credit) if discounts is None else discounts
    return TextCredit(*(each[:, None, :] for each in (credit, discounts, clicks)))


def by_text(*given):
    return credit_by_text(one_campaign(*given), np.arange(GROUPS))[0]


def test_credit_of_classes_and_texts_is_relative_to_the_mean():
    """Without noise to speak of: a class whose clicks are credited twice as much."""
    clicks = np.full((GROUPS, 2), 500.0)
    credit = clicks * [1.0, 2.0]
    assert np.allclose(credit_by_class(credit, clicks, SEEN, np.ones(2)), [2 / 3, 4 / 3], atol=0.01)
    assert np.allclose(by_text(credit, clicks), [2 / 3, 4 / 3], atol=0.01)


def test_few_credits_tell_nothing():
    rng = np.random.default_rng(1)
    clicks = np.full((GROUPS, 2), 1.0)
    credit = 10 + rng.normal(size=clicks.shape) * 500
    credit += 10 - credit.mean()
    assert np.allclose(by_text(credit, clicks), 1, atol=0.1)
    assert np.allclose(credit_by_class(credit, clicks, SEEN, np.ones(2)), 1, atol=0.1)


def test_a_discount_is_taken_as_counted_where_earnings_are_lost_in_noise():
    """Both texts earn 10 a click; the second gives 4 of it away."""
    rng = np.random.default_rng(2)
    clicks = np.full((GROUPS, 2), 1.0)
    noise = rng.normal(size=clicks.shape) * 500
    earned = 10 + noise - noise.mean()
    discounts = clicks * [0.0, 4.0]
    assert np.allclose(by_text(earned - discounts, clicks, discounts), [10 / 8, 6 / 8], atol=0.1)
    assert np.allclose(by_text(earned - discounts, clicks), 1, atol=0.1)


def test_a_text_of_a_campaign_that_sells_is_not_taken_for_one_that_sells():
    """Clicks of the second campaign are credited five times as much, and it sent the second text more often."""
    clicks = np.broadcast_to([[300.0, 100.0], [100.0, 300.0]], (GROUPS, 2, 2))
    credit = clicks * np.array([[1.0], [5.0]])
    found = credit_by_text(TextCredit(credit, np.zeros_like(credit), clicks), np.arange(GROUPS))
    assert np.allclose(found, 1)
    taken_together = by_text(credit.sum(axis=1), clicks.sum(axis=1))
    assert taken_together[1] > 1.9 * taken_together[0]


def test_errors_of_texts_know_that_campaigns_differ():
    """Replicates estimate the campaigns' levels anew: intervals of the difference of two texts cover it."""
    rng = np.random.default_rng(3)
    clicks = np.zeros((GROUPS, 3, 3))
    for campaign, texts in enumerate(([0, 1], [1, 2], [0, 2])):
        clicks[:, campaign, texts] = 20.0
    truth, levels = np.array([1.0, 1.2, 1.5]), np.array([[1.0], [4.0], [2.0]])
    inside = []
    for _company in range(400):
        amount = clicks * (truth + levels) + rng.normal(0, 6, clicks.shape) * np.sqrt(clicks)
        found = per_click(amount, clicks)
        difference = found[:, 1] - found[:, 0]
        half = t_quantile(0.95, GROUPS - 1) * standard_error(difference)
        inside.append(abs(difference[0] - 0.2) <= half)
    assert abs(np.mean(inside) - 0.95) <= 0.01 + 2.5 * np.sqrt(0.0475 / len(inside))


@pytest.mark.parametrize("sign", [0.0, -1.0])
def test_where_credit_is_not_above_nothing_all_are_alike(sign):
    clicks = np.full((GROUPS, 2), 5.0)
    assert (by_text(sign * clicks, clicks) == 1).all()
    assert (credit_by_class(sign * clicks, clicks, SEEN, np.ones(2)) == 1).all()


def test_a_text_without_clicks_is_as_the_mean():
    clicks = np.column_stack([np.full(GROUPS, 50.0), np.zeros(GROUPS)])
    assert by_text(2 * clicks, clicks)[1] == 1


def test_without_campaigns_of_several_texts_all_are_alike():
    nothing = np.zeros((GROUPS, 0, 2))
    assert (credit_by_text(TextCredit(nothing, nothing, nothing), np.arange(GROUPS)) == 1).all()


def test_intervals_of_the_mean_cover_by_the_rule_of_calibration():
    """By simulated company, with little noise beside that of clicks: |coverage − 0.95| ≤ 0.01 + 2.5 √(0.0475 / n)."""
    companies, quantile = 300, float(t_quantile(0.95, GROUPS - 1))
    covered = []
    for seed in range(companies):
        cells = alone(draw(np.random.default_rng(seed), np.array([[1.0, 0.0]]), noise=2.0))
        found = fit_click_profit(cells, np.arange(GROUPS), RATE[:1, None] * DOSES, RATE[:1]).by_class[:, 0]
        covered.append(abs(found[0] - WORTH[0]) <= quantile * standard_error(found))
    assert abs(np.mean(covered) - 0.95) <= 0.01 + 2.5 * np.sqrt(0.0475 / companies)
