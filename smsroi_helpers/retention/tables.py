"""Tables of `07_retention`; those of the triangles and the audit are in `audit_tables`."""

import numpy as np
import pandas as pd

from smsroi_helpers import cltv, segmentation
from smsroi_helpers.locale import _, day, joined, money, number, percent
from smsroi_helpers.pages import (
    FEWEST_SHOWN,
    Html,
    experiment_name,
    note,
    segment_name,
    sentence_case,
    table,
)
from smsroi_helpers.retention.plan_wording import plan_words
from smsroi_helpers.retention.study import Study, count_exclusions
from smsroi_helpers.retention.warning_wording import warning_words
from smsroi_helpers.retention.wording import (
    gone_words,
    group_words,
    grouping_words,
    missing_words,
    points_range_words,
    points_words,
    retained_words,
    share_words,
    silence_words,
    step_words,
)

__all__ = [
    "association_note",
    "exclusions_table",
    "funnel_table",
    "gains_table",
    "gone_note",
    "missing_note",
    "moves_table",
    "plan_note",
    "retained_table",
    "silences_table",
    "survival_table",
    "warnings_table",
    "win_back_table",
]


def exclusions_table(study: Study) -> Html:
    """Who is left out of what, and why: customers out and left."""
    words = {
        "known": _("Everybody known by the last day observed"),
        "no_purchase": _("Has not bought, so cannot stop buying"),
        "young": _("Bought first less than {days} days ago: cannot be known to be gone").format(
            days="" if study.gone is None else number(study.gone.lost_after_days)
        ),
        "no_consent": _("Of everybody, for consent: never gave it, or withdrew it before the log began"),
    }
    rows = [(words[reason], out, left) for reason, out, left in count_exclusions(study)]
    frame = pd.DataFrame(rows, columns=[_("Reason"), _("Customers out"), _("Customers left")])
    return table(frame, caption=_("Who is looked at, and who is not"), digits=0)


def gone_note(study: Study) -> Html:
    """What gone means, and which cohorts may hold old customers."""
    if study.gone is None or study.cuts is None:
        return note(_("Without orders nothing says when customers stop buying."))
    first = study.orders.rows["cohort"].min() if len(study.orders.rows) else None
    if study.new_with_log:
        truncated = _("No buyer had joined before the log began, so first purchases in the log are first purchases.")
    elif first is None:
        truncated = ""
    else:
        truncated = _(
            "The source does not show whether customers are older than the log. Cohorts that began within {days} days"
            " of its first day may hold old customers; they are shown, and left out where all cohorts are taken"
            " together."
        ).format(days=number(study.cuts.dormant_after_days))
    return note(joined(gone_words(study), truncated))


def missing_note(study: Study) -> Html:
    """What the source lacks for this page."""
    return note(missing_words(study) or _("The source has everything this page looks at."))


# --- survival --------------------------------------------------------------------------------------------------------


def survival_table(study: Study) -> Html:
    """Every group's survival after a month, a quarter, half a year and a year."""
    rows = []
    for found in study.survivals:
        for curve in found.curves:
            rows.append({
                _("What"): _("custom") if found.kind == "custom" else _("consent"),
                _("By"): grouping_words(found.by),
                _("Group"): group_words(found.by, curve.group),
                _("Customers"): curve.customers,
                _("Ended"): curve.ended,
                **{
                    _("After {days} days").format(days=number(days)): share_words(curve.at(days), 0)
                    for days in (30, 91, 182, 365)
                },
            })  # fmt: skip
    if not rows:
        return note(_("Neither purchases nor consent can be followed in this source."))
    caption = _(
        "Share not ended, Kaplan–Meier with 95% intervals. Buying ends with the last purchase before a long silence."
        " All and channels are followed from the first purchase or the consent on, segments and first campaigns from"
        " their day on"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def silences_table(study: Study) -> Html:
    """How far the definition of gone decides the share still customers."""
    if not study.silences:
        return note(_("How long customers keep buying is not known."))
    days = next((one for one in (365, 182, 91, 30) if all(each.curve.days >= one for each in study.silences)), 30)
    rows = [
        {
            _("Gone after a silence of"): silence_words(each.days, each.share),
            _("Customers"): each.curve.customers,
            _("Still customers after {days} days").format(days=number(days)): share_words(each.curve.at(days)),
            _("Once and never again"): percent(each.curve.ended_at_once, 1),
            _("Of those gone, bought again since"): share_words(each.came_back),
        }
        for each in study.silences
    ]
    caption = _(
        "The same customers by other definitions of gone. The longer the silence that has to pass, the fewer are called"
        " gone who only pause, and the fewer have been watched long enough. This page takes the shortest after which at"
        " most a fifth came back, or the longest, unless `gone_share` says another"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


# --- texts -----------------------------------------------------------------------------------------------------------


def retained_table(study: Study) -> Html:
    """What texts did to retention in every valid test with customers without texts."""
    if not study.retained:
        return note(_("No valid test left customers without texts, so no effect of texts on retention is known."))
    rows = [
        {
            _("Test"): experiment_name(row.experiment),
            _("What counts as retained"): sentence_case(retained_words(row.what)),
            _("Length, days"): number(row.days),
            _("With texts"): _("{share} of {n}").format(share=percent(row.rates[0], 1), n=number(row.customers[0])),
            _("Without"): _("{share} of {n}").format(share=percent(row.rates[1], 1), n=number(row.customers[1])),
            _("Difference, with the limits that decide"): points_range_words(*row.difference),
        }
        for row in study.retained
        if min(row.customers) >= FEWEST_SHOWN
    ]
    caption = _(
        "Randomised: everybody assigned counts, whether texts arrived or not. Who bought is counted in the last days of"
        " the test, who stayed of those subscribed when assigned. Intervals cover all tests at once (Bonferroni), and"
        " are valid at any number of readings where the test still runs. Differences are of unrounded shares"
    )
    return table(pd.DataFrame(rows), caption=caption)


def association_note(study: Study) -> Html:
    """What the log alone would have said, beside what the tests say."""
    found = study.association
    if found is None:
        return note(_("Without texts and orders over half a year the log says nothing of texts and retention."))
    sizes = _("On {day}, outside experiments, {a} subscribers got a text in the next four weeks and {b} did not.")
    words = [sizes.format(
        day=day(found.landmark), a=number(found.customers[0]), b=number(found.customers[1])
    )]  # fmt: skip
    if not np.isfinite(found.adjusted[1]):
        words.append(_("They are too unlike, or too few, to be compared."))
        return note(joined(*words))
    words.append(_(
        "Observational: in the {weeks} weeks after, the share who bought differed by {raw}; among customers alike in"
        " recency, purchases, texts and clicks by {adjusted}."
    ).format(
        weeks=number(found.weeks), raw=points_words(*found.raw), adjusted=points_words(*found.adjusted)
    ))  # fmt: skip
    if found.covered < 0.5:
        words.append(_(
            "Only {share} of the texted have anybody alike among the others, so this says little."
        ).format(share=percent(found.covered)))  # fmt: skip
    words.append(_(
        "E-value {e}: something unseen would have to go with both texts and purchases by this risk ratio to explain it."
    ).format(e=number(found.e_value, 2)))  # fmt: skip
    return note(joined(*words))


def win_back_table(study: Study, currency: str) -> Html:
    """What texts did to customers who were inactive when each test began."""
    rows = [
        {
            _("Test"): experiment_name(row.experiment),
            _("When assigned"): _("dormant or lost") if row.segment == "inactive"
            else segment_name(row.segment, "rfm_group"),
            _("With texts"): _("{share} of {n}").format(share=percent(row.rates[0], 1), n=number(row.customers[0])),
            _("Without"): _("{share} of {n}").format(share=percent(row.rates[1], 1), n=number(row.customers[1])),
            _("Difference"): points_range_words(*row.difference),
            _("Profit per customer"): _("{value} ({low} to {high})").format(
                value=money(row.deciding[0], currency), low=money(row.deciding[1], currency),
                high=money(row.deciding[2], currency),
            ) if np.isfinite(row.deciding[1]) and not row.few else _("too few buyers"),
        }
        for row in study.won_back
        if min(row.customers) >= FEWEST_SHOWN
    ]  # fmt: skip
    if not rows:
        return note(_("No valid test left ten inactive customers without texts: what wins back is not known."))
    caption = _(
        "Win-back, randomised: customers dormant or lost on the day before the assignment, who bought during the test,"
        " and the profit of texts per customer after their cost. Intervals cover all tests and groups at once"
        " (Bonferroni); those of profit are valid at any number of readings where the test still runs. Profit is"
        " compared as it was. The pages on segments and on tests deduct what the same customers bought before, so their"
        " numbers for these customers can differ a little. Differences are of unrounded shares"
    )
    return table(pd.DataFrame(rows), caption=caption)


def plan_note(study: Study, currency: str) -> Html:
    """The win-back test that would decide."""
    if study.cuts is None:
        return note(_("The source has no orders, so nobody is known to be inactive: no test of win-back is planned."))
    return note(plan_words(study.plan, currency) or _("The log is too short to plan a test of win-back."))


# --- warnings --------------------------------------------------------------------------------------------------------


def warnings_table(study: Study) -> Html:
    """Precision and recall of each warning on later weeks."""
    tests = {**({"alive": study.model.alive.score} if study.model else {}), **study.fading}
    if not tests:
        return note(joined(_("No warning can be tested in this source."), study.no_model))
    rows = [
        {
            _("Warning and outcome"): warning_words(name),
            _("Customers"): score.customers,
            _("Warned on"): day(score.warned_on),
            _("Weeks after"): number(score.weeks),
            _("Warned of"): score.warned,
            _("Precision"): share_words(score.precision),
            _("Of the others"): share_words(score.others),
            _("Recall"): share_words(score.recall),
            _("Ranking"): number(study.model.alive.ranking, 2) if name == "alive" and study.model else "–",
        }
        for name, score in tests.items()
    ]
    caption = _(
        "Precision: of those warned of, the share with the outcome; beside it that of the others. Recall: of all with"
        " the outcome, the share warned of. Ranking: the area under the ROC curve, 0.5 is chance. 95% intervals"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def gains_table(study: Study, currency: str) -> Html:
    """What one more point of retention is worth, as on 02_cltv."""
    if study.model is None:
        return note(joined(_("The value of retention needs a purchase model."), study.no_model))
    return cltv.tables.gains_table(study.model.gains, study.model.forecast, currency)


# --- funnel ----------------------------------------------------------------------------------------------------------


def funnel_table(study: Study) -> Html:
    """How far customers come, from being known to recommending."""
    if not len(study.funnel):
        return note(_("The funnel counts purchases, and the source has no orders."))
    rows = [
        {
            _("Step of the funnel"): step_words(row.step),
            _("Observed long enough"): row.could,
            _("Took the step"): row.reached,
            _("Share"): share_words((row.share, row.low, row.high))
            if np.isfinite(row.low)
            else percent(row.share) if np.isfinite(row.share) else _("not known"),
        }
        for row in study.funnel.itertuples()
    ]  # fmt: skip
    caption = _(
        "Lifecycle funnel, each step of those observed long enough to take it, with 95% intervals. The page on segments"
        " shows the same funnel"
    )
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def moves_table(study: Study, currency: str) -> Html:
    """Movements between lifecycle stages over the last period."""
    if not len(study.moves):
        return note(_("Without orders nobody moves between stages."))
    return segmentation.tables.moves_table(study.moves, currency, "lifecycle_stage")
