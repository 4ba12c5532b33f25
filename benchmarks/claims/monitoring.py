"""Claims about the daily monitoring: quiet companies raise no more alarms than stated; planted faults are seen in time.

A company is eight daily series: deliveries, clicks, orders and opt-outs of two channels, over 13 months with weekdays,
a season, a trend and days of very different size. Day effects have three shapes. None of them is the model's, which
knows no season (a year of data cannot tell it) and no autocorrelation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from benchmarks.claims import Claim, Verdict
from smsroi_helpers.statistics.daily_band import DailyNumbers, Watched, chance_per_test, watch

__all__ = ["CLAIMS", "RATES", "SHAPES", "Company", "company", "quiet_days"]

Floats = NDArray[np.float64]
SHAPES = ("beta_binomial", "log_normal", "autocorrelated")
RATES = {"delivery": 0.96, "click": 0.08, "order": 0.02, "opt_out": 0.004}
CHANNELS = {"large": 3_000, "small": 400}
"""Texts on a middling day."""
DAYS = 395
WATCHED = 28
_DAY_SD = 0.12
_SEASON = 0.2
OUTAGE_DAY, SPIKE_DAY, DRIFT_DAYS = -5, -3, 21
_DRIFT = 0.03
"""Relative fall of the click rate, per day."""


def _texts(rng: np.random.Generator, middling: int, days: int) -> NDArray[np.int64]:
    size = middling * np.exp(rng.normal(0, 0.3, 7)[np.arange(days) % 7] + rng.normal(0, 0.3, days))
    return np.maximum(size.astype(np.int64), 1)


def _shares(rng: np.random.Generator, shape: str, rate: float, days: int) -> Floats:
    """The true share of each day."""
    t = np.arange(days)
    level = logit(rate) + rng.normal(0, 0.15, 7)[t % 7] + rng.normal(0, 0.0005) * t
    level = level + _SEASON * np.sin(2 * np.pi * (t / 365.25 + rng.random()))
    if shape == "beta_binomial":
        mean = expit(level)
        total = 1 / (mean * (1 - mean) * _DAY_SD**2)
        return np.asarray(rng.beta(mean * total, (1 - mean) * total))
    effect = rng.normal(0, _DAY_SD, days)
    if shape == "autocorrelated":
        for i in range(1, days):
            effect[i] = 0.5 * effect[i - 1] + np.sqrt(0.75) * effect[i]
    elif rate < 0.5:
        return np.asarray(np.minimum(expit(level) * np.exp(effect), 1.0))
    return np.asarray(expit(level + effect))


def quiet_days(
    rng: np.random.Generator, shape: str, rate: float, middling: int, days: int = DAYS, factor: Floats | None = None
) -> DailyNumbers:
    """One series without a fault, or with its share multiplied by `factor` (days,)."""
    texts, share = _texts(rng, middling, days), _shares(rng, shape, rate, days)
    share = share if factor is None else np.minimum(share * factor, 1.0)
    return DailyNumbers("share", 0, rng.binomial(texts, share).astype(float), texts.astype(float))


@dataclass(frozen=True)
class Company:
    """What the monitoring of one company raised in the days watched."""

    alarms: int
    """Of days and of levels, in all series."""
    outage: bool
    """Half the deliveries of one day fail: an alarm on that day."""
    spike: bool
    """Five times the opt-outs of one day: an alarm on that day."""
    drift: bool
    """Clicks fall by 3 % a day: an alarm within three weeks."""


def company(rng: np.random.Generator, shape: str, *, faulty: bool, false_alarms: float = 1.0) -> Company:
    """Simulate a company and watch its last 28 days.

    Args:
        rng: of all draws.
        shape: of `SHAPES`.
        faulty: whether the large channel has the three faults.
        false_alarms: stated number a month, over all series together.
    """
    factors = {name: np.ones(DAYS) for name in RATES}
    if faulty:
        factors["delivery"][OUTAGE_DAY] = 0.5
        factors["opt_out"][SPIKE_DAY] = 5.0
        factors["click"][-DRIFT_DAYS:] = (1 - _DRIFT) ** np.arange(1, DRIFT_DAYS + 1)
    found: dict[tuple[str, str], Watched] = {}
    for channel, middling in CHANNELS.items():
        for name, rate in RATES.items():
            factor = factors[name] if channel == "large" else None
            found[channel, name] = watch(quiet_days(rng, shape, rate, middling, factor=factor), WATCHED)
    chance = chance_per_test(false_alarms, sum(each.tests for each in found.values()), WATCHED)
    alarms = {key: each.alarms(chance) for key, each in found.items()}
    in_drift = [days[-DRIFT_DAYS:].any() for days in alarms["large", "click"]]
    return Company(
        alarms=int(sum(days.sum() for both in alarms.values() for days in both)),
        outage=bool(alarms["large", "delivery"][0][OUTAGE_DAY]),
        spike=bool(alarms["large", "opt_out"][0][SPIKE_DAY]),
        drift=any(in_drift),
    )


MONTHLY = 0.05
"""Stated false alarms a month in the claim: at most this share of quiet months then has any."""


def quiet_months(rng: np.random.Generator) -> Verdict:
    """Whether a quiet company's 28 days have any alarm, at .05 a month over all series together."""
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    return Verdict(company(rng, shape, faulty=False, false_alarms=MONTHLY).alarms > 0)


def faults(rng: np.random.Generator) -> list[Verdict]:
    """Whether the planted faults raise alarms in time, at one false alarm a month."""
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    found = company(rng, shape, faulty=True)
    return [Verdict(getattr(found, name), effect=True, part=name) for name in ("outage", "spike", "drift")]


CLAIMS = [
    Claim(
        "monitoring_quiet",
        "any alarm in 28 quiet days of eight series, at a stated .05 false alarms a month over all of them; day effects"
        " beta-binomial, log-normal or autocorrelated, with a season that the model does not know",
        "effectiveness",
        "false_alarm",
        quiet_months,
        n=200,
        alpha=MONTHLY,
    ),
    Claim(
        "monitoring_faults",
        "power at one false alarm a month: half the deliveries of a day fail and five times the opt-outs on a day (seen"
        " the same day), clicks fall by 3 % a day (seen within three weeks)",
        "effectiveness",
        "false_alarm",
        faults,
        n=200,
    ),
]
