"""The response rate over the week, estimated from an experiment's arms or from observational data."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

import ibis
import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import f, t

from smsroi_helpers.segmentation import (
    EVERYBODY,
    Covariates,
    count_subscribers,
    find_covariates,
    known_cuts,
    resolve,
    segment_order,
)
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import (
    GROUPS,
    Floats,
    Transport,
    adjust,
    carry_over,
    find_transport,
    group_cells,
    uncovered_sd,
)
from smsroi_helpers.timing.basis import WEEKDAY_COLUMNS, design
from smsroi_helpers.timing.counts import (
    Sends,
    TimingTest,
    count_log,
    count_log_people,
    count_test,
    count_test_members,
    count_test_people,
    log_scores,
)
from smsroi_helpers.timing.response_curve import Curves, fit_curves, group_scores, join_curves

__all__ = [
    "ALL",
    "DF",
    "FEWEST_EVENTS",
    "HourResponse",
    "columns_of",
    "estimate_from_log",
    "estimate_from_test",
    "fit_cells",
    "hours_differ_p",
    "mean_rate",
    "observational_gap",
    "rate_by_hour",
    "rate_by_hour_at_level",
    "smoothness_p",
    "t_quantile",
    "weekdays_differ_p",
    "widened",
]

ALL = "all"
DF = GROUPS - 1
_KEYS = ["weekday", "hour", "until", "group"]
FEWEST_EVENTS = 20
"""With fewer events in all, no curve is fitted."""


@dataclass(frozen=True)
class HourResponse:
    """Response curves over the week from one kind of evidence: by segment, and of all customers."""

    evidence: Literal["randomised", "observational"]
    cells: pd.DataFrame
    by_segment: Curves
    everybody: Curves
    windows: pd.DataFrame
    """hour, until: the windows tested (or in the log), in order."""
    people: pd.DataFrame = field(repr=False)
    """segment, customers."""
    transport: Transport | None = field(default=None, repr=False)
    """How a test's members were weighted to be like today's subscribers; None where they were not."""
    weighted: pd.DataFrame | None = field(default=None, repr=False)
    """The cells of all of today's subscribers; None where they are `cells`, which are the test's own."""

    def customers(self, segment: str) -> int:
        """The number of customers behind a segment's curve."""
        if self.transport is not None and segment in self.transport.names and not self.transport.own(segment):
            return int(self.transport.segments.set_index("segment").loc[segment, "then"])
        rows = self.people if segment == ALL else self.people[self.people["segment"] == segment]
        return int(rows["customers"].sum())

    def curves(self, segment: str) -> Curves:
        """The curves that include a segment, or those of all customers."""
        return self.everybody if segment == ALL else self.by_segment

    def overlap(self, segment: str) -> float:
        """Share (0–1) of today's subscribers of a segment (or `all`) whom the test covers; 1 without a test."""
        return 1.0 if self.transport is None else self.transport.overlap(segment)

    def logits(self, segment: str, x: Floats) -> tuple[Floats, Floats]:
        """As `Curves.logits`, with the error of the level for today's subscribers whom the test does not cover."""
        centre, joint = self.curves(segment).logits(segment, x)
        return centre, joint + uncovered_sd(self.overlap(segment)) ** 2

    @property
    def segments(self) -> tuple[str, ...]:
        """All customers first, then the segments; one group of everybody is no segment."""
        return (ALL, *(name for name in self.by_segment.segments if name != EVERYBODY))


# --- estimation ------------------------------------------------------------------------------------------------------


def _pool_segments(cells: pd.DataFrame) -> pd.DataFrame:
    return cells.assign(segment=ALL)


def fit_cells(
    cells: pd.DataFrame, everybody: pd.DataFrame | None = None, borrowed: Collection[str] = ()
) -> tuple[Curves, Curves]:
    """The curves of the segments and of all customers, from cells that carry the group of customers.

    Args:
        cells: of the segments.
        everybody: of all customers; None where they are the sum of `cells`.
        borrowed: segments whose cells are those of the others' members, weighted: each has a curve of its own, since
            pooled with the others it would count the same customers twice.
    """
    names = list(dict.fromkeys(cells["segment"]))
    own = [name for name in names if name not in borrowed]
    parts = [part for part in (own, *([name] for name in names if name in borrowed)) if part]
    rows = [cells[cells["segment"].isin(part)] for part in parts]
    fitted = [
        fit_curves(each, group_scores(each, "clicks", "messages", part)) for part, each in zip(parts, rows, strict=True)
    ]
    by_segment = join_curves(fitted, names)
    pooled = _pool_segments(cells if everybody is None else everybody)
    return by_segment, fit_curves(pooled, group_scores(pooled, "clicks", "messages", [ALL]))


def _ordered(cells: pd.DataFrame, segment_by: str) -> pd.DataFrame:
    names = segment_order(segment_by, list(cells["segment"].unique()))
    at = {name: i for i, name in enumerate(names)}
    return cells.sort_values("segment", key=lambda column: column.map(at), kind="stable", ignore_index=True)


def widened(by_segment: Curves, everybody: Curves, transport: Transport, between: Floats) -> tuple[Curves, Curves]:
    """The curves with the error for today's members whom a test does not cover.

    The curve of a segment's uncovered members is taken to differ from that of its covered ones as groups of the test's
    members with other covariates differ. Those of all segments may be of one kind, so for everybody their errors add up
    as if they were one. Their level differs too (`HourResponse.logits`); it multiplies what an hour gains, and its
    error is added there.

    Args:
        by_segment: the curves of the segments.
        everybody: that of all of today's members.
        transport: how the test's members were weighted.
        between: (columns,): the variance of the coefficients between groups of `statistics.group_cells`.
    """
    rows = transport.segments.set_index("segment")
    uncovered = 1 - rows["overlap"].clip(upper=1.0).fillna(1.0)
    share = rows["now"].drop(ALL) / rows.loc[ALL, "now"]
    of_segments = uncovered.reindex(by_segment.segments).fillna(0.0).to_numpy(float) ** 2
    of_all = float((share * uncovered.drop(ALL)).sum()) ** 2
    return (
        dataclasses.replace(
            by_segment, covariance=by_segment.covariance + of_segments[:, None, None] * np.diag(between)
        ),
        dataclasses.replace(everybody, covariance=everybody.covariance + of_all * np.diag(between)),
    )


def estimate_from_test(
    shop: Shop, sends: Sends, test: TimingTest, segment_by: str, channel: str = ""
) -> HourResponse | None:
    """Estimate the response from an experiment; None with too few responses, or with one hour only.

    The test's members are weighted to be like today's subscribers of each segment (`statistics.transport`).

    Args:
        shop: the company.
        sends: of `counts.collect_sends`.
        test: the experiment.
        segment_by: which grouping.
        channel: of the texts whose clicks are a covariate; empty as for `measures.choose_channel`.
    """
    covariates = find_covariates(shop, known_cuts(shop), test.experiment.started, channel)
    by_covariates = count_test(shop, sends, test, segment_by, covariates)
    cells = by_covariates.drop(columns="cell").groupby([*_KEYS, "segment", "stratum"], as_index=False).sum()
    if not len(cells) or cells["clicks"].sum() < FEWEST_EVENTS or cells["hour"].nunique() < 2:
        return None
    cells = _ordered(cells, segment_by)
    windows = test.windows[["hour", "until"]].drop_duplicates().reset_index(drop=True)
    response = HourResponse("randomised", cells, *fit_cells(cells), windows, count_test_people(shop, test, segment_by))
    members = count_test_members(shop, test.experiment, segment_by, covariates)
    return carry_response(shop, response, by_covariates, members, segment_by, covariates)


def carry_response(
    shop: Shop, response: HourResponse, cells: pd.DataFrame, members: pd.DataFrame, segment_by: str,
    covariates: Covariates,
) -> HourResponse:  # fmt: skip
    """A test's response with its members weighted to be like today's subscribers; as it is without subscribers.

    Args:
        shop: the company.
        response: of the test's own members.
        cells: as `response.cells`, with cell.
        members: of `counts.count_test_members`.
        segment_by: which grouping.
        covariates: by which members and subscribers are alike.
    """
    now = count_subscribers(shop, resolve(shop, segment_by), covariates)
    if not now["n"].sum():
        return response
    transport = find_transport(members, now)
    carried, weighted = carry_over(cells, transport, [*_KEYS, "stratum"])
    carried = _ordered(carried, segment_by)
    between = fit_cells(cells.assign(segment=cells["cell"].map(group_cells(members))))[0].between
    borrowed = [name for name in transport.names if not transport.own(name)]
    by_segment, everybody = widened(*fit_cells(carried, weighted, borrowed), transport, between)
    return dataclasses.replace(
        response, by_segment=by_segment, everybody=everybody, transport=transport, weighted=weighted
    )


def estimate_from_log(shop: Shop, sends: Sends, segment_by: str, weeks: int) -> HourResponse | None:
    """Estimate the response from the log, comparing hours within campaigns; None as for `estimate_from_test`.

    Args:
        shop: the company.
        sends: of `counts.collect_sends`.
        segment_by: which grouping, as of the day before the first day read.
        weeks: how many weeks of the log are read.
    """
    cells, kept = count_log(shop, sends, segment_by, weeks)
    cells = _ordered(cells, segment_by)
    if not len(cells) or cells["clicks"].sum() < FEWEST_EVENTS or cells["hour"].nunique() < 2:
        return None
    names = tuple(dict.fromkeys(cells["segment"]))
    by_segment = fit_curves(cells, log_scores(shop, kept, "clicks", "messages", names))
    # All customers: a stratum is still a campaign within a segment, so that segments do not confound the hours.
    pooled = cells.assign(stratum=cells["segment"] + "\x1f" + cells["stratum"].astype(str), segment=ALL)
    pooled_cells = kept.mutate(stratum=kept.segment + "\x1f" + kept.stratum, segment=ibis.literal(ALL))
    everybody = fit_curves(pooled, log_scores(shop, pooled_cells, "clicks", "messages", (ALL,)))
    used = cells.groupby(["hour", "until"], as_index=False)["messages"].sum()
    windows = used[used["messages"] >= 0.002 * used["messages"].sum()][["hour", "until"]].reset_index(drop=True)
    people = count_log_people(shop, sends, segment_by, weeks)
    return HourResponse("observational", cells, by_segment, everybody, windows, people)


# --- rates -----------------------------------------------------------------------------------------------------------


def columns_of(windows: pd.DataFrame) -> Floats:
    """The design matrix of windows on an average weekday."""
    x = design(windows.assign(weekday=0))
    x[:, -WEEKDAY_COLUMNS:] = 0.0
    return x


def rate_by_hour(response: HourResponse, segment: str, windows: pd.DataFrame | None = None) -> pd.DataFrame:
    """The smooth curve: hour, until, rate, low, high (95 %, each hour by itself), on an average weekday."""
    windows = response.windows if windows is None else windows
    centre, joint = response.logits(segment, columns_of(windows))
    half_width = t_quantile() * np.sqrt(np.diag(joint))
    return windows.assign(rate=expit(centre), low=expit(centre - half_width), high=expit(centre + half_width))


def rate_by_hour_at_level(response: HourResponse, segment: str) -> pd.DataFrame:
    """The curve as of `rate_by_hour`, with limits of each hour against the mean of all hours, held fixed.

    They show which hours differ. How many respond on average is known less well, above all where the test does not
    cover today's subscribers, and would hide it.
    """
    windows = response.windows
    centre, joint = response.logits(segment, columns_of(windows))
    against_mean = np.eye(len(centre)) - 1 / len(centre)
    half_width = t_quantile() * np.sqrt(np.maximum(np.diag(against_mean @ joint @ against_mean.T), 0.0))
    return windows.assign(rate=expit(centre), low=expit(centre - half_width), high=expit(centre + half_width))


def mean_rate(response: HourResponse, segment: str) -> tuple[float, float, float]:
    """The rate at the mean (on the logit scale) of all hours tested, with 95 % limits."""
    centre, joint = response.logits(segment, columns_of(response.windows))
    value, half_width = float(centre.mean()), t_quantile() * float(np.sqrt(joint.mean()))
    return float(expit(value)), float(expit(value - half_width)), float(expit(value + half_width))


def t_quantile() -> float:
    """Student's t for a 95 % interval, with one degree of freedom fewer than groups of customers."""
    return float(t.ppf(0.975, DF))


def hours_differ_p(response: HourResponse) -> float:
    """The p-value for no difference between the hours tested, within strata."""
    return _differ_p(response.cells, ["segment", "stratum"], ["hour", "until"], response.everybody.dispersion[0, 0])


def weekdays_differ_p(response: HourResponse, segment: str = ALL) -> float:
    """The p-value for no difference between weekdays, within strata and hours, of one segment or of all customers."""
    cells = response.cells if segment == ALL else response.cells[response.cells["segment"] == segment]
    curves = response.curves(segment)
    dispersion = curves.dispersion[curves.index(segment), 1]
    return _differ_p(cells, ["segment", "stratum", "hour", "until"], ["weekday"], dispersion)


def _differ_p(cells: pd.DataFrame, strata: list[str], by: list[str], dispersion: float) -> float:
    """The p-value for no difference in response between the levels of `by` within strata; NaN where none is compared.

    Rao's score test, divided by the dispersion of customers relative to independent messages (Rao & Scott 1981, first
    order). Its reference is F with `DF` denominator degrees of freedom. With one message per customer in one stratum
    the statistic is Pearson's χ².
    """
    rows = cells.groupby([*strata, *by], as_index=False)[["clicks", "messages"]].sum()
    inside = rows.groupby(strata)[["clicks", "messages"]].transform("sum")
    used = (inside["clicks"] > 0) & (inside["clicks"] < inside["messages"]) & (rows["messages"] > 0)
    rows, inside = rows[used], inside[used]
    if not len(rows):
        return float("nan")
    stratum = rows.groupby(strata).ngroup().to_numpy(int)
    level = rows.groupby(by).ngroup().to_numpy(int)
    levels = int(level.max()) + 1
    p = (inside["clicks"] / inside["messages"]).to_numpy(float)
    m = rows["messages"].to_numpy(float)
    score = np.bincount(level, rows["clicks"].to_numpy(float) - m * p, levels)
    weight = np.zeros((int(stratum.max()) + 1, levels))
    np.add.at(weight, (stratum, level), m * p * (1 - p))
    information = np.diag(weight.sum(axis=0)) - weight.T @ (weight / weight.sum(axis=1, keepdims=True))
    eigenvalues, eigenvectors = np.linalg.eigh(information)
    kept = eigenvalues > 1e-9 * weight.sum()
    if not kept.any():
        return float("nan")
    statistic = float(((eigenvectors[:, kept].T @ score) ** 2 / eigenvalues[kept]).sum())
    return float(f.sf(statistic / max(dispersion, 1.0) / kept.sum(), kept.sum(), DF))


def smoothness_p(response: HourResponse) -> float:
    """The p-value for the fit of the smooth curve to the counts by hour, over all customers.

    The residuals z = (clicks − expected) ÷ information have covariance V − XCX′ if the model holds; V is the covariance
    of the counts with the customers' dispersion, C that of the curve given the counts. Their quadratic form is a
    prior predictive check (Box 1980, J. R. Statist. Soc. A 143:383). It is valid for one stratum, as in an experiment.
    A small value indicates a peak that is narrower than the curve can represent. NaN where nobody or everybody
    responded, and where the curve fits exactly because few hours were tested.
    """
    keys = ["hour", "until"]
    cells = response.cells if response.weighted is None else response.weighted
    rows = cells.groupby([*keys, "weekday"], as_index=False)[["clicks", "messages"]].sum()
    rows = rows[rows["messages"] > 0]
    eta = design(rows) @ response.everybody.mean[0]
    k, m = rows["clicks"].to_numpy(float), rows["messages"].to_numpy(float)
    if not 0 < k.sum() < m.sum():
        return float("nan")
    p = expit(eta + brentq(lambda level: k.sum() - m @ expit(eta + level), -30, 30))
    hours = rows[keys].drop_duplicates().sort_values(keys)
    hour = rows.groupby(keys).ngroup().to_numpy(int)
    information = np.bincount(hour, m * p * (1 - p))
    left = np.bincount(hour, k - m * p) / information
    x = columns_of(hours)
    alone = response.everybody.dispersion[0, 0] / information
    covariance = np.diag(alone) - x @ response.everybody.covariance[0] @ x.T
    # The mean over the hours belongs to the level, not to the curve.
    contrast = np.linalg.qr(np.eye(len(hours))[:, :-1] - 1 / len(hours))[0].T
    left, covariance = contrast @ left, contrast @ covariance @ contrast.T
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    kept = eigenvalues > 0.01 * alone.mean()  # in the other directions the curve fits exactly: no residual
    if not kept.any():
        return float("nan")
    statistic = float(((eigenvectors[:, kept].T @ left) ** 2 / eigenvalues[kept]).sum())
    return float(f.sf(statistic / kept.sum(), kept.sum(), DF))


# --- confounding -----------------------------------------------------------------------------------------------------


def observational_gap(randomised: HourResponse, observational: HourResponse, segment: str = ALL) -> pd.DataFrame:
    """The observational estimate of changing the hour less the experiment's, for hours in both.

    Each is the change in the response rate if texts move from the reference hour to another. The reference is the hour
    with most texts in the log.

    Returns:
        hour, until, reference (the hour compared with); records, lot (observational and randomised
        response there − at the reference, per message), gap, low, high (95 %; the two count as independent, since the
        experiment's messages are not in the observational data), adjusted_p (Holm's, for no gap). No rows if fewer than
        two hours are in both.
    """
    columns = ["hour", "until", "reference", "records", "lot", "gap", "low", "high", "adjusted_p"]
    cells = observational.cells if segment == ALL else observational.cells[observational.cells["segment"] == segment]
    sent = cells.groupby(["hour", "until"])["messages"].sum()
    common = observational.windows.merge(randomised.windows, on=["hour", "until"])
    if len(common) < 2:
        return pd.DataFrame(columns=columns)
    order = sent.reindex(pd.MultiIndex.from_frame(common)).fillna(0.0).to_numpy(float)
    base = int(order.argmax())
    differences, variances = [], []
    for response in (observational, randomised):
        centre, joint = response.logits(segment, columns_of(common))
        rate = expit(centre)
        slope = rate * (1 - rate)
        of_rates = joint * slope[:, None] * slope
        differences.append(rate - rate[base])
        variances.append(np.diag(of_rates) + of_rates[base, base] - 2 * of_rates[base])
    error = np.sqrt(np.maximum(variances[0] + variances[1], 0.0))
    half_width = t_quantile() * error
    gap = differences[0] - differences[1]
    others = np.arange(len(common)) != base
    p_values = np.ones(len(common))
    p_values[others] = adjust(2 * t.sf(np.abs(gap[others]) / np.maximum(error[others], 1e-12), DF), "holm")
    found = common.assign(
        reference=int(common["hour"].iloc[base]), records=differences[0], lot=differences[1], gap=gap,
        low=gap - half_width, high=gap + half_width, adjusted_p=p_values,
    )  # fmt: skip
    return found[others].reset_index(drop=True)[columns]
