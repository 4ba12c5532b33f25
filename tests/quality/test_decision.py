"""The decision whether a log can be analysed."""

from smsroi_helpers.quality import checks, decision, runnable, wording


def test_a_gap_in_the_orders_breaks_the_log(make_source, open_source):
    lines = [f"{i},c{i},2024-0{1 + 2 * (i % 2)}-{1 + i:02},5" for i in range(20)]
    shop = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n"))
    coverage = checks.measure_coverage(shop)
    # Orders on odd days of January up to the 19th, then on even days of March from the 2nd.
    assert coverage.longest_gap_days == 42
    found = decision.decide(coverage, checks.describe_tables(shop), runnable.list_notebooks(shop))
    assert (found.outcome, found.reason) == ("broken", "gap_in_orders")
    assert "42 days in a row without an order" in wording.put_in_words(found).caveat


def test_a_complete_log_is_analysed_and_rejected_rows_are_counted(shop):
    found = decision.decide(checks.measure_coverage(shop), checks.describe_tables(shop), runnable.list_notebooks(shop))
    assert (found.outcome, found.reason) == ("do", "complete")
    assert (found.rows_rejected, found.share_rejected) == (1, 1 / 8)
    assert 0 < found.notebooks_runnable < found.notebooks
