"""Plans of thousands of random companies: no rule on hours, frequency, budget, capacity and consent is broken.

    python -m benchmarks.plan_rules                    2,000 companies
    python -m benchmarks.plan_rules --companies 100 --first 7000

The companies and the rules are those of tests/send_plan/test_random_plans.py, which tries a few in every test run.
Exit codes: 0, no rule was broken; 1, otherwise.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from smsroi_helpers.source import load, open_shop
from tests.send_plan.test_random_plans import ORDERS, check_rules, plan_company

__all__ = ["main", "try_companies"]

_TOGETHER = 20
"""Companies that a process plans one after the other."""


def try_companies(seeds: range) -> tuple[int, int, list[str]]:
    """Plan the companies of some seeds.

    Returns:
        places × groups of customers with an action, texts, and a line for each company that breaks a rule.
    """
    cases, texts, broken = 0, 0, []
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "source"
        source.mkdir()
        (source / "orders.csv").write_text(ORDERS, encoding="utf-8")
        shop = open_shop(load(source, Path(place) / ".loaded"), "", Path(place) / ".cache")
        for seed in seeds:
            try:
                found = check_rules(plan_company(shop, seed))
            except AssertionError as error:
                broken.append(f"company {seed}: {error}")
            else:
                cases, texts = cases + found[0], texts + found[1]
    return cases, texts, broken


def main(arguments: list[str] | None = None) -> int:
    """Plan the companies and print what was found."""
    parser = argparse.ArgumentParser(description="Random plans against every rule.")
    parser.add_argument("--companies", type=int, default=2_000, metavar="N")
    parser.add_argument("--first", type=int, default=100, metavar="SEED")
    parser.add_argument("--jobs", type=int, default=2, metavar="N")
    given = parser.parse_args(arguments)
    last = given.first + given.companies
    parts = [range(start, min(start + _TOGETHER, last)) for start in range(given.first, last, _TOGETHER)]
    with ProcessPoolExecutor(given.jobs) as pool:
        found = list(pool.map(try_companies, parts))
    broken = [line for _cases, _texts, lines in found for line in lines]
    print(*broken, sep="\n", end="\n" if broken else "")
    cases, texts = sum(each[0] for each in found), sum(each[1] for each in found)
    print(f"{given.companies:,} companies, {cases:,} actions, {texts:,} texts: {len(broken):,} companies break a rule")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
