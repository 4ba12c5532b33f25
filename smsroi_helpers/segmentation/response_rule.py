"""The groups of a tree over other groupings, and which of them a customer is in on any day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from smsroi_helpers.contract import groups_customers
from smsroi_helpers.measures import left_join_columns
from smsroi_helpers.segmentation.response_tree import Split, levels_of_groups
from smsroi_helpers.segmentation.rfm import Until, keys_of

__all__ = ["Label", "ResponseRule"]

Label = Callable[[ir.Table, Until | None], ir.Table]
"""From a table with customer_id and a day, or days, to customer_id and segment: `Segmentation.label`."""
BETWEEN_COLUMNS = " · "
BETWEEN_LEVELS = " / "


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
                parts.append(f"{self.columns[k]}: {levels}" if groups_customers(self.columns[k]) else levels)
            names.append(BETWEEN_COLUMNS.join(parts))
        return tuple(names)

    def label(self, people: ir.Table, labels: Sequence[Label], at: Until | None) -> ir.Table:
        """customer_id and segment of these customers as of a day, or label_day too as of a table of days.

        A level that no test had goes with those that did not keep the number of the group (`Split.stay`).

        Args:
            people: customer_id, one row each; with label_day too, for a table of days.
            labels: of each column.
            at: the last day that counts, or a table of days.
        """
        keys = (*keys_of(at), "customer_id")
        rows = people.select(*keys)
        for number, each in enumerate(labels):
            found = each(people, at).rename({f"level_{number}": "segment"})
            rows = left_join_columns(rows, found, *keys)
        group = ibis.literal(0, "int64")
        for number, split in enumerate(self.splits, start=1):
            stays = rows[f"level_{split.column}"].isin([self.levels[split.column][at] for at in sorted(split.stay)])
            group = ibis.ifelse((group == split.group) & ~stays, number, group)
        names = self.names
        rows = rows.mutate(group=group)
        segment = ibis.cases(*((rows.group == k, name) for k, name in enumerate(names)), else_=names[0])
        return rows.select(*keys, segment=segment)
