"""The parts of an import with their files, and what it says where orders or texts are missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.exports.layouts import Layout, Part
from smsroi_helpers.source.exports.templates import ExportFile

__all__ = [
    "SHOPS",
    "PartFiles",
    "note_without_orders",
    "note_without_texts",
]

SHOPS = ("shopify", "woocommerce", "youzan", "taobao")
_GATEWAYS = ("twilio", "attentive", "aliyun", "tencent")


@dataclass
class PartFiles:
    """A part and its files."""

    layout: Layout
    part: Part
    files: list[ExportFile] = field(default_factory=list)
    year_last: str = ""
    """What comes first in dates such as 5/4/2024, `day` or `month`; empty: there are none that the templates read."""

    @property
    def found(self) -> set[str]:
        """Columns that a file has."""
        return {column for file in self.files for column in file.found}

    def heading(self, column: str) -> str:
        """The heading of a column in the first file that has it."""
        return next((file.found[column] for file in self.files if column in file.found), column)


def note_without_orders(parts: Sequence[PartFiles], tables: Mapping[str, int], left_out: Mapping[str, int]) -> str:
    """Return a sentence on what can be done without orders; empty if there are some.

    Args:
        parts: what was imported.
        tables: table → rows that its mapping gives.
        left_out: reason → rows that the mappings leave out.

    Raises:
        DataError: there is a shop's export, and none of its orders counts.
    """
    if "orders" in tables:
        return ""
    if any("orders" in entry.part.templates for entry in parts if entry.part.kind in SHOPS):
        reasons = "; ".join(f"{reason}: {rows:,}" for reason, rows in left_out.items())
        raise DataError(f"no order is left ({reasons or 'the export is empty'}); export the orders again")
    return (
        "there are no orders: add the shop's export for profit and customer value; hours and tests can be compared"
        " by clicks and opt-outs without it"
    )


def note_without_texts(parts: Sequence[PartFiles], tables: Mapping[str, int], left_out: Mapping[str, int]) -> str:
    """Return a sentence on why no text of a gateway's export counts; empty if some do. Arguments as above.

    Raises:
        DataError: nothing else was imported either.
    """
    gateways = [entry.layout.title for entry in parts if entry.part.kind in _GATEWAYS]
    if not gateways or "messages" in tables:
        return ""
    reasons = "; ".join(f"{why}: {n:,}" for why, n in left_out.items() if why.startswith(gateways[0].split()[0]))
    said = f"{gateways[0]}: no text is left ({reasons or 'the export is empty'})"
    if not tables:
        raise DataError(f"{said}; export the texts again, with whole telephone numbers")
    return said
