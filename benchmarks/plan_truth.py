"""What a send plan is truly worth if it is repeated, customer by customer, in companies of both simulators.

A plan is a table of texts; `read_plan` turns it into each text's local day and hour, and `price_plan` into the truth of
sending these texts over and over. `show_as_plan` is the other way round: a policy of `capture` as a table of texts.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.capture import Policy
from benchmarks.companies import Made, Truths, long_run, read_table, scale_to_customers
from smsroi_helpers.simulation import ground_truth as own
from tests import second_world

__all__ = ["WEEKS", "Worth", "name_texts", "price_plan", "read_plan", "show_as_plan"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WEEKS = 4
"""Length of a plan."""
_DAYS = 7


@dataclass(frozen=True)
class Worth:
    """The truth of a policy, by customer."""

    profit: Floats
    """m: incremental profit a week after the cost of texts, while subscribed."""
    long_run: Floats
    """V: the long-run value of a subscriber."""
    weekly_discount: float

    @property
    def cash(self) -> Floats:
        """Profit of the next `WEEKS` weeks: m for every week that the customer is still subscribed to.

        V = m / (1 − s / (1 + δ)) gives s, the probability of staying a week.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            stays = (1 - self.profit / self.long_run) * (1 + self.weekly_discount)
        powers = np.array([stays**week for week in range(WEEKS)])
        return np.where(self.long_run == 0, 0.0, self.profit * powers.sum(axis=0))


def name_texts(made: Made) -> tuple[str, ...]:
    """The variants of all texts of a company."""
    return tuple(c.variant for c in own.CREATIVES) if isinstance(made, own.World) else second_world.CREATIVES


def read_plan(plan: pd.DataFrame, source: Path, texts: tuple[str, ...]) -> pd.DataFrame:
    """The texts of a plan: row (of the customer), day (0: the Monday of the plan's first week), hour, creative.

    Args:
        plan: plan_id (`plan-YYYYMMDD`, its first day), customer_id, send_at (UTC) and variant, of the rows with a text.
        source: of the company.
        texts: variants; creative is the number among them, −1 where the plan leaves it open.

    Raises:
        ValueError: a text is outside the `WEEKS` weeks, of an unknown variant or customer, or the day's second.
    """
    people = read_table(source, "customers")[["customer_id", "timezone"]]
    people = people.assign(row=np.arange(len(people)))
    sent = plan.loc[plan["send_at"].notna(), ["plan_id", "customer_id", "send_at", "variant"]]
    sent = sent.merge(people, on="customer_id", how="left")
    if sent["row"].isna().any():
        raise ValueError("the plan has customers whom the source has not")
    found = pd.DataFrame({"row": sent["row"].astype(int), "day": 0, "hour": 0, "creative": -1})
    first = pd.to_datetime(sent["plan_id"].str[-8:])
    begins = first.dt.weekday
    first -= pd.to_timedelta(begins, "D")
    for zone, rows in sent.groupby("timezone").groups.items():
        local = sent.loc[rows, "send_at"].dt.tz_convert(str(zone)).dt.tz_localize(None)
        found.loc[rows, "day"], found.loc[rows, "hour"] = (local - first[rows]).dt.days, local.dt.hour
    known = sent["variant"].notna()
    found.loc[known, "creative"] = sent.loc[known, "variant"].map({name: i for i, name in enumerate(texts)})
    if found.isna().any(axis=None):
        raise ValueError("the plan has variants that no text of the company has")
    # A plan that begins on a Tuesday ends on a Monday, which is the first day of its repetition.
    if not found["day"].between(0, begins + _DAYS * WEEKS - 1).all():
        raise ValueError(f"the plan has texts outside its {WEEKS} weeks")
    found["day"] %= _DAYS * WEEKS
    if found.duplicated(["row", "day"]).any():
        raise ValueError("the plan has two texts for a customer on one day")
    return found.astype(int)


def price_plan(made: Made, source: Path, texts: pd.DataFrame) -> Worth:
    """The truth of sending the texts of `read_plan` every `WEEKS` weeks, for every customer of the source."""
    row, day, hour, creative = (texts[name].to_numpy() for name in ("row", "day", "hour", "creative"))
    if isinstance(made, second_world.Truth):
        found = made.value_of_texts(row, day // _DAYS, day % _DAYS, hour, creative, WEEKS)
        return Worth(found.profit, found.long_run, made.world.weekly_discount)
    scale = scale_to_customers(made, read_table(source, "truth/customers"))
    n = len(scale.kind)
    sent = np.zeros((n, _DAYS * WEEKS), int)
    sent[row, day] = 1
    before = np.sum([sent[row, (day - back) % (_DAYS * WEEKS)] for back in range(1, _DAYS)], axis=0, dtype=int)
    dose, profit, opt_out = np.arange(1.0, _DAYS + 1), np.zeros(n), np.zeros(n)
    kinds, shifts = np.arange(len(own.SEGMENTS)), np.arange(len(own.HOUR_SHIFTS))
    for text in np.unique(creative):
        of_text = creative == text
        which = None if text < 0 else int(text)
        stated = own.expected(
            made, kinds[:, None, None, None, None], hour_shift=shifts[:, None, None, None],
            hour=np.arange(24)[:, None, None], weekday=np.arange(_DAYS)[:, None], texts_per_week=dose, creative=which,
        )  # fmt: skip
        who = row[of_text]
        place = (hour[of_text], day[of_text] % _DAYS, before[of_text])
        m, h = scale.of(who).money(stated, dose[before[of_text]], which, place)
        for total, each in ((profit, m), (opt_out, h)):
            total += np.bincount(who, each / (dose[before[of_text]] * WEEKS), n)
    return Worth(profit, long_run(made, scale.kind, profit, opt_out), made.weekly_discount)


def show_as_plan(
    policy: Policy, truths: Truths, who: NDArray[np.bool_], source: Path, first_day: dt.date, rng: np.random.Generator
) -> pd.DataFrame:
    """The texts of a policy that changes everything for the customers in `who`, on the same days every week, drawn from
    Monday to Saturday.

    Args:
        policy: window, texts a week (halves as one text in two weeks) and text of each customer.
        truths: of the company.
        who: customers whom the plan is for; the others are not in it.
        source: of the company.
        first_day: of the plan, a Monday.
        rng: of days, hours within the window, and the text where the policy leaves it open.

    Returns:
        plan_id, customer_id, role, probability, send_at (UTC), variant, texts_per_week; one row for a customer without.
    """
    row = np.flatnonzero(who)
    dose = np.where(policy.window[row] < 0, 0.0, policy.dose[row])
    rank = rng.random((len(row), second_world.DAYS)).argsort(axis=1).argsort(axis=1)
    parts = []
    for week in range(WEEKS):
        texts = np.floor(dose * (week + 1)).astype(int) - np.floor(dose * week).astype(int)
        place, day = np.nonzero(rank < texts[:, None])
        parts.append(np.column_stack([row[place], _DAYS * week + day]))
    sent = np.concatenate(parts)
    starts = np.array(truths.windows)[policy.window[sent[:, 0]]]
    hour = starts[:, 0] + (rng.random(len(sent)) * (starts[:, 1] - starts[:, 0])).astype(int)
    creative = policy.creative[sent[:, 0]]
    local = pd.Timestamp(first_day) + pd.to_timedelta(sent[:, 1], "D") + pd.to_timedelta(
        3600 * hour + rng.integers(0, 3600, len(sent)), "s"
    )  # fmt: skip
    zone = read_table(source, "customers")["timezone"].to_numpy(str)[sent[:, 0]]
    send_at = pd.Series(pd.NaT, range(len(sent)), "datetime64[us, UTC]")
    for name in np.unique(zone):
        send_at[zone == name] = local[zone == name].tz_localize(name).tz_convert("UTC")
    names = np.array([*truths.creatives, None], object)
    with_text = pd.DataFrame({"row": sent[:, 0], "send_at": send_at, "variant": names[creative]})
    plan = pd.DataFrame({"row": row, "texts_per_week": dose}).merge(with_text, on="row", how="left")
    return plan.assign(
        plan_id=f"plan-{first_day:%Y%m%d}", customer_id=truths.ids[plan["row"]], role="plan", probability=1.0
    ).drop(columns="row")  # fmt: skip
