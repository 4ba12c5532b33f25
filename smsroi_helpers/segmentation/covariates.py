"""What was known of a customer before a day, as cells: by them a test's results are carried over to today's members.

The definitions are the same on both days: how long ago the customer bought, or how long one who never bought has been
known; how many of the texts of the last eight weeks a human clicked compared with everybody's, and whether any in a
longer window; and purchases in a window. Windows are those that the log covers on both days. Nothing of a later day is
used. Recency reaches as far back as the log: nobody in a test is known to have been without a purchase for longer than
the log had lasted when it began.
"""

import datetime as dt
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.segmentation.cutoffs import Cuts
from smsroi_helpers.segmentation.membership import Segmentation
from smsroi_helpers.segmentation.rfm import known_people, orders_by_day, rfm_rows
from smsroi_helpers.source import Shop

__all__ = ["Covariates", "count_subscribers", "find_covariates"]

LONGEST_DAYS = 182
"""Purchases are counted in a window of at most half a year."""
SHORTEST_DAYS = 28
"""In a shorter window than this they are not counted."""
CLICK_DAYS = 56
"""Clicks are counted in this window, and as far back as purchases to see who has been silent for long."""
_MOST_PURCHASES = 3
_LEVELS = 5
"""Levels of recency; as many more are for those who never bought."""
_SILENT, _NONE, _USUAL, _MORE = range(4)
_EXPECTED = 1.0
"""Silent is who clicked no text of the longer window, if at everybody's rate so many clicks were to be expected."""
_ALIKE = 2.0
"""Clicks per text up to so many times everybody's count as usual."""


@dataclass(frozen=True)
class Covariates:
    """Cells of customers that are defined alike on two days."""

    shop: Shop
    cuts: Cuts | None
    """Recency is cut where segments are: at half the days of `dormant`, at `dormant`, half-way, and at `lost`. None in
    a source without orders, where only clicks are known."""
    purchase_days: int
    """The window of purchases; 0 where the log is too short before the test."""
    click_days: int
    """The longer window of clicks."""
    log_start: dt.date
    """The first day of orders: purchases before it are not known."""
    channel: str
    """Of the texts; empty where there are none."""

    def label(self, people: ir.Table, day: dt.date | None = None) -> ir.Table:
        """customer_id and segment (the cell) of these customers as of a day.

        Cells that follow each other in alphabetical order are alike: recency from the latest buyers to the earliest,
        then those who never bought, by how long they have been known without a purchase; within it clicks (0: none for
        long; 1: none in `CLICK_DAYS`; 2: up to twice everybody's rate, or no texts, so not known; 3: more), up and down
        in turn, and within these purchases likewise.

        Args:
            people: a table with customer_id, one row each.
            day: the last day that counts; None for the last one observed.
        """
        shop, last = self.shop, day or self.shop.as_of
        rows = people.select(person="customer_id")
        for part in (self._recency(last), self._waiting(last), self._clicks(last), self._purchases(last)):
            if part is not None:
                rows = rows.left_join(part, rows.person == part.customer_id).drop("customer_id")
        waiting = rows.waiting if "waiting" in rows.columns else ibis.null("int64")
        longest = ibis.literal(self._level_of((last - self.log_start).days + 1))
        unbought = _LEVELS + waiting.fill_null(longest)
        recency = rows.recency.fill_null(unbought) if "recency" in rows.columns else unbought
        clicks = rows.clicks.fill_null(_USUAL) if "clicks" in rows.columns else ibis.literal(0)
        bought = rows.bought.fill_null(0) if "bought" in rows.columns else ibis.literal(0)
        clicks_at = ibis.ifelse(recency % 2 == 1, _MORE - clicks, clicks)
        bought_at = ibis.ifelse(clicks_at % 2 == 1, _MOST_PURCHASES - bought, bought)
        parts = (recency, clicks_at, bought_at)
        cell = parts[0].cast("string") + parts[1].cast("string") + parts[2].cast("string")
        return shop.keep(rows.select(customer_id="person", segment=cell))

    @property
    def _edges(self) -> tuple[int, ...]:
        if self.cuts is None:
            return ()
        dormant, lost = self.cuts.dormant_after_days, self.cuts.lost_after_days
        return dormant // 2, dormant, (dormant + lost) // 2, lost

    def _level_of(self, days: int) -> int:
        return sum(days > edge for edge in self._edges)

    def _level(self, days: ir.NumericValue) -> ir.IntegerValue:
        edges = self._edges
        if not edges:
            return ibis.literal(0).cast("int64")
        return ibis.cases(*((days <= edge, i) for i, edge in enumerate(edges)), else_=len(edges)).cast("int64")

    def _recency(self, last: dt.date) -> ir.Table | None:
        if self.cuts is None:
            return None
        rows = rfm_rows(self.shop, last)
        return rows.select("customer_id", recency=self._level(rows.recency_days))

    def _waiting(self, last: dt.date) -> ir.Table | None:
        """How long customers have been known and observed, which for those who never bought is without a purchase."""
        shop = self.shop
        found = [] if (opt_ins := measures.opt_in_times(shop)) is None else [opt_ins.rename(at="consent_at")]
        if shop.has("customers", "joined_at"):
            found.append(shop.customers.select("customer_id", at=shop.customers.joined_at.cast("timestamp")))
        if not found:
            return None
        dates = ibis.union(*found) if len(found) > 1 else found[0]
        first = dates.filter(dates["at"].notnull()).group_by("customer_id").aggregate(at=ibis._["at"].min())
        since = ibis.greatest(shop.day(first["at"]), ibis.literal(self.log_start))
        days = ibis.literal(last).delta(since, unit="day") + 1
        return first.select("customer_id", waiting=self._level(days))

    def _purchases(self, last: dt.date) -> ir.Table | None:
        if not self.purchase_days:
            return None
        days = orders_by_day(self.shop)
        first = last - dt.timedelta(days=self.purchase_days)
        days = days.filter(days.day <= ibis.literal(last), days.day > ibis.literal(first))
        sums = days.group_by("customer_id").aggregate(count=days.count())
        return sums.select("customer_id", bought=ibis.least(sums["count"], _MOST_PURCHASES).cast("int64"))

    def _clicks(self, last: dt.date) -> ir.Table | None:
        shop = self.shop
        if not self.channel or not measures.knows_clicks(shop):
            return None
        end = ibis.literal(shop.start_of(last + dt.timedelta(days=1)))
        longest = max(self.click_days, CLICK_DAYS)
        since, recent = (
            ibis.literal(shop.start_of(last - dt.timedelta(days=days - 1))) for days in (longest, CLICK_DAYS)
        )
        sends = measures.human_clicks(shop)
        sends = sends.filter(sends.channel == self.channel, sends.click_known, sends.sent_at >= since,
                             sends.sent_at < end)  # fmt: skip
        clicked = measures.earliest_click(shop, sends.human_click_at) < end
        late = sends.sent_at >= recent
        sums = sends.group_by("customer_id").aggregate(
            texts=sends.count(where=late), clicks=sends.count(where=clicked & late), longer=sends.count(),
            ever=sends.count(where=clicked),
        )  # fmt: skip
        everybody = ibis.window()
        usual = sums.clicks.sum().over(everybody) / sums.texts.sum().over(everybody)
        expected = sums.ever.sum().over(everybody) / sums.longer.sum().over(everybody) * sums.longer
        level = ibis.cases(
            ((sums.ever == 0) & (expected >= _EXPECTED), _SILENT),
            (sums.texts == 0, _USUAL),
            (sums.clicks == 0, _NONE),
            (sums.clicks <= _ALIKE * usual * sums.texts, _USUAL),
            else_=_MORE,
        )
        return sums.select("customer_id", clicks=level.cast("int64"))


def find_covariates(shop: Shop, cuts: Cuts | None, since: dt.date, channel: str = "") -> Covariates:
    """The covariates by which results of a test are carried over.

    Args:
        shop: the company.
        cuts: of `cutoffs.find_cuts`; None in a source without orders.
        since: the test's first day.
        channel: of the texts; empty as for `measures.choose_channel`.
    """

    def covered(table: str) -> int:
        first = shop.loaded.tables[table].first if shop.has(table) else None
        return min((since - dt.date.fromisoformat(first)).days, LONGEST_DAYS) if first else 0

    days = covered("orders") if cuts is not None else 0
    start = shop.loaded.tables["orders"].first if cuts is not None else None
    return Covariates(
        shop,
        cuts,
        purchase_days=days if days >= SHORTEST_DAYS else 0,
        click_days=max(covered("messages"), CLICK_DAYS),
        log_start=dt.date.fromisoformat(start) if start else since,
        channel=measures.choose_channel(shop, channel),
    )


def count_subscribers(shop: Shop, segmentation: Segmentation, covariates: Covariates) -> pd.DataFrame:
    """Customers subscribed at the end of the last day observed: segment and cell of that day, n."""
    people = measures.subscribed(shop, ibis.literal(shop.end), known_people(shop))
    people = shop.keep(people)
    labelled = segmentation.label(people).rename(member="customer_id")
    cells = covariates.label(people).select("customer_id", cell="segment")
    rows = labelled.join(cells, labelled.member == cells.customer_id)
    counted = rows.group_by("segment", "cell").aggregate(n=rows.count())
    return shop.count(counted.order_by("segment", "cell"))
