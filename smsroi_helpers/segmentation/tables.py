"""Tables and notes of `01_segmentation`; those of profiles and criteria are in `profile_tables`, `criteria_tables`."""

from typing import Any

import numpy as np
import pandas as pd

from smsroi_helpers.locale import _, joined, listed, money, number, percent
from smsroi_helpers.pages import Html, attribute_words, names_of, note, segment_name, sentence_case, table
from smsroi_helpers.segmentation.figures import FEWEST_SHOWN, in_order
from smsroi_helpers.segmentation.membership import Grouping
from smsroi_helpers.segmentation.predictive_value import number_of_segments
from smsroi_helpers.segmentation.rules import BUYER_GROUPS, share_cuts
from smsroi_helpers.segmentation.wording import (
    cuts_sentence,
    feature_words,
    name_clusters,
    once_sentence,
    range_words,
)
from smsroi_helpers.statistics import ALPHA

__all__ = [
    "clusters_table",
    "comparison_table",
    "cuts_note",
    "exclusions_table",
    "factors_table",
    "moved_cuts_table",
    "moves_table",
    "returns_table",
    "rules_table",
    "scores_table",
    "segments_table",
]


def exclusions_table(exclusions: pd.DataFrame) -> Html:
    """What was rejected of the orders, and why."""
    return table(exclusions, caption=_("Rows of orders rejected, and why"))


def cuts_note(grouping: Grouping, scores: pd.DataFrame) -> Html:
    """Where dormant and lost begin, and what the scores cannot tell."""
    return note(joined(cuts_sentence(grouping), once_sentence(scores)))


def scores_table(scores: pd.DataFrame, currency: str) -> Html:
    """What each score stands for.

    Args:
        scores: the result of `rfm.score_table`.
        currency: the source's.
    """
    names = {
        "recency_days": _("days since the last purchase"),
        "frequency": _("orders"),
        "monetary": _("money spent"),
    }

    def show(measure: str, value: float) -> str:
        return money(value, currency) if measure == "monetary" else number(value)

    shown = pd.DataFrame(
        {
            _("Measure"): scores["measure"].map(names),
            _("Score"): [str(score) for score in scores["score"]],
            _("Customers"): scores["customers"].astype(int),
            _("From"): [show(row.measure, row.least) for row in scores.itertuples()],
            _("To"): [show(row.measure, row.most) for row in scores.itertuples()],
        }
    )
    caption = _(
        "Scores from one to five: one more than the number of whole fifths of customers who lie strictly below. Equal"
        " values have equal scores, so where many are equal a score may be missing"
    )
    return table(shown, caption=caption, suppress=_("Customers"))


def rules_table(rules: pd.DataFrame, grouping: Grouping, currency: str) -> Html:
    """The rules of the named groups, asked in turn, with who is in each.

    Args:
        rules: the result of `rfm.rule_table`.
        grouping: whose cut-offs.
        currency: the source's.
    """
    cuts = grouping.cuts
    dormant, lost = number(cuts.dormant_after_days), number(cuts.lost_after_days)
    often = _("frequency score {score} or more, at least two orders").format(score=cuts.frequent_score)
    recent = _("bought within {days} days").format(days=dormant)
    words = {
        "lost": _("silent for more than {days} days").format(days=lost),
        "dormant": _("silent for {low} to {high} days").format(low=number(cuts.dormant_after_days + 1), high=lost),
        "gold": _("{recent}; {often}; money score {score} or more").format(
            recent=recent, often=often, score=cuts.high_score
        ),
        "value": _("{recent}; {often}; a lower money score").format(recent=recent, often=often),
        "growth": _("{recent}; any other").format(recent=recent),
    }
    shown = pd.DataFrame(
        {
            _("Group"): [segment_name(name, "rfm_group") for name in rules["group"]],
            _("Rule"): rules["group"].map(words),
            _("Customers"): rules["customers"].astype(int),
            _("Share"): [percent(share) for share in rules["share"]],
            _("Money spent"): [money(value, currency, 0) for value in rules["monetary"]],
            _("Share of money (95% interval)"): [
                _("{share} ({interval})").format(
                    share=percent(row.money_share, 1), interval=range_words(row.low, row.high)
                )
                for row in rules.itertuples()
            ],
        }
    )
    caption = _(
        "The named groups: every customer who has bought is in exactly one. The rules apply in this order: lost,"
        " dormant, gold, value; the rest is growth"
    )
    return table(shown, caption=caption, suppress=_("Customers"))


def moved_cuts_table(moved: pd.DataFrame) -> Html:
    """How many customers each group would hold were the cut-offs moved.

    Args:
        moved: the result of `rfm.move_cuts`.
    """
    shares = share_cuts(moved)
    shown = pd.DataFrame(
        {
            _("Cut-offs"): [
                _("as found") if row.factor == 1 else _("times {factor}").format(factor=number(row.factor, 2))
                for row in moved.itertuples()
            ],
            _("Dormant after (days)"): moved["dormant_after_days"],
            _("Lost after (days)"): moved["lost_after_days"],
            **{
                sentence_case(segment_name(name, "rfm_group")): [
                    percent(share) if customers == 0 or customers >= FEWEST_SHOWN else "–"
                    for share, customers in zip(shares[name], moved[name], strict=True)
                ]
                for name in BUYER_GROUPS
            },
        }
    )
    caption = _("Share of customers in each group, were dormant and lost to begin earlier or later")
    return table(shown, caption=caption, digits=0, fold=True)


def returns_table(returns: pd.DataFrame) -> Html:
    """Of customers silent for so many days, how many came back.

    Args:
        returns: the result of `rfm.return_shares`.
    """
    days = int(returns["within_days"].iloc[0])
    # The rows are no parts of a whole: one that is left out cannot be worked out from the others.
    returns = returns[returns["waiting"] >= FEWEST_SHOWN]
    if returns.empty:
        return note(_("Too few silences were long enough to tell how many customers come back after one."))
    shown = pd.DataFrame(
        {
            _("Silent for (days)"): [number(value) for value in returns["after_days"]],
            _("Times this was seen"): returns["waiting"],
            _("Bought again within {days} days more").format(days=number(days)): [
                percent(value, 1) for value in returns["share"]
            ],
            _("95% interval"): [range_words(row.low, row.high) for row in returns.itertuples()],
        }
    )
    return table(
        shown,
        caption=_("After how many silences of so many days customers came back: what a cut-off means in these data"),
        fold=True,
    )


def clusters_table(grouping: Grouping, profiles: pd.DataFrame | None, currency: str) -> Html:
    """The clusters by name with what marks each, or that there are none.

    Args:
        grouping: the result of `membership.find_grouping`.
        profiles: the result of `clusters.profile`, of its sample.
        currency: the source's.
    """
    if grouping.clusters is None or profiles is None:
        return note(_("These data support no clustering, so no customer is put into a cluster."))
    words = feature_words()
    names = name_clusters(profiles)
    people = number(len(grouping.sample.rows))
    counted = (
        _("all {n} customers who have bought").format(n=people)
        if grouping.sample.share >= 1
        else _("a random sample, {n} customers, {share} of those who have bought").format(
            n=people, share=percent(grouping.sample.share)
        )
    )
    rows = []
    for cluster, part in profiles.groupby("cluster", sort=True):
        marks = part[(part["distance"].abs() >= 0.2) & ~((part["value"] != "") & (part["distance"] < 0))]
        marks = marks.reindex(marks["distance"].abs().sort_values(ascending=False, kind="stable").index).head(5)
        rows.append(
            {
                _("Cluster"): _("{letter}: {name}").format(letter=cluster, name=names[str(cluster)]),
                _("Customers"): int(part["customers"].iloc[0]),
                _("Share"): percent(float(part["share"].iloc[0])),
                _("What marks it"): listed(_mark(row, words, currency) for row in marks.itertuples()),
            }
        )
    caption = _(
        "Clusters and what sets each apart most, with everybody’s value in brackets. Counted: {counted}"
    ).format(counted=counted)
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def _mark(row: Any, words: dict[str, tuple[str, str, str]], currency: str) -> str:
    if row.value:
        return _("{attribute}: {share} ({overall})").format(
            attribute=attribute_words(row.feature, row.value), share=percent(row.mean), overall=percent(row.overall)
        )

    def show(value: float) -> str:
        if row.feature == "click_rate":
            return percent(value, 1)
        if row.feature == "order_value":
            return money(value, currency)
        # A rate is kept by the day and read by the month.
        return number(value * (365.25 / 12 if row.feature == "rate" else 1.0), 2)

    return _("{name} {value} ({overall})").format(
        name=words[row.feature][0], value=show(row.mean), overall=show(row.overall)
    )


def factors_table(factors: pd.DataFrame) -> Html:
    """Which behaviours go together, read out.

    Args:
        factors: the result of `factors.factor_loadings`.
    """
    if factors.empty:
        return note(_("Too few features vary to look for factors behind them."))
    words = feature_words()
    rows = []
    for factor, part in factors.groupby("factor"):
        strong = part[part["loading"].abs() >= 0.4]
        strong = strong.reindex(strong["loading"].abs().sort_values(ascending=False, kind="stable").index)
        said = listed(
            _("{name} ({loading})").format(name=words[row.feature][0], loading=number(row.loading, 2))
            for row in strong.itertuples()
        )
        ends = [words[row.feature][1 if row.loading > 0 else 2] for row in strong.itertuples()]
        reads = _("nothing strong enough to read") if not len(strong) else _(", ").join(ends)
        rows.append(
            {
                _("Factor"): str(factor),
                _("Of the features’ variance"): percent(float(part["explained"].iloc[0])),
                _("Loads on"): said or "–",
                _("Customers high on it"): reads,
            }
        )
    caption = _(
        "Factor analysis with varimax rotation: behaviours that go together, with their loadings. A factor shows"
        " what differs by itself, not that there are groups"
    )
    return table(pd.DataFrame(rows), caption=caption, fold=True)


def segments_table(segment_outcomes: pd.DataFrame, currency: str) -> Html:
    """What each segment brought in the next period, in figures.

    Args:
        segment_outcomes: the result of `predictive_value.outcomes_by_segment`.
        currency: the source's.
    """
    shown = pd.DataFrame(
        {
            _("Segment"): [segment_name(str(name)) for name in segment_outcomes["segment"]],
            _("Customers"): segment_outcomes["customers"].astype(int),
            _("Bought (95% interval)"): [
                _("{share} ({interval})").format(
                    share=percent(row.bought, 1), interval=range_words(row.bought_low, row.bought_high)
                )
                for row in segment_outcomes.itertuples()
            ],
            _("Spend per customer (95% interval)"): [
                _("{value} ({low} to {high})").format(
                    value=money(row.per_customer, currency), low=money(row.per_customer_low, currency),
                    high=money(row.per_customer_high, currency),
                )
                for row in segment_outcomes.itertuples()
            ],
        }
    )  # fmt: skip
    return table(
        shown, caption=_("What each segment did in the period after it was made"), suppress=_("Customers"), fold=True
    )


def comparison_table(explained: pd.DataFrame) -> Html:
    """The same in figures, with the difference from the named groups in spend.

    Args:
        explained: the result of `predictive_value.explained`.
    """
    names = in_order(explained)
    outcomes = {"spend": _("Spend"), "orders": _("Orders"), "response": _("Response")}
    by_outcome = {name: explained[explained["outcome"] == name].set_index("segmentation") for name in outcomes}

    def cell(rows: pd.DataFrame, name: str, columns: tuple[str, str, str]) -> str:
        if name not in rows.index:
            return "–"
        value, low, high = (float(rows.loc[name, column]) for column in columns)
        return _("{share} ({interval})").format(share=percent(value, 1), interval=range_words(low, high))

    difference = ("difference", "difference_low", "difference_high")
    shown = pd.DataFrame(
        {
            _("Segmentation"): [sentence_case(names_of(name)) for name in names],
            _("Segments"): [number_of_segments(explained, name) for name in names],
            **{
                label: [cell(by_outcome[outcome], name, ("share", "low", "high")) for name in names]
                for outcome, label in outcomes.items()
            },
            _("Spend, beyond RFM groups"): [
                "–" if name == "rfm_group" else cell(by_outcome["spend"], name, difference) for name in names
            ],
        }
    )
    caption = _("Share explained of what customers did in the next period, in figures (95% intervals)")
    return table(shown, caption=caption, fold=True)


def moves_table(table_of_moves: pd.DataFrame, currency: str, segment_by: str = "") -> Html:
    """Every movement with its share, the money it moved, and whether it is beyond chance.

    Args:
        table_of_moves: the result of `migration.count_moves`.
        currency: the source's.
        segment_by: the grouping that customers move in; empty: that of the page.
    """
    rows = table_of_moves

    def status(row: Any) -> str:
        if not row.possible:
            return _("no movement: the log was too short before for anybody to be {segment}").format(
                segment=segment_name(row.now, segment_by)
            )
        if np.isnan(row.adjusted_p):
            return _("not known")
        change = _("{change} points ({low} to {high})").format(
            change=number(100 * row.change, 1), low=number(100 * row.change_low, 1),
            high=number(100 * row.change_high, 1),
        )  # fmt: skip
        if row.adjusted_p < ALPHA:
            return change
        return _("not beyond chance after correction: {change}").format(change=change)

    shown = pd.DataFrame(
        {
            _("From"): [segment_name(name, segment_by) for name in rows["before"]],
            _("To"): [segment_name(name, segment_by) for name in rows["now"]],
            _("Customers"): rows["customers"].astype(int),
            _("Of those who were there (95% interval)"): [
                _("{share} ({interval})").format(share=percent(row.share, 1), interval=range_words(row.low, row.high))
                for row in rows.itertuples()
            ],
            _("Money moved (95% interval)"): [
                money(row.money, currency, 0)
                if np.isnan(row.money_low)
                else _("{value} ({low} to {high})").format(
                    value=money(row.money, currency, 0),
                    low=money(row.money_low, currency, 0),
                    high=money(row.money_high, currency, 0),
                )
                for row in rows.itertuples()
            ],
            _("Against the period before"): [status(row) for row in rows.itertuples()],
        }
    )
    caption = _(
        "Movements, what those customers spent in this period less what they spent in the one before, and how the share"
        " differs from the same movement’s one period earlier. Each interval is by itself; whether a difference is"
        " beyond chance is corrected for the number of movements (Benjamini–Hochberg)"
    )
    return table(shown, caption=caption, suppress=_("Customers"))
