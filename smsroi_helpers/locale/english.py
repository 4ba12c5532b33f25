"""English messages, whose nouns are singular where their number is one: “1 week is left”, “2 weeks are left”.

gettext's plural forms are not needed for it: Chinese has none, and in English messages a number is before its noun.
"""

import re

__all__ = ["EnglishMessage", "has_plurals"]

_SINGULAR = {
    "people": "person", "series": "series", "frequencies": "frequency",
    **{f"{noun}s": noun for noun in (
        "arm", "buyer", "campaign", "character", "click", "cluster", "cohort", "comparison", "creative", "customer",
        "day", "experiment", "feature", "group", "hour", "household", "message", "model", "month", "notebook", "order",
        "page", "plan", "point", "purchase", "refund", "row", "rule", "segment", "subscriber", "test", "text", "week",
        "window",
    )},
}  # fmt: skip
_VERBS = {"are": "is", "were": "was", "have": "has", "do": "does"}
_COUNTED = re.compile(
    r"(?<!to )(?<!or )(?<![–-])"  # a range is of several: “0 to 1 texts”
    r"\{(?P<number>\w+)\} (?P<kind>(?:(?:more|newest|last|further) )?)"
    rf"(?P<noun>{'|'.join(_SINGULAR)})\b(?!’)"
    r"(?:(?P<of>(?: (?:with|without|of|in) [a-z]+)?) (?P<verb>are|were|have|do)\b)?"
)


def has_plurals(message: str) -> bool:
    """Whether a number of things is filled into a message."""
    return _COUNTED.search(message) is not None


class EnglishMessage(str):
    """A message whose nouns follow the numbers filled into it.

    >>> EnglishMessage("{n} weeks are left").format(n="1"), EnglishMessage("{n} weeks are left").format(n="1.5")
    ('1 week is left', '1.5 weeks are left')
    """

    __slots__ = ()

    def format(self, *args: object, **values: object) -> str:
        """Return the message with these values."""

        def agreed(found: re.Match[str]) -> str:
            if str(values.get(found["number"])) != "1":
                return found[0]
            verb = f"{found['of']} {_VERBS[found['verb']]}" if found["verb"] else ""
            return f"{{{found['number']}}} {found['kind']}{_SINGULAR[found['noun']]}{verb}"

        return str.format(_COUNTED.sub(agreed, self), *args, **values)
