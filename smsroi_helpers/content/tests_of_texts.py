"""The randomised tests of texts, as `ab_test` evaluates them."""

from smsroi_helpers import ab_test
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.source import Shop

__all__ = ["evaluate_tests"]


def evaluate_tests(
    shop: Shop, *, segment_by: str = "rfm_group", yearly_discount: float = 0.1
) -> list[ab_test.Evaluated]:
    """The experiments of kind content, with validity, effects by arm and segment; none where the source has none.

    Args:
        shop: the company.
        segment_by: which grouping, as of the assignment.
        yearly_discount: for the value of a subscriber.
    """
    if not all(shop.has(table) for table in ab_test.NEEDS):
        return []
    try:
        found = ab_test.analyse(shop, segment_by=segment_by, yearly_discount=yearly_discount)
    except NotEnoughData:
        return []
    return [each for each in found if each.experiment.kind == "content"]
