"""Cells, messages and companies for the tests of timing."""

import numpy as np
import pandas as pd
from scipy.special import expit

from smsroi_helpers.experiments import ClickValue
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from smsroi_helpers.statistics.jackknife import GROUPS
from smsroi_helpers.timing import best_hours, personal_send_time, response_curve, study
from smsroi_helpers.timing import counts as timing_counts
from smsroi_helpers.timing import wording as timing_wording
from smsroi_helpers.timing.response import HourResponse

PRICE = ClickValue(("dose",), 4.0, 3.0, 5.0, 5_000, 9.0)
HEAD = "message_id,customer_id,campaign_id,sent_at"
PACIFIC = "timezone: America/Los_Angeles\n"  # where 8 to 21 is allowed on all days
WINDOWS = (9, 11, 13, 15, 17, 19)
ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2026-01-02 10:00:00,10\n2,b,2026-11-20 10:00:00,20\n"


def opened(folder, place, as_of=""):
    return open_shop(load(folder, place / ".loaded"), as_of, place / ".cache")


def cells_of(rng, chance, customers=2_000, segments=("s",), hours=range(24), weekdays=7):
    """Cells of customers with one hour each, on all weekdays, whose response rates differ."""
    rows = []
    for name in segments:
        hour = rng.choice(list(hours), customers)
        likes = rng.gamma(8, 1 / 8, customers)
        m = rng.poisson(3, (customers, weekdays))
        k = rng.binomial(m, np.minimum(chance(hour, name) * likes, 1)[:, None])
        group = rng.integers(0, GROUPS, customers)
        for weekday in range(weekdays):
            rows.append(pd.DataFrame({
                "segment": name, "stratum": 0, "weekday": weekday, "hour": hour, "until": hour + 1, "group": group,
                "messages": m[:, weekday], "clicks": k[:, weekday],
            }))  # fmt: skip
    keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
    return pd.concat(rows).groupby(keys, as_index=False).sum()


def fitted(cells):
    names = list(dict.fromkeys(cells["segment"]))
    return response_curve.fit_curves(cells, response_curve.group_scores(cells, "clicks", "messages", names))


def wave(hour, best=17, strength=0.5):
    return expit(-2.5 + strength * np.cos(2 * np.pi * (np.asarray(hour) + 0.5 - best) / 24))


def looked(cells, today=None, click=None, evidence="randomised", hours=range(8, 20)):
    """The `Timing` that `analyse` would return for these cells."""
    names = list(dict.fromkeys(cells["segment"]))
    everybody = cells.assign(segment="all")
    windows = pd.DataFrame({"hour": list(hours), "until": [hour + 1 for hour in hours]})
    people = pd.DataFrame({"segment": names, "customers": 500})
    response = HourResponse(evidence, cells, fitted(cells), fitted(everybody), windows, people)
    today = {9: 1.0} if today is None else today
    practice = pd.DataFrame([
        {"segment": s, "timezone": "America/New_York", "region": "NY", "weekday": 0, "hour": h, "messages": 100 * n}
        for s in names for h, n in today.items()
    ], columns=["segment", "timezone", "region", "weekday", "hour", "messages"])  # fmt: skip
    volume = pd.DataFrame({"segment": names, "customers": 500, "messages_per_week": 1_000.0})
    nothing = pd.DataFrame()
    sends = timing_counts.Sends(None, "click", 72, nothing, nothing)
    none = ClickValue((), np.nan, np.nan, np.nan, 0, np.nan, "no_test")
    both = (response, None) if evidence == "randomised" else (None, response)
    allowed = np.isin(np.arange(24), np.arange(8, 20)).astype(float)
    return best_hours.Timing(sends, [], *both, practice, volume, click or none, allowed)


def messages_at(hours, n=200, clicks=True):
    """n messages to n customers; every fourth customer clicks after an hour."""
    rows = [HEAD + (",clicked_at" if clicks else "")]
    for i in range(n):
        hour = hours[i % len(hours)]
        clicked = f"2026-10-{1 + i % 28:02} {hour + 1:02}:{i % 60:02}:{(7 * i) % 60:02}" if i % 4 == 0 else ""
        sent = f"m{i},c{i},x,2026-10-{1 + i % 28:02} {hour:02}:00:00"
        rows.append(sent + (f",{clicked}" if clicks else ""))
    return "\n".join(rows) + "\n"


def orders_of(n=200):
    rows = ["order_id,customer_id,ordered_at,amount"]
    rows += [f"o{i},c{i},2026-0{1 + i % 9}-10 10:00:00,{10 + i}" for i in range(n)]
    rows += [f"p{i},c{i},2026-10-{1 + i % 28:02} 20:00:00,{10 + i}" for i in range(0, n, 4)]
    rows.append("z,c1,2026-11-20 10:00:00,5")
    return "\n".join(rows) + "\n"


def decisions_of(shop, **parameters):
    found = study.analyse(shop, **parameters)
    answers = best_hours.find_best_hours(found, np.random.default_rng(1), smallest_click_gain=0.001)
    return found, answers, timing_wording.decide(found, answers)


def people_with_habits(heeded=True, tested=True, n=900):
    """Visits of early and late customers on days without a text, and a test of six hours.

    Args:
        heeded: whether their clicks are as early and late as their visits.
        tested: whether the hours are assigned by an experiment.
    """
    rng = np.random.default_rng(14)
    visits, messages, customers = ["customer_id,visited_at"], [HEAD + ",clicked_at"], ["customer_id,timezone,region"]
    assignments = ["experiment_id,customer_id,arm,assigned_at"]
    zones = {"America/New_York,Rhode Island": 5, "America/Los_Angeles,California": 8, ",": 0}
    for i in range(n):
        place, behind = list(zones.items())[i % 3]
        customers.append(f"c{i},{place}")
        shift = (-2.5, 2.5)[i % 2]
        for day in (
            *(pd.Timestamp(2026, 1, 2 * k) for k in range(1, 13)),
            *(pd.Timestamp(2026, 2, k) for k in (9, 19)),
        ):
            at = day + pd.Timedelta(hours=float(rng.normal(13 + shift, 1.5)) + behind)
            visits.append(f"c{i},{at:%Y-%m-%d %H:%M:%S}")
        hour = WINDOWS[int(rng.integers(len(WINDOWS)))]
        assignments.append(f"hours,c{i},h{hour},2026-02-01 00:00:00")
        off = hour - 14 - (shift if heeded else 0.0)
        for day in range(1, 13):
            at = pd.Timestamp(2026, 2, 2 * day) + pd.Timedelta(hours=hour + behind, minutes=int(rng.integers(60)))
            clicked = rng.random() < 0.05 + 0.3 * np.exp(-((off / 4) ** 2))
            messages.append(f"m{i}-{day},c{i},x,{at},{at + pd.Timedelta(minutes=4) if clicked else ''}")
    arms = ["experiment_id,arm,share,hour_start,hour_end"]
    arms += [f"hours,h{hour},{1 / len(WINDOWS)},{hour},{hour + 1}" for hour in WINDOWS]
    experiments = ["experiment_id,kind,control_arm,started_at", "hours,timing,h9,2026-02-01 00:00:00"]
    tables = {"visits": visits, "messages": messages, "customers": customers}
    if tested:
        tables |= {"experiments": experiments, "arms": arms, "assignments": assignments}
    return {name: "\n".join(rows) + "\n" for name, rows in tables.items()}


def orders_before(n=900):
    rows = (f"o{i},c{i},2025-12-{1 + i % 28:02} 17:00:00,5" for i in range(n))
    return "\n".join(("order_id,customer_id,ordered_at,amount", *rows)) + "\n"


def persons_of(make_source, open_source, **given):
    shop = open_source(make_source(orders=orders_before(), **people_with_habits(**given)))
    seen = study.analyse(shop)
    return shop, personal_send_time.analyse_personal_send_times(shop, seen, "rfm_group")
