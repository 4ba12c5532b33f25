"""Valid sources and ways of damaging them, with the correct result where it is known."""

import datetime as dt
import decimal
import gzip
import io
import math
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st
from pyarrow import parquet

PHONE = "13812345678"
"""A phone number among the values; no message may contain it."""

FAULT = object()
"""Marks a value that is unreadable in a column of that type."""


@dataclass(frozen=True)
class Meaning:
    """A text and its value in a column of ids, of numbers and of times; None is an empty field."""

    text: str
    as_id: Any
    as_number: Any
    as_time: Any


def _day(year: int, month: int = 1, day: int = 1, hour: int = 0) -> dt.datetime:
    return dt.datetime(year, month, day, hour)  # in UTC, as stored


def _name(text: str, read_as: str = "") -> Meaning:
    return Meaning(text, read_as or text, FAULT, FAULT)


HOSTILE: tuple[Meaning, ...] = (
    Meaning("", None, None, None),
    Meaning("  ", None, None, None),
    _name("NaN"), _name("nan"), _name("NA"), _name("null"), _name("None"), _name("inf"), _name("-Infinity"),
    _name("1e999"), _name("true"), _name("1,23"), _name("0x10"), _name("--5"), _name("1_000"),
    Meaning("1e308", "1e308", 1e308, FAULT),
    Meaning("1,234.50", "1,234.50", 1234.5, FAULT),
    Meaning("￥99", "￥99", 99.0, FAULT),
    Meaning("99元", "99元", 99.0, FAULT),
    Meaning("-5", "-5", -5.0, FAULT),
    Meaning("007", "007", 7.0, FAULT),
    Meaning("1.38E+10", FAULT, 1.38e10, FAULT),
    Meaning("45295", "45295", 45295.0, FAULT),
    Meaning("9007199254740993123", "9007199254740993123", 9007199254740993123.0, FAULT),
    Meaning("１２３", "123", 123.0, FAULT),
    Meaning(PHONE, PHONE, float(PHONE), FAULT),
    Meaning("2999-01-01", "2999-01-01", FAULT, _day(2999)),
    Meaning("1970-01-01", "1970-01-01", FAULT, _day(1970)),
    Meaning("0001-01-01", "0001-01-01", FAULT, _day(1)),
    _name("9999-12-31T23:59:59-12:00"), _name("0001-01-01T00:00:00+08:00"),
    Meaning("9999-12-31", "9999-12-31", FAULT, _day(9999, 12, 31)),
    Meaning("2024-02-30", "2024-02-30", FAULT, FAULT),
    Meaning("2024年2月29日", "2024年2月29日", FAULT, _day(2024, 2, 29)),
    Meaning("2024-03-01T10:00:00+08:00", "2024-03-01T10:00:00+08:00", FAULT, _day(2024, 3, 1, 2)),
    Meaning("20240301", "20240301", 20240301.0, _day(2024, 3, 1)),
    _name("3/1/2024"), _name("0000-00-00"), _name("2024-01-01 24:00:01"), _name("infinity"), _name("now"),
    _name("🎁"), _name("\u202eabc\u202c", "abc"), _name("a\u200bb\ufeff", "ab"), _name("e\u0301", "é"), _name("客户"),
    _name("<script>alert(1)</script>"), _name("=cmd|' /C calc'!A0"), _name("{x}"), _name("{{ 7*7 }}"), _name("${HOME}"),
    _name("x" * 10_000), _name("a\rb"), _name("a\nb"), _name('a"b'), _name("a,b;c\td|e"), _name("'; DROP TABLE x; --"),
    _name("\\N"), _name("#REF!"), _name("a\x01b"), _name("\x1a"),
)  # fmt: skip
NUL = _name("a\0b")
_BY_TEXT = {meaning.text: meaning for meaning in (*HOSTILE, NUL)}


def meaning_of(text: str) -> Meaning:
    """The meaning of a text: as listed above for a hostile value, as Python reads it for a valid one."""
    if text in _BY_TEXT:
        return _BY_TEXT[text]
    try:
        number: Any = float(text)
    except ValueError:
        number = FAULT
    try:
        time: Any = dt.datetime.fromisoformat(text) if "-" in text else FAULT
    except ValueError:
        time = FAULT
    return Meaning(text, text, number, time)


# --- a table as text -------------------------------------------------------------------------------------------------

SOUND: dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    "orders": (
        ("order_id", "customer_id", "ordered_at", "amount", "discount"),
        tuple(
            (f"{i:03}", f"c{i % 5}", f"2024-01-{i + 1:02} 1{i % 10}:30:00", f"{3 * i + 0.25}", "" if i % 3 else "1.5")
            for i in range(12)
        ),
    ),
    "customers": (
        ("customer_id", "joined_at", "timezone", "acquisition_cost", "referred_by", "opted_out_at", "attr_level"),
        tuple(
            (f"c{i}", "2023-12-01", "Asia/Shanghai" if i % 2 else "", "2.5", f"c{i - 1}" if i else "", "", "gold")
            for i in range(6)
        ),
    ),
    "messages": (
        ("message_id", "customer_id", "campaign_id", "sent_at", "cost", "clicked_at", "opted_out_at"),
        tuple(
            (f"m{i}", f"c{i % 5}", "spring", f"2024-01-0{i + 1} 10:00:00", "0.05", f"2024-01-0{i + 1} 10:05:00", "")
            for i in range(8)
        ),
    ),
    "experiments": (
        ("experiment_id", "kind", "control_arm", "started_at", "ended_at", "primary_metric"),
        (("x", "holdout", "no", "2024-01-01", "2024-02-01", "profit"), ("y", "content", "a", "2024-01-01", "", "")),
    ),
    "arms": (
        ("experiment_id", "arm", "share", "hour_start", "variant"),
        (
            ("x", "no", "0.25", "", ""), ("x", "yes", "0.75", "9", ""),
            ("y", "a", "0.5", "", "A"), ("y", "b", "0.5", "", "B"),
        ),
    ),
    "assignments": (
        ("experiment_id", "customer_id", "arm", "assigned_at"),
        (*(("x", f"c{i}", "yes" if i else "no", "2024-01-01") for i in range(5)), ("y", "c1", "a", "2024-01-01")),
    ),
}  # fmt: skip


@dataclass
class Sheet:
    """A table as text before it is written to a file."""

    table: str
    names: list[str]
    rows: list[list[str]]
    ragged: dict[int, int] = field(default_factory=dict)
    """Row → number of surplus fields (negative: missing fields)."""
    delimiter: str = ","
    line_end: str = "\n"
    encoding: str = "utf-8"
    quoted: bool = False
    blank_lines: set[int] = field(default_factory=set)
    """Rows that follow an empty line."""

    @classmethod
    def sound(cls, table: str) -> "Sheet":
        names, rows = SOUND[table]
        return cls(table, list(names), [list(row) for row in rows])

    def text(self) -> str:
        """The text of the file before encoding."""
        lines = [self._line(self.names)]
        for place in range(len(self.rows)):
            lines += [""] * (place in self.blank_lines) + [self._line(self.cells(place))]
        return self.line_end.join([*lines, ""])

    def cells(self, place: int) -> list[str]:
        """The fields of a row as written to the file."""
        extra = self.ragged.get(place, 0)
        return self.rows[place][:extra] if extra < 0 else self.rows[place] + ["surplus"] * extra

    def _line(self, cells: list[str]) -> str:
        out = []
        for cell in cells:
            needs = self.quoted or any(sign in cell for sign in ('"', "\r", "\n", self.delimiter))
            out.append('"' + cell.replace('"', '""') + '"' if needs else cell)
        return self.delimiter.join(out)

    def content(self) -> bytes:
        """The bytes of the file."""
        return self.text().encode(self.encoding, errors="replace" if self.encoding == "latin-1" else "surrogatepass")


@dataclass
class Expected:
    """The correct result of reading a table of orders."""

    refused: str
    """Why the source must be refused; empty if it must be accepted."""
    rows_in: int = 0
    kept: dict[str, float] = field(default_factory=dict)
    """Order id → amount."""
    rejected: set[int] = field(default_factory=set)
    """Numbers of the rows rejected, as lines of the file: the header is 1."""


def expect(sheet: Sheet, share: float) -> Expected:
    """The correct result for a table of orders, by an independent reading in plain Python."""
    names = [name.strip() for name in sheet.names]
    required = ("order_id", "customer_id", "ordered_at", "amount")
    if len(set(names)) < len(names) or not set(required) <= set(names):
        return Expected("columns")
    if any("\0" in cell for cell in (*sheet.names, *(cell for row in sheet.rows for cell in row))):
        return Expected("NUL")
    if not sheet.rows:
        return Expected("no rows")
    if any({"\n", "\r"} & set("".join(sheet.cells(place))) for place in sheet.ragged):
        return Expected("a row over two lines with a wrong number of fields looks like an open quote")
    read: list[tuple[int, tuple[Any, ...], bool]] = []
    for place, row in enumerate(sheet.rows):
        if place in sheet.ragged:
            continue
        cells = {name: meaning_of(cell) for name, cell in zip(names, row, strict=True)}
        empty = Meaning("", None, None, None)
        typed = (
            cells["order_id"].as_id,
            cells["customer_id"].as_id,
            cells["ordered_at"].as_time,
            cells["amount"].as_number,
            cells.get("discount", empty).as_number,
        )
        sound = all(value is not None for value in typed[:4]) and all(value is not FAULT for value in typed)
        read.append((place, typed, sound and (typed[4] is None or typed[4] >= 0)))
    kept: dict[str, float] = {}
    good: set[int] = set()
    for place, typed, sound in read:
        same = [other for other in read if other[1][0] == typed[0] and typed[0] is not FAULT]
        alone = all(other[1] == typed for other in same) and min(other[0] for other in same or [(place,)]) == place
        if sound and alone:
            kept[typed[0]] = typed[3]
            good.add(place)
    rejected = set(range(len(sheet.rows))) - good
    if len(rejected) > share * len(sheet.rows) or not kept:
        return Expected("too many")
    ids = {typed[1] if typed[1] is not FAULT else "1.38E+10" for _place, typed, _sound in read} - {None}
    if sum(one == PHONE for one in ids) > len(ids) / 2:
        return Expected("telephone numbers")
    return Expected("", len(sheet.rows), kept, {place + 2 for place in rejected})


# --- damage ----------------------------------------------------------------------------------------------------------

EXTRA_NAMES = (
    "note", "fault", "clock", "altered", "raw__amount", "gap__ordered_at", "fold__ordered_at", "order_id_1",
    "select", "a b", 'x"y', "x'y", "客户", "🎁", "{x}", "<b>", "=1+1", "attr_x", PHONE, "n" * 3000,
)  # fmt: skip


def _pick(draw: Any, many: Any) -> Any:
    return draw(st.sampled_from(sorted(many) if isinstance(many, set) else list(many)))


def damage_cells(draw: Any, sheet: Sheet) -> None:
    """Damage a sheet once, as a spreadsheet or a faulty export may; the correct result stays known."""
    row = draw(st.integers(0, max(0, len(sheet.rows) - 1)))
    what = _pick(
        draw,
        (*["value"] * 8, "column", "repeat", "repeat", "alter", "alter", "ragged", "ragged", "reorder", "add",
         "delimiter", "encoding", "encoding", "line end", "quote all", "blank", "swap", "odd"),
    )  # fmt: skip
    if what == "odd":
        what = _pick(draw, ("drop", "rename", "twice", "nul", "headings only"))
    if not sheet.rows and what in ("value", "repeat", "alter", "ragged", "blank", "swap", "nul", "column"):
        return
    column = draw(st.integers(0, len(sheet.names) - 1))
    match what:
        case "value":
            sheet.rows[row][column] = _pick(draw, HOSTILE).text
        case "column":
            value = _pick(draw, HOSTILE).text
            for line in sheet.rows:
                line[column] = value
        case "nul":
            sheet.rows[row][column] = NUL.text
        case "repeat":
            sheet.rows.append(list(sheet.rows[row]))
        case "alter":
            sheet.rows.append(list(sheet.rows[row]))
            sheet.rows[-1][column] = _pick(draw, HOSTILE).text
        case "ragged":
            sheet.ragged[row] = draw(st.sampled_from([-1, 1, 3]))
        case "drop" if len(sheet.names) > 2:
            _without(sheet, column)
        case "rename":
            sheet.names[column] = _pick(
                draw, (sheet.names[column].upper(), " " + sheet.names[column] + " ", "客户", "x")
            )
        case "twice":
            sheet.names.append(sheet.names[column])
            for line in sheet.rows:
                line.append(line[column])
        case "reorder":
            order = draw(st.permutations(range(len(sheet.names))))
            sheet.names = [sheet.names[place] for place in order]
            sheet.rows = [[line[place] for place in order] for line in sheet.rows]
        case "add":
            sheet.names.append(_pick(draw, EXTRA_NAMES))
            for line in sheet.rows:
                line.append("more")
        case "delimiter":
            sheet.delimiter = _pick(draw, (";", "\t", ","))
        case "line end":
            sheet.line_end = _pick(draw, ("\n", "\r\n"))
        case "quote all":
            sheet.quoted = True
        case "blank":
            sheet.blank_lines.add(row)
        case "headings only":
            sheet.rows, sheet.ragged, sheet.blank_lines = [], {}, set()
        case "swap":
            other = draw(st.integers(0, len(sheet.names) - 1))
            for line in sheet.rows:
                line[column], line[other] = line[other], line[column]
        case "encoding":
            sheet.encoding = _pick(draw, ("utf-8-sig", "utf-16", "gb18030"))
            if sheet.encoding == "gb18030" and "备注" not in sheet.names:
                # As in a Chinese export. A single character could also be UTF-8, which cannot be distinguished.
                sheet.names.append("备注")
                for line in sheet.rows:
                    line.append("老顾客常来")


def _without(sheet: Sheet, column: int) -> None:
    del sheet.names[column]
    for line in sheet.rows:
        del line[column]


def damage_bytes(draw: Any, content: bytes) -> bytes:
    """Damage the bytes of a file once; the only requirement is a clean end."""
    what = _pick(
        draw,
        ("flip", "flip", "insert", "delete", "cut", "join", "open quote", "delimiter", "latin", "twice", "empty", "nul",
         "cr", "no end", "utf-32", "only"),
    )  # fmt: skip
    place = draw(st.integers(0, max(0, len(content) - 1)))
    lines = content.split(b"\n")
    line = place % len(lines)
    match what:
        case "flip" if content:
            return content[:place] + bytes([draw(st.integers(0, 255))]) + content[place + 1 :]
        case "insert":
            return content[:place] + draw(st.binary(min_size=1, max_size=6)) + content[place:]
        case "delete":
            return content[:place] + content[place + draw(st.integers(1, 40)) :]
        case "cut":
            return content[:place]
        case "no end":
            return content.rstrip(b"\r\n")
        case "join":
            return b"\n".join([*lines[:line], b"".join(lines[line : line + 2]), *lines[line + 2 :]])
        case "open quote":
            # At the beginning of a field, where a quote has a meaning.
            return b"\n".join([*lines[:line], lines[line].replace(b",", b',"', 1), *lines[line + 1 :]])
        case "delimiter":
            return content.replace(b",", draw(st.sampled_from([b"|", b";", b"\t", b" ", b",,", b"\x01"])))
        case "latin":
            return (
                content[:place]
                + draw(st.sampled_from(["Müller", "café", "£5", "ÿþ"])).encode("latin-1")
                + content[place:]
            )
        case "twice":
            return content + content
        case "empty":
            return b""
        case "nul":
            return content[:place] + b"\0" + content[place:]
        case "cr":
            return content.replace(b"\n", b"\r")
        case "utf-32":
            return content.decode("utf-8", errors="replace").encode("utf-32")
        case "only":
            return draw(
                st.sampled_from(
                    [b"\n", b'"', b",", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"PAR1PAR1", b"{}", b"[1, 2]", b"\r",
                     b"<html><body>Sign in</body></html>", b"order_id", b"\x80\x04\x95.", b'"a',
                     b"a" * 200_000 + b",b\n1,2\n", b"customer_id,line__\na,b\n"]
                )
            )  # fmt: skip
    return content


# --- whole sources ---------------------------------------------------------------------------------------------------


@dataclass
class Source:
    """Files of a source, the share of rows that may be rejected, and its orders where the correct result is known."""

    files: dict[str, bytes]
    share: float
    orders: Sheet | None = None

    def __repr__(self) -> str:
        files = {name: content[:600] for name, content in self.files.items()}
        return f"Source({files!r}, {self.share})"


SHARES = st.sampled_from([0.01, 0.3, 0.6, 1.0])


@st.composite
def text_orders(draw: Any) -> Source:
    """A table of orders with damaged cells; the correct result is known."""
    sheet = Sheet.sound("orders")
    sheet.rows = sheet.rows[: draw(st.integers(1, 12))]
    for _ in range(draw(st.integers(0, 5))):
        damage_cells(draw, sheet)
    packed = draw(st.booleans())
    content = sheet.content()
    files = {"orders.csv.gz": gzip.compress(content)} if packed else {"orders.csv": content}
    return Source(files, draw(SHARES), sheet)


SETTINGS = (
    b"timezone: Asia/Shanghai\n", b"timezone: America/New_York\n", b"timezone: Europe/Dublin\ncurrency: JPY\n", b"",
    b"title: '<script>alert(1)</script> {x}'\n", b"margin: .nan\n", b"margin: 1e400\n", b"timezone: [UTC]\n", b"- 1\n",
    b"\xff\xfe", "title: 街角小店\n".encode("gb18030"), "title: 街角小店\n".encode("utf-16"), b"title: a\0b\n",
    b"title: ${NOT_SET_ANYWHERE}\n", b"title: !!python/name:os.system\n", b"currency: usd\n", b"&a [*a, *a]\n",
    b"title: [\n", b"title: a\ntitle: b\n", b"files: {orders: http://127.0.0.1:9/o.csv}\n", b"files: [1]\n", b"1: 2\n",
    b"database: nothing://x\n", b"? [a]\n: b\n", b"title: 2024-01-01\n", b"timezone: Factory\n",
    b"margin: " + b"9" * 5000, b"currency: " + b"x" * 5000, b"timezone: 13812345678\n", b"13812345678: x\n",
    b"files: {'13812345678': x.csv}\n",
)  # fmt: skip


@st.composite
def sources(draw: Any) -> Source:
    """A whole source with damaged cells and bytes in some tables."""
    names = ["orders", *draw(st.sampled_from([("customers",), ("messages",), ("customers", "messages"),
                                              ("experiments", "arms", "assignments")]))]  # fmt: skip
    damaged = draw(st.sets(st.sampled_from(names), min_size=1, max_size=2))
    files = {}
    for name in names:
        sheet = Sheet.sound(name)
        if name in damaged:
            for _ in range(draw(st.integers(0, 4))):
                damage_cells(draw, sheet)
        content = sheet.content()
        if name in damaged:
            for _ in range(draw(st.integers(0, 2))):
                content = damage_bytes(draw, content)
        files |= _stored(draw, name, content) if name in damaged else {f"{name}.csv": content}
    if draw(st.integers(0, 5)) == 0:
        files["source.yml"] = draw(st.sampled_from(SETTINGS))
    return Source(files, draw(SHARES))


def _stored(draw: Any, name: str, content: bytes) -> dict[str, bytes]:
    """The file of a table: plain, compressed, truncated, or with a wrong name."""
    match draw(
        st.sampled_from(["csv"] * 6 + ["gz", "cut gz", "flipped gz", "not gz", "csv as parquet", "both", "sql"])
    ):
        case "gz":
            return {f"{name}.csv.gz": gzip.compress(content)}
        case "cut gz":
            packed = gzip.compress(content)
            return {f"{name}.csv.gz": packed[: draw(st.integers(0, len(packed)))]}
        case "flipped gz":
            packed = bytearray(gzip.compress(content))
            packed[draw(st.integers(0, len(packed) - 1))] ^= 1 << draw(st.integers(0, 7))
            return {f"{name}.csv.gz": bytes(packed)}
        case "not gz":
            return {f"{name}.csv.gz": content}
        case "csv as parquet":
            return {f"{name}.parquet": content}
        case "both":
            return {f"{name}.csv": content, f"{name}.csv.gz": gzip.compress(content)}
        case "sql":
            query = draw(
                st.sampled_from(
                    ["SELECT * FROM export", "SELECT *, 'a' AS line__ FROM export", "", "DROP TABLE export", "客户",
                     "SELECT 1; SELECT 2", "SELECT * FROM export WHERE 1 / 0 > 1", f"SELECT * FROM {name}",
                     "SELECT CAST('13812345678x' AS INT) AS order_id", "SELECT {x} FROM export",
                     "SELECT * FROM '/none/such/13812345678.csv'", "COPY export TO 'x.csv'",
                     "SELECT * FROM export UNION ALL SELECT * FROM export"]
                )
            )  # fmt: skip
            return {
                "export.csv": content,
                f"{name}.sql": query.encode(draw(st.sampled_from(["utf-8", "gb18030", "utf-16"]))),
            }
    return {f"{name}.csv": content}


def same_sum(one: float, other: float) -> bool:
    """Whether two sums are equal up to the order of addition."""
    return one == other or math.isclose(one, other, rel_tol=1e-12)


# --- parquet ---------------------------------------------------------------------------------------------------------

_INSTANTS = [dt.datetime(2024, 1, 1 + day, 12, 30) for day in range(12)]
_COLUMNS: dict[str, list[Any]] = {
    "id": [
        pa.array([f"{i:03}" for i in range(12)]),
        pa.array([f"{i:03}" for i in range(12)], pa.large_string()),
        pa.array([f"k{i // 3}" for i in range(12)]).dictionary_encode(),
        pa.array(range(12)),
        pa.array(range(2**63, 2**63 + 12), pa.uint64()),
        pa.array([float(i) for i in range(11)] + [None]),
        pa.array([float(i) for i in range(10)] + [math.nan, 1e300]),
        pa.array([f"{i:03}".encode() for i in range(11)] + [b"\xff"]),
        pa.array([{"a": i} for i in range(12)]),
        pa.array([[i] for i in range(12)]),
        pa.array([decimal.Decimal(i) for i in range(12)]),
        pa.array([None] * 12, pa.null()),
        pa.array([i % 2 == 0 for i in range(12)]),
    ],
    "number": [
        pa.array([1.5 * i for i in range(12)]),
        pa.array([1.5 * i for i in range(9)] + [math.nan, math.inf, None]),
        pa.array([1.5 * i for i in range(12)], pa.float32()),
        pa.array([decimal.Decimal(i) / 4 for i in range(12)]),
        pa.array(range(12), pa.int8()),
        pa.array([i % 2 == 0 for i in range(12)]),
        pa.array(["1,234.50", "￥99", "NaN", *(str(i) for i in range(9))]),
        pa.array([[1.0]] * 12),
        pa.array([{"a": 1.0}] * 12),
        pa.array([b"1.5"] * 12),
        pa.array(_INSTANTS),
        pa.array([None] * 12, pa.null()),
        pa.array([1e308] * 12),
    ],
    "time": [
        pa.array(_INSTANTS, pa.timestamp("us")),
        pa.array(_INSTANTS, pa.timestamp("ns")),
        pa.array(_INSTANTS, pa.timestamp("ms")),
        pa.array(_INSTANTS, pa.timestamp("s")),
        pa.array(_INSTANTS, pa.timestamp("us", "UTC")),
        pa.array(_INSTANTS, pa.timestamp("ns", "Asia/Shanghai")),
        pa.array([dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31), *_INSTANTS[:10]], pa.timestamp("us")),
        pa.array([-(2**62), 2**62, *range(10)]).cast(pa.timestamp("us")),
        pa.array([instant.date() for instant in _INSTANTS]),
        pa.array([instant.time() for instant in _INSTANTS]),
        pa.array([dt.timedelta(days=i) for i in range(12)]),
        pa.array([str(instant) for instant in _INSTANTS]),
        pa.array([int(instant.timestamp()) for instant in _INSTANTS]),
        pa.array([[instant] for instant in _INSTANTS]),
        pa.array([b"2024-01-01"] * 12),
        pa.array([None] * 12, pa.null()),
    ],
}


@st.composite
def parquet_sources(draw: Any) -> Source:
    """Orders (and customers) as parquet with every column type, then damaged."""

    def column(kind: str) -> Any:
        # The first array is valid; it is drawn half of the time.
        many = _COLUMNS[kind]
        return many[0] if draw(st.booleans()) else draw(st.sampled_from(many))

    orders = {
        "order_id": column("id"), "customer_id": column("id"), "ordered_at": column("time"), "amount": column("number"),
    }  # fmt: skip
    if draw(st.booleans()):
        orders["discount"] = column("number")
    if draw(st.integers(0, 5)) == 0:
        orders[draw(st.sampled_from([*EXTRA_NAMES, "AMOUNT", "amount ", ""]))] = column("number")
    files = {"orders.parquet": _written(draw, pa.table(orders))}
    if draw(st.integers(0, 2)) == 0:
        people = {"customer_id": column("id"), "joined_at": column("time"), "acquisition_cost": column("number")}
        people |= {"timezone": column("id"), "attr_x": column(draw(st.sampled_from(["id", "number", "time"])))}
        files["customers.parquet"] = _written(draw, pa.table(people))
    if draw(st.integers(0, 3)) == 0:
        files["source.yml"] = b"timezone: Asia/Shanghai\n"
    damaged = draw(st.sampled_from(sorted(files.keys() - {"source.yml"})))
    content = bytearray(files[damaged])
    match draw(
        st.sampled_from(["none", "none", "flip", "flip", "flip", "cut", "as csv", "parts", "in a folder", "as gz"])
    ):
        case "flip":
            for _ in range(draw(st.integers(1, 4))):
                content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
        case "cut":
            content = content[: draw(st.integers(0, len(content)))]
        case "as csv":
            del files[damaged]
            damaged = damaged.replace(".parquet", ".csv")
        case "as gz":
            del files[damaged]
            damaged = damaged.replace(".parquet", ".csv.gz")
        case "parts":
            other = pa.table({"order_id": column("id"), "amount": column("number"), "x": column("time")})
            del files[damaged]
            damaged = damaged.replace(".parquet", "/1.parquet")
            files[damaged.replace("1", "2")] = _written(draw, other)
        case "in a folder":
            del files[damaged]
            damaged = damaged.replace(".parquet", "/1.parquet")
    return Source(files | {damaged: bytes(content)}, draw(SHARES))


def _written(draw: Any, table: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(
        table,
        sink,
        compression=draw(st.sampled_from(["snappy", "none", "zstd", "gzip"])),
        use_dictionary=draw(st.booleans()),
        row_group_size=draw(st.sampled_from([5, 100])),
    )
    return sink.getvalue()
