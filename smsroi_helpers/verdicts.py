"""The decision of an experiment, in money and in words: ship, keep the control, keep running, or broken.

The rule: with the interval of an arm's profit against the control's (always-valid while the experiment runs, fixed once
it has ended; each arm at 1 − α/k, k being how many arms are compared with the control),

- *broken* where anything in `trust` says so;
- *ship* where the whole interval lies above the smallest gain worth having, at least 20 customers bought in each arm,
  opting out is shown not to have risen by more than the margin, and Holm's p-value over the family is below .05;
- *keep control* where every arm's whole interval lies below that gain;
- *keep running* otherwise.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm, t

from smsroi_helpers.contract import Decision
from smsroi_helpers.experiments import METRICS, Experiment
from smsroi_helpers.intervals import FEW_EVENTS, adjust, difference_of_rates
from smsroi_helpers.locale import _, day, interval, joined, listed, money, number, sentence
from smsroi_helpers.sequential import always_valid_reach
from smsroi_helpers.trust import Trust

__all__ = ["Guard", "Outcome", "Verdict", "decision_of", "judge", "points"]

Outcome = Literal["ship", "keep_control", "keep_running", "broken"]
Guard = Literal["held", "open", "breached", "unknown", "not_asked"]
ALPHA = 0.05
UNEQUAL = 5.0
"""Where one arm has so many times the other's customers, the mean of money needs more buyers to be near normal."""
FEWEST_BUYERS_UNEQUAL = 100
"""As many in the smaller arm (benchmarks/claims/rates.py: with 48 of 800 against 8,000 the interval is wrong)."""
_LONGEST_WAIT_DAYS = 365
"""Nobody waits longer for an answer: beyond, only more customers would give one."""
_MOST = 50.0
"""A test that would need to be so many times as large is not told to go on."""


@dataclass(frozen=True)
class Verdict:
    """What an experiment's numbers come to."""

    outcome: Outcome
    metric: str
    """What it was decided by; empty where it is broken."""
    by_arm: dict[str, Outcome]
    arm: str
    """Which arm the numbers below are of; empty where none stands out."""
    difference: float
    """Per customer, over the window."""
    low: float
    high: float
    """Its interval at 1 − α/k; always-valid while the experiment runs."""
    value: float
    """The arm's customers × difference: what the arm earned, or cost, against the control."""
    guards: dict[str, Guard]
    factor: float
    """How many times as much observation would settle it, the difference staying as it is; NaN where nothing is."""
    smallest_seen: float
    """The smallest difference per customer that the test, as far as it has come, shows four times out of five."""
    why_open: tuple[str, ...] = ()
    """Codes: few_events, few_buyers, guard, first_week, interval, no_numbers."""
    effects: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The experiment's effects with adjusted p-values."""
    priced: bool = False
    """Whether it was decided in money after message and discount costs."""


def _deciding_metric(experiment: Experiment, effects: pd.DataFrame) -> str:
    """Profit where it is known and varies; else the experiment's own metric, revenue, or who ordered.

    Clicks per message never decide: where arms differ in messages their clicks cannot be compared.
    """
    rows = effects[(effects["segment"] == "all") & effects["low"].notna()] if len(effects) else effects
    known = set(rows["metric"]) if len(rows) else set()
    for metric in ("profit", experiment.primary, "revenue", "order_rate"):
        if metric in known and METRICS[metric].kind != "ratio":
            return metric
    return "order_rate"


def adjust_p(effects: pd.DataFrame, experiment: Experiment, decided_by: str) -> pd.DataFrame:
    """The effects with adjusted_p and correction: what was many comparisons is told as such.

    The metrics that decide (the one decided by and the experiment's own) form, over all arms and segments, one family
    under Holm's correction; the others, which only point where to look, one under Benjamini and Hochberg's. While an
    experiment runs the always-valid p-values are taken, afterwards the fixed ones.
    """
    deciding = effects["metric"].isin([decided_by, experiment.primary])
    p = effects["always_valid_p"] if experiment.state == "running" else effects["p_value"]
    p = p.to_numpy(float)
    adjusted = np.where(
        deciding,
        adjust(np.where(deciding, p, np.nan), "holm"),
        adjust(np.where(deciding, np.nan, p), "benjamini_hochberg"),
    )
    correction = np.where(deciding, "holm", "benjamini_hochberg")
    return effects.assign(adjusted_p=adjusted, correction=correction)


def judge(
    experiment: Experiment,
    trust: Trust,
    effects: pd.DataFrame,
    *,
    smallest_gain: float,
    opt_out_margin: float,
) -> Verdict:
    """Decide an experiment.

    Args:
        experiment: which.
        trust: whether to believe it.
        effects: of `ab_test.measure_effects`.
        smallest_gain: profit per customer and week worth having (money).
        opt_out_margin: share of customers a week by which opting out may rise.
    """
    if trust.broken:
        nan = float("nan")
        return Verdict(
            outcome="broken", metric="", by_arm=dict.fromkeys(experiment.treated, "broken"), arm="", difference=nan,
            low=nan, high=nan, value=nan, guards={}, factor=nan, smallest_seen=nan, effects=effects,
        )  # fmt: skip
    metric = _deciding_metric(experiment, effects)
    effects = adjust_p(effects, experiment, metric)
    every = effects[effects["segment"] == "all"]
    rows = every[every["metric"] == metric].set_index("arm")
    better = 1.0 if METRICS[metric].more_is_better else -1.0
    threshold = smallest_gain * experiment.weeks if METRICS[metric].kind == "money" else 0.0
    arms = len(experiment.treated)
    by_arm: dict[str, Outcome] = {}
    guards: dict[str, Guard] = {}
    limits: dict[str, tuple[float, float, float]] = {}
    why: dict[str, str] = {}
    for arm in experiment.treated:
        guards[arm] = _guard(experiment, trust, every, arm, opt_out_margin)
        if arm not in rows.index or not np.isfinite(rows.loc[arm, "difference"]):
            by_arm[arm], why[arm] = "keep_running", "no_numbers"
            continue
        row = rows.loc[arm]
        control = rows.loc[experiment.control]
        low, high = _limits(experiment, row, control, arms)
        limits[arm] = (*sorted((better * low, better * high)), better * row["difference"])
        by_arm[arm], why[arm] = _rule(row, control, limits[arm], threshold, guards[arm])
    outcome, arm = _overall(by_arm, limits)
    difference, low, high, value, factor = (np.nan,) * 5
    if arm:
        low, high, difference = limits[arm] if better > 0 else (-limits[arm][1], -limits[arm][0], -limits[arm][2])
        value = difference * float(rows.loc[arm, "customers"])
    errors = rows.loc[[a for a in experiment.treated if a in rows.index], "standard_error"]
    if outcome == "keep_running" and arm:  # of several arms the best-looking one would promise too much
        factor = _factor(experiment, rows.loc[arm], abs(limits[arm][2] - threshold), arms)
    seen = float((norm.ppf(1 - ALPHA / 2 / arms) + norm.ppf(0.8)) * errors.min()) if errors.notna().any() else np.nan
    open_for = tuple(dict.fromkeys(why[a] for a in experiment.treated if by_arm[a] == "keep_running"))
    return Verdict(
        outcome, metric, by_arm, arm, difference, low, high, value, guards, factor, seen, open_for, effects,
        priced=metric == "profit",
    )  # fmt: skip


def _limits(experiment: Experiment, row: pd.Series, control: pd.Series, arms: int) -> tuple[float, float]:
    """The interval at 1 − α/k; NaN while there is no always-valid one."""
    level = 1 - ALPHA / arms
    if row["method"] == "few_events":
        if experiment.state == "running":
            return float("nan"), float("nan")
        found = difference_of_rates(
            [row["events"]], [row["customers"]], [control["events"]], [control["customers"]], level
        )
        return float(found.low[0]), float(found.high[0])
    if experiment.state == "running":
        reach = float(always_valid_reach(row["standard_error"], experiment.information, level))
    else:
        reach = float(t.ppf((1 + level) / 2, row["df"]) * row["standard_error"])
    return row["difference"] - reach, row["difference"] + reach


def _enough_events(row: pd.Series, control: pd.Series, metric: str) -> str:
    """Why an arm's number must not be shipped on: few_events, few_buyers, or nothing."""
    events = [(row["events"], row["customers"]), (control["events"], control["customers"])]
    if min(count for count, _n in events) < FEW_EVENTS:
        return "few_events"
    sizes = [n for _count, n in events]
    smaller = min(events, key=lambda pair: pair[1])[0]
    if METRICS[metric].kind == "money" and max(sizes) / min(sizes) >= UNEQUAL and smaller < FEWEST_BUYERS_UNEQUAL:
        return "few_buyers"
    return ""


def _rule(
    row: pd.Series,
    control: pd.Series,
    limits: tuple[float, float, float],
    threshold: float,
    guard: Guard,
) -> tuple[Outcome, str]:
    """One arm's decision, and what is lacking where it stays open."""
    low, high, _difference = limits
    if not np.isfinite(low):
        return "keep_running", "few_events" if row["method"] == "few_events" else "first_week"
    lacking = _enough_events(row, control, row["metric"])
    if low > threshold and row["adjusted_p"] < ALPHA:
        if lacking:
            return "keep_running", lacking
        if guard == "breached":
            return "keep_control", ""
        return ("keep_running", "guard") if guard == "open" else ("ship", "")
    if high < threshold:
        return ("keep_running", lacking) if lacking else ("keep_control", "")
    return "keep_running", lacking or "interval"


def _overall(by_arm: dict[str, Outcome], limits: dict[str, tuple[float, float, float]]) -> tuple[Outcome, str]:
    """The experiment's decision, and the arm its numbers are of."""
    shipped = [arm for arm, outcome in by_arm.items() if outcome == "ship"]
    if shipped:
        return "ship", max(shipped, key=lambda arm: limits[arm][2])
    outcome: Outcome = "keep_control" if set(by_arm.values()) == {"keep_control"} else "keep_running"
    if len(by_arm) == 1 and limits:
        return outcome, next(iter(by_arm))
    # Of several arms, what the least bad would cost; while the test is open none is picked.
    return outcome, max(limits, key=lambda arm: limits[arm][2]) if outcome == "keep_control" else ""


def _guard(experiment: Experiment, trust: Trust, every: pd.DataFrame, arm: str, margin: float) -> Guard:
    """Whether opting out is shown to have risen by no more than the margin a week (non-inferiority)."""
    rows = every[every["metric"] == "opt_out_rate"].set_index("arm")
    if not trust.control_treated_too:
        return "not_asked"
    if arm not in rows.index or not np.isfinite(rows.loc[arm, "low"]):
        return "unknown"
    running = experiment.state == "running" and rows.loc[arm, "method"] != "few_events"
    low, high = (rows.loc[arm, f"always_valid_{end}" if running else end] for end in ("low", "high"))
    allowed = margin * experiment.weeks
    if not np.isfinite(low):
        return "open"
    return "held" if high < allowed else "breached" if low > allowed else "open"


def _factor(experiment: Experiment, row: pd.Series, gap: float, arms: int) -> float:
    """How many times as much observation lets the interval's end reach the threshold, at the difference seen so far."""
    error, level = row["standard_error"], 1 - ALPHA / arms
    if not (np.isfinite(error) and error > 0 and gap > 0):
        return float("nan")
    if experiment.state == "ended":
        return float((norm.ppf((1 + level) / 2) * error / gap) ** 2)
    r = experiment.information
    if not np.isfinite(r):
        return float("nan")

    def over(log_factor: float) -> float:
        factor = float(np.exp(log_factor))
        return float(always_valid_reach(error / np.sqrt(factor), r * factor, level)) - gap

    if over(np.log(_MOST)) > 0:
        return float("inf")
    return float(np.exp(brentq(over, 0.0, np.log(_MOST)))) if over(0.0) > 0 else 1.0


# --- in words --------------------------------------------------------------------------------------------------------


def points(value: float, low: float, high: float) -> str:
    """A difference of shares with its interval, in percentage points."""
    return _("{numbers} percentage points").format(numbers=interval(100 * value, 100 * low, 100 * high))


def decision_of(experiment: Experiment, trust: Trust, verdict: Verdict, currency: str) -> Decision:
    """The row of the table `decisions`: action, money, evidence and what to mind."""
    outcome: Literal["do", "dont", "not_enough_evidence", "broken"] = {
        "ship": "do", "keep_control": "dont", "keep_running": "not_enough_evidence", "broken": "broken",
    }[verdict.outcome]  # type: ignore[assignment]  # fmt: skip
    customers = int(experiment.customers.sum())
    known = np.isfinite([verdict.difference, verdict.low, verdict.high]).all()
    numbers: dict[str, object] = {"kind": "gain"} if verdict.priced or verdict.outcome == "broken" else {}
    if known and METRICS[verdict.metric].kind == "money":
        people = float(verdict.value / verdict.difference) if verdict.difference else 0.0
        weeks = experiment.weeks if experiment.kind == "holdout" else 1.0
        told = [people * x / weeks for x in (verdict.difference, verdict.low, verdict.high)]
        unit = "money_per_week" if experiment.kind == "holdout" else "money"
        numbers = {"value": told[0], "low": told[1], "high": told[2], "unit": unit, "kind": "gain"}
    elif known:
        numbers = {"value": verdict.difference, "low": verdict.low, "high": verdict.high, "unit": "share"}
    return Decision(
        stage="ab_test",
        question=_question(experiment),
        outcome=outcome,
        action=_action(experiment, trust, verdict),
        text=_text(experiment, verdict, currency),
        caveat=_caveat(experiment, trust, verdict),
        evidence="none" if verdict.outcome == "broken" else "randomised",
        customers=customers,
        **numbers,  # type: ignore[arg-type]
    )


def _question(experiment: Experiment) -> str:
    if experiment.kind == "holdout":
        return _("Does texting pay? ({test})").format(test=experiment.name)
    return _("Did the change pay? ({test})").format(test=experiment.name)


def _action(experiment: Experiment, trust: Trust, verdict: Verdict) -> str:
    facts = {"test": experiment.name, "arm": verdict.arm, "control": experiment.control}
    if verdict.outcome == "broken":
        return _("{test}: do not use it, {problem}").format(test=experiment.name, problem=trust.problems[0])
    if verdict.outcome == "ship":
        if experiment.kind == "holdout":
            return _("{test}: go on, {arm} brings more than {control}").format(**facts)
        return _("{test}: switch to {arm}").format(**facts)
    if verdict.outcome == "keep_control":
        if experiment.kind == "holdout":
            return _("{test}: stop it, {arm} brings less than {control}").format(**facts)
        return _("{test}: stay with {control}").format(**facts)
    return _still_open(experiment, verdict)


def _still_open(experiment: Experiment, verdict: Verdict) -> str:
    """What to do with a test that does not say yet, and for how long."""
    n = experiment.customers.sum()
    elapsed = max((experiment.last - experiment.started).days + 1, 1)
    more = (verdict.factor - 1) * n if np.isfinite(verdict.factor) else np.nan
    if experiment.state == "ended":
        if np.isfinite(more) and verdict.factor <= _MOST:
            return _("{test}: undecided, run it again with about {n} more customers").format(
                test=experiment.name, n=_roughly(more)
            )
        return _("{test}: undecided, it was too small to tell").format(test=experiment.name)
    if experiment.until is not None:
        return _("{test}: keep it running until {day}, as planned").format(
            test=experiment.name, day=day(experiment.until)
        )
    if np.isfinite(more) and more > 0:
        wait = int(np.ceil((verdict.factor - 1) * elapsed))
        if wait > _LONGEST_WAIT_DAYS:
            return _("{test}: undecided, and about {n} more customers are needed to settle it").format(
                test=experiment.name, n=_roughly(more)
            )
        until = experiment.last + dt.timedelta(days=wait)
        return _("{test}: keep it running until about {day}, or add about {n} customers").format(
            test=experiment.name, day=day(until), n=_roughly(more)
        )
    return _("{test}: keep it running").format(test=experiment.name)


def _roughly(n: float) -> str:
    """A number of customers to two figures, rounded up."""
    if n <= 0:
        return number(0)
    unit = 10 ** max(int(np.floor(np.log10(n))) - 1, 0)
    return number(float(np.ceil(n / unit) * unit))


def weeks_words(weeks: float) -> str:
    """Weeks with a decimal where they are no whole ones.

    >>> weeks_words(2.0001), weeks_words(16.95)
    ('2', '16.9')
    """
    return number(weeks, 0 if abs(weeks - round(weeks)) < 0.05 else 1)


def _difference_words(verdict: Verdict, currency: str) -> str:
    if METRICS[verdict.metric].kind == "money":
        return interval(verdict.difference, verdict.low, verdict.high, currency)
    return points(verdict.difference, verdict.low, verdict.high)


def _text(experiment: Experiment, verdict: Verdict, currency: str) -> str:
    if verdict.outcome == "broken":
        return _("No difference is shown, since it would not be the doing of the change.")
    parts = []
    facts = {"arm": verdict.arm, "control": experiment.control, "weeks": weeks_words(experiment.weeks)}
    if np.isfinite([verdict.difference, verdict.low, verdict.high]).all():
        facts["difference"] = _difference_words(verdict, currency)
        if verdict.metric == "profit":
            parts.append(
                _(
                    "Profit per customer over {weeks} weeks on average, {arm} against {control}: {difference}, message"
                    " and discount costs taken off."
                ).format(**facts)
            )
        elif verdict.metric == "revenue":
            parts.append(
                _("Revenue per customer over {weeks} weeks on average, {arm} against {control}: {difference}.").format(
                    **facts
                )
            )
        else:
            parts.append(_("{arm} against {control}: {difference}.").format(**facts))
        if len(experiment.treated) > 1:
            parts.append(
                _("The interval allows for {k} arms having been compared.").format(k=number(len(experiment.treated)))
            )
    if np.isfinite(verdict.value) and METRICS[verdict.metric].kind == "money" and parts:
        people = number(verdict.value / verdict.difference) if verdict.difference else "–"
        words = _("The amount is a week’s, of all {n} customers of {arm} together.")
        words = (
            words if experiment.kind == "holdout" else _("The amount is that of all {n} customers of {arm} together.")
        )
        parts.append(words.format(n=people, arm=verdict.arm))
    if verdict.outcome == "keep_running":
        parts.append(_why_open(experiment, verdict, currency))
    return joined(*parts)


def _why_open(experiment: Experiment, verdict: Verdict, currency: str) -> str:
    words = {
        "few_events": _("Fewer than {n} customers of an arm did it: too few to act on, whatever the interval says."),
        "few_buyers": _("The smaller arm has fewer than {buyers} buyers: too few beside an arm so much larger."),
        "guard": _("The gain is shown; that opting out did not rise with it is not, yet."),
        "first_week": _("The test has run for less than a week."),
        "no_numbers": _("Nothing varies between the customers yet: there is nothing to compare."),
        "interval": _("The interval holds both a gain worth having and none."),
    }
    facts = {"n": FEW_EVENTS, "buyers": FEWEST_BUYERS_UNEQUAL}
    told = [words[code].format(**facts) for code in verdict.why_open]
    if np.isfinite(verdict.smallest_seen) and METRICS[verdict.metric].kind == "money":
        seen = money(verdict.smallest_seen / max(experiment.weeks, 1e-9), currency)
        told.append(
            _("A true difference of {seen} per customer and week would show four times out of five.").format(seen=seen)
        )
    elif np.isfinite(verdict.smallest_seen):
        told.append(
            _("A true difference of {seen} percentage points would show four times out of five.").format(
                seen=number(100 * verdict.smallest_seen, 2)
            )
        )
    return joined(*told)


def _leaving(verdict: Verdict) -> str:
    """How many more opted out, where the control was not texted and no margin can be asked for."""
    rows = verdict.effects
    rows = rows[(rows["metric"] == "opt_out_rate") & (rows["segment"] == "all") & (rows["arm"] == verdict.arm)]
    if verdict.guards.get(verdict.arm) != "not_asked" or not len(rows) or not rows["low"].iloc[0] > 0:
        return ""
    row = rows.iloc[0]
    return _(
        "Opting out rose by {points}: who has left cannot be texted again, which this profit does not count."
    ).format(points=points(row["difference"], row["low"], row["high"]))


def _caveat(experiment: Experiment, trust: Trust, verdict: Verdict) -> str:
    if verdict.outcome == "broken":
        more = trust.problems[1:]
        return sentence(_("Also: {problems}").format(problems=listed(more))) if more else ""
    parts = [sentence(remark) for remark in trust.remarks]
    if not verdict.priced and verdict.metric == "revenue":
        parts.append(_("What the messages cost is not known here, so this is revenue, not profit."))
    elif not verdict.priced:
        parts.append(_("This source does not say what an order is worth, so nothing is said in money."))
    if (told := _leaving(verdict)) and verdict.outcome == "ship":
        parts.append(told)
    breached = [arm for arm, guard in verdict.guards.items() if guard == "breached"]
    if breached:
        parts.append(_("Opting out rose by more than the margin in {arms}.").format(arms=listed(breached)))
    if verdict.outcome == "ship" and verdict.guards.get(verdict.arm) == "unknown":
        parts.append(_("Opt-outs are not recorded, so whether more people left is not known."))
    if experiment.state == "running" and np.isfinite(verdict.low):
        parts.append(_("The interval may be read every day: it is wider for that."))
    return joined(*parts)
