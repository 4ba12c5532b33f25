"""What stays on one line of a page."""

import pytest

from smsroi_helpers.runner.unbroken import keep_together


def kept(words: str) -> str:
    return f'<span class="together">{words}</span>'


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("from 5 to 11 days", f"from {kept('5 to 11')} days"),
        # A year after its month is no limit of a range.
        ("from 70% in Jul 2025 to 68.1% now", "from 70% in Jul 2025 to 68.1% now"),
        ("on Jun 9, 2025 to 68 and Jun 29, 2025 to 7", "on Jun 9, 2025 to 68 and Jun 29, 2025 to 7"),
        ("in The 2025 to 2026", f"in The {kept('2025 to 2026')}"),
        ("（5 至 11）。", f"（{kept('5 至 11）。')}"),
        ("到2026年6月28日；后", f"到{kept('2026年6月28日；')}后"),
        ("is shown (p = 0.371). Then", f"is shown {kept('(p = 0.371)')}. Then"),
        ("无差异（p 值 0.371）。", f"无差异{kept('（p 值 0.371）。')}"),
        ('r 1<span class="range">（0 至 2）</span>；s', 'r 1<span class="range">（0 至 2）；</span>s'),
    ],
)
def test_numbers_that_belong_together_and_the_stop_after_them_do_not_part(given: str, shown: str) -> None:
    assert keep_together(f"<p>{given}</p>") == f"<p>{shown}</p>"
