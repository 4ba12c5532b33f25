"""What the pages say is missing in public data that were not collected for them."""

import gzip

import pytest

from smsroi_helpers import content, effectiveness
from smsroi_helpers.effectiveness import audit_tables, tables
from smsroi_helpers.effectiveness.counts import Known
from smsroi_helpers.effectiveness.incremental import compare_attribution
from smsroi_helpers.errors import DataError
from smsroi_helpers.retention import cohorts
from smsroi_helpers.source.examples import write_example
from tests.machine import PUBLIC_DATA

EMAILS = PUBLIC_DATA / "av_email_ctr" / "train_F3fUq2S.csv.gz"


def test_households_with_mailed_coupons(tmp_path, open_source):
    """Complete Journey: baskets and mailed campaigns; neither texts, tests, clicks, opt-outs, costs nor a survey."""
    write_example("complete_journey", tmp_path / "source")
    shop = open_source(tmp_path / "source")
    assert "creatives" in content.NEEDS  # so 06 is skipped, with this as its reason
    assert not shop.has("creatives")
    triangle = cohorts.order_triangle(shop, 0).rows
    assert triangle.loc[triangle["age"] == 0, "customers"].sum() == 2_469
    assert not len(cohorts.consent_triangle(shop).rows)
    known = Known.of(shop)
    assert (known.orders, known.messages) == (True, True)
    assert not any((known.deliveries, known.clicks, known.opt_outs, known.cost, known.feedback))
    audit = effectiveness.audit_rules(shop)
    assert audit.breaches == 0
    assert set(audit.unchecked) == {"closed_hours", "days_off", "after_opt_out", "without_consent", "above_cap"}
    assert "not on channel mail" in audit_tables.checks_table(audit).markup
    assert compare_attribution(shop) == []
    assert "Satisfaction is not known" in tables.nps_table(effectiveness.nps_by_frequency(shop)).markup
    assert "no metrics from elsewhere" in tables.external_table(effectiveness.external_changes(shop)).markup


@pytest.mark.public_data
def test_rates_of_campaigns_without_counts_are_no_source(tmp_path, open_source):
    """One row per e-mail campaign with its click rate: no message, no customer and no order can be counted."""
    text = gzip.decompress(EMAILS.read_bytes()).decode()
    (tmp_path / "sent.csv").write_text(text)
    (tmp_path / "source.yml").write_text("files: {sent: sent.csv}\n")
    (tmp_path / "campaigns.sql").write_text(
        "SELECT campaign_id, 'Campaign ' || campaign_id AS name, category AS theme FROM sent"
    )
    assert len(text.splitlines()) == 1 + 1_888
    with pytest.raises(DataError, match="no table orders and no table messages"):
        open_source(tmp_path)
