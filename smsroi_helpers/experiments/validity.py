"""Whether an experiment can be believed: its split, its assignment, its arms' past, who was treated, who sat elsewhere.

A broken experiment shows no effect: every problem named here stands in place of the numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, chisquare

from smsroi_helpers.experiments.registry import Experiment, moments_of
from smsroi_helpers.locale import _, listed, number, percent
from smsroi_helpers.pages import metric_words, p_words
from smsroi_helpers.statistics import adjust, difference_of_means, sequential_split

__all__ = [
    "SPLIT_ALPHA",
    "Split",
    "Trust",
    "check",
    "check_balance",
    "check_overlaps",
    "check_split",
    "locate_split",
]

SPLIT_ALPHA = 0.01
"""Below it the arms did not come in the planned shares. Sound tests are called broken once in a hundred."""
BALANCE_ALPHA = 0.001
"""Below it the arms differed before anything happened. Far stricter than the split's: the past is looked at again at
every run, and a small difference is taken out by the covariate."""
LATE_SHARE = 0.01
"""More assignments than this after the last outcome that counts: the log of assignments is not what it says."""
LEAST_CONTRAST = 0.5
"""Below it, control and treatment were messaged so alike that the test answers another question."""
_FEWEST_EXPECTED = 5


@dataclass(frozen=True)
class Split:
    """Whether the customers came in the planned shares."""

    p_value: float
    method: Literal["chi_squared", "sequential"]
    """`sequential` while the experiment runs and is looked at again and again, and where customers are few."""

    @property
    def broken(self) -> bool:
        """Whether they did not."""
        return bool(self.p_value < SPLIT_ALPHA)


@dataclass(frozen=True)
class Trust:
    """What was found of one experiment."""

    split: Split
    problems: tuple[str, ...]
    """Each breaks the test; in the reader's words."""
    remarks: tuple[str, ...]
    """What to know, which breaks nothing."""
    control_messaged: float = float("nan")
    """Share of the control's customers who were messaged although nobody should have been; NaN where that was meant."""
    contrast: float = float("nan")
    """(share messaged in the treated arms − in the control) ÷ share in the treated: what contamination leaves."""
    control_treated_too: bool = True
    """Whether the control gets messages as well, so that opting out is possible in every arm."""
    balance: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of `check_balance`."""

    @property
    def broken(self) -> bool:
        """Whether the experiment can show nothing."""
        return bool(self.problems)


# --- the split -------------------------------------------------------------------------------------------------------


def check_split(experiment: Experiment) -> Split:
    """The total split, tested once where the experiment has ended, and by a test that may be asked daily while it runs.

    Arms that nobody is in count like any other. χ² needs five customers expected in each arm; where fewer are, the
    sequential test stands in, which holds at any size.
    """
    planned = experiment.shares > 0
    counts = experiment.customers[planned]
    shares = experiment.shares[planned]
    if counts.sum() == 0:
        return Split(float("nan"), "sequential")
    expected = shares * counts.sum()
    if experiment.customers[~planned].sum() > 0:
        return Split(0.0, "chi_squared")
    if experiment.state == "ended" and expected.min() >= _FEWEST_EXPECTED:
        return Split(float(chisquare(counts, expected).pvalue), "chi_squared")
    by_day = _by_day(experiment)[[arm for arm, meant in zip(experiment.arms, planned, strict=True) if meant]]
    return Split(float(sequential_split(by_day.to_numpy(), shares)[-1]), "sequential")


def _by_day(experiment: Experiment) -> pd.DataFrame:
    """Day × arm: customers assigned, in time to have an outcome."""
    rows = experiment.assigned.assign(n=experiment.assigned["n"] - experiment.assigned["late"])
    wide = rows.pivot_table(index="day", columns="arm", values="n", aggfunc="sum", fill_value=0)
    return wide.reindex(columns=list(experiment.arms), fill_value=0).sort_index()


def locate_split(cells: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Where a split went wrong: each day's or segment's own test. It locates and proves nothing.

    Args:
        cells: name (of the day or segment), arm, n.
        experiment: whose planned shares.

    Returns:
        name, customers, share (of the arm that deviates most), planned, arm, adjusted_p (Benjamini–Hochberg). Those
        with fewer than five customers expected in an arm are left out.
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


# --- the past --------------------------------------------------------------------------------------------------------


def check_balance(experiment: Experiment, counted: pd.DataFrame) -> pd.DataFrame:
    """How the arms differed in the time before the assignment, which no treatment can have changed.

    Args:
        experiment: which.
        counted: of `experiments.count_outcomes`.

    Returns:
        metric (of the past: orders, revenue, profit), arm, customers (whose past is known), mean, control_mean,
        difference, low, high, p_value, adjusted_p (Holm); empty where the log does not reach back.
    """
    rows = []
    for metric in ("order_rate", "revenue", "profit"):
        if f"{metric}__sum_x" not in counted.columns:
            continue
        sums = moments_of(counted, experiment.name, metric).groupby("arm")[["n_known", "sum_x", "sum_x2"]].sum()
        sums = sums.reindex(list(experiment.arms)).fillna(0.0)
        control = sums.loc[experiment.control].to_numpy(float)
        for arm in experiment.treated:
            own = sums.loc[arm].to_numpy(float)
            if min(own[0], control[0]) < 2:
                continue
            found = difference_of_means(tuple(own[:, None]), tuple(control[:, None]))
            rows.append({
                "metric": metric, "arm": arm, "customers": own[0], "mean": own[1] / own[0],
                "control_mean": control[1] / control[0], "difference": found.estimate[0], "low": found.low[0],
                "high": found.high[0], "p_value": found.p_value[0],
            })  # fmt: skip
    columns = ["metric", "arm", "customers", "mean", "control_mean", "difference", "low", "high", "p_value"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(adjusted_p=adjust(frame["p_value"].to_numpy(float), "holm"))


# --- who was treated, and who sat elsewhere --------------------------------------------------------------------------


def _messaged(experiment: Experiment, exposure: pd.DataFrame) -> tuple[float, float]:
    """Share of the treated arms' and of the control's customers messaged, in the channel in which they differ most."""
    own = exposure[exposure["experiment_id"] == experiment.name]
    if not len(own):
        return float("nan"), float("nan")
    wide = own.pivot_table(index="channel", columns="arm", values="messaged", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=list(experiment.arms), fill_value=0).to_numpy(float)
    n = experiment.customers
    with np.errstate(divide="ignore", invalid="ignore"):
        treated, control = wide[:, 1:].sum(axis=1) / n[1:].sum(), wide[:, 0] / n[0]
    at = int(np.nanargmax(np.nan_to_num(treated - control, nan=-1.0)))
    return float(treated[at]), float(control[at])


def _control_is_left_alone(experiment: Experiment) -> bool:
    """Whether the control was meant to get no message."""
    if experiment.kind == "holdout":
        return True
    dose = experiment.plan.get("messages_per_week")
    return experiment.kind == "frequency" and dose is not None and dose.get(experiment.control) == 0


def check_overlaps(overlaps: pd.DataFrame, experiments: Sequence[Experiment]) -> pd.DataFrame:
    """The map of who sat in two experiments at once, and whether the one's arms tell something of the other's.

    Args:
        overlaps: of `experiments.count_overlaps`.
        experiments: all of them.

    Returns:
        one, two (names), customers in both, share (of the smaller one's customers), p_value of the arms being
        independent; NaN where one arm alone can be in the other experiment. Pairs whose times do not meet are left out.
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
        p = float(chi2_contingency(table, correction=False).pvalue) if min(table.shape) > 1 else float("nan")
        rows.append({
            "one": one.name, "two": two.name, "customers": table.sum(), "share": table.sum() / smaller, "p_value": p,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["one", "two", "customers", "share", "p_value"])


# --- all of it -------------------------------------------------------------------------------------------------------


def check(experiment: Experiment, counted: pd.DataFrame, exposure: pd.DataFrame, overlaps: pd.DataFrame) -> Trust:
    """Everything that can make an experiment's numbers untrue, in words.

    Args:
        experiment: which.
        counted: of `experiments.count_outcomes`.
        exposure: of `experiments.count_exposure`; empty where the source has no messages.
        overlaps: of `check_overlaps`.
    """
    problems, remarks = [], []
    n, total = experiment.customers, experiment.customers.sum()
    empty = [arm for arm, people in zip(experiment.arms, n, strict=True) if people == 0]
    if empty:
        problems.append(_("nobody is in {arms}").format(arms=listed(empty)))
    split = check_split(experiment)
    if split.broken:
        problems.append(_split_words(experiment, split))
    every = experiment.assigned["n"].sum()
    late, early = (int(experiment.assigned[name].sum()) for name in ("late", "early"))
    if late > LATE_SHARE * every:
        problems.append(
            _("{n} of {all} customers were assigned after the last outcome that counts").format(
                n=number(late), all=number(every)
            )
        )
    elif late:
        remarks.append(
            _("{n} customers were assigned too late to have an outcome, and are left out").format(n=number(late))
        )
    if early:
        remarks.append(_("{n} customers were assigned before the test began").format(n=number(early)))
    balance = check_balance(experiment, counted)
    worst = balance["adjusted_p"].min() if len(balance) else float("nan")
    if worst < BALANCE_ALPHA:
        row = balance.loc[balance["adjusted_p"].idxmin()]
        problems.append(
            _("{arm} and {control} differed before the test already ({metric} before the assignment, p {p})").format(
                arm=row["arm"], control=experiment.control, metric=metric_words(row["metric"]), p=p_words(worst)
            )
        )
    treated, control = _messaged(experiment, exposure)
    alone = _control_is_left_alone(experiment)
    contrast = (treated - control) / treated if alone and treated > 0 else float("nan")
    if alone and total and np.isfinite(contrast):
        words = _("{share} of {control} were messaged although they were to be left alone").format(
            share=percent(control, 1), control=experiment.control
        )
        if contrast < LEAST_CONTRAST:
            problems.append(words)
        elif control > LATE_SHARE:
            remarks.append(
                _("{words}: the difference shown is about {left} of what a clean control would show").format(
                    words=words, left=percent(contrast)
                )
            )
    elif alone and treated == 0:
        problems.append(_("nobody in the treated arms was messaged"))
    for row in overlaps.itertuples():
        if experiment.name in (row.one, row.two) and row.p_value < SPLIT_ALPHA:
            other = row.two if row.one == experiment.name else row.one
            remarks.append(
                _("who is in which arm hangs together with the arms of {other} (p {p}): the two effects mix").format(
                    other=other, p=p_words(row.p_value)
                )
            )
    return Trust(
        split=split, problems=tuple(problems), remarks=tuple(remarks), contrast=contrast, balance=balance,
        control_messaged=control if alone else float("nan"),
        control_treated_too=bool(not alone and (np.isnan(control) or control > 0.5 * treated)),
    )  # fmt: skip


def _split_words(experiment: Experiment, split: Split) -> str:
    n = experiment.customers
    share = n / n.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(n - experiment.shares * n.sum()) / np.sqrt(experiment.shares * n.sum())
    at = int(np.argmax(np.where(np.isfinite(off), off, np.inf)))
    words = _("the split is not the planned one: {arm} has {share} of the customers instead of {planned} (p {p})")
    return words.format(
        arm=experiment.arms[at], share=percent(share[at], 2), planned=percent(experiment.shares[at], 2),
        p=p_words(split.p_value),
    )  # fmt: skip
