"""What the answer says of the plan's weekdays is true of what they rest on."""

from dataclasses import replace

import pytest

from smsroi_helpers.send_plan.wording import decide
from smsroi_helpers.source import Shop


def with_weekdays(plan, *, differ):
    """The plan, in whose response weekdays differ, or none does."""
    weekday = plan.chosen.response.weekday.copy()
    weekday[0] = 1.0
    if differ:
        weekday[0, :, 5] = 1.5
    return replace(plan, chosen=replace(plan.chosen, response=replace(plan.chosen.response, weekday=weekday)))


def test_better_weekdays_are_observational_and_so_are_the_amounts(second_plan, monkeypatch):
    plan = with_weekdays(second_plan.plan, differ=True)
    (said,) = decide(plan)
    assert "That is observational: the tests did not draw weekdays by chance. The amounts rest on it too." in said.text
    assert "The exploring share draws them by chance." in said.text
    # An earlier plan may have drawn weekdays, of those it explored with.
    known = Shop.has
    monkeypatch.setattr(Shop, "has", lambda shop, table, *names: table == "plans" or known(shop, table, *names))
    assert "weekdays were drawn by chance only for texts with which earlier plans explored" in decide(plan)[0].text


def test_without_a_better_weekday_nothing_rests_on_weekdays(second_plan):
    (said,) = decide(with_weekdays(second_plan.plan, differ=False))
    assert "none is shown to be better" in said.text
    assert "observational" not in said.text


@pytest.mark.parametrize("explored", [0, 26])
def test_only_a_share_that_is_explored_with_draws_weekdays(second_plan, explored):
    plan = with_weekdays(second_plan.plan, differ=True)
    roles = replace(plan.roles, explore=explored)
    (said,) = decide(replace(plan, roles=roles))
    assert ("The exploring share draws them" in said.text) == (explored > 0)
