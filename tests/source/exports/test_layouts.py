"""Exports are recognised by their columns in any order; what is not known is refused with the closest kinds."""

import random
import re

import pytest

from smsroi_helpers.errors import UsageError
from smsroi_helpers.source.exports.layouts import FOLDER, KINDS, layout_of, match_part, recognise
from tests.source.exports import makers

HEADINGS = {
    "shopify_orders": makers.SHOPIFY_HEADINGS,
    "twilio_log": makers.TWILIO_HEADINGS,
    "youzan_orders": makers.YOUZAN_HEADINGS,
    "aliyun_report": makers.ALIYUN_HEADINGS,
    "klaviyo_events": ["Metric", "Timestamp", "Profile ID", "Campaign ID", "Campaign Name"],
    "klaviyo_orders": ["$event_id", "Date", "Profile ID", "Value"],
    "woocommerce_orders": ["order_id", "order_number", "order_date", "status", "order_total", "billing_phone"],
    "taobao_orders": [
        "订单编号", "买家会员名", "买家实际支付金额", "订单状态", "订单创建时间", "订单付款时间", "联系手机",
    ],
    "attentive_events": ["TYPE", "TIMESTAMP", "PHONE", "EMAIL", "MESSAGE_ID", "MESSAGE_NAME", "MESSAGE_TYPE"],
    "tencent_report": ["PhoneNumber", "ReportStatus", "SerialNo", "UserReceiveTime", "Description"],
}  # fmt: skip


@pytest.mark.parametrize("name", HEADINGS)
def test_an_export_is_recognised_in_any_order_and_spelling(name):
    rng = random.Random(name)
    headings = list(HEADINGS[name])
    assert recognise("x.csv", headings).part.name == name
    for _repeat in range(5):
        rng.shuffle(headings)
        spelled = [rng.choice([str.upper, str.lower, str])(heading.replace("(", "（")) for heading in headings]
        assert recognise("x.csv", [*spelled, "Our own note"]).part.name == name


@pytest.mark.parametrize("name", HEADINGS)
def test_each_required_column_is_needed(name):
    part = recognise("x.csv", HEADINGS[name]).part
    for column in part.required:
        heading = match_part(part, HEADINGS[name]).found[column]
        spellings = {heading} | {h for h in HEADINGS[name] if match_part(part, [h]).found.get(column)}
        left = [h for h in HEADINGS[name] if h not in spellings]
        assert match_part(part, left).missing == (part.columns[column][0],)


def test_an_unknown_file_is_refused_with_what_was_found_and_the_closest():
    with pytest.raises(UsageError) as refused:
        recognise("stock.csv", ["Name", "Created at", "Total", "Shelf"])
    said = str(refused.value)
    assert said.startswith(
        "stock.csv: not an export of a platform that is known (columns found: Name, Created at, Total,"
    )
    assert "closest: shopify (lacks Financial Status);" in said


def test_with_a_kind_only_its_lacks_are_named():
    with pytest.raises(UsageError, match=r"not an export of shopify .*closest: shopify \(lacks Financial Status\); if"):
        recognise("stock.csv", ["Name", "Created at", "Total", "Shelf"], "shopify")


def test_a_file_that_fits_two_platforms_needs_the_kind():
    both = [*HEADINGS["woocommerce_orders"], *makers.TWILIO_HEADINGS]
    with pytest.raises(
        UsageError, match=r"may be an export of woocommerce or twilio .*smsroi import woocommerce mixed"
    ):
        recognise("mixed.csv", both)
    assert recognise("mixed.csv", both, "twilio").part.name == "twilio_log"


@pytest.mark.parametrize("kind", KINDS)
def test_a_layout_names_its_pages_and_doubts_and_every_column_of_its_templates(kind):
    layout = layout_of(kind)
    assert layout.not_verified
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", layout.read)
    assert all(page.startswith("https://") for page in layout.pages)
    assert layout.pages or "no public page" in layout.not_verified
    for part in layout.parts:
        assert {*part.required, *part.one_of, *part.times, *part.instants} <= set(part.columns)
        assert not part.status or part.status in part.columns
        for name in part.templates.values():
            text = (FOLDER / kind / name).read_text(encoding="utf-8")
            assert text.startswith("-- ")
            conditions = {
                word for found in re.findall(r"-- (?:only )?if ([\w ]+)$", text, re.M) for word in found.split()
            }
            assert conditions - {"or"} <= set(part.columns), name


def test_a_status_that_the_mapping_leaves_out_is_a_word_it_knows():
    """Else the import would say that the word is not known."""
    part = layout_of("woocommerce").parts[0]
    text = (FOLDER / "woocommerce" / part.templates["_woocommerce_orders"]).read_text(encoding="utf-8")
    lists = re.findall(r"\('(?:unpaid|refunded)', \[([^]]*)\]\)", text)
    words = {word for one in lists for word in re.findall("'([^']+)'", one)}
    assert len(lists) == 12
    assert {"storniert", "已取消", "rückerstattet"} < words <= set(part.words)
