"""Who is nobody: the words, signs, dummy addresses and dummy numbers that stand where a customer's id is missing."""

from collections import defaultdict
from collections.abc import Callable
from typing import Literal

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import Connection, keep_rows
from smsroi_helpers.source.number_text import DUMMY_DIGITS, DUMMY_TAIL
from smsroi_helpers.source.types import key_of

__all__ = [
    "GUESTS",
    "GUESTS_REMEDY",
    "GUEST_ID",
    "LEAST_GUEST_ORDERS",
    "find_guests",
]

GUEST_ID = "guest"
"""The id that stands for customers without an identity."""
GUESTS: tuple[str, Literal["warning"]] = ("rows of guests", "warning")
GUESTS_REMEDY = (
    "a guest is no one person, so guests are left out of everything about customers and counted on the data page;"
    " if the id is one customer's, give it another name in a .sql mapping"
)
_QUOTES = r"[\s'\"`´‘’“”]*"
_EMPTY = (
    r"[(<\[{]?(?:\\n|#?n/a!?|n\.\s?a\.?|null|none|undefined|unknown|empty|blank|missing"
    r"|(?:not?|un)[\s_-]?(?:available|applicable|provided|given|specified|known|set|found)"
    r"|#(?:ref|value|name|div/0|null|num)[!?])[)>\]}]?"
)
_NOBODY = (
    r"anonymous(?:[\s_-]?(?:user|customer|buyer))?|guest(?:[\s_-]?(?:checkout|user|customer|buyer|order))?|nobody"
    r"|walk[\s_-]?in(?:[\s_-]?customer)?|no[\s_-]?(?:e?-?mail|phone|number|mobile|tel|customer|name|id|account|address)"
    r"|(?:匿名|散客|游客|未知|不详|无名|訪客|匿名ゲスト|ゲスト)(?:用户|客户|顾客|会员)?|空|无|無|没有|沒有|暂无|暫無|未填写?|未提供|未绑定"
    r"|(?:无|無|没有|沒有|暂无|暫無)(?:数据|信息|手机号?码?|电话|邮箱|會員|会员|客户)"
)
_SIGNS = r"[\p{P}\p{Z}\s+=~^$<>|`]+"
"""Signs alone: `-`, `.`, `***`; a picture such as 🎁 is a name."""
_NO_ADDRESS = (
    r"(?:no[._-]?(?:e?-?mail|mail|address|reply|one)|do[._-]?not[._-]?reply|none|null|nobody|unknown|undefined|anonymous"
    r"|not[._-]?(?:provided|available|given))@[\w.-]+"
)
_DUMMY_WORD = r"(?:n\.?a|nil|nan|no|test|dummy|fake|guest|abc|asdf|xxx|e-?mail|mail|none|null|unknown)"
_DUMMY_ADDRESS = rf"{_DUMMY_WORD}@(?:{_DUMMY_WORD}|nomail|noemail|example)\.[\w.]+"
_SURE = (
    rf"^(?i:{_QUOTES}(?:{_EMPTY}(?:[\s/,;_|-]+{_EMPTY})*|{_NOBODY}"
    rf"|[<\[(]?(?:mailto:)?(?:{_NO_ADDRESS}|{_DUMMY_ADDRESS})[>\])]?){_QUOTES})$|^{_SIGNS}$"
)
"""Nobody's id, in every table and however few rows have it."""
_WORDS = (
    rf"^(?i:{_QUOTES}(?:na|nil|nan|nat|dummy|x{{3,}}|test(?:[\s_-]?(?:user|customer|order))?"
    rf"|测试(?:用户|账号|客户)?){_QUOTES})$"
)
"""Nobody's id, or the name of a customer."""
_ZEROS = r"^(?:-?0+(?:\.0+)?|-1|0{8}-0{4}-0{4}-0{4}-0{12})$"
LEAST_GUEST_ORDERS = 10
"""Orders from which a word that may also be a name counts as guests; fewer are one customer's, as any other id."""
_TIMES_THE_NEXT = 3
"""A zero, an empty id or a number such as 138 0000 0000 counts as guests if it has more than three times the orders of
any customer: `0` can be a customer's number."""
_LEAST_DUMMY_DIGITS = 9
"""Digits of a dummy number among ids that are no telephone numbers; shorter ones may be any customer's number."""

_Sort = Literal["sure", "word", "zero", "dummy"]


def find_guests(
    con: Connection, ids: ir.Table, orders: ir.Table | None, number_of: Callable[[str], str], *, digits_are_phones: bool
) -> frozenset[str | None]:
    """Return the ids that are nobody's, as `read_id` returns them; None: the empty id of orders.

    Args:
        con: the engine.
        ids: place, key (as written), id: the ids of all tables.
        orders: the raw orders; ids that may be a customer's are nobody's only if they have conspicuously many orders.
        number_of: returns the one spelling of a valid telephone number; empty for other text.
        digits_are_phones: digits alone are telephone numbers.
    """
    groups: dict[tuple[_Sort, str], set[str]] = defaultdict(set)
    for text, sort in _suspects(ids):
        number = number_of(text) if sort in ("dummy", "zero") else ""
        if sort == "dummy":
            sort = "zero" if number else _sort_of_dummy(text, digits_are_phones=digits_are_phones)
        groups[sort, number or _digits(text) or text.lower()].add(text)
    nobody: set[str | None] = {text for (sort, _word), texts in groups.items() if sort == "sure" for text in texts}
    if orders is None:
        return frozenset(nobody)
    written = orders.group_by(key=key_of(orders.customer_id)).aggregate(orders=ibis._.count())
    # Each id is read once, in `ids`; a key without one there is empty.
    read = written.left_join(ids.filter(ids.place == "orders.customer_id").select("key", "id"), "key")
    counts = keep_rows(con, "orders_of_ids__", read.group_by("id").aggregate(orders=read.orders.sum()))
    suspected = counts.id.isnull() | counts.id.isin(sorted({text for texts in groups.values() for text in texts}))
    found = counts.filter(suspected.fill_null(True)).to_pyarrow().to_pylist()
    orders_of = {row["id"]: int(row["orders"]) for row in found}
    doubtful = {key: texts for key, texts in groups.items() if key[0] != "sure" and texts & orders_of.keys()}
    if not doubtful and None not in orders_of:
        return frozenset(nobody)
    most = int(counts.aggregate(n=counts.orders.max(where=~suspected)).execute()["n"].fillna(0).iloc[0])
    candidates: list[tuple[_Sort, set[str | None]]] = [(sort, {*texts}) for (sort, _word), texts in doubtful.items()]
    candidates.append(("zero", {None}))
    for why, candidate in candidates:
        of_these = sum(orders_of.get(text, 0) for text in candidate)
        if of_these >= LEAST_GUEST_ORDERS and (why == "word" or of_these > _TIMES_THE_NEXT * most):
            nobody |= candidate
    return frozenset(nobody)


def _suspects(ids: ir.Table) -> list[tuple[str, _Sort]]:
    """Return the different ids that may be nobody's, and why."""
    text = ids.id
    is_number = text.re_search(r"^[+\s().\-]*[0-9][0-9\s().\-]*$")
    sort = ibis.cases(
        (text.re_search(_SURE), "sure"),
        (text.re_search(_WORDS), "word"),
        (text.re_search(_ZEROS), "zero"),
        (is_number & _digits_of(text).re_search(DUMMY_DIGITS), "dummy"),
        (is_number & _digits_of(text).re_search(DUMMY_TAIL), "zero"),
    )
    found = ids.select("id", sort=sort).filter(ibis._.sort.notnull()).distinct().to_pyarrow().to_pylist()
    return sorted((row["id"], row["sort"]) for row in found)


def _sort_of_dummy(text: str, *, digits_are_phones: bool) -> _Sort:
    """A dummy number that no country has is nobody's where ids are numbers; elsewhere it may be any customer's."""
    if digits_are_phones or text.startswith("+"):
        return "sure"
    return "word" if len(_digits(text)) >= _LEAST_DUMMY_DIGITS else "zero"


def _digits_of(text: ir.StringValue) -> ir.StringValue:
    return text.re_replace("[^0-9]", "")


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdecimal())
