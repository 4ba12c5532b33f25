"""The moments of outcomes by arm: what means, Welch's test, CUPED and ratio metrics need of any number of customers."""

from collections.abc import Callable, Mapping, Sequence

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import total
from smsroi_helpers.statistics import product_name, products_of, sum_name

__all__ = [
    "CLUSTER",
    "arm_moments",
    "arm_moments_together",
    "unit_of",
]

CLUSTER = "cluster_id"
"""The column of `arm_outcomes` with the household or store that was assigned, where the source has it."""


def unit_of(rows: ir.Table) -> ir.StringValue:
    """The unit of randomisation of each customer: the cluster, or the customer where none is stated."""
    own = ibis.literal("customer:") + rows.customer_id
    return ibis.coalesce(ibis.literal("cluster:") + rows[CLUSTER], own) if CLUSTER in rows.columns else own


def arm_moments(
    outcomes: ir.Table, outcome: str, covariate: str | None = None, by: Sequence[str] = ("experiment_id", "arm")
) -> ir.Table:
    """The moments for means, Welch, CUPED and ratio metrics: one row per arm, however many customers.

    With y the outcome and x the covariate: Welch needs n, Σy, Σy²; CUPED adds Σx, Σx², Σxy; a ratio of sums (clicked
    messages ÷ messages) is y = clicked_messages, x = messages. Where x is null it counts as 0 here, and n_known and
    sum_y_known give the moments of the indicator z = 1 of those customers: Σz = Σz² = n − n_known,
    Σyz = Σy − sum_y_known, Σxz = 0.

    Args:
        outcomes: of `arm_outcomes`, perhaps with further columns to group by.
        outcome: the column y. Customers with a null are in no sum; they are counted as n_unknown.
        covariate: the column x; None for none.
        by: the columns to group by; ("experiment_id", "arm", "assigned_day") stratifies a ramp-up.

    Returns:
        the columns of `by`; n, n_unknown, sum_y, sum_y2; with a covariate also n_known, sum_y_known, sum_x, sum_x2,
        sum_xy. Sorted by `by`.
    """
    sums = _moment_sums(outcomes, outcome, covariate)
    return outcomes.group_by(*by).aggregate(**sums).order_by(*by)


def arm_moments_together(
    outcomes: ir.Table,
    pairs: Mapping[str, tuple[str, str | None]],
    by: Sequence[str] = ("experiment_id", "arm"),
    *,
    attributes: Sequence[str] = (),
    adjusted: Sequence[str] = (),
) -> ir.Table:
    """`arm_moments` of several outcomes in one pass over the customers, with the units of randomisation.

    Where the rows have clusters (`CLUSTER`), or for the pairs in `adjusted`, the sums over units of products are added
    that `statistics.unit_covariance` reads. They add up over cells that share no cluster.

    Args:
        outcomes: of `arm_outcomes`, perhaps with further columns to group by.
        pairs: name → outcome and covariate (None for none).
        by: the columns to group by.
        attributes: further numeric covariates, columns of `outcomes`: a0, a1 … of the products, with b0, b1 … for
            customers of whom they are known.
        adjusted: the names of the pairs with these covariates.

    Returns:
        the columns of `by`; for each name the columns of `arm_moments` as `<name>__n`, `<name>__sum_y` …, and with
        units `<name>__units`, `<name>__unit_n_y` … (`statistics.product_name`) and `<name>__sum_a0` …; sorted by `by`.
    """
    own = {name: attributes if name in adjusted else () for name in pairs}
    by_unit = CLUSTER in outcomes.columns
    variables = {name: _variables(outcomes, *pair, own[name]) for name, pair in pairs.items() if by_unit or own[name]}
    rows = outcomes.mutate(
        **({"randomised_unit": unit_of(outcomes)} if by_unit else {}),
        **{f"{name}__u_{v}": value for name, values in variables.items() for v, value in values.items()},
    )
    sums = {
        f"{name}__{moment}": value
        for name, (outcome, covariate) in pairs.items()
        for moment, value in _moment_sums(rows, outcome, covariate, _plain if by_unit else total).items()
    }
    if by_unit:
        more = {name: rows[name].sum() for name in rows.columns if "__u_" in name}
        rows = rows.group_by(*by, "randomised_unit").aggregate(**sums, **more)
        sums = {name: total(rows[name]) if _is_float(rows, name) else rows[name].sum().cast("int64") for name in sums}
    for name, values in variables.items():
        u = {v: rows[f"{name}__u_{v}"] for v in values}
        sums[f"{name}__units"] = rows.count(where=u["n"] > 0)
        sums |= {f"{name}__{sum_name(v)}": total(u[v]) for v in values if v[0] in "ab"}
        sums |= {f"{name}__{product_name(a, b)}": total(u[a] * u[b]) for a, b in products_of(list(values))}
    return rows.group_by(*by).aggregate(**sums).order_by(*by)


def _plain(amounts: ir.FloatingColumn, **where: ir.BooleanValue) -> ir.FloatingScalar:
    """The sum within a unit, not yet rounded: `total` rounds the sum over units."""
    return amounts.sum(**where)


def _is_float(rows: ir.Table, name: str) -> bool:
    return bool(rows[name].type().is_floating())


def _moment_sums(
    rows: ir.Table, outcome: str, covariate: str | None, add: Callable[..., ir.FloatingScalar] = total
) -> dict[str, ir.Scalar]:
    y = rows[outcome].cast("float64")
    sums = {
        "n": rows.count(where=y.notnull()),
        "n_unknown": rows.count(where=y.isnull()),
        "sum_y": add(y),
        "sum_y2": add(y * y),
    }
    if covariate is not None:
        x = rows[covariate].cast("float64")
        known = y.notnull() & x.notnull()
        sums["n_known"] = rows.count(where=known)
        terms = {"sum_y_known": y, "sum_x": x, "sum_x2": x * x, "sum_xy": x * y}
        sums |= {name: add(term, where=known).fill_null(0.0) for name, term in terms.items()}
    return sums


def _variables(
    rows: ir.Table, outcome: str, covariate: str | None, attributes: Sequence[str]
) -> dict[str, ir.FloatingValue]:
    """Each customer's n (1 where the outcome is known), y, x, k, a0, b0 …; 0 where they are not known."""
    y = rows[outcome].cast("float64")
    found: dict[str, ir.Value] = {"n": y.notnull(), "y": y.fill_null(0.0)}
    more = {("x", "k"): covariate} if covariate is not None else {}
    more |= {(f"a{place}", f"b{place}"): name for place, name in enumerate(attributes)}
    for (value, is_known), name in more.items():
        own = rows[name].cast("float64")
        known = y.notnull() & own.notnull()
        found |= {value: ibis.ifelse(known, own, 0.0), is_known: known}
    return {name: value.cast("float64") for name, value in found.items()}
