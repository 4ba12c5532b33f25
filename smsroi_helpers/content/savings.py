"""What shorter texts would save: per text and campaign, from the bill of what was sent."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from smsroi_helpers.content.billing import Shortening, shorten
from smsroi_helpers.content.texts import Text, Texts

__all__ = ["Saving", "SavingKind", "find_savings"]

SavingKind = Literal["same", "changed", "none"]
"""A shorter text would read the same; its words would change; no small change would shorten it."""


@dataclass(frozen=True)
class Saving:
    """One text that was sent, its bill, and what a shorter version would have saved."""

    text: Text
    sent: int
    campaigns: int
    cost: float
    """Paid for it in these weeks (money); NaN where costs are not known."""
    version: Shortening
    weeks: int

    @property
    def kind(self) -> SavingKind:
        """What a shorter version would change."""
        return {"replace": "same", "drop_emoji": "changed", "cut": "changed", "none": "none"}[self.version.how]  # type: ignore[return-value]

    @property
    def saved(self) -> float:
        """Money in these weeks: the cost per segment stays as it was."""
        return self.cost * (1 - self.version.segments / self.text.features.bill.segments)

    @property
    def saved_per_campaign(self) -> float:
        """Mean over the campaigns that used it."""
        return self.saved / self.campaigns if self.campaigns else float("nan")

    @property
    def saved_per_week(self) -> float:
        """Mean over the weeks."""
        return self.saved / self.weeks


def find_savings(texts: Texts, billed: pd.DataFrame, weeks: int) -> tuple[Saving, ...]:
    """Every text that was sent, the one with the largest saving first.

    Args:
        texts: of `texts.read_texts`.
        billed: of `counts.count_billed`: campaign_id, text, sent, cost.
        weeks: that `billed` covers.
    """
    found = []
    for number, rows in billed.groupby("text"):
        text = texts.texts[int(number)]
        cost = float(rows["cost"].sum()) if rows["cost"].notna().all() else float("nan")
        found.append(
            Saving(text, int(rows["sent"].sum()), rows["campaign_id"].nunique(), cost, shorten(text.sent), weeks)
        )
    return tuple(sorted(found, key=lambda each: (-np.nan_to_num(each.saved), -each.sent)))
