"""Another text in place of the plan's: what it would be worth, and what a wrong choice costs at most."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from smsroi_helpers.send_plan.policy import NOTHING, Policy, value_policy
from smsroi_helpers.send_plan.text_choice import compare_texts, open_options
from smsroi_helpers.send_plan.valuation import revalue
from smsroi_helpers.send_plan.wording import decide, text_words


@pytest.fixture(params=["own_plan", "second_plan"])
def plan(request):
    return request.getfixturevalue(request.param).plan


def test_each_text_is_valued_as_the_plan_that_sends_it(plan):
    """By hand: the halves' policies with that text, each valued by the other half, less the plan's own value."""
    found, chosen, texts = plan.text_choice, plan.chosen, plan.evidence.creatives
    assert {each.text for each in found.others} | set(found.chosen) == set(texts)
    grouping, customers = chosen.cells.grouping, chosen.today.customers
    for each in found.others:
        number = texts.index(each.text)
        values = []
        for response, policy in zip(chosen.halves, reversed(chosen.learned), strict=True):
            other = Policy({cell: replace(action, text=number) for cell, action in policy.actions.items()})
            values.append(value_policy(response, grouping, chosen.economics, other, customers)[0][0])
        own = chosen.replicates(chosen.long_run)[0]
        assert each.gain.value == pytest.approx(np.mean(values, axis=0) @ chosen.economics.usual_loss - own)
        assert each.gain.low < each.gain.value < each.gain.high


def test_limits_are_wider_than_of_one_text_alone_and_the_worst_case_is_the_highest(plan):
    found, chosen = plan.text_choice, plan.chosen
    highest = [each.gain.high for each in found.others]
    assert highest == sorted(highest, reverse=True)
    assert found.most_lost == max(0.0, highest[0])
    number = plan.evidence.creatives.index(found.others[0].text)
    whole, *halves = (
        Policy({cell: replace(action, text=number) for cell, action in policy.actions.items()})
        for policy in (chosen.policy, *chosen.learned)
    )
    other = revalue(chosen, chosen.economics, halves, whole)
    alone = chosen.estimate(other.long_run - chosen.long_run)
    assert found.others[0].gain.value == pytest.approx(alone.value)
    wider = t.ppf(1 - 0.025 / len(found.others), 63) / t.ppf(0.975, 63)
    assert highest[0] - alone.value == pytest.approx(wider * (alone.high - alone.value))


def test_the_text_learned_from_all_customers_costs_nothing_against_itself(plan):
    """The plan whose halves send one text is as good as that text for everybody, and no better."""
    chosen = plan.chosen
    number = next(action.text for action in chosen.policy.actions.values() if action != NOTHING)
    one = [Policy({cell: replace(act, text=number) for cell, act in each.actions.items()}) for each in chosen.learned]
    whole = Policy({cell: replace(act, text=number) for cell, act in chosen.policy.actions.items()})
    found = compare_texts(
        replace(chosen, learned=tuple(one), policy=whole), plan.design.doses.tolist(), plan.evidence.creatives
    )
    assert found.chosen == (plan.evidence.creatives[number],)
    assert plan.evidence.creatives[number] not in {each.text for each in found.others}


def test_a_plan_without_texts_has_no_choice(plan):
    none = Policy(dict.fromkeys(plan.chosen.policy.actions, NOTHING))
    chosen = replace(plan.chosen, policy=none)
    assert compare_texts(chosen, plan.design.doses.tolist(), plan.evidence.creatives) is None
    assert compare_texts(plan.chosen, plan.design.doses.tolist(), plan.evidence.creatives[:1]) is None


def test_the_answer_says_that_the_text_is_not_settled_where_another_may_be_as_good(plan):
    (said,) = decide(plan)
    note = text_words(plan, "USD")
    unsettled = bool(plan.text_choice.as_good)
    assert ("Which text is best is not settled" in said.text) == unsettled
    assert ("So a wrong choice costs at most" in note) == unsettled
    assert ("No other text may be as good" in note) != unsettled


# --- what is worth exploring -----------------------------------------------------------------------------------------


def test_texts_are_explored_that_the_plan_sends_or_that_may_be_as_good(plan):
    """`compare_texts` says which; the messages of the exploring share have no other."""
    found = plan.text_choice
    assert set(plan.exploration.variants) == {*found.chosen, *(each.text for each in found.as_good)}
    rows = plan.messages.filter(plan.messages.role == "explore", plan.messages.send_at.notnull())
    sent = plan.shop.count(rows.select("variant").distinct().order_by("variant"))["variant"]
    assert set(sent) <= set(plan.exploration.variants)


@pytest.mark.parametrize("lever", ["text", "window"])
def test_an_option_that_is_shown_to_be_worth_less_is_not_explored(second_plan, lever):
    """The option's clicks become a hundredth for everybody, in the estimate and without each group of customers."""
    chosen, doses = second_plan.plan.chosen, second_plan.plan.design.doses.tolist()
    own = {getattr(action, lever) for action in chosen.policy.actions.values() if doses[action.dose] > 0}
    options = range(getattr(chosen.response, lever).shape[2])
    number = next(each for each in options if each not in own)
    assert len(open_options(chosen, doses, lever, options)) > len(own)

    def spoilt(response):
        clicks = getattr(response, lever).copy()
        clicks[:, :, number] *= 0.01
        return replace(response, **{lever: clicks})

    worse = replace(chosen, response=spoilt(chosen.response), halves=tuple(map(spoilt, chosen.halves)))
    assert number not in open_options(worse, doses, lever, options)
    assert own <= set(open_options(worse, doses, lever, options))


def test_where_the_plan_sends_nothing_everything_is_open(plan):
    silent = Policy(dict.fromkeys(plan.chosen.policy.actions, NOTHING))
    found = open_options(replace(plan.chosen, policy=silent), plan.design.doses.tolist(), "text", range(3))
    assert found == (0, 1, 2)
