"""The rows of each list of customers: whom an action is for, what to do, why, and what it or the customer is worth.

Each maker returns the columns customer_id, action, reason and value (money, null where it is not known) as an
expression over the run's tables, with what the value is in words.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import Connection
from smsroi_helpers.locale import _
from smsroi_helpers.pages import arm_name, segment_name
from smsroi_helpers.runner import list_words as words

__all__ = ["MAKERS", "Decisions", "Listed", "Tables", "asking", "count", "listed"]

Decisions = Sequence[Mapping[str, Any]]

_GROUPINGS = ("rfm_group", "cluster", "lifecycle_stage", "response_group")
_EVERY_DAY = "0 1 2 3 4 5 6"
_LONG_RUN, _CASH = ("value", "low", "high"), ("cash", "cash_low", "cash_high")
"""The amount of a decision with its limits: its own, and its cash."""


@dataclass(frozen=True)
class Listed:
    """The rows of a list, and what they need beside the link."""

    rows: ir.Table
    notes: tuple[str, ...]
    """Sentences; the first says what the column value is, or why it is empty."""
    texts: int | None = None
    """Of the send plan's list."""
    more: tuple[str, ...] = ()
    """Its columns after customer_id, action, reason and value."""
    answer: tuple[float, float, float] | None = None
    """The amount of the answer with its limits, of which value has each customer's share; None where it has none."""


@dataclass(frozen=True)
class Tables:
    """A run's tables and decisions, opened for its lists."""

    con: Connection
    run_dir: Path
    decisions: Decisions
    currency: str
    """Of the source; empty where it is not known."""
    as_of: str
    """The last day observed (ISO); empty where it is not known."""

    def read(self, name: str) -> ir.Table | None:
        """A table of the run; None where it has none. Of a folder of parts, all together."""
        place = self.run_dir / "tables"
        if (place / name).is_dir():
            return self.con.read_parquet(place / name / "*.parquet", table_name=name, union_by_name=True)
        file = place / f"{name}.parquet"
        return self.con.read_parquet(file, table_name=name) if file.is_file() else None

    def part(self, name: str, stage: str) -> ir.Table | None:
        """The part of a table of several stages that one has saved; None where it has none."""
        files = sorted((self.run_dir / "tables" / name).glob(f"*_{stage}.parquet"))
        return self.con.read_parquet(files[0], table_name=f"{name}_{stage}") if files else None

    @property
    def advised(self) -> bool:
        """Whether the run advises to send by its plan."""
        return any(row["stage"] == "send_plan" and row["outcome"] == "do" for row in self.decisions)

    def value(self, table: ir.Table | None, column: str) -> Any:
        """A value of a table that all its rows have alike; None where it has no such column, or no row."""
        if table is None or column not in table.columns:
            return None
        return table[column].max().to_pyarrow().as_py()


def count(rows: ir.Table) -> int:
    """The number of rows."""
    return int(rows.count().to_pyarrow().as_py())


def asking(name: str, decisions: Decisions) -> list[Mapping[str, Any]]:
    """The decisions that a list is for: of one question, and with an action.

    Of those who are to be won back, whom not to text is a list, too, and so are the halves of a test. The send plan has
    one whatever is decided, because it explores where it is not recommended.
    """
    stage = "retention" if name == "win_back" else name
    question = {
        "win_back": _("What should we do about customers who stop buying?"),
        "retention": _("Can we see early who is leaving?"),
        "timing": _("When should a text go out?"),
    }.get(name)
    rows = [row for row in decisions if row["stage"] == stage and question in (None, row.get("question"))]
    always = name in ("win_back", "send_plan")
    return rows if always or any(row["outcome"] == "do" for row in rows) else []


def _mean(row: Mapping[str, Any], amount: str = "value") -> float | None:
    """An amount of money of a decision per customer it is for; None where it is not known."""
    money, customers = row.get(amount), row.get("customers")
    if not str(row.get("unit") or "").startswith("money") or money is None or not customers:
        return None
    return float(money) / float(customers) if math.isfinite(float(money)) else None


def _amount(rows: Sequence[Mapping[str, Any]], names: tuple[str, str, str]) -> tuple[float, float, float] | None:
    """The sum of an amount of money with its limits over decisions; None where one is not known."""
    found = [
        tuple(float(value) if (value := row.get(name)) is not None else math.nan for name in names) for row in rows
    ]
    value, low, high = (sum(each[k] for each in found) for k in range(3))
    return (value, low, high) if found and math.isfinite(value + low + high) else None


def _members(tables: Tables, stage: str, names: Sequence[str]) -> tuple[ir.Table, str] | None:
    """The customers who may be texted with their segments, by a grouping that has some of these; None without one.

    It is that of the stage's page. 01 may decide by another grouping than its page shows, one of `customer_segments`.
    """
    own, of_segmentation = tables.part("may_be_texted", stage), tables.read("customer_segments")
    places = [(own, column) for column in own.columns[1:]] if own is not None else []
    places += [(of_segmentation, one) for one in _GROUPINGS if of_segmentation is not None]
    for table, column in places:
        if column in table.columns and count(table.filter(table[column].cast("string").isin(list(names)))):
            return table, column
    return None


def _by_segment(tables: Tables, own: Decisions) -> Listed | None:
    """What to do with the customers of each segment that has an action of its own; None if there are no such segments.

    Where only all customers together have one, it is for everybody.
    """
    decided = [row for row in own if row["outcome"] == "do" and row["segment"] not in (None, "", "all")]
    stage = str(own[0]["stage"])
    is_plan_of_texts = stage == "frequency"
    if not decided and is_plan_of_texts:
        whole, table = own[0], tables.part("may_be_texted", stage)
        if table is None:
            return None
        everybody = table.mutate(
            action=ibis.literal(str(whole["action"])),
            reason=ibis.literal(segment_name("all")),
            value=_literal(_mean(whole), 4),
        )
        has_value = _mean(whole) is not None
        return Listed(
            everybody, (words.frequency_value(tables.currency, known=has_value),),
            answer=_amount([whole], _LONG_RUN) if has_value else None,
        )  # fmt: skip
    found = _members(tables, stage, [str(row["segment"]) for row in decided]) if decided else None
    if found is None:
        return None
    table, column = found
    actions = {str(row["segment"]): str(row["action"]) for row in decided}
    rows = table.filter(table[column].cast("string").isin(list(actions)))
    segment = rows[column].cast("string")
    rows = rows.mutate(
        action=segment.cases(*actions.items()),
        reason=segment.cases(*((name, segment_name(name, column)) for name in actions)),
    )
    if is_plan_of_texts:
        means = {str(row["segment"]): _mean(row) for row in decided}
        known = [(name, mean) for name, mean in means.items() if mean is not None]
        value = rows[column].cast("string").cases(*known) if known else ibis.null("float64")
        note = words.frequency_value(tables.currency, known=bool(known))
        answer = _amount(decided, _LONG_RUN) if len(known) == len(decided) else None
        return Listed(rows.mutate(value=value.round(4)), (note,), answer=answer)
    return _with_customer_value(tables, rows)


def _with_customer_value(tables: Tables, rows: ir.Table) -> Listed:
    """Rows with what the customers are expected to bring, where the run has estimated it."""
    values = tables.read("customer_value")
    if values is None:
        return Listed(rows.mutate(value=ibis.null("float64")), (words.no_customer_value(),))
    own = values.select(valued="customer_id", value=_money(values.cltv).round(2))
    note = words.expected_value(tables.currency, tables.value(values, "horizon_weeks"), known=_any(own.value))
    return Listed(rows.left_join(own, rows.customer_id == own.valued), (note,))


def _money(value: ir.FloatingValue) -> ir.FloatingValue:
    return ibis.ifelse(value.isnan(), ibis.null("float64"), value)


def _any(value: ir.Column) -> bool:
    return bool(value.count().to_pyarrow().as_py())


def _literal(value: float | None, digits: int = 2) -> ir.FloatingValue:
    return ibis.null("float64") if value is None else ibis.literal(round(value, digits), "float64")


def _most_valuable(tables: Tables, _own: Decisions) -> Listed | None:
    """The tenth of the customers with the highest value; of most orders to come, where spending is not modelled."""
    table = tables.read("customer_value")
    if table is None:
        return None
    top = (count(table) + 9) // 10
    value = _money(table.cltv)
    ranked = table.order_by(ibis.desc(value.coalesce(table.expected_orders)), "customer_id")
    rows = ranked.limit(top).mutate(
        action=ibis.literal(_("Give better service first; texts as column follow says")),
        reason=ibis.literal(_("Among the tenth of the customers with the highest expected value")),
        value=value.round(2),
    )  # fmt: skip
    note = words.expected_value(tables.currency, tables.value(table, "horizon_weeks"), known=_any(value))
    return Listed(rows, (note,))


def _silent_words(phrase: str, table: ir.Table) -> ir.StringValue:
    weeks = table.silent_weeks.round(0).cast("int64").cast("string")
    return ibis.literal(phrase).replace("{weeks}", weeks)


def _silent(tables: Tables, _own: Decisions) -> Listed | None:
    """Who seems to be leaving."""
    table = tables.read("churn_warnings")
    if table is None:
        return None
    rows = table.mutate(
        action=ibis.literal(_("Draw by chance who is texted, to test win-back")),
        reason=_silent_words(_("Silent for {weeks} weeks"), table),
        value=table.value_at_risk.round(2),
    )
    weeks = tables.value(table, "horizon_weeks")
    quality = tables.read("warning_quality")
    scored = [] if quality is None else quality.filter(quality.warning == "alive").to_pyarrow().to_pylist()
    return Listed(rows, (
        words.value_at_risk(tables.currency, weeks, known=_any(table.value_at_risk)),
        words.warned_words(tables.as_of, count(table), scored[0] if scored else {}),
    ))  # fmt: skip


def _inactive(tables: Tables, own: Decisions) -> Listed | None:
    """Whom to text again, or to leave alone; where that is not decided, the halves of the test that decides it."""
    table = tables.read("win_back_customers")
    outcome = own[0]["outcome"]
    decided = outcome in ("do", "dont")
    if table is None or (not decided and ("arm" not in table.columns or not _any(table.arm))):
        return None
    if not decided:
        rows = table.mutate(
            action=ibis.ifelse(table.arm == "texted", _("Text to win back (test)"), _("Do not text (test)")),
            reason=_silent_words(_("Drawn by chance for the win-back test; silent for {weeks} weeks"), table),
            value=ibis.null("float64"),
        )  # fmt: skip
        return Listed(rows, (words.value_to_be_tested(),))
    value = _mean(own[0])
    rows = table.mutate(
        action=ibis.literal(_("Text to win back") if outcome == "do" else _("Do not text")),
        reason=_silent_words(_("Silent for {weeks} weeks"), table),
        value=_literal(value),
    )  # fmt: skip
    return Listed(
        rows, (words.measured_value(tables.currency, own[0].get("cash_weeks"), known=value is not None),),
        answer=_amount(own[:1], _LONG_RUN) if value is not None else None,
    )  # fmt: skip


def _send_hours(tables: Tables, own: Decisions) -> Listed | None:
    """The hour of each customer whose texts should move to it, on the clock of the place where the customer lives.

    Whoever keeps today's hours is listed, too, with what was decided for the segment.
    """
    table = tables.read("customer_send_hour")
    if table is None:
        return None
    table = table.filter(table.hour.notnull())
    by_segment = {str(row["segment"] or "all"): row for row in own}
    reasons = {
        "personal": _("The hours at which this customer buys and clicks"),
        "segment": _("The best hours of the customer’s segment"),
        "all": _("The best hours of all customers"),
    }
    segment = table.segment.cast("string") if "segment" in table.columns else ibis.literal("all")
    moves = table.outcome == "do"
    hour = table.hour.cast("int64").cast("string")
    daily = ibis.literal(_("Text at {hour}:00, local time"))
    some = ibis.literal(_("Text at {hour}:00, local time, only on {days}")).replace(
        "{days}", _days_words(table.weekdays)
    )
    at = ibis.ifelse(table.weekdays == _EVERY_DAY, daily, some).replace("{hour}", hour)
    means = {name: _mean(row, "cash") for name, row in by_segment.items() if row["outcome"] == "do"}
    decided = [(name, mean) for name, mean in means.items() if mean is not None and name != "all"]
    of_all = _literal(means.get("all"))
    gain = segment.cases(*decided, else_=of_all).round(2) if decided else of_all
    keeps = {name: str(row["action"]) for name, row in by_segment.items() if name != "all" and row["outcome"] != "do"}
    stay = ibis.literal(_("Keep today’s hours"))
    names = {name: segment_name(name) for name in by_segment if name != "all"}
    rows = table.mutate(
        action=ibis.ifelse(moves, at, segment.cases(*keeps.items(), else_=stay) if keeps else stay),
        reason=ibis.ifelse(
            moves, ibis.cases(*((table.basis == basis, said) for basis, said in reasons.items()), else_=""),
            segment.cases(*names.items(), else_=segment) if names else segment,
        ),
        value=ibis.ifelse(moves, gain, ibis.null("float64")),
        moves=moves,
    )  # fmt: skip
    weeks = next((row.get("cash_weeks") for row in own if row["outcome"] == "do"), None)
    known = bool(decided) or means.get("all") is not None
    answer = _amount([by_segment["all"]], _CASH) if known and "all" in by_segment else None
    return Listed(rows, (words.hours_value(tables.currency, weeks, known=known),), answer=answer)


def _days_words(weekdays: ir.StringValue) -> ir.StringValue:
    """Weekdays (`0 1 2`) in words."""
    from smsroi_helpers.timing import weekdays_words  # takes a second to import, for one list

    found = weekdays.name("days").as_table().distinct().to_pyarrow()["days"].to_pylist()
    said = [(one, weekdays_words(int(day) for day in one.split())) for one in found if one]
    return weekdays.cases(*said, else_="") if said else ibis.literal("")


def _mailing(table: ir.Table, tables: Tables, own: Decisions) -> Listed:
    """Who gets which message of one mailing, where there is no plan of texts."""
    texted = table.filter(table.message)
    people = count(texted)
    value = _mean({**own[0], "customers": people}) if own else None
    rows = texted.mutate(
        action=ibis.literal(_("Send “{arm}”")).replace("{arm}", texted.arm),
        reason=ibis.literal(_("By the rule of the page on who gets the mailing")),
        value=_literal(value),
    )
    return Listed(rows, (words.mailing_value(tables.currency, known=value is not None),))


def _plan(tables: Tables, own: Decisions) -> Listed | None:
    """Who is sent what and when by the send plan: one row per customer, with the local times of all its texts.

    The rows are those that `smsroi list` hands over on the last day observed: where the plan is not recommended, the
    exploring share alone.
    """
    mailing = tables.read("recipients")
    if mailing is not None:
        return _mailing(mailing, tables, own) if own and own[0]["outcome"] == "do" else None
    table = tables.read("send_plan")
    if table is None or "left_out" not in table.columns:
        return None
    texts = table.filter(listed(table, tables.advised))
    total = count(texts)
    if not total:
        return None
    from smsroi_helpers.send_plan import role_words  # takes a second to import, for one list

    variants = texts.select("variant").distinct().to_pyarrow()["variant"].to_pylist()
    times = texts.send_at_local.strftime("%Y-%m-%d %H:%M")
    each = texts.mutate(at=times).group_by("customer_id", "timezone", "variant", "role").aggregate(
        texts=lambda t: t.count(), value=lambda t: t.expected_profit.sum(),
        send_at_local=lambda t: t.at.group_concat(sep="; ", order_by=t.at),
    )  # fmt: skip
    said = [
        (name, _("Send “{arm}” at the times of send_at_local").format(arm=arm_name(name))) for name in variants if name
    ]
    plain = ibis.literal(_("Send at the times of send_at_local"))
    rows = each.mutate(
        action=each.variant.cases(*said, else_=plain) if said else plain,
        reason=ibis.ifelse(each.role == "explore", role_words("explore"), role_words("best_value")),
        value=each.value.round(2),
        variant=each.variant.fill_null(""),
    )
    exploring = count(rows.filter(lambda t: t.role == "explore"))
    added = float(rows.value.sum().fill_null(0.0).to_pyarrow().as_py())
    notes = words.plan_words(tables.currency, tables.as_of, exploring, added, advised=tables.advised)
    return Listed(rows, notes, total, ("texts", "send_at_local", "timezone", "variant"))


def listed(plan: ir.Table, advised: bool) -> ir.BooleanValue:
    """Whether a row of the table `send_plan` is in the list of the plan, by what the run knows."""
    chosen = ibis.literal(True) if advised else plan.role == "explore"
    return plan.left_out.isnull() & chosen


MAKERS: dict[str, Callable[[Tables, Decisions], Listed | None]] = {
    "send_plan": _plan,
    "win_back": _inactive,
    "retention": _silent,
    "timing": _send_hours,
    "frequency": _by_segment,
    "segmentation": _by_segment,
    "cltv": _most_valuable,
}
"""List, named after its stage → what makes its rows, in the order in which lists go before one another. `win_back` is
the stage retention's second."""
