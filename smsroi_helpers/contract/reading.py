"""What a reader says of a source without rejecting rows: skipped lines, files not used, merged rows, values decided."""

import re

__all__ = [
    "READING",
    "remedy_parts",
]

READING: dict[str, str] = {
    "file not used": (
        "it is neither named as a table nor queried by a mapping; to use it, rename it or name it in a .sql mapping"
    ),
    "sheet not read": "sheet {name}: to read it, name it under `sheets` in source.yml",
    "empty in every row": "so it is taken as not recorded: unknown, not 0 and not “it never happened”",
    "report lines above the column names": "the lines are skipped; the column names are in row {row}",
    "mapping without rows": "it gives none now, so the source does not have this table",
    "remark below the rows": "the last line (row {row}) is no row of the table and is left out",
    "fields missing at the end of rows": (
        "a spreadsheet leaves out empty fields at the end of rows; they are read as empty"
    ),
    "quotes after a backslash": (
        "quotes within a field have a backslash before them, as MySQL and phpMyAdmin write them; it is left out"
    ),
    "column name repeated": "it is read as {name}",
    "column name in another spelling": "it is read as {name}",
    "total row": "the last row is the sum of the rows above it (column {name}), so it is left out",
    "total row that is not the sum": (
        "the last row is called a total, so it is left out; but no column is the sum of the rows above it: is the"
        " export whole?"
    ),
    "ids as a spreadsheet writes them": 'ids such as ="100", \'100 and 100.0 are read as 100',
    "yes or no without a time": (
        "it happened or not, at an unknown time: counted as an outcome, left out of timing; add the gateway's time"
    ),
    "no without a time": "it did not happen",
    "delivery not reported": (
        "the status means that the outcome is unknown; such a message counts as delivered: add later receipts"
    ),
    "written as no value": (
        "words such as NULL and -, and dates such as 0000-00-00 or the zero of a clock in 1970, are read as empty"
    ),
    "currency of the amounts": (
        "source.yml names no currency; the amounts show {sign}, so they are in {currency}; if not, write currency: in"
        " source.yml"
    ),
    "dates with the day first": (
        "dates such as 5/4/2024 are in April, as other dates of the column or the country show"
    ),
    "dates with the month first": (
        "dates such as 5/4/2024 are in May, as other dates of the column or the country show"
    ),
    "all in the future": (
        "the first day is {day}, after today, so nothing has been observed: check the order of day, month and year, and"
        " the clock of the export"
    ),
    "comma as decimal mark": "the column's other values, or `decimal` in source.yml, show that the mark is a comma",
    "billing segments merged": (
        "rows of one recipient, campaign and second are one message of several segments; their costs are added up"
    ),
    "rows of one customer merged": (
        "rows that name one customer differently (another spelling of a number or an address, or an id of identities)"
        " are one; a value that only one row has is taken from it"
    ),
    "rows of one customer differ": (
        "customers whose rows have different values: {people}; it is unknown which is right, so it is left empty;"
        " correct the export"
    ),
    "consent differs between rows of one customer": (
        "customers concerned: {people}; consent is one history, in which the later event decides, so the last opt-out"
        " and the last opt-in count; check which of the rows is current"
    ),
    "assigned again to the same arm": "the customer's first assignment counts; the later ones change nothing",
    "on another clock than sent_at": (
        "it follows the texts by {hours} hours as a whole: if {name} is on the clock of {zone}, `sent_at` is on"
        " {sent_clock}; write both with their offset from UTC"
    ),
    "on another clock than people's days": (
        "hardly any orders are from {start} to {end} o'clock on the clock of {zone}, when people are awake, and most"
        " texts are sent at {send} o'clock: is `ordered_at` on another clock, such as UTC? Write both with their offset"
    ),
    "key of too many people": (
        "{keys} telephone numbers or e-mail addresses stand beside more than {most} different addresses, numbers or ids"
        " each, as a dummy number or the shop's own does: they join nobody, and their orders ({orders}) are guests';"
        " leave the field empty in the export"
    ),
    "several telephone numbers in one field": (
        "different fields: {ids}; the first valid number is the customer's: put the others into the table identities,"
        " one row each"
    ),
    "number or address that cannot be read": (
        "different values: {ids}; each is a customer of its own: correct the export. `country` in source.yml is for"
        " numbers of one country without its code; those of other countries need a plus and their code"
    ),
    "numbers in several spellings among other ids": (
        "different ids: {ids}; if they are telephone numbers, several of them are one person's. They are not joined,"
        " because most ids here are none: write a plus and the country code before numbers"
    ),
    "ids that differ only in capitals": (
        "different ids: {ids}; they are ids of the table {other} if capitals do not matter. They are not joined: if"
        " they are the same customers, write lower(customer_id) in a .sql mapping of each table"
    ),
    "scheduled, not sent": (
        "they are later than everything that was recorded and have no receipt, so they do not set the last day observed"
    ),
}
"""Rule → what is done, and what to do. Placeholders are filled in after translation."""


def remedy_parts(remedy: str) -> tuple[str, dict[str, str]]:
    """Return the remedy of `READING` from which a text was made, and the values filled in; else the text itself.

    >>> remedy_parts("it is read as Name_2")
    ('it is read as {name}', {'name': 'Name_2'})
    """
    for template in READING.values():
        if "{" in template:
            seen: set[str] = set()
            parts = []
            for place, part in enumerate(re.split(r"\{(\w+)\}", template)):
                if place % 2 == 0:
                    parts.append(re.escape(part))
                else:
                    parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>.*?)")
                    seen.add(part)
            if match := re.fullmatch("".join(parts), remedy):
                return template, match.groupdict()
    return remedy, {}
