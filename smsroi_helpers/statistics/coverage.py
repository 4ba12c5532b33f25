"""How many predictions held: what happened, compared with the interval that was predicted for it."""

import pandas as pd

__all__ = ["count_inside", "count_outside"]


def count_inside(rows: pd.DataFrame, value: str, low: str = "low", high: str = "high") -> int:
    """Rows whose value lies within its interval, limits included.

    Args:
        rows: one row per prediction.
        value: the column of what happened.
        low: the column of the lower limits.
        high: that of the upper limits.

    >>> rows = pd.DataFrame({"bought": [0.1, 0.2, 0.3, 0.4], "low": [0.1, 0.3, 0.1, 0.1], "high": [0.2, 0.4, 0.2, 0.5]})
    >>> count_inside(rows, "bought"), count_outside(rows, "bought")
    (2, 2)
    """
    return int(((rows[value] >= rows[low]) & (rows[value] <= rows[high])).sum())


def count_outside(rows: pd.DataFrame, value: str, low: str = "low", high: str = "high") -> int:
    """Rows whose value lies beyond a limit of its interval; arguments as of `count_inside`."""
    return int(((rows[value] < rows[low]) | (rows[value] > rows[high])).sum())
