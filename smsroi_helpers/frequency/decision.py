"""How often to text: the decisions of `04_frequency`, typed and without words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from smsroi_helpers.contract import Evidence
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.dose_response import DoseResponseFit
from smsroi_helpers.frequency.policy import AS_TODAY, NOT_KNOWN, SMALLEST_GAIN
from smsroi_helpers.frequency.study import Study
from smsroi_helpers.statistics import MOST_TIMES, sample_size

__all__ = [
    "Cash",
    "FrequencyDecision",
    "FrequencyReason",
    "FrequencyWarning",
    "Horizons",
    "Leaving",
    "NeededTest",
    "OptOuts",
    "count_opt_outs",
    "customers_needed",
    "customers_to_settle",
    "decide",
    "late_break_even",
    "mixed_changes",
    "mixed_leavings",
]

FrequencyReason = Literal[
    "gain", "no_gain", "already_best", "no_effect", "practice_unknown", "one_dose", "not_covered", "few_in_segment",
    "opt_outs_unknown",
    "undecided",
    "broken", "no_test", "no_zero_arm", "one_dose_tested", "few_customers",
]  # fmt: skip
"""Why this is decided. With a fit: a change is shown to gain, or not to gain; today's frequency is the best; texts
are not shown to change profit; today's frequency is not known; only one frequency was tested against none, so
frequencies cannot be compared; too few of the group's customers are like those in the test; an arm has too few of
the group's customers; the source records no opt-outs, so the long run is not known; the interval is undecided.
Without a fit: the test is broken; there is no test; it has no arm without texts; it has only one frequency; an arm
has too few customers."""
FrequencyWarning = Literal[
    "long_run_modelled", "loss_unknown", "loss_not_identified", "arms_alone", "opt_outs", "segments_missing",
    "log_only",
]  # fmt: skip
"""Caveats: the long-run value is modelled; how fast subscribers stop answering is not known, or hardly; clicks are not
used; opt-outs are unknown or none was observed; subscribers are in segments with too few customers in the test; there
are only observational data."""

_TEST_WEEKS = 8
_TEST_ARMS = 4
_MISSING_SHARE = 0.02
"""A larger share (0–1) of subscribers in segments without an answer is reported as a warning."""


@dataclass(frozen=True)
class NeededTest:
    """A frequency test that would detect a difference with 80 % power."""

    difference: float
    """Per customer and week (money)."""
    arms: int
    weeks: int
    customers_per_arm: float
    """Rounded to two significant digits."""


@dataclass(frozen=True)
class OptOuts:
    """What the test shows about opt-outs."""

    kind: Literal["seen", "none_seen", "unknown"]
    """`unknown`: the source records none."""
    weeks: float = float("nan")
    """Subscribed customer-weeks of the arms that were texted."""
    limit: float = float("nan")
    """Exact 97.5 % upper limit of opt-outs per customer-week where none was observed."""


@dataclass(frozen=True)
class Horizons:
    """The frequencies that earn most in a week of the test, and in the long run, as `(short, long)`."""

    texts_per_week: tuple[float, float]
    profit: tuple[float, float]
    """Per subscriber and week (money)."""
    opt_outs: tuple[float, float]
    """Caused by the texts, share of subscribers a week (0–1)."""
    value: tuple[float, float]
    """Long-run value of a subscriber (money)."""

    @property
    def same(self) -> bool:
        """Whether both are the same frequency."""
        return self.texts_per_week[0] == self.texts_per_week[1]


@dataclass(frozen=True)
class Cash:
    """Profit of a change within the coming weeks, over all subscribers and compared with today's practice."""

    weeks: int
    profit: tuple[float, float, float]
    """Undiscounted money, with its 95 % interval."""
    break_even: float = float("nan")
    """The week from which the cumulative cash stays at or above 0; NaN if it does not within `policy.LONGEST`."""


@dataclass(frozen=True)
class Leaving:
    """What leaving a frequency that stays as it is would bring: the change to the best of the others tested."""

    texts_per_week: float
    gain: tuple[float, float, float]
    """Money a week over all subscribers in the long run, compared with today's practice, with its 95 % interval."""
    cash: Cash
    """Of the same change; never added to `gain`."""
    undistinguished: tuple[float, ...]
    """The tested frequencies that are not distinguishable from the best (95 % confidence)."""


@dataclass(frozen=True)
class FrequencyDecision:
    """The decision on one group's texts per week, and the numbers behind it; NaN where a number is not known."""

    segment: str
    outcome: Literal["do", "dont", "not_enough_evidence", "broken"]
    reason: FrequencyReason
    evidence: Evidence
    """Of the gain and of cash, both computed from the fit: `modelled`. Without a fit, of what the answer rests on."""
    customers: int
    """Whose outcomes are the evidence."""
    texts_per_week: float = float("nan")
    """The best frequency tested."""
    today: float = float("nan")
    """Texts a week today, on average."""
    gain: tuple[float, float, float] | None = None
    """Of a change to `texts_per_week`: money a week over all subscribers, with its 95 % interval, net of opt-outs."""
    gain_is_reported: bool = False
    """Whether the decision reports the gain; it does not where the frequency stays as it is today."""
    cash: Cash | None = None
    """Of the same change, within the coming weeks; never added to `gain`."""
    leaving: Leaving | None = None
    """Only where today's frequency is the best: the price of leaving it."""
    together: tuple[float, float, float] | None = None
    """Only for all customers: the long-run gain a week of all segments' recommended changes together."""
    try_next: float = float("nan")
    """A frequency between the tested ones that is modelled to gain more, to be tested; NaN if there is none."""
    try_gain: tuple[float, float, float] | None = None
    """Its modelled long-run gain, money a week over all subscribers, compared with `texts_per_week`."""
    value: tuple[float, float, float] | None = None
    """Long-run value of a subscriber at `texts_per_week`, with its 95 % interval."""
    beats_no_texts: bool = False
    """Whether `value`, compared with no texts alone, is above 0 although no texts are among `leaving.undistinguished`:
    the simultaneous comparison has wider intervals."""
    same_average: bool = False
    """Whether today's average equals the recommended frequency but is sent unevenly."""
    differs_by_segment: bool = False
    """Only for all customers: whether other frequencies are recommended for some segments."""
    horizons: Horizons | None = None
    """The comparison of a week of the test with the long run."""
    effect_p: float = float("nan")
    """The p-value for no effect of texts on profit."""
    times: float = float("nan")
    """How many times as many customer-weeks a decision takes with 80 % power; infinite above `MOST_TIMES`."""
    needed: NeededTest | None = None
    """The test that would be needed."""
    warnings: tuple[FrequencyWarning, ...] = ()
    subscribed: int = 0
    """Subscribers of the group on the last day observed: those the gain is for."""


def decide(
    study: Study, policy: pd.DataFrame, smallest_gain: float = SMALLEST_GAIN, cash_weeks: int = 12
) -> tuple[FrequencyDecision, ...]:
    """Decide for all customers, then for each segment.

    Args:
        study: of `study.analyse`.
        policy: of `policy.choose_frequencies`.
        smallest_gain: profit per subscriber and week (money) below which a change is not worth making.
        cash_weeks: as for `policy.choose_frequencies`.
    """
    if study.validity is not None and study.validity.broken and study.experiment is not None:
        customers = int(study.experiment.customers.sum())
        return (FrequencyDecision(ALL, "broken", "broken", "none", customers, warnings=_without_test(study),
                                  subscribed=int(study.logs.subscribed(ALL))),)  # fmt: skip
    if study.fit is None or not len(policy):
        return (_without_fit(study, smallest_gain),)
    rows = [row for _index, row in policy.iterrows()]
    return tuple(_decide_segment(study, study.fit, row, policy, smallest_gain, cash_weeks) for row in rows)


def mixed_changes(policy: pd.DataFrame) -> pd.DataFrame:
    """The rows of the policy whose change has a first week's cash and a long-run gain of opposite signs."""
    known = policy[np.isfinite(policy["gain"]) & (policy["reason"] != "no_effect")] if len(policy) else policy
    if not len(known):
        return known
    first = known["cash_by_week"].map(lambda curve: curve[0, 0])
    return known[first * known["gain"] < 0]


def mixed_leavings(policy: pd.DataFrame) -> pd.DataFrame:
    """The rows of the policy in which leaving today's frequency gains in one horizon and loses in the other."""
    return policy[policy["leave"] * policy["leave_cash"] < 0] if "leave_cash" in policy else policy.head(0)


def late_break_even(found: FrequencyDecision) -> float:
    """The week in which a change that costs cash at first and gains in the long run breaks even; NaN for others."""
    if found.cash is None or found.gain is None or not found.cash.profit[0] < 0 < found.gain[0]:
        return float("nan")
    return found.cash.break_even


def customers_to_settle(found: FrequencyDecision) -> float:
    """How many customers a decision takes with 80 % power; see `FrequencyDecision.times`."""
    return found.customers * found.times


def count_decided(found: Sequence[FrequencyDecision]) -> int:
    """Subscribers of the segments that have a decision of their own: those of `decide`, all customers left out."""
    return sum(one.subscribed for one in found if one.segment != ALL and one.outcome in ("do", "dont"))


# --- with a fit ------------------------------------------------------------------------------------------------------


def _decide_segment(
    study: Study, fit: DoseResponseFit, row: pd.Series, policy: pd.DataFrame, smallest_gain: float, cash_weeks: int
) -> FrequencyDecision:
    reason = _reason(row)
    gain = _three(row, "gain")
    reported = gain is not None and reason not in ("no_effect", "already_best")
    cash = _three(row, "cash")
    everybody = row["segment"] == ALL
    outcome: Literal["do", "dont", "not_enough_evidence"] = (
        "do" if reason == "gain" else "dont" if reason in ("no_gain", "already_best") else "not_enough_evidence"
    )
    return FrequencyDecision(
        segment=str(row["segment"]),
        outcome=outcome,
        reason=reason,
        evidence="none" if reason == "few_in_segment" else "modelled",
        customers=int(row["customers"]),
        texts_per_week=float(row["messages_per_week"]),
        today=float(row["today"]),
        gain=gain,
        gain_is_reported=reported,
        cash=Cash(cash_weeks, cash, float(row["break_even"])) if reported and cash is not None else None,
        leaving=_leaving(row, cash_weeks) if reason == "already_best" else None,
        together=_three(row, "together") if everybody else None,
        try_next=float(row["try_next"]) if reason not in ("no_effect", "one_dose", *NOT_KNOWN) else float("nan"),
        try_gain=_three(row, "try_gain"),
        value=_three(row, "value"),
        beats_no_texts=bool(row["value_low"] > 0 and 0.0 in row["not_worse"] and row["messages_per_week"] > 0),
        same_average=bool(abs(row["messages_per_week"] - row["today"]) < AS_TODAY),
        differs_by_segment=bool(everybody and _segments_differ(row, policy)),
        horizons=_horizons(fit, row) if reason in ("gain", "no_gain") else None,
        effect_p=fit.effect_p,
        times=_times(row) if reason == "undecided" else float("nan"),
        needed=_test_needed(study, smallest_gain) if reason == "no_effect" and everybody else None,
        warnings=_warnings(study, fit) if everybody else (),
        subscribed=int(row["subscribed"]),
    )


def _leaving(row: pd.Series, cash_weeks: int) -> Leaving | None:
    gain, cash = _three(row, "leave"), _three(row, "leave_cash")
    if gain is None or cash is None:
        return None
    return Leaving(float(row["leave_for"]), gain, Cash(cash_weeks, cash), tuple(row["not_worse"]))


def _three(row: pd.Series, name: str) -> tuple[float, float, float] | None:
    """An estimate with its limits; None where it is not known."""
    if not np.isfinite(row[name]):
        return None
    return float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"])


def _reason(row: pd.Series) -> FrequencyReason:
    match row["outcome"], row["reason"]:
        case "change", _:
            return "gain"
        case "stay", _:
            return "already_best" if row["reason"] == "as_today" else "no_gain"
        case _, "no_effect":
            return "no_effect"
        case _, "practice":
            return "practice_unknown"
        case _, "one_dose":
            return "one_dose"
        case _, "not_covered":
            return "not_covered"
        case _, "few_in_segment":
            return "few_in_segment"
        case _, "opt_outs_unknown":
            return "opt_outs_unknown"
    return "undecided"


def _segments_differ(row: pd.Series, policy: pd.DataFrame) -> bool:
    others = policy[(policy["segment"] != ALL) & (policy["outcome"] != "not_enough")]["messages_per_week"]
    return bool((others != row["messages_per_week"]).any())


def _horizons(fit: DoseResponseFit, row: pd.Series) -> Horizons:
    i = fit.index(str(row["segment"]))
    doses = (float(row["short_run"]), float(row["messages_per_week"]))
    at = [fit.grid_index(dose) for dose in doses]
    short_and_long = [
        tuple(float(x) for x in draws[i][at].mean(axis=-1))
        for draws in (fit.profit(), fit.caused_opt_outs(), fit.value())
    ]
    return Horizons(doses, *short_and_long)  # type: ignore[arg-type]


def _times(row: pd.Series) -> float:
    return float(row["factor"]) if row["factor"] < MOST_TIMES else float("inf")


def _warnings(study: Study, fit: DoseResponseFit) -> tuple[FrequencyWarning, ...]:
    found: list[FrequencyWarning] = ["long_run_modelled"]
    if fit.loss.status == "unknown":
        found.append("loss_unknown")
    if fit.loss.status == "not_identified":
        found.append("loss_not_identified")
    if fit.method == "arms":
        found.append("arms_alone")
    if count_opt_outs(study).kind != "seen":
        found.append("opt_outs")
    if len(fit.names) > 1 and missing_subscribers(study, fit) > _MISSING_SHARE * study.logs.subscribed(ALL):
        found.append("segments_missing")
    return tuple(found)


def missing_subscribers(study: Study, fit: DoseResponseFit) -> float:
    """Subscribers in segments with too few customers in the test."""
    return study.logs.subscribed(ALL) - sum(study.logs.subscribed(name) for name in fit.names[1:])


def count_opt_outs(study: Study) -> OptOuts:
    """Whether any texted customer opted out; where none did, the upper limit of the opt-out rate."""
    if study.fit is None or not len(study.cells):
        return OptOuts("seen")
    if not study.opt_outs_known:
        return OptOuts("unknown")
    own = study.cells[study.cells["consenting"] == 1]
    treated = own[own["arm"].map(study.texts_per_week) > 0]
    weeks = float(treated["weeks"].sum())
    if treated["opt_outs"].sum() > 0:
        return OptOuts("seen", weeks)
    return OptOuts("none_seen", weeks, 1 - 0.025 ** (1 / max(weeks, 1.0)))


# --- without an answer from a test -----------------------------------------------------------------------------------


def customers_needed(study: Study, difference: float, weeks: int = _TEST_WEEKS) -> float:
    """Customers per arm that a frequency test needs to detect a difference per customer and week with 80 % power.

    Uses the variance of four weeks' profit in the log and assumes that a customer's weeks are independent.
    """
    if not len(study.logs.weeks) or not difference > 0:
        return float("nan")
    per_week = float(study.logs.weeks["profit"].var()) / 4
    return float(math.ceil(sample_size(difference, math.sqrt(per_week / weeks)) / 2))


def _test_needed(study: Study, smallest_gain: float) -> NeededTest | None:
    """The test that detects a tenth of a customer's weekly profit, or `smallest_gain` if that is more."""
    difference = smallest_gain
    if len(study.logs.weeks):
        difference = max(difference, 0.1 * abs(float(study.logs.weeks["profit"].mean())) / 4)
    customers = customers_needed(study, difference)
    if not np.isfinite(customers):
        return None
    return NeededTest(difference, _TEST_ARMS, _TEST_WEEKS, float(f"{customers:.2g}"))


def _without_test(study: Study) -> tuple[FrequencyWarning, ...]:
    return ("log_only",) if len(study.logs.weeks) else ()


def _without_fit(study: Study, smallest_gain: float) -> FrequencyDecision:
    """The decision where there is no test, no zero arm, only one frequency, or too few customers."""
    needed = _test_needed(study, smallest_gain)
    if study.experiment is None or not study.sound or not len(study.arms):
        customers = int(study.logs.weeks["customer"].nunique()) if len(study.logs.weeks) else 0
        return FrequencyDecision(
            ALL, "not_enough_evidence", "no_test", "observational" if customers else "none", customers,
            needed=needed, warnings=_without_test(study) if customers else (),
            subscribed=int(study.logs.subscribed(ALL)),
        )  # fmt: skip
    customers = int(study.arms.loc[study.arms["segment"] == ALL, "customers"].sum())
    doses = set(study.texts_per_week.values())
    reason: FrequencyReason = (
        "no_zero_arm" if 0.0 not in doses else "one_dose_tested" if len(doses) < 2 else "few_customers"
    )
    return FrequencyDecision(ALL, "not_enough_evidence", reason, "none", customers, needed=needed,
                             subscribed=int(study.logs.subscribed(ALL)))  # fmt: skip
