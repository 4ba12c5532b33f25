"""Natural loss: survival of known customers by hand, weights of models, the share that ends with drop-out, refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import beta as beta_law
from scipy.stats import gamma as gamma_law

from smsroi_helpers.cltv import LOSS_RATES, NaturalLoss
from smsroi_helpers.cltv.fitting import Fit
from smsroi_helpers.cltv.loss_rates import mix_rates
from smsroi_helpers.cltv.natural_loss import (
    _draw_curves,
    _members_of,
    _mix_groups,
    draw_share_ended,
    estimate_loss,
    model_weight,
)
from smsroi_helpers.cltv.predictions import probability_alive

NO_CLICKS = pd.DataFrame(columns=["arm", "frequency", "recency_weeks", "T_weeks", "texts", "clicks"])
EXACT = np.zeros((4, 4))
MBG = Fit("mbg_nbd", {"r": 0.9, "alpha": 6.0, "a": 0.8, "b": 4.0}, EXACT, -1.0, 1_000, "converged")
PARETO = Fit("pareto_nbd", {"r": 0.9, "alpha": 6.0, "s": 0.6, "beta": 20.0}, EXACT, -1.0, 1_000, "converged")
ONE = pd.DataFrame({"frequency": [3.0], "recency_weeks": [20.0], "T_weeks": [30.0], "customers": [500.0]})
CENTRE = np.zeros((2, 4))


def survival_after(fit: Fit, weeks: float) -> float:
    """S of `ONE` by integration over the distribution of the drop-out rate of a customer who is alive."""
    r, alpha, third, fourth = fit.values
    if fit.model == "pareto_nbd":
        law = gamma_law(third, scale=1 / (fourth + 30.0))
        return float(quad(lambda rate: np.exp(-rate * weeks) * law.pdf(rate), 0, np.inf)[0])
    law = beta_law(third, fourth + 3 + 1)

    def at(p: float) -> float:
        # The mean of exp(−λ·p·weeks) over λ ~ Gamma(r + 3, α + 30) is its Laplace transform.
        return float(((alpha + 30.0) / (alpha + 30.0 + p * weeks)) ** (r + 3) * law.pdf(p))

    return float(quad(at, 0, 1)[0])


@pytest.mark.parametrize("fit", [MBG, PARETO], ids=lambda fit: fit.model)
def test_a_group_survives_as_its_drop_out_says(fit):
    drawn = _draw_curves(fit, ONE, ONE["customers"].to_numpy(float)[None], CENTRE)[0]
    # One history: its subscribers do not differ, so the sample has no error, nor have the parameters.
    assert drawn[:, 0] == pytest.approx(drawn[:, 1], abs=1e-9)
    assert drawn[0, 0] == pytest.approx(probability_alive(fit, ONE)[0])
    assert drawn[6, 0] == pytest.approx(survival_after(fit, 26.0), abs=1e-6)  # the sixth is 26 weeks
    assert drawn[10, 0] == pytest.approx(survival_after(fit, 104.0), abs=1e-6)


def test_the_share_that_does_not_end_answers_for_ever():
    weeks = np.array([0.0, 1, 2, 4, 8, 13, 26, 39, 52, 78, 104, 156, 208, 260])
    curve = (0.5 * 0.996**weeks + 0.5)[:, None]
    curve[0] = 0.5  # the mean of P(alive)
    shares = _mix_groups(curve, np.array([0.4]))[:, 0]
    # 0.6 never end; of 0.4, the half that is alive answers, and of that half one half is lost at 0.004 a week.
    assert shares[4] == pytest.approx(0.4 * 0.5 * 0.5 / (0.6 + 0.4 * 0.5), abs=1e-3)
    assert shares[0] == pytest.approx(1 - shares[4], abs=1e-3)


def test_the_sample_of_subscribers_has_the_error_of_a_mean():
    two = pd.concat([ONE, ONE.assign(recency_weeks=2.0)], ignore_index=True).assign(customers=[50.0, 150.0])
    normal = np.zeros((8_000, 4))
    drawn = _draw_curves(MBG, two, two["customers"].to_numpy(float)[None], normal)[0]
    alive = probability_alive(MBG, two)
    share = 0.25
    expected = abs(alive[0] - alive[1]) * np.sqrt(share * (1 - share) / 200)
    logits = np.log(drawn[0] / (1 - drawn[0]))
    mean = alive @ [share, 1 - share]
    assert logits.std() * mean * (1 - mean) == pytest.approx(expected, rel=0.05)  # four standard errors at 8,000


def test_models_that_fit_alike_weigh_alike():
    assert model_weight([MBG, MBG], ONE) == pytest.approx(0.5)
    # Of one history the difference of the log-likelihoods has no sampling error.
    rows = [np.log(model_weight([MBG, PARETO], ONE.assign(customers=n)) ** -1 - 1) / n for n in (1.0, 3.0)]
    assert rows[0] == pytest.approx(rows[1])


def clicks_of(share: float, texts: float = 4_000.0) -> pd.DataFrame:
    """Two arms of members of four ages who were silent for shorter or longer: expected clicks at ρ = `share`."""
    parts = [
        pd.DataFrame({"arm": arm, "frequency": 3.0, "recency_weeks": age * still, "T_weeks": age, "texts": [texts],
                      "level": level * age})
        for arm, level in (("a", 0.004), ("b", 0.006)) for age in (10.0, 20.0, 30.0, 40.0)
        for still in (0.1, 0.4, 0.7, 1.0)
    ]  # fmt: skip
    rows = pd.concat(parts, ignore_index=True)
    alive = probability_alive(MBG, rows)
    return rows.assign(clicks=rows["texts"] * rows["level"] * (1 - share * (1 - alive)))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_clicks_of_the_silent_tell_the_share_that_ends(share):
    uniform = (np.arange(200) + 0.5) / 200
    drawn = draw_share_ended(MBG, clicks_of(share), uniform)
    assert drawn.mean() == pytest.approx(share, abs=0.03)
    assert np.all(np.diff(drawn) >= 0)


def test_without_clicks_the_share_is_uniform():
    uniform = np.array([0.025, 0.5, 0.975])
    assert draw_share_ended(MBG, NO_CLICKS, uniform) == pytest.approx(uniform)
    assert draw_share_ended(MBG, clicks_of(0.5).assign(clicks=0.0), uniform) == pytest.approx(uniform)


def test_without_enough_subscribers_the_range_is_stated():
    found = estimate_loss(ONE, ONE.assign(customers=19.0), NO_CLICKS, ("segment",))
    assert found == {"all": NaturalLoss.unknown(), "segment": NaturalLoss.unknown()}
    assert found["all"].weekly == pytest.approx((np.sqrt(0.0005 * 0.016), 0.0005, 0.016))


def test_small_groups_have_no_estimate_of_their_own():
    rows = pd.concat([ONE.assign(segment="a"), ONE.assign(segment="b", customers=19.0)], ignore_index=True)
    members, places = _members_of(rows, ["segment"])
    assert places == {"all": {}, "segment": {"a": 1}}
    assert members.tolist() == [[500.0, 19.0], [500.0, 0.0]]


def test_any_mixture_of_the_rates_is_found():
    rng = np.random.default_rng(24)
    weeks = np.array([0.0, 1, 2, 4, 8, 13, 26, 39, 52, 78, 104, 156, 208, 260])
    for shape, mean in ((0.5, 0.01), (2.0, 0.02), (8.0, 0.004)):
        rates = rng.gamma(shape, mean / shape, 4_000)
        curve = np.exp(-rates[:, None] * weeks).mean(axis=0)
        shares = mix_rates(weeks, curve)
        assert shares.sum() == pytest.approx(1.0)
        assert (1 - LOSS_RATES) ** weeks[:, None] @ shares == pytest.approx(curve, abs=0.005)
        # and so is the discounted number of weeks
        assert shares @ (1 / (1 - (1 - LOSS_RATES) / 1.002)) == pytest.approx(
            (1 / (1 - np.exp(-rates) / 1.002)).mean(), rel=0.1
        )
