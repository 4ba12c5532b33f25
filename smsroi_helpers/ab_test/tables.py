"""Tables of `05_ab_test`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.evaluate import Evaluated
from smsroi_helpers.experiments import METRICS, locate_split
from smsroi_helpers.locale import _, day, joined, listed, money, number, percent, sentence
from smsroi_helpers.pages import Html, compact_words, lift_words, metric_words, note, p_words, problem_words, table
from smsroi_helpers.statistics import false_alarms

__all__ = [
    "best_table",
    "broken_days_table",
    "capped_table",
    "difference_words",
    "exclusions_table",
    "experiments_table",
    "ledger_table",
    "others_table",
    "overlaps_table",
    "peeking_note",
    "results_table",
    "validity_table",
]


MANY_ARMS = 4
"""Of tests with more arms, rows that say nothing are left out of tables, and counted."""


def _kind_words(kind: str) -> str:
    return {
        "holdout": _("texting or not"),
        "frequency": _("how often"),
        "timing": _("when"),
        "content": _("which text"),
    }.get(kind, kind)


def _reason_words(reason: str) -> str:
    return {
        "no_customers": _("an arm has fewer than two customers"),
        "no_messages": _("an arm was sent nothing"),
        "no_variance": _("all customers are alike in it"),
        "few_events": _("too few events in an arm"),
    }.get(reason, "")


def difference_words(
    metric: str, row: pd.Series, currency: str, names: Sequence[str] = ("difference", "low", "high")
) -> str:
    """A difference with its interval, in money or percentage points; the reason where there is none.

    Args:
        metric: its name.
        row: of `ab_test.measure_effects`.
        currency: the source's.
        names: the columns of the estimate and its limits.
    """
    value, low, high = (float(row[name]) for name in names)
    if not np.isfinite([value, low, high]).all():
        return _reason_words(str(row.get("reason", ""))) or "–"
    is_money = METRICS[metric].kind == "money"
    scale = 1.0 if is_money else 100.0
    shown = compact_words(scale * value, scale * low, scale * high, currency if is_money else "")
    return shown if is_money else _("{numbers} points").format(numbers=shown)


def _mean(metric: str, value: float, currency: str) -> str:
    if METRICS[metric].kind == "money":
        return money(value, currency)
    return percent(value, 2)


def exclusions_table(exclusions: pd.DataFrame) -> Html:
    """What was put aside of the assignments, and why.

    Args:
        exclusions: of `Run.exclusions`.
    """
    return table(exclusions, caption=_("Assignments put aside, and why"))


def experiments_table(evaluated: Sequence[Evaluated]) -> Html:
    """Every experiment with its arms, customers and time.

    Args:
        evaluated: of `ab_test.analyse`.
    """
    rows = []
    for each in evaluated:
        experiment = each.experiment
        end = _("until {day}").format(day=day(experiment.last)) if experiment.state == "ended" else _("running")
        late = int(experiment.assigned["late"].sum())
        rows.append({
            _("Test"): experiment.name,
            _("About"): _kind_words(experiment.kind),
            _("Control"): experiment.control,
            _("Against it"): listed(experiment.treated),
            _("Customers"): experiment.customers.sum(),
            _("Left out (too late)"): late,
            _("Weeks counted"): number(experiment.weeks, 1),
            _("Since"): day(experiment.started),
            _("State"): end,
        })  # fmt: skip
    caption = _("The tests, and how long the customers’ outcomes were counted on average")
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def validity_table(evaluated: Sequence[Evaluated]) -> Html:
    """Whether each experiment can be believed, check by check.

    Args:
        evaluated: of `ab_test.analyse`.
    """
    rows = []
    for each in evaluated:
        validity = each.validity
        past = validity.balance["adjusted_p"].min() if len(validity.balance) else float("nan")
        rows.append({
            _("Test"): each.experiment.name,
            _("Split as planned (p)"): p_words(validity.split.p_value),
            _("Past alike (p)"): p_words(past) if np.isfinite(past) else _("not known"),
            _("Control messaged"): percent(validity.control_messaged, 1) if np.isfinite(validity.control_messaged)
            else _("as planned"),
            _("Verdict"): listed(problem_words(one) for one in validity.problems) if validity.broken else _("sound"),
            _("To know"): listed(problem_words(one) for one in validity.warnings) or "–",
        })  # fmt: skip
    caption = _(
        "What must hold before a difference is anybody’s doing. A test is broken if its split has p below 0.01, or its"
        " arms’ past below 0.001"
    )
    return table(pd.DataFrame(rows), caption=caption)


def broken_days_table(evaluated: Sequence[Evaluated]) -> Html:
    """Of tests with a broken split, the days of assignment on which it went wrong.

    Args:
        evaluated: of `ab_test.analyse`.
    """
    rows = []
    for each in evaluated:
        if not each.validity.split.broken:
            continue
        assigned = each.experiment.assigned
        cells = assigned.assign(name=pd.to_datetime(assigned["day"]).dt.date, n=assigned["n"] - assigned["late"])
        found = locate_split(cells, each.experiment)
        for row in found[found["adjusted_p"] < 0.05].head(20).itertuples():
            rows.append({
                _("Test"): each.experiment.name, _("Assigned on"): day(row.name), _("Customers"): row.customers,
                _("Arm"): row.arm, _("Share"): percent(row.share, 1), _("Planned"): percent(row.planned, 1),
                _("Adjusted p"): p_words(row.adjusted_p),
            })  # fmt: skip
    if not rows:
        return note(_("No day of assignment stands out for its split."))
    caption = _("Where a broken split went wrong: days on which it was off by more than chance (it locates, no more)")
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def overlaps_table(overlaps: pd.DataFrame) -> Html:
    """Who sat in two tests at once, and whether that mixes their effects.

    Args:
        overlaps: of `validity.check_overlaps`.
    """
    rows = [
        {
            _("Test"): row.one,
            _("And"): row.two,
            _("Customers in both"): row.customers,
            _("Of the smaller one"): percent(row.share),
            _("Arms independent (p)"): _("only one arm of one of them")
            if not np.isfinite(row.p_value)
            else p_words(row.p_value),
        }
        for row in overlaps.itertuples()
    ]
    if not rows:
        return note(_("Nobody sat in two tests at once."))
    caption = _(
        "Who sat in two tests at once. While the arms of the one are spread alike over the arms of the other, each"
        " difference is right: an average over the other’s arms"
    )
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def _effect_rows(each: Evaluated, rows: pd.DataFrame, currency: str, *, looks: bool) -> list[dict[str, object]]:
    """Rows of effects (of arms other than the control) as a table shows them.

    Args:
        each: the experiment.
        rows: of its effects.
        currency: the source's.
        looks: with a column for the always-valid interval.
    """
    shown = []
    for _index, row in rows.iterrows():
        metric = row["metric"]
        own = each.effects
        control = own[(own["metric"] == metric) & (own["segment"] == "all") & (own["arm"] == each.experiment.control)]
        running = each.experiment.state == "running"
        names = ("difference", "always_valid_low", "always_valid_high")
        lift = (float(row[name]) for name in ("relative", "relative_low", "relative_high"))
        more = {_("At any look"): difference_words(metric, row, currency, names) if running else "–"} if looks else {}
        shown.append({
            _("Test and arm"): _("{test}: {arm}").format(test=each.experiment.name, arm=row["arm"]),
            _("What"): metric_words(metric),
            _("Customers"): row["customers"],
            _("Mean (control)"): _("{mean} ({control})").format(
                mean=_mean(metric, row["mean"], currency),
                control=_mean(metric, float(control["mean"].iloc[0]), currency),
            ),
            _("Difference"): difference_words(metric, row, currency),
            **more,
            _("Relative lift"): lift_words(*lift),
            _("p-value"): p_words(row["adjusted_p"]),
        })  # fmt: skip
    return shown


def _overall_rows(each: Evaluated) -> pd.DataFrame:
    """Effects of all customers together, without the control's own rows; none of a broken test."""
    rows = each.effects
    return rows[(rows["segment"] == "all") & (rows["arm"] != each.experiment.control)] if len(rows) else rows


def results_table(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """What decides, the test's own metric, and opting out where it moved, by arm.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    looks = any(each.experiment.state == "running" for each in evaluated if not each.validity.broken)
    shown = []
    for each in evaluated:
        rows = _overall_rows(each)
        if not len(rows):
            continue
        moved = rows["adjusted_p"] < 0.05
        kept = (rows["metric"] == each.verdict.metric) | (moved & (rows["metric"] == "opt_out_rate"))
        # The test's own metric, where it is not what decides: of many arms only what moved.
        own = (rows["metric"] == each.experiment.primary) & (moved | (len(each.experiment.treated) <= MANY_ARMS))
        shown += _effect_rows(each, rows[kept | own], currency, looks=looks)
    if not shown:
        return note(_("No test can be believed, so no difference is shown."))
    adjusted = any((each.effects["method"] == "adjusted").any() for each in evaluated if not each.validity.broken)
    caption = joined(
        _("Arms against their control, with 95% intervals."),
        _("At any look: for tests that run and are read every day.") if looks else "",
        _("Adjusted for what the same customers did before.") if adjusted else "",
        _(
            "p is Holm’s, over all arms and segments. Opting out is shown where it moved, and so, of tests with many"
            " arms, are metrics that do not decide"
        ),
    )
    return table(pd.DataFrame(shown), caption=caption, suppress=_("Customers"))


def _deciding(each: Evaluated, rows: pd.DataFrame) -> pd.Series:
    return rows["metric"].isin([each.verdict.metric, each.experiment.primary])


def others_table(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """What else moved, among the metrics that only point where to look.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    shown, tried = [], 0
    for each in evaluated:
        rows = _overall_rows(each)
        if not len(rows):
            continue
        rows = rows[~_deciding(each, rows) & (rows["metric"] != "opt_out_rate")]
        tried += int(rows["p_value"].notna().sum())
        shown += _effect_rows(each, rows[rows["adjusted_p"] < 0.05], currency, looks=False)
    if not tried:
        return note(_("There is nothing else to compare."))
    if not shown:
        return note(_("None of {n} other comparisons is clear of chance.").format(n=number(tried)))
    caption = _(
        "What else moved: {n} of {all} further comparisons (p below 0.05 by Benjamini and Hochberg’s correction). They"
        " say where to look; none decides"
    ).format(n=number(len(shown)), all=number(tried))
    return table(pd.DataFrame(shown), caption=caption, suppress=_("Customers"))


def best_table(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """Of tests with several arms: how likely each is the best, and what settling on it would cost on average.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    rows = []
    for each in evaluated:
        if each.validity.broken or len(each.experiment.arms) < 3:
            continue
        own = each.effects
        own = own[(own["metric"] == each.verdict.metric) & (own["segment"] == "all")]
        for _index, row in own.sort_values("probability_best", ascending=False).head(4).iterrows():
            loss = row["expected_loss"]
            is_money = METRICS[each.verdict.metric].kind == "money"
            rows.append({
                _("Test"): each.experiment.name, _("Arm"): row["arm"], _("Customers"): row["customers"],
                _("Chance of being best"): percent(row["probability_best"], 1),
                _("Loss on average, if taken"): money(loss, currency) if is_money else percent(loss, 2),
            })  # fmt: skip
    if not rows:
        return note(_("No sound test has more than one arm beside its control."))
    caption = _(
        "For who must choose an arm today: the likeliest ones, and what is lost on average per customer if another is"
        " better. A model’s reading (flat prior, normal errors), no proof"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


_CAPPED = ("capped_difference", "capped_low", "capped_high")


def capped_table(capped: pd.DataFrame, currency: str) -> Html:
    """Whether a few very large customers make the difference.

    Args:
        capped: of `ab_test.cap_profit`.
        currency: the source's.
    """
    clear = [np.sign(capped[f"{x}low"]) * (np.sign(capped[f"{x}low"]) == np.sign(capped[f"{x}high"]))
             for x in ("", "capped_")]  # fmt: skip
    many = capped.groupby("experiment_id")["arm"].transform("size") > MANY_ARMS
    alike = many & (clear[0] == clear[1])
    rows = [
        {
            _("Test"): row["experiment_id"],
            _("Arm"): row["arm"],
            _("Cap"): money(row["cap"], currency),
            _("As it is"): difference_words("profit", row, currency),
            _("With the cap"): difference_words("profit", row, currency, _CAPPED),
        }
        for _index, row in capped[~alike].iterrows()
    ]
    if not rows and len(capped):
        return note(
            _("A cap on the largest profits changes nothing: no arm is clear of its control only with or without it.")
        )
    if not rows:
        return note(_("Without profit there is nothing to cap."))
    caption = _(
        "The difference in profit per customer, and the same with nobody’s profit above a cap that is one for all arms:"
        " what only 1 in 100 buyers of the test exceed. Where they disagree, a few customers make the difference"
    )
    if alike.any():
        caption = joined(
            sentence(caption),
            _("Of tests with many arms, {n} arms that are as clear, or as open, with the cap are not listed").format(
                n=number(int(alike.sum()))
            ),
        )
    return table(pd.DataFrame(rows), caption=caption)


def ledger_table(months: pd.DataFrame, totals: pd.DataFrame, currency: str) -> Html:
    """The months in numbers, with what holding out cost, and all of them together.

    Args:
        months: of `ab_test.keep_ledger`.
        totals: of `ab_test.total_ledger`.
        currency: the source's.
    """
    rows = [
        {
            _("Test"): row.experiment_id,
            _("Month"): f"{pd.Timestamp(row.month):%Y-%m}",
            _("Texted"): row.treated,
            _("Held out"): row.control,
            _("Earned"): compact_words(row.earned, row.earned_low, row.earned_high, currency),
            _("Forgone by holding out"): compact_words(row.forgone, row.forgone_low, row.forgone_high, currency),
        }
        for row in months.itertuples()
    ]
    if not rows:
        return note(_("So the ledger has no entry: hold a tenth of the customers out of every campaign, and it will."))
    caption = _("The ledger of the standing holdout: what the programme earned each month, and what knowing that cost")
    for row in totals.itertuples():
        caption = joined(
            sentence(caption),
            _("All of {test} together, adjusted by the time before: {earned} earned, {forgone} forgone").format(
                test=row.experiment_id,
                earned=compact_words(row.earned, row.earned_low, row.earned_high, currency),
                forgone=compact_words(row.forgone, row.forgone_low, row.forgone_high, currency),
            ),
        )
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def peeking_note(rng: np.random.Generator, days: int = 30) -> Html:
    """What looking every day does to the usual interval, and to the one used here, when nothing differs.

    Args:
        rng: of the simulated tests.
        days: one look each.
    """
    naive, ours = false_alarms(days, rng)
    return note(
        _(
            "Why two intervals: of simulated tests in which nothing differs, looking every day for {days} days calls"
            " {naive} significant by the usual interval, {ours} by the one used here while a test runs (at most {alpha}"
            " is what it promises, for however long one looks)."
        ).format(days=number(days), naive=percent(naive), ours=percent(ours, 1), alpha=percent(0.05))
    )
