"""The tables that the stage leaves."""

from collections.abc import Sequence

import pandas as pd

from smsroi_helpers.contract import OUTPUTS
from smsroi_helpers.effectiveness.drift_wording import amount_caveat, warning_words
from smsroi_helpers.effectiveness.model_drift import STAGES, ModelCheck
from smsroi_helpers.effectiveness.score import Scores
from smsroi_helpers.effectiveness.study import Effectiveness
from smsroi_helpers.effectiveness.targets import Progress

__all__ = [
    "attribution_rows",
    "campaign_rows",
    "goal_rows",
    "kpi_rows",
    "model_check_rows",
]


def campaign_rows(found: Effectiveness, scores: Scores | None = None) -> pd.DataFrame:
    """The table `campaign_results`: one row per campaign; NaN where a number is not known.

    `roi` is attributed; `incremental_profit` has its interval in low and high, and its kind in `evidence`.

    Args:
        found: of `study.analyse`.
        scores: of `score.score_campaigns`.
    """
    ranks = ["score", "rank", "rank_low", "rank_high"]
    scored = scores.rows if scores else pd.DataFrame(columns=["campaign_id", *ranks])
    frame = found.campaigns.merge(scored, on="campaign_id", how="left")
    numbers = [*OUTPUTS["campaign_results"][1:], *ranks[1:]]
    frame = frame.reindex(columns=["campaign_id", *dict.fromkeys(numbers), "evidence"])
    return frame.astype({"campaign_id": "object", **dict.fromkeys(numbers, float)})


def kpi_rows(found: Effectiveness) -> pd.DataFrame:
    """The table `kpis`: every KPI by campaign, channel, segment and month, with its interval."""
    return found.kpis.reindex(columns=list(OUTPUTS["kpis"]))


def attribution_rows(found: Effectiveness) -> pd.DataFrame:
    """The table `attribution`: attributed beside incremental revenue, by test, arm, touch and window.

    `calibration` is incremental ÷ attributed revenue, `inflation` its inverse; a limit is infinite where incremental
    revenue may be 0.
    """
    rows = [
        (
            one.experiment, one.arm, rule.touch, rule.hours, one.customers, rule.revenue, one.incremental.estimate,
            rule.calibration.estimate, rule.calibration.low, rule.calibration.high,
            rule.inflation.estimate, rule.inflation.low, rule.inflation.high,
        )
        for one in found.comparisons
        for rule in one.rules
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(OUTPUTS["attribution"]))


def goal_rows(progress: list[Progress]) -> pd.DataFrame:
    """The table `goals`: each goal, how far it is, and the probability of arriving in time."""
    rows = [
        (
            one.goal.metric, one.goal.segment, one.goal.start, one.goal.target, one.goal.deadline, one.progress,
            one.forecast, one.low, one.high, one.probability,
        )
        for one in progress
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(OUTPUTS["goals"]))


def model_check_rows(checks: Sequence[ModelCheck], currency: str) -> pd.DataFrame:
    """The table `model_checks`: one row per model; NaN where it cannot be tested.

    Of a model that has changed, `warning` says what to know before acting, and `caveat` what to know of the amounts
    that rest on it, which are those of `stages` (names separated by blanks). Both are empty for the others.

    Args:
        checks: of `model_drift.check_models`.
        currency: the source's; empty where it names none.
    """
    words = [
        {
            "stages": " ".join(STAGES[check.model]), "warning": warning_words(check, currency),
            "caveat": amount_caveat(check, currency),
        }
        for check in checks
    ]  # fmt: skip
    columns = list(OUTPUTS["model_checks"])
    rows = [
        [said[name] if name in said else getattr(check, name) for name in columns]
        for check, said in zip(checks, words, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in ("first", "last")})
