"""Sources that are bad or odd, and a project in which they are tried as a user meets them."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from smsroi_helpers import commands
from smsroi_helpers.runner.publish import ReportFolder
from tests.faults.tiny import make_project, report_files

Files = dict[str, str | bytes]

HEAD = "order_id,customer_id,ordered_at,amount,discount\n"
ROWS = "".join(f"{i:03},c{i % 4},2024-01-{1 + i:02} 10:00:00,{i}.5,\n" for i in range(9))
ORDERS = HEAD + ROWS
PHONE, EMAIL, PASSWORD = "13812345678", "ann@example.com", "geheim-7"


class Project:
    """A project with one small notebook and a published report, whose source is another every time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = make_project(root, {"00_alpha": ["1"]})
        parameters = (root / "notebooks" / "00_alpha.ipynb").read_text(encoding="utf-8")
        shared = parameters.replace("margin = 0.3 ", "max_rejected_share = 0.01 ")
        (root / "notebooks" / "00_alpha.ipynb").write_text(shared, encoding="utf-8")

    def fill(self, files: Files) -> None:
        """Put these files, and nothing else, into the source."""
        folder = self.root / "data" / "tiny"
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def run(self, *options: str) -> tuple[int, str, str]:
        """`smsroi run`: exit code, standard output, standard error."""
        result = CliRunner().invoke(commands.app, ["run", str(self.file), *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    def published(self) -> dict[str, bytes]:
        """What a reader of the report finds, and the list of reports."""
        return report_files(self.root) | {"../index.html": (self.root / "reports" / "index.html").read_bytes()}

    def manifest(self) -> dict[str, Any]:
        latest = ReportFolder(self.root, "tiny").latest()
        assert latest is not None
        return dict(latest["manifest"])


PEOPLE = "customer_id,timezone,opted_out_at\nc0,Asia/Shanghai,\nc1,,2024-01-01 09:00:00\nc2,UTC,\nc3,UTC,\n"
TRIAL: Files = {
    "orders.csv": ORDERS,
    "experiments.csv": "experiment_id,kind,control_arm,started_at,primary_metric\nx,holdout,no,2024-01-01,\n",
    "arms.csv": "experiment_id,arm,share,hour_start\nx,no,0.25,\nx,yes,0.75,9\n",
    "assignments.csv": "experiment_id,customer_id,arm,assigned_at\n"
    + "".join(f"x,c{i},{'no' if i == 0 else 'yes'},2024-01-01\n" for i in range(4)),
    "messages.csv": "message_id,customer_id,campaign_id,sent_at,clicked_at,cost\n"
    + "".join(f"m{i},c{i},k,2024-01-01 10:00:00,2024-01-01 10:00:09,0.05\n" for i in range(4)),
    "customers.csv": PEOPLE,
}


def trial(**changed: tuple[str, str]) -> Files:
    """The sound trial with something else in one table."""
    files = dict(TRIAL)
    for table, (old, new) in changed.items():
        content = files[f"{table}.csv"]
        assert isinstance(content, str)
        assert old in content
        files[f"{table}.csv"] = content.replace(old, new)
    return files


def orders(*rows: str) -> Files:
    return {"orders.csv": ORDERS + "".join(f"{row}\n" for row in rows)}


HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "{x}", "{{ 7*7 }}", "${HOME}",
    "\u202ereversed", "a\u200bb", "🎁", "'; DROP TABLE orders; --", "../../etc/passwd", "x" * 10_000, "%s%n", "\\",
    "\x1b[31m", PHONE, EMAIL,
)  # fmt: skip


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def refusal(project: Project, files: Files, *options: str) -> str:
    """The line with which a run over this source ends; nothing that was published is touched."""
    before = project.published()
    project.fill(files)
    code, stdout, stderr = project.run(*options)
    assert project.published() == before
    assert (code, stdout) == (10, ""), stderr
    (line,) = stderr.splitlines()
    check_line(line, project.root)
    failed = re.search(r" \(see (reports/tiny/failed-[\w-]+)\)$", line)
    if failed:
        manifest = json.loads((project.root / failed[1] / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["status"], manifest["exit_code"]) == ("failed", 10)
        assert line.startswith(f"smsroi: {manifest['reason']}")
        assert not list((project.root / failed[1]).rglob("*.html"))
    return line.removesuffix(failed[0] if failed else "")


def check_line(line: str, root: Path) -> None:
    assert line.startswith("smsroi: ")
    assert line.isprintable()
    assert len(line) < 1000
    assert not any(secret in line for secret in (PHONE, EMAIL, PASSWORD, str(root), "Traceback", "unexpected"))


@dataclass
class Kept:
    """A run that was published: its tables (rows in, rows kept), what was rejected, and other findings."""

    tables: dict[str, tuple[int, int]]
    aside: dict[str, int]
    others: dict[str, int]
    first_and_last: tuple[str, str]
    manifest: dict[str, Any]


def published(project: Project, files: Files, share: float = 1.0) -> Kept:
    """A run over this source that ends well; what was published before is still there, to the byte."""
    before = project.published()
    project.fill(files)
    code, stdout, stderr = project.run("-p", f"max_rejected_share={share}", "--force")
    assert code == 0, stderr
    after = project.published()
    moving = {"latest.json", "latest.html", "../index.html"}
    assert all(after[name] == content for name, content in before.items() if name not in moving)
    assert stdout.strip().endswith("index.html")
    manifest = project.manifest()
    tables = manifest["source"]["tables"]
    findings = manifest["source"]["findings"]
    aside: dict[str, int] = {}
    for name, table in tables.items():
        errors = {f"{name}.{f['column']}: {f['rule']}".replace(".:", ":"): f["rows"] for f in findings
                  if f["table"] == name and f["severity"] == "error"}  # fmt: skip
        assert table["rows_in"] == table["rows_out"] + table["rows_kept_apart"] + sum(errors.values())
        aside |= errors
    assert all(f["remedy"] for f in findings)
    others = {f"{f['table']}.{f['column']}: {f['rule']}": f["rows"] for f in findings
              if f["severity"] != "error" and f["table"] != "quarantine"}  # fmt: skip
    rows = {name: (table["rows_in"], table["rows_out"]) for name, table in tables.items()}
    return Kept(rows, aside, others, (tables["orders"]["first"], tables["orders"]["last"]), manifest)
