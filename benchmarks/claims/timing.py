"""Claims about timing: curves by hour, windows that may be the best, regret of today's hours, weekdays, clicks' value.

Worlds follow the simulated company, as cells: four kinds of customers with different daily patterns, some shifted early
or late, observed as segments that mix them. A segment's truth is the average over its members. The fitted curves use
none of this knowledge.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.claims import BestSet, Claim, Interval, Outcome, Verdict
from smsroi_helpers.experiments import ClickValue, ClickValueSums, estimate_click_value, price_clicks
from smsroi_helpers.simulation.ground_truth import HOUR_SHIFT_SHARES, HOURS, SEGMENTS, World, draw_world, expected
from smsroi_helpers.statistics.jackknife import GROUPS
from smsroi_helpers.timing import best_hours
from smsroi_helpers.timing.best_weekdays import find_best_weekdays
from smsroi_helpers.timing.holidays import compare_days
from smsroi_helpers.timing.response import HourResponse, observational_gap, rate_by_hour, smoothness_p
from smsroi_helpers.timing.response_curve import fit_curves, group_scores
from smsroi_helpers.timing.secondary_outcomes import compare_arms

Floats = NDArray[np.float64]
CUSTOMERS, MESSAGES, OBSERVED = 4_000, 18, 4
TODAY = {9: 0.35, 10: 0.15, 18: 0.2, 19: 0.3}


def _world(
    rng: np.random.Generator, null: bool = False, second_peak: tuple[float, float] | None = None
) -> tuple[World, Floats]:
    """A company's effects, and P(observed segment | kind of customer).

    `second_peak`: range (logit) of the half-day wave, if it should differ from `draw_world`.
    """
    world, mixing = draw_world(int(rng.integers(2**31)), null), rng.dirichlet(np.full(OBSERVED, 0.5), len(SEGMENTS))
    if second_peak is not None:
        world = replace(world, second_strength=rng.uniform(*second_peak, len(SEGMENTS)))
    return world, mixing


def _heeded(world: World, lift: Floats | None) -> Floats:
    """Probability of attention to the second text of a week, over all creatives: kinds × shifts × hours × weekdays."""
    eta = world.attention_logit() - world.fatigue[:, None, None, None, None]
    return np.asarray(expit(eta if lift is None else eta + lift[:, None, None]).mean(axis=-1))


def _truth(world: World, mixing: Floats) -> Floats:
    """Clicks per message, averaged over the members: segments and all customers × hours."""
    of_kind = np.array(
        [expected(world, kind, texts_per_week=2, hour=np.array(HOURS)).click_rate for kind in range(len(SEGMENTS))]
    )
    joint = world.share[:, None] * mixing
    return np.vstack([(joint / joint.sum(axis=0)).T @ of_kind, world.share @ of_kind])


def _cells(rng: np.random.Generator, world: World, mixing: Floats, lift: Floats | None = None) -> pd.DataFrame:
    """Cells of an experiment: each customer has one tested hour on all days; `lift` (logit) is added by hour."""
    kind = rng.choice(len(SEGMENTS), CUSTOMERS, p=world.share)
    observed = (rng.random(CUSTOMERS)[:, None] > mixing.cumsum(axis=1)[kind]).sum(axis=1).clip(max=OBSERVED - 1)
    shift = rng.choice(3, CUSTOMERS, p=HOUR_SHIFT_SHARES)
    arm = rng.integers(0, len(HOURS), CUSTOMERS)
    likes = 0.5 + rng.beta(2, 2, CUSTOMERS)
    chance = _heeded(world, lift)[kind, shift, np.array(HOURS)[arm]] * (likes * world.click_share[kind])[:, None]
    messages = rng.poisson(MESSAGES * rng.gamma(4, 1 / 4, CUSTOMERS)[:, None] / 7, chance.shape)
    clicks = rng.binomial(messages, np.minimum(chance, 1.0))
    group = rng.integers(0, GROUPS, CUSTOMERS)
    place = (((observed * 7)[:, None] + np.arange(7)) * len(HOURS) + arm[:, None]) * GROUPS + group[:, None]
    size = OBSERVED * 7 * len(HOURS) * GROUPS
    m, k = (np.bincount(place.ravel(), counts.ravel(), size) for counts in (messages, clicks))
    used = np.flatnonzero(m)
    rest, cell_group = np.divmod(used, GROUPS)
    rest, cell_hour = np.divmod(rest, len(HOURS))
    names = np.array([f"s{i}" for i in range(OBSERVED)])
    return pd.DataFrame({
        "segment": names[rest // 7], "stratum": 0, "weekday": rest % 7, "hour": 8 + cell_hour, "until": 9 + cell_hour,
        "group": cell_group, "messages": m[used], "clicks": k[used],
    })  # fmt: skip


def _seen(cells: pd.DataFrame, click: ClickValue) -> best_hours.Timing:
    """The analysis as in the notebook."""
    segments = sorted(cells["segment"].unique())
    everybody = cells.assign(segment="all")
    response = HourResponse(
        "randomised",
        cells,
        fit_curves(cells, group_scores(cells, "clicks", "messages", segments)),
        fit_curves(everybody, group_scores(everybody, "clicks", "messages", ["all"])),
        pd.DataFrame({"hour": HOURS, "until": np.array(HOURS) + 1}),
        pd.DataFrame({"segment": segments, "customers": 1_000}),
    )
    practice = pd.DataFrame(
        [
            {"segment": s, "timezone": "America/New_York", "region": "New York", "weekday": 0, "hour": h, "messages": n}
            for s in segments
            for h, n in TODAY.items()
        ]
    )
    volume = pd.DataFrame({"segment": segments, "customers": 1_000, "messages_per_week": 1.0})
    allowed = np.ones(24)
    return best_hours.Timing(None, [], response, None, practice, volume, click, allowed)  # type: ignore[arg-type]


_NO_PRICE = ClickValue((), np.nan, np.nan, np.nan, 0, np.nan, "no_test")


def hours(rng: np.random.Generator, second_peak: tuple[float, float] | None = None) -> list[Outcome]:
    """Rates by hour, windows that may be the best, and the regret of today's hours, for all segments."""
    world, mixing = _world(rng, second_peak=second_peak)
    truth = _truth(world, mixing)
    price = 4.0
    drawn = rng.normal(price, 0.8)
    click = ClickValue(("x",), drawn, drawn - 1.96 * 0.8, drawn + 1.96 * 0.8, 5_000, 10.0)
    seen = _seen(_cells(rng, world, mixing), click)
    response = seen.main
    assert response is not None
    answers = {answer.segment: answer for answer in best_hours.find_best_hours(seen, rng)}
    at = [h - 8 for h in TODAY]
    today = np.array(list(TODAY.values()))
    rates: list[tuple[Floats, ...]] = []
    lost: list[tuple[float, ...]] = []
    money: list[tuple[float, ...]] = []
    found: list[Outcome] = []
    for place, segment in enumerate([*(f"s{i}" for i in range(OBSERVED)), "all"]):
        if segment not in answers:
            continue
        answer, true = answers[segment], truth[place]
        rows = rate_by_hour(response, segment)
        if segment != "all":
            rates.append((rows["rate"].to_numpy(), rows["low"].to_numpy(), rows["high"].to_numpy(), true))
        else:
            found.append(Interval(rows["rate"], rows["low"], rows["high"], true, "everybody's rates"))
        found.append(BestSet(answer.chosen, true, "windows, everybody" if segment == "all" else f"windows, {segment}"))
        loss = float(true.max() - today @ true[at])
        lost.append((*answer.regret(), loss))
        money.append((*price_clicks(answer.regret(), click), loss * price))
    for part, rows_of in (("segments' rates", rates), ("lost clicks", lost), ("lost money", money)):
        value, low, high, true = (np.concatenate([np.atleast_1d(row[i]) for row in rows_of]) for i in range(4))
        found.append(Interval(value, low, high, true, part))
    return found


def _log_cells(rng: np.random.Generator, world: World, mixing: Floats, confounded: bool) -> tuple[pd.DataFrame, Floats]:
    """Cells of a log of 10 campaigns at all hours, and the true rates: segments and all customers × weekdays.

    Campaigns differ in their level and in the weekdays on which they go out; if `confounded`, good ones go out on
    Sundays.
    """
    campaigns = 10
    level = rng.normal(0, 0.3, campaigns)
    days = rng.dirichlet(np.full(7, 2.0), campaigns)
    if confounded:
        days[:, 6] += 2 * (level > 0)
        days /= days.sum(axis=1, keepdims=True)
    kind = rng.choice(len(SEGMENTS), CUSTOMERS, p=world.share)
    observed = (rng.random(CUSTOMERS)[:, None] > mixing.cumsum(axis=1)[kind]).sum(axis=1).clip(max=OBSERVED - 1)
    shift = rng.choice(3, CUSTOMERS, p=HOUR_SHIFT_SHARES)
    likes = 0.5 + rng.beta(2, 2, CUSTOMERS)
    group = rng.integers(0, GROUPS, CUSTOMERS)
    eta = (world.attention_logit() - world.fatigue[:, None, None, None, None])[..., HOURS, :, :]
    heeded = np.stack([expit(eta + x).mean(axis=-1) for x in level])  # campaigns × kinds × shifts × hours × weekdays
    rows = []
    for campaign in range(campaigns):
        weekday = rng.choice(7, CUSTOMERS, p=days[campaign])
        at = rng.integers(0, len(HOURS), CUSTOMERS)
        messages = rng.poisson(2.0, CUSTOMERS)
        chance = heeded[campaign][kind, shift, at, weekday] * likes * world.click_share[kind]
        rows.append(pd.DataFrame({
            "segment": np.array([f"s{i}" for i in range(OBSERVED)])[observed], "stratum": str(campaign),
            "weekday": weekday, "hour": np.array(HOURS)[at], "until": np.array(HOURS)[at] + 1, "group": group,
            "messages": messages, "clicks": rng.binomial(messages, np.minimum(chance, 1.0)),
        }))  # fmt: skip
    keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
    of_kind = world.click_share[:, None] * np.einsum("cksuw,s->kw", heeded, HOUR_SHIFT_SHARES) / campaigns / len(HOURS)
    joint = world.share[:, None] * mixing
    return (
        pd.concat(rows).groupby(keys, as_index=False).sum(),
        np.vstack([(joint / joint.sum(axis=0)).T @ of_kind, world.share @ of_kind]),
    )


def _seen_log(cells: pd.DataFrame, today: Floats) -> best_hours.Timing:
    """The analysis as in the notebook, from a log only."""
    seen = _seen(cells, _NO_PRICE)
    assert seen.randomised is not None
    response = replace(seen.randomised, evidence="observational")
    practice = pd.DataFrame([
        {"segment": s, "timezone": "America/New_York", "region": "New York", "weekday": day, "hour": 12, "messages": n}
        for s in response.by_segment.segments for day, n in enumerate(today)
    ])  # fmt: skip
    return replace(seen, randomised=None, observational=response, practice=practice)


def weekdays(rng: np.random.Generator, confounded: bool = False) -> list[Outcome]:
    """Weekdays that may be the best, and the gain of the likeliest over today's, for all segments, from a log."""
    world, mixing = _world(rng)
    cells, truth = _log_cells(rng, world, mixing, confounded)
    today = rng.dirichlet(np.full(7, 2.0))
    found: list[Outcome] = []
    gains: list[tuple[float, ...]] = []
    for answer in find_best_weekdays(_seen_log(cells, today), rng):
        everybody = answer.segment == "all"
        true = truth[-1] if everybody else truth[int(answer.segment[1:])]
        found.append(BestSet(answer.chosen, true, "weekdays, everybody" if everybody else "weekdays, segments"))
        gains.append((*answer.gain(), float(true[answer.days["weekday"].iloc[answer.best]] - today @ true)))
    value, low, high, true = (np.array([row[i] for row in gains]) for i in range(4))
    found.append(Interval(value, low, high, true, "gain of the likeliest weekday"))
    return found


def null_weekdays(rng: np.random.Generator) -> list[Verdict]:
    """Where weekdays do not differ and campaigns do: whether one is said to be better, or left out."""
    world, mixing = _world(rng, null=True)
    cells, _ = _log_cells(rng, world, mixing, confounded=True)
    answers = find_best_weekdays(_seen_log(cells, np.full(7, 1 / 7)), rng)
    return [
        Verdict(any(answer.outcome == "move" for answer in answers), part="another weekday, anybody's"),
        Verdict(bool(not answers[0].chosen.all()), part="a weekday left out, everybody's set"),
        Verdict(answers[0].days_differ_p < 0.05, part="weekdays said to differ"),
    ]


def null_hours(rng: np.random.Generator) -> list[Verdict]:
    """Where hours do not differ: whether another hour is recommended, or an hour is excluded from the set."""
    world, mixing = _world(rng, null=True)
    answers = best_hours.find_best_hours(_seen(_cells(rng, world, mixing), _NO_PRICE), rng)
    moved = any(answer.outcome == "move" for answer in answers)
    return [
        Verdict(moved, part="another hour, anybody's"),
        Verdict(bool(not answers[0].chosen.all()), part="an hour left out, everybody's set"),
        Verdict(answers[0].hours_differ_p < 0.05, part="hours said to differ"),
    ]


def null_gains(rng: np.random.Generator) -> Interval:
    """Where hours do not differ: the gain, 0 in truth, of the hour named likeliest, of everybody and the segments.

    Named by the same data, it looks better than it is; and where everybody's set leaves hours out by chance, so do the
    sets of segments.
    """
    world, mixing = _world(rng, null=True)
    answers = best_hours.find_best_hours(_seen(_cells(rng, world, mixing), _NO_PRICE), rng)
    value, low, high = (np.array(each) for each in zip(*(answer.gain() for answer in answers), strict=True))
    return Interval(value, low, high, np.zeros(len(answers)), "gain of the likeliest hour")


def narrow_peak(rng: np.random.Generator) -> Interval:
    """Rates of all customers by hour with a lunch peak two hours wide, narrower than the curve can follow."""
    world, mixing = _world(rng)
    lift = np.exp(-0.5 * (np.arange(24.0) - 12.5) ** 2) * rng.uniform(0.2, 0.7)
    response = _seen(_cells(rng, world, mixing, lift), _NO_PRICE).main
    assert response is not None
    rows = rate_by_hour(response, "all")
    kinds = np.einsum("kshw,s->kh", _heeded(world, lift)[:, :, HOURS], HOUR_SHIFT_SHARES) / 7
    truth = (world.share * world.click_share) @ kinds
    return Interval(rows["rate"], rows["low"], rows["high"], truth)


def rough(rng: np.random.Generator) -> list[Verdict]:
    """Whether lack of fit of the curve is reported, for days with about one wave and for days with two peaks."""
    found = []
    for part, second in (("one wave, more or less", None), ("two peaks", (0.1, 0.4))):
        world, mixing = _world(rng, second_peak=second)
        seen = _seen(_cells(rng, world, mixing), _NO_PRICE)
        assert seen.randomised is not None
        found.append(Verdict(smoothness_p(seen.randomised) < 0.01, part=part))
    return found


def click_value(rng: np.random.Generator, customers: int) -> Interval:
    """Profit per additional click between arms of 0 to 4 texts a week; responsiveness affects clicks and orders.

    What customers bought before tells their habit, which is most of the noise.
    """
    dose = np.array([0, 1, 2, 4])
    arm = rng.integers(0, 4, customers)
    likes, habit = rng.gamma(3, 1 / 3, customers), rng.gamma(0.8, 1.0, customers)
    share, worth = 0.35, 14.0
    heeded = rng.poisson(12 * dose[arm] * 0.08 * likes)
    clicks = rng.binomial(heeded, 0.45)
    orders = rng.poisson(habit) + rng.binomial(heeded, share)
    profit = worth * orders * rng.lognormal(-0.125, 0.5, customers)
    before = worth * rng.poisson(habit) * rng.lognormal(-0.125, 0.5, customers)
    sums = ClickValueSums.of_members(arm, dose.astype(float), profit, clicks.astype(float), before)
    value, low, high, _ = estimate_click_value([sums])
    return Interval(value, low, high, share * worth / 0.45, null=0.0)


def gap(rng: np.random.Generator, misled: bool) -> Interval:
    """Observational minus randomised difference of an evening and a morning hour.

    In the observational data responsive customers may be texted in the evening more often; the gap is then the bias.
    """
    base, evening, customers = 0.06, 1.3, 3_000
    likes = np.where(rng.random(customers) < 0.5, 0.6, 1.4)
    arm = rng.integers(0, 2, customers)
    share_late = np.where(likes > 1, 0.8, 0.3) if misled else np.full(customers, 0.5)
    late = rng.binomial(1, share_late)
    parts = {}
    for name, where, lot in (("lot", arm, True), ("records", late, False)):
        n = rng.poisson(15 / 7, (customers, 7))
        k = rng.binomial(n, (base * likes * np.where(where == 1, evening, 1.0))[:, None])
        group = rng.integers(0, GROUPS, customers)
        place = (np.arange(7) * 2 + where[:, None]) * GROUPS + group[:, None]
        m, c = (np.bincount(place.ravel(), x.ravel(), 14 * GROUPS) for x in (n, k))
        rest, of = np.divmod(np.arange(14 * GROUPS), GROUPS)
        hour = np.where(rest % 2 == 1, 18, 9)
        cells = pd.DataFrame({"segment": "all", "stratum": 0, "weekday": rest // 2, "hour": hour, "until": hour + 1,
                              "group": of, "messages": m, "clicks": c})  # fmt: skip
        curves = fit_curves(cells, group_scores(cells, "clicks", "messages", ["all"]))
        windows = pd.DataFrame({"hour": [9, 18], "until": [10, 19]})
        people = pd.DataFrame({"segment": ["all"], "customers": [customers]})
        evidence = "randomised" if lot else "observational"
        parts[name] = HourResponse(evidence, cells, curves, curves, windows, people)  # type: ignore[arg-type]
    row = observational_gap(parts["lot"], parts["records"]).iloc[0]
    chance_late = {0.6: 0.3, 1.4: 0.8} if misled else {0.6: 0.5, 1.4: 0.5}
    late_shares = np.array([chance_late[0.6], chance_late[1.4]])
    mean = [np.average([0.6, 1.4], weights=shares) for shares in (1 - late_shares, late_shares)]
    sign = 1.0 if row["reference"] == 9 else -1.0
    truth = sign * base * ((evening * mean[1] - mean[0]) - (evening - 1))
    return Interval(row["gap"], row["low"], row["high"], truth, null=0.0)


def special_days_ratio(rng: np.random.Generator) -> Interval:
    """Response on holidays ÷ on ordinary days of the month; customers differ, and each holiday has a random effect."""
    customers, months, true = 2_000, 8, 1.2
    likes = rng.gamma(2, 1 / 2, customers)
    season = np.exp(rng.normal(0, 0.2, months))
    rows = []
    group = rng.integers(0, GROUPS, customers)
    for kind, per, times in (("", 3.0, 1.0), ("holiday", 0.4, true)):
        m = rng.poisson(per * rng.uniform(0.3, 1.7, months)[:, None], (months, customers))
        luck = np.exp(rng.normal(-0.02, 0.2, months)) if kind else np.ones(months)
        k = rng.binomial(m, np.minimum(0.05 * times * (season * luck)[:, None] * likes, 1))
        place = np.arange(months)[:, None] * GROUPS + group
        for name, counts in (("messages", m), ("clicks", k)):
            sums = np.bincount(place.ravel(), counts.ravel(), months * GROUPS)
            rows.append(pd.DataFrame({"kind": kind, "month": np.repeat(range(months), GROUPS), "name": name, "n": sums,
                                      "group": np.tile(np.arange(GROUPS), months)}))  # fmt: skip
    wide = pd.concat(rows).pivot_table(index=["kind", "month", "group"], columns="name", values="n").reset_index()
    row = compare_days(wide.assign(territory="US", weekday=0)).iloc[0]
    return Interval(row["ratio"], row["low"], row["high"], true, null=1.0)


def arms(rng: np.random.Generator) -> list[Outcome]:
    """Orders and profit per customer in the arms of a test of 12 hours with 300 customers each."""
    rows = []
    for hour in range(8, 20):
        orders = rng.poisson(rng.gamma(0.8, 1.5, 300))
        worth = 18 / rng.gamma(4, 1 / 3, 300)
        profit = np.where(orders > 0, rng.gamma(np.maximum(5 * orders, 1)) * worth / 5, 0.0)
        left = rng.random(300) < 0.1
        told: dict[str, float] = {"hour": hour, "until": hour + 1, "same_day__sum_y": 0.0}
        for kind, values in (("orders", orders), ("profit", profit), ("opt_out", left)):
            y = values.astype(float)
            told |= {f"{kind}__n": len(y), f"{kind}__sum_y": y.sum(), f"{kind}__sum_y2": (y * y).sum()}
        rows.append(told)
    outcomes = compare_arms(pd.DataFrame(rows))
    # E(orders) = .8 · 1.5; E(1/gamma(4) of scale 1/3) = 1, so that the mean order value is 18.
    truth = {"orders": 1.2, "profit": 21.6, "opt_out": 0.1}
    found: list[Outcome] = [
        Interval(each.rows["mean"], each.rows["low"], each.rows["high"], truth[each.kind], part=each.kind)
        for each in outcomes
        if each.kind != "opt_out"
    ]
    return found


def arms_differ(rng: np.random.Generator) -> Verdict:
    """Whether orders, profit or opt-outs are reported to differ between hours that do not differ."""
    rows = []
    for hour in range(8, 20):
        orders = rng.poisson(rng.gamma(0.8, 1.5, 300)).astype(float)
        profit = orders * 18 / rng.gamma(4, 1 / 3, 300)
        left = (rng.random(300) < 0.1).astype(float)
        told: dict[str, float] = {"hour": hour, "until": hour + 1, "same_day__sum_y": 0.0}
        for kind, y in (("orders", orders), ("profit", profit), ("opt_out", left)):
            told |= {f"{kind}__n": len(y), f"{kind}__sum_y": y.sum(), f"{kind}__sum_y2": (y * y).sum()}
        rows.append(told)
    return Verdict(any(each.adjusted_p < 0.05 for each in compare_arms(pd.DataFrame(rows))))


CLAIMS = [
    Claim(
        "timing_hours",
        "click rates by hour from smooth pooled curves, best set of windows, clicks and money lost at today's hours"
        " (all windows at once): an experiment of 4,000 customers and 12 hours; four mixed segments, effects drawn"
        " anew",
        "timing",
        "at_least",
        hours,
    ),
    Claim(
        "timing_hours_two_peaks",
        "the same where days have two peaks, as high as (logit) .1–.4 beside .25–.6",
        "timing",
        "at_least",
        partial(hours, second_peak=(0.1, 0.4)),
    ),
    Claim(
        "timing_narrow_peak",
        "everybody's rates by hour where a peak is two hours wide: the curve smooths it away",
        "nowhere without a warning, where the counts show it",
        "two_sided",
        narrow_peak,
        known_wrong=True,
    ),
    Claim(
        "timing_rough",
        "counts said to depart from the smooth curve (a warning, at .01)",
        "timing",
        "false_alarm",
        rough,
    ),
    Claim(
        "timing_null",
        "another hour recommended to anybody, in a company whose hours do not differ (everybody first, Holm over"
        " segments)",
        "timing",
        "false_alarm",
        null_hours,
    ),
    Claim(
        "timing_null_gains",
        "gain over today’s hours of the hour named likeliest, in a company whose hours do not differ",
        "timing",
        "at_least",
        null_gains,
    ),
    Claim(
        "timing_weekdays",
        "best set of weekdays, and clicks gained by the likeliest over today's weekdays, from a log of 10 campaigns to"
        " 4,000 customers, compared within campaigns; four mixed segments, effects drawn anew",
        "timing",
        "at_least",
        weekdays,
    ),
    Claim(
        "timing_weekdays_confounded",
        "the same where good campaigns go out on Sundays",
        "timing",
        "at_least",
        partial(weekdays, confounded=True),
    ),
    Claim(
        "timing_weekdays_null",
        "another weekday said to be better, in a company whose weekdays do not differ and whose good campaigns go out"
        " on Sundays",
        "timing",
        "false_alarm",
        null_weekdays,
    ),
    Claim(
        "timing_click_value",
        "profit per further click between arms of 0, 1, 2 and 4 messages a week, 8,000 customers, by Fieller",
        "timing",
        "two_sided",
        partial(click_value, customers=8_000),
        n=2_000,
    ),
    Claim(
        "timing_click_value_small",
        "the same with 1,500 customers",
        "timing",
        "two_sided",
        partial(click_value, customers=1_500),
        n=2_000,
    ),
    Claim("timing_gap", "observational difference between two hours less the randomised one, without confounding",
          "timing", "two_sided", partial(gap, misled=False)),
    Claim("timing_gap_misled", "the same where customers who respond more are texted in the evening", "timing",
          "two_sided", partial(gap, misled=True)),
    Claim("timing_holidays", "response on holidays ÷ on ordinary days of the month, 2,000 people, 8 days with luck of"
          " their own, by Mantel and Haenszel with two jackknives", "timing", "at_least", special_days_ratio, n=2_000),
    Claim("timing_arms", "orders and profit per customer in an hour's arm of 300 (Student's t)", "timing", "two_sided",
          arms, n=2_000),
    Claim("timing_arms_differ", "orders, profit or opt-outs said to differ between 12 hours (Holm over the three)",
          "timing", "false_alarm", arms_differ, n=2_000),
]  # fmt: skip
