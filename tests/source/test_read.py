"""The matrix of bad data (D1 to D24), as a user meets it: what is rejected, and what is valid.

Bad rows are rejected and counted; what was published before stays as it was, to the byte.
"""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from smsroi_helpers.contract import rules
from smsroi_helpers.contract import tables as contract_tables
from tests.faults.bad_data import (
    EMAIL,
    HEAD,
    HOSTILE,
    ORDERS,
    PEOPLE,
    PHONE,
    Files,
    Project,
    orders,
    published,
    quoted,
    refusal,
    trial,
)

pytestmark = pytest.mark.slow


EVERY_FAULT: Files = {
    "source.yml": "timezone: America/New_York\n",
    "orders.csv": ORDERS
    + "1.38E+10,c1,2024-01-01,5,\n"
    + "a,c1,45295,5,\nb,c1,2024-03-10 02:30,5,\nc,c1,someday,5,\nd,c1,2024-01-01,five,\ne,c1,2024-01-01,,\n"
    + "f,c1,2024-01-01,NaN,\ng,c1,2024-01-01,5,-1\nh,,2024-01-01,5,\n,c1,2024-01-01,5,\n"
    + "000,c0,2024-01-01 10:00:00,0.5,\n001,c1,2024-01-02 10:00:00,99,\ni,c1,2024-01-01,5\n",
    "customers.csv": PEOPLE + "c4,Mars/Base,\n",
    "messages.csv": "message_id,customer_id,campaign_id,sent_at"
    + ",delivered_at,opened_at,clicked_at,replied_at,opted_out_at\n"
    + "m0,c1,k,2024-01-01 10:00,2024-01-01 10:01,,,,\n"
    + "".join(f"m{i + 1},c1,k,2024-01-01 10:00{',' * i}2024-01-01 09:59{',' * (5 - i)}\n" for i in range(1, 6)),
    "experiments.csv": "experiment_id,kind,control_arm,started_at,primary_metric\n"
    + "x,holdout,no,2024-01-01,\ny,guess,no,2024-01-01,\nz,holdout,no,2024-01-01,joy\n",
    "arms.csv": "experiment_id,arm,share,hour_start\nx,no,0.25,\nx,yes,0.75,9\nx,more,0.5,nine\nx,most,1.5,\n",
    "assignments.csv": "experiment_id,customer_id,arm,assigned_at\nx,c0,no,2024-01-01\nx,c1,perhaps,2024-01-01\n"
    + "x,c2,no,2024-01-01\nx,c2,yes,2024-01-01\n",
    "identities.csv": "customer_id,kind,value\nc1,id,card-7\nc1,fax,card-8\n",
}


def test_every_rule_is_reached_by_a_run_and_says_so_in_its_manifest(project: Project) -> None:
    kept = published(project, EVERY_FAULT)
    assert kept.aside == {
        "orders.order_id: spreadsheet damage": 1,
        "orders.ordered_at: spreadsheet date": 1,
        "orders.ordered_at: no such local time": 1,
        "orders.ordered_at: unreadable": 1,
        "orders.amount: unreadable": 1,
        "orders.amount: missing": 1,
        "orders.amount: not finite": 1,
        "orders.discount: too small": 1,
        "orders.customer_id: missing": 1,
        "orders.order_id: missing": 1,
        "orders.order_id: repeated row": 1,
        "orders.order_id: conflicting key": 2,
        "orders: wrong number of fields": 1,
        "customers.timezone: unknown time zone": 1,
        "messages.delivered_at: before it was sent": 1,
        "messages.opened_at: before it was sent": 1,
        "messages.clicked_at: before it was sent": 1,
        "messages.replied_at: before it was sent": 1,
        "messages.opted_out_at: before it was sent": 1,
        "experiments.kind: unknown kind": 1,
        "experiments.primary_metric: unknown metric": 1,
        "arms.hour_start: unreadable": 1,
        "arms.share: too large": 1,
        "assignments.arm: unknown arm": 1,
        "assignments.experiment_id + customer_id: in two arms": 2,
        "identities.kind: unknown kind": 1,
    }
    reached = set()
    codes = set()
    for finding in kept.aside:
        place, _, code = finding.partition(": ")
        table, _, column = place.partition(".")
        codes.add(code)
        of = contract_tables.TABLES[table]
        known = of.by_name.get(column)
        reached |= {rule for rule in rules.RULES if rule.code == code and known and rule.applies_to(of, known)}
    assert set(rules.RULES) - reached == set()
    assert {*rules.KEY_FAULTS, rules.WRONG_FIELDS} <= codes
    assert codes == {rule.code for rule in rules.RULES} | {*rules.KEY_FAULTS, rules.WRONG_FIELDS}


def test_a_share_of_bad_rows_that_is_allowed_is_published_and_the_next_one_is_not(project: Project) -> None:
    bad = orders("a,c1,someday,5,")
    assert published(project, bad, share=0.1).aside == {"orders.ordered_at: unreadable": 1}
    line = refusal(project, bad, "-p", "max_rejected_share=0.09", "--force")
    assert "1 of 10 rows (10.0%) cannot be used, above max_rejected_share 9.0%" in line


SOUND: dict[str, tuple[Files | Callable[[], Files], dict[str, tuple[int, int]], dict[str, int], tuple[str, str]]] = {
    "D7 a column without a value": (
        {"orders.csv": ORDERS, "customers.csv": "customer_id,joined_at,referred_by\nc0,,\nc1,,\n"},
        {"orders": (9, 9), "customers": (2, 2)},
        {},
        ("2024-01-01", "2024-01-09"),
    ),
    "D3 one order": (
        {"orders.csv": HEAD + "1,a,2024-01-01,5,\n"},
        {"orders": (1, 1)},
        {},
        ("2024-01-01", "2024-01-01"),
    ),
    "D5 one timestamp, D4 nobody twice": (
        {"orders.csv": HEAD + "".join(f"{i},c{i},2024-01-01 10:00,5,\n" for i in range(30))},
        {"orders": (30, 30)},
        {},
        ("2024-01-01", "2024-01-01"),
    ),
    "D7 D8 D9 D11 D12 D15 D17": (
        {
            "orders.csv": "\ufeffamount,colour,ordered_at,order_id,customer_id\n"
            "-5,red,2024-01-01T10:00:00+08:00,NaN,NA\n"
            "0,red,2024-01-01 10:00:00,null,None\n"
            "-999,red,2024-01-02T00:30-05:00,None,all-refunds\n"
            "1e308,red,1970-01-01,00123,ann\n"
            '"1,234.50",red,2024/1/3,9007199254740993123,ａｎｎ\n'
            "￥99,red,2024年1月4日,e\u0301,\u202eann\n"
            "１２３,red,20240105,🎁,a\u200bnn\n"
            "5,red,2999-01-01,é2,=1+1\n"
            "5,red,2020-12-31 23:59:59,w53,<b>\n"
            "5,red,2024-02-29,leap,{x}\n"
        },
        {"orders": (10, 9)},  # the word None is nobody's id, NA may be a name
        {
            "orders.colour: not in the contract": 10,
            "orders.amount: currency of the amounts": 1,
            "orders.customer_id: rows of guests": 1,
        },
        ("1970-01-01", "2999-01-01"),
    ),
    "D10 the hour shown twice": (
        {
            "source.yml": "timezone: America/New_York\n",
            "orders.csv": HEAD + "1,a,2024-11-03 01:30:00,5,\n2,b,2024-11-03T01:30:00-05:00,5,\n",
        },
        {"orders": (2, 2)},
        {"orders.ordered_at: time shown twice": 1},
        ("2024-11-03", "2024-11-03"),
    ),
    "D13 D14 200,000 rows of GBK (a million: test_decoding)": (
        lambda: {
            "orders.csv": (
                "order_id,customer_id,ordered_at,amount,备注\n"
                + "".join(f"{i:07},顾客{i % 999},2024-01-0{1 + i % 9},5,老顾客\n" for i in range(200_000))
            ).encode("gbk")
        },
        {"orders": (200_000, 200_000)},
        {"orders.备注: not in the contract": 200_000},
        ("2024-01-01", "2024-01-09"),
    ),
    "D13 GB18030 of four bytes, D16 semicolons and CR": (
        {
            "orders.csv": (
                'order_id;customer_id;ordered_at;amount\r1;老顾客㐀;2024-01-01;"1,5,"\r2;常来𠀀;2024-01-02;5\r'
            ).encode("gb18030")
        },
        {"orders": (2, 1)},
        {},
        ("2024-01-02", "2024-01-02"),
    ),
    "D13 UTF-16, D22 sends after the opt-out, D24 an empty arm": (
        lambda: {
            name: str(content).encode("utf-16")
            for name, content in trial(assignments=("x,c0,no,2024-01-01\n", ""), messages=("m1,c1", "m1,c1")).items()
        },
        {
            "orders": (9, 9),
            "customers": (4, 4),
            "messages": (4, 4),
            "experiments": (1, 1),
            "arms": (2, 2),
            "assignments": (3, 3),
        },
        {},
        ("2024-01-01", "2024-01-09"),
    ),
}


@pytest.mark.parametrize("case", SOUND)
def test_what_is_odd_and_sound_is_read_and_counted(project: Project, case: str) -> None:
    files, tables, others, days = SOUND[case]
    kept = published(project, files() if callable(files) else files)
    assert (kept.tables, kept.others, kept.first_and_last) == (tables, others, days)


# --- hostile text ----------------------------------------------------------------------------------------------------


def test_hostile_text_is_data_everywhere(project: Project) -> None:
    """D20: in ids, in names of columns, in names of experiments, in a refusal, and in what a run leaves."""
    ids = "".join(f"{quoted(text)},{quoted(text)},2024-01-01,5,1,2,3,4,5\n" for text in HOSTILE)
    sound = "".join(f"{i},c{i},2024-01-02,5,1,2,3,4,5\n" for i in range(20))
    names = (HOSTILE[0], HOSTILE[2], PHONE, EMAIL, "n" * 10_000)
    heading = f"order_id,customer_id,ordered_at,amount,{','.join(map(quoted, names))}\n"
    files: Files = {"orders.csv": heading + ids + sound, "source.yml": f"title: {quoted(HOSTILE[1])}\n"}
    kept = published(project, files)
    assert kept.tables == {"orders": (len(HOSTILE) + 20, len(HOSTILE) + 19)}  # `\\` alone is nobody's id
    run = project.root / "reports" / "tiny" / kept.manifest["run"]
    for file in run.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert PHONE.encode() not in content
        assert EMAIL.encode() not in content
        if file.suffix == ".html":
            assert b"<script>alert" not in content
            assert b"<img src=x" not in content
    for text in HOSTILE:
        changed = trial(
            experiments=("x,holdout,no", f"{quoted(text)},holdout,no"),
            arms=("x,no,0.25,\nx,yes", f"{quoted(text)},no,0.5,\n{quoted(text)},yes"),
        )
        line = refusal(project, {name: changed[name] for name in ("orders.csv", "experiments.csv", "arms.csv")})
        assert "shares do not sum to 1" in line


def test_a_table_of_bad_rows_keeps_no_raw_value_in_its_quarantine(project: Project, tmp_path: Path) -> None:
    from smsroi_helpers.source.read import load

    project.fill(orders(f"{PHONE},{EMAIL},someday,5,", f"{PHONE}9,{EMAIL},someday,5,"))
    load("data/tiny", tmp_path / "into", 1.0)
    rows = duckdb.sql(f"FROM '{tmp_path / 'into' / 'quarantine.parquet'}'").fetchall()
    assert rows == [("orders", 11, "ordered_at: unreadable", None), ("orders", 12, "ordered_at: unreadable", None)]
