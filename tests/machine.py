"""Programs and data that some tests need besides Python, make and git: one marker each, and how to install them.

Tests are skipped only through these markers, so the list at the end of a run names everything that was not tested.
With `SMSROI_REQUIRE=1`, as in the second part of `.ci/run`, a skipped test fails.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

PUBLIC_DATA = Path(__file__).parents[2] / "shared" / "data"
CASES = Path(__file__).parents[2] / "shared" / "cases"
PUBLIC_FILES = {
    "cookie_cats": {"COOKIE_CATS_CSV": "cookie_cats/cookie_cats.csv.gz"},
    "email_events": {"EMAIL_EVENTS_CSV": "dirty_email_events/email_events_1000.csv.gz"},
    "hillstrom": {"HILLSTROM_CSV": "hillstrom/hillstrom.csv.gz"},
    "marketing_ab": {"MARKETING_AB_CSV": "marketing_ab/marketing_AB_2pct_sample.csv.gz"},
    "online_retail": {"ONLINE_RETAIL_CSV": "online_retail_ii_y1/online_retail_II_2009_2010.csv.gz"},
    "retail_transactions": {
        "RETAIL_TRANSACTIONS_CSV": "retail_tx_response/Retail_Data_Transactions.csv.gz",
        "RETAIL_RESPONSE_CSV": "retail_tx_response/Retail_Data_Response.csv.gz",
    },
    "starbucks_promo": {"STARBUCKS_PROMO_CSV": "starbucks_promo/Training.csv.gz"},
}
"""Mapping under data/ → the variables that it reads → their files in `PUBLIC_DATA`."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def find_postgres() -> Path | None:
    """The folder of PostgreSQL's server programs.

    Debian keeps them off the PATH. They are looked for there only if `pg_createcluster`, which comes with them, is on
    the PATH. A simulated machine without PostgreSQL can then hide it through the PATH.
    """
    folders = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    if shutil.which("pg_createcluster"):
        folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


def _missing_for_spark() -> str:
    missing = []
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        missing.append("Java (apt-get install default-jre-headless)")
    if importlib.util.find_spec("pyspark") is None:
        missing.append("PySpark (.venv/bin/python -m pip install --no-build-isolation -r tests/spark.lock)")
    return " and ".join(missing)


# By marker: what is missing on this machine; empty if nothing is.
MISSING: dict[str, Callable[[], str]] = {
    "browser": lambda: "" if CHROMIUM else "Chromium (apt-get install chromium libatomic1)",
    "pdf": lambda: "" if shutil.which("pdftotext") else "pdftotext (apt-get install poppler-utils)",
    "postgres": lambda: "" if find_postgres() else "the PostgreSQL server (apt-get install postgresql)",
    "spark": _missing_for_spark,
    "public_data": lambda: "" if PUBLIC_DATA.is_dir() else "public data (../shared/data, beside the project)",
    "cases": lambda: "" if CASES.is_dir() else "cases of real exports (../shared/cases, beside the project)",
}


def what_is_missing(marker: str) -> str:
    """What this machine lacks for tests with this marker, and how to install it; empty if nothing."""
    return MISSING[marker]() if marker in MISSING else ""
