r"""The name of a customer in a greeting of a text: `Hi Anna, …`, `亲爱的王芳，…`.

Texts that differ by it only are one campaign, and no page shows it. The patterns are of RE2, the engine's.
"""

__all__ = ["NAME", "nameless"]

NAME = "{name}"
"""What stands for a name."""
_WORDS = (
    "hi", "hiya", "hey", "hello", "dear", "welcome", "welcome back", "thanks", "thank you", "good morning",
    "good afternoon", "good evening", "congrats", "happy birthday", "hola", "querida", "querido", "estimada",
    "estimado", "hallo", "guten tag", "guten morgen", "liebe", "lieber", "moin", "servus", "bonjour", "salut", "coucou",
    "cher", "chère", "ciao", "buongiorno", "cara", "caro", "olá", "oi", "hoi", "beste", "hej", "hei",
)  # fmt: skip
_EVERYBODY = (
    "there", "all", "everyone", "everybody", "again", "back", "friend", "friends", "guys", "folks", "team", "you",
    "customer", "member", "todos", "zusammen", "alle", "tous", "tutti",
)  # fmt: skip
_MEMBERS = ("会员", "顾客", "客户", "用户", "朋友", "朋友们", "家人", "家人们", "粉丝", "亲", "您", "小伙伴")
_TITLE = r"(?:(?:mr|mrs|ms|dr|herr|frau|mme|sr|sra|sig)\.? )?"
_NAME = _TITLE + r"\p{L}[\p{L}\p{M}'’-]*(?: \p{L}[\p{L}\p{M}'’-]*){0,2}"
_CAPITAL = r"\p{Lu}[\p{L}\p{M}'’-]*"
_START = r"(?:[^\p{L}]*|[^:：]{1,30}[:：]\s*|\s*【[^】]*】\s*)"
_END = r"\s*[^\p{L}\p{M}\p{N}\s'’-]|\s-"
_HAN = r"[^\s，,。.！!：:；;、？?~～【】{}]{1,12}"
_PATTERNS = (
    (rf"(?i)(^.{{0,40}}?\b(?:{'|'.join(_WORDS)})\s+)(?:{_NAME})({_END}|$)", rf"\1{NAME}\2"),
    (rf"(^.{{0,40}}?\b(?i:{'|'.join(_WORDS)})\s+){_CAPITAL}(\s)", rf"\1{NAME}\2"),
    (r"(?i)(^.{0,40}?\b(?:hi|hey|hello|dear|hola|hallo|bonjour|ciao)\s+)\p{L}+(\s)", rf"\1{NAME}\2"),
    (rf"(^{_START}){_CAPITAL}(,\s)", rf"\1{NAME}\2"),
    (rf"(^.{{0,20}}?(?:亲爱的|尊敬的|嗨|哈喽|[Hh]i|[Hh]ello)[ ,，]?){_HAN}([，,。！!：:、~～])", rf"\1{NAME}\2"),
    (rf"(^\s*(?:【[^】]*】)?\s*){_HAN}([，, ]?(?:您好|你好))", rf"\1{NAME}\2"),
)
_FIXED = (
    rf"(?i)^.{{0,40}}?\b(?:{'|'.join(_WORDS)})\s+(?:{'|'.join(_EVERYBODY)})\b|"
    rf"^.{{0,20}}?(?:亲爱的|尊敬的|嗨|哈喽)[ ,，]?(?:{'|'.join(_MEMBERS)})"
)
"""Greetings of everybody, which have no name."""


def nameless(column: str) -> str:
    """Return an expression of SQL: the text with `{name}` for the name after a greeting at its beginning.

    A word such as `spring` in `Hello spring!` may look like a name, so compare the texts: a name differs among them.

    Args:
        column: name of a column of text.

    >>> import duckdb
    >>> duckdb.sql(f"SELECT {nameless('said')} FROM (SELECT 'Hi Anna, new tea' AS said)").fetchone()
    ('Hi {name}, new tea',)
    """
    text = column
    for pattern, replacement in _PATTERNS:
        text = f"regexp_replace({text},\n            {_literal(pattern)}, {_literal(replacement)})"
    return f"CASE WHEN regexp_matches({column},\n            {_literal(_FIXED)})\n        THEN {column} ELSE {text} END"


def _literal(pattern: str) -> str:
    return "'" + pattern.replace("'", "''") + "'"
