"""Tables of `04_frequency`."""

from typing import Literal

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.decision import dose_words, opt_out_sentence
from smsroi_helpers.frequency.dose_response import ALL, PROPORTIONAL_ALPHA
from smsroi_helpers.frequency.early_warning import RECENT_WEEKS
from smsroi_helpers.frequency.policy import AS_TODAY, GATE, TIE_SHARE, Study, in_order, summarise_draws
from smsroi_helpers.locale import _, day, joined, money, number, percent
from smsroi_helpers.pages import Html, compact_words, note, p_words, problem_words, segment_name, table
from smsroi_helpers.statistics import difference_of_means

__all__ = [
    "arms_table",
    "clicks_table",
    "exclusions_table",
    "overlap_table",
    "policy_table",
    "practice_table",
    "response_table",
    "rule_note",
    "satisfaction_table",
    "saturation_table",
    "shape_note",
    "steps_table",
    "test_note",
    "warning_table",
    "winback_table",
]

_WON_BACK = ("dormant", "lost", "lapsing", "lapsed")


def _as_today(outcome: str, step: float) -> bool:
    """Whether the advice is to go on as today: then nothing is gained by a change, as the decision says."""
    return outcome == "stay" and abs(step) < AS_TODAY


def _dose_number(dose: float) -> str:
    """Texts a week, as a column has room for it."""
    return number(dose, 0 if float(dose).is_integer() else 1)


def _share_words(value: float, low: float, high: float, digits: int = 2) -> str:
    if not np.isfinite([value, low, high]).all():
        return "–" if not np.isfinite(value) else percent(value, digits)
    return f"{compact_words(100 * value, 100 * low, 100 * high)} %"


def _money_words(*numbers: float, currency: str) -> str:
    """An amount (value, low, high) as a table has room for it; alone where it has no interval."""
    value, low, high = numbers
    if not np.isfinite([value, low, high]).all() or low == high:
        return "–" if not np.isfinite(value) else money(value, currency, 0 if value == 0 else 2)
    return compact_words(value, low, high, currency)


# --- data ------------------------------------------------------------------------------------------------------------


def test_note(study: Study) -> Html:
    """Which test answers, or why none does."""
    if study.why_none or study.experiment is None or study.trust is None:
        return note(joined(study.why_none, _("What follows is read off the log and shows no effect of messages.")))
    each = study.experiment
    words = _("The doses were tried in {test}, from {start} on, on {n} customers; its split is sound (p {p}).").format(
        test=each.name, start=day(each.started), n=number(each.customers.sum()), p=p_words(study.trust.split.p_value)
    )
    return note(joined(words, *(f"{problem_words(warning)}." for warning in study.trust.warnings)))


def exclusions_table(study: Study) -> Html:
    """Who of the test counts, and who does not."""
    if not study.sound or not len(study.cells):
        return note(_("No test’s customers are counted."))
    every = int(study.experiment.assigned["n"].sum()) if study.experiment is not None else 0
    late = int(study.experiment.assigned["late"].sum()) if study.experiment is not None else 0
    asked = study.cells[study.cells["consenting"] == 1]
    out = int(study.cells.loc[study.cells["consenting"] == 0, "n"].sum())
    rows = [
        (_("Assigned"), 0, every),
        (_("Assigned too late to have an outcome"), late, every - late),
        (_("Did not consent when assigned"), out, int(asked["n"].sum())),
    ]
    columns = [_("Reason"), _("Customers out"), _("Customers left")]
    return table(pd.DataFrame(rows, columns=columns), caption=_("Whose outcomes count, and whose do not"), digits=0)


def practice_table(study: Study) -> Html:
    """The landmarks at which today's practice is read off the log."""
    weeks, logs = study.logs.weeks, study.logs
    if not len(weeks):
        return note(_("The log has too few weeks of messages outside experiments to show what is done today."))
    rows = [
        {
            _("Week of"): day(pd.Timestamp(landmark).date()),
            _("Customers"): own["customer"].nunique(),
            _("Texts each"): own["texts"].mean(),
            _("Without any"): percent((own["texts"] == 0).mean()),
        }
        for landmark, own in weeks.groupby("landmark")
    ]
    said = _(
        "Subscribers outside experiments in {n} weeks of the log, {share} of the customers by hash ({channel})"
    ).format(n=number(len(rows)), share=percent(logs.sampled), channel=study.channel)
    if logs.practice.planned:
        said = joined(
            said + ".",
            _("From {day} on messages followed a plan of an earlier run, which is not today’s practice").format(
                day=day(logs.practice.end)
            ),
        )
    return table(pd.DataFrame(rows), caption=said, suppress=_("Customers"), digits={_("Texts each"): 2})


# --- result ----------------------------------------------------------------------------------------------------------


def arms_table(study: Study, currency: str) -> Html:
    """The arms as they came out."""
    if not len(study.plain):
        return note(_("There are no arms to show."))
    rows = study.plain[study.plain["segment"] == ALL]
    zero = 0.0 in study.doses.values()
    frame = pd.DataFrame({
        _("Dose planned"): [dose_words(x) for x in rows["messages_per_week"]],
        _("Sent a week"): [number(x, 2) for x in rows["sent"]],
        _("Customers"): rows["customers"].to_numpy(),
        _("Orders each"): [number(x, 2) for x in rows["orders"]],
        _("Clicks a week"): [
            compact_words(*row) if np.isfinite(row).all() and row[2] > row[1] else number(row[0], 2)
            for row in rows[["clicks", "clicks_low", "clicks_high"]].to_numpy(float)
        ],
        _("Opt-outs a week"): [
            _share_words(*row) for row in rows[["hazard", "hazard_low", "hazard_high"]].to_numpy(float)
        ],
    })  # fmt: skip
    if zero:
        frame[_("Profit a week against none")] = [
            _money_words(*row, currency=currency) for row in rows[["profit", "low", "high"]].to_numpy(float)
        ]
    else:
        frame[_("Profit against the smallest dose")] = _contrasts(study, currency)
    caption = _(
        "The arms as they are, by lot, with 95% intervals: per subscribed customer and week, orders over the whole"
        " test. Opt-outs include those that would have come anyway"
    )
    return table(frame, caption=caption, suppress=_("Customers"))


def _contrasts(study: Study, currency: str) -> list[str]:
    """Profit per customer of each dose less that of the smallest, where no arm was sent nothing."""
    own = study.cells[study.cells["consenting"] == 1]
    own = own.assign(dose=own["arm"].map(study.doses)).groupby("dose")
    sums = own[["profit__n", "profit__sum_y", "profit__sum_y2"]].sum().sort_index()
    first = tuple(sums.iloc[:1].to_numpy(float).T)
    told = ["–"]
    for place in range(1, len(sums)):
        found = difference_of_means(tuple(sums.iloc[place : place + 1].to_numpy(float).T), first)
        told.append(_money_words(found.estimate[0], found.low[0], found.high[0], currency=currency))
    return told


def response_table(study: Study, currency: str) -> Html:
    """What each dose brings and costs by segment, pooled, beside the arms as they are."""
    if study.fit is None:
        return note(_("Without a test that had an arm without messages, what a dose brings cannot be told."))
    fit = study.fit
    plain = study.plain.set_index(["segment", "messages_per_week"])
    profit, caused, value = fit.profit(), fit.caused(), fit.value()
    rows = []
    for name in in_order(study, fit.names):
        i = fit.place(name)
        for k, dose in enumerate(fit.doses):
            if dose == 0:
                continue
            g = fit.at(dose)
            told = [summarise_draws(x[i, g]) for x in (profit, caused, value)]
            arm = (
                plain.loc[(name, dose), ["profit", "low", "high"]].to_numpy(float)
                if name in plain.index
                else [np.nan] * 3
            )
            rows.append({
                _("Segment"): segment_name(name), _("Dose"): dose_words(dose), _("Customers"): fit.customers[i, k],
                _("Profit a week, arm alone"): _money_words(*arm, currency=currency),
                _("Profit a week, pooled"): _money_words(*told[0], currency=currency),
                _("Opt-outs caused a week"): _share_words(*told[1]),
                _("Worth of a subscriber"): _money_words(*told[2], currency=currency),
            })  # fmt: skip
    caption = _(
        "What each dose brings per subscriber and week against none, how many it makes opt out, and what a subscriber"
        " texted so from now on is worth; 95% intervals. Segments are those at the assignment; pooled estimates are"
        " drawn together as far as segments differ by chance"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def policy_table(policy: pd.DataFrame, currency: str, by: Literal["segment", "stage"] = "segment") -> Html:
    """The dose advised for each group against today's."""
    if not len(policy):
        return note(_("No dose can be advised."))
    words = {"change": _("change"), "stay": _("stay"), "not_enough": _("not enough evidence")}
    rows = [
        {
            _("Segment"): segment_name(row.segment),
            _("In the test"): row.customers,
            _("Subscribers"): row.subscribed,
            _("Today"): number(row.today, 1) if np.isfinite(row.today) else _("not known"),
            _("Best this week"): "–" if row.reason == "no_effect" else _dose_number(row.short_run),
            _("Best in the long run"): "–" if row.reason == "no_effect" else _dose_number(row.messages_per_week),
            _("As good, perhaps"): ", ".join(_dose_number(x) for x in row.not_worse),
            _("Gain a week"): _money_words(row.gain, row.gain_low, row.gain_high, currency=currency)
            if row.reason != "no_effect" and not _as_today(row.outcome, row.messages_per_week - row.today) else "–",
            _("Verdict"): words[row.outcome],
        }
        for row in policy.itertuples()
    ]  # fmt: skip
    caption = (
        _(
            "The dose of each segment: best this week and in the long run, against today’s, and what changing would"
            " bring"
        )
        if by == "segment"
        else _("The same by lifecycle stage")
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("In the test"), digits=0)


def rule_note(study: Study) -> Html:
    """The rule by which a dose is chosen, and how the tie is broken."""
    if study.fit is None:
        return note(_("Without such a test no rule chooses a dose."))
    return note(
        joined(
            _(
                "The rule: of the doses tried the one with the highest long-run profit is taken; a smaller one in its"
                " stead only if it cannot be told from the best (multiple comparisons with the best, 95%) and its"
                " estimate falls short of it by no more than {share}, or than the smallest gain worth having. The first"
                " alone would let a noisy test choose whatever is small. A change is advised where the whole interval"
                " of its gain lies above the smallest gain worth having."
            ).format(share=percent(TIE_SHARE)),
            opt_out_sentence(study),
        )
    )


# --- checks ----------------------------------------------------------------------------------------------------------


def shape_note(study: Study) -> Html:
    """Whether clicks may tell the shape of profit."""
    if study.fit is None:
        return note(_("Without a response there is no shape to check."))
    p = study.fit.proportional_p
    if study.fit.method == "arms":
        if p < PROPORTIONAL_ALPHA:
            return note(
                _(
                    "Profit is not proportional to clicks over the arms (p {p}), so clicks do not help: each arm stands"
                    " as it is."
                ).format(p=p_words(p))
            )
        return note(_("Nothing tells clicks in every arm, or only one dose was tried: each arm stands as it is."))
    return note(
        _(
            "Clicks may tell the shape: that profit before message cost is proportional to them over the arms of each"
            " segment is not contradicted (p {p}). That is no proof; where it were wrong, the pooled numbers would"
            " stand apart from the arms’ own."
        ).format(p=p_words(p))
    )


def clicks_table(study: Study, currency: str) -> Html:
    """What a click is worth, by segment, alone and pooled."""
    if study.fit is None or not len(study.fit.click_value):
        return note(_("What a click is worth is not worked out."))
    order = in_order(study, study.fit.names)
    click_value = study.fit.click_value.set_index("segment").loc[order].reset_index()
    rows = [
        {
            _("Segment"): segment_name(row.segment),
            _("Customers"): study.fit.customers[study.fit.place(row.segment)].sum(),
            _("Worth of a click, alone"): _money_words(
                row.estimate,
                row.estimate - 1.96 * row.standard_error,
                row.estimate + 1.96 * row.standard_error,
                currency=currency,
            ),
            _("Worth of a click, pooled"): _money_words(row.pooled, row.low, row.high, currency=currency),
        }
        for row in click_value.itertuples()
    ]
    caption = _(
        "Profit before message cost per click, by lot: the arms’ profit on the arms’ clicks, segment by segment, and"
        " drawn together"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def steps_table(study: Study, currency: str) -> Html:
    """What one text more a week goes with in the log, raw and adjusted, beside what the test shows."""
    steps = study.logs.steps
    if not len(steps):
        return note(_("The log has no weeks outside experiments to compare."))
    rows = []
    for row in steps.itertuples():
        test = "–"
        if study.fit is not None:
            m = study.fit.gross[0]
            drawn = m[study.fit.at(row.more)] - m[study.fit.at(row.fewer)]
            test = _money_words(*summarise_draws(drawn), currency=currency)
        reason = {"few": _("too few"), "overlap": _("too little overlap")}.get(row.reason, "")
        raw = _money_words(row.raw, row.raw_low, row.raw_high, currency=currency)
        adjusted = _money_words(row.effect, row.low, row.high, currency=currency)
        limits = _("{e} ({limit})").format(e=number(row.e_value, 2), limit=number(row.e_value_low, 2))
        rows.append({
            _("Step"): _("{a} to {b} texts a week").format(a=number(row.fewer), b=number(row.more)),
            _("Customers"): row.customers,
            _("Raw"): raw if np.isfinite(row.raw) else reason,
            _("Adjusted"): adjusted if np.isfinite(row.effect) else reason,
            _("Left out"): percent(row.trimmed / max(row.kept + row.trimmed, 1)) if row.kept else "–",
            _("E-value (of the limit)"): limits if np.isfinite(row.e_value) else "–",
            _("By lot"): test,
        })  # fmt: skip
    caption = _(
        "What one text more in a week goes with in profit before message cost over four weeks, 95% intervals."
        " Raw and adjusted are observational: read off the log, raw or adjusted for all that was known before;"
        " customer-weeks unlike any that got the other dose are left out. By lot is what the"
        " test shows of a week at such doses. E-value: how strongly something unseen would have to go with both dose"
        " and profit, as a risk ratio, to make all of it"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def overlap_table(study: Study) -> Html:
    """How far customers who got one dose could have got another."""
    overlap = study.logs.overlap
    if not len(overlap):
        return note(_("There is no overlap to show."))
    names = {f"share_{d}": _("could have got {d}").format(d=number(d)) for d in overlap["dose"]}
    frame = pd.DataFrame(
        {_("Texts that week"): [number(d) for d in overlap["dose"]], _("Customer-weeks"): overlap["rows"]}
    )
    for name, words in names.items():
        frame[words] = [percent(x) for x in overlap[name]]
    caption = _(
        "Overlap in the log: of the customer-weeks with so many texts, the share that had a chance of 5% or more of"
        " another dose, by what was known before. The last row stands for as many texts or more"
    )
    return table(frame, caption=caption, suppress=_("Customer-weeks"))


def saturation_table(found: pd.DataFrame, currency: str) -> Html:
    """Who gets too few, about right, too many; and what it costs."""
    if not len(found):
        return note(_("Without an advised dose nobody can be called under- or over-messaged."))
    rows = [
        {
            _("Segment"): segment_name(row.segment),
            _("Customers"): row.customers,
            _("Too few"): percent(row.under / row.customers),
            _("About right"): percent(row.right / row.customers),
            _("Too many"): percent(row.over / row.customers),
            _("Cost a week"): _money_words(row.cost, row.cost_low, row.cost_high, currency=currency),
            _("Of it by too few"): money(row.under_cost, currency, 0),
            _("By too many"): money(row.over_cost, currency, 0),
        }
        for row in found.itertuples()
    ]
    caption = _(
        "Subscribers outside experiments by the texts of their last four weeks, against the dose advised for their"
        " segment (half a text a week more or less is about right), and what being off it costs a week, opt-outs priced"
        " in. The gain above is another sum: it is of all subscribers, and counts too what is lost where four texts in"
        " four weeks come three in one and none in the next"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def warning_table(study: Study, found: tuple[pd.DataFrame, str]) -> Html:
    """Who is fading."""
    frame, why = found
    frame = frame.set_index("segment").loc[in_order(study, list(frame["segment"]))].reset_index()
    rows = [
        {
            _("Segment"): segment_name(row.segment),
            _("Subscribers"): row.subscribers,
            _("Fading in buying"): percent(row.fading / row.alive) if row.alive and np.isfinite(row.alive) else "–",
            _("Clicked before, not since"): percent(row.gone_quiet / row.clickers) if row.clickers else "–",
            _("Not before, but since"): percent(row.woken / row.silent) if row.silent else "–",
        }
        for row in frame.itertuples()
    ]
    caption = _(
        "Early warning over the last {weeks} weeks against as many before, counted. Fading: of those who were likely"
        " still customers (MBG/NBD), the share that no longer is. Clicking is rare, so many fall silent by chance; the"
        " last column says how many woke"
    ).format(weeks=number(RECENT_WEEKS))
    if why:
        caption = joined(caption + ".", _("Too few buyers came back for a purchase model."))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Subscribers"))


def winback_table(study: Study, currency: str) -> Html:
    """What the dormant and lost answer to each dose."""
    rows: list[dict[str, object]] = []
    for fit in (study.fit, study.stages):
        if fit is None:
            continue
        for name in fit.names:
            if name not in _WON_BACK or any(row[_("Group")] == segment_name(name) for row in rows):
                continue
            # As for every verdict here: of a group nothing is claimed before texts are shown to do anything at all.
            shown = fit.effect_p < GATE
            i = fit.place(name)
            m = fit.profit()[i]
            for k, dose in enumerate(fit.doses):
                if dose > 0:
                    drawn = m[fit.at(dose)]
                    limits = np.quantile(drawn, [0.025, 0.975])
                    pays = _("yes") if shown and limits[0] > 0 else _("no") if limits[1] < 0 else _("not shown")
                    rows.append({
                        _("Group"): segment_name(name), _("Dose"): dose_words(dose),
                        _("Customers"): fit.customers[i, k],
                        _("Profit a week"): _money_words(drawn.mean(), *limits, currency=currency),
                        _("Pays"): pays,
                    })  # fmt: skip
    if not rows:
        return note(_("The test had too few dormant or lost customers to say whether texts win them back."))
    caption = _("Winning back: what texts bring from customers who had gone quiet when the test began, by lot")
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def satisfaction_table(found: tuple[pd.DataFrame, str]) -> Html:
    """The feedback score by dose."""
    frame, evidence = found
    if not len(frame):
        return note(_("Nobody’s feedback tells how content they are with being texted so often."))
    by_lot = evidence == "randomised"
    rows = []
    for row in frame.itertuples():
        told = {
            (_("Dose") if by_lot else _("Texts in the week before")): dose_words(row.dose)
            if by_lot
            else number(row.dose),
            (_("Customers") if by_lot else _("Answers")): row.n,
            _("Score"): compact_words(row.mean, row.low, row.high) if np.isfinite(row.low) else number(row.mean, 1),
        }
        if by_lot:
            told[_("Against none")] = (
                compact_words(row.difference, row.difference_low, row.difference_high)
                if np.isfinite(row.difference_low)
                else "–"
            )
        rows.append(told)
    caption = (
        _("How likely people are to recommend (0 to 10) by the dose they were given by lot, 95% intervals")
        if by_lot
        else _(
            "How likely people are to recommend (0 to 10) by the texts they got before: observational, no effect shown"
        )
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers") if by_lot else _("Answers"))
