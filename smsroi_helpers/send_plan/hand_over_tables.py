"""The table of what was handed over to a gateway, and what was left out."""

import pandas as pd

from smsroi_helpers.locale import _, joined, number, sentence
from smsroi_helpers.pages import Html, table
from smsroi_helpers.send_plan.hand_over import HandOver
from smsroi_helpers.send_plan.hand_over_wording import left_out_words, suppression_words

__all__ = ["list_table"]


def list_table(found: HandOver, source: str) -> Html:
    """Every row of the plan: in the list, or left out and why. The rows add up.

    Args:
        found: of `hand_over.write_list`.
        source: the source's name.
    """
    rows = [(left_out_words(each.reason), each.customers, each.rows) for each in found.left_out]
    frame = pd.DataFrame(
        [(_("handed over"), found.customers, found.texts), *rows], columns=[_("Rows"), _("Customers"), _("Number")]
    )
    caption = joined(
        sentence(_("The list of {plan}: {rows} rows of the plan").format(plan=found.plan_id, rows=number(found.rows))),
        suppression_words(found, source),
    )
    return table(frame, caption=caption, suppress=_("Customers"))
