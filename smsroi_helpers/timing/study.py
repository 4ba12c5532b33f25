"""Everything that the page on hours counts and fits; `best_hours` chooses from it."""

from smsroi_helpers.experiments import find_click_value
from smsroi_helpers.measures import PRACTICE_WEEKS, choose_channel, find_practice, parse_rule
from smsroi_helpers.source import Shop
from smsroi_helpers.timing.best_hours import Timing
from smsroi_helpers.timing.counts import collect_sends, count_practice, count_volume, find_tests
from smsroi_helpers.timing.places import hours_open
from smsroi_helpers.timing.response import estimate_from_log, estimate_from_test
from smsroi_helpers.timing.weekday_test import estimate_from_weekday_test

__all__ = ["analyse"]


def analyse(
    shop: Shop,
    *,
    segment_by: str = "rfm_group",
    window_hours: int = 72,
    log_weeks: int = 26,
    practice_weeks: int = PRACTICE_WEEKS,
    own_hours: str = "",
    channel: str = "",
) -> Timing:
    """Count and fit everything on hours.

    Args:
        shop: the company.
        segment_by: which grouping.
        window_hours: how long after delivery an outcome counts.
        log_weeks: how many weeks of the log are read for the observational estimate.
        practice_weeks: how many complete weeks up to the last day observed are today's practice.
        own_hours: the sender's own allowed hours (`9-18`); empty for none.
        channel: of the messages counted, as for `measures.choose_channel`.

    Raises:
        NotEnoughData: no text was delivered.
        UsageError: the source has no messages of the channel.
    """
    sends = collect_sends(shop, window_hours, channel)
    today = find_practice(shop, practice_weeks, channel)
    chosen, own = choose_channel(shop, channel), parse_rule(own_hours)
    tests = find_tests(shop)
    sound = tests[0] if tests and tests[0].sound else None
    return Timing(
        sends,
        tests,
        estimate_from_test(shop, sends, sound, segment_by, channel) if sound else None,
        estimate_from_log(shop, sends, segment_by, log_weeks),
        count_practice(shop, today, segment_by),
        count_volume(shop, today, segment_by),
        find_click_value(shop),
        hours_open(shop, own, chosen),
        (shop.settings.jurisdiction, shop.settings.timezone),
        own,
        today,
        estimate_from_weekday_test(shop, sends, segment_by, channel),
        shop.has("orders"),
        chosen,
    )
