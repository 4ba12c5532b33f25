"""The decision in words, and what missing tables would add."""

from smsroi_helpers.quality import checks, runnable, wording


def test_the_answer_counts(shop):
    decision = wording.decide(
        checks.measure_coverage(shop), checks.describe_tables(shop), runnable.list_notebooks(shop)
    )
    assert decision.outcome == "do"
    assert "3 orders of 3 customers" in decision.text
    assert "1 row (12.50%)" in decision.text
    assert "1 customer with orders is missing" in decision.caveat


def test_missing_tables_and_what_they_would_add(shop, wide_shop):
    assert "messages" in set(wording.list_gains(shop)["missing"])
    assert "messages.cost" not in set(wording.list_gains(shop)["missing"])
    missing = set(wording.list_gains(wide_shop)["missing"])
    assert {"messages.delivered_at", "experiments", "customers.timezone"} <= missing
    assert not {"messages", "messages.cost", "customers"} & missing
