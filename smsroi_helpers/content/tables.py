"""Tables of `06_content`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers import ab_test
from smsroi_helpers.content.decision import mean_gain
from smsroi_helpers.content.log_check import compare_with_log
from smsroi_helpers.content.study import Content
from smsroi_helpers.content.within_campaign import OptionEffects
from smsroi_helpers.content.wording import (
    exclusion_words,
    feature_name,
    kind_name,
    odds_words,
    points_words,
    shortening_words,
)
from smsroi_helpers.errors import redact
from smsroi_helpers.locale import (
    _,
    enumerated,
    interval,
    joined,
    language_name,
    listed,
    money,
    number,
    percent,
    sentence,
)
from smsroi_helpers.pages import (
    Html,
    arm_name,
    experiment_name,
    experiment_words,
    items_in_reading_order,
    metric_words,
    not_compared_words,
    note,
    p_words,
    segment_name,
    table,
)

__all__ = [
    "agreement_table",
    "billing_table",
    "exclusions_table",
    "features_table",
    "formats_table",
    "money_table",
    "price_note",
    "segments_table",
    "shorter_table",
    "tests_table",
    "texts_table",
]

_TESTED = ("click_rate", "order_rate", "opt_out_rate", "profit", "click_profit")


def exclusions_table(content: Content) -> Html:
    """Which messages are included and excluded."""
    rows = content.sends.exclusions
    frame = pd.DataFrame({
        _("Reason"): [exclusion_words(reason, content.sends.window_hours) for reason in rows["reason"]],
        _("Messages out"): rows["out"],
        _("Messages left"): rows["messages"],
    })  # fmt: skip
    return table(frame, caption=_("Messages whose texts are compared"), digits=0)


def texts_table(content: Content) -> Html:
    """The features found in every distinct text."""
    rows = []
    for each in content.texts.texts:
        found = each.features
        names = [feature_name(name) for name in sorted(found.present)]
        if np.isfinite(found.discount_depth):
            names.append(_("{depth} off").format(depth=percent(found.discount_depth)))
        rows.append({
            _("Creative"): arm_name(each.creative), _("Text"): redact(each.text), _("Type"): kind_name(each.kind),
            _("Characters"): found.length, _("Sentiment"): number(found.sentiment, 1),
            _("Features"): listed(names) or "–",
        })  # fmt: skip
    caption = _("What each distinct text is made of; sentiment runs from −1 (negative words) to 1 (positive words)")
    return table(pd.DataFrame(rows), caption=caption)


def billing_table(content: Content, currency: str) -> Html:
    """Billing segments of the texts that were sent, and what a shorter version would have saved."""
    if not content.savings:
        return note(_("No text of these weeks is known."))
    rows = []
    for one in content.savings:
        billed = one.text.features.bill
        saved = one.saved_per_campaign
        rows.append({
            _("Creative"): _("{text} ({language})").format(
                text=arm_name(one.text.creative), language=language_name(one.text.features.language)
            ),
            _("Alphabet"): billed.encoding, _("Units"): billed.units, _("Billing segments"): billed.segments,
            _("Sent"): one.sent, _("Campaigns"): one.campaigns,
            _("Change"): shortening_words(one.version), _("Segments then"): one.version.segments,
            _("Saved per campaign"): money(saved, currency) if np.isfinite(saved) else _("not known"),
            _("Saved per week"): money(one.saved_per_week, currency) if np.isfinite(saved) else _("not known"),
        })  # fmt: skip
    caption = _(
        "Billing segments of the texts of the last {weeks} weeks, and what the smallest useful change would have saved"
    ).format(weeks=content.saving_weeks)
    rounded = _("Every row is rounded on its own, so the rows can add up to slightly more or less than the answer")
    return table(pd.DataFrame(rows), caption=joined(sentence(caption), rounded), digits=0)


def shorter_table(content: Content) -> Html:
    """The texts to shorten, whole, with what to change."""
    rows = [
        {
            _("Creative"): _("{text} ({language})").format(
                text=arm_name(one.text.creative), language=language_name(one.text.features.language)
            ),
            _("Text, as sent"): redact(one.text.sent), _("Change"): shortening_words(one.version),
        }
        for one in content.savings if one.kind != "none"
    ]  # fmt: skip
    if not rows:
        return note(_("No small change would make a text cost fewer segments."))
    caption = _("The whole texts that a change would make cheaper. Which characters to cut is for the writer to choose")
    return table(pd.DataFrame(rows), caption=caption)


def tests_table(evaluated: Sequence[ab_test.Evaluated], currency: str) -> Html:
    """The randomised tests of texts: clicks, orders, opt-outs, and profit, arm by arm against the control."""
    rows = []
    for each in evaluated:
        for row in each.effects.overall() if not each.validity.broken else ():
            if row.metric in _TESTED:
                rows.append({
                    _("Test and text"): _("{test}: {arm}").format(
                        test=experiment_name(each.experiment.name), arm=arm_name(row.arm)
                    ),
                    _("What"): metric_words(row.metric), _("Customers"): row.customers,
                    _("Difference from the control"):
                        ab_test.tables.difference_words(row.metric, row.interval, currency, row.reason),
                    _("p-value"): p_words(row.adjusted_p),
                })  # fmt: skip
    if not rows:
        return note(
            _("No valid randomised test of texts. The comparisons below come from the log.")
            if not any(each.validity.broken for each in evaluated)
            else _("The tests of texts are broken, so no difference is shown.")
        )
    caption = _(
        "Randomised tests of texts: each arm against its control, with 95% intervals; p-values of the deciding metric"
        " are adjusted by Holm"
    )
    controls = [
        _("The control of {test} is “{arm}”.").format(
            test=experiment_words(each.experiment.name), arm=arm_name(each.experiment.control)
        )
        for each in evaluated
        if not each.validity.broken
    ]
    caption = joined(sentence(caption), *controls, ab_test.running_p_words(evaluated))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def money_table(evaluated: Sequence[ab_test.Evaluated], currency: str) -> Html:
    """Cash as measured and long-run value as modelled of every test of texts that is decided in profit."""
    return ab_test.money_tables.money_table(evaluated, currency, "content")


def price_note(content: Content, currency: str) -> Html:
    """What a click is worth here."""
    found = content.by_creative
    if found is None or not found.priced:
        return note(_("No experiment shows what a click brings, so texts are compared by clicks and opt-outs."))
    click = found.prices.click
    return note(_("A click is worth {click}.").format(click=interval(click.estimate, click.low, click.high, currency)))


def segments_table(content: Content, currency: str) -> Html:
    """The best creative of each segment, against today's mixture."""
    found = content.by_creative
    if found is None:
        return note(_("No two texts were sent beside one another often enough, so none is recommended."))
    rows = []
    for one in items_in_reading_order(found.segments, lambda one: one.segment):
        maybe = [name for at, name in enumerate(one.creatives) if one.chosen[at] and at != one.best]
        rows.append({
            _("Segment"): segment_name(one.segment), _("Customers today"): one.customers,
            _("Texts a week"): number(one.texts_per_week), _("Best text"): arm_name(one.creatives[one.best]),
            _("May be as good"): enumerated(map(arm_name, maybe)) if maybe else "–",
            _("Clicks per 1,000 texts, above today"): points_words(*mean_gain([one], "click")),
            _("Opt-outs per 1,000 texts, above today"): points_words(*mean_gain([one], "opt_out")),
            _("Profit per text, above today"):
                interval(*mean_gain([one], "profit"), currency) if found.priced else _("not known"),
            _("An opt-out costs"):
                interval(*one.opt_out_cost, currency) if one.opt_out_cost[0] > 0 else _("not known"),
        })  # fmt: skip
    if len(found.texted) > 1:
        rows.append({
            _("Segment"): segment_name("all"), _("Customers today"): found.customers,
            _("Texts a week"): number(found.texts_per_week),
            _("Best text"): _("as above"), _("May be as good"): "–",
            _("Clicks per 1,000 texts, above today"): points_words(*mean_gain(found.texted, "click")),
            _("Opt-outs per 1,000 texts, above today"): points_words(*mean_gain(found.texted, "opt_out")),
            _("Profit per text, above today"):
                interval(*mean_gain(found.texted, "profit"), currency) if found.priced else _("not known"),
            _("An opt-out costs"): "–",
        })  # fmt: skip
    caption = _(
        "Which text for whom, compared with today’s mixture of texts; intervals of 95%, shrunken towards what segments"
        " share"
    )
    if found.priced:
        caption = joined(sentence(caption), _(
            "Clicks and opt-outs are those of the log; profit counts both at today’s level"
        ))  # fmt: skip
    if any(one.several_best for one in found.segments):
        caption = joined(sentence(caption), _(
            "“May be as good” compares all texts at once, so a text can be listed although its own interval does not"
            " overlap that of the best."
        ))  # fmt: skip
    if found.left_out:
        caption = joined(sentence(caption), not_compared_words(found.left_out))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers today"))


def features_table(content: Content) -> Html:
    """Effects of features on clicks, or how many creatives would be needed."""
    if not content.features:
        return note(_("All compared texts have the same features, so none has an effect that could be seen."))
    rows = []
    for each in content.features:
        rows.append({
            _("Feature"): feature_name(each.feature), _("Creatives with"): each.present,
            _("Creatives without"): each.absent,
            _("Change in the odds of a click"): odds_words(each.effect, each.low, each.high)
            if each.known else _("too few creatives"),
            _("p-value"): p_words(each.adjusted_p) if each.known else "–",
            _("Creatives needed, with and without each"): number(each.needed) if each.needed else _("not known"),
        })  # fmt: skip
    caption = _(
        "Effects of features, one at a time, across creatives (observational; p by Benjamini and Hochberg). Needed: to"
        " detect a fifth more clicks with 80% power"
    )
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def _rows_of(fit: OptionEffects, name: str, words: Sequence[str]) -> list[dict[str, object]]:
    return [
        {
            name: words[at],
            _("Messages"): fit.trials[at],
            _("Clicks per 1,000 texts"): number(1000 * fit.rate[at], 1),
            _("Odds of a click, against the mean"): _odds(fit, at),
        }
        for at in range(len(words))
    ]


def _odds(fit: OptionEffects, at: int) -> str:
    return odds_words(fit.effect[at], fit.low[at], fit.high[at])


def formats_table(content: Content) -> Html:
    """Formats (content types) compared within campaigns, with replies and opt-outs."""
    if len(content.formats.options) < 2:
        return note(_("The source names fewer than two content types, so formats cannot be compared."))
    counts = content.format_counts.set_index("kind").reindex(list(content.formats.options))
    rows = _rows_of(content.formats, _("Format"), [kind_name(name) for name in content.formats.options])
    for row, (_kind, own) in zip(rows, counts.iterrows(), strict=True):
        row[_("Replies per 1,000 texts")] = number(1000 * own["reply_rate"], 1)
        row[_("Opt-outs per 1,000 texts")] = number(1000 * own["opt_out_rate"], 1)
    caption = _("Formats: rates as counted, and the odds of a click compared within campaigns and segments")
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def agreement_table(content: Content) -> Html:
    """Creatives in randomised tests, and outside them in the log."""
    found = compare_with_log(content.tested, content.untested)
    if not found:
        return note(_("No two texts were both tested and compared in the log, so the log cannot be checked."))
    rows = [
        {
            _("Texts compared"): _("{one} against {two}").format(one=arm_name(each.creative), two=arm_name(each.base)),
            _("Randomised tests"): odds_words(*each.tested),
            _("Log"): odds_words(*each.log),
            _("Differ by standard errors"): number(each.z, 1),
        }
        for each in found
    ]
    caption = _("Change in the odds of a click in the randomised tests, and in the log outside them")
    return table(pd.DataFrame(rows), caption=caption)
