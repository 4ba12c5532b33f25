"""`smsroi list`: the list of a published run, from the source as it is now."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from smsroi_helpers import commands
from smsroi_helpers.runner.publish import sha256
from tests.faults.tiny import make_project

CUSTOMERS = "customer_id,opted_out_at\na,\nb,\nc,2024-02-01 10:00\n"
MESSAGES = "message_id,customer_id,campaign_id,sent_at\nm,a,k,2024-03-04 10:00\n"
NAME = "20240305-060000-0a1b2c"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a published run of a simulated source, whose plan begins on the day after its log."""
    make_project(tmp_path, {"00_alpha": ["1"]})
    write_source(tmp_path, customers=CUSTOMERS, messages=MESSAGES, source="simulated: true\n")
    run = tmp_path / "reports" / "tiny" / NAME
    (run / "tables").mkdir(parents=True)
    (run / "index.html").write_text("a page")
    rows = {
        "plan_id": "plan-20240305", "customer_id": ["a", "b", "c", "d"], "role": ["plan", "holdout", "plan", "plan"],
        "probability": 0.5, "send_at": pd.to_datetime(["2024-03-05 15:00", None, *["2024-03-05 16:00"] * 2]),
        "channel": "sms", "campaign_id": None, "variant": "a", "reason": ["best_value", "holdout", *["best_value"] * 2],
        "expected_profit": 0.5,
    }  # fmt: skip
    pd.DataFrame(rows).to_parquet(run / "tables" / "send_plan.parquet")
    write_manifest(run)
    (run.parent / "latest.json").write_text(json.dumps({"run": NAME, "fingerprint": ""}))
    return tmp_path


def write_source(root: Path, **files: str) -> None:
    for name, content in files.items():
        file = "source.yml" if name == "source" else f"{name}.csv"
        (root / "data" / "tiny" / file).write_text(content)


def write_manifest(run: Path) -> None:
    outputs = {
        file.relative_to(run).as_posix(): sha256(file)
        for file in run.rglob("*") if file.is_file() and file.name != "manifest.json"
    }  # fmt: skip
    manifest = {
        "schema": 1, "run": NAME, "status": "ok", "as_of": "2024-03-04", "finished": "2024-03-05T06:00:00Z",
        "source": {"data": "data/tiny"}, "outputs": outputs, "fingerprint": "",
        "parameters": {"09_send_plan": {"max_rejected_share": 0.01}},
    }  # fmt: skip
    (run / "manifest.json").write_text(json.dumps(manifest))


def invoke(root: Path, *arguments: str) -> tuple[int, str, list[str]]:
    result = CliRunner().invoke(commands.app, ["list", *arguments], env={"SMSROI_PROJECT": str(root)})
    return result.exit_code, result.stdout, result.stderr.splitlines()


def test_the_list_of_the_latest_run_is_written_and_what_is_left_out_adds_up(project: Path) -> None:
    to = project / "lists"
    code, stdout, lines = invoke(project, "tiny", "--to", str(to))
    file = to / "customer-list-plan-20240305.csv"
    assert (code, Path(stdout.strip()).name) == (0, file.name)
    assert lines == [
        "plan-20240305: 4 rows in the plan, 1 text in the list (customers: 1)",
        "left out: 1 (customers: 1), held out, to measure the plan",
        "left out: 1 (customers: 1), opted out",
        "left out: 1 (customers: 1), no longer in the source",
        "Opt-outs read from tiny as of 2024-03-05 00:00 UTC; opt-outs in force: 1.",
    ]
    with file.open(encoding="utf-8-sig", newline="") as stream:
        assert [row["customer_id"] for row in csv.DictReader(stream)] == ["a"]


def test_a_plan_that_the_run_does_not_advise_lists_only_what_explores(project: Path) -> None:
    run = project / "reports" / "tiny" / NAME
    (run / "tables" / "decisions").mkdir()
    decided = run / "tables" / "decisions" / "09_send_plan.parquet"
    for outcome, texts in (("not_enough_evidence", 0), ("dont", 0), ("do", 1)):
        pd.DataFrame({"outcome": [outcome]}).to_parquet(decided)
        write_manifest(run)
        code, _stdout, lines = invoke(project, "tiny", "--to", str(project / "lists"))
        assert (code, lines[0].split(", ")[1][:6]) == (0, f"{texts} text")
    pd.DataFrame({"outcome": ["dont"]}).to_parquet(decided)
    write_manifest(run)
    code, _stdout, lines = invoke(project, "tiny", "--to", str(project / "lists"), "--all")
    assert (code, lines[0].split(", ")[1][:6]) == (0, "1 text")


def test_an_opt_out_after_the_run_is_applied(project: Path) -> None:
    write_source(project, customers=CUSTOMERS.replace("a,\n", "a,2024-03-09 10:00\n"))
    code, _stdout, lines = invoke(project, f"tiny/{NAME}", "--to", str(project / "lists"), "--jsonl", "--by-hour")
    assert (code, lines[0]) == (0, "plan-20240305: 4 rows in the plan, 0 texts in the list (customers: 0)")
    assert not list((project / "lists").iterdir())


def test_a_source_of_real_customers_is_judged_now_so_that_old_texts_are_not_sent(project: Path) -> None:
    write_source(project, source="currency: USD\n")
    code, _stdout, lines = invoke(project, "tiny", "--to", str(project / "lists"))
    assert (code, lines[1]) == (0, "left out: 3 (customers: 3), the time of the text has passed")


def test_without_opt_outs_there_is_no_list_unless_that_is_accepted_and_said(project: Path) -> None:
    write_source(project, customers="customer_id\na\nb\nc\n")
    code, stdout, lines = invoke(project, "tiny", "--to", str(project / "lists"))
    assert (code, stdout, len(lines)) == (10, "", 1)
    assert lines[0].startswith("smsroi: the source tiny records no opt-outs")
    code, _stdout, lines = invoke(project, "tiny", "--to", str(project / "lists"), "--no-suppression", "--raw")
    assert code == 0
    assert lines[-1].startswith("Caveat: no opt-outs were applied, because tiny records none.")


def test_a_run_that_was_changed_or_has_no_plan_is_refused(project: Path) -> None:
    run = project / "reports" / "tiny" / NAME
    (run / "index.html").write_text("another page")
    assert invoke(project, "tiny", "--to", str(project / "lists"))[0] == 23
    (run / "tables" / "send_plan.parquet").unlink()
    write_manifest(run)
    code, _stdout, lines = invoke(project, "tiny", "--to", str(project / "lists"))
    assert (code, "has no send plan" in lines[0]) == (2, True)
    assert invoke(project, "none", "--to", str(project / "lists"))[0] == 2
