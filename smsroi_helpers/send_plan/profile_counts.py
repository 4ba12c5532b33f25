"""Counts by the profiles of every grouping, each count in one query for all groupings."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers.engine import total
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.source import Shop

__all__ = ["ProfileCounter"]

_DIGITS = 9
"""Of the sums that are added up once more."""


class ProfileCounter:
    """Counts rows with a code by the profiles of groupings."""

    def __init__(self, shop: Shop, codes: pd.Series, groupings: Sequence[Grouping]) -> None:
        """Prepare the profiles.

        Args:
            shop: the company.
            codes: (T,), distinct.
            groupings: of `find_groupings`, over these codes.
        """
        self._shop, self._names = shop, [f"p{i}" for i in range(len(groupings))]
        profiles = pd.DataFrame({
            "of_code": codes, **{name: each.profile for name, each in zip(self._names, groupings, strict=True)}
        })  # fmt: skip
        # Kept, because many counts join them: the engine takes longer to read rows of Python.
        self._profiles = shop.keep(ibis.memtable(profiles))
        self._numbers = shop.keep(ibis.memtable(pd.DataFrame({"grouping": range(len(groupings))})))

    def count(self, rows: ir.Table, keys: Mapping[str, ir.Value], sums: Mapping[str, ir.Value]) -> list[pd.DataFrame]:
        """Of each grouping: profile, the keys, and the sums (float) of all rows of these.

        Args:
            rows: with the column `code`; rows of other codes are left out.
            keys: name → value of the rows.
            sums: name → number of each row; null counts as 0.
        """
        names = [*keys, *sums]
        values = {name: value.cast("float64") for name, value in sums.items()}
        known = rows.select("code", **keys, **values)
        fine = known.group_by(*keys, "code").aggregate(**{name: total(known[name], _DIGITS) for name in sums})
        each = fine.join(self._profiles, fine.code == self._profiles.of_code).cross_join(self._numbers)
        profile = ibis.cases(*((each.grouping == i, each[name]) for i, name in enumerate(self._names)), else_=None)
        each = each.select("grouping", *names, profile=profile)
        found = self._shop.count(
            each.group_by("grouping", "profile", *keys).aggregate(**{name: total(each[name]) for name in sums})
            .order_by("grouping", "profile", *keys)
        )  # fmt: skip
        found = found.fillna(dict.fromkeys(sums, 0.0))
        return [found[found["grouping"] == i].drop(columns="grouping") for i in range(len(self._names))]
