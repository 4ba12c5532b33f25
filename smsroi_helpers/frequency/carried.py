"""The frequency test's cells carried over to today's subscribers: see `statistics.transport`."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.statistics import Floats, Transport, carry_over, find_transport

__all__ = ["Carried", "carry_cells", "without_covariates"]

_KEYS = ("arm", "segment", "stage", "group", "consenting")


@dataclass(frozen=True)
class Carried:
    """A test's cells, weighted so that its members are like today's subscribers of each group, and of all groups."""

    transport: Transport
    cells: pd.DataFrame
    """As of `counts.count_arms`, of customers who consented; the groups are today's."""
    everybody: pd.DataFrame
    """The same of all subscribers; the groups are those when assigned."""
    members: pd.DataFrame
    """Group (`all` first) × arm: customers of the test whose outcomes are used."""

    def customers(self, name: str, arms: Mapping[str, float], doses: Floats) -> list[float]:
        """The test's customers whose outcomes are used for a group, by texts a week."""
        own = self.members.loc[name]
        return [float(sum(own.get(arm, 0.0) for arm, dose in arms.items() if dose == each)) for each in doses]


def without_covariates(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of `counts.count_arms` summed over the cells of covariates."""
    return cells.drop(columns="cell").groupby(list(_KEYS), as_index=False, sort=True).sum()


def carry_cells(
    cells: pd.DataFrame, now: pd.DataFrame, by: str = "segment", fewest_in_arm: int = 0
) -> Carried | None:  # fmt: skip
    """Weight the test's cells by today's subscribers.

    Args:
        cells: of `counts.count_arms`, with covariates.
        now: segment, cell, n of today's subscribers.
        by: `segment` or `stage`, the groups of `now`.
        fewest_in_arm: a group with fewer members in an arm borrows those of all groups.

    Returns:
        the weighted cells; None where nobody is subscribed or nobody consented.
    """
    rows = cells[cells["consenting"] == 1]
    if not now["n"].sum() or not rows["n"].sum():
        return None
    rows = rows.assign(**{by: rows[by].astype(str)})
    then = rows.groupby([by, "cell"], as_index=False)["n"].sum().rename(columns={by: "segment"})
    sizes = rows.pivot_table(index=by, columns="arm", values="n", aggfunc="sum", fill_value=0).min(axis=1)
    transport = find_transport(then, now, [str(name) for name in sizes.index[sizes < fewest_in_arm]])
    own, everybody = carry_over(rows, transport, [key for key in _KEYS if key != by], by)
    used = transport.weights[["segment", "member_segment", "cell"]]
    used = rows[[by, "cell", "arm", "n"]].merge(used.rename(columns={"segment": "_now"}),
                                                left_on=[by, "cell"], right_on=["member_segment", "cell"])  # fmt: skip
    members = used.pivot_table(index="_now", columns="arm", values="n", aggfunc="sum", fill_value=0)
    order = [ALL, *transport.names]
    return Carried(transport, own, everybody, members.reindex(order, fill_value=0))
