"""What holds of every measure: absent tables are named, and Spark could compute it."""

import ibis
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.measures.attribution import attributed_orders, message_outcomes, touches_per_order
from smsroi_helpers.measures.experiment_outcomes import arm_outcomes
from smsroi_helpers.measures.local_sends import local_sends
from smsroi_helpers.measures.moments import arm_moments


def test_absent_tables_are_named(make_source, open_source):
    shop = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n"))
    for measure, table in [(local_sends, "messages"), (attributed_orders, "messages"), (arm_outcomes, "experiments")]:
        with pytest.raises(DataError, match=f"no table {table}"):
            measure(shop)


class SparkOptions(ibis.config.Config):
    """What Ibis has only where PySpark is installed, and asks for when it writes a number in Spark's words."""

    treat_nan_as_null: bool = False


@pytest.mark.parametrize("seed", range(5))
def test_every_measure_can_be_said_to_spark(open_world, monkeypatch, seed):
    """In Spark's words, without what the engines read differently: as-of joins, and `last`, which there skips nulls."""
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())
    _, shop = open_world(seed)
    monkeypatch.setattr(shop, "keep", lambda rows: rows)  # else what is kept would not be said
    outcomes = arm_outcomes(shop)
    for expression in (
        local_sends(shop), attributed_orders(shop, 72, "last"), attributed_orders(shop, 72, "any"),
        touches_per_order(shop), message_outcomes(shop), outcomes, arm_moments(outcomes, "profit", "pre_revenue"),
    ):  # fmt: skip
        said = ibis.to_sql(expression, dialect="pyspark").upper()
        assert "ASOF" not in said
        assert "LAST(" not in said
        assert "LAST_VALUE(" not in said
