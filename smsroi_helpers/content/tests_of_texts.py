"""The randomised tests of texts, evaluated by `ab_test` and decided here."""

from collections.abc import Iterable, Sequence

import pandas as pd

from smsroi_helpers import ab_test
from smsroi_helpers.content.texts import Texts
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.source import Shop

__all__ = ["arms_of_tests", "evaluate_tests", "result_rows", "undecided_arms"]


def evaluate_tests(
    shop: Shop, *, segment_by: str = "rfm_group", yearly_discount: float = 0.1, smallest_gain: float = 0.0,
    opt_out_margin: float = 0.002, pre_period_columns: Sequence[str] = (),
) -> list[ab_test.Evaluated]:  # fmt: skip
    """The experiments of kind content, with validity, effects and decision; none where the source has none.

    Args:
        shop: the company.
        segment_by: which grouping, as of the assignment.
        yearly_discount: for the value of a subscriber.
        smallest_gain: profit per customer and week below which a change is not worth making (money).
        opt_out_margin: the largest acceptable increase of the weekly opt-out rate (share of customers, 0–1).
        pre_period_columns: numeric columns attr_… of customers, known before the assignment, to adjust for.
    """
    if not all(shop.has(table) for table in ab_test.NEEDS):
        return []
    try:
        found = ab_test.analyse(
            shop, segment_by=segment_by, yearly_discount=yearly_discount, smallest_gain=smallest_gain,
            opt_out_margin=opt_out_margin, pre_period_columns=pre_period_columns,
        )  # fmt: skip
    except NotEnoughData:
        return []
    return [each for each in found if each.decided_in == "content"]


def arms_of_tests(evaluated: Sequence[ab_test.Evaluated], texts: Texts) -> frozenset[str]:
    """The creatives that are arms of valid tests.

    Args:
        evaluated: of `evaluate_tests`.
        texts: of `texts.read_texts`; an arm is sent the variant of the table arms, or the one of its own name.
    """
    return _creatives([(each, each.experiment.arms) for each in evaluated if not each.validity.broken], texts)


def undecided_arms(evaluated: Sequence[ab_test.Evaluated], texts: Texts) -> frozenset[str]:
    """The creatives between which valid tests are undecided: their arms that are not shown to bring less.

    Args:
        evaluated: of `evaluate_tests`.
        texts: of `texts.read_texts`.
    """
    still_open = []
    for each in evaluated:
        if not each.validity.broken and each.decision.outcome == "keep_running":
            worse = {arm for arm, outcome in each.decision.by_arm.items() if outcome == "keep_control"}
            still_open.append((each, tuple(arm for arm in each.experiment.arms if arm not in worse)))
    return _creatives(still_open, texts)


def _creatives(tests: Iterable[tuple[ab_test.Evaluated, Sequence[str]]], texts: Texts) -> frozenset[str]:
    """The creatives that arms of tests are sent."""
    variants: set[str] = set()
    for each, arms in tests:
        planned = each.experiment.plan.get("variant", pd.Series(dtype=object)).reindex(list(arms))
        variants |= set(planned.fillna(pd.Series(arms, planned.index)))
    used = texts.used.loc[texts.used["variant"].isin(variants), "text"]
    return frozenset(texts.texts[number].creative for number in used.unique())


def result_rows(evaluated: Sequence[ab_test.Evaluated]) -> pd.DataFrame:
    """The table `content_tests`: the rows of `experiment_results` of these tests, with the decision of each arm."""
    return ab_test.results_table(evaluated, "content")
