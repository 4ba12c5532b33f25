"""The words by which features of a text are recognised, in English and Chinese.

Source: compiled for this project from the usual wording of marketing texts in both languages, without a learned model,
so that a reader can check and change every entry. English entries are regular expressions on whole words, in lower
case; Chinese entries are words as jieba separates them, or parts of the text where they are marked with `*`.
"""

import functools
import re
from dataclasses import dataclass

__all__ = [
    "LEXICON",
    "Entry",
]


@dataclass(frozen=True)
class Entry:
    """The words of one feature."""

    english: str
    """Alternatives of a regular expression."""
    chinese: str
    """Words separated by spaces."""

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """The English words, whole."""
        return re.compile(rf"\b(?:{self.english})\b", re.IGNORECASE)

    @functools.cached_property
    def words(self) -> frozenset[str]:
        """The Chinese words that count as separate words."""
        return frozenset(word for word in self.chinese.split() if not word.startswith("*"))

    @functools.cached_property
    def parts(self) -> tuple[str, ...]:
        """The Chinese words that count wherever they stand."""
        return tuple(word[1:] for word in self.chinese.split() if word.startswith("*"))

    def count(self, text: str, tokens: list[str]) -> int:
        """How often the text has one of the words.

        Args:
            text: without links and opt-out notice.
            tokens: its words, as jieba separates them.
        """
        chinese = sum(token in self.words for token in tokens) + sum(text.count(part) for part in self.parts)
        return len(self.pattern.findall(text)) + chinese


LEXICON = {
    "urgency": Entry(
        r"last (?:chance|day|call|hours?)|(?:ends?|ending|only) (?:today|tonight|tomorrow|soon|sunday|midnight)"
        r"|today only|tonight|until (?:\w+day|midnight|tonight|tomorrow)|hurry|expires?|expiring|final|deadline"
        r"|limited(?:[- ]time)?|while (?:stocks?|supplies) lasts?|hours? left|days? left|don'?t miss|now or never",
        "最后 今晚 今日 今天 截止 限时 限量 仅限 抢 抢购 速来 速抢 倒计时 到期 过期 即将 马上 立即 赶快"
        " *最后机会 *手慢无"
        " *错过 *仅剩 *只剩",
    ),
    "festival": Entry(
        r"holidays?|christmas|xmas|new year'?s?|thanksgiving|black friday|cyber monday|valentine'?s?|easter|halloween"
        r"|mother'?s day|father'?s day|singles'? day|independence day|labor day|memorial day|lunar new year|festival"
        r"|diwali|eid|hanukkah",
        "*佳节 *春节 *新年 *元旦 *元宵 *端午 *中秋 *七夕 *国庆 *劳动节 *五一 *双十一 *双11 *双十二 *双12 *618 *女神节"
        " *妇女节 *母亲节 *父亲节 *情人节 *圣诞 *年货 *除夕 *腊八 *重阳",
    ),
    "vote": Entry(
        r"vote|votes|voting|poll|which (?:one|colou?r|style|design|flavou?r)|pick (?:one|your)|choose (?:one|your)",
        "投票 票选 评选 *投票 *你选 *您选 *选哪",
    ),
    "story": Entry(
        r"story|stories|behind the scenes|meet (?:the )?(?:maker|team|founder)s?|diary|our founder|how we made",
        "故事 日记 幕后 讲述 传记 *背后的 *的故事",
    ),
    "positive": Entry(
        r"happy|joy|love|loved|enjoy|gifts?|free|best|new|thanks?|thank you|celebrate|beautiful|favou?rites?|welcome"
        r"|win|special|easy|perfect|great|fresh|exclusive",
        "*快乐 喜乐 平安 幸福 祝 祝您 感谢 免费 喜欢 爱 心意 精选 惊喜 礼物 礼盒 新 新品 上新 专享 欢迎 好 优惠 美好"
        " 轻松"
        " *恭喜 *感恩",
    ),
    "negative": Entry(
        r"sorry|miss|missed|lose|lost|expires?|expired|overdue|problem|unfortunately|cancell?ed|delay(?:ed)?|warning"
        r"|last chance|failed",
        "抱歉 错过 失去 过期 到期 失效 逾期 问题 遗憾 取消 延误 警告 失败 后悔 *最后机会",
    ),
}
"""Feature → its words."""
