"""Tables of the triangles and of the customer-base audit."""

import numpy as np
import pandas as pd

from smsroi_helpers.locale import _, joined, money, month, number, sentence
from smsroi_helpers.pages import Html, note, table
from smsroi_helpers.retention.base_audit import shown_moves
from smsroi_helpers.retention.cohorts import Triangle
from smsroi_helpers.retention.study import Study
from smsroi_helpers.retention.wording import left_out_words, move_words, no_triangle_words, share_words

__all__ = [
    "ages_table",
    "now_table",
    "periods_table",
    "triangle_table",
]


def ages_table(triangle: Triangle) -> Html:
    """All cohorts of a triangle together, by age, with intervals."""
    rows = triangle.pooled
    rows = rows[rows["age"] >= 1] if triangle.kept == "orders" else rows
    if not len(rows):
        return note(no_triangle_words(triangle))
    frame = pd.DataFrame({
        _("Months after"): rows["age"], _("Cohorts"): rows["cohorts"], _("Customers"): rows["customers"],
        _("Retained"): rows["retained"],
        _("Share"): [share_words((row.rate, row.low, row.high)) for row in rows.itertuples()],
    })  # fmt: skip
    caption = joined(
        _("Purchases of all cohorts at equal age, with 95% intervals.")
        if triangle.kept == "orders"
        else _("Consent of all cohorts at equal age, with 95% intervals."),
        _(
            "Higher ages rest on older cohorts alone; cohorts that may hold old customers are left out where others"
            " exist."
        ),
    )
    return table(frame, caption=caption, digits=0, fold=True)


def triangle_table(triangle: Triangle) -> Html:
    """A cohort per row: its customers, and what was retained after one, three, six and twelve months."""
    rows = triangle.rows
    if not len(rows):
        return note(no_triangle_words(triangle))
    ages = (1, 3, 6, 12)
    shown = []
    for cohort, own in rows.groupby("cohort"):
        by_age = own.set_index("age")
        found = {
            _("Month {age}").format(age=number(age)): share_words(
                tuple(by_age.loc[age, ["rate", "low", "high"]].astype(float)), 0
            )
            if age in by_age.index
            else ""
            for age in ages
        }
        settled = bool(own["settled"].iloc[0])
        shown.append({
            _("Cohort"): month(cohort) if settled else _("{month}, may hold old customers").format(
                month=month(cohort)
            ),
            _("Customers"): int(own["customers"].iloc[0]), **found,
        })  # fmt: skip
    return table(
        pd.DataFrame(shown),
        caption=_("Purchases by cohort, with 95% intervals")
        if triangle.kept == "orders"
        else _("Consent by cohort, with 95% intervals"),
        suppress=_("Customers"),
        fold=True,
    )


def periods_table(study: Study, currency: str) -> Html:
    """Lens 2 in figures."""
    if study.audit is None or study.audit.periods is None:
        return note(_("There are no two periods to compare."))
    rows, hidden = shown_moves(study.audit.periods)
    frame = pd.DataFrame({
        _("Customers who"): [move_words(name) for name in rows["move"]],
        _("Customers"): [number(row.customers) for row in rows.itertuples()],
        _("Profit before"): [money(row.before, currency, 0) for row in rows.itertuples()],
        _("Profit after"): [money(row.now, currency, 0) for row in rows.itertuples()],
        _("Moved"): [
            _("{value} ({low} to {high})").format(
                value=money(row.moved, currency, 0), low=money(row.low, currency, 0), high=money(row.high, currency, 0)
            ) if np.isfinite(row.low) else money(row.moved, currency, 0)
            for row in rows.itertuples()
        ],
    })  # fmt: skip
    caption = _("Two periods: profit before message costs, 95% intervals")
    left_out = left_out_words(rows["move"], hidden)
    return table(frame, caption=joined(sentence(caption), left_out) if left_out else caption, fold=True)


def now_table(study: Study) -> Html:
    """The base now: repurchase, and what became of all who ever bought; customers, and out of how many."""
    if study.audit is None or study.cuts is None:
        return note(_("Without orders the base is not known."))
    custom = study.survival("custom", "all")
    rows = [
        (_("Bought again on a second day, of those first seen {days} days ago or earlier").format(
            days=number(study.cuts.lost_after_days)), *_step(study, "retention")),
    ]  # fmt: skip
    if custom is not None:
        curve = custom.curves[0]
        rows.append((_("Known to be gone, of those watched long enough"), curve.ended, number(curve.customers),
                     share_words(curve.ended_share)))  # fmt: skip
    last = study.audit.months.iloc[-1] if len(study.audit.months) else None
    if last is not None:
        rows.append(
            (
                _("Bought in {month}").format(month=month(pd.Timestamp(str(last["month"])).date())),
                int(last["customers"]),
                "–",
                "–",
            )
        )
    frame = pd.DataFrame(rows, columns=[_("The base now"), _("Customers"), _("Out of"), _("Share (95% interval)")])
    return table(frame, caption=_("The health of the base, counted"), suppress=_("Customers"))


def _step(study: Study, step: str) -> tuple[int, str, str]:
    """Customers who took a step of the funnel, out of how many, and the share."""
    row = study.funnel.set_index("step").loc[step]
    if not np.isfinite(row["share"]):
        return 0, "–", "–"
    return int(row["reached"]), number(row["could"]), share_words((row["share"], row["low"], row["high"]))
