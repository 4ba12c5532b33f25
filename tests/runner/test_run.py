"""The whole workbook on real customers, as the README says to run it: once by the command line itself."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.faults.tiny import smsroi, smsroi_here
from tests.reference import cdnow

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path):
    """The committed notebooks and parameter files in a project of their own."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def latest(project, report):
    pointer = json.loads((project / "reports" / report / "latest.json").read_text())
    return project / "reports" / report / pointer["run"]


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")))


def test_the_published_sample(project):
    arguments = ["run", "notebooks/parameters/cdnow_sample.yaml", "-p", "as_of=1997-09-30", "-p"]
    done = smsroi(project, *arguments, "cltv.horizon_weeks=39", "-p", "cltv.model=bg_nbd")
    assert done.returncode == 0, done.stderr
    run = latest(project, "cdnow_sample")
    assert done.stdout.strip().splitlines()[-1].endswith("index.html")

    values = pd.read_parquet(run / "tables" / "customer_value.parquet")
    assert len(values) == values["customer_id"].nunique() == cdnow.RAW["customers"]
    assert values["expected_orders"].sum() == pytest.approx(cdnow.EXPECTED_REPEATS["bg_nbd"], abs=0.06)
    fits = pd.read_parquet(run / "tables" / "model_fits.parquet").query("fit == 'full' and model != 'mbg_nbd'")
    fits = fits.set_index("parameter")
    parameters, log_likelihood = cdnow.PUBLISHED["bg_nbd"]
    assert {name: round(fits.loc[name, "value"], 3) for name in parameters} == parameters
    assert round(fits.loc["r", "log_likelihood"], 1) == log_likelihood
    assert {name: round(fits.loc[name, "value"], 2) for name in cdnow.GAMMA_GAMMA} == cdnow.GAMMA_GAMMA

    decisions = pd.concat(pd.read_parquet(part) for part in (run / "tables" / "decisions").iterdir())
    assert set(decisions["stage"]) == {"quality", "segmentation", "cltv", "retention", "effectiveness"}
    assert "2,357 customers" in words(run / "index.html")
    assert not list(run.glob(".*"))

    again = smsroi(project, *arguments, "cltv.horizon_weeks=39", "-p", "cltv.model=bg_nbd")
    assert again.returncode == 0
    assert "unchanged" in again.stdout
    assert latest(project, "cdnow_sample") == run


def test_complete_journey(project):
    done = smsroi_here(project, "run", "notebooks/parameters/complete_journey.yaml", "--only", "quality")
    assert done.returncode == 0, done.stderr
    page = words(latest(project, "complete_journey") / "00_quality.html")
    for figure in ("2,469", "155,848", "$4,596,039.58"):
        assert figure in page


def test_too_few_customers_are_an_answer_and_no_failure(project):
    shop = project / "data" / "corner"
    shop.mkdir(parents=True)
    (shop / "orders.csv").write_text("order_id,customer_id,ordered_at,amount\n1,ann,2024-05-01,12.5\n")
    (project / "notebooks" / "parameters" / "corner.yaml").write_text("data: data/corner\n")
    done = smsroi_here(project, "run", "notebooks/parameters/corner.yaml")
    assert done.returncode == 0, done.stderr
    run = latest(project, "corner")
    states = json.loads((run / "manifest.json").read_text())["notebooks"]
    assert states["00_quality"]["status"] == "ok"
    assert states["02_cltv"]["status"] == "skipped"
    assert states["03_timing"]["status"] == "skipped"
    assert "messages" in states["03_timing"]["reason"]
    assert states["02_cltv"]["reason"].startswith("Only 0 customers have bought on a second day")
    assert "Only 0 customers have bought on a second day" in words(run / "index.html")
    assert not (run / "02_cltv.html").exists()
    assert not any("Traceback" in page.read_text(encoding="utf-8") for page in run.glob("*.html"))


def test_a_notebook_runs_alone_on_papermill_s_command_line(cdnow_sample, tmp_path):
    """What the others do alone: engine/test_same_numbers."""
    run, name = tmp_path / "run", "00_quality.ipynb"
    line = [sys.executable, "-m", "papermill", str(ROOT / "notebooks" / name), str(tmp_path / name)]
    settings = ["-p", "data", str(cdnow_sample), "-p", "run_dir", str(run), "--no-progress-bar"]
    done = subprocess.run([*line, *settings], capture_output=True, encoding="utf-8", timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    executed = json.loads((tmp_path / name).read_text())
    assert "application/vnd.smsroi.finished+json" in executed["cells"][-1]["outputs"][0]["data"]
    assert (run / "tables" / "decisions" / "00_quality.parquet").is_file()
