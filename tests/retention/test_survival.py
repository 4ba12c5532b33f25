"""Kaplan–Meier curves against lifelines on single customers, against complete follow-up, and by hand."""

import datetime as dt
from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test

from smsroi_helpers.pages import in_reading_order, segment_colours
from smsroi_helpers.retention import counts, spells, survival
from smsroi_helpers.retention import figures as retention_figures
from smsroi_helpers.segmentation import find_cuts
from tests.retention.samples import START, buyers, custom_of, orders_csv, purchase_days

GONE = 84


def curve_of(shop, gone_after_days):
    rows = survival.custom_rows(shop, gone_after_days).mutate(segment=ibis.literal("all"))
    return survival.estimate_curve(counts.count_durations(shop, rows))


def test_cdnow_is_that_of_lifelines_on_single_customers(cdnow_shop):
    """Counts as weights give the estimate and the interval of one row per customer."""
    shop = cdnow_shop()
    gone = find_cuts(shop, lost_share=0.9).lost_after_days
    orders = shop.orders.select("customer_id", "ordered_at").to_pandas()
    clock = orders["ordered_at"].dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.tz_localize(None)
    days = pd.DataFrame({"customer": orders["customer_id"], "day": clock.dt.normalize()}).drop_duplicates()
    people = custom_of(days, gone, shop.as_of)
    fitter = KaplanMeierFitter().fit(people["days"], people["event"])
    curve = curve_of(shop, gone)
    assert curve.customers == len(people)
    assert curve.ended == people["event"].sum()
    for day in (0, 30, 91, 182, min(300, curve.days)):
        low, high = fitter.confidence_interval_.loc[:day].iloc[-1]
        expected = (float(fitter.survival_function_at_times(day).iloc[0]), low, high)
        assert curve.at(day) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(curve.at(curve.days + 1)[0])


def test_custom_is_that_of_complete_follow_up(read_once):
    """A log of a year in which customers join all the time, against the same company followed to its end."""
    customer, day = buyers(2, 5_000, weeks=52, join_weeks=45)
    curve = curve_of(read_once(orders=orders_csv(customer, day), as_of=str(START + dt.timedelta(days=363))), GONE)
    customer, day = buyers(3, 20_000, weeks=300, join_weeks=1)
    truth = custom_of(purchase_days(customer, day), GONE, START + dt.timedelta(days=7 * 300 - 1))
    for at in (0, 30, 91, 182):
        expected = (truth["days"] > at).mean()
        estimate, low, high = curve.at(at)
        error = np.hypot((high - low) / 3.92, np.sqrt(expected * (1 - expected) / len(truth)))
        assert abs(estimate - expected) < 4 * error
    # Had everybody been taken for observed to the last day, those who pause would seem to stay.
    naive = custom_of(purchase_days(*buyers(2, 5_000, weeks=52, join_weeks=45)), GONE, START + dt.timedelta(days=363))
    naive["days"] = naive["days"].where(naive["event"] == 1, naive["seen"])
    wrong = KaplanMeierFitter().fit(naive["days"], naive["event"]).survival_function_at_times(182).iloc[0]
    assert wrong > curve.at(182)[0] + 4 * 0.01


def test_custom_ends_with_the_last_purchase_before_the_first_long_silence(read_once):
    days = {"once": [0], "back": [0, 10, 60], "late": [0, 95], "young": [90], "stays": [0, 15, 30, 45, 60, 75, 90]}
    customer = [name for name, own in days.items() for _ in own]
    day = [one for own in days.values() for one in own]
    shop = read_once(
        orders=orders_csv(customer, day),
        as_of=str(START + dt.timedelta(days=100)),
    )
    rows = survival.custom_rows(shop, 20).order_by("customer_id").to_pandas().set_index("customer_id")
    found = {name[1:]: (int(row["days"]), bool(row["event"])) for name, row in rows.iterrows()}
    assert found == {"back": (10, True), "late": (0, True), "once": (0, True), "stays": (80, False)}
    starts = shop.orders.select("customer_id").distinct().mutate(start=ibis.literal(START + dt.timedelta(days=25)))
    after = spells.custom_after(shop, 20, starts).order_by("customer_id").to_pandas().set_index("customer_id")
    # Gone by day 20 are not followed from day 25 on; who bought on day 10 last, gone on day 30, ends where it begins.
    # An end after day 80 is not known by day 100.
    assert {name[1:]: (int(row["days"]), bool(row["event"])) for name, row in after.iterrows()} == {
        "back": (0, True), "stays": (55, False),
    }  # fmt: skip


def test_custom_from_a_landmark_is_that_of_complete_follow_up(read_once):
    """Customers of 20 weeks, followed from week 20 on in a log of a year, and in one that goes on to their end.

    The curve begins with those who buy again at all, and falls from the first days on: no plateau as long as the
    silence by which customers are known to be gone.
    """
    landmark = 139
    customer, day = buyers(8, 5_000, weeks=52, join_weeks=20)
    shop = read_once(orders=orders_csv(customer, day), as_of=str(START + dt.timedelta(days=363)))
    starts = shop.orders.select("customer_id").distinct()
    starts = starts.mutate(start=ibis.literal(START + dt.timedelta(days=landmark)), segment=ibis.literal("all"))
    curve = survival.estimate_curve(counts.count_durations(shop, spells.custom_after(shop, GONE, starts)))
    customer, day = buyers(9, 20_000, weeks=300, join_weeks=20)
    people = custom_of(purchase_days(customer, day), GONE, START + dt.timedelta(days=7 * 300 - 1))
    first = pd.Series(day).groupby(customer).min().reindex(people.index)
    last = first + people["days"]
    there = (first <= landmark) & (last + GONE > landmark)
    length = (last - landmark)[there].clip(lower=0)
    assert curve.days == 363 - GONE - landmark
    for at in (0, 7, 30, 91, 140):
        expected = (length > at).mean()
        estimate, low, high = curve.at(at)
        error = np.hypot((high - low) / 3.92, np.sqrt(expected * (1 - expected) / len(length)))
        assert abs(estimate - expected) < 4 * error
    assert curve.at(0)[0] > curve.at(7)[0] > curve.at(30)[0] > curve.at(60)[0]


def test_segments_made_of_purchases_are_not_tested_and_those_of_a_column_are(read_once):
    customer, day = buyers(11, 400, weeks=60, join_weeks=20)
    people = "customer_id,attr_side,joined_at\n" + "".join(f"c{i},{'ab'[i % 2]},{START}\n" for i in range(400))
    shop = read_once(orders=orders_csv(customer, day), customers=people, as_of=str(START + dt.timedelta(days=419)))
    found = {}
    for segment_by in ("rfm_group", "attr_side"):
        rows = survival.analyse_survival(shop, gone_after_days=60, segment_by=segment_by, channel="")
        (found[segment_by],) = (one for one in rows if one.by == "segment" and one.kind == "custom")
    assert len(found["rfm_group"].curves) > 1
    assert np.isnan(found["rfm_group"].p_value)
    assert np.isnan(found["rfm_group"].adjusted_p)
    assert np.isfinite(found["attr_side"].p_value)
    assert found["attr_side"].start == START + dt.timedelta(days=180)  # half of the 359 days in which ends are known
    assert max(curve.days for curve in found["attr_side"].curves) == 359 - 180


def test_consent_from_before_the_log_is_observed_from_its_first_day(read_once):
    """Left truncation: of those who opted in before the log, only who had stayed are in it."""
    rng = np.random.default_rng(4)
    hazard, customers = 0.004, 6_000
    opted_in = rng.integers(-300, 300, customers)
    out = opted_in + np.ceil(rng.exponential(1 / hazard, customers)).astype(int)
    kept = out >= 0  # the export has nobody who had left before it began
    lines = [
        f"c{i},{START + dt.timedelta(days=int(a))} 09:00:00,"
        + (f"{START + dt.timedelta(days=int(b))} 18:00:00" if b <= 364 else "")
        for i, (a, b) in enumerate(zip(opted_in[kept], out[kept], strict=True))
    ]
    shop = read_once(
        customers="customer_id,opted_in_at,opted_out_at\n" + "\n".join(lines) + "\n",
        messages=f"message_id,customer_id,campaign_id,sent_at\n1,c0,k,{START} 00:00:00\n"
        f"2,c0,k,{START + dt.timedelta(days=364)} 23:00:00\n",
    )
    (found,) = (
        one
        for one in survival.analyse_survival(shop, gone_after_days=0, segment_by="rfm_group", channel="")
        if one.by == "all"
    )
    curve = found.curves[0]
    for day in (60, 180, 300):
        estimate, low, high = curve.at(day)
        assert abs(estimate - np.exp(-hazard * day)) < 4 * (high - low) / 3.92 + hazard
    everybody = np.minimum(out, 365)[kept] - opted_in[kept]
    naive = KaplanMeierFitter().fit(everybody, out[kept] <= 364).survival_function_at_times(180).iloc[0]
    assert naive > np.exp(-hazard * 180) + 0.03


def test_groups_are_compared_by_the_log_rank_test():
    rng = np.random.default_rng(5)
    people = pd.DataFrame({"segment": np.repeat(["a", "b"], 300), "days": rng.geometric(0.02, 600), "event": 1})
    people.loc[people["segment"] == "b", "days"] = rng.geometric(0.03, 300)
    people["event"] = (people["days"] <= 60).astype(int)
    people["days"] = people["days"].clip(upper=60)
    cells = people.groupby(["segment", "days", "event"]).size().rename("customers").reset_index().assign(entry=0)
    expected = multivariate_logrank_test(people["days"], people["segment"], people["event"]).p_value
    assert survival.compare_groups(cells) == pytest.approx(expected, rel=1e-9)
    assert np.isnan(survival.compare_groups(cells[cells["segment"] == "a"]))


def test_a_segment_has_the_colour_that_it_has_on_every_page(monkeypatch):
    """The largest group is another one in each picture, and a group may be in one only."""
    steps = pd.DataFrame({"days": [0, 5], "survival": [1.0, 0.6], "low": [1.0, 0.5], "high": [1.0, 0.7]})
    by_kind = {"custom": ("gold", "dormant"), "consent": ("dormant", "value", "gold")}
    survivals = [
        survival.Survival(kind, by, tuple(survival.Curve(name, 100, 40, steps, 9) for name in names))
        for kind, groups in by_kind.items()
        for by, names in (("all", ("all",)), ("segment", groups), ("acquisition_channel", ("shop", *groups[:1])))
    ]
    found = SimpleNamespace(survivals=survivals, survival=lambda kind, by: next(
        (one for one in survivals if (one.kind, one.by) == (kind, by)), None))  # fmt: skip
    drawn = {}
    monkeypatch.setattr(retention_figures, "gone_words", lambda _study: "")
    for kind, groups in by_kind.items():
        monkeypatch.setattr(retention_figures, "figure", lambda made, kind=kind, **_words: drawn.update({kind: made}))
        retention_figures.survival_figure(found, kind)
        lines = drawn[kind].axes[1].get_lines()
        assert [line.get_color() for line in lines] == [
            segment_colours([name])[name] for name in in_reading_order(groups)
        ]
        sizes = [text.get_fontsize() for ax in drawn[kind].axes if ax.get_legend() for text in ax.get_legend().texts]
        assert len(sizes) > 3
        assert min(sizes) >= 8
    first, second = (made.axes[2].get_lines()[0] for made in drawn.values())  # of “shop”, whose companions differ
    assert (first.get_color(), first.get_linestyle()) == (second.get_color(), second.get_linestyle())


def test_a_grouping_without_a_difference_shown_is_a_sentence_and_no_panel(monkeypatch):
    steps = pd.DataFrame({"days": [0, 5], "survival": [1.0, 0.6], "low": [1.0, 0.5], "high": [1.0, 0.7]})
    survivals = [
        survival.Survival("consent", by, tuple(survival.Curve(name, 100, 40, steps, 9) for name in names), p, p)
        for by, names, p in (
            ("all", ("all",), np.nan), ("acquisition_channel", ("shop", "web"), 0.04),
            ("first_campaign", ("one", "two"), 0.06),
        )
    ]  # fmt: skip
    found = SimpleNamespace(survivals=survivals, survival=lambda kind, by: next(
        (one for one in survivals if (one.kind, one.by) == (kind, by)), None))  # fmt: skip
    shown = {}
    monkeypatch.setattr(
        retention_figures, "figure", lambda made, alt, caption: shown.update(made=made, alt=alt, caption=caption)
    )
    retention_figures.survival_figure(found, "consent")
    titles = [ax.get_title() + ax.get_title("left") for ax in shown["made"].axes if ax.get_visible()]
    assert titles[1:] == ["By acquisition channel: differs (p 0.040)"]
    assert "By first campaign: no difference shown (p 0.060)." in shown["caption"]
    assert "campaign" not in shown["alt"]


@pytest.mark.parametrize("by", ["segment", "acquisition_channel", "first_campaign"])
def test_no_two_curves_of_a_panel_look_alike(by):
    """Each kind of ending has seven groups, and they share one."""
    survivals = [
        survival.Survival(kind, by, tuple(survival.Curve(name, 100, 40, pd.DataFrame(), 9) for name in names))
        for kind, names in (("custom", "abcdefg"), ("consent", "ghijklm"))
    ]
    for one in survivals:
        styles = retention_figures._styles(SimpleNamespace(survivals=survivals), one)
        drawn = retention_figures._drawn(one)
        assert [curve.group for curve in drawn] == [curve.group for curve in one.curves[: len(drawn)]]
        assert len({tuple(styles[curve.group].items()) for curve in drawn}) == len(drawn)
        if by == "segment":
            assert len(drawn) == 7
        else:
            # By their dashes alone, without colour.
            assert len({styles[curve.group]["linestyle"] for curve in drawn}) == len(drawn) == 5


def test_the_caption_says_how_many_groups_have_no_curve():
    def one(by: str, groups: str) -> survival.Survival:
        curves = (survival.Curve(name, 100, 40, pd.DataFrame(), 9) for name in groups)
        return survival.Survival("consent", by, tuple(curves))

    said = retention_figures._not_drawn_words(one("first_campaign", "abcdefgh"))
    assert said == "By first campaign, the 5 largest groups are drawn; left out: 3."
    assert retention_figures._not_drawn_words(one("first_campaign", "abcde")) == ""
    assert retention_figures._not_drawn_words(one("segment", "abcdefg")) == ""


def test_channels_and_campaigns_have_no_colour_of_a_segment():
    of_segments = set(segment_colours(["gold", "value", "growth", "dormant", "lost", "prospect"]).values())
    for by in ("acquisition_channel", "first_campaign"):
        one = survival.Survival("custom", by, tuple(survival.Curve(x, 9, 4, pd.DataFrame(), 9) for x in "abcdefg"))
        styles = retention_figures._styles(SimpleNamespace(survivals=[one]), one).values()
        assert of_segments.isdisjoint(style["color"] for style in styles)
