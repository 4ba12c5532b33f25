"""What a text is made of: features read off it in English and Chinese, before anything is known of its response."""

import re
from dataclasses import dataclass

from smsroi_helpers.content.billing import EMOJI, Bill, bill
from smsroi_helpers.content.lexicon import LEXICON
from smsroi_helpers.segmentation import chinese_words

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

_BARE = (
    "com|net|org|edu|gov|info|biz|mobi|app|dev|shop|online|site|xyz|vip|example|test|cn|hk|tw|mo|sg|jp|kr|th|vn|ph|au"
    "|nz|uk|ca|mx|br|ar|cl|ie|fr|de|es|pt|nl|ch|se|dk|fi|pl|cz|gr|tr|ru|ua|il|ae|sa|za|ng|ke|eu|asia|ly|co|io|ai|tv|cc"
)
_WITH_PATH = rf"{_BARE}|in|it|no|be|us|at|my|me|so|to|im|is|id|gg|gl|gd|st|name|live|world|store|page|top|club|link"
"""Top-level domains of shops and of link shorteners (a part of IANA's root zone). Words of English, which may follow a
full stop without a space, are an ending only before a path."""
_LINK = re.compile(
    # A scheme, www, or a known ending; without a path the whole address is in lower case, as `St.In` is not.
    r"https?://[^\s，。！？]+|\bwww\.[\w.-]+\.\w+(?:/[\w./?=&%#~+-]*)?"
    rf"|(?<![\w@.-])(?:[A-Za-z0-9-]+\.)+(?i:{_WITH_PATH})/[\w./?=&%#~+-]*"
    rf"|(?<![\w@.-])(?:[a-z0-9-]+\.)+(?:{_BARE})(?![\w@-]|\.[a-z])"
    rf"|(?<![\w@.-])(?:[A-Z0-9-]+\.)+(?:{_BARE.upper()})(?![\w@-]|\.[A-Z])",
    re.ASCII,
)
_OUT_WORD = r"(?:stop(?:all)?|unsub\w*|end|quit|cancel|optout|opt-out)"
_OUT = r"(?:退订|拒收|退阅|取消订阅)"
_CODE = r"[“\"'「]?(?:[A-Za-z]{1,4}|\d{1,6})[”\"'」]?"
_OPT_OUT = re.compile(
    rf"\b(?:reply|text|send|txt|txt back|text back)\s+(?:with\s+)?[\"'“]?{_OUT_WORD}\b[\"'”]?"
    r"(?:\s+(?:to|2)\s+(?:\d{3,6}\b|opt[- ]?out|unsubscribe|stop|end|cancel))*"
    rf"|\b{_OUT_WORD}\s*(?:2|to)\s*(?:end|quit|stop|opt[- ]?out|cancel|unsubscribe)\b"
    r"|\b(?:reply|text|send)\s+[\"'“]?[a-z0-9]{1,4}[\"'”]?\s+(?:to|2)\s+(?:opt[- ]?out|unsubscribe|stop|end|cancel)\b"
    rf"|{_OUT}\s*[,，:：]?\s*请?(?:回复?|发送?)\s*{_CODE}|(?:回复?|发送?)\s*{_CODE}\s*(?:即可|可|以|来)?{_OUT}",
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
    tokens = chinese_words(body) if is_chinese(body) else []
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


_NAMED = re.compile(
    r"[$£€¥￥]\s?\d+(?:\.\d+)?\s*(?:off|discount)|save\s+(?:up\s+to\s+)?[$£€¥￥]\s?\d+"
    r"|(?:立减|直降|优惠|减免|减)\s*[¥￥]?\s*\d+(?:\.\d+)?\s*元?"
    r"|优惠券|代金券|\b(?:coupons?|vouchers?|discount(?:s|ed)?|on sale|sale)\b",
    re.IGNORECASE,
)
"""A discount whose share of the price is not known."""
_PERCENT = r"(\d{1,2}(?:\.\d+)?)\s?(?:[%％]|per ?cent\b)"
_OFF = (
    rf"{_PERCENT}\s*(?:off|discount|优惠|reduction|savings?|cheaper|less)",
    r"(?:save|saving|discount of|reduced by|立减|直降|优惠|立省|省)\s*(?:up\s+to|as much as|an extra|高达|最高)?\s*"
    + _PERCENT,
)
"""Percentages that are let off."""
_FREE = (
    (
        r"\b(?:buy|get)\s+(\w+),?\s+(?:and\s+)?get\s+(\w+)\s+(?:more\s+)?free\b|买\s*([一二两三四五六七八九\d]+)\s*[赠送]\s*([一二两三四五六七八九\d]+)",
        "plus",
    ),
    (r"\b([2-9])\s*(?:-\s*)?for\s*(?:-\s*)?([1-9])\b(?!\s*[%$£€¥])", "for"),
)
"""Pieces paid for, and free on top (`plus`) or of those taken (`for`)."""
_ENGLISH = {"one": 1, "1": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_ZHE = r"([\d.]+|[一二三四五六七八九两十][一二三四五六七八九]?)\s*折(?![叠旧])"
_HALF = r"\bhalf[- ](?:price|off)\b|半价|对折"
_LATER = r"第\s*([二三四2-4])\s*[件份杯个双瓶支盒套]\s*"
"""The second, third … piece alone is cheaper: the discount is spread over all pieces."""


def read_discount(text: str) -> tuple[float, bool]:
    """The deepest discount that a text names, as a share of the price (NaN if it is not one), and whether it names any.

    Free pieces are a share of all pieces taken: of two for the price of one half is let off, of a second piece at half
    price a quarter. Of 满300减50 it is the share at the amount named, the deepest it gets but for multiples.

    >>> read_discount("25% off"), read_discount("全场八五折"), read_discount("满300减60"), read_discount("half price")
    ((0.25, True), (0.15, True), (0.2, True), (0.5, True))
    >>> read_discount("$10 off"), read_discount("new in"), read_discount("10折")
    ((nan, True), (nan, False), (nan, False))
    >>> read_discount("BOGO"), read_discount("第二件半价")
    ((0.5, True), (0.25, True))
    """
    depths, rest = _of_later_pieces(text)
    depths += [float(x) / 100 for pattern in _OFF for x in re.findall(pattern, rest, re.IGNORECASE)]
    depths += [_depth_of_zhe(x) for x in re.findall(_ZHE, rest)]
    depths += [0.5] * len(re.findall(_HALF, rest, re.IGNORECASE))
    depths += [0.5] * len(re.findall(r"\bbogof?\b", rest, re.IGNORECASE))
    depths += _of_free_pieces(rest)
    depths += [
        float(off) / float(of)
        for of, off in re.findall(r"满\s*[¥￥]?\s*(\d+)\s*元?\s*(?:立|即|直)?减\s*[¥￥]?\s*(\d+)", rest)
        if float(of)
    ]
    known = [depth for depth in depths if 0 < depth < 1]
    if known:
        return round(max(known), 4), True
    return float("nan"), bool(_NAMED.search(rest))


def _of_later_pieces(text: str) -> tuple[list[float], str]:
    """The depths of discounts on a later piece alone, and the text without them.

    >>> _of_later_pieces("第三件五折，9折")  # half of one of three pieces
    ([0.16666666666666666], ' ，9折')
    """
    depths = []
    for found in re.finditer(rf"{_LATER}(?:(?P<half>半价|对折)|(?P<free>免费|0元|零元)|{_ZHE})", text):
        pieces = _number(found.group(1))
        off = 0.5 if found["half"] else 1.0 if found["free"] else _depth_of_zhe(found.groups()[-1])
        depths.append(off / pieces)
    return depths, re.sub(rf"{_LATER}(?:半价|对折|免费|0元|零元|{_ZHE})", " ", text)


def _of_free_pieces(text: str) -> list[float]:
    """The shares of free pieces among all pieces taken."""
    depths = []
    for pattern, kind in _FREE:
        for found in re.findall(pattern, text, re.IGNORECASE):
            first, second = (_number(word) for word in (word for word in found if word))
            if first and second and (kind == "plus" or second < first):
                depths.append(second / (first + second) if kind == "plus" else 1 - second / first)
    return depths


def _number(word: str) -> int:
    """A small number in digits or words of either language; 0 where it is none."""
    word = word.lower()
    return _ENGLISH.get(word) or _DIGITS.get(word) or (int(word) if word.isdecimal() else 0)


def _depth_of_zhe(word: str) -> float:
    """The discount of a number of 折, tenths of the price that are paid: 八 is 20 % off, 八五 and 85 are 15 % off.

    Ten tenths are the whole price; what is no number of tenths is no discount either.

    >>> [round(_depth_of_zhe(word), 2) for word in ("8", "88", "8.8", "10", "十", "8.8.8")]
    [0.2, 0.12, 0.12, 0.0, 0.0, 0.0]
    """
    if word[0] == "十":
        return 0.0
    if word[0] in _DIGITS:
        digits = [_DIGITS[letter] for letter in word if letter in _DIGITS]
        return 1 - digits[0] / 10 - (digits[1] / 100 if len(digits) > 1 else 0.0)
    if not re.fullmatch(r"\d(?:\.\d{1,2})?|\d{2}", word) or word == "10":
        return 0.0
    value = float(word)
    return 1 - (value / 100 if value >= 10 else value / 10)
