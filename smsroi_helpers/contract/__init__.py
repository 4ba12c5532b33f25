"""The data contract as code: tables in, rules they keep, tables out."""

from smsroi_helpers.contract.outputs import FINISHED, OUTPUTS, SHARED_OUTPUTS, Decision
from smsroi_helpers.contract.rules import (
    KEY_FAULTS,
    REMARKS,
    RULES,
    TABLE_RULES,
    WRONG_FIELDS,
    Remark,
    fault_name,
    fault_parts,
    judge_rows,
    remedy_for,
)
from smsroi_helpers.contract.tables import (
    ATTRIBUTE_PREFIX,
    LAST_DAYS,
    NAMES_PEOPLE,
    PERSONAL_ID,
    PLANNED,
    TABLES,
    Column,
    Table,
    gap_name,
    raw_name,
)

__all__ = [
    "ATTRIBUTE_PREFIX",
    "FINISHED",
    "KEY_FAULTS",
    "LAST_DAYS",
    "NAMES_PEOPLE",
    "OUTPUTS",
    "PERSONAL_ID",
    "PLANNED",
    "REMARKS",
    "RULES",
    "SHARED_OUTPUTS",
    "TABLES",
    "TABLE_RULES",
    "WRONG_FIELDS",
    "Column",
    "Decision",
    "Remark",
    "Table",
    "fault_name",
    "fault_parts",
    "gap_name",
    "judge_rows",
    "raw_name",
    "remedy_for",
]
