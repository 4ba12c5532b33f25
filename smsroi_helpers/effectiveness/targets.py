"""Goals with a metric, a segment, a start, a target and a deadline, and the probability of arriving in time."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t
from statsmodels.regression.linear_model import WLS  # statsmodels.api takes a second to import
from statsmodels.tools.tools import add_constant

from smsroi_helpers.effectiveness.activity import ACTIVITY_KPIS
from smsroi_helpers.effectiveness.counts import ALL, BETWEEN
from smsroi_helpers.effectiveness.kpis import KPIS
from smsroi_helpers.errors import UsageError
from smsroi_helpers.statistics import Floats

__all__ = [
    "FEWEST_MONTHS",
    "Goal",
    "Progress",
    "by_month",
    "check_goals",
    "read_goals",
    "track_goals",
]

PARTS = ("metric", "segment", "start", "target", "deadline")
"""What makes a goal specific, measurable and time-bound (SMART; Doran 1981, Management Review 70(11))."""
FEWEST_MONTHS = 4
"""Whole months of a KPI below which no trend is fitted."""


@dataclass(frozen=True)
class Goal:
    """One goal."""

    metric: str
    """The name of a KPI."""
    segment: str
    """`all`, or a segment of the run."""
    start: float
    """The value from which it starts."""
    target: float
    deadline: dt.date


@dataclass(frozen=True)
class Progress:
    """How far a goal is, and how likely it is to arrive in time."""

    goal: Goal
    months: pd.DataFrame
    """month (YYYY-MM), estimate, low, high of the KPI: whole months."""
    forecast: float
    """The KPI in the month of the deadline, if the linear trend goes on; NaN with too few months."""
    low: float
    """95 % prediction limits."""
    high: float
    probability: float
    """Of reaching the target by the deadline; NaN with too few months. After the deadline it is 0 or 1."""

    @property
    def progress(self) -> float:
        """Share of the way from start to target, of the last whole month; NaN without one."""
        return float(self.by_month[-1]) if len(self.months) else float("nan")

    @property
    def by_month(self) -> Floats:
        """Share of the way from start to target, of every whole month."""
        return self._way(self.months["estimate"].to_numpy(float))

    @property
    def by_deadline(self) -> tuple[float, float, float]:
        """Share of the way in the month of the deadline, with 95 % prediction limits; NaN with too few months."""
        centre, low, high = self._way(np.array([self.forecast, self.low, self.high])).tolist()
        return centre, min(low, high), max(low, high)

    def _way(self, values: Floats) -> Floats:
        return np.asarray((values - self.goal.start) / (self.goal.target - self.goal.start))


def read_goals(targets: Sequence[Mapping[str, Any]]) -> list[Goal]:
    """Read the goals of a parameter file.

    Args:
        targets: each with `metric`, `segment`, `start`, `target`, `deadline` (YYYY-MM-DD).

    Raises:
        UsageError: a goal lacks a part, names no KPI, has a value that its KPI cannot have, or its start is its target;
            the message says which.

    >>> goal = {"metric": "click_rate", "segment": "all", "start": 0.04, "target": 0.05, "deadline": "2026-12-31"}
    >>> read_goals([goal])[0].deadline.isoformat()
    '2026-12-31'
    """
    return [_read_goal(place, each) for place, each in enumerate(targets, start=1)]


def check_goals(targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The goals as they are, for the check of parameters before a run.

    Raises:
        UsageError: as `read_goals`.
    """
    read_goals(targets)
    return targets


def _read_goal(place: int, each: Mapping[str, Any]) -> Goal:
    if not isinstance(each, Mapping):
        raise UsageError(f"targets: goal {place} is a {type(each).__name__}; a goal needs {', '.join(PARTS)}")
    missing = [part for part in PARTS if each.get(part) is None or str(each[part]).strip() == ""]
    if missing:
        raise UsageError(f"targets: goal {place} lacks {', '.join(missing)}; a goal needs {', '.join(PARTS)}")
    metric = str(each["metric"])
    if metric not in (*KPIS, *ACTIVITY_KPIS):
        known = ", ".join((*KPIS, *ACTIVITY_KPIS))
        raise UsageError(f"targets: goal {place}: {metric!r} is no KPI; choose one of {known}")
    start, target = (_number(each[part]) for part in ("start", "target"))
    try:
        deadline = dt.date.fromisoformat(str(each["deadline"]))
    except ValueError:
        deadline = None
    if not np.isfinite([start, target]).all() or deadline is None:
        raise UsageError(
            f"targets: goal {place} ({metric}): start and target must be numbers, deadline a date (YYYY-MM-DD)"
        )
    low, high = _limits(metric)
    if not low <= min(start, target) <= max(start, target) <= high:
        raise UsageError(f"targets: goal {place} ({metric}): start and target must be from {low:g} to {high:g}")
    if start == target:
        raise UsageError(f"targets: goal {place} ({metric}): start and target are the same")
    return Goal(metric, str(each["segment"]), start, target, deadline)


def _number(value: object) -> float:
    """A number, or text that spells one; NaN for anything else, and for true and false."""
    try:
        return float("nan") if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")


def _limits(metric: str) -> tuple[float, float]:
    """What a KPI can be: shares 0 to 1, the NPS −1 to 1, other numbers finite."""
    if metric == "nps":
        return -1.0, 1.0
    share = KPIS[metric].unit == "share" if metric in KPIS else metric in ("repurchase_rate", "dau_mau")
    return (0.0, 1.0) if share else (-np.inf, np.inf)


def by_month(kpis: pd.DataFrame) -> pd.DataFrame:
    """The KPIs of each month, of all customers and of each segment.

    Args:
        kpis: of `kpis.KPI_COLUMNS`.

    Returns:
        segment (`all` for everybody), month (YYYY-MM), kpi, estimate, low, high.
    """
    months = kpis[kpis["dimension"] == "month"]
    everybody = months.assign(segment=ALL, month=months["value"])
    parts = kpis[kpis["dimension"] == "segment_month"]
    split = parts["value"].str.rsplit(BETWEEN, n=1, expand=True)
    own = parts.assign(segment=split[0], month=split[1]) if len(parts) else parts.assign(segment="", month="")
    return pd.concat([everybody, own], ignore_index=True)[["segment", "month", "kpi", "estimate", "low", "high"]]


def track_goals(goals: Sequence[Goal], monthly: pd.DataFrame, as_of: dt.date) -> list[Progress]:
    """Compare each goal with the KPI's months so far.

    The trend is a line through whole months, weighted by their precision; the prediction interval has the scatter of
    months about it (Student's t). Seasons are not in it.

    Args:
        goals: of `read_goals`.
        monthly: segment (or `all`), month (YYYY-MM), kpi, estimate, low, high.
        as_of: the last day observed; its month counts only if it is whole.

    Raises:
        UsageError: a goal's segment is none of the run.
    """
    whole = (as_of + dt.timedelta(days=1)).strftime("%Y-%m")
    found = []
    for goal in goals:
        known = sorted(set(monthly["segment"]))
        if goal.segment not in known:
            raise UsageError(f"targets: {goal.segment!r} is no segment of this run; choose one of {', '.join(known)}")
        rows = monthly[(monthly["segment"] == goal.segment) & (monthly["kpi"] == goal.metric)]
        rows = rows[(rows["month"] < whole) & np.isfinite(rows["estimate"])].sort_values("month", ignore_index=True)
        found.append(_track(goal, rows[["month", "estimate", "low", "high"]], as_of))
    return found


def _track(goal: Goal, rows: pd.DataFrame, as_of: dt.date) -> Progress:
    nan = float("nan")
    upwards = goal.target > goal.start
    month = goal.deadline.strftime("%Y-%m")
    reached = rows[rows["month"] <= month]["estimate"]
    if goal.deadline <= as_of:
        done = bool(len(reached)) and bool(
            reached.iloc[-1] >= goal.target if upwards else reached.iloc[-1] <= goal.target
        )
        return Progress(goal, rows, nan, nan, nan, float(done) if len(reached) else nan)
    if len(rows) < FEWEST_MONTHS:
        return Progress(goal, rows, nan, nan, nan, nan)
    at = np.array([_count(value) for value in rows["month"]], float)
    errors = ((rows["high"] - rows["low"]) / 3.92).to_numpy(float)
    usable = np.isfinite(errors) & (errors > 0)
    weights = np.where(usable, errors, np.nanmedian(errors[usable]) if usable.any() else 1.0) ** -2.0
    fitted = WLS(rows["estimate"].to_numpy(float), add_constant(at), weights=weights / weights.mean()).fit()
    predicted = fitted.get_prediction([[1.0, _count(month)]])
    centre, error = float(predicted.predicted_mean[0]), float(predicted.se_obs[0])
    below, above = predicted.conf_int(obs=True)[0]
    df = float(fitted.df_resid)
    beyond = float(t.sf((goal.target - centre) / error, df)) if error > 0 else float(centre >= goal.target)
    return Progress(goal, rows, centre, float(below), float(above), beyond if upwards else 1 - beyond)


def _count(month: str) -> int:
    """Months since year 0."""
    year, number = month.split("-")
    return 12 * int(year) + int(number)
