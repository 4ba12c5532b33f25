"""The validity of an experiment: its split, assignment, balance before the start, exposure and overlaps.

No effects are reported for a broken experiment; its problems are reported instead. Problems are codes and numbers;
`pages.problem_words` puts them in words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, chisquare

from smsroi_helpers.experiments.registry import Experiment, moments_of
from smsroi_helpers.statistics import adjust, compare, covariate_moments, estimate_means, sequential_split

__all__ = [
    "SPLIT_ALPHA",
    "Problem",
    "ProblemKind",
    "Split",
    "Validity",
    "arms_without_messages",
    "check",
    "check_balance",
    "check_overlaps",
    "check_split",
    "locate_split",
]

SPLIT_ALPHA = 0.01
"""Below this p-value there is a sample-ratio mismatch. One valid test in a hundred is called broken."""
BALANCE_ALPHA = 0.001
"""Below this p-value the arms differed before the assignment. It is stricter than for the split, because balance is
tested again at every run and the covariate adjusts for small differences."""
LATE_SHARE = 0.01
"""With a larger share of assignments after the outcome window, the log of assignments is taken to be wrong."""
MIXED_SHARE = 0.01
"""With a larger share of customers in clusters that have customers in two arms, the clusters were not what was
assigned."""
LEAST_CONTRAST = 0.5
"""Below this contrast (of frequencies: below this share of the planned one), the arms were messaged too similarly for
the test to show the effect."""
_FEWEST_EXPECTED = 5


@dataclass(frozen=True)
class Split:
    """The test for a sample-ratio mismatch: whether the arms have the planned shares."""

    p_value: float
    method: Literal["chi_squared", "sequential"]
    """`sequential` while the experiment runs and is tested repeatedly, and where customers are few."""

    @property
    def broken(self) -> bool:
        """Whether there is a sample-ratio mismatch."""
        return bool(self.p_value < SPLIT_ALPHA)


ProblemKind = Literal[
    "empty_arms", "split", "mixed_clusters", "assigned_late", "assigned_early", "unbalanced", "control_messaged",
    "not_messaged", "sent_alike", "overlap", "orders_without_times",
]  # fmt: skip
"""Problems of an experiment: an arm without customers; a sample-ratio mismatch; clusters (households, stores) with
customers in two arms, so that an arm's customers live with the other's treatment; customers assigned after the outcome
window, or before the start; arms that differed before the assignment; a control that was messaged; treated arms that
were not; arms that were to get different numbers of messages and got about as many; arms that depend on another
experiment's; orders of the assignment's day that may have come before it, since orders carry dates only."""


@dataclass(frozen=True)
class Problem:
    """One problem with its numbers; fields that a kind does not need stay empty."""

    kind: ProblemKind
    breaks: bool
    """Whether it makes the experiment's effects invalid."""
    arms: tuple[str, ...] = ()
    """The arms concerned: those without customers, the one whose share is off, or the one that differed."""
    control: str = ""
    other: str = ""
    """The other experiment of an overlap."""
    metric: str = ""
    """The metric in which the arms differed before the assignment."""
    customers: int = 0
    """Assigned too late, or too early."""
    of_customers: int = 0
    """Assigned in all."""
    share: float = float("nan")
    """Of all customers in that arm; of the control's customers who were messaged; of the control's orders (0–1)."""
    planned: float = float("nan")
    """The planned share (0–1)."""
    contrast: float = float("nan")
    """The share of the treatment contrast that remains when some of the control were messaged (0–1)."""
    p_value: float = float("nan")
    clustered: bool = False
    """Whether the share is one of clusters, not of customers."""


@dataclass(frozen=True)
class Validity:
    """The validity of one experiment, with its problems and warnings."""

    split: Split
    problems: tuple[Problem, ...]
    """Problems that break the experiment."""
    warnings: tuple[Problem, ...]
    """Problems that do not break it."""
    control_messaged: float = float("nan")
    """Share of the customers of the arm without texts who were messaged all the same; NaN without such an arm."""
    contrast: float = float("nan")
    """(share messaged in the treated arms − in the control) ÷ share in the treated arms: 1 without contamination."""
    control_treated_too: bool = True
    """Whether the control gets messages too, so that opt-outs are possible in every arm."""
    balance: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of `check_balance`."""

    @property
    def balance_p(self) -> float:
        """The smallest adjusted p-value for balance before the assignment; NaN where the log is too short."""
        return float(self.balance["adjusted_p"].min()) if len(self.balance) else float("nan")

    @property
    def broken(self) -> bool:
        """Whether the experiment's effects are invalid."""
        return bool(self.problems)


# --- the split -------------------------------------------------------------------------------------------------------


def check_split(experiment: Experiment) -> Split:
    """Test the split: by χ² once the experiment has ended, by a sequential test while it runs.

    Units of randomisation are counted: clusters where these were assigned. Arms without customers are included. χ²
    needs five expected units in each arm; with fewer, the sequential test is used, which is valid at any size.
    """
    planned = experiment.shares > 0
    counts = experiment.units[planned]
    shares = experiment.shares[planned]
    if counts.sum() == 0:
        return Split(float("nan"), "sequential")
    expected = shares * counts.sum()
    if experiment.units[~planned].sum() > 0:
        return Split(0.0, "chi_squared")
    if experiment.state == "ended" and expected.min() >= _FEWEST_EXPECTED:
        return Split(float(chisquare(counts, expected).pvalue), "chi_squared")
    by_day = _by_day(experiment)[[arm for arm, meant in zip(experiment.arms, planned, strict=True) if meant]]
    return Split(float(sequential_split(by_day.to_numpy(), shares)[-1]), "sequential")


def _by_day(experiment: Experiment) -> pd.DataFrame:
    """Day × arm: units assigned, in time to have an outcome."""
    wide = experiment.randomised.pivot_table(index="day", columns="arm", values="n", aggfunc="sum", fill_value=0)
    return wide.reindex(columns=list(experiment.arms), fill_value=0).sort_index()


def locate_split(cells: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Locate a sample-ratio mismatch by testing each day or segment. The result is exploratory.

    Args:
        cells: name (of the day or segment), arm, n.
        experiment: for its planned shares.

    Returns:
        name, customers (or clusters, where these were assigned), share (of the arm that deviates most), planned, arm,
        adjusted_p (Benjamini–Hochberg). Those with fewer than five expected in an arm are left out.
    """
    wide = cells.pivot_table(index="name", columns="arm", values="n", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=list(experiment.arms), fill_value=0)
    rows = []
    for name, counts in zip(wide.index, wide.to_numpy(float), strict=True):
        expected = experiment.shares * counts.sum()
        if expected.min() < _FEWEST_EXPECTED:
            continue
        worst = int(np.argmax(np.abs(counts - expected) / np.sqrt(expected)))
        rows.append({
            "name": name, "customers": counts.sum(), "arm": experiment.arms[worst],
            "share": counts[worst] / counts.sum(), "planned": experiment.shares[worst],
            "p_value": float(chisquare(counts, expected).pvalue),
        })  # fmt: skip
    columns = ["name", "customers", "arm", "share", "planned", "p_value"]
    found = pd.DataFrame(rows, columns=columns)
    return found.assign(adjusted_p=adjust(found["p_value"].to_numpy(float), "benjamini_hochberg"))


# --- balance ---------------------------------------------------------------------------------------------------------


def check_balance(experiment: Experiment, counted: pd.DataFrame) -> pd.DataFrame:
    """Differences between arms before the assignment, where no treatment can have had an effect.

    Args:
        experiment: which.
        counted: of `experiments.count_outcomes`.

    Returns:
        metric (before the assignment: order rate, revenue, profit), arm, customers (with a known past), mean,
        control_mean, difference, low, high, p_value, adjusted_p (Holm); empty where the log is too short.
    """
    rows = []
    for metric in ("order_rate", "revenue", "profit"):
        if f"{metric}__sum_x" not in counted.columns:
            continue
        before = covariate_moments(moments_of(counted, experiment.name, metric), by_unit=experiment.clustered)
        if not before["n"].sum():
            continue
        arms = estimate_means(before, experiment.arms)
        found = compare(arms, experiment.control)
        for place, arm in enumerate(experiment.arms):
            if not place or min(arms.customers[place], arms.customers[0]) < 2:
                continue
            rows.append({
                "metric": metric, "arm": arm, "customers": arms.customers[place], "mean": arms.mean[place],
                "control_mean": arms.mean[0], "difference": arms.mean[place] - arms.mean[0], "low": found.low[place],
                "high": found.high[place], "p_value": found.p_value[place],
            })  # fmt: skip
    columns = ["metric", "arm", "customers", "mean", "control_mean", "difference", "low", "high", "p_value"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(adjusted_p=adjust(frame["p_value"].to_numpy(float), "holm"))


# --- exposure and overlaps -------------------------------------------------------------------------------------------


def _messaged(experiment: Experiment, exposure: pd.DataFrame, untreated: int) -> tuple[float, float]:
    """Shares of the other arms' and of the untreated arm's customers messaged, in the channel that differs most."""
    own = exposure[exposure["experiment_id"] == experiment.name]
    if not len(own):
        return float("nan"), float("nan")
    wide = own.pivot_table(index="channel", columns="arm", values="messaged", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=list(experiment.arms), fill_value=0).to_numpy(float)
    n = experiment.customers
    with np.errstate(divide="ignore", invalid="ignore"):
        others = np.arange(len(n)) != untreated
        treated, control = wide[:, others].sum(axis=1) / n[others].sum(), wide[:, untreated] / n[untreated]
    at = int(np.nanargmax(np.nan_to_num(treated - control, nan=-1.0)))
    return float(treated[at]), float(control[at])


def arms_without_messages(experiment: Experiment) -> tuple[str, ...]:
    """The arms that were planned to get no messages; none where every arm was to get some."""
    if experiment.kind == "holdout":
        return (experiment.control,)
    texts_per_week = experiment.plan.get("messages_per_week")
    if experiment.kind != "frequency" or texts_per_week is None:
        return ()
    return tuple(arm for arm in experiment.arms if texts_per_week.get(arm) == 0)


def check_overlaps(overlaps: pd.DataFrame, experiments: Sequence[Experiment]) -> pd.DataFrame:
    """Customers in two experiments at once, and whether the arms of the two are independent.

    Args:
        overlaps: of `experiments.count_overlaps`.
        experiments: all of them.

    Returns:
        one, two (names), customers in both, share (of the smaller one's customers), p_value of the arms being
        independent; NaN where only one arm can be in the other experiment, and where clusters were assigned, whose
        customers are not independent), clustered. Pairs that did not run at the same time are
        left out.
    """
    rows = []
    for one, two in combinations(experiments, 2):
        if one.last < two.started or two.last < one.started:
            continue
        own = overlaps[
            overlaps["experiment_id"].isin([one.name, two.name]) & overlaps["other_id"].isin([one.name, two.name])
        ]
        if not len(own):
            continue
        table = own.pivot_table(index="arm", columns="other_arm", values="customers", aggfunc="sum", fill_value=0)
        table = table.to_numpy(float)
        smaller = min(one.customers.sum(), two.customers.sum())
        clustered = one.clustered or two.clustered
        testable = min(table.shape) > 1 and not clustered
        p = float(chi2_contingency(table, correction=False).pvalue) if testable else float("nan")
        rows.append({
            "one": one.name, "two": two.name, "customers": table.sum(), "share": table.sum() / smaller, "p_value": p,
            "clustered": clustered,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["one", "two", "customers", "share", "p_value", "clustered"])


# --- all of it -------------------------------------------------------------------------------------------------------


def check(experiment: Experiment, counted: pd.DataFrame, exposure: pd.DataFrame, overlaps: pd.DataFrame) -> Validity:
    """Check an experiment for everything that can bias its effects.

    Args:
        experiment: which.
        counted: of `experiments.count_outcomes`.
        exposure: of `experiments.count_exposure`; empty where the source has no messages.
        overlaps: of `check_overlaps`.
    """
    split = check_split(experiment)
    balance = check_balance(experiment, counted)
    without = arms_without_messages(experiment)
    untreated = experiment.arms.index(without[0]) if without else None
    treated, control = _messaged(experiment, exposure, untreated or 0)
    no_texts_planned = untreated is not None
    contrast = (treated - control) / treated if no_texts_planned and treated > 0 else float("nan")
    found = [
        *_assignment_problems(experiment, split),
        *_balance_problems(experiment, balance),
        *(
            _exposure_problems(experiment, experiment.arms[untreated], treated, control, contrast)
            if untreated is not None
            else ()
        ),
        *_frequency_problems(experiment, exposure),
        *_overlap_problems(experiment, overlaps),
        *_time_problems(experiment, counted),
    ]
    return Validity(
        split=split, problems=tuple(one for one in found if one.breaks),
        warnings=tuple(one for one in found if not one.breaks), contrast=contrast, balance=balance,
        control_messaged=control if no_texts_planned else float("nan"),
        control_treated_too=bool(untreated != 0 and (np.isnan(control) or untreated or control > 0.5 * treated)),
    )  # fmt: skip


def _assignment_problems(experiment: Experiment, split: Split) -> Iterator[Problem]:
    """Problems of the assignment: empty arms, a broken split, late or early customers."""
    n = experiment.units
    empty = tuple(arm for arm, units in zip(experiment.arms, n, strict=True) if units == 0)
    if empty:
        yield Problem("empty_arms", breaks=True, arms=empty)
    if split.broken:
        expected = experiment.shares * n.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.abs(n - expected) / np.sqrt(expected)
        at = int(np.argmax(np.where(np.isfinite(deviation), deviation, np.inf)))
        yield Problem(
            "split", breaks=True, arms=(experiment.arms[at],), share=float(n[at] / n.sum()),
            planned=float(experiment.shares[at]), p_value=split.p_value, clustered=experiment.clustered,
        )  # fmt: skip
    clusters = experiment.clusters
    if clusters is not None and clusters.mixed:
        yield Problem(
            "mixed_clusters", breaks=clusters.mixed_customers > MIXED_SHARE * clusters.customers,
            customers=clusters.mixed_customers, of_customers=clusters.customers, share=clusters.mixed / clusters.count,
        )  # fmt: skip
    every, late, early = (int(experiment.assigned[name].sum()) for name in ("n", "late", "early"))
    if late:
        yield Problem("assigned_late", breaks=late > LATE_SHARE * every, customers=late, of_customers=every)
    if early:
        yield Problem("assigned_early", breaks=False, customers=early, of_customers=every)


def _time_problems(experiment: Experiment, counted: pd.DataFrame) -> Iterator[Problem]:
    """Orders of the assignment's day, where orders carry dates and assignments carry times."""
    if "same_day__sum_y" not in counted.columns:
        return
    sums = moments_of(counted, experiment.name, "same_day").groupby("arm")[["sum_y", "sum_x"]].sum()
    if sums["sum_y"].sum() > 0:
        # A lift is relative to the control's orders, so their share bounds its error.
        same_day, orders = sums.reindex([experiment.control]).fillna(0.0).iloc[0]
        share = float(same_day / orders) if orders else float("nan")
        yield Problem("orders_without_times", breaks=False, control=experiment.control, share=share)


def _balance_problems(experiment: Experiment, balance: pd.DataFrame) -> Iterator[Problem]:
    """The arm that differed most before the assignment, if significantly."""
    if len(balance) and (worst := balance["adjusted_p"].min()) < BALANCE_ALPHA:
        row = balance.loc[balance["adjusted_p"].idxmin()]
        yield Problem(
            "unbalanced", breaks=True, arms=(row["arm"],), control=experiment.control, metric=row["metric"],
            p_value=float(worst),
        )  # fmt: skip


def _exposure_problems(
    experiment: Experiment, untreated: str, treated: float, control: float, contrast: float
) -> Iterator[Problem]:
    """An arm planned without messages was messaged, or the treated arms were not."""
    if experiment.customers.sum() and np.isfinite(contrast):
        breaks = contrast < LEAST_CONTRAST
        if breaks or control > LATE_SHARE:
            yield Problem("control_messaged", breaks=breaks, control=untreated, share=control, contrast=contrast)
    elif treated == 0:
        yield Problem("not_messaged", breaks=True)


def _frequency_problems(experiment: Experiment, exposure: pd.DataFrame) -> Iterator[Problem]:
    """Arms planned with the fewest and the most texts a week, of which the second got hardly more than the first.

    Among all arms, and among those that are texted at all: beside an arm without texts any other seems to differ.
    """
    texts_per_week = experiment.plan.get("messages_per_week")
    own = exposure[exposure["experiment_id"] == experiment.name]
    if experiment.kind != "frequency" or texts_per_week is None or not len(own):
        return
    planned = texts_per_week.reindex(list(experiment.arms)).dropna()
    if planned.nunique() < 2:
        return
    for arms in (planned, planned[planned > 0]):
        if len(set(arms)) > 1 and (found := _sent_alike(experiment, own, arms)):
            yield found
            return


def _sent_alike(experiment: Experiment, own: pd.DataFrame, planned: pd.Series) -> Problem | None:
    """The problem that the arms planned with the fewest and the most texts a week were sent about as many.

    Args:
        experiment: which.
        own: its exposure.
        planned: texts a week by arm, at least two different.
    """
    few, many = str(planned.idxmin()), str(planned.idxmax())
    n = dict(zip(experiment.arms, experiment.customers, strict=True))
    sent = own.pivot_table(index="channel", columns="arm", values="messages", aggfunc="sum", fill_value=0)
    sent = sent.reindex(columns=[few, many], fill_value=0)
    if not n[few] or not n[many] or not sent[many].sum():
        return None
    per_customer = sent.to_numpy(float) / [n[few], n[many]]
    low, high = per_customer[int(np.argmax(per_customer[:, 1] - per_customer[:, 0]))]
    contrast = (1 - low / high) / (1 - planned[few] / planned[many]) if high > 0 else 0.0
    if contrast >= LEAST_CONTRAST:
        return None
    return Problem("sent_alike", breaks=True, arms=(few, many), share=float(low / high) if high else float("nan"))


def _overlap_problems(experiment: Experiment, overlaps: pd.DataFrame) -> Iterator[Problem]:
    """Other experiments whose arms are not independent of this one's."""
    for row in overlaps.itertuples():
        if experiment.name in (row.one, row.two) and row.p_value < SPLIT_ALPHA:
            other = row.two if row.one == experiment.name else row.one
            yield Problem("overlap", breaks=False, other=other, p_value=float(row.p_value))
