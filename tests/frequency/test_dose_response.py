"""The dose–response: a known truth recovered, identities, and where arms are used unmodelled."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv import NaturalLoss
from smsroi_helpers.frequency import dose_response
from smsroi_helpers.frequency.arms import estimate_arms
from smsroi_helpers.frequency.carried import carry_cells
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.dose_response import FEWEST_IN_ARM, fit_response
from tests.frequency.samples import DOSES, cells_of, responsive


def test_the_curve_recovers_the_truth():
    cells = cells_of(responsive(np.random.default_rng(72)))
    fit = fit_response(cells, DOSES, 0.002, np.random.default_rng(1), loss=NaturalLoss.constant(0.01))
    assert fit.method == "curve"
    assert fit.curve_weight > 0.6
    assert fit.effect_p < 1e-6
    for dose in (0.5, 1.0, 2.0, 3.0, 4.0):  # tested or not
        m = 5.0 * 0.08 * dose * np.exp(-0.2 * max(dose - 1, 0)) - 0.02 * dose
        hazard = 0.002 + 0.004 * dose
        for drawn, true in (
            (fit.profit()[:, fit.grid_index(dose)], m),
            (fit.hazard[:, fit.grid_index(dose)], hazard),
            (fit.value()[:, fit.grid_index(dose)], m / (1 - (1 - hazard) * 0.99 / 1.002)),
        ):
            assert (np.abs(drawn.mean(axis=-1) - true) < 4 * drawn.std(axis=-1)).all()
    # concave where clicks per text fall, and 0 without texts
    assert np.allclose(fit.profit()[:, 0], 0.0)
    whole = [fit.grid_index(dose) for dose in range(5)]
    assert (np.diff(fit.profit()[0, whole].mean(axis=-1), 2) <= 0.01).all()


def test_identities_of_h_c_v_and_w():
    people = responsive(np.random.default_rng(73), 4_000)
    fit = fit_response(cells_of(people), DOSES, 0.002, np.random.default_rng(1), loss=NaturalLoss.constant(0.004))
    h, c = fit.caused_opt_outs(), fit.natural_opt_outs()[:, None]
    assert np.allclose((1 - h) * (1 - c), 1 - fit.hazard, rtol=1e-9)
    # 0.004 is one of the rates, and members are equal parts: V is the mean over members of the closed form.
    members = fit.lifetime.members[:, None, None]
    natural = fit.hazard[:, :1]
    caused = 1 - (1 - fit.hazard) / (1 - natural)
    weeks = 1 / (1 - (1 - natural) * (1 - members * caused) * 0.996 / 1.002)
    assert np.allclose(fit.value(), fit.profit() * weeks.mean(axis=0), rtol=1e-9)
    # W is what a week must bring to be worth V if texts made nobody opt out.
    alone = 1 / (1 - (1 - fit.natural_opt_outs()) * 0.996 / 1.002)
    assert np.allclose(fit.net_profit() * alone[:, None], fit.value(), rtol=1e-9)
    # Cash of a very long horizon without discounting is V at δ = 0.
    i = fit.index("a")
    m, hazard = fit.profit()[i, fit.grid_index(2.0)], fit.hazard[i, fit.grid_index(2.0)]
    c = fit.hazard[i, 0]
    forever = (1 / (1 - (1 - c) * (1 - fit.lifetime.members * (1 - (1 - hazard) / (1 - c))) * 0.996)).mean(axis=0)
    assert np.allclose(fit.cash("a", m, hazard, 2_500)[-1], m * forever, rtol=1e-3)
    assert np.allclose(fit.cash("a", m, hazard, 1)[0], m)


def test_profit_that_does_not_follow_clicks_moves_the_weight_to_the_arms():
    people = responsive(np.random.default_rng(74))
    people["gross"] += np.where(people["arm"] == "one", 12.0, 0.0)  # one text works without a click
    fit = fit_response(cells_of(people), DOSES, 0.002, np.random.default_rng(1))
    assert fit.method == "curve"
    assert fit.curve_weight < 0.1
    drawn = fit.profit()[0, fit.grid_index(1.0)]
    weeks = people.loc[people["arm"] == "one", "weeks"].mean()
    true = 5.0 * 0.08 - 0.02 + 12.0 / weeks
    assert abs(drawn.mean() - true) < 4 * drawn.std()
    assert abs(drawn.mean() - (5.0 * 0.08 - 0.02)) > 10 * drawn.std()  # which the curve alone would have said


@pytest.mark.parametrize("silent", [("one",), ("none", "one", "two", "four")])
def test_an_arm_in_which_nobody_bought_is_not_known_exactly(silent):
    people = responsive(np.random.default_rng(75), 6_000, segments=("a", "b"))
    nobody = (people["segment"] == "a") & people["arm"].isin(silent)
    people.loc[nobody, ["gross", "before"]] = 0.0
    fit = fit_response(cells_of(people), DOSES, 0.002, np.random.default_rng(1), loss=NaturalLoss.constant(0.01))
    profit = fit.profit()[fit.index("a"), fit.grid_index(1.0)]
    assert np.isfinite(profit).all()
    assert profit.std() > 0
    if len(silent) == len(DOSES):  # nothing is bought with or without texts
        assert abs(profit.mean()) < 2 * profit.std()


def test_order_of_cells_and_names_of_arms_do_not_matter():
    cells = cells_of(responsive(np.random.default_rng(75), 4_000))
    renamed = cells.sample(frac=1, random_state=1).assign(arm=lambda c: c["arm"].map(lambda name: name[::-1]))
    names = {name[::-1]: dose for name, dose in reversed(DOSES.items())}
    key = ["segment", "messages_per_week"]
    one, other = (
        estimate_arms(c, d).sort_values(key, ignore_index=True) for c, d in ((cells, DOSES), (renamed, names))
    )
    pd.testing.assert_frame_equal(one, other)
    first = fit_response(cells, DOSES, 0.002, np.random.default_rng(1))
    second = fit_response(renamed, names, 0.002, np.random.default_rng(1))
    assert first.names == second.names
    assert np.allclose(first.value(), second.value())


def test_one_effective_frequency_differs_from_none():
    people = responsive(np.random.default_rng(80), 8_000)
    people = people[people["arm"].isin(["none", "two"])]
    doses = {"none": 0.0, "two": 2.0}
    fit = fit_response(cells_of(people), doses, 0.002, np.random.default_rng(1))
    assert fit.method == "arms"
    assert fit.effect_p < 0.02


def test_a_segment_with_too_few_customers_gets_no_estimate():
    people = responsive(np.random.default_rng(81), 4_000)
    few = people[(people["segment"] == "d") & (people["arm"] != "four")].index
    people = people.drop(people[(people["segment"] == "d") & (people["arm"] == "four")].index)
    assert len(few) > 100
    fit = fit_response(cells_of(people), DOSES, 0.002, np.random.default_rng(1))
    assert fit.names == (ALL, "a", "b", "c")
    assert fit.too_small == ("d",)


def test_whom_the_test_does_not_cover_may_be_of_one_kind_in_all_segments():
    """So their errors add up over segments; a segment that is covered has none."""
    gross, hazard = np.ones((3, 2, 4_000)), np.tile([[0.001], [0.01]], (3, 1, 4_000))
    profit, opt_outs = dose_response._widen(gross, hazard, (0.5, 0.8, 1.0), np.random.default_rng(1))
    for widened, before in ((profit[:, 1], gross[:, 1]), (opt_outs[:, 1], hazard[:, 1])):
        off = widened - before
        assert not off[2].any()
        assert np.corrcoef(off[:2])[0, 1] == pytest.approx(1.0)
        assert off[0].std() == pytest.approx(2.5 * off[1].std())
    assert abs(np.corrcoef(profit[0, 1], opt_outs[0, 1])[0, 1]) < 4 / np.sqrt(4_000)


def test_a_segment_that_borrows_members_adds_nothing_to_the_others():
    """Profit and opt-outs of a, b and c are those without it; pooled, it would make their errors smaller."""
    people = responsive(np.random.default_rng(82), 6_000, segments=("a", "b", "c"))
    cells = cells_of(people).assign(cell=0)
    today = pd.DataFrame({"segment": list("abc"), "cell": 0, "n": 1_000})
    spread = {}
    for name, now in (
        ("without", today), ("borrows", pd.concat([today, today.tail(1).assign(segment="d")])),
    ):  # fmt: skip
        carried = carry_cells(cells, now)
        assert [carried.transport.own(each) for each in carried.transport.names] == [
            each != "d" for each in now["segment"]
        ]
        spread[name] = fit_response(cells, DOSES, 0.002, np.random.default_rng(1), carried=carried)
    without, borrows = spread["without"], spread["borrows"]
    assert borrows.names == (*without.names, "d")
    assert borrows.gross[:4] == pytest.approx(
        without.gross, rel=0.01, abs=0.002
    )  # its share of everybody moves a scale
    assert borrows.hazard[:4, 1:].mean(axis=-1) == pytest.approx(without.hazard[:, 1:].mean(axis=-1), rel=0.03)
    assert borrows.hazard[:4, 1:].std(axis=-1) == pytest.approx(without.hazard[:, 1:].std(axis=-1), rel=0.1)
    # Its own members are everybody: its profit is known as well as theirs, and no better.
    at = borrows.grid_index(2.0)
    assert borrows.gross[4, at].std() == pytest.approx(borrows.gross[0, at].std(), rel=0.1)
    every = carried.transport.segments.assign(own=True)
    as_own = dataclasses.replace(carried, transport=dataclasses.replace(carried.transport, segments=every))
    pooled = fit_response(cells, DOSES, 0.002, np.random.default_rng(1), carried=as_own)
    assert pooled.gross[1:4, at].std() < 0.9 * borrows.gross[1:4, at].std()


def test_a_segment_with_a_small_arm_borrows_members_too():
    """Of c, one arm has 12 customers: it gets the estimate of all members, weighted; without borrowing it has none."""
    people = responsive(np.random.default_rng(83), 6_000, segments=("a", "b", "c"))
    of_arm = people.index[(people["segment"] == "c") & (people["arm"] == "four")]
    cells = cells_of(people.drop(of_arm[12:])).assign(cell=0)
    today = pd.DataFrame({"segment": list("abc"), "cell": 0, "n": 1_000})
    for fewest, names in ((0, (ALL, "a", "b")), (FEWEST_IN_ARM, (ALL, "a", "b", "c"))):
        carried = carry_cells(cells, today, fewest_in_arm=fewest)
        assert carried.transport.own("c") == (fewest == 0)
        assert carried.transport.own("a")
        fit = fit_response(cells, DOSES, 0.002, np.random.default_rng(1), carried=carried)
        assert fit.names == names
    assert fit.customers[3].sum() == cells["n"].sum()
