"""The words on early warnings of `07_retention`."""

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, day, joined, number, percent
from smsroi_helpers.retention.early_warning import AliveTest
from smsroi_helpers.statistics import count_outside

__all__ = [
    "calibration_words",
    "warning_decision",
    "warning_words",
]


def warning_decision(alive: AliveTest) -> Decision:
    """Whether P(alive) tells early who is leaving."""
    score = alive.score
    useful = score.difference[1] > 0
    if useful:
        action = _("Use the churn list to choose whom to test win-back on, not whom to text")
    elif score.warned:
        action = _("Do not use P(alive) as a warning: in the test it named customers no better than chance")
    else:
        action = _("P(alive) warns of no customer here: it is high for everybody")
    if score.warned == score.customers > 0:
        text = _("Today’s list has everybody who has bought, so it tells nobody from the others.")
    elif score.warned:
        text = joined(
            _("Today’s list warns of {share} of all {all} buyers: those with a P(alive) below {threshold}.").format(
                share=percent(alive.listed_share), all=number(alive.people), threshold=percent(alive.threshold)
            ),
            _(
                "Of a list as long on {day} ({n} of {all} customers), {precision} bought nothing in the {weeks} weeks"
                " after, of the others {others}. It named {recall} of all who bought nothing."
            ).format(
                day=day(score.warned_on), n=number(score.warned), all=number(score.customers),
                precision=percent(score.precision[0]), weeks=number(score.weeks), others=percent(score.others[0]),
                recall=percent(score.recall[0]),
            ),
        )  # fmt: skip
    else:
        text = _("None of {n} customers has a P(alive) below {threshold}, so it warns of nobody.").format(
            n=number(alive.people), threshold=percent(alive.threshold)
        )
    return Decision(
        stage="retention",
        question=_("Can we see early who is leaving?"),
        topic="early_warning",
        outcome="do" if useful else "not_enough_evidence",
        action=action,
        text=text,
        caveat=calibration_words(alive),
        evidence="forecast",
        customers=score.customers,
        value=score.precision[0], low=score.precision[1], high=score.precision[2],
        unit="share" if score.warned else "",
        number_words=_("of the customers on the list of {day} bought nothing in the {weeks} weeks after").format(
            day=day(score.warned_on), weeks=number(score.weeks)
        ) if score.warned else "",
        level=True,
    )  # fmt: skip


def calibration_words(alive: AliveTest) -> str:
    """In how many groups by P(alive) the share who bought was as expected."""
    rows = alive.calibration
    outside = count_outside(rows, "bought")
    if not outside:
        return ""
    return _(
        "P(alive) itself is off: in {n} of {all} groups the share who bought lies outside the 95% interval expected."
        " Use it to rank customers, not as a probability."
    ).format(n=number(outside), all=number(len(rows)))


def warning_words(name: str) -> str:
    """The name of a warning and of its outcome."""
    return {
        "alive": _("Low P(alive): buys nothing"),
        "opt_out": _("Clicked before, not since: opts out"),
        "no_purchase": _("Clicked before, not since: buys nothing"),
    }[name]
