"""Who should get one mailing, for public experiments: every rule, and other divisions of the customers into halves.

    export HILLSTROM_CSV=… STARBUCKS_PROMO_CSV=…           data/<source>/source.yml says which files
    python -m benchmarks.recipients
    python -m benchmarks.recipients data/hillstrom --splits 8

First the table of the page: gain per customer over mailing nobody, by inverse probability weighting on the half that
did not teach the rule. Then the chosen rule's gain where customers are divided into groups and halves by other hashes:
the page's division is one of many, and its answer must not depend on it.
"""

import argparse
import tempfile
from pathlib import Path
from unittest.mock import patch

from smsroi_helpers.send_plan import plan_recipients, recipients, rule_rows
from smsroi_helpers.source import Shop, load, open_shop

__all__ = ["main"]

SOURCES = ("data/hillstrom", "data/starbucks_promo")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("sources", nargs="*", default=SOURCES)
    parser.add_argument("--splits", type=int, default=4, help="other divisions into halves")
    asked = parser.parse_args()
    for source in asked.sources:
        with tempfile.TemporaryDirectory() as place:
            _print(source, open_shop(load(source, Path(place) / ".loaded"), "", Path(place) / ".cache"), asked.splits)


def _print(source: str, shop: Shop, splits: int) -> None:
    plan = plan_recipients(shop)
    print(f"{source}: test {plan.test.name}, {plan.members:,.0f} customers, {plan.weeks:.3g} weeks")
    rows = rule_rows(plan).drop(columns=["evidence", "period"])
    print(rows.to_string(index=False, float_format=lambda x: f"{x:.4f}"))
    sent = plan.today @ plan.given
    print("today: " + ", ".join(f"{arm} {n:,.0f}" for arm, n in zip(plan.arms, sent, strict=True)))
    for number in range(1, splits + 1):
        with patch.object(recipients, "PURPOSE", f"{recipients.PURPOSE} {number}"):
            other = plan_recipients(shop)
        gain = other.gain
        print(
            f"other halves {number}: {other.chosen.name}, share {other.chosen.share:.3f}, gain {gain.value:.4f}"
            f" ({gain.low:.4f} to {gain.high:.4f})"
        )
    print()


if __name__ == "__main__":
    main()
