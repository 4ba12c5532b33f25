"""Names on pages: of arms, tests, columns, channels, segments. Those of the simulated company are known."""

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

import pandas as pd

from smsroi_helpers.contract import groups_customers
from smsroi_helpers.locale import _, capitalised, country, day, language
from smsroi_helpers.pages.style import PALETTE

_Item = TypeVar("_Item")

__all__ = [
    "arm_name",
    "attribute_words",
    "campaign_name",
    "channel_name",
    "column_name",
    "experiment_name",
    "experiment_title",
    "experiment_words",
    "in_reading_order",
    "known_text",
    "level_name",
    "names_of",
    "rows_in_reading_order",
    "rule_place",
    "segment_colours",
    "segment_name",
    "use_names",
]


@dataclasses.dataclass(frozen=True)
class _Source:
    """What the names on a page are names of."""

    simulated: bool = False
    segment_by: str = ""


_source = _Source()


def use_names(*, simulated: bool = False, segment_by: str = "") -> None:
    """Set whose names the pages show, as `locale.use_language` sets the language.

    Args:
        simulated: whether it is the simulated company, whose campaigns, metrics and attributes are translated. Any
            other company’s stay as they are.
        segment_by: the grouping whose groups are the segments. A level of a column of customers is not one of the
            groups made from behaviour, even if it has the same key, such as `gold`.
    """
    global _source
    _source = _Source(simulated, segment_by)


def arm_name(arm: str) -> str:
    """Return the name of an arm as a reader would say it; an arm with a name of its own keeps it.

    Known are also the texts of the simulated company.

    >>> arm_name("4_a_week"), arm_name("09h"), arm_name("held_out"), arm_name("sale_20"), arm_name("blue_sky")
    ('4 texts a week', '09:00', 'held-out group', '20% off', 'blue_sky')
    """
    if weekly := re.fullmatch(r"(\d+)_a_week", arm):
        return _("1 text a week") if weekly[1] == "1" else _("{n} texts a week").format(n=weekly[1])
    if hour := re.fullmatch(r"([01]?\d|2[0-3])h", arm):
        return f"{int(hour[1]):02d}:00"
    return {
        "none": _("no texts") if _source.simulated else _("no messages"),
        "control": _("control"),
        "held_out": _("held-out group"),
        "texted": _("texted group"),
        "new_in": _("new season"),
        "sale_10": _("10% off"),
        "sale_20": _("20% off"),
        "festival": _("holiday greeting"),
        "story": _("story"),
        "vote": _("vote"),
        "reminder": _("points reminder"),
        "service": _("free repairs"),
    }.get(arm, arm)


def experiment_name(experiment: str) -> str:
    """Return the name of a randomised test as a reader would say it; only the simulated company's have other names.

    >>> experiment_name("which-hour"), experiment_name("spring")
    ('hour test', 'spring')
    """
    return {
        "always-on": _("always-on holdout"),
        "how-often": _("frequency test"),
        "which-hour": _("hour test"),
        "which-text": _("text test"),
    }.get(experiment, experiment)


def experiment_title(experiment: str) -> str:
    """Return the name of a randomised test at the beginning of a heading; one with a name of its own keeps it.

    >>> experiment_title("which-hour"), experiment_title("spring")
    ('Hour test', 'spring')
    """
    name = experiment_name(experiment)
    return name if name == experiment else capitalised(name)


def experiment_words(experiment: str) -> str:
    """Return the name of a randomised test within a sentence.

    >>> experiment_words("which-hour"), experiment_words("spring")
    ('the hour test', 'the test spring')
    """
    return {
        "always-on": _("the always-on holdout"),
        "how-often": _("the frequency test"),
        "which-hour": _("the hour test"),
        "which-text": _("the text test"),
    }.get(experiment) or _("the test {name}").format(name=experiment)


def column_name(column: str) -> str:
    """Return the name of a column of `customers`, for use in a sentence."""
    known = {
        "acquisition_channel": _("acquisition channel"),
        "region": _("region"),
        "attr_age_band": _("age band"),
        "attr_favourite": _("favourite"),
        "attr_member_level": _("member level"),
    }
    return known.get(column, column.removeprefix("attr_").replace("_", " "))


def attribute_words(column: str, value: str) -> str:
    """Return an attribute with its value; those of the simulated company are known.

    >>> attribute_words("attr_member_level", "gold"), attribute_words("attr_shoe_size", "42")
    ('member level gold', 'shoe size 42')
    """
    known = {
        ("acquisition_channel", "marketplace"): _("acquisition channel marketplace"),
        ("acquisition_channel", "search"): _("acquisition channel search"),
        ("acquisition_channel", "shop"): _("acquisition channel shop"),
        ("acquisition_channel", "social"): _("acquisition channel social"),
        ("attr_favourite", "accessories"): _("favourite accessories"),
        ("attr_favourite", "coats"): _("favourite coats"),
        ("attr_favourite", "outlet"): _("favourite outlet"),
        ("attr_favourite", "shoes"): _("favourite shoes"),
        ("attr_member_level", "gold"): _("member level gold"),
        ("attr_member_level", "none"): _("member level none"),
        ("attr_member_level", "silver"): _("member level silver"),
    }
    words = known.get((column, value)) if _source.simulated else None
    return words or _("{column} {value}").format(column=column_name(column), value=value)


def level_name(column: str, value: str) -> str:
    """Return a value of a column of customers, for use beside the name of the column.

    >>> level_name("attr_member_level", "gold"), level_name("region", "north")
    ('gold', 'north')
    """
    return attribute_words(column, value).removeprefix(column_name(column)).lstrip(" ：")


def campaign_name(name: str) -> str:
    """Return the name of a campaign, given its name or id; those of the simulated company are translated.

    >>> campaign_name("Week of 2026-01-12, US texts"), campaign_name("spring-sale")
    ('Week of 2026-01-12, US texts', 'spring-sale')
    """
    found = re.fullmatch(r"Week of ([\d-]{10}), ([A-Z]+) (texts|newsletter)", name)
    monday, market, kind = found.groups() if found else ("", "", "")
    if keyed := re.fullmatch(r"(sms|mail)-(\d{4})(\d\d)(\d\d)-([a-z]+)", name):
        kind, market = {"sms": "texts", "mail": "newsletter"}[keyed[1]], keyed[5].upper()
        monday = "-".join(keyed.group(2, 3, 4))
    if not _source.simulated or not monday:
        return name
    words = _("Week of {day}, {market} texts") if kind == "texts" else _("Week of {day}, {market} newsletter")
    # In English campaigns keep the names that the source gives them.
    return words.format(day=day(monday), market=country(market) if language() == "zh" else market)


def rule_place(rule: str) -> str:
    """Return the name of the place whose sending rule it is; rules of no place keep their name.

    >>> rule_place("US-FL"), rule_place("CN"), rule_place("careful")
    ('US-FL', 'China', 'careful')
    """
    place, _hyphen, state = rule.partition("-")
    if not state:
        return country(place)
    return f"{country(place)}-{state}" if language() == "zh" else rule


def known_text(text: str) -> str:
    """Return a text of the source’s tables, such as the name of a metric; the simulated company’s are translated.

    >>> known_text("brand_awareness"), known_text("share of voice")
    ('brand_awareness', 'share of voice')
    """
    known = {
        "brand_awareness": _("brand awareness"),
        "yearly panel, 1,000 people": _("yearly panel, 1,000 people"),
    }
    return (known.get(text) if _source.simulated else None) or text


def channel_name(channel: str) -> str:
    """Return the name of a channel of messages.

    >>> channel_name("sms"), channel_name("email"), channel_name("push-app")
    ('SMS', 'email', 'push-app')
    """
    return {"sms": _("SMS"), "email": _("email")}.get(channel, channel)


def names_of(segment_by: str) -> str:
    """Return the name of a segmentation, for use in a sentence."""
    return {
        "rfm_group": _("RFM group"),
        "rfm_scores": _("RFM scores"),
        "cluster": _("cluster"),
        "lifecycle_stage": _("lifecycle stage"),
        "response": _("group by response"),
        "by_response": _("group by response"),
        "past_clicks": _("clicks so far"),
        "recency": _("recency"),
        "tree": _("several groupings together"),
    }.get(segment_by) or column_name(segment_by)


_COLUMN = re.compile(r"(\w+): (.+)", re.DOTALL)
"""A part of the name of a group by response that is made of a column of customers (`segmentation.ResponseRule`)."""


_SEGMENT_COLOURS = {
    "gold": "gold", "value": "green", "growth": "sky", "dormant": "orange", "lost": "grey", "prospect": "purple",
    "awareness": "purple", "first_purchase": "sky", "repeat": "green", "loyalty": "gold", "advocacy": "accent",
    "lapsing": "orange", "lapsed": "grey", "new": "soft",
}  # fmt: skip
_OTHER_COLOURS = ("accent", "orange", "green", "purple", "gold", "sky", "grey")


def segment_colours(names: Iterable[str]) -> dict[str, str]:
    """Segment → its colour in every figure; segments of the user's own take the palette's in turn, by the alphabet.

    >>> segment_colours(["lost", "gold"]) == {"lost": PALETTE["grey"], "gold": PALETTE["gold"]}
    True
    """
    names = list(dict.fromkeys(names))
    rest = sorted(name for name in names if name not in _SEGMENT_COLOURS)
    own = {name: _OTHER_COLOURS[i % len(_OTHER_COLOURS)] for i, name in enumerate(rest)}
    return {name: PALETTE[_SEGMENT_COLOURS.get(name) or own[name]] for name in names}


def in_reading_order(names: Iterable[str]) -> list[str]:
    """The segments in the order of every page, that of `segmentation.segment_order`; `all` stays last.

    >>> in_reading_order(["all", "dormant", "value", "gold", "mine"])
    ['gold', 'value', 'dormant', 'mine', 'all']
    """
    of_column = groups_customers(_source.segment_by)
    places = {} if of_column else {name: place for place, name in enumerate(_SEGMENT_COLOURS)}
    last = {"unknown": 1, "all others": 2, "all": 3}
    return sorted(dict.fromkeys(names), key=lambda name: (last.get(name, 0), places.get(name, len(places)), name))


def items_in_reading_order(items: Iterable[_Item], segment_of: Callable[[_Item], str]) -> list[_Item]:
    """Items by their segments, in the order of every page.

    >>> items_in_reading_order([("all", 3), ("gold", 1)], lambda item: item[0])
    [('gold', 1), ('all', 3)]
    """
    items = list(items)
    place = {name: at for at, name in enumerate(in_reading_order(map(segment_of, items)))}
    return sorted(items, key=lambda item: place[segment_of(item)])


def rows_in_reading_order(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Rows by the segments in a column, in the order of every page; no rows stay no rows, whatever their columns."""
    if rows.empty:
        return rows
    place = {name: at for at, name in enumerate(in_reading_order(rows[column]))}
    return rows.sort_values(column, key=lambda names: names.map(place), kind="stable")


def segment_name(name: str, segment_by: str = "") -> str:
    """Return the name of a segment; one made of several is named by the levels of each.

    Args:
        name: the key of the segment.
        segment_by: the grouping it is of; empty: the grouping of the page (`use_names`).

    >>> segment_name("gold"), segment_name("often · attr_member_level: gold / silver")
    ('gold', 'clicks often · member level gold / silver')
    >>> segment_name("prospect"), segment_name("prospect", "attr_stage")
    ('not yet bought', 'prospect')
    """
    segment_by = segment_by or _source.segment_by
    if groups_customers(segment_by):
        of_any = {"all": _("all"), "all others": _("all others"), "unknown": _("unknown")}
        return of_any.get(name) or level_name(segment_by, name)
    if " · " in name:
        return " · ".join(segment_name(part, segment_by) for part in name.split(" · "))
    if (of_column := _COLUMN.fullmatch(name)) and groups_customers(of_column[1]):
        first, *others = of_column[2].split(" / ")
        rest = (level_name(of_column[1], level) for level in others)
        return " / ".join([attribute_words(of_column[1], first), *rest])
    if " / " in name:
        return " / ".join(segment_name(part, segment_by) for part in name.split(" / "))
    groups = {
        "all": _("all"),
        "gold": _("gold"),
        "value": _("value"),
        "growth": _("growth"),
        "dormant": _("dormant"),
        "lost": _("lost"),
        "prospect": _("not yet bought"),
        "awareness": _("known, not bought"),
        "first_purchase": _("first purchase"),
        "repeat": _("bought again"),
        "loyalty": _("loyal"),
        "advocacy": _("recommends"),
        "lapsing": _("lapsing"),
        "lapsed": _("lapsed"),
        "new": _("new"),
        "unknown": _("unknown"),
        "all others": _("all others"),
        "often": _("clicks often"),
        "sometimes": _("clicks sometimes"),
        "rarely": _("clicks rarely"),
        "no texts yet": _("no texts yet"),
    }
    levels = {
        "marketplace": _("marketplace"),
        "search": _("search"),
        "shop": _("shop"),
        "social": _("social"),
        "accessories": _("accessories"),
        "coats": _("coats"),
        "outlet": _("outlet"),
        "shoes": _("shoes"),
        "silver": _("silver"),
    }
    return groups.get(name) or (levels.get(name) if _source.simulated else None) or name
