"""Which weeks are called today, and what was sent in them, counted by hand from the rows of small logs."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from smsroi_helpers import locale, measures
from smsroi_helpers.errors import UsageError
from smsroi_helpers.frequency.counts import count_audience, count_today
from smsroi_helpers.frequency.policy import texts_per_week
from smsroi_helpers.pages import practice_table
from smsroi_helpers.segmentation import find_cuts
from smsroi_helpers.timing.counts import count_practice, count_volume

ZONE = ZoneInfo("Asia/Shanghai")
LAST = dt.date(2025, 6, 25)  # a Wednesday: weeks are blocks of seven days, not calendar weeks
FIRST = dt.date(2025, 5, 29)
"""Of the last four weeks."""
PEOPLE = [f"c{i}" for i in range(12)]


def at(day, hour=10, minute=0):
    """An instant of Shanghai's clock, in UTC."""
    return dt.datetime.combine(day, dt.time(hour, minute), ZONE).astimezone(dt.UTC)


def log(days, *, channel="sms", plan_from=None, people=PEOPLE):
    """A message a day to each third customer in turn, as (customer, instant, channel, plan, delivered)."""
    rows = []
    for i, day in enumerate(days):
        for k, name in enumerate(people):
            if (i + k) % 3 == 0:
                plan = "p1" if plan_from is not None and day >= plan_from else ""
                rows.append((name, at(day), channel, plan, (i + k) % 4 != 0))
    return rows


def days_between(first, last):
    return [first + dt.timedelta(days=k) for k in range((last - first).days + 1)]


def source_of(make_source, messages, experiments=(), assignments=()):
    head = "message_id,customer_id,campaign_id,sent_at,channel,plan_id,delivered_at,cost\n"
    rows = "".join(
        f"m{i},{name},k,{sent.isoformat()},{channel},{plan},{sent.isoformat() if arrived else ''},0.0{1 + i % 3}\n"
        for i, (name, sent, channel, plan, arrived) in enumerate(messages)
    )
    orders = "order_id,customer_id,ordered_at,amount\n" + "".join(
        f"o{i},{name},2025-01-{10 + i} 12:00,{5 + i}\n" for i, name in enumerate(PEOPLE)
    )
    customers = "customer_id,region\n" + "".join(f"{name},r{i % 2}\n" for i, name in enumerate(PEOPLE))
    files = {"orders": orders, "customers": customers, "messages": head + rows}
    if experiments:
        files["experiments"] = "experiment_id,kind,control_arm,started_at,ended_at\n" + "\n".join(experiments) + "\n"
        names = [line.split(",")[0] for line in experiments]
        files["arms"] = "experiment_id,arm,share\n" + "".join(f"{name},a,0.5\n{name},b,0.5\n" for name in names)
        files["assignments"] = "experiment_id,customer_id,arm,assigned_at\n" + "\n".join(assignments) + "\n"
    return make_source(source="timezone: Asia/Shanghai\njurisdiction: CN\n", **files)


def by_hand(messages, first, last, without=(), channel="sms"):
    """Messages of these days of Shanghai's calendar to everybody but the named, in this channel in any case."""
    return [
        row for row in messages
        if first <= row[1].astimezone(ZONE).date() <= last and row[2].lower() == channel and row[0] not in without
    ]  # fmt: skip


def test_whole_days_of_the_last_weeks_count_and_experiments_arms_do_not(make_source, open_source):
    messages = [*log(days_between(dt.date(2025, 3, 1), LAST)), *log([LAST, FIRST], channel="EMail")]
    edges = [(FIRST, 0, 0), (FIRST - dt.timedelta(days=1), 23, 59), (LAST, 23, 59)]
    messages += [("c9", at(*edge), "SMS", "", True) for edge in edges]
    experiments = [
        "freq,frequency,a,2025-06-01,2025-07-30", "hour,timing,a,2025-05-01,2025-05-29 00:01",
        "text,content,a,2025-06-01,", "out,holdout,a,2025-03-01,", "old,timing,a,2025-04-01,2025-05-28",
    ]  # fmt: skip
    assignments = [
        "freq,c0,a,2025-06-25 20:00", "freq,c1,b,2025-06-01", "hour,c2,a,2025-05-01", "hour,c3,b,2025-05-01",
        "text,c4,a,2025-06-01", "text,c5,b,2025-06-01", "out,c6,a,2025-03-01", "out,c7,b,2025-03-01",
        "old,c8,a,2025-04-01", "old,c9,b,2025-04-01",
    ]  # fmt: skip
    # Of the holdout, c7 is held out: one message, where c6 has dozens, though a is called the control.
    messages = [row for row in messages if row[0] != "c7"] + [("c7", at(FIRST, 9), "sms", "", True)]
    shop = open_source(source_of(make_source, messages, experiments, assignments), LAST.isoformat())
    practice = measures.find_practice(shop)
    every = by_hand(messages, FIRST, LAST)
    mine = by_hand(messages, FIRST, LAST, without=("c0", "c1", "c2", "c3", "c7"))
    assert (practice.first_day, practice.last_day, practice.weeks_covered) == (FIRST, LAST, 4)
    assert practice.messages == len(mine) < len(every)
    assert practice.aside == len(every) - len(mine)
    assert practice.customers == len({row[0] for row in mine}) == 7
    assert (practice.planned, practice.plan_began, practice.before_plan) == (0, None, None)
    # The first minute of the first day and the last of the last one count; c9's test ended the day before.
    assert len(by_hand(messages, FIRST, LAST, set(PEOPLE) - {"c9"})) == sum(row[0] == "c9" for row in mine)
    hours = count_practice(shop, practice, "region")
    volume = count_volume(shop, practice, "region")
    assert hours["messages"].sum() == len(mine)
    assert set(hours["hour"]) == {10, 0, 23}
    assert volume["messages_per_week"].sum() == pytest.approx(sum(row[4] for row in mine) / 4)
    assert volume["customers"].sum() == 7
    today = count_today(shop, practice, "region", find_cuts(shop))
    assert today["messages"].sum() == len(mine)
    assert today["customer_weeks"].sum() == 4 * 7  # nobody's consent is recorded, so all seven count in each week
    assert texts_per_week(today) == pytest.approx(len(mine) / 28)
    audience = count_audience(shop, practice, "region", find_cuts(shop))
    # A change is for nobody in the running test of frequencies, nor for who is held out; once that test is ended by the
    # decision, its two are.
    assert audience["customers"].sum() == len(PEOPLE) - 3
    ended = count_audience(shop, practice, "region", find_cuts(shop), "freq")
    assert ended["customers"].sum() == len(PEOPLE) - 1
    assert (audience["texts"] * audience["customers"] * audience["outside"]).sum() == len(mine)
    # More weeks are another today.
    longer = measures.find_practice(shop, 8)
    assert longer.weeks_covered == 8
    assert longer.first_day == FIRST - dt.timedelta(weeks=4)


@pytest.mark.parametrize(("days", "weeks"), [(3, 1), (7, 1), (27, 3), (90, 4)])
def test_volumes_divide_by_the_complete_weeks_that_the_log_covers(make_source, open_source, days, weeks):
    first = LAST - dt.timedelta(days=days - 1)
    messages = log(days_between(first, LAST))
    shop = open_source(source_of(make_source, messages), LAST.isoformat())
    practice = measures.find_practice(shop)
    assert practice.weeks_covered == weeks
    mine = by_hand(messages, LAST - dt.timedelta(days=7 * weeks - 1), LAST)
    assert practice.messages == len(mine)
    volume = count_volume(shop, practice, "region")
    assert volume["messages_per_week"].sum() == pytest.approx(sum(row[4] for row in mine) / weeks)
    assert texts_per_week(count_today(shop, practice, "region", find_cuts(shop))) == len(mine) / weeks / len(PEOPLE)


def test_a_channel_begins_with_its_own_first_message(make_source, open_source):
    """E-mails since January do not make texts of one week a log of four."""
    week = days_between(LAST - dt.timedelta(days=6), LAST)
    messages = [*log(days_between(dt.date(2025, 1, 1), LAST), channel="email"), *log(week)]
    shop = open_source(source_of(make_source, messages), LAST.isoformat())
    assert measures.find_practice(shop).weeks_covered == 1
    email = measures.find_practice(shop, channel="Email")
    assert (email.channel, email.weeks_covered) == ("email", 4)
    assert email.messages == len(by_hand(messages, FIRST, LAST, channel="email"))


def test_a_plan_is_todays_practice_and_what_came_before_is_apart(make_source, open_source):
    began = FIRST - dt.timedelta(days=10)
    messages = log(days_between(dt.date(2025, 5, 1), LAST), plan_from=began)
    shop = open_source(source_of(make_source, messages), LAST.isoformat())
    practice = measures.find_practice(shop, 2)
    assert practice.messages == practice.planned == len(by_hand(messages, LAST - dt.timedelta(days=13), LAST))
    assert (practice.plan_began, practice.plan_first_text) == (began, began)
    before = practice.before_plan
    last = began - dt.timedelta(days=1)
    # The log begins 18 days before the plan: two complete weeks.
    assert (before.first_day, before.last_day, before.weeks_covered) == (last - dt.timedelta(days=13), last, 2)
    assert before.messages == len(by_hand(messages, before.first_day, last))
    assert before.planned == 0
    # Without a whole week before the plan there is nothing to show.
    late = [row for row in messages if row[1].astimezone(ZONE).date() >= began - dt.timedelta(days=6)]
    folder = source_of(make_source, late)
    assert measures.find_practice(open_source(folder, LAST.isoformat())).before_plan is None


def test_a_plan_begins_on_the_day_of_its_name_for_those_who_live_ahead_of_the_data_too(make_source, open_source):
    began = FIRST + dt.timedelta(days=3)
    messages = [
        (name, sent, channel, f"plan-{began:%Y%m%d}" if plan else "", arrived)
        for name, sent, channel, plan, arrived in log(
            days_between(dt.date(2025, 5, 1), LAST), plan_from=began - dt.timedelta(days=1)
        )
    ]
    practice = measures.find_practice(open_source(source_of(make_source, messages), LAST.isoformat()))
    assert (practice.plan_began, practice.plan_first_text) == (began, began - dt.timedelta(days=1))
    assert practice.before_plan.last_day == began - dt.timedelta(days=2)
    assert practice.before_plan.planned == 0
    page = practice_table(practice).markup
    assert f"the first one began on {locale.day(began)}" in page
    assert f"went out on {locale.day(began - dt.timedelta(days=1))}" in page
    # The track record has the same day.
    assert measures.day_of_plan(f"plan-{began:%Y%m%d}", practice.plan_first_text) == began


def test_of_several_plans_the_first_that_was_followed_counts(make_source, open_source):
    messages = [
        (name, sent, channel, plan and ("older" if sent.date() < dt.date(2025, 6, 5) else "new-20250601"), arrived)
        for name, sent, channel, plan, arrived in log(days_between(dt.date(2025, 5, 1), LAST), plan_from=FIRST)
    ]
    shop = open_source(source_of(make_source, messages), LAST.isoformat())
    start = measures.find_first_plan(shop, shop.messages)
    assert (start.began, start.first_text) == (FIRST, FIRST)
    assert measures.find_first_plan(shop, shop.messages.filter(shop.messages.plan_id.isnull())) is None


def test_a_plan_that_is_over_is_no_practice_of_today(make_source, open_source):
    messages = log(days_between(dt.date(2025, 3, 1), dt.date(2025, 4, 1)), plan_from=dt.date(2025, 3, 1))
    messages += log(days_between(dt.date(2025, 4, 2), LAST))
    practice = measures.find_practice(open_source(source_of(make_source, messages), LAST.isoformat()))
    assert (practice.planned, practice.plan_began, practice.before_plan) == (0, None, None)


def test_where_experiments_have_every_message_the_weeks_before_are_today(make_source, open_source):
    messages = log(days_between(dt.date(2025, 3, 1), LAST))
    began = dt.date(2025, 5, 20)
    experiments = [f"hour,timing,a,{began},"]
    assignments = [f"hour,{name},{'ab'[i % 2]},{began}" for i, name in enumerate(PEOPLE)]
    shop = open_source(source_of(make_source, messages, experiments, assignments), LAST.isoformat())
    practice = measures.find_practice(shop)
    # The weeks of 1–28 May overlap the test; those before them do not.
    assert (practice.first_day, practice.last_day) == (dt.date(2025, 4, 3), dt.date(2025, 4, 30))
    assert practice.messages == len(by_hand(messages, practice.first_day, practice.last_day)) > 0
    # A test since the first message leaves no practice at all.
    everything = [f"hour,{name},{'ab'[i % 2]},2025-02-01" for i, name in enumerate(PEOPLE)]
    shop = open_source(source_of(make_source, messages, ["hour,timing,a,2025-02-01,"], everything), LAST.isoformat())
    nothing = measures.find_practice(shop)
    assert (nothing.first_day, nothing.last_day, nothing.messages) == (FIRST, LAST, 0)
    assert nothing.aside == len(by_hand(messages, FIRST, LAST))
    assert len(count_practice(shop, nothing, "region")) == 0


@pytest.mark.parametrize("wanted", ["", "sms", "SMS", " Sms"])
def test_channels_are_the_same_in_any_case(make_source, open_source, wanted):
    days = days_between(FIRST, LAST)
    messages = [(*row[:2], ("sms", "SMS", "Sms", "")[i % 4], *row[3:]) for i, row in enumerate(log(days))]
    shop = open_source(source_of(make_source, messages), LAST.isoformat())
    assert measures.choose_channel(shop, wanted) == "sms"
    assert measures.find_practice(shop, channel=wanted).messages == len(messages)


def test_an_unknown_channel_is_refused_and_without_texts_the_most_used_counts(make_source, open_source):
    messages = log(days_between(FIRST, LAST), channel="Push") + log([LAST], channel="email")
    shop = open_source(source_of(make_source, messages), LAST.isoformat())
    assert measures.choose_channel(shop) == "push"
    with pytest.raises(UsageError, match="choose one of push, email"):
        measures.choose_channel(shop, "sms")


@pytest.mark.parametrize(("silent", "last"), [(6, LAST), (21, LAST - dt.timedelta(days=21))])
def test_weeks_that_the_messages_do_not_cover_are_not_today(make_source, open_source, silent, last):
    """Orders go on after the messages end: after a week or more the weeks end with the last message."""
    ends = LAST - dt.timedelta(days=silent)
    folder = source_of(make_source, log(days_between(ends - dt.timedelta(days=60), ends)))
    orders = (folder / "orders.csv").read_text()
    (folder / "orders.csv").write_text(orders + f"last,c1,{LAST} 12:00,9\n")
    found = measures.find_practice(open_source(folder))
    assert (found.last_day, found.weeks_covered) == (last, 4)
    assert found.messages == 4 * (28 - (silent if silent < 7 else 0))
