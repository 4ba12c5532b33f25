"""The output tables of a run, and the decisions in them."""

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BREAK_EVEN_WEEKS",
    "FINISHED",
    "OUTPUTS",
    "PAGE_MARKUP",
    "SHARED_OUTPUTS",
    "Decision",
    "Design",
    "Evidence",
    "MoneyKind",
    "evidence_of_model",
]

BREAK_EVEN_WEEKS = 104
"""The coming weeks in which a change that costs cash at first is looked for to break even."""
Design = Literal["randomised", "observational", "none"]
"""Where data come from: an experiment's arms, or the log."""
Evidence = Literal["randomised", "modelled", "forecast", "observational", "descriptive", "none"]
"""How a number was made: `randomised`: measured on an experiment's arms; `modelled`: from randomised results
(a click priced by a test, a pooled curve, a long-run value); `forecast`: predicted from what customers did;
`observational`: adjusted logs; `descriptive`: counted; `none`: there is no number, and nothing it rests on."""
MoneyKind = Literal["", "cash", "long_run", "revenue"]
"""`cash`: profit of the weeks counted; `long_run`: cash and what subscribers are worth afterwards; `revenue`: before
any cost. Amounts of different kinds are never added, averaged or drawn on one axis."""


def evidence_of_model(design: Design) -> Evidence:
    """The evidence of a number that a model gives from data of a design.

    >>> evidence_of_model("randomised"), evidence_of_model("observational"), evidence_of_model("none")
    ('modelled', 'observational', 'none')
    """
    return "modelled" if design == "randomised" else design


@dataclass(frozen=True)
class Decision:
    """The answer of a notebook: one row of the table `decisions`, in the reader's language."""

    stage: str
    question: str
    outcome: Literal["do", "dont", "not_enough_evidence", "broken"]
    action: str
    """What to do, in one sentence."""
    text: str
    """Explanation of the action, in one or two sentences."""
    evidence: Evidence
    """Of `value`; without a value, of what the answer rests on."""
    customers: int
    """Customers the money is for; without money, those behind the numbers."""
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    """95 % interval of `value`; NaN if the decision has no number, or its number is a descriptive sum."""
    unit: Literal["money_per_week", "money", "share", "count", "orders_per_week", ""] = ""
    period: str = ""
    """The time whose money or orders `value` is: `week`, or the weeks of a total (`11 weeks`); empty for a share."""
    number_words: str = ""
    """What `value` is, after the number: unit, per whom, compared with what; empty where `unit` says it all."""
    level: bool = False
    """Whether a number with `number_words` is compared with nothing: it has no sign, and a share is in percent."""
    kind: Literal["gain", "worth", "forecast", "fact"] = "fact"
    """`gain`: money compared with today's practice; `worth`: compared with no texts;
    `forecast`: a prediction; `fact`: none of these."""
    money: MoneyKind = ""
    """Which kind of money `value` is; empty where it is none, or a forecast."""
    cash: float = float("nan")
    cash_low: float = float("nan")
    cash_high: float = float("nan")
    """Profit within `cash_weeks`, in money, with its 95 % interval; never added to `value`."""
    cash_weeks: float = float("nan")
    """The weeks whose profit `cash` is: the coming ones, or where it is measured those of the experiment."""
    cash_evidence: Evidence = "none"
    """Of `cash`."""
    break_even_week: float = float("nan")
    """The week from which the cumulative cash is and stays at or above 0, where cash and long run differ in sign; NaN
    where they do not, or where there is no such week."""
    segment: str = "all"
    topic: str = ""
    """Key of the question among those of the stage, the same however the question is worded; empty: its first."""
    caveat: str = ""
    """Limitation that the reader must know before acting."""
    next_test: str = ""
    """The test that would answer the question, in one or two sentences; empty where none is proposed."""
    evidence_customers: float = float("nan")
    """Customers whose outcomes are the evidence, where they are others than `customers`."""
    status: Literal["ok", "failed_check"] = "ok"
    """`failed_check`: the numbers come from a model that failed its own test."""

    def __post_init__(self) -> None:
        if self.unit.endswith("_per_week"):
            object.__setattr__(self, "period", "week")
        if self.unit == "money" and not self.period:
            raise ValueError("a total of money needs its period")
        # A sum of what is recorded has no sampling error, so a descriptive amount may have no interval.
        counted = self.evidence == "descriptive" and self.low != self.low and self.high != self.high
        if self.unit and not counted and not self.low <= self.value <= self.high:
            raise ValueError(f"value {self.value} is not within its interval {self.low} to {self.high}")
        if self.money and not self.unit.startswith("money"):
            raise ValueError(f"money={self.money!r} without an amount; its unit is {self.unit!r}")
        if (self.cash == self.cash) is (self.cash_evidence == "none"):
            raise ValueError("cash needs its evidence, and evidence its cash")


OUTPUTS: dict[str, tuple[str, ...]] = {
    "customer_segments": (
        "customer_id", "recency_days", "frequency", "monetary", "r_score", "f_score", "m_score", "rfm_group", "cluster",
        "lifecycle_stage", "response_group",
    ),
    "customer_value": (
        "customer_id", "frequency", "recency", "T", "p_alive", "expected_orders", "expected_value", "expected_low",
        "expected_high", "cltv", "cltv_low", "cltv_high",
    ),
    "churn_warnings": ("customer_id", "p_alive", "silent_weeks", "frequency", "value_at_risk"),
    "experiment_results": (
        "experiment_id", "metric", "arm", "customers", "mean", "difference", "low", "high", "relative", "p_value",
        "always_valid_low", "always_valid_high", "adjusted_p", "probability_best", "srm_p", "decision",
    ),
    "frequency_response": (
        "segment", "messages_per_week", "customers", "profit_per_week", "low", "high", "opt_out_per_week", "evidence",
        "tested",
    ),
    "frequency_policy": (
        "segment", "messages_per_week", "profit_per_week", "low", "high", "evidence", "gain_evidence", "cash_evidence",
    ),
    "content_tests": (
        "experiment_id", "metric", "arm", "customers", "difference", "low", "high", "adjusted_p", "decision",
        "evidence",
    ),
    "creative_effects": ("feature", "effect", "low", "high", "evidence"),
    "creative_response": (
        "segment", "variant", "customers", "messages", "click", "click_low", "click_high", "order", "order_low",
        "order_high", "opt_out", "opt_out_low", "opt_out_high", "profit", "profit_low", "profit_high", "evidence",
        "covariance", "covariance_of",
    ),
    "exclusions": ("table", "rule", "severity", "rows", "share"),
    "quarantine": ("table", "line", "reason", "key"),
    "model_fits": (
        "model", "fit", "parameter", "value", "low", "high", "log_likelihood", "customers", "unit", "status",
    ),
    "model_scores": ("model", "log_score", "difference", "low", "high", "predicted", "status", "chosen"),
    "assumptions": ("check", "status", "finding", "effect"),
    "segment_value": ("group", "customers", "cltv", "low", "high"),
    "new_customer_value": ("group", "customers", "value", "low", "high", "cac", "net", "net_low", "net_high", "reason"),
    "timing_response": ("segment", "weekday", "hour", "messages", "rate", "low", "high", "evidence"),
    "timing_places": (
        "segment", "rules", "share", "hour", "until", "weekdays", "messages_per_week", "clicks", "clicks_low",
        "clicks_high", "evidence", "money", "money_low", "money_high", "money_evidence",
    ),
    "timing_weekdays": ("segment", "weekday", "rate", "low", "high", "set_of_best", "evidence"),
    "customer_send_hour": ("customer_id", "hour", "weekday", "basis"),
    "campaign_results": (
        "campaign_id", "messages", "delivered_rate", "click_rate", "conversion_rate", "opt_out_rate", "cost",
        "attributed_revenue", "incremental_profit", "low", "high", "roi", "score",
    ),
    "kpis": ("dimension", "value", "kpi", "numerator", "denominator", "estimate", "low", "high", "customers"),
    "attribution": (
        "experiment_id", "arm", "touch", "hours", "customers", "attributed_revenue", "incremental_revenue",
        "calibration", "low", "high", "inflation", "inflation_low", "inflation_high",
    ),
    "goals": (
        "metric", "segment", "start", "target", "deadline", "progress", "forecast", "low", "high", "probability",
    ),
    "business_months": ("month", "orders", "revenue", "subscribers", "opt_outs"),
    "incremental_months": (
        "experiment_id", "month", "treated", "control", "difference", "low", "high", "earned", "earned_low",
        "earned_high",
    ),
    "alerts": ("at", "metric", "scope", "value", "expected_low", "expected_high", "text", "remark", "new"),
    "model_checks": (
        "model", "outcome", "reason", "first", "last", "change", "low", "high", "adjusted_p", "evidence", "test",
        "weeks_since", "stages", "warning", "caveat",
    ),
    "may_be_texted": ("customer_id",),
    "win_back_customers": ("customer_id", "rfm_group", "silent_weeks"),
    "cohort_retention": ("cohort", "age", "customers", "retained", "rate", "low", "high", "kind", "settled"),
    "retention_survival": ("kind", "by", "segment", "days", "at_risk", "survival", "low", "high"),
    "customer_base_audit": ("lens", "group", "measure", "customers", "value", "low", "high"),
    "warning_quality": (
        "warning", "warned_on", "weeks", "customers", "warned", "away", "precision", "precision_low", "precision_high",
        "recall", "recall_low", "recall_high", "ranking", "listed",
    ),
    "send_plan": (
        "customer_id", "send_at", "campaign_id", "variant", "channel", "role", "probability", "reason",
        "expected_profit", "expected_long_run", "plan_id", "texts_per_week", "type",
    ),
    "plan_summary": (
        "type", "texts_per_week", "hour", "weekday", "variant", "customers", "expected_profit", "reason",
    ),
    "plan_score": ("policy", "profit_per_customer", "low", "high", "evidence", "period"),
    "plan_left_out": ("reason", "customers"),
    "recipients": ("customer_id", "arm", "message"),
    "plan_track_record": ("plan_id", "status"),
    "plan_source/plans": ("plan_id", "customer_id", "role", "probability", "send_at", "variant", "expected_profit"),
    "plan_source/experiments": ("experiment_id", "kind", "control_arm", "started_at", "ended_at"),
    "plan_source/arms": ("experiment_id", "arm", "share", "messages_per_week", "hour_start", "hour_end", "variant"),
    "plan_source/assignments": ("experiment_id", "customer_id", "arm", "assigned_at"),
    "decisions": (
        "stage", "question", "segment", "outcome", "status", "action", "cash", "cash_low", "cash_high", "cash_weeks",
        "cash_evidence", "break_even_week", "value", "low", "high", "unit", "period", "money", "evidence", "customers",
        "text",
    ),
}  # fmt: skip
"""The output tables and their required columns; more columns are allowed."""

SHARED_OUTPUTS = ("decisions", "may_be_texted")
"""Tables written by several notebooks: folders with one part per stage."""

LISTS_OF_TEXTS = ("segmentation", "timing", "frequency", "retention")
"""Stages whose answers have lists of customers to text: of those in `may_be_texted` alone, which they save too."""

PAGE_MARKUP = "application/vnd.smsroi.page"
"""MIME type of a figure as a page shows it, beside the `text/html` that JupyterLab shows."""

FINISHED = "application/vnd.smsroi.finished+json"
"""MIME type of the output of `run.finish()`, which marks a notebook as complete."""
