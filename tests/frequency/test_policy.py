"""From doses by lot to a dose: definitions worked by hand, a closed form, a log without secrets, and every refusal."""

import dataclasses
import datetime as dt
import functools
import io
import re

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv.counts import count_cells
from smsroi_helpers.cltv.fitting import fit_purchases
from smsroi_helpers.cltv.predictions import probability_alive
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.frequency import check_tables, outputs
from smsroi_helpers.frequency import figures as frequency_figures
from smsroi_helpers.frequency import policy as frequency_policy
from smsroi_helpers.frequency import tables as frequency_tables
from smsroi_helpers.frequency.arms import plain_response
from smsroi_helpers.frequency.counts import ALL, choose_channel, count_arms, find_practice
from smsroi_helpers.frequency.dose_response import fit_response
from smsroi_helpers.frequency.early_warning import alive_expression, score_by_dose, warn_early
from smsroi_helpers.frequency.observational import COVARIATES, estimate_steps
from smsroi_helpers.frequency.pull_forward import trace_pull_forward
from smsroi_helpers.frequency.saturation import saturation
from smsroi_helpers.frequency.study import Logs, Study, analyse
from smsroi_helpers.frequency.wording import decide, opt_out_sentence
from smsroi_helpers.measures.purchases import purchase_history
from smsroi_helpers.segmentation.cutoffs import find_cuts
from smsroi_helpers.simulation.ground_truth import SEGMENTS, draw_world, expected
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop

DOSES = {"none": 0.0, "one": 1.0, "two": 2.0, "four": 4.0}


def cells_of(people):
    """Cells as `dose_counts.count_arms` gives them, from a row per customer: arm, weeks, left, gross and more."""
    people = people.reset_index(drop=True)
    given = {"segment": "s", "clicks": 0.0, "texts": 0.0, "cost": 0.0, "before": 0.0, "group": people.index % 64}
    people = people.assign(**{name: value for name, value in given.items() if name not in people.columns})
    frame = people[["arm", "segment", "group", "weeks", "clicks"]].assign(
        n=1, messages=people["texts"], messaged_customers=people["texts"] > 0, raw_clicks=people["clicks"],
        opt_outs=people["left"], consent_known=1, orders=0, revenue=people["gross"], message_cost=people["cost"],
    )  # fmt: skip
    x = people["before"]
    for name, y in (("gross", people["gross"]), ("profit", people["gross"] - people["cost"])):
        own = {"n": 1, "n_unknown": 0, "sum_y": y, "sum_y2": y**2, "n_known": 1, "sum_y_known": y, "sum_x": x}
        own |= {"sum_x2": x**2, "sum_xy": x * y}
        frame = frame.assign(**{f"{name}__{key}": value for key, value in own.items()})
    cells = frame.groupby(["arm", "segment", "group"], as_index=False).sum()
    return cells.assign(stage=cells["segment"], consenting=1)


# --- the definitions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("natural", [0, 1])
def test_by_hand(natural):
    """Four customers an arm: profit 10 each without texts; 15 with two a week, of whom two left in 20 weeks."""
    zero = pd.DataFrame({"arm": "none", "weeks": 10.0, "left": [natural, 0, 0, 0], "gross": 10.0, "cost": 0.0})
    two = pd.DataFrame({"arm": "two", "weeks": [2.0, 3.0, 5.0, 10.0], "left": [1, 1, 0, 0], "gross": [16, 15, 16, 17]})
    two["cost"] = 1.0
    # The same four in each of the 64 groups: nothing for the jackknife to correct.
    people = pd.concat([zero, two]).merge(pd.DataFrame({"group": range(64)}), how="cross")
    rows = plain_response(cells_of(people), {"none": 0.0, "two": 2.0}, 0.002)
    row = rows[(rows["segment"] == ALL) & (rows["messages_per_week"] == 2)].iloc[0]
    assert row["profit"] == pytest.approx((15 - 10) * 4 / 20)
    assert row["hazard"] == pytest.approx(2 / 20)
    c = natural / 40
    h = 1 - (1 - 0.1) / (1 - c)
    assert row["value"] == pytest.approx(1.0 / (1 - (1 - h) * (1 - c) / 1.002))
    none = rows[(rows["segment"] == ALL) & (rows["messages_per_week"] == 0)].iloc[0]
    assert (none["profit"], none["value"]) == (0.0, 0.0)
    assert none["hazard"] == pytest.approx(c)


def steady_policy(rng, world, kind, customers, weeks):
    """What becomes of customers of one of the world's segments on each dose, week by week: leaving ends the texts."""
    parts = []
    for arm, dose in DOSES.items():
        told = expected(world, kind, dose=dose, hour=12)
        stays = (1 - told.opt_out_per_week) * (1 - world.weekly_loss[kind])
        started = np.minimum(rng.geometric(1 - stays, customers), weeks)
        left = rng.random(customers) >= stays  # of those still there in the last week
        left = np.where(started < weeks, True, left)
        # A week brings an order of ten now and then; what they buy anyway is as skewed.
        more = told.profit_per_week + 0.05 * dose
        gross = 10 * rng.poisson(np.maximum(more, 0) * started / 10) + rng.poisson(0.3, customers) * rng.lognormal(
            3, 0.7, customers
        )
        parts.append(pd.DataFrame({
            "arm": arm, "weeks": started.astype(float), "left": left, "gross": gross, "cost": 0.05 * dose * started,
            "group": np.arange(customers) % 64,
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("kind", range(len(SEGMENTS)))
def test_the_long_run_is_the_worlds_closed_form(kind):
    rng = np.random.default_rng([71, kind])
    world = draw_world(3)
    truth = expected(world, kind, dose=np.array([1.0, 2.0, 4.0]), hour=12)
    assert (truth.profit_per_week + 0.05 * np.array([1.0, 2.0, 4.0]) > 0).all()
    rows = plain_response(cells_of(steady_policy(rng, world, kind, 60_000, 11)), DOSES, world.weekly_discount)
    rows = rows[(rows["segment"] == ALL) & (rows["messages_per_week"] > 0)].sort_values("messages_per_week")
    for name, low, high, true in (
        ("profit", "low", "high", truth.profit_per_week),
        ("value", "value_low", "value_high", truth.long_run_profit),
        ("hazard", "hazard_low", "hazard_high",
         1 - (1 - truth.opt_out_per_week) * (1 - world.weekly_loss[kind])),
    ):  # fmt: skip
        error = (rows[high] - rows[low]).to_numpy(float) / 3.92
        assert (np.abs(rows[name].to_numpy(float) - true) < 4 * error).all(), name
    assert (rows["hazard_high"] - rows["hazard_low"] < 0.3 * rows["hazard"]).all()  # tight enough to fail


def test_the_short_run_and_the_long_run_want_different_doses():
    """What the notebook explains is so in the world: more texts bring more this week, and less in the end."""
    world = draw_world(3)
    doses = np.array([0.0, 1.0, 2.0, 4.0])
    told = [expected(world, kind, dose=doses, hour=12) for kind in range(len(SEGMENTS))]
    short = [doses[np.argmax(each.profit_per_week)] for each in told]
    long = [doses[np.argmax(each.long_run_profit)] for each in told]
    assert all(a >= b for a, b in zip(short, long, strict=True))
    assert short != long


def responsive(rng, customers=16_000, kappa=5.0, opt_out=0.004, segments=("a", "b", "c", "d")):
    """Customers who answer as the curve says: clicks fall by a fifth on the log scale with each further text."""
    arm = rng.choice(list(DOSES), customers)
    dose = np.array([DOSES[name] for name in arm])
    leaves = rng.exponential(1.0, customers) / (0.002 + opt_out * dose) if opt_out else np.full(customers, np.inf)
    weeks = np.minimum(leaves, 11.0)
    texts = rng.poisson(dose * weeks)
    clicks = rng.binomial(texts, 0.08 * np.exp(-0.2 * np.maximum(dose - 1, 0)))
    habit = rng.gamma(0.8, 1.0, customers)
    return pd.DataFrame({
        "arm": arm, "segment": rng.choice(list(segments), customers), "weeks": weeks, "left": leaves < 11,
        "texts": texts, "clicks": clicks, "cost": 0.02 * texts, "before": rng.poisson(habit) * 9.0,
        "gross": rng.poisson(habit) * 9.0 + 10.0 * rng.poisson(clicks * kappa / 10),
        "group": rng.integers(0, 64, customers),
    })  # fmt: skip


def test_the_curve_finds_what_was_put_in():
    cells = cells_of(responsive(np.random.default_rng(72)))
    fit = fit_response(cells, DOSES, 0.002, np.random.default_rng(1))
    assert fit.method == "curve"
    assert fit.effect_p < 1e-6
    for dose in (1.0, 2.0, 4.0):
        m = 5.0 * 0.08 * dose * np.exp(-0.2 * max(dose - 1, 0)) - 0.02 * dose
        hazard = 0.002 + 0.004 * dose
        for drawn, true in (
            (fit.profit()[:, fit.at(dose)], m),
            (fit.hazard[:, fit.at(dose)], hazard),
            (fit.value()[:, fit.at(dose)], m / (1 - (1 - hazard) / 1.002)),
        ):
            assert (np.abs(drawn.mean(axis=-1) - true) < 4 * drawn.std(axis=-1)).all()
    # concave where clicks fall off, and nothing for nothing
    assert np.allclose(fit.profit()[:, 0], 0.0)
    assert (np.diff(fit.profit()[0].mean(axis=-1)[:5], 2) <= 1e-9).all()


def test_h_is_what_texts_cause_and_c_what_is_lost_anyway():
    fit = fit_response(cells_of(responsive(np.random.default_rng(73))), DOSES, 0.002, np.random.default_rng(1))
    h, c = fit.caused(), fit.natural()[:, None]
    again = fit.profit() / (1 - (1 - h) * (1 - c) / 1.002)
    assert np.allclose(fit.value(), again, rtol=1e-9)
    # W is a week's profit less the worth of who is lost in it.
    assert np.allclose(fit.net(), fit.profit() - h * fit.value() * (1 - c) / 1.002, rtol=1e-8, atol=1e-12)


def test_where_profit_is_not_clicks_the_arms_stand_as_they_are():
    people = responsive(np.random.default_rng(74))
    people["gross"] += np.where(people["arm"] == "one", 12.0, 0.0)  # one text works without a click
    fit = fit_response(cells_of(people), DOSES, 0.002, np.random.default_rng(1))
    assert fit.method == "arms"
    assert fit.proportional_p < 0.01


def test_order_of_cells_and_names_of_arms_do_not_matter():
    cells = cells_of(responsive(np.random.default_rng(75), 4_000))
    renamed = cells.sample(frac=1, random_state=1).assign(arm=lambda c: c["arm"].map(lambda name: name[::-1]))
    names = {name[::-1]: dose for name, dose in reversed(DOSES.items())}
    key = ["segment", "messages_per_week"]
    one, other = (
        plain_response(c, d, 0.002).sort_values(key, ignore_index=True) for c, d in ((cells, DOSES), (renamed, names))
    )
    pd.testing.assert_frame_equal(one, other)
    first = fit_response(cells, DOSES, 0.002, np.random.default_rng(1))
    second = fit_response(renamed, names, 0.002, np.random.default_rng(1))
    assert first.names == second.names
    assert np.allclose(first.value(), second.value())


# --- the dose to take ------------------------------------------------------------------------------------------------


def chosen(means, spread, smallest_gain=0.0):
    """The place of the dose chosen from draws about `means` that move together, each by a `spread` of its own."""
    rng = np.random.default_rng(76)
    net = np.array(means)[:, None] + spread * rng.standard_normal((len(means), 4_000))
    net[0] = 0.0
    return frequency_policy.choose_dose(net - (net.mean(axis=1) - np.array(means))[:, None], smallest_gain, rng)[0]


def test_a_tie_goes_to_fewer_texts_and_only_a_tie():
    assert chosen([0, 0.97, 1.0, 0.5], 0.1) == 1  # three per cent short, not told apart
    assert chosen([0, 0.97, 1.0, 0.5], 0.001) == 2  # as near, but told apart
    assert chosen([0, 0.80, 1.0, 0.5], 0.5) == 2  # not told apart, but a fifth short
    assert chosen([0, 0.80, 1.0, 0.5], 0.5, smallest_gain=0.3) == 1  # which is less than is worth having
    assert chosen([0, -0.5, -1.0, -2.0], 0.1) == 0  # texts that cost: none


# --- the log alone ---------------------------------------------------------------------------------------------------


def logged(rng, effect=0.5, people=3_000, landmarks=4):
    """A log whose sender texts recent buyers more, who buy more anyway; nothing else goes with the dose."""
    n = people * landmarks
    recent = rng.integers(0, 2, n).astype(float)
    texts = np.where(recent == 1, rng.choice([0, 1, 2, 3], n, p=[0.1, 0.2, 0.4, 0.3]),
                     rng.choice([0, 1, 2, 3], n, p=[0.4, 0.3, 0.2, 0.1]))  # fmt: skip
    profit = 3 * recent + effect * texts + 4 * (rng.exponential(1.0, n) - 1)
    told = dict.fromkeys(COVARIATES, 0.0) | {"recency_days": 10.0 + 80 * (1 - recent)}
    rows = pd.DataFrame({"customer": np.repeat(np.arange(people), landmarks), "texts": texts, "profit": profit})
    return rows.assign(**told, landmark=np.tile(np.arange(landmarks), people)), recent


def test_aipw_is_the_direct_answer_where_nothing_is_hidden():
    weeks, recent = logged(np.random.default_rng(77))
    steps, overlap = estimate_steps(weeks)
    for row in steps.itertuples():
        error = (row.high - row.low) / 3.92
        assert abs(row.effect - 0.5) < 4 * error
        # Directly: the difference among alike customers, weighted by how many are alike.
        direct = sum(
            (recent == r).mean()
            * (weeks["profit"][(recent == r) & (weeks["texts"] == row.more)].mean()
               - weeks["profit"][(recent == r) & (weeks["texts"] == row.fewer)].mean())
            for r in (0.0, 1.0)
        )  # fmt: skip
        # The two use the same rows and differ by what the folds leave out alone: far less than either's error.
        assert abs(row.effect - direct) < 0.5 * error
        assert row.trimmed == 0
    assert (steps["raw_low"] > 0.5).any()  # raw, recency passes for an effect of texts
    assert np.allclose(overlap.filter(like="share_"), 1.0)


def test_doses_that_nobody_alike_got_are_not_compared():
    weeks, recent = logged(np.random.default_rng(78))
    weeks["texts"] = np.where(recent == 1, 2, 1)
    steps, _overlap = estimate_steps(weeks)
    row = steps[steps["more"] == 2].iloc[0]
    assert row["reason"] == "overlap"
    assert np.isnan(row["effect"])
    assert np.isfinite(row["raw"])
    assert (steps.loc[steps["more"] != 2, "reason"] == "few").all()


# --- sources as they come --------------------------------------------------------------------------------------------

START = dt.datetime(2024, 3, 4)
WEEKS = 8


def source(seed=79, *, doses=(0, 1, 2), split=None, experiment=True, messages=True, opt_outs=True, each=90):
    """Files of a small company: a dose test from START on, and a practice of none to two texts outside it."""
    rng = np.random.default_rng(seed)
    sizes = list(split) if split else [each] * len(doses)
    arms = [f"d{k}_{dose}" for k, dose in enumerate(doses)]
    tested = [f"t{i}" for i in range(sum(sizes))]
    arm = dict(zip(tested, np.repeat(arms, sizes), strict=True))
    planned = dict(zip(arms, doses, strict=True))
    others = [f"p{i}" for i in range(260)]
    first, last = dt.datetime(2023, 11, 1), dt.datetime(2024, 6, 30)
    rows = {"orders": [], "messages": [], "customers": [], "assignments": [], "experiments": [], "arms": []}
    for name in tested + others:
        rows["customers"].append({"customer_id": name, "opted_in_at": first})
        for _ in range(int(rng.poisson(3)) + 1):
            at = first + (last - first) * rng.random()
            rows["orders"].append({"order_id": f"o{len(rows['orders'])}", "customer_id": name, "ordered_at": at,
                                   "amount": round(float(rng.lognormal(3, 0.5)), 2)})  # fmt: skip
        gone = None
        for week in range(34):
            at = first + dt.timedelta(weeks=week, hours=15)
            inside = name in arm and START <= at < START + dt.timedelta(weeks=WEEKS)
            dose = planned[arm[name]] if inside else int(rng.integers(0, 3)) if name not in arm else 0
            for k in range(dose):
                if gone:
                    break
                sent = at + dt.timedelta(days=2 * k)
                leaves = opt_outs and rng.random() < 0.004
                tap = rng.random() < 0.15
                seconds = 2 if rng.random() < 0.3 else int(rng.integers(20, 4_000))
                gone = sent + dt.timedelta(hours=1) if leaves else None
                rows["messages"].append({
                    "message_id": f"m{len(rows['messages'])}", "customer_id": name, "campaign_id": "k", "sent_at": sent,
                    "channel": "sms", "cost": 0.03, "delivered_at": sent,
                    "clicked_at": sent + dt.timedelta(seconds=seconds) if tap else None, "opted_out_at": gone,
                })  # fmt: skip
    if experiment:
        end = START + dt.timedelta(weeks=WEEKS)
        rows["experiments"] = [{"experiment_id": "doses", "kind": "frequency", "control_arm": arms[0],
                                "started_at": START, "ended_at": end, "outcome_until": end}]  # fmt: skip
        rows["arms"] = [
            {"experiment_id": "doses", "arm": name, "share": 1 / len(arms), "messages_per_week": planned[name]}
            for name in arms
        ]
        rows["assignments"] = [
            {"experiment_id": "doses", "customer_id": name, "arm": arm[name], "assigned_at": START} for name in tested
        ]
    if not messages:
        rows["messages"] = []
    return rows, arm


def written(rows):
    def field(value):
        return "" if value is None else f"{value:%Y-%m-%dT%H:%M:%SZ}" if hasattr(value, "hour") else str(value)

    files = {
        name: "\n".join([",".join(own[0]), *(",".join(field(value) for value in row.values()) for row in own)]) + "\n"
        for name, own in rows.items()
        if own
    }
    return files | {"source": "timezone: UTC\nmargin: 0.5\ncurrency: USD\n"}


def open_folder(folder):
    return open_shop(load(folder, folder.parent / ".loaded"), "2024-06-30", folder.parent / ".cache")


@pytest.fixture(scope="module")
def study_of(tmp_path_factory):
    """The shop of a source and what is found of it; each source is read once."""

    @functools.cache
    def study(**given):
        folder = tmp_path_factory.mktemp("doses") / "source"
        folder.mkdir()
        for name, content in written(source(**given)[0]).items():
            (folder / ("source.yml" if name == "source" else f"{name}.csv")).write_text(content)
        shop = open_folder(folder)
        return shop, analyse(shop, np.random.default_rng(1), practice_weeks=12)

    return study


def whole_page(shop, study):
    """Every figure and table, as one text; and the decisions."""
    rng = np.random.default_rng(2)
    tables, charts = frequency_tables, frequency_figures
    policy = frequency_policy.choose_doses(study, rng)
    stages = frequency_policy.choose_doses(study, rng, by="stage")
    parts = [
        tables.test_note(study), tables.exclusions_table(study), tables.practice_table(study),
        charts.response_figure(study, policy, "USD"), tables.arms_table(study, "USD"),
        charts.segments_figure(study, policy, "USD"), tables.policy_table(policy, "USD"), tables.rule_note(study),
        tables.response_table(study, "USD"), tables.policy_table(stages, "USD", by="stage"),
        check_tables.saturation_table(saturation(study, policy), "USD"),
        charts.pull_forward_figure(trace_pull_forward(shop, study), "USD"), check_tables.shape_note(study),
        check_tables.clicks_table(study, "USD"), charts.logs_figure(study, "USD"),
        check_tables.steps_table(study, "USD"),
        check_tables.overlap_table(study), check_tables.warning_table(study, warn_early(shop, study)),
        check_tables.winback_table(frequency_policy.win_back(study), "USD"),
        check_tables.satisfaction_table(score_by_dose(shop, study)),
    ]  # fmt: skip
    outputs.response_table(study), outputs.policy_table(policy)
    words = "\n".join(re.sub(r"<svg.*?</svg>|data:image[^\"]*", "", part.markup, flags=re.DOTALL) for part in parts)
    assert not re.search(r"\b(nan|inf)\b", words, re.IGNORECASE)
    return words, decide(study, policy, "USD")


def said(answers):
    return " ".join(" ".join((each.action, each.text, each.caveat)) for each in answers)


def causal(text):
    return re.search(r"\b(lift|caused|causes|incremental)\b", text, re.IGNORECASE)


def test_what_is_counted_of_the_arms(study_of):
    rows, arm = source()
    shop, study = study_of()
    cells = count_arms(shop, study.experiment, "rfm_group", "sms", find_cuts(shop))
    end = START + dt.timedelta(weeks=WEEKS)
    mine = [row for row in rows["messages"] if row["customer_id"] in arm and START <= row["sent_at"] < end]
    left = {}
    for row in mine:
        if row["opted_out_at"] and row["opted_out_at"] < end:
            left[row["customer_id"]] = row["opted_out_at"]
    told = cells.groupby("arm")[["n", "messages", "clicks", "raw_clicks", "opt_outs", "weeks"]].sum()
    for name in set(arm.values()):
        own = [row for row in mine if arm[row["customer_id"]] == name]
        clicked = [row for row in own if row["clicked_at"] and row["clicked_at"] < end]
        slow = [row for row in clicked if (row["clicked_at"] - row["delivered_at"]).total_seconds() >= 5]
        people = [who for who in arm if arm[who] == name]
        weeks = sum((left.get(who, end) - START).total_seconds() / 604_800 for who in people)
        row = told.loc[name]
        assert row[["n", "messages", "raw_clicks", "clicks", "opt_outs"]].tolist() == [
            len(people), len(own), len(clicked), len(slow), sum(who in left for who in people),
        ]  # fmt: skip
        assert row["weeks"] == pytest.approx(weeks, abs=1e-3)


def test_a_sound_test_fills_the_page(study_of):
    shop, study = study_of()
    assert study.sound
    assert study.fit is not None
    words, answers = whole_page(shop, study)
    assert answers[0].segment == ALL
    assert all(each.evidence == "randomised" for each in answers)
    assert "observational" in words
    assert "MBG/NBD" in words
    assert outputs.response_table(study)["evidence"].eq("randomised").all()


def test_split_files_are_the_same_source(tmp_path, study_of):
    _shop, study = study_of()
    folder = tmp_path / "source"
    folder.mkdir()
    for name, content in written(source()[0]).items():
        if name in ("orders", "messages"):
            (folder / name).mkdir()
            rows = pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)
            for k in range(3):
                part = rows.iloc[2 - k :: 3]
                part.where(part != "", None).to_parquet(folder / name / f"part-{k}.parquet", index=False)
        else:
            (folder / ("source.yml" if name == "source" else f"{name}.csv")).write_text(content)
    shop = open_folder(folder)
    again = analyse(shop, np.random.default_rng(1), practice_weeks=12)
    pd.testing.assert_frame_equal(study.plain, again.plain)
    pd.testing.assert_frame_equal(study.logs.steps, again.logs.steps)


def test_without_an_experiment_the_log_is_observational(study_of):
    shop, study = study_of(experiment=False)
    words, answers = whole_page(shop, study)
    assert [each.outcome for each in answers] == ["not_enough_evidence"]
    assert answers[0].evidence == "observational"
    assert "no experiment" in answers[0].text
    assert "Try doses by lot" in answers[0].action
    assert not causal(said(answers))
    assert not causal(words)
    assert len(outputs.response_table(study)) == 0
    assert study.logs.steps["effect"].notna().any()


def test_without_an_arm_without_texts_only_differences_are_told(study_of):
    shop, study = study_of(doses=(1, 2))
    assert study.fit is None
    assert study.plain[["profit", "value"]].isna().all().all()
    words, answers = whole_page(shop, study)
    assert "Add an arm that is sent nothing" in answers[0].action
    assert "cannot be told" in answers[0].text
    assert "Profit against the smallest dose" in words
    assert np.isnan(answers[0].value)


@pytest.mark.parametrize("doses", [(0, 1), (1, 1)])
def test_one_dose_only(study_of, doses):
    shop, study = study_of(doses=doses)
    _words, answers = whole_page(shop, study)
    assert answers[0].outcome == "not_enough_evidence"
    assert np.isnan(answers[0].value)
    if doses == (0, 1):
        # Told from none only; of changes among doses nothing is said.
        assert {row.reason for row in frequency_policy.choose_doses(study, np.random.default_rng(1)).itertuples()} <= {
            "one_dose", "no_effect",
        }  # fmt: skip


def test_only_one_dose_beside_none_that_works_is_told_from_none():
    people = responsive(np.random.default_rng(80), 8_000)
    people = people[people["arm"].isin(["none", "two"])]
    doses = {"none": 0.0, "two": 2.0}
    fit = fit_response(cells_of(people), doses, 0.002, np.random.default_rng(1))
    assert fit.method == "arms"
    assert fit.effect_p < 0.02


def test_a_segment_that_the_test_had_too_few_of_gets_no_number():
    people = responsive(np.random.default_rng(81), 4_000)
    few = people[(people["segment"] == "d") & (people["arm"] != "four")].index
    people = people.drop(people[(people["segment"] == "d") & (people["arm"] == "four")].index)
    assert len(few) > 100
    fit = fit_response(cells_of(people), DOSES, 0.002, np.random.default_rng(1))
    assert fit.names == (ALL, "a", "b", "c")
    assert fit.too_small == ("d",)


def test_nobody_opted_out_has_an_exact_limit(study_of):
    shop, study = study_of(opt_outs=False)
    weeks = study.cells.loc[study.cells["arm"] != "d0_0", "weeks"].sum()
    assert weeks == pytest.approx(2 * 90 * WEEKS, rel=1e-6)
    words = opt_out_sentence(study)
    assert "Nobody who was texted opted out in 1,440 customer-weeks" in words
    assert f"{100 * (1 - 0.025 ** (1 / 1440)):.2f}%" in words
    page, answers = whole_page(shop, study)
    assert "exact 95% limit" in page
    assert "exact 95% limit" in answers[0].caveat
    rows = study.plain[study.plain["segment"] == ALL]
    assert (rows["hazard"] == 0).all()
    assert (rows["hazard_high"] > 0).all()


def test_of_a_broken_split_nothing_is_shown(study_of):
    shop, study = study_of(split=(150, 90, 60))
    assert study.validity.broken
    assert study.fit is None
    assert not len(study.plain)
    words, answers = whole_page(shop, study)
    assert [each.outcome for each in answers] == ["broken"]
    assert "is broken" in answers[0].text
    assert "There are no arms to show" in words
    assert len(trace_pull_forward(shop, study)) == 0
    assert len(outputs.response_table(study)) == 0


def test_without_messages(study_of):
    with pytest.raises(NotEnoughData, match="no messages"):
        study_of(messages=False, experiment=False)
    shop, study = study_of(messages=False)
    assert choose_channel(shop) == ""
    assert study.fit is None
    _words, answers = whole_page(shop, study)
    assert answers[0].outcome == "not_enough_evidence"
    assert "Without messages" in answers[0].text


def test_landmarks_have_their_whole_outcome_and_start_with_the_log(study_of):
    shop, study = study_of()
    practice = find_practice(shop, 20)
    weeks = study.logs.weeks
    assert practice.end == dt.date(2024, 7, 1)
    assert not practice.planned
    assert all(day + dt.timedelta(weeks=4) <= practice.end for day in practice.landmarks)
    inside = (weeks["landmark"].astype("datetime64[ns]") < pd.Timestamp(START + dt.timedelta(weeks=WEEKS))) & (
        weeks["landmark"].astype("datetime64[ns]") > pd.Timestamp(START - dt.timedelta(weeks=4))
    )
    # Those whose dose the test set are no practice: of 530 customers 260 are left at these landmarks.
    assert inside.any()
    assert weeks[inside].groupby("landmark")["customer"].nunique().max() <= 260


def test_texts_that_bring_nothing_move_no_decision():
    people = responsive(np.random.default_rng(82), 6_000, kappa=0.0)
    cells = cells_of(people)
    fit = fit_response(cells, DOSES, 0.002, np.random.default_rng(1))
    assert fit.effect_p > 0.02
    nothing = pd.DataFrame()
    audience = pd.DataFrame(columns=["segment", "stage", "outside", "texts", "customers"])
    logs = Logs(None, audience, nothing, 0.0, nothing, nothing)
    plain = plain_response(cells, DOSES, 0.002)
    study = Study("sms", None, None, "", DOSES, cells, plain, fit, fit, logs, "region", 0.002)
    policy = frequency_policy.choose_doses(study, np.random.default_rng(1))
    assert policy["outcome"].eq("not_enough").all()
    assert policy["reason"].eq("no_effect").all()
    answers = decide(dataclasses.replace(study), policy, "USD")
    assert all(each.outcome == "not_enough_evidence" and np.isnan(each.value) for each in answers)


def test_the_engine_tells_who_is_alive_as_the_model_does(cdnow_shop):
    shop = cdnow_shop("1997-09-30")
    cells = count_cells(shop)
    fit = fit_purchases(cells, "mbg_nbd")
    history = purchase_history(shop)
    rows = history.select("frequency", "recency_days", "T_days", alive=alive_expression(fit, history)).execute()
    beside = rows.merge(
        cells.assign(expected=probability_alive(fit, cells)), on=["frequency", "recency_days", "T_days"]
    )
    assert len(beside) == len(rows) == 2_357
    np.testing.assert_allclose(beside["alive"], beside["expected"], rtol=1e-9)
