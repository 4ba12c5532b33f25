"""The real notebooks on unusual data: they publish, give one result for every file format, and name nobody."""

import datetime as dt
import gzip
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from smsroi_helpers import commands
from smsroi_helpers.source import load, open_shop
from tests.faults.bad_data import (
    EMAIL,
    HEAD,
    HOSTILE,
    PHONE,
    Files,
    Project,
    quoted,
)
from tests.faults.tiny import PACKAGE_HOME

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with the real notebooks; nothing is published yet."""
    root = tmp_path_factory.mktemp("workbook").resolve()
    made = Project(root)
    (root / "notebooks" / "00_alpha.ipynb").unlink()
    for name in ("00_quality", "02_cltv"):
        shutil.copy(PACKAGE_HOME / "notebooks" / f"{name}.ipynb", root / "notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        yield made


ODD: dict[str, Files] = {
    "D4 D5 nobody bought twice, all at once": {
        "orders.csv": HEAD + "".join(f"{i},c{i},2024-01-01 10:00,5,\n" for i in range(30))
    },
    "D8 D20 refunds, and hostile text": {
        "source.yml": f"title: {quoted(HOSTILE[0])}\n",
        "orders.csv": HEAD
        + "".join(f"{i},c{i % 20},2024-{1 + i % 9:02}-11,{i - 9},\n" for i in range(120))
        + "".join(f"{quoted(text)},{quoted(text)},2024-02-01,-5,\n" for text in HOSTILE),
        "customers.csv": f"customer_id,region,{quoted('attr_' + HOSTILE[0])}\n"
        + "".join(f"{quoted(text)},{quoted(text)},{quoted(text)}\n" for text in HOSTILE),
    },
}


@pytest.mark.parametrize("case", ODD)
def test_the_notebooks_publish_with_little_or_odd_data(workbook: Project, case: str) -> None:
    workbook.fill(ODD[case])
    code, _stdout, stderr = workbook.run()
    assert code == 0, stderr
    manifest = workbook.manifest()
    assert manifest["notebooks"]["00_quality"]["status"] == "ok"
    cltv = manifest["notebooks"]["02_cltv"]
    assert cltv["status"] in ("ok", "skipped")
    assert cltv["status"] == "ok" or cltv["reason"]
    run = workbook.root / "reports" / "tiny" / manifest["run"]
    for page in run.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not any(word in text for word in (PHONE, EMAIL, "<script>alert", "<img src=x", "Traceback"))


# --- one shop in every file format -----------------------------------------------------------------------------------

COLUMNS = ("order_id", "customer_id", "ordered_at", "amount", "discount")


def example_orders() -> list[tuple[str, ...]]:
    """Orders of 60 customers with Chinese names over two years; amounts are whole cents."""
    made = []
    for i in range(900):
        person = i * 37 % 60 if i % 3 else i % 11
        day = dt.date(2023, 1, 1) + dt.timedelta(days=i * 29 % 720)
        time = f"{day} {i * 7 % 24:02}:{i * 11 % 60:02}:00"
        made.append(
            (f"{i:05}", f"顾客{person}", time, f"{(i * 7919 % 20000 - 900) / 100:.2f}", "" if i % 5 else "1.50")
        )
    return made


def every_format() -> dict[str, Files]:
    rows = example_orders()
    text = "".join(",".join(row) + "\n" for row in [COLUMNS, *rows])
    table = duckdb.from_arrow(pa.table({name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)})).project(
        "order_id, customer_id,"
        " timezone('UTC', timezone('Asia/Shanghai', CAST(ordered_at AS TIMESTAMP))) AS ordered_at,"
        " CAST(amount AS DOUBLE) AS amount, CAST(nullif(discount, '') AS DOUBLE) AS discount"
    )
    # A parquet time without a zone is in the source's time zone, too.
    typed = table.select("* REPLACE (timezone('UTC', ordered_at) AS ordered_at)").to_arrow_table()

    def parquet_of(part: pa.Table) -> bytes:
        sink = io.BytesIO()
        parquet.write_table(part, sink)
        return sink.getvalue()

    parts = [parquet_of(typed.slice(start, 300)) for start in (0, 300, 600)]
    export = text.replace("order_id,customer_id,ordered_at,amount,discount", "订单,顾客,时间,实付,优惠")
    mapping = (
        "SELECT 订单 AS order_id, 顾客 AS customer_id, 时间 AS ordered_at, 实付 AS amount, 优惠 AS discount FROM export"
    )
    semicolons = "\n".join(";".join(row) for row in [COLUMNS, *sorted(rows, key=lambda row: row[3])]) + "\n"
    chinese = semicolons.replace("order_id;customer_id;ordered_at;amount;discount", "订单;顾客;时间;实付;优惠")
    formats: dict[str, Files] = {
        "UTF-8": {"orders.csv": text},
        "BOM": {"orders.csv": "\ufeff" + text},
        "GB18030": {"orders.csv": text.encode("gb18030")},
        "UTF-16": {"orders.csv": text.encode("utf-16")},
        "gzip": {"orders.csv.gz": gzip.compress(text.encode())},
        "parquet": {"orders.parquet": parquet_of(typed)},
        "three parts": {f"orders/{name}.parquet": part for name, part in zip("abc", parts, strict=True)},
        "three parts in another order": {
            f"orders/{name}.parquet": part for name, part in zip("cab", parts, strict=True)
        },
        "a mapping": {"export.csv": export, "orders.sql": mapping},
        "semicolons, rows in another order": {"orders.csv": semicolons},
        "a mapping of GB18030 with semicolons, rows in another order": {
            "export.csv": chinese.encode("gb18030"),
            "orders.sql": mapping,
        },
    }
    settings = "title: One shop\ntimezone: Asia/Shanghai\ncurrency: CNY\n"
    return {name: {"source.yml": settings, **files} for name, files in formats.items()}


def test_the_same_orders_in_every_format_are_the_same_rows(tmp_path: Path) -> None:
    rows = {}
    for number, (file_format, files) in enumerate(every_format().items()):
        folder = tmp_path / str(number)
        for name, content in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        loaded = load(folder, tmp_path / f"loaded {number}")
        shop = open_shop(loaded, "", tmp_path / f"cache {number}")
        assert not loaded.findings, file_format
        rows[file_format] = shop.orders.order_by("order_id").to_pandas()
    for file_format, frame in rows.items():
        pd.testing.assert_frame_equal(frame, rows["UTF-8"], obj=file_format)
    assert len(rows["UTF-8"]) == 900
    assert rows["UTF-8"]["amount"].sum() == pytest.approx(sum(float(row[3]) for row in example_orders()))


def test_the_same_orders_in_another_format_give_the_same_tables(workbook: Project) -> None:
    """Equal to the byte, in a format that differs in everything; rows of every single format are compared above."""
    formats = every_format()
    contents: dict[str, dict[str, bytes]] = {}
    another = "a mapping of GB18030 with semicolons, rows in another order"
    for file_format in ("UTF-8", another):
        workbook.fill(formats[file_format])
        code, _stdout, stderr = workbook.run("--force")
        assert code == 0, (file_format, stderr)
        tables = workbook.root / "reports" / "tiny" / workbook.manifest()["run"] / "tables"
        contents[file_format] = {str(file.relative_to(tables)): file.read_bytes() for file in tables.rglob("*.parquet")}
    whole = contents["UTF-8"]
    assert {"exclusions.parquet", "quarantine.parquet", "decisions/00_quality.parquet"} < set(whole)
    assert set(contents[another]) == set(whole)
    assert [name for name, content in contents[another].items() if whole[name] != content] == []


# --- personal data ---------------------------------------------------------------------------------------------------


def files_with_personal_data() -> Files:
    """A valid source with a phone number and an e-mail address wherever a source can contain text."""
    canary = f"{PHONE} {EMAIL}"
    return {
        "source.yml": f"title: Shop of {canary}\njurisdiction: CN\n",
        "orders.csv": f"order_id,customer_id,ordered_at,amount,tel{PHONE},{EMAIL}\n"
        + "".join(f"{PHONE}{i:02},c{i % 9},2024-{1 + i % 6:02}-{1 + i % 28:02},{5 + i},x,y\n" for i in range(90))
        + f"{EMAIL},{PHONE},2024-06-29,5,x,y\n8,c1,{canary},5,x,y\n9,c1,2024-06-29,{canary},x,y\n",
        "people.csv": "customer_id,region,attr_who\n"
        + "".join(f"c{i},{canary},{canary}\n" for i in range(9))
        + f"{PHONE},{PHONE},{EMAIL}\n",
        "customers.sql": "SELECT * FROM people",
        "exclusions.sql": f"SELECT 'left out because of {canary}_{PHONE}' AS reason, 3 AS rows",
        "messages.csv": "message_id,customer_id,campaign_id,sent_at,channel,variant\n"
        + "".join(f"{PHONE}{i:02},c{i % 9},{canary},2024-03-{1 + i % 28:02},{canary},{EMAIL}\n" for i in range(40)),
        "campaigns.csv": f"campaign_id,name,objective\n{canary},{canary},{EMAIL}\n",
        "creatives.csv": f"campaign_id,variant,text\n{canary},{EMAIL},call {canary}\n",
    }


def assert_no_personal_data(folder: Path) -> None:
    """No file outside `tables/` contains personal data, and no file name does."""
    spellings = (PHONE, EMAIL, f"{PHONE[:3]}-{PHONE[3:7]}", f"{PHONE[:3]} {PHONE[3:7]} ", KEY)
    for file in folder.rglob("*"):
        if file.is_file() and "tables" not in file.relative_to(folder).parts:
            content = file.read_bytes().decode("utf-8", errors="replace")
            assert [spelling for spelling in spellings if spelling in content + file.name] == [], file


KEY = "a key that is thirty-two bytes long, or more"


def test_personal_data_appear_in_no_page_log_manifest_notebook_or_error(
    workbook: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMSROI_KEY", KEY)
    workbook.fill(files_with_personal_data())
    code, stdout, stderr = workbook.run("-p", "max_rejected_share=0.05", "--force")
    assert code == 0, stderr
    manifest = workbook.manifest()
    assert {f"{f['column']}: {f['rule']}" for f in manifest["source"]["findings"] if f["severity"] == "error"} == {
        "ordered_at: unreadable",
        "amount: unreadable",
    }
    assert len(manifest["source"]["key_id"]) == 8
    run = workbook.root / "reports" / "tiny" / manifest["run"]
    assert {"index.html", "00_quality.html", "manifest.json"} <= {file.name for file in run.iterdir()}
    assert_no_personal_data(workbook.root / "reports")
    quarantine = duckdb.sql(f"FROM '{run / 'tables' / 'quarantine.parquet'}'").df()
    assert quarantine["key"].str.fullmatch("[0-9a-f]{32}").all()
    for table in ("quarantine", "exclusions"):
        assert not any(word in str(duckdb.sql(f"FROM '{run / 'tables' / table}.parquet'").fetchall())
                       for word in (PHONE, EMAIL, KEY))  # fmt: skip

    code, _stdout, refused = workbook.run("--force")  # now two rejected rows are too many
    assert code == 10
    checked = CliRunner().invoke(commands.app, ["check", "data/tiny"])
    assert checked.exit_code == 10
    for output in (stdout, stderr, refused, checked.stdout, checked.stderr):
        assert not any(word in output for word in (PHONE, EMAIL, KEY)), output
    assert_no_personal_data(workbook.root / "reports")
