"""The tables that `07_retention` saves beside its decisions."""

from collections.abc import Iterator

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import contract
from smsroi_helpers.retention.base_audit import BaseAudit
from smsroi_helpers.retention.decision import decide_win_back
from smsroi_helpers.retention.planning import inactive_customers
from smsroi_helpers.retention.study import Study
from smsroi_helpers.retention.win_back import INACTIVE
from smsroi_helpers.source import Shop

__all__ = [
    "audit_table",
    "cohort_table",
    "survival_table",
    "warnings_table",
    "win_back_customers",
]


def cohort_table(study: Study) -> pd.DataFrame:
    """The table `cohort_retention`: both triangles, with kind (`orders`, `consent`) and settled (see `cohorts`)."""
    parts = [one.rows.assign(kind=one.kept) for one in (study.orders, study.consent) if len(one.rows)]
    columns = ["cohort", "age", "customers", "retained", "rate", "low", "high", "kind", "settled"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def survival_table(study: Study) -> pd.DataFrame:
    """The table `retention_survival`: every step of every curve.

    Returns:
        kind (`custom`, `consent`), by, segment, days, at_risk, survival, low, high.
    """
    parts = [
        curve.steps.assign(kind=found.kind, by=found.by, segment=curve.group)
        for found in study.survivals
        for curve in found.curves
    ]
    columns = ["kind", "by", "segment", "days", "at_risk", "survival", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def audit_table(study: Study) -> pd.DataFrame:
    """The table `customer_base_audit`: lens (1–5), group, measure, customers, value, low, high (NaN: no interval)."""
    rows = [] if study.audit is None else list(_audit_rows(study.audit))
    return pd.DataFrame(rows, columns=["lens", "group", "measure", "customers", "value", "low", "high"])


def _audit_rows(audit: BaseAudit) -> Iterator[tuple[int, str, str, int, float, float, float]]:
    nothing = (np.nan, np.nan)
    for row in audit.tenths.itertuples():
        yield 1, f"tenth {row.tenth}", "share of profit", row.customers, row.share, row.low, row.high
    if audit.periods is not None:
        for row in audit.periods.moves.itertuples():
            yield 2, row.move, "profit moved", row.customers, row.moved, row.low, row.high
    for row in audit.cohort.itertuples():
        group = f"{row.cohort:%Y-%m}, month {row.age}"
        yield 3, group, "share who bought", row.customers, row.share, row.low, row.high
        yield 3, group, "profit per customer", row.customers, row.per_customer, *nothing
    for row in audit.ages.itertuples():
        group = f"{row.cohort:%Y-%m}"
        yield 4, group, f"profit per customer, {audit.age_days} days", row.customers, row.profit, row.low, row.high
        yield 4, group, f"bought again, {audit.age_days} days", row.customers, row.again, row.again_low, row.again_high
    for row in audit.months.itertuples():
        yield 5, f"{row.month:%Y-%m}", "profit", row.customers, row.profit, *nothing
        yield 5, f"{row.month:%Y-%m}", "profit of new customers", row.new, row.new_profit, *nothing


def warnings_table(study: Study) -> pd.DataFrame:
    """The table `warning_quality`: how each warning did on later weeks.

    Returns:
        warning (`alive`, `opt_out` and `no_purchase` of fading clicks), warned_on, weeks, customers, warned, away,
        precision, recall, each with low and high; ranking (area under the ROC curve; NaN for clicks); listed (customers
        on the list of today, as large a share of whom the test warned of; NaN for clicks).
    """
    tests = {**({"alive": study.model.alive.score} if study.model else {}), **study.fading}
    rows = []
    for name, score in tests.items():
        alive = study.model.alive if name == "alive" and study.model else None
        ranking, listed = (alive.ranking, alive.listed) if alive else (np.nan, np.nan)
        numbers = [*score.precision, *score.recall, ranking, listed]
        rows.append([name, score.warned_on, score.weeks, score.customers, score.warned, score.away, *numbers])
    columns = [
        "warning", "warned_on", "weeks", "customers", "warned", "away", "precision", "precision_low", "precision_high",
        "recall", "recall_low", "recall_high", "ranking", "listed",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def win_back_customers(shop: Shop, study: Study) -> ir.Table | pd.DataFrame:
    """The table `win_back_customers` (see `planning.inactive_customers`); without orders it has no rows.

    Customers are drawn for a test where none has decided and there are enough of them for one. Where one has, they are
    of the groups that were in it.
    """
    if study.cuts is None:
        return pd.DataFrame(columns=[*contract.OUTPUTS["win_back_customers"], "arm"], dtype="str")
    found = decide_win_back(study)
    open_ = found.outcome == "not_enough_evidence"
    groups = INACTIVE if open_ or found.row is None else found.row.groups or INACTIVE
    test = open_ and study.plan is not None and study.plan.proposed
    return inactive_customers(shop, study.cuts, test=test, groups=groups, channel=study.channel)
