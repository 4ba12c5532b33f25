"""Discounting."""

__all__ = ["weekly_rate"]


def weekly_rate(yearly: float) -> float:
    """Convert a yearly discount rate to a weekly one.

    >>> round(weekly_rate(0.1), 5)
    0.00183
    """
    return float((1 + yearly) ** (7 / 365.25) - 1)
