"""What was handed over, and who was left out, in words."""

from smsroi_helpers.locale import _, number
from smsroi_helpers.send_plan.hand_over import (
    HELD_OUT,
    NO_CONSENT,
    OPTED_OUT,
    PASSED,
    UNDECIDED,
    UNKNOWN,
    HandOver,
)

__all__ = [
    "describe_list",
    "left_out_words",
    "suppression_words",
]


def left_out_words(reason: str) -> str:
    """Why rows of a plan are not in its list; a reason that has no words here is returned as it is.

    >>> left_out_words("opted_out"), left_out_words("of my own")
    ('opted out', 'of my own')
    """
    return {
        HELD_OUT: _("held out, to measure the plan"),
        PASSED: _("the time of the text has passed"),
        UNKNOWN: _("no longer in the source"),
        UNDECIDED: _("go on as today: the plan is not shown to be worth more (--all lists them)"),
        OPTED_OUT: _("opted out"),
        NO_CONSENT: _("no consent"),
        "no_gain": _("no text planned: no gain expected"),
        "budget": _("no text planned: the budget is used up"),
        "capacity": _("no text planned: the hourly limit is reached"),
        "today": _("no text planned: none is sent today"),
        "explore": _("no text planned: drawn at random, to learn"),
    }.get(reason, reason)


def suppression_words(found: HandOver, source: str) -> str:
    """Whether opt-outs were applied, and as of when.

    Args:
        found: of `hand_over.write_list`.
        source: the source's name.
    """
    if found.opted_out is None:
        return _(
            "Caveat: no opt-outs were applied, because {source} records none. Apply the gateway’s own list of opt-outs"
            " before sending."
        ).format(source=source)
    return _("Opt-outs read from {source} as of {now} UTC; opt-outs in force: {n}.").format(
        source=source, now=f"{found.now:%Y-%m-%d %H:%M}", n=number(found.opted_out)
    )


def describe_list(found: HandOver, source: str) -> list[str]:
    """What was written and what was left out, one line each; the rows add up to the plan's.

    Args:
        found: of `hand_over.write_list`.
        source: the source's name.
    """
    lines = [
        _("{plan}: {rows} rows in the plan, {texts} texts in the list (customers: {customers})").format(
            plan=found.plan_id, rows=number(found.rows), texts=number(found.texts), customers=number(found.customers)
        )
    ]
    lines += [
        _("left out: {rows} (customers: {customers}), {reason}").format(
            rows=number(each.rows), customers=number(each.customers), reason=left_out_words(each.reason)
        )
        for each in found.left_out
    ]
    lines.append(suppression_words(found, source))
    if found.removed:
        lines.append(_("{n} files of an earlier list of this plan were removed").format(n=number(found.removed)))
    return lines
