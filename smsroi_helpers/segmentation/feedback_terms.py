"""The terms of feedback: words and phrases that mean something by themselves, in English and Chinese."""

import functools
import itertools
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["chinese_words", "drop_parts", "read_terms"]

LONGEST = 4
"""Words of a phrase, at most."""
SAME_PEOPLE = 0.9
"""A term is dropped beside a longer one that contains it, if so large a share of its people wrote the longer one."""
_CLAUSE = re.compile(r"[^\w\s'’-]+|\n")
_WORD = re.compile(r"[a-zà-öø-ÿ][a-zà-öø-ÿ'’-]*|[一-鿿]+")
_STOP_WORDS = "我们 你们 他们 这个 那个 一个 有点 非常 比较"
_STOP_SIGNS = "的了是在和与也都就很太有我你您他她它这那啊呢吧吗"
_CHINESE_STOP_WORDS = frozenset([*_STOP_WORDS.split(), *_STOP_SIGNS])


@functools.cache
def _jieba() -> Any:
    import jieba  # type: ignore[import-untyped]  # takes a second to load its dictionary; only Chinese texts need it

    jieba.setLogLevel("ERROR")
    return jieba


def chinese_words(text: str) -> list[str]:
    """The words of a Chinese text, as jieba separates them; what is not Chinese stays as it is.

    >>> chinese_words("衣服不错")
    ['衣服', '不错']
    """
    return list(_jieba().lcut(text))


def read_terms(text: str) -> set[str]:
    """The words of a text that carry a meaning, and its phrases of up to four words that begin and end with one.

    Phrases do not go over punctuation. Single Chinese signs are parts of phrases only.

    >>> sorted(read_terms("Nice clothes. Delivery took weeks"))[:4]
    ['clothes', 'delivery', 'delivery took', 'delivery took weeks']
    >>> sorted(read_terms("衣服不错，价格偏高。"))
    ['不错', '价格', '价格偏高', '偏高', '衣服', '衣服不错']
    """
    terms = set()
    for clause in _CLAUSE.split(text.lower()):
        words = [word for run in _WORD.findall(clause) for word in (chinese_words(run) if _is_chinese(run) else [run])]
        for first, word in enumerate(words):
            if not _means_something(word):
                continue
            for last in range(first, min(first + LONGEST, len(words))):
                if _means_something(words[last]) and (last > first or _stands_alone(word)):
                    terms.add(_written(words[first : last + 1]))
    return terms


def drop_parts(people: Mapping[str, float]) -> set[str]:
    """The terms without those that are nearly always written as a part of a longer one.

    >>> sorted(drop_parts({"took": 10, "delivery took": 9, "delivery took weeks": 9, "delivery": 30}))
    ['delivery', 'delivery took weeks']
    """
    longest_first = sorted(people, key=lambda term: (-len(term), term))
    kept: set[str] = set()
    for term in longest_first:
        inside = (longer for longer in kept if term in longer)
        if not any(people[longer] >= SAME_PEOPLE * people[term] for longer in inside):
            kept.add(term)
    return kept


def _is_chinese(word: str) -> bool:
    return "一" <= word[0] <= "鿿"


def _means_something(word: str) -> bool:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return word not in _CHINESE_STOP_WORDS if _is_chinese(word) else word not in ENGLISH_STOP_WORDS and len(word) > 2


def _stands_alone(word: str) -> bool:
    return len(word) > 1


def _written(words: list[str]) -> str:
    """Words as a text: blanks between Latin ones, none between Chinese ones."""
    text = words[0]
    for before, word in itertools.pairwise(words):
        text += ("" if _is_chinese(before) and _is_chinese(word) else " ") + word
    return text
