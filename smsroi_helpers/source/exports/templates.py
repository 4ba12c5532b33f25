"""Make the `.sql` mappings of a source from the templates of its exports.

A template reads rows under the name of its part, with the column names of `layout.yml`, or a helper view (`_name.sql`)
that does so for several templates. A template that reads rows gets a first query here that takes these columns from the
files: trimmed text, empty text as null, a column that the export lacks as null, and `file`, the number of the file.

- `-- if name` at the end of a line: the line is left out unless the export has the column of that name; it and a line
  with `-- optional` are left out if another export of the source does not have what they yield.
- `-- only if name` in the first lines: the same for the whole table.
- `-- unknown if empty: name` stays in the mapping (see `mappings`): a later export may have such rows.
- `{{damaged_id}}` and others are filled in as text of SQL, while `getvariable('currency')` is asked when the source is
  read; `{{nameless_text}}` is the column `text` with `{name}` for the name after a greeting (`greetings`).
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smsroi_helpers.contract import DAMAGED_ID
from smsroi_helpers.source.dates import YEAR_LAST
from smsroi_helpers.source.exports.greetings import nameless
from smsroi_helpers.source.exports.layouts import FOLDER, Layout, Part
from smsroi_helpers.source.forms import zones_in
from smsroi_helpers.source.no_value import NO_VALUE, ZERO_DATES

__all__ = [
    "ExportFile",
    "combine",
    "fill_template",
    "instant_of",
    "read_rows",
    "sql_text",
    "usual_form",
]

_IF = re.compile(r" *-- (?:if (\w+(?: or \w+)*)|optional)$")
_ONLY_IF = re.compile(r"-- only if (\w+)\n")
_SETTING = re.compile(r"\{\{(\w+)\}\}")
_TIME_FORMS = (
    "%b %d, %Y at %I:%M %p",
    "%B %d, %Y at %I:%M %p",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y-%m-%d %I:%M:%S %p",
    "%Y-%m-%d %I:%M %p",
    "%Y/%m/%d %I:%M:%S %p",
    "%Y/%m/%d %I:%M %p",
    "%d %b %Y %H:%M:%S",
    "%d %b %Y %H:%M",
    "%a, %d %b %Y %H:%M:%S",
    "%Y%m%d%H%M%S",
)
"""Times without an offset that DuckDB does not read by itself."""
_FORMS_WITH_OFFSET = (
    "%a, %d %b %Y %H:%M:%S %z",
    "%d %b %Y %H:%M:%S %z",
    "%Y-%m-%d %I:%M:%S %p %z",
    "%Y-%m-%d %I:%M %p %z",
)
"""Times with an offset that DuckDB does not read by itself."""
_NARROW_BLANK = "\u202f"
"""Browsers write it before AM and PM."""
_WORDS_ARE_VALUES = ("text", "country")
"""Columns in which a word for no value may be one: a reply of `none`, Namibia's `NA`."""
_SHORT = r"NOT regexp_matches({}, '^[^\p{{L}}\p{{Nd}}*]*(\p{{Nd}}[^\p{{L}}\p{{Nd}}*]*){{0,6}}$')"
_KEYS = dict.fromkeys(("phone", "billing_phone", "shipping_phone"), _SHORT) | {"email": "regexp_matches({}, '[@＠]')"}
"""Columns with keys of people, and what a key looks like: other texts (`123`) would make several people one."""
_ORDER_NUMBERS = ("order_no", "event")
"""Columns by which templates group rows: a number that a spreadsheet has rounded stands for several orders."""
_WHITESPACE = r"e' \t\r\n'"


@dataclass(frozen=True)
class ExportFile:
    """One file of a part."""

    alias: str
    """Its name in the mappings."""
    found: dict[str, str]
    """Column in the templates → heading in the file."""


def sql_text(text: str) -> str:
    """Return text as a literal of SQL.

    >>> sql_text("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def read_rows(
    part: Part, files: Sequence[ExportFile], columns: Sequence[str], timezone: str, year_last: str = ""
) -> str:
    """Return the query that takes a part's columns from its files.

    Args:
        part: the part.
        files: its files; of an order that is in several, the templates take the last.
        columns: columns in the templates; those that no file has are null.
        timezone: of times without an offset.
        year_last: `day` or `month`, what comes first in dates such as 5/4/2024; empty: they are not read.
    """

    def value(column: str, file: ExportFile) -> str:
        heading = file.found.get(column)
        return f"nullif(trim({_quoted(heading)}, {_WHITESPACE}), '')" if heading else "CAST(NULL AS VARCHAR)"

    queries = []
    for number, file in enumerate(files, start=1):
        lines = [*(f"        {value(column, file)} AS {column}" for column in columns), f"        {number} AS file"]
        queries.append("    SELECT\n" + ",\n".join(lines) + f"\n    FROM {_quoted(file.alias)}")
    rows = _apart(_without_no_values(part, "\n    UNION ALL\n".join(queries), columns), columns)
    zone = "UTC" if part.utc else timezone
    instants = [column for column in columns if column in part.instants]
    if not instants:
        return rows
    usual = ",\n            ".join(f"{usual_form(column, zone, year_last)} AS {column}" for column in instants)
    converted = ",\n        ".join(f"{_instant_or_infinity(column, part.utc)} AS {column}" for column in instants)
    clock = "in UTC" if part.utc else "on the clock of source.yml"
    return f"""    -- Times are seconds since 1970, or have an offset, or are {clock}.
    -- One that cannot be read becomes 'infinity', so that its row is rejected as unreadable, not as without a time.
    SELECT * REPLACE (
        {converted}
    ) FROM (
        SELECT * REPLACE (
            {usual}
        ) FROM (
{rows}
        )
    )"""


def _without_no_values(part: Part, rows: str, columns: Sequence[str]) -> str:
    """Return the query of rows with null for the words that mean no value: templates test whether a field is there."""
    lines, longest = [], max(len(word.encode()) for word in NO_VALUE)
    no_date = sql_text(f"^(?:0+$|{'|'.join(ZERO_DATES)})")  # as a column the engine would prepare it for each row
    for column in columns:
        if column in _WORDS_ARE_VALUES:
            continue
        is_time = column.endswith("_at") and column not in (*part.times, *part.instants)  # of others see `no_value`
        dates = f" AND NOT regexp_matches({column}, {no_date})" if is_time else ""
        keys = f" AND {_KEYS[column].format(column)}" if column in _KEYS else ""
        # Nearly all fields are longer than the words, and times are of this century: only others are looked at.
        usual = f"{column} BETWEEN '1971' AND '3'" if is_time else f"strlen({column}) > {longest}"
        usual = f"WHEN {usual}{keys} THEN {column} "
        rest = f"WHEN NOT list_contains(no_value, lower({column})){dates}{keys} THEN {column}"
        lines.append(f"CASE {usual}{rest} END AS {column}")
    if not lines:
        return rows
    fields = ",\n        ".join(lines)
    return f"""    -- Words that mean no value, such as - and 无, are empty fields; so are keys that are none.
    SELECT * EXCLUDE (no_value) REPLACE (
        {fields}
    ) FROM (
{rows}
    ), (SELECT [{", ".join(map(sql_text, NO_VALUE))}] AS no_value)"""


def _apart(rows: str, columns: Sequence[str]) -> str:
    """Return the query of rows in which rounded order numbers have the number of their row."""
    rounded = [
        f"CASE WHEN regexp_matches({column}, {sql_text(DAMAGED_ID)}) THEN {column} || ' row ' || row_number() OVER ()"
        f" ELSE {column} END AS {column}"
        for column in columns
        if column in _ORDER_NUMBERS
    ]
    if not rounded:
        return rows
    fields = ",\n        ".join(rounded)
    return f"""    -- Rounded numbers (1.2E+18) have the number of their row, and are rejected when the source is read.
    SELECT * REPLACE (
        {fields}
    ) FROM (
{rows}
    )"""


def usual_form(column: str, zone: str, year_last: str = "") -> str:
    """Return an expression that writes `PDT` as an offset, the year first, and 下午 as PM.

    Args:
        column: name of a column of text.
        zone: of times without an offset (IANA); in China's, `CST` is no American zone.
        year_last: see `read_rows`.
    """
    known = zones_in(zone) | {"UTC": "+00:00", "GMT": "+00:00"}
    names = "|".join(known)
    offsets = ", ".join(f"{sql_text(name)}: {sql_text(f' {offset}')}" for name, offset in known.items())
    column = f"replace({column}, {sql_text(_NARROW_BLANK)}, ' ')"
    text = (
        f"regexp_replace({column}, ' ?({names})$', '') ||\n"
        f"            coalesce(MAP {{{offsets}}}[regexp_extract({column}, '({names})$', 1)], '')"
    )
    replaced = [
        ("([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日 *", r"\1-\2-\3 "),
        ("([ T][0-9]{1,2}:[0-9]{2}) ?(Z|[+-])", r"\1:00\2"),
        ("(上午|午前|오전) ?([0-9:]+)", r"\2 AM"),
        ("(下午|午後|오후) ?([0-9:]+)", r"\2 PM"),
    ]
    if year_last:
        replaced.append((YEAR_LAST, r"\4-\2-\1" if year_last == "day" else r"\4-\1-\2"))
    for pattern, replacement in replaced:
        text = f"regexp_replace({text}, '{pattern}', '{replacement}')"
    return text


def instant_of(column: str, is_utc: bool) -> str:
    """Return an expression that reads seconds and milliseconds since 1970, times with and without an offset.

    Args:
        column: name of a column of text in its usual form.
        is_utc: times without an offset are UTC, not on the clock of source.yml.
    """
    clock = "'UTC'" if is_utc else "getvariable('timezone')"
    forms = ", ".join(map(sql_text, _TIME_FORMS))
    offset = ":[0-9]{2}([.][0-9]+)?( ?[AP]M)? ?(Z|[+-][0-9]{2}:?([0-9]{2})?)$"
    return f"""CASE
            WHEN regexp_full_match({column}, '[0-9]{{10}}([.][0-9]+)?') THEN to_timestamp(try_cast({column} AS DOUBLE))
            WHEN regexp_full_match({column}, '[0-9]{{13}}') THEN to_timestamp(try_cast({column} AS DOUBLE) / 1000)
            WHEN NOT regexp_matches({column}, '(19|20)[0-9]{{2}}') THEN NULL  -- a year of two digits may be a day
            WHEN regexp_matches({column}, '{offset}') THEN coalesce(
                try_strptime({column}, [{", ".join(map(sql_text, _FORMS_WITH_OFFSET))}]),
                try_cast(regexp_replace({column}, ' ?([+-][0-9]{{2}}):?([0-9]{{2}})$', '\\1:\\2') AS TIMESTAMPTZ)
            )
            ELSE timezone({clock}, coalesce(
                try_cast({column} AS TIMESTAMP),
                try_strptime({column}, [{forms}])
            ))
        END"""


def _instant_or_infinity(column: str, is_utc: bool) -> str:
    """Return the expression of `instant_of`, with infinity for a text that is neither a time nor a word for none."""
    words = ", ".join(map(sql_text, (*NO_VALUE, "0")))
    return f"""coalesce({instant_of(column, is_utc)}, CASE
            WHEN lower({column}) NOT IN ({words}) AND {column} NOT LIKE '0000-00-00%' THEN TIMESTAMPTZ 'infinity'
        END)"""


def fill_template(
    layout: Layout,
    part: Part,
    table: str,
    files: Sequence[ExportFile],
    settings: Mapping[str, str],
    without: frozenset[str] = frozenset(),
) -> str:
    """Return the mapping of one table over the files of one part; empty if the export has nothing for it.

    Args:
        layout: of the platform.
        part: the part.
        table: table of the contract, `exclusions` or helper view.
        files: the part's files.
        settings: `zone` (IANA) and `year_last` (see `read_rows`), and what else a template names in `{{…}}`.
        without: columns of the result to leave out.
    """
    template = (FOLDER / part.kind / part.templates[table]).read_text(encoding="utf-8")
    known = {column for file in files for column in file.found}
    while needed := _ONLY_IF.match(template):
        if needed[1] not in known:
            return ""
        template = template[needed.end() :]
    lines = []
    for line in template.splitlines():
        condition = _IF.search(line)
        bare = line[: condition.start()] if condition else line
        if condition and condition[1] and not known & set(condition[1].split(" or ")):
            continue
        if not condition or _result_of(bare) not in without:
            lines.append(bare)
    own = {"nameless_text": nameless("text"), "calling_codes": "MAP {'': ''}", "damaged_id": sql_text(DAMAGED_ID)}
    known_settings = {**own, **part.identities, **settings}
    text = _SETTING.sub(lambda name: known_settings[name[1]], "\n".join(lines))
    comments = re.match(r"(?:--.*\n)*", text)
    head, body = (text[: comments.end()], text[comments.end() :]) if comments else ("", text)
    used = [column for column in part.columns if re.search(rf"\b{column}\b", _without_comments(body))]
    if re.search(rf"\b{part.name}\b", _without_comments(body)):  # others query a helper view
        read = read_rows(part, files, used, settings["zone"], settings.get("year_last", ""))
        rows = f"WITH {part.name} AS (\n{read}\n)"
        body = f"{rows},\n{body[5:]}" if body.startswith("WITH ") else f"{rows}\n{body}"
    return head + _origin(layout) + body + "\n"


def _result_of(line: str) -> str:
    """Return the name of the column that a line of a SELECT yields."""
    return re.split(r"[ .]", line.strip().rstrip(","))[-1]


def _without_comments(sql: str) -> str:
    return re.sub(r"--.*", "", sql)


def _origin(layout: Layout) -> str:
    """Return comments that say from where the layout is known."""
    pages = [f"-- Layout: {page} (read {layout.read})" for page in layout.pages]
    doubts = textwrap.wrap(f"Not verified: {layout.not_verified}", 115)
    return "\n".join([*pages, *(f"-- {line}" for line in doubts), ""])


def combine(queries: Sequence[str]) -> str:
    """Return one query of the rows of several.

    >>> print(combine(["SELECT 1 AS a", "SELECT 2 AS a"]))
    SELECT * FROM (
    SELECT 1 AS a
    )
    UNION ALL BY NAME
    SELECT * FROM (
    SELECT 2 AS a
    )
    """
    if len(queries) == 1:
        return queries[0]
    return "\nUNION ALL BY NAME\n".join(f"SELECT * FROM (\n{query.rstrip()}\n)" for query in queries)
