"""Chinese messages, with the blanks that numbers and Latin letters need beside Chinese characters."""

import string

__all__ = ["ChineseMessage", "meet"]


class ChineseMessage(str):
    """A message whose `format` puts one blank between Chinese and numbers or Latin letters, and none within Chinese.

    What a placeholder will hold is not known to the translation: `{arm}` may be “A” or “每周 2 条短信”.
    """

    __slots__ = ()

    def format(self, *args: object, **kwargs: object) -> str:
        """Return the message with these values."""
        formatter = string.Formatter()
        text = ""
        for literal, name, spec, conversion in formatter.parse(self):
            text = meet(text, literal)
            if name is not None:
                value, _used = formatter.get_field(name, args, kwargs)
                text = meet(text, format(formatter.convert_field(value, conversion), spec or ""))
        return text


def meet(left: str, right: str) -> str:
    """Join two parts of a Chinese text, with the blank that its characters need.

    >>> meet("共", "12"), meet("12 ", "位"), meet("与 ", "对照组"), meet("2026", "年")
    ('共 12', '12 位', '与对照组', '2026年')
    """
    before, after = left.rstrip(" "), right.lstrip(" ")
    if not before or not after:
        return left + right
    last, first = before[-1], after[0]
    if _is_wide(last) and _is_wide(first):
        return before + after
    written_solid = (before, after) == (left, right) and (
        (last.isdigit() and first in "年月日") or (last in "年月" and first.isdigit())
    )
    if not written_solid and ((_is_han(last) and _is_narrow(first)) or (_is_narrow(last) and _is_han(first))):
        return f"{before} {after}"
    return left + right


def _is_han(character: str) -> bool:
    return "\u2e80" <= character <= "\ufaff" and character.isalnum()


def _is_wide(character: str) -> bool:
    return _is_han(character) or character in "，。：；、！？（）《》「」“”‘’"


def _is_narrow(character: str) -> bool:
    return character in "+−-±<>≤≥~%$¥€£`" or (character.isalnum() and not _is_han(character))
