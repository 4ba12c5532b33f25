"""The tables that the stage leaves."""

import pandas as pd

from smsroi_helpers.contract import OUTPUTS
from smsroi_helpers.effectiveness.analyse import Effectiveness

__all__ = [
    "campaign_rows",
    "kpi_rows",
]


def campaign_rows(found: Effectiveness) -> pd.DataFrame:
    """The table `campaign_results`: one row per campaign; NaN where a number is not known."""
    frame = found.campaigns.reindex(columns=[*OUTPUTS["campaign_results"], "evidence"])
    return frame.astype({name: float for name in OUTPUTS["campaign_results"][1:]})


def kpi_rows(found: Effectiveness) -> pd.DataFrame:
    """The table `kpis`: every KPI by campaign, channel, segment and month, with its interval."""
    return found.kpis.reindex(columns=list(OUTPUTS["kpis"]))
