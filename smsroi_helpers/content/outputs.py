"""The table `creative_effects`."""

import numpy as np
import pandas as pd

from smsroi_helpers.content.study import Content
from smsroi_helpers.content.within_campaign import OptionEffects

__all__ = ["effect_rows"]


def effect_rows(content: Content) -> pd.DataFrame:
    """Every effect on clicks, as a log odds ratio: of features, creatives, formats and repetition.

    Returns:
        kind (`feature`, `creative`, `format`, `times_seen`), feature (its name), effect, low, high (95 %), evidence,
        creatives (with the feature), needed (creatives with and without each), messages, clicks. NaN where too little
        was seen.
    """
    rows: list[dict[str, object]] = [
        {
            "kind": "feature", "feature": each.feature, "effect": each.effect, "low": each.low, "high": each.high,
            "evidence": "observational" if each.known else "none", "creatives": float(each.present),
            "needed": float(each.needed or np.nan), "p_value": each.adjusted_p,
        }
        for each in content.features
    ]  # fmt: skip
    overall = content.by_creative.overall["click"] if content.by_creative else content.untested
    rows += _of("creative", overall) + _of("format", content.formats) + _of("times_seen", content.wear_out)
    columns = [
        "kind", "feature", "effect", "low", "high", "evidence", "creatives", "needed", "p_value", "messages", "clicks",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _of(kind: str, fit: OptionEffects) -> list[dict[str, object]]:
    low, high = fit.low, fit.high
    return [
        {
            "kind": kind, "feature": name, "effect": fit.effect[at], "low": low[at], "high": high[at],
            "evidence": "observational" if fit.known[at] else "none",
            "messages": fit.trials[at], "clicks": fit.events[at],
        }
        for at, name in enumerate(fit.options)
    ]  # fmt: skip
