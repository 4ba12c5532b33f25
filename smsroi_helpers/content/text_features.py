"""What a text is made of: features read off it in English and Chinese, before anything is known of its response."""

import functools
import re
from dataclasses import dataclass
from typing import Any

from smsroi_helpers.content.billing import EMOJI, Bill, bill
from smsroi_helpers.content.lexicon import LEXICON

__all__ = [
    "FEATURES",
    "Features",
    "is_chinese",
    "read_features",
]

FEATURES = (
    "several_segments", "link", "personal", "discount", "urgency", "festival", "question", "vote", "reply", "story",
    "emoji", "positive", "negative",
)  # fmt: skip
"""The features that a text has or does not have, in the order of tables."""

_LINK = re.compile(r"https?://\S+|\b(?:[a-z0-9-]+\.)+(?:[a-z]{2,})(?:/[\w./?=&%#-]*)?", re.IGNORECASE)
_OPT_OUT = re.compile(
    r"\b(?:reply|text|send|txt)\s+\"?(?:stop|unsub\w*|end|quit)\"?"
    r"(?:\s+(?:to|2)\s+(?:opt[- ]?out|unsubscribe|stop|end))?"
    r"|\bstop\s*(?:2|to)\s*(?:end|quit|stop|opt[- ]?out)\b|(?:拒收|退订)请?回复?\s*[A-Za-z]{1,2}"
    r"|回复?\s*[A-Za-z]{1,2}\s*(?:退订|拒收)",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^\s*【[^】]{1,30}】")
_PERSONAL = re.compile(
    r"\{\{?\s*\w[\w. |-]*\}?\}|%\w+%|\$\{\w+\}|#\w*(?:name|姓名|昵称)\w*#|\[(?:first|last|your)?[ _]?name\]"
    r"|<\w*name\w*>",
    re.IGNORECASE,
)
_REPLY = re.compile(
    r"\b(?:reply|text back|answer)\s+(?:with\s+)?[\"']?(?:\d|[a-c]\b|yes|no)|回复?\s*[“\"]?\d", re.IGNORECASE
)
_QUESTION = re.compile(r"[?？]|[吗呢么]\s*(?:$|[，。！!,])|还是")
_CHINESE = re.compile("[\u3400-\u9fff]")
_DIGITS = {**{mark: value for value, mark in enumerate("零一二三四五六七八九")}, "两": 2}


@dataclass(frozen=True)
class Features:
    """The features of one text, as sent."""

    bill: Bill
    length: int
    """Characters."""
    language: str
    """`zh` where the text has a Chinese character, else `en`."""
    discount_depth: float
    """Share of the price that is let off (0–1); NaN where no discount is named, or only an amount."""
    present: frozenset[str]
    """Which of `FEATURES` the text has."""
    sentiment: float
    """(positive − negative words) ÷ (positive + negative words), −1 … 1; 0 without either."""

    def has(self, feature: str) -> bool:
        """Whether the text has the feature."""
        return feature in self.present


def is_chinese(text: str) -> bool:
    """Whether a text has a Chinese character."""
    return bool(_CHINESE.search(text))


@functools.cache
def _jieba() -> Any:
    import jieba  # type: ignore[import-untyped]  # takes a second to load its dictionary; only Chinese texts need it

    jieba.setLogLevel("ERROR")
    return jieba


def read_features(text: str) -> Features:
    """The features of a text.

    The opt-out notice is no invitation to reply, the signature no emphasis, and a link's letters are no words.

    Args:
        text: as sent (`billing.complete`).

    >>> found = read_features("Last chance! 20% off ends tonight. nw.example/20 Reply STOP to opt out")
    >>> sorted(found.present), found.discount_depth
    (['discount', 'link', 'negative', 'urgency'], 0.2)
    >>> sorted(read_features("【北风】下一款要蓝色还是绿色？回复1或2投票，回T退订").present)
    ['question', 'reply', 'vote']
    """
    billed = bill(text)
    body = _SIGNATURE.sub("", _OPT_OUT.sub(" ", text))
    links = bool(_LINK.search(body))
    body = _LINK.sub(" ", body)
    tokens = list(_jieba().lcut(body)) if is_chinese(body) else []
    counts = {name: entry.count(body, tokens) for name, entry in LEXICON.items()}
    depth, named = read_discount(body)
    reply = bool(_REPLY.search(body))
    question = bool(_QUESTION.search(body))
    present = {
        "several_segments": billed.segments > 1,
        "link": links,
        "personal": bool(_PERSONAL.search(text)),
        "discount": named,
        "urgency": counts["urgency"] > 0,
        "festival": counts["festival"] > 0,
        "question": question,
        "vote": counts["vote"] > 0 or (question and reply),
        "reply": reply,
        "story": counts["story"] > 0,
        "emoji": bool(EMOJI.search(text)),
        "positive": counts["positive"] > 0,
        "negative": counts["negative"] > 0,
    }
    loaded = counts["positive"] + counts["negative"]
    return Features(
        bill=billed,
        length=len(text),
        language="zh" if is_chinese(text) else "en",
        discount_depth=depth,
        present=frozenset(name for name, has in present.items() if has),
        sentiment=(counts["positive"] - counts["negative"]) / loaded if loaded else 0.0,
    )


_AMOUNT_OFF = re.compile(
    r"[$£€¥￥]\s?\d+(?:\.\d+)?\s*(?:off|discount)|save\s+[$£€¥￥]\s?\d+|(?:立减|直降|优惠|减免|减)\s*[¥￥]?\s*\d+(?:\.\d+)?\s*元?"
    r"|优惠券|代金券|\b(?:coupon|voucher|discount|sale)\b",
    re.IGNORECASE,
)


def read_discount(text: str) -> tuple[float, bool]:
    """The deepest discount that a text names, as a share of the price (NaN if it is not one), and whether it names any.

    >>> read_discount("25% off"), read_discount("全场八五折"), read_discount("满300减60"), read_discount("half price")
    ((0.25, True), (0.15, True), (0.2, True), (0.5, True))
    >>> read_discount("$10 off"), read_discount("new in")
    ((nan, True), (nan, False))
    """
    depths = [
        float(x) / 100 for x in re.findall(r"(\d{1,2}(?:\.\d)?)\s?[%％]\s*(?:off|discount|优惠)", text, re.IGNORECASE)
    ]
    depths += [float(x) / 100 for x in re.findall(r"(?:save|立减|直降)\s*(\d{1,2})\s?[%％]", text, re.IGNORECASE)]
    depths += [
        _depth_of_zhe(x)
        for x in re.findall(r"(\d(?:\.\d)?|\d{2}|[一二三四五六七八九两][一二三四五六七八九]?)\s*折", text)
    ]
    depths += [0.5] * len(re.findall(r"half[- ]price|半价", text, re.IGNORECASE))
    depths += [
        float(off) / float(of) for of, off in re.findall(r"满\s*(\d+)\s*元?\s*(?:立)?减\s*(\d+)", text) if float(of)
    ]
    known = [depth for depth in depths if 0 < depth < 1]
    if known:
        return round(max(known), 4), True
    return float("nan"), bool(_AMOUNT_OFF.search(text))


def _depth_of_zhe(word: str) -> float:
    """The discount of a number of 折, tenths of the price that are paid: 八 is 20 % off, 八五 and 85 are 15 % off."""
    if word[0] in _DIGITS:
        digits = [_DIGITS[letter] for letter in word]
        return 1 - digits[0] / 10 - (digits[1] / 100 if len(digits) > 1 else 0.0)
    value = float(word)
    return 1 - (value / 100 if value >= 10 else value / 10)
