"""Tables of `08_effectiveness`."""

import numpy as np
import pandas as pd

from smsroi_helpers.effectiveness.analyse import Effectiveness
from smsroi_helpers.effectiveness.kpis import KPIS
from smsroi_helpers.effectiveness.wording import (
    definition_words,
    dimension_words,
    exclusion_words,
    kpi_words,
    missing_words,
)
from smsroi_helpers.locale import _, interval, joined, money, number
from smsroi_helpers.pages import Html, note, segment_name, table

__all__ = [
    "campaigns_table",
    "definitions_table",
    "exclusions_table",
    "kpis_table",
    "missing_note",
]

_MOST_CAMPAIGNS = 30
"""The page shows the largest campaigns; the saved table has them all."""


def missing_note(found: Effectiveness) -> Html | None:
    """What the source does not record; None where nothing is missing."""
    words = missing_words(found)
    return note(joined(*words)) if words else None


def exclusions_table(found: Effectiveness) -> Html:
    """Which messages are included and excluded.

    Args:
        found: of `analyse.analyse`.
    """
    rows, hours = found.exclusions, found.sends.window_hours if found.sends else 0
    frame = pd.DataFrame({
        _("Reason"): [exclusion_words(reason, hours) for reason in rows["reason"]],
        _("Messages out"): rows["out"],
        _("Messages left"): rows["messages"],
    })  # fmt: skip
    return table(frame, caption=_("Which messages count"), digits=0)


def definitions_table(found: Effectiveness) -> Html:
    """Every KPI with its definition and its value over all messages.

    Args:
        found: of `analyse.analyse`.
    """
    rows = found.kpis[found.kpis["dimension"] == "all"].set_index("kpi")
    frame = pd.DataFrame([
        {
            _("KPI"): kpi_words(name),
            _("Definition"): definition_words(name),
            _("Value"): _value(rows.loc[name], name) if name in rows.index else _("not known"),
        }
        for name in KPIS
    ])  # fmt: skip
    return table(frame, caption=_("KPIs of all messages, with 95% intervals over customers"))


def kpis_table(found: Effectiveness, dimension: str, currency: str) -> Html:
    """The KPIs by channel, segment or month.

    Args:
        found: of `analyse.analyse`.
        dimension: `channel`, `segment` or `month`.
        currency: the source's.
    """
    own = found.kpis[found.kpis["dimension"] == dimension]
    rows = []
    for value, each in own.groupby("value", sort=True):
        by_kpi = each.set_index("kpi")
        shown = {kpi_words(kpi): _value(by_kpi.loc[kpi], kpi) for kpi in KPIS if kpi in by_kpi.index}
        name = segment_name(str(value)) if dimension == "segment" else str(value)
        rows.append({dimension_words(dimension): name, _("Customers"): int(each["customers"].iloc[0]), **shown})
    caption = _("KPIs by {dimension}, with 95% intervals over customers").format(
        dimension=dimension_words(dimension).lower()
    )
    frame = pd.DataFrame(rows, columns=None if rows else [dimension_words(dimension), _("Customers")])
    return table(frame, caption=caption, suppress=_("Customers"))


def campaigns_table(found: Effectiveness, currency: str) -> Html:
    """The campaigns with most messages and their KPIs.

    Args:
        found: of `analyse.analyse`.
        currency: the source's.
    """
    shown = found.campaigns.sort_values("messages", ascending=False).head(_MOST_CAMPAIGNS)
    kpis = found.kpis[found.kpis["dimension"] == "campaign"].set_index(["value", "kpi"])
    rows = []
    for row in shown.itertuples():
        cells = {
            kpi_words(k): _value(kpis.loc[(row.campaign_id, k)], k) for k in KPIS if (row.campaign_id, k) in kpis.index
        }
        rows.append({
            _("Campaign"): row.name, _("Customers"): int(row.customers), _("Messages"): number(row.messages),
            _("Cost"): money(row.cost, currency) if np.isfinite(row.cost) else _("not known"), **cells,
        })  # fmt: skip
    caption = joined(
        _("KPIs by campaign, with 95% intervals over customers."),
        _("The {n} campaigns with most messages of {all}; the table campaign_results has them all.").format(
            n=number(len(shown)), all=number(len(found.campaigns))
        ) if len(found.campaigns) > len(shown) else "",
    )  # fmt: skip
    frame = pd.DataFrame(rows, columns=None if rows else [_("Campaign"), _("Customers"), _("Messages"), _("Cost")])
    return table(frame, caption=caption, suppress=_("Customers"))


def _value(row: pd.Series, kpi: str) -> str:
    """A KPI with its interval; shares in percent."""
    share = KPIS[kpi].unit == "share"
    estimate, low, high = ((100.0 if share else 1.0) * float(row[name]) for name in ("estimate", "low", "high"))
    sign = " %" if share else ""
    if not np.isfinite(estimate):
        return "–"
    if not np.isfinite([low, high]).all():
        return f"{number(estimate, 2)}{sign}"
    return f"{interval(estimate, low, high)}{sign}"
