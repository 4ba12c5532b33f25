"""Names on pages: of arms, tests, columns, channels, segments. Those of the simulated company are known."""

import re

from smsroi_helpers.locale import _

__all__ = [
    "arm_name",
    "attribute_words",
    "channel_name",
    "column_name",
    "experiment_name",
    "experiment_title",
    "experiment_words",
    "names_of",
    "segment_name",
]


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
        "none": _("no messages"),
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
    return name if name == experiment else name[:1].upper() + name[1:]


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
    return known.get((column, value)) or _("{column} {value}").format(column=column_name(column), value=value)


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


def segment_name(name: str) -> str:
    """Return the name of a segment; one made of several is named by the levels of each."""
    for between in (" · ", " / "):
        if between in name:
            return between.join(segment_name(part) for part in name.split(between))
    return {
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
        "marketplace": _("marketplace"),
        "search": _("search"),
        "shop": _("shop"),
        "social": _("social"),
        "accessories": _("accessories"),
        "coats": _("coats"),
        "outlet": _("outlet"),
        "shoes": _("shoes"),
        "silver": _("silver"),
    }.get(name, name)
