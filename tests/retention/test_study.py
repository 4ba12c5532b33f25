"""The whole page, as far as the data go: orders alone, messages alone; the definition of gone; what 02 says too."""

import datetime as dt
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import contract, retention
from smsroi_helpers.retention import audit_figures, study, survival, wording
from smsroi_helpers.retention.study import Silence, choose_silence
from tests.retention.samples import START, buyers, orders_csv


def show_everything(found):
    """Every table and figure of the notebook, as text."""
    tables, figures, audit = retention.tables, retention.figures, retention.audit_figures
    shown = [getattr(tables, name)(found) for name in (
        "exclusions_table", "missing_note", "gone_note", "retained_table", "funnel_table", "silences_table",
        "warnings_table", "association_note", "survival_table",
    )]  # fmt: skip
    shown += [getattr(tables, name)(found, "USD") for name in (
        "win_back_table", "moves_table", "gains_table", "plan_note",
    )]  # fmt: skip
    shown += [figures.triangle_figure(one) for one in (found.orders, found.consent)]
    shown += [retention.audit_tables.ages_table(found.orders), retention.audit_tables.triangle_table(found.consent)]
    shown += [figures.survival_figure(found, kind) for kind in ("custom", "consent")]
    shown += [figures.alive_figure(found), audit.tenths_figure(found), retention.audit_tables.now_table(found)]
    shown += [getattr(audit, name)(found, "USD") for name in (
        "periods_figure", "cohort_figure", "ages_figure", "months_figure",
    )]  # fmt: skip
    return "\n".join(str(one) for one in shown)


def check_outputs(found):
    saved = {
        "cohort_retention": retention.cohort_table(found), "retention_survival": retention.survival_table(found),
        "customer_base_audit": retention.audit_table(found), "warning_quality": retention.warnings_table(found),
    }  # fmt: skip
    for name, table in saved.items():
        assert set(contract.OUTPUTS[name]) <= set(table.columns)
        limits = table.dropna(subset=["low", "high"]) if {"low", "high"} <= set(table.columns) else table.head(0)
        value = (
            limits[next((c for c in ("rate", "survival", "value") if c in limits.columns), "low")] if len(limits) else 0
        )
        assert (len(limits) == 0) or ((limits["low"] <= value) & (value <= limits["high"])).all()
    return saved


def check_base_now(found):
    """Each share is that of the customers in its row, out of those beside them."""
    rows = re.findall(r"<tr>(.*?)</tr>", retention.audit_tables.now_table(found).markup, re.DOTALL)
    cells = [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows
    ]
    assert cells[0][1:3] == ["Customers", "Out of"]
    shares = [row for row in cells[1:] if row[2] != "–"]
    assert len(shares) == 2
    for _name, customers, out_of, share in shares:
        part, whole = (int(each.replace(",", "")) for each in (customers, out_of))
        assert 0 < part < whole
        assert share.startswith(f"{100 * part / whole:.1f}%")


def test_orders_alone(read_once):
    customer, day = buyers(7, 700, weeks=60, join_weeks=40)
    shop = read_once(orders=orders_csv(customer, day), as_of=str(START + dt.timedelta(days=419)))
    found = retention.analyse(shop, np.random.default_rng(1), horizon_weeks=26)
    saved = check_outputs(found)
    assert len(saved["cohort_retention"])
    assert set(saved["warning_quality"]["warning"]) == {"alive"}
    text = show_everything(found)
    assert "records no opt-outs" in text
    check_base_now(found)
    decisions = retention.decide(found, "USD")
    assert decisions[0].outcome == "not_enough_evidence"
    assert decisions[0].evidence == "descriptive"
    assert set(found.model.gains["group"]) >= {"all"}


def test_messages_alone(read_once):
    lines = [
        f"m{i},c{i % 40},k{i % 3},2024-0{1 + i // 60}-{1 + i % 28:02} 10:00:00,"
        + ("2024-05-29 12:00:00" if i % 40 < 10 and i >= 200 else "")
        for i in range(300)
    ]
    shop = read_once(messages="message_id,customer_id,campaign_id,sent_at,opted_out_at\n" + "\n".join(lines) + "\n")
    found = retention.analyse(shop, np.random.default_rng(1))
    saved = check_outputs(found)
    assert set(saved["cohort_retention"]["kind"]) == {"consent"}
    assert set(saved["retention_survival"]["kind"]) == {"consent"}
    text = show_everything(found)
    assert "has no orders: there is no cohort triangle" in text
    assert "has no orders, so nobody is known to be inactive" in text
    assert "log is too short" not in text.replace("Clicks are not known, or the log is too short", "")
    assert "No calendar month" not in text
    (decision,) = retention.decide(found, "USD")
    assert decision.outcome == "not_enough_evidence"
    assert decision.unit == ""


def silence(days, share, back):
    curve = survival.Curve("all", 100, 50, pd.DataFrame(), 300)
    return Silence(days, share, curve, (back, back - 0.05, back + 0.05))


@pytest.mark.parametrize(
    ("back", "expected"), [((0.5, 0.15, 0.05), 0.9), ((0.5, 0.4, 0.3), 0.95), ((0.1, 0.05, 0.01), 0.8)]
)
def test_gone_is_a_silence_after_which_few_came_back(back, expected):
    tried = [silence(10 * i, share, one) for i, (share, one) in enumerate(zip((0.8, 0.9, 0.95), back, strict=True), 1)]
    assert choose_silence(tried) == expected
    assert choose_silence([]) == 0.9


def test_who_came_back_is_counted(read_once):
    """Two of three customers who fell silent for long bought again."""
    days = {"a": [0, 5, 200], "b": [0, 7, 220], "c": [0, 6], "d": [0, 100, 200, 290]}
    lines = [(name, day) for name, own in days.items() for day in own]
    shop = read_once(orders=orders_csv(*zip(*lines, strict=True)), as_of=str(START + dt.timedelta(days=300)))
    rows = survival.custom_rows(shop, 120).to_pandas()
    assert (rows["event"].sum(), rows["came_back"].sum()) == (3, 2)
    assert study.try_silences(shop)[0].curve.customers > 0


def test_the_share_known_to_be_gone_has_wilsons_interval():
    """Brown, Cai & DasGupta (2001): the interval's ends solve |p − x ÷ n| = 1.96 √(p (1 − p) ÷ n)."""
    curve = survival.Curve("all", 16_396, 7_874, pd.DataFrame(), 300)
    share, low, high = curve.ended_share
    assert share == pytest.approx(7_874 / 16_396)
    for limit in (low, high):
        assert abs(limit - share) == pytest.approx(1.959964 * np.sqrt(limit * (1 - limit) / 16_396), rel=1e-4)


@pytest.mark.parametrize(("share", "words"), [(0.004, "less than 1%"), (0.0, "0%"), (0.006, "1%"), (0.25, "25%")])
def test_a_small_share_is_not_shown_as_none(share, words):
    assert audit_figures._small_share(share) == words


@pytest.mark.parametrize(
    ("tests", "words"),
    [(["holdout"], ""), (["holdout", "doses"], "It is wider because 2 tests are read at once: holdout and doses.")],
)
def test_the_tests_that_an_interval_covers_are_named(tests, words):
    row = SimpleNamespace(always_valid=False, comparisons=len(tests))
    assert wording._limits_words(row, tests) == words
