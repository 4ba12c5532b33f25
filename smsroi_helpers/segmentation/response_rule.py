"""The groups of a tree over other groupings, and which of them a customer is in on any day."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from smsroi_helpers.segmentation.response_tree import Split, levels_of_groups

__all__ = ["Label", "ResponseRule"]

Label = Callable[[ir.Table, dt.date | None], ir.Table]
"""From a table with customer_id and a day to customer_id and segment: `Segmentation.label`."""
BETWEEN_COLUMNS = " · "
BETWEEN_LEVELS = " / "


def _of_customers(column: str) -> bool:
    return column in ("region", "acquisition_channel") or column.startswith("attr_")


@dataclass(frozen=True)
class ResponseRule:
    """The groups of a tree: which levels of which groupings, by name."""

    columns: tuple[str, ...]
    splits: tuple[Split, ...]
    levels: tuple[tuple[str, ...], ...]
    """Of each column: the levels by number."""

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each group: its levels, after the column where they are those of a column of `customers`.

        Such a level may have the key of a group made from behaviour: a member level `gold` is no RFM group.
        """
        names = []
        for group in levels_of_groups(self.splits, [len(own) for own in self.levels]):
            parts = []
            for k, own in sorted(group.items()):
                levels = BETWEEN_LEVELS.join(self.levels[k][at] for at in sorted(own))
                parts.append(f"{self.columns[k]}: {levels}" if _of_customers(self.columns[k]) else levels)
            names.append(BETWEEN_COLUMNS.join(parts))
        return tuple(names)

    def label(self, people: ir.Table, labels: Sequence[Label], day: dt.date | None) -> ir.Table:
        """customer_id and segment of these customers as of a day.

        A level that no test had goes with those that did not keep the number of the group (`Split.stay`).

        Args:
            people: customer_id, one row each.
            labels: of each column.
            day: the last day that counts.
        """
        rows = people.select("customer_id")
        for number, each in enumerate(labels):
            found = each(people, day).select(**{f"member_{number}": "customer_id", f"level_{number}": "segment"})
            rows = rows.left_join(found, rows.customer_id == found[f"member_{number}"]).drop(f"member_{number}")
        group = ibis.literal(0, "int64")
        for number, split in enumerate(self.splits, start=1):
            stays = rows[f"level_{split.column}"].isin([self.levels[split.column][at] for at in sorted(split.stay)])
            group = ibis.ifelse((group == split.group) & ~stays, number, group)
        names = self.names
        rows = rows.mutate(group=group)
        segment = ibis.cases(*((rows.group == k, name) for k, name in enumerate(names)), else_=names[0])
        return rows.select("customer_id", segment=segment)
