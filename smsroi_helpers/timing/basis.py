"""The basis of a response curve: a daily wave, smooth departures from it, and weekday effects.

Departures are a periodic cubic spline under the harmonic acceleration penalty ∫ (f″′ + ω²f′)² (Ramsay & Silverman 2005,
section 5.4), which does not penalise a daily wave.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.preprocessing import SplineTransformer

from smsroi_helpers.statistics import Floats

__all__ = [
    "COLUMNS",
    "HOUR_COLUMNS",
    "WEEKDAY_COLUMNS",
    "design",
    "hour_basis",
    "weekday_basis",
]

DEPARTURES = 6
"""Columns of the spline that are kept: departures of up to four cycles a day; the others are negligible."""
HOUR_COLUMNS = 2 + DEPARTURES
WEEKDAY_COLUMNS = 6
COLUMNS = HOUR_COLUMNS + WEEKDAY_COLUMNS
_KNOT_HOURS = 2


def _departures() -> Floats:
    """Departures from a daily wave at each minute: columns scaled to equal prior variance of coefficients, mean 1."""
    minutes = np.arange(24 * 60)[:, None] / 60
    knots = np.arange(0, 24 + _KNOT_HOURS, _KNOT_HOURS, dtype=float)[:, None]
    spline = SplineTransformer(degree=3, knots=knots, extrapolation="periodic").fit_transform(minutes)
    turns = np.arange(len(minutes) // 2 + 1, dtype=float)
    weight = turns**2 * (turns**2 - 1) ** 2
    amplitude = np.fft.rfft(spline, axis=0) / len(minutes)
    penalty = 2 * np.real(np.conj(amplitude).T @ (weight[:, None] * amplitude))
    eigenvalues, eigenvectors = np.linalg.eigh(penalty)
    # The three smallest are the constant and the wave.
    kept = spline @ (eigenvectors[:, 3 : 3 + DEPARTURES] / np.sqrt(eigenvalues[3 : 3 + DEPARTURES]))
    kept = kept - kept.mean(axis=0)
    return np.asarray(kept / np.sqrt((kept**2).sum(axis=1).mean()))


_BY_MINUTE = _departures()


def hour_basis(start: Floats | Sequence[float], until: Floats | Sequence[float]) -> Floats:
    """The basis of a curve over the day, averaged over windows of local hours.

    Args:
        start: first hours, 0–23.
        until: where each window ends, start < until ≤ 24.

    Returns:
        windows × `HOUR_COLUMNS`: cosine, sine, and the departures from a wave.

    >>> hour_basis([11.5], [12.5])[0, :2].round(2).tolist()  # around noon the cosine is at its lowest
    [-1.0, 0.0]
    """
    rows = []
    for first, end in zip(np.asarray(start, float), np.asarray(until, float), strict=True):
        minutes = np.arange(round(60 * first), round(60 * end))
        turn = 2 * np.pi * (minutes + 0.5) / (24 * 60)
        wave = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        rows.append(np.concatenate([wave, _BY_MINUTE[minutes]], axis=1).mean(axis=0))
    return np.array(rows).reshape(-1, HOUR_COLUMNS)


def weekday_basis() -> Floats:
    """7 × 6: orthonormal contrasts of the weekdays, each summing to 0 over the week."""
    contrasts = np.linalg.qr(np.eye(7)[:, :6] - 1 / 7)[0]
    return np.asarray(contrasts - contrasts.mean(axis=0))


def design(rows: pd.DataFrame) -> Floats:
    """The design matrix of cells with columns weekday (0–6), hour and until: rows × `COLUMNS`."""
    windows = rows[["hour", "until"]].drop_duplicates()
    basis = hour_basis(windows["hour"].to_numpy(float), windows["until"].to_numpy(float))
    place = {window: at for at, window in enumerate(windows.itertuples(index=False, name=None))}
    which = [place[window] for window in rows[["hour", "until"]].itertuples(index=False, name=None)]
    return np.concatenate([basis[which], weekday_basis()[rows["weekday"].to_numpy(int)]], axis=1)
