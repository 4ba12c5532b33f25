"""Names on pages: whose they are, and two vocabularies with one key."""

import pandas as pd
import pytest

from smsroi_helpers import locale, segmentation
from smsroi_helpers.pages import (
    campaign_name,
    in_reading_order,
    known_text,
    level_name,
    rows_in_reading_order,
    rule_place,
    segment_name,
    use_names,
)
from smsroi_helpers.segmentation.rules import BUYER_GROUPS, PROSPECT, RECENCY_GROUPS, STAGES


def test_a_member_level_is_no_rfm_group():
    locale.use_language("zh")
    use_names(simulated=True)
    assert segment_name("gold") == "黄金客户"
    assert segment_name("gold", "attr_member_level") == level_name("attr_member_level", "gold") == "金卡"
    use_names(simulated=True, segment_by="attr_member_level")
    assert segment_name("gold") == "金卡"
    assert segment_name("gold", "rfm_group") == "黄金客户"
    assert segment_name("all") == "全部"


def test_a_group_by_response_is_named_by_the_column_of_its_levels():
    use_names(simulated=True, segment_by="response")
    name = "often · attr_member_level: gold / silver"
    assert segment_name(name) == "clicks often · member level gold / silver"
    locale.use_language("zh")
    assert segment_name(name) == f"{segment_name('often')} · 会员等级：金卡 / 银卡"
    assert segment_name("gold / value") == "黄金客户 / 价值客户"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_names_of_another_company_stay_as_they_are(language):
    locale.use_language(language)
    use_names(segment_by="attr_member_level")
    assert segment_name("gold") == "gold"
    assert segment_name("dormant") == "dormant"  # a level of the user's own column
    assert segment_name("shoes", "attr_favourite") == "shoes"
    for name in ("Week of 2026-01-12, US texts", "sms-20260112-us", "spring"):
        assert campaign_name(name) == name
    assert known_text("brand_awareness") == "brand_awareness"


def test_names_of_the_simulated_company_are_translated():
    use_names(simulated=True)
    assert campaign_name("sms-20260112-us") == campaign_name("Week of 2026-01-12, US texts")
    assert campaign_name("mail-20260112-cn") == "Week of Jan 12, 2026, CN newsletter"
    assert campaign_name("spring") == "spring"
    locale.use_language("zh")
    assert campaign_name("Week of 2026-01-12, US texts") == "2026年1月12日当周短信（美国）"
    assert known_text("brand_awareness") == "品牌认知度"


@pytest.mark.parametrize("segment_by", ["rfm_group", "lifecycle_stage", "recency", "attr_member_level"])
def test_segments_have_one_order_on_every_page(segment_by):
    groups = {
        "rfm_group": [*BUYER_GROUPS, PROSPECT], "lifecycle_stage": STAGES, "recency": RECENCY_GROUPS,
        "attr_member_level": ["silver", "gold", "unknown", "basic"],
    }[segment_by]  # fmt: skip
    use_names(segment_by=segment_by)
    expected = segmentation.segment_order(segment_by, list(groups))
    assert in_reading_order(["all", *reversed(groups)]) == [*expected, "all"]


def test_campaigns_and_rules_name_countries_in_chinese():
    use_names(simulated=True)
    assert campaign_name("sms-20260112-us") == "Week of Jan 12, 2026, US texts"
    locale.use_language("zh")
    assert campaign_name("sms-20260112-us") == "2026年1月12日当周短信（美国）"
    assert campaign_name("Week of 2026-01-12, CN newsletter") == "2026年1月12日当周邮件简报（中国）"
    assert [rule_place(rule) for rule in ("CN", "EU", "US-FL", "careful")] == ["中国", "欧盟", "美国-FL", "careful"]


def test_rows_are_in_the_order_of_their_segments_and_no_rows_need_no_column():
    rows = pd.DataFrame({"segment": ["all", "dormant", "gold", "dormant"], "n": [1, 2, 3, 4]})
    assert rows_in_reading_order(rows, "segment")["n"].tolist() == [3, 2, 4, 1]
    assert rows_in_reading_order(pd.DataFrame(), "segment").empty
