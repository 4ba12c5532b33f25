"""Tables of `08_effectiveness`: KPIs by campaign, channel, segment and month."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.effectiveness.activity import ACTIVITY_KPIS
from smsroi_helpers.effectiveness.kpis import KPIS, count_customers, first_and_last_day
from smsroi_helpers.effectiveness.satisfaction import FREQUENCIES
from smsroi_helpers.effectiveness.study import Effectiveness
from smsroi_helpers.effectiveness.targets import Progress
from smsroi_helpers.effectiveness.wording import (
    definition_words,
    dimension_words,
    exclusion_words,
    frequency_words,
    kpi_words,
    missing_words,
    month_words,
)
from smsroi_helpers.locale import _, day, enumerated, joined, money, number, percent
from smsroi_helpers.pages import (
    Html,
    campaign_name,
    channel_name,
    compact_words,
    in_reading_order,
    known_text,
    note,
    percent_range,
    segment_name,
    stacked,
    table,
)

__all__ = [
    "campaigns_table",
    "channel_sets_table",
    "customer_kpis_table",
    "definitions_table",
    "exclusions_table",
    "external_table",
    "goals_table",
    "kpis_table",
    "missing_note",
    "nps_table",
]

_MOST_CAMPAIGNS = 20
"""The page shows the largest campaigns; the saved table has them all."""
_MOST_KPIS = 4
"""In one table: more, with intervals, are wider than a page."""
_MOST_DIGITS = 3
"""Significant figures of a KPI: its interval over hundreds of thousands of messages would show five."""
_SHARES = ("repurchase_rate", "dau_mau")
_MONEY = ("arpu", "cac")


def missing_note(found: Effectiveness) -> Html | None:
    """What the source does not record; None where nothing is missing."""
    words = missing_words(found)
    return note(joined(*words)) if words else None


def exclusions_table(found: Effectiveness) -> Html:
    """Which messages are included and excluded.

    Args:
        found: of `study.analyse`.
    """
    rows, hours = found.exclusions, found.attribution_hours
    frame = pd.DataFrame({
        _("Reason"): [exclusion_words(reason, hours) for reason in rows["reason"]],
        _("Messages out"): rows["out"],
        _("Messages left"): rows["messages"],
    })  # fmt: skip
    return table(frame, caption=_("Which messages count"), digits=0)


def definitions_table(found: Effectiveness, currency: str) -> Html:
    """Every KPI with its definition and its value over all messages or customers.

    Args:
        found: of `study.analyse`.
        currency: the source's.
    """
    rows = found.kpis[found.kpis["dimension"] == "all"].set_index("kpi")
    frame = pd.DataFrame([
        {
            _("KPI"): kpi_words(name),
            _("Definition"): definition_words(name),
            _("Value"): _value(rows.loc[name], name, currency) if name in rows.index else _("not known"),
        }
        for name in (*KPIS, *ACTIVITY_KPIS)
    ])  # fmt: skip
    caption = _("The KPIs, with 95% intervals over customers; attributed numbers are correlation")
    if len(found.campaigns):
        first, last = first_and_last_day(found.campaigns)
        caption = joined(
            _("{caption}.").format(caption=caption),
            _("KPIs of messages are of all messages that count, of every channel, sent from {first} to {last}").format(
                first=day(first), last=day(last)
            ),
        )
    return table(frame, caption=caption, fold=False)


def kpis_table(found: Effectiveness, dimension: str, currency: str) -> Html | None:
    """The KPIs of messages by channel, segment or month; None without messages.

    Args:
        found: of `study.analyse`.
        dimension: `channel`, `segment` or `month`.
        currency: the source's.
    """
    return _table_of(found, dimension, tuple(KPIS), currency) if found.known.messages else None


def _parts(found: Effectiveness, dimension: str) -> list[tuple[str, ...]]:
    """The KPIs of each table of a dimension: those of messages come first, then those of customers."""
    own = set(found.kpis.loc[found.kpis["dimension"] == dimension, "kpi"])
    parts = []
    for kpis in (KPIS if found.known.messages else (), ACTIVITY_KPIS):
        shown = [kpi for kpi in kpis if kpi in own]
        parts += [tuple(each.tolist()) for each in np.array_split(shown, -(-len(shown) // _MOST_KPIS))] if shown else []
    return parts


def customer_kpis_table(found: Effectiveness, dimension: str, currency: str) -> Html | None:
    """The KPIs of customers by segment or month; None where nobody was active.

    Args:
        found: of `study.analyse`.
        dimension: `segment` or `month`.
        currency: the source's.
    """
    return _table_of(found, dimension, tuple(ACTIVITY_KPIS), currency)


def _table_of(found: Effectiveness, dimension: str, kpis: tuple[str, ...], currency: str) -> Html | None:
    own = found.kpis[(found.kpis["dimension"] == dimension) & found.kpis["kpi"].isin(kpis)]
    parts = _parts(found, dimension)
    mine = [place for place, part in enumerate(parts) if set(part) <= set(kpis)]
    shown = [kpi for place in mine for kpi in parts[place]]
    rows = []
    groups = dict(list(own.groupby("value", sort=True)))
    for value in in_reading_order(map(str, groups)) if dimension == "segment" else groups:
        each = groups[value]
        by_kpi = each.set_index("kpi")
        name = segment_name(str(value)) if dimension == "segment" else str(value)
        if dimension == "channel":
            name = channel_name(name)
        elif dimension == "month":
            name = month_words(name)
        cells = {
            kpi_words(kpi): _value(by_kpi.loc[kpi], kpi, currency) if kpi in by_kpi.index else "–" for kpi in shown
        }
        rows.append({dimension_words(dimension): name, _("Customers"): count_customers(each), **cells})
    if not rows:
        return None
    caption = _("KPIs by {dimension}, with 95% intervals over customers").format(
        dimension=dimension_words(dimension).lower()
    )
    if dimension == "segment":
        caption = joined(_("{caption}.").format(caption=caption), _(
            "A month counts in the segment that the customer was in on the day before it. So a customer counts in each"
            " segment passed through, and the rows add up to more customers than there are"
        ))  # fmt: skip
        if "prospect" in groups and {"repurchase_rate", "arpu"} & set(shown):
            caption = joined(_("{caption}.").format(caption=caption), _(
                "Customers who had not yet bought on the day before a month can buy in it: the repurchase rate is that"
                " of those who did, and ARPU counts only who was active in it"
            ))  # fmt: skip
    in_figure = True if dimension == "month" else None  # the figure below shows the months
    frame = pd.DataFrame(rows)
    numbered = _("{caption}. Part {part} of {parts}: {kpis}") if len(parts) > 1 else "{caption}"
    return stacked(
        *(
            table(
                frame[[dimension_words(dimension), _("Customers"), *map(kpi_words, parts[place])]],
                caption=numbered.format(
                    caption=caption, part=place + 1, parts=len(parts), kpis=enumerated(map(kpi_words, parts[place]))
                ),
                suppress=_("Customers"), fold=in_figure,
            )
            for place in mine
        )
    )  # fmt: skip


def campaigns_table(found: Effectiveness, currency: str) -> Html | None:
    """The campaigns with most messages: KPIs, and attributed beside incremental money; None without messages.

    Args:
        found: of `study.analyse`.
        currency: the source's.
    """
    if not found.known.messages:
        return None
    shown = found.campaigns.sort_values(["messages", "campaign_id"], ascending=[False, True]).head(_MOST_CAMPAIGNS)
    kpis = found.kpis[found.kpis["dimension"] == "campaign"].set_index(["value", "kpi"])
    used = ("click_rate", "conversion_rate", "opt_out_rate")
    rows = []
    for row in shown.itertuples():
        cells = {
            kpi_words(k): _value(kpis.loc[(row.campaign_id, k)], k) if (row.campaign_id, k) in kpis.index else "–"
            for k in used
        }
        rows.append({
            _("Campaign"): campaign_name(str(row.name)), _("Customers"): int(row.customers),
            _("Messages"): number(row.messages), **cells,
            _("Cost"): money(row.cost, currency, 0) if np.isfinite(row.cost) else _("not known"),
            _("Attributed revenue"): money(row.attributed_revenue, currency, 0)
            if np.isfinite(row.attributed_revenue) else _("not known"),
            _("Incremental profit"): _with_kind(row, currency),
        })  # fmt: skip
    caption = joined(
        _("Campaigns, with 95% intervals over customers. Attributed revenue is correlation; incremental profit is"
          " randomised or modelled, as marked."),
        _("The {n} campaigns with most messages of {all}; the table `campaign_results` has them all.").format(
            n=number(len(shown)), all=number(len(found.campaigns))
        ) if len(found.campaigns) > len(shown) else "",
    )  # fmt: skip
    frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=[_("Campaign"), _("Customers")])
    return table(frame, caption=caption, suppress=_("Customers"))


def _with_kind(row: "pd.Series[float]", currency: str) -> str:
    if not np.isfinite([row.incremental_profit, row.low, row.high]).all():
        return _("not known")
    words = compact_words(row.incremental_profit, row.low, row.high, currency)
    kind = _("randomised") if str(row.evidence) == "randomised" else _("modelled")
    return _("{kind}: {amount}").format(amount=words, kind=kind)


def channel_sets_table(sets: pd.DataFrame | None, currency: str) -> Html | None:
    """Customers by the channels that reached them; None without messages.

    Args:
        sets: of `channels.find_channel_sets`.
        currency: the source's.
    """
    if sets is None:
        return None
    rows = [
        {
            _("Reached by"): " + ".join(map(channel_name, row.channels.split(" + "))),
            _("Customers"): int(row.customers),
            _("Messages per customer"): number(row.messages_per_customer, 1),
            _("Share who bought"): _share(row.buyers_rate, row.buyers_low, row.buyers_high),
            _("Revenue per customer"): _compact(row.revenue, row.revenue_low, row.revenue_high, currency),
        }
        for row in sets.itertuples()
    ]  # fmt: skip
    caption = _(
        "Customers by the channels that reached them. Nobody chose these groups at random, so it is descriptive."
    )
    frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=[_("Reached by"), _("Customers")])
    return table(frame, caption=caption, suppress=_("Customers"))


def nps_table(answers: pd.DataFrame | None) -> Html:
    """The net promoter score by texts per week before the answer.

    Args:
        answers: of `satisfaction.nps_by_frequency`.
    """
    if answers is None:
        return note(_("Satisfaction is not known: that needs answers to a survey (table feedback) and messages."))
    frame = pd.DataFrame([
        {
            _("Messages a week before the answer"): frequency_words(row.frequency, FREQUENCIES),
            _("Answers"): int(row.respondents),
            _("NPS"): _compact(100 * row.nps, 100 * row.low, 100 * row.high),
        }
        for row in answers.itertuples()
    ])  # fmt: skip
    caption = _(
        "NPS by messages in the four weeks before the answer, 95% intervals. Who was sent how many was not random."
    )
    return table(frame, caption=caption, suppress=_("Answers"))


def external_table(changes: pd.DataFrame | None) -> Html:
    """Metrics from outside the log, with their own error.

    Args:
        changes: of `satisfaction.external_changes`.
    """
    if changes is None or not len(changes):
        return note(_("The source has no metrics from elsewhere (table `external_metrics`)."))
    frame = pd.DataFrame([
        {
            _("Metric"): known_text(str(row.metric)).replace("_", " "), _("Day"): day(str(row.last)[:10]),
            _("Value"): _compact(row.estimate, row.low, row.high),
            _("Change since {day}").format(day=_("the first value")): _compact(
                row.change, row.change_low, row.change_high
            ),
            _("Source"): known_text(row.source) if isinstance(row.source, str) else None,
        }
        for row in changes.itertuples()
    ])  # fmt: skip
    return table(frame, caption=_("Metrics from outside the log, in their source’s units and with its error"))


def goals_table(progress: Sequence[Progress], currency: str) -> Html:
    """Each goal, how far it is, and the probability of arriving in time.

    Args:
        progress: of `targets.track_goals`.
        currency: the source's.
    """
    if not progress:
        return note(
            _(
                "No goals are set. Name them in the parameter `targets`, each with `metric`, `segment`, `start`,"
                " `target` and `deadline`."
            )
        )
    frame = pd.DataFrame([
        {
            _("Goal"): kpi_words(one.goal.metric), _("Segment"): segment_name(one.goal.segment),
            _("Start"): _plain(one.goal.start, one.goal.metric, currency),
            _("Target"): _plain(one.goal.target, one.goal.metric, currency),
            _("Deadline"): day(one.goal.deadline.isoformat()),
            _("Way covered"): percent(one.progress) if np.isfinite(one.progress) else "–",
            _("Forecast"): _scaled(one.forecast, one.low, one.high, one.goal.metric, currency),
            _("Probability of arriving"): percent(one.probability) if np.isfinite(one.probability)
            else _("fewer than four whole months"),
        }
        for one in progress
    ])  # fmt: skip
    return table(
        frame, caption=_("Goals. The forecast continues a straight line through the months; it knows no season.")
    )


def _is_share(kpi: str) -> bool:
    return KPIS[kpi].unit == "share" if kpi in KPIS else kpi in _SHARES


def _scale(kpi: str) -> float:
    """The NPS is shown from −100 to 100."""
    return 100.0 if kpi == "nps" else 1.0


def _unit(kpi: str, currency: str) -> str:
    """The currency of a KPI that is money; else empty."""
    return currency if kpi in _MONEY or (kpi in KPIS and KPIS[kpi].unit == "money") else ""


def _value(row: "pd.Series[float]", kpi: str, currency: str = "") -> str:
    return _scaled(float(row["estimate"]), float(row["low"]), float(row["high"]), kpi, currency)


def _scaled(estimate: float, low: float, high: float, kpi: str, currency: str = "") -> str:
    if _is_share(kpi):
        return _share(estimate, low, high)
    scale = _scale(kpi)
    return _compact(scale * estimate, scale * low, scale * high, _unit(kpi, currency))


def _plain(value: float, kpi: str, currency: str) -> str:
    unit = _unit(kpi, currency)
    if _is_share(kpi):
        return percent(value, 2)
    return money(value, unit) if unit else number(_scale(kpi) * value, 2)


def _share(estimate: float, low: float, high: float) -> str:
    """A share with its interval; alone where it has none; a dash where there is none."""
    if not np.isfinite(estimate):
        return "–"
    if not np.isfinite([low, high]).all() or low == high:
        return percent(estimate, 2)
    return percent_range(estimate, low, high, most_digits=_MOST_DIGITS)


def _compact(estimate: float, low: float, high: float, currency: str = "") -> str:
    """A number with its interval; alone where it has none; a dash where there is no number."""
    if not np.isfinite(estimate):
        return "–"
    if not np.isfinite([low, high]).all() or low == high:
        return money(estimate, currency) if currency else number(estimate, 2)
    return compact_words(estimate, low, high, currency, most_digits=_MOST_DIGITS)
