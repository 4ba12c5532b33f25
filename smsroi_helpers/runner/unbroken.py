"""Numbers that belong together stay on one line in sentences: hours, dates, amounts, intervals and p-values."""

import re

__all__ = ["keep_together"]

_NUMBER = r"[−+-]?\u2060?(?:[A-Z]{0,3}[$€£¥])?\d[\d,.]*%?[万亿]?"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_NOT_A_YEAR = rf"(?<!\d)(?<!(?:{_MONTHS}) )(?<!(?:{_MONTHS}) \d, )(?<!(?:{_MONTHS}) \d\d, )"
_STOPS = "[，。；：、！？）”]*"
"""What no line begins with: a browser may break a line between an element that does not break and such a mark."""
_TOGETHER = re.compile(
    rf"(?:\d{{1,2}}:\d\d(?:–| ?(?:to|至) ?)\d{{1,2}}:\d\d|\d+% 置信区间|\d{{4}}年\d{{1,2}}月(?:\d{{1,2}}日)?"
    rf"|{_NOT_A_YEAR}{_NUMBER} ?(?:to|至) ?{_NUMBER}"
    r"|[−+-]?\u2060?(?:[A-Z]{0,3}[$€£¥])?\d[\d,.]*[万亿]"
    r"|[(（]p (?:[=<≥>]|&lt;|&gt;|值) ?[\d.]+[)）]"
    rf"){_STOPS}"
)
_RANGE_STOPS = re.compile(rf'(<span class="range">[^<]*)</span>({_STOPS})')
_CLOSED = re.compile(
    r'<(code|pre|math|svg|script|style|title|button)\b.*?</\1>|<span class="(?:range|ci)">.*?</span>|<[^>]+>', re.DOTALL
)
"""What is left as it is: code, formulas, pictures, ranges that are kept together already, and tags."""


def keep_together(page: str) -> str:
    """The page with each of them in an element that does not break.

    Args:
        page: body of a page, as HTML.

    >>> keep_together("<p>At 16:00–17:00 <code>1 to 2</code></p>")
    '<p>At <span class="together">16:00–17:00</span> <code>1 to 2</code></p>'
    >>> keep_together("<p>2026年6月1日，US$5.5万</p>")
    '<p><span class="together">2026年6月1日，</span><span class="together">US$5.5万</span></p>'
    >>> keep_together("<p>8:00 至 20:00，95% 置信区间</p>")
    '<p><span class="together">8:00 至 20:00，</span><span class="together">95% 置信区间</span></p>'
    """
    page = _RANGE_STOPS.sub(r"\1\2</span>", page)
    written, at = [], 0
    for closed in _CLOSED.finditer(page):
        written += [_wrapped(page[at : closed.start()]), closed[0]]
        at = closed.end()
    return "".join([*written, _wrapped(page[at:])])


def _wrapped(text: str) -> str:
    return _TOGETHER.sub(r'<span class="together">\g<0></span>', text)
