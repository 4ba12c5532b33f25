"""Intervals on bars are seen: one of ink and the page's colour contrasts with every colour of a bar."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex, to_rgb

from smsroi_helpers import runner
from smsroi_helpers.pages import PALETTE, outline_intervals

BARS = ("accent", "sky", "green", "orange", "gold", "purple", "grey")
LEAST = 3.0
"""WCAG 2.2, criterion 1.4.11, of parts of a graphic."""
CSS = (Path(runner.__file__).parent / "templates" / "page.css").read_text(encoding="utf-8")


def luminance(colour):
    """Relative luminance (WCAG 2.2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def colours(mode):
    if mode == "light":
        return PALETTE
    (dark,) = re.findall(r"prefers-color-scheme:dark\)\{:root\{([^}]*)\}", CSS)
    return dict(re.findall(r"--([a-z]+):(#[0-9a-f]{3,6})", dark))


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("bar", BARS)
def test_ink_and_outline_differ_from_each_other_and_one_of_them_from_the_bar(mode, bar):
    own = colours(mode)
    assert contrast(own["ink"], own["paper"]) >= LEAST
    assert max(contrast(own[part], own[bar]) for part in ("ink", "paper")) >= LEAST


def test_the_intervals_of_bars_are_in_ink_with_an_outline():
    ax = plt.subplots()[1]
    intervals = ax.bar([0, 1], [2.0, 3.0], yerr=[0.5, 0.4], color=PALETTE["accent"]).errorbar
    outline_intervals(intervals)
    (lines,) = intervals.lines[2]
    assert to_hex(lines.get_color()[0]) == PALETTE["ink"]
    assert lines.get_path_effects()
    outline_intervals(ax.bar([0], [1.0]).errorbar)  # without intervals there is nothing to draw
    plt.close("all")
