"""What a feature of the text changes: a regression of creatives' effects on their features, one feature at a time.

    effect of creative = β · feature + own part,  own part ~ N(0, τ²)

The unit is the creative: a feature seen in two creatives has been tried twice, however many customers got them. τ is
estimated by REML, and the interval is that of Knapp & Hartung, never narrower than with known errors. Features go
together (a sale is urgent), and one at a time their effects include what goes with them.

References:
    Knapp & Hartung (2003), Improved tests for a random effects meta-regression, Statistics in Medicine 22(17).
    Benjamini & Hochberg (1995), for the adjusted p-values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.stats import norm, t

from smsroi_helpers.content.pooling import contrasts
from smsroi_helpers.content.text_features import FEATURES
from smsroi_helpers.content.texts import Texts
from smsroi_helpers.content.within_campaign import OptionEffects
from smsroi_helpers.statistics import ALPHA, POWER, Floats, adjust

__all__ = [
    "FEWEST_CREATIVES",
    "FeatureEffect",
    "change_in_odds",
    "estimate_features",
    "most_needed",
    "regress",
]

FEWEST_CREATIVES = 3
"""With and without the feature: fewer show a creative, not a feature."""
WORTH_SEEING = math.log(1.2)
"""The effect (log odds) that the needed number of creatives would detect: a fifth more clicks."""


@dataclass(frozen=True)
class FeatureEffect:
    """The effect of one feature on the odds of a click."""

    feature: str
    present: int
    """Creatives that have it."""
    absent: int
    effect: float
    """log odds ratio; NaN with too few creatives."""
    low: float
    high: float
    p_value: float
    own_sd: float
    """τ."""
    adjusted_p: float = float("nan")
    needed: int = 0
    """Creatives with and as many without it that would detect a fifth more clicks with 80 % power; 0 if not known."""

    @property
    def known(self) -> bool:
        """Whether there is an effect."""
        return math.isfinite(self.low)


def estimate_features(fit: OptionEffects, texts: Texts) -> tuple[FeatureEffect, ...]:
    """The effect of every feature that some creatives have and others do not.

    Args:
        fit: the effects of creatives on clicks, of `within_campaign.fit_within`.
        texts: of `texts.read_texts`.
    """
    used = fit.largest
    names = [name for name, known in zip(fit.options, used, strict=True) if known]
    if len(names) < 2:
        return ()
    effect, covariance = fit.effect[used], fit.covariance[np.ix_(used, used)]
    own_sd = regress(effect, covariance, None)[3] if len(names) > FEWEST_CREATIVES else float("nan")
    found = []
    for feature in FEATURES:
        shares = np.array([np.mean([each.features.has(feature) for each in texts.of(name)]) for name in names])
        has = shares > 0.5
        if not 0 < has.sum() < len(has):
            continue
        row = FeatureEffect(
            feature, int(has.sum()), int((~has).sum()), *(float("nan"),) * 4, own_sd,
            needed=_needed(own_sd, covariance),
        )  # fmt: skip
        if min(row.present, row.absent) >= FEWEST_CREATIVES:
            beta, error, df, sd = regress(effect, covariance, shares)
            half_width = float(t.ppf(1 - ALPHA / 2, df)) * error
            p = float(2 * t.sf(abs(beta / error), df))
            row = replace(
                row, effect=beta, low=beta - half_width, high=beta + half_width, p_value=p, own_sd=sd,
                needed=_needed(sd, covariance),
            )  # fmt: skip
        found.append(row)
    return _adjusted(found)


def _adjusted(rows: Sequence[FeatureEffect]) -> tuple[FeatureEffect, ...]:
    known = [row.p_value for row in rows if row.known]
    p = iter(adjust(known, "benjamini_hochberg").tolist() if known else [])
    return tuple(replace(row, adjusted_p=float(next(p))) if row.known else row for row in rows)


def _needed(own_sd: float, covariance: Floats) -> int:
    """Creatives on each side: 2 (τ² + mean variance) (z₁ + z₂)² ÷ δ²."""
    if not math.isfinite(own_sd):
        return 0
    variance = own_sd**2 + float(np.diag(covariance).mean())
    factor = float(norm.ppf(1 - ALPHA / 2) + norm.ppf(POWER)) ** 2
    return max(math.ceil(2 * variance * factor / WORTH_SEEING**2), FEWEST_CREATIVES)


def regress(effect: Floats, covariance: Floats, feature: Floats | None) -> tuple[float, float, int, float]:
    """β, its standard error, its degrees of freedom, and τ.

    Effects that sum to 0 are compared by their contrasts, so the intercept drops out.

    Args:
        effect: of each creative.
        covariance: of the effects.
        feature: of each creative; None for τ alone.

    >>> beta, error, df, tau = regress(np.array([1.0, 1.2, 0.0, 0.2]), np.eye(4) * 1e-6, np.array([1.0, 1, 0, 0]))
    >>> round(beta, 3), round(error, 3), df, round(tau, 3)  # a t-test of two against two: sd .1414, error .1414
    (1.0, 0.141, 2, 0.141)
    """
    turn = contrasts(len(effect))
    z, own = turn @ effect, turn @ covariance @ turn.T
    x = np.zeros((len(z), 0)) if feature is None else (turn @ feature)[:, None]
    df = len(z) - x.shape[1]

    def parts(sd: float) -> tuple[Floats, Floats, float, float]:
        inverse = np.linalg.inv(own + sd**2 * np.eye(len(z)))
        information = x.T @ inverse @ x
        beta = np.linalg.solve(information, x.T @ inverse @ z) if x.shape[1] else np.zeros(0)
        rest = z - x @ beta
        quadratic = float(rest @ inverse @ rest)
        log_det = -np.linalg.slogdet(inverse)[1] + (np.linalg.slogdet(information)[1] if x.shape[1] else 0.0)
        return np.asarray(beta, float), information, quadratic, float(log_det + quadratic)

    most = 3 * float(np.std(z)) + 1e-6
    sd = float(minimize_scalar(lambda at: parts(at)[3], bounds=(0.0, most), method="bounded").x)
    if parts(0.0)[3] <= parts(sd)[3]:
        sd = 0.0
    beta, information, quadratic, _ = parts(sd)
    if feature is None:
        return float("nan"), float("nan"), df, sd
    return float(beta[0]), float(np.sqrt(max(quadratic / df, 1.0) / information[0, 0])), df, sd


def change_in_odds(effect: ArrayLike) -> Floats:
    """The relative change of the odds that a log odds ratio is.

    >>> change_in_odds([0.0, np.log(1.25)]).round(2).tolist()
    [0.0, 0.25]
    """
    return np.asarray(np.expm1(np.asarray(effect, float)), float)


def most_needed(features: Sequence[FeatureEffect]) -> int:
    """Creatives with and as many without a feature that would do for each of these features; 0 if not known."""
    return max((each.needed for each in features), default=0)
