"""What a reader says of a source without rejecting rows: skipped lines, files not used, merged rows, values decided."""

__all__ = [
    "READING",
]

READING: dict[str, str] = {
    "file not used": (
        "it is neither named as a table nor queried by a mapping; to use it, rename it or name it in a .sql mapping"
    ),
    "sheet not read": "sheet {name}: to read it, name it under `sheets` in source.yml",
    "report lines above the column names": "the lines are skipped; the column names are in row {row}",
    "column name repeated": "it is read as {name}",
    "total row": "the last row is the sum of the rows above it (column {name}), so it is left out",
    "total row that is not the sum": (
        "the last row is called a total, so it is left out; but no column is the sum of the rows above it: is the"
        " export whole?"
    ),
    "ids as a spreadsheet writes them": 'ids such as ="100", \'100 and 100.0 are read as 100',
    "yes or no without a time": (
        "it happened or not at an unknown time: counted as an outcome, left out of timing; add the time from the gateway"
    ),
    "delivery not reported": (
        "the status means that the outcome is unknown; such a message counts as delivered: add later receipts"
    ),
    "comma as decimal mark": "the column's other values, or `decimal` in source.yml, show that the mark is a comma",
    "billing segments merged": (
        "rows of one recipient, campaign and second are one message of several segments; their costs are added up"
    ),
    "on another clock than sent_at": (
        "it follows the texts by {hours} hours as a whole: if {name} is on the clock of {zone}, `sent_at` is on {sent_clock};"
        " write both with their offset from UTC"
    ),
    "on another clock than people's days": (
        "fewest orders are from {start} to {end} o'clock on the clock {zone}, where people are awake; the usual texts are"
        " sent around {send} o'clock: is `ordered_at` written on another clock? Write both with their offset from UTC"
    ),
    "scheduled, not sent": (
        "they are later than everything that was recorded and have no receipt, so they do not set the last day observed"
    ),
}
"""Rule → what is done, and what to do. Placeholders are filled in after translation."""
