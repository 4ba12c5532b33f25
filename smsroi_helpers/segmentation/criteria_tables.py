"""Tables of the five principles of a good segmentation, for `01_segmentation`."""

import pandas as pd

from smsroi_helpers.locale import _, listed, money, number, percent
from smsroi_helpers.pages import Html, column_name, experiment_name, metric_words, names_of, note, segment_name, table
from smsroi_helpers.segmentation.criteria import MEASURABLE, REACHABLE, Criterion
from smsroi_helpers.segmentation.figures import FEWEST_SHOWN
from smsroi_helpers.segmentation.wording import range_words

__all__ = [
    "actionable_table",
    "criteria_table",
]


def criteria_table(criteria: list[Criterion], segment_by: str) -> Html:
    """The five principles of a good segmentation, each as a number, judged.

    Args:
        criteria: the result of `criteria.evaluate_criteria`.
        segment_by: the segmentation.
    """
    status_words = {"pass": _("pass"), "warn": _("warning"), "fail": _("fails"), "unknown": _("not known")}
    names = {
        "relevant": (_("Relevant"), _("share of next-period spend explained")),
        "identifiable": (
            _("Identifiable"),
            _("points by which attributes name the segment better than its size"),
        ),
        "reachable": (_("Reachable"), _("share of customers who consent and whom a message reached")),
        "measurable": (_("Measurable"), _("smallest relative change of the order rate seen in the worst segment")),
        "actionable": (_("Actionable"), _("smallest adjusted p-value that segments answer a treatment alike")),
    }
    rows = []
    for one in criteria:
        is_p = one.name == "actionable"
        rows.append(
            {
                _("Principle"): names[one.name][0],
                _("Result"): status_words[one.status],
                _("Measured by"): names[one.name][1],
                _("Value"): number(one.value, 3) if is_p else percent(one.value, 1),
                _("95% interval"): range_words(one.low, one.high),
                _("In words"): _criterion_words(one),
            }
        )
    caption = _("The five principles of a good segmentation, for {segmentation}").format(
        segmentation=names_of(segment_by)
    )
    return table(pd.DataFrame(rows), caption=caption)


def _criterion_words(one: Criterion) -> str:
    if one.name == "relevant":
        return {
            "pass": _("It predicts spend."),
            "warn": _("It predicts little of spend, or too little is known."),
            "fail": _("It does not predict spend."),
            "unknown": _("It was not compared out of time."),
        }[one.status]
    if one.name == "identifiable":
        if one.status == "unknown":
            return _("The source has no attributes to tell segments by.")
        row = one.detail.iloc[0]
        return _(
            "From {columns}, {accuracy} of customers are named right; naming the largest segment gets {largest}."
        ).format(
            columns=_(", ").join(column_name(name) for name in str(row["columns"]).split(", ")),
            accuracy=percent(row["accuracy"], 1), largest=percent(row["largest"], 1),
        )  # fmt: skip
    if one.name == "reachable":
        if one.status == "unknown":
            return _("The source has no messages.")
        parts = one.detail[(one.detail["segment"] != "all") & (one.detail["customers"] >= FEWEST_SHOWN)]
        if parts.empty:
            return _("No segment has as many as {n} customers.").format(n=FEWEST_SHOWN)
        worst, best = parts.loc[parts["share"].idxmin()], parts.loc[parts["share"].idxmax()]
        return _("From {low} ({worst}) to {high} ({best}); {good} is good, below {bad} is too little.").format(
            low=percent(worst["share"]), worst=segment_name(str(worst["segment"])), high=percent(best["share"]),
            best=segment_name(str(best["segment"])), good=percent(REACHABLE[0]), bad=percent(REACHABLE[1]),
        )  # fmt: skip
    if one.name == "measurable":
        if one.status == "unknown":
            return _("It was not compared out of time.")
        worst = one.detail.loc[one.detail["lift"].idxmax()]
        best = one.detail.loc[one.detail["lift"].idxmin()]
        return _("Worst in {worst}; in {best}, {value}. Tests seldom find more than {good}.").format(
            worst=segment_name(str(worst["segment"])), best=segment_name(str(best["segment"])),
            value=percent(best["lift"], 1), good=percent(MEASURABLE[0]),
        )  # fmt: skip
    if one.detail.empty:
        return _("The source has no experiment, so nothing here says whether segments answer differently.")
    if one.status == "unknown":
        return _("No experiment could be tested by segment.")
    if one.status == "pass":
        return _("At least one treatment works differently from segment to segment.")
    return _("No experiment shows that segments answer differently; that is no proof that they answer alike.")


def actionable_table(criteria: list[Criterion], currency: str) -> Html:
    """Each experiment by segment: whether its effect differs, and the effect in each segment.

    Args:
        criteria: the result of `criteria.evaluate_criteria`.
        currency: the source's.
    """
    detail = criteria[-1].detail
    if detail.empty:
        return note(_("The source has no experiment: whether segments answer a treatment differently is not known."))
    statuses = {
        "tested": "", "broken": _("broken: the arms have not the sizes planned"), "no outcome": _("no outcome"),
        "too few": _("too few customers or outcomes in a segment"),
    }  # fmt: skip
    rows = []
    for row in detail.itertuples():
        is_money = row.metric in ("profit", "revenue")

        def show(value: float, is_money: bool = is_money) -> str:
            return money(value, currency) if is_money else number(value, 3)

        effects = listed(
            _("{segment} {value} ({low} to {high})").format(
                segment=segment_name(str(e.segment)), value=show(e.difference), low=show(e.low), high=show(e.high)
            )
            for e in row.effects.itertuples()
            if e.customers >= FEWEST_SHOWN
        )
        rows.append(
            {
                _("Experiment"): experiment_name(row.experiment_id),
                _("Customers"): int(row.customers),
                _("Per customer"): metric_words(row.metric),
                _("Answers alike (adjusted p-value)"): number(row.adjusted_p, 3)
                if row.status == "tested"
                else statuses[row.status],
                _("Treated less control, by segment (95% interval)"): effects or "–",
            }
        )
    caption = _(
        "Treatment by segment, segments as of the day before the first assignment. All treated arms together against"
        " the control; the p-value, by Holm, is of all arms and segments. With many segments some difference is chance"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), fold=True)
