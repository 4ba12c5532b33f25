"""The sources of ../shared/cases: each gives what its README states, and every folder there is in a table here.

What a case must give beyond its tables and findings is tested below the table: people, the last day, tests, value.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import ab_test, cltv, effectiveness
from smsroi_helpers.errors import DataError
from smsroi_helpers.measures import arm_outcomes, human_clicks
from smsroi_helpers.quality.checks import measure_coverage
from smsroi_helpers.source.loaded import Loaded, resolve_as_of
from smsroi_helpers.source.pseudonymise import pseudonymise
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import Shop, open_shop
from tests.machine import CASES

pytestmark = pytest.mark.cases
KEY = "a key of thirty-two bytes or more, for tests only"
PHONES = "column customer_id: most values are telephone numbers or e-mail addresses; add `pseudonymise: true`"
THOUSANDS = "column amount: .* may mean 1250 or 1.25, .* write decimal: "


@dataclass(frozen=True)
class Seen:
    """What is seen when a case is read."""

    refused: str = ""
    """The words of the refusal; empty: the source is read."""
    orders: tuple[int, float] = (0, 0.0)
    """Number of rows, and the sum of their amounts."""
    said: frozenset[str] = frozenset()
    """Rules of all findings."""
    columns: dict[str, Callable[[pd.Series], bool]] = field(default_factory=dict)
    """`table.column` → what holds of its values."""


def seen(refused: str = "", orders: tuple[int, float] = (0, 0.0), *said: str, **columns) -> Seen:
    return Seen(refused, orders, frozenset(said), {name.replace("__", ".", 1): test for name, test in columns.items()})


IDS_OF_SHEETS = seen(
    "", (20, 400.0), "ids as a spreadsheet writes them",
    orders__customer_id=lambda ids: set(ids) <= {str(n) for n in range(100, 110)},
    customers__customer_id=lambda ids: set(ids) <= {str(n) for n in range(100, 110)},
)  # fmt: skip
TABLE = {
    "04b-formula-customer-ids": IDS_OF_SHEETS,
    "04c-apostrophe-ids": IDS_OF_SHEETS,
    "04e-float-ids": IDS_OF_SHEETS,
    "06a-eu-thousands-only": seen(THOUSANDS),
    "06b-idr-dot-thousands": seen(THOUSANDS),
    "06m-thousand": seen(THOUSANDS),
    "07s-space-offset": seen("", (1, 3.0), orders__ordered_at=lambda at: at[0] == pd.Timestamp("2024-05-03 13:50:26")),
    "11-metadata-head": seen("", (20, 267.0), "report lines above the column names"),
    "12-trailing-comma": seen("", (20, 267.0)),
    "12b-duplicate-heading": seen("", (20, 400.0), "column name repeated"),
    # The file of this case is cut after 54 bytes; whole workbooks are in test_workbook.py.
    "13-xlsx-only": seen(r"orders\.xlsx: not a workbook, or a damaged one; save it again as \.xlsx"),
    "14b-segment-rows-own-ids": seen(
        "", (20, 400.0), "billing segments merged",
        messages__segments=lambda segments: list(segments) == [2] * 40,
        messages__cost=lambda cost: cost.sum() == pytest.approx(80 * 0.0079),
    ),
    "17-resubscribed": seen("", (120, 1617.0)),
    "23-us-phones-no-plus": seen(PHONES),
    "23b-cn-phones-spaced": seen(PHONES),
    "23c-whatsapp": seen(PHONES),
    "23d-phone-spellings": seen(PHONES),
    "23e-mail-case": seen(PHONES),
    "30b-scheduled-sends": seen("", (120, 1617.0), "scheduled, not sent", "billing segments merged"),
    "31-boolean-clicks": seen("", (20, 400.0), "yes or no without a time"),
    "42m-two-signs": seen(r"column amount: amounts in several currencies .\$ in 1 rows and ¥ in 1 rows"),
    "50-stray-file": seen("", (20, 400.0), "file not used"),
    "51-clicks-other-clock": seen("", (200, 4000.0), "on another clock than sent_at"),
    "52-chinese-file-name": seen("", (1, 3.0)),
    "52b-upper-case-ending": seen("", (1, 3.0)),
    "54-total-row-customer": seen("", (2, 7.0), "total row"),
    "AB2-zero-control": seen("", (77, 2481.0)),
    "AB4-date-only-end": seen("", (1400, 46843.0)),
    "CL2-free-orders": seen("", (1280, 34926.0)),
    "CL3-refunds-40pct": seen("", (1761, 28456.0)),
    "CL4-guest-zero": seen("", (877, 34324.0), "rows of guests"),
    "zero-amounts": seen("", (1394, 0.0)),
}  # fmt: skip
ELSEWHERE = {"exports": "exports/test_cases.py"}


@dataclass(frozen=True)
class Read:
    loaded: Loaded
    frames: dict[str, pd.DataFrame]
    said: dict[str, str]
    """Rule of a finding → what to do."""


def read_source(folder: Path, place: Path) -> Read:
    loaded = load(folder, place / ".loaded")
    frames = {name: pd.read_parquet(table.paths[0]) for name, table in loaded.tables.items()}
    return Read(loaded, frames, {f.rule: f.filled_remedy for f in loaded.findings})


@pytest.fixture(scope="module")
def read(tmp_path_factory) -> Callable[[str], Read]:
    """Reads a case, once for all tests."""
    return functools.cache(lambda case: read_source(CASES / case, tmp_path_factory.mktemp("case")))


@pytest.fixture(scope="module")
def open_case(read, tmp_path_factory) -> Callable[..., Shop]:
    return lambda case, as_of="": open_shop(read(case).loaded, as_of, tmp_path_factory.mktemp("cache"))


def copy_case(case: str, to: Path, **others: str) -> Path:
    to.mkdir()
    for file in (CASES / case).iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    for name, text in others.items():
        (to / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return to


def test_every_case_is_in_the_table():
    assert {file.name for file in CASES.iterdir() if file.is_dir()} == {*TABLE, *ELSEWHERE}


@pytest.mark.parametrize("case", TABLE)
def test_what_is_seen(read, case):
    wanted = TABLE[case]
    if wanted.refused:
        with pytest.raises(DataError, match=wanted.refused):
            read(case)
        return
    found = read(case)
    orders = found.frames["orders"]
    assert (len(orders), orders["amount"].sum()) == pytest.approx(wanted.orders)
    assert set(found.said) == wanted.said
    for name, holds in wanted.columns.items():
        table, _, column = name.partition(".")
        assert holds(found.frames[table][column]), name


@pytest.mark.parametrize(
    ("case", "amounts"),
    [
        ("06a-eu-thousands-only", {1250, 3250}),
        ("06b-idr-dot-thousands", {150_000, 169_000}),
        ("06m-thousand", {1250}),
    ],
)
def test_the_setting_tells_what_thousands_with_dots_are(tmp_path, case, amounts):
    folder = copy_case(case, tmp_path / "source", source__yml='decimal: ","\n')
    found = read_source(folder, tmp_path).frames["orders"]["amount"]
    assert {found.min(), found.max()} == amounts


@pytest.mark.parametrize(
    ("case", "people"),
    [("23-us-phones-no-plus", 10), ("23b-cn-phones-spaced", 40), ("23c-whatsapp", 40), ("23d-phone-spellings", 10),
     ("23e-mail-case", 10)],
)  # fmt: skip
def test_people_under_pseudonyms(tmp_path, monkeypatch, case, people):
    """By `smsroi pseudonymise`, and by `pseudonymise: true` when the source is read: the same people in all tables."""
    copied = read_source(pseudonymise(CASES / case, tmp_path / "copy", KEY.encode()).folder, tmp_path / "of the copy")
    monkeypatch.setenv("SMSROI_KEY", KEY)
    at_load = read_source(copy_case(case, tmp_path / "raw", source__yml="pseudonymise: true\n"), tmp_path / "raw read")
    for found in (copied, at_load):
        ids = [set(frame["customer_id"]) for frame in found.frames.values()]
        assert all(each == ids[0] for each in ids)
        assert (len(ids[0]), all(re.fullmatch("[0-9a-f]{32}", name) for name in ids[0])) == (people, True)
    assert set(copied.frames["orders"]["customer_id"]) == set(at_load.frames["orders"]["customer_id"])


@pytest.mark.parametrize(
    ("case", "asked", "named"),
    [("52-chinese-file-name", "订单 2024-06", "订单 2024-05"), ("52b-upper-case-ending", "exports", "EXPORT"),
     ("50-stray-file", "exports", "lookup")],
)  # fmt: skip
def test_the_names_of_files_are_listed_where_one_is_not_found(tmp_path, case, asked, named):
    folder = copy_case(case, tmp_path / "source", orders__sql=f'SELECT * FROM "{asked}"')
    with pytest.raises(DataError, match=f'orders.sql.*: no table or file "{asked}".*can be queried:.*"{named}"'):
        read_source(folder, tmp_path)


def test_the_stray_file_is_named(read):
    (said,) = read("50-stray-file").loaded.findings
    assert (said.table, said.severity) == ("lookup.csv", "note")


def test_yes_and_no_for_clicks(read, open_case):
    messages = read("31-boolean-clicks").frames["messages"]
    text = pd.read_csv(CASES / "31-boolean-clicks" / "messages.csv")
    assert messages["clicked_at"].notna().sum() == text["clicked_at"].sum() > 0
    assert messages["delivered_at"].notna().sum() == text["delivered_at"].sum()
    sends = human_clicks(open_case("31-boolean-clicks"))
    assert sends.any_click_at.notnull().sum().execute() == text["clicked_at"].sum()


def test_clicks_on_another_clock(read):
    remedy = read("51-clicks-other-clock").said["on another clock than sent_at"]
    assert "by 8 hours" in remedy
    assert "on the clock of Asia/Shanghai, `sent_at` is on UTC;" in remedy


def test_scheduled_sends(read, open_case):
    assert resolve_as_of(read("30b-scheduled-sends").loaded, "") == "2024-05-08"
    assert str(open_case("30b-scheduled-sends").as_of) == "2024-05-08"


def test_who_is_in_again_may_be_texted(open_case):
    audit = effectiveness.audit_rules(open_case("17-resubscribed"))
    assert {"after_opt_out", "without_consent"} <= set(audit.checks["check"])
    assert audit.breaches == 0


def test_guests_are_counted_apart(read, open_case):
    text = pd.read_csv(CASES / "CL4-guest-zero" / "orders.csv", dtype={"customer_id": str})
    guests = text[text["customer_id"] == "0"]
    coverage = measure_coverage(open_case("CL4-guest-zero"))
    assert (coverage.guest_orders, coverage.guest_paid) == (len(guests), guests["amount"].sum())
    assert coverage.buyers == text["customer_id"].nunique() - 1
    assert read("CL4-guest-zero").loaded.tables["orders"].guests == len(guests)


def test_the_last_day_of_a_test_counts(read, open_case):
    outcomes = arm_outcomes(open_case("AB4-date-only-end", "2024-05-12")).execute()
    orders, assignments = (read("AB4-date-only-end").frames[name] for name in ("orders", "assignments"))
    during = orders[(orders["ordered_at"] >= "2024-05-01") & (orders["ordered_at"] < "2024-05-08")]
    assigned = during[during["customer_id"].isin(assignments["customer_id"])]
    assert (assigned["ordered_at"] >= "2024-05-07").any()
    assert outcomes["orders"].sum() == len(assigned)


def test_nobody_of_a_control_group(open_case):
    """0 of 500 against 25 of 500: the interval is finite, and the advice is not to wait for no customers."""
    tests = ab_test.analyse(open_case("AB2-zero-control", "2024-05-12"))
    effect = tests[0].effects.find("order_rate", "B")
    assert effect.difference == pytest.approx(25 / 500)
    _difference, low, high = effect.interval
    assert 0 < low < 25 / 500 < high < 0.1
    (advice,) = ab_test.decide(tests, "USD")
    assert np.isfinite([advice.value, advice.low, advice.high]).all()
    assert advice.outcome == "not_enough_evidence"
    assert not re.search(r"\b0 more customers", advice.action + advice.text)


def test_purchases_without_a_price(open_case):
    """What a purchase brings is not known: purchases to come are forecast, money is neither a number nor 0."""
    shop = open_case("zero-amounts")
    cells, value = cltv.count_cells(shop), cltv.fit_value(cltv.count_value_cells(shop))
    forecast = cltv.forecast_value(
        cells, cltv.fit_purchases(cells, "bg_nbd"), value, margin=cltv.profit_share(shop), horizon_weeks=12,
        yearly_discount_rate=0.1, rng=np.random.default_rng(1),
    )  # fmt: skip
    assert 0 < forecast.total("orders")[0] < np.inf
    assert np.isnan([*forecast.total("spend"), *forecast.total("cltv")]).all()
