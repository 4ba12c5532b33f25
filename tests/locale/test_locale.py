"""Phrases, numbers and money in the reader's language."""

import ast
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jinja2
import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from jinja2.nodes import Call, Const, Name

import smsroi_helpers
from smsroi_helpers import locale
from smsroi_helpers.errors import UsageError
from smsroi_helpers.pages import compact_words
from smsroi_helpers.runner import collect_messages
from smsroi_helpers.runner.notebook_page import _markdown

PACKAGE = Path(smsroi_helpers.__file__).parent
NOTEBOOKS = PACKAGE.parent / "notebooks"
LANGUAGES = [code for code in locale.available_languages() if code != "en"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (lambda: locale.number(-1234.5678, 2), "−1,234.57"),
        (lambda: locale.number(-0.001, 2), "0.00"),
        (lambda: locale.number(float("inf")), "–"),
        (lambda: locale.percent(0.1239, 1), "12.4%"),
        (lambda: locale.percent(float("nan")), "–"),
        (lambda: locale.money(1234.5, "JPY"), "¥1,234"),
        (lambda: locale.money(-1234.5, "USD", 0), "−$1,234"),
        (lambda: locale.day("1997-09-30"), "Sep 30, 1997"),
    ],
)
def test_numbers_in_english(shown, expected):
    assert shown() == expected


@pytest.mark.parametrize(
    ("low", "high", "digits"), [(1533.2, 1799.9, -1), (9.8, 15.1, 1), (0.0009, 0.0151, 3), (5.0, 5.0, 0), (0, 100, -1)]
)
def test_an_interval_gets_two_figures_of_its_width(low, high, digits):
    assert locale.rounded_digits(low, high) == digits


def test_an_interval_reads_as_a_sentence():
    assert locale.interval(1653.41, 1540.2, 1766.6) == "1,650 (95% interval 1,540 to 1,770)"
    assert locale.interval(0.9241, 0.88, 0.97, "USD") == "$0.924 (95% interval $0.880 to $0.970)"


def test_texts_name_their_language_in_the_reader_s():
    locale.use_language("zh")
    assert [locale.language_name(code) for code in ("en", "zh", "ja")] == ["英文", "中文", "日语"]


def test_a_language_without_a_catalogue_is_refused():
    with pytest.raises(UsageError, match="unknown language 'fr'; choose one of en"):
        locale.use_language("fr")
    assert locale.language() == "en"


def test_paragraphs_are_parted_by_blank_lines_and_put_back():
    text = "# Title\n\n1. one\n2. two\n\n\n*last*\n"
    assert locale.paragraphs(text) == ["# Title", "1. one\n2. two", "*last*"]
    assert locale.translate_markdown(text) == "# Title\n\n1. one\n2. two\n\n*last*"


# Chinese


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (lambda: locale.number(-1234567.891, 2), "−1,234,567.89"),
        (lambda: locale.number(float("nan")), "–"),
        (lambda: locale.percent(0.1239, 1), "12.4%"),
        (lambda: locale.money(1234.5, "CNY"), "¥1,234.50"),
        (lambda: locale.money(-12.3, "CNY", 0), "−¥12"),
        (lambda: locale.money(1234.5, "USD"), "US$1,234.50"),
        (lambda: locale.money(1234.5, "JPY"), "JP¥1,234"),
        (lambda: locale.money(130_000.0, "CNY", 0), "¥13万"),
        (lambda: locale.short_money(232_812.0, "USD"), "US$23.28万"),
        (lambda: locale.short_money(9_812.4, "USD"), "US$9,812"),
        (lambda: locale.money(-13_000.0, "USD", 0), "−US$1.3万"),
        (lambda: locale.money(250_000_000.0, "CNY", 0), "¥2.5亿"),
        (lambda: locale.money(17_758.0, "CNY", 0), "¥17,758"),
        (lambda: locale.money(130_000.0, "CNY"), "¥130,000.00"),
        (lambda: locale.money_range(1e4, -9e3, 21e4, "USD"), ("US$1万", "−US$9,000", "US$21万")),
        (lambda: locale.money_range(12_340.0, 12_000.0, 12_700.0, "CNY"), ("¥12,340", "¥12,000", "¥12,700")),
        (lambda: locale.money_range(1.2e8, 9e7, 1.5e8, "CNY"), ("¥1.2亿", "¥0.9亿", "¥1.5亿")),
        (lambda: locale.money_range(99.5e6, 81e6, 101e6, "CNY"), ("¥99,500,000", "¥81,000,000", "¥101,000,000")),
        (lambda: locale.money_range(0.5, 0.25, float("nan"), "CNY", 2), ("¥0.50", "¥0.25", "–")),
        (lambda: compact_words(128_400.0, 51_000.0, 207_000.0, "CNY"), "¥13万（¥5万至 ¥21万）"),
        (lambda: compact_words(128_400.0, 51_000.0, 207_000.0), "130,000（50,000 至 210,000）"),
        (lambda: locale.day("1997-09-30"), "1997年9月30日"),
        (lambda: locale.day("2025-01-02"), "2025年1月2日"),
        (lambda: locale.interval(1653.41, 1540.2, 1766.6), "1,650（95% 置信区间 1,540 至 1,770）"),
        (lambda: locale.interval(0.9241, 0.88, 0.97, "CNY"), "¥0.924（95% 置信区间 ¥0.880 至 ¥0.970）"),
        (lambda: locale.sentence("可以继续"), "可以继续。"),
        (lambda: locale.sentence("完整吗？"), "完整吗？"),
        (lambda: locale.joined("一。", "", "二。"), "一。二。"),
        (lambda: locale.listed(["一", "二"]), "一；二"),
    ],
)
def test_numbers_and_sentences_in_chinese(shown, expected):
    locale.use_language("zh")
    assert shown() == expected


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["¥13万（¥5万至 ¥21万）", "¥7,500", "¥0", "–"], ["¥13万（¥5万至 ¥21万）", "¥0.75万", "¥0", "–"]),
        (["¥28万（−¥6万至 ¥62万）", "¥2,000 至 ¥1.5万"], ["¥280,000（−¥60,000 至 ¥620,000）", "¥2,000 至 ¥15,000"]),
        (["−¥1.3万至 ¥2万，共 3 组", "¥950"], ["−¥13,000 至 ¥20,000，共 3 组", "¥950"]),
        (["−US$1.3万", "US$17,758"], ["−US$13,000", "US$17,758"]),  # not rounded
        (["US$1.3万（6 周）", "−US$900 至 US$1.7万"], ["US$13,000（6 周）", "−US$900 至 US$17,000"]),  # small
        (["¥1.2亿", "¥900万"], ["¥12,000万", "¥900万"]),
        (["¥1.2亿", "¥0.9亿"], ["¥1.2亿", "¥0.9亿"]),
        (["¥17,758", "¥12"], ["¥17,758", "¥12"]),
        (["CHF\u00a012万", "CHF\u00a01,250.50"], ["CHF\u00a0120,000", "CHF\u00a01,250.50"]),
        (["13 万位客户", "2,500 位"], ["13 万位客户", "2,500 位"]),  # no money
    ],
)
def test_a_column_of_amounts_has_one_unit_and_no_amount_changes(cells, expected):
    assert locale.one_unit(cells) == cells
    locale.use_language("zh")
    assert locale.one_unit(cells) == expected


def test_a_notebook_is_translated_with_its_marks():
    locale.use_language("zh")
    assert locale.translate_markdown("# Is this log fit to analyse?\n\n## Result") == (
        "# 这份数据可以用来分析吗？\n\n## 结果"
    )


# the messages


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_every_phrase_is_a_literal_that_can_be_collected(file):
    """Babel passes over everything else in silence, and over whatever stands within an f-string."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        place = f"{file}:{getattr(node, 'lineno', 0)}"
        if _calls_underscore(node):
            texts = [isinstance(one, ast.Constant) and isinstance(one.value, str) for one in node.args]
            assert (texts, node.keywords) == ([True], []), f"{place}: {ast.unparse(node)} is not one literal text"
        if isinstance(node, ast.JoinedStr):
            within = [ast.unparse(inner) for inner in ast.walk(node) if _calls_underscore(inner)]
            assert not within, f"{place}: take {within[0]} out of the f-string"


def _calls_underscore(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.j2")), ids=lambda file: file.name)
def test_every_phrase_of_a_template_is_a_literal(file):
    for call in jinja2.Environment(autoescape=True).parse(file.read_text(encoding="utf-8")).find_all(Call):
        if isinstance(call.node, Name) and call.node.name == "_":
            literal = [type(argument) for argument in call.args] == [Const]
            assert literal, f"{file}:{call.lineno}: a phrase is not one literal text"


def test_every_heading_of_a_notebook_is_a_message_of_its_own():
    for file in NOTEBOOKS.rglob("[0-9][0-9]_*.ipynb"):
        for number, cell in enumerate(json.loads(file.read_text(encoding="utf-8"))["cells"], start=1):
            if cell["cell_type"] == "markdown":
                for block in locale.paragraphs("".join(cell["source"])):
                    mark, words = locale.heading_parts(block)
                    assert not (mark and "\n" in words), f"{file}, cell {number}: a blank line goes after {block!r}"


def test_phrases_from_elsewhere_stand_there():
    code = "".join(
        file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py") if file.name != "collect_messages.py"
    )
    assert [text for text in collect_messages.FINDING_MESSAGES if f'"{text}"' not in code] == []


# the catalogues


@pytest.fixture(scope="module")
def found():
    return collect_messages.collect_messages(NOTEBOOKS)


@pytest.fixture(params=LANGUAGES)
def catalogue(request):
    path = PACKAGE / "locale" / request.param / "LC_MESSAGES" / "smsroi.po"
    with path.open("rb") as file:
        return Catalogue(path, [message for message in read_po(file, locale=request.param) if message.id])


class Catalogue(NamedTuple):
    """The messages of a language."""

    path: Path
    messages: list[Message]

    def wrong(self, is_wrong: Callable[[Message], object]) -> str:
        """File, line and text of each message that is wrong; empty where none is."""
        return "\n".join(f"{self.path}:{one.lineno}: {one.id!r}" for one in self.messages if is_wrong(one))


def test_the_report_speaks_chinese():
    assert "zh" in LANGUAGES


def test_every_message_is_translated_and_none_is_stale(found, catalogue):
    todo = "run `python -m smsroi_helpers.runner.collect_messages`, then translate what is empty or marked fuzzy"
    translated = {message.id for message in catalogue.messages if message.string and not message.fuzzy}
    places = {text: ", ".join(f"{file}:{line}" for file, line in found[text]) for text in set(found) - translated}
    missing = "\n".join(sorted(f"{place}: {text!r}" for text, place in places.items()))
    assert not missing, f"{todo}\n{missing}"
    stale = catalogue.wrong(lambda message: message.id not in found)
    assert not stale, f"{todo}\n{stale}"


def test_a_translation_has_the_placeholders_formulas_and_code_of_its_message(catalogue):
    for what in (r"\{\w*\}", r"\$[^$]+\$", r"`[^`]+`"):
        wrong = catalogue.wrong(
            lambda m, what=what: Counter(re.findall(what, m.string)) != Counter(re.findall(what, m.id))
        )
        assert not wrong, wrong


def test_a_translation_has_the_marks_of_its_message(found, catalogue):
    """Emphasis beside a full-width stop is easily no emphasis to Markdown: what is rendered is compared."""

    def has_others(message):
        of_notebook = any(place.startswith("notebooks/") for place, _line in found.get(message.id, []))
        plain = re.sub("<[^>]+>", "", _markdown(message.string))
        return of_notebook and (_tags(message.string) != _tags(message.id) or "*" in plain)

    assert not (wrong := catalogue.wrong(has_others)), wrong


def _tags(markdown):
    return Counter(re.findall(r"<(\w+)", _markdown(markdown).replace("<em>", "<strong>")))


# marks between phrases

_MARK = re.compile(r"[.,;:!?] ?| \(")
# Lists of file names, tables and colours, and errors, which are in English.
_ENGLISH = {
    "notebook.py", "pages/style.py", "pages/table.py", "runner/attempt.py", "runner/frame.py", "runner/index_page.py",
}  # fmt: skip


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_marks_between_phrases_are_phrases(file):
    """In Chinese they are full-width, so a module with phrases joins them by `listed`, `_(", ")` or a phrase."""
    text = file.read_text(encoding="utf-8")
    if not re.search(r"^from smsroi_helpers.locale import [^\n]*\b_\b", text, re.MULTILINE):
        return
    if str(file.relative_to(PACKAGE)) in _ENGLISH:
        return
    wrong = [f"{file}:{line}: {source}" for line, source in _fixed_marks(ast.parse(text))]
    assert not wrong, "\n".join(wrong)


def _fixed_marks(tree):
    """Line and source of strings that are joined by a half-width mark: by `join`, `+` or within an f-string."""
    for node in ast.walk(tree):
        parts = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
            parts = [node.func.value]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [node.left, node.right]
        elif isinstance(node, ast.JoinedStr):
            parts = node.values[1:] if any(_is_words(part) for part in node.values) else []
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and _MARK.fullmatch(part.value):
                yield node.lineno, ast.unparse(node)


def _is_words(part):
    """Whether a part of an f-string is the result of a function that returns words."""
    called = part.value.func if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id.endswith(("_words", "_name"))


@pytest.mark.parametrize(
    "source",
    [
        '"; ".join(names)',
        'caption += ". " + words',
        'f"{segment_name(a)}: {b}"',
        'f"{arm_name(a)} ({b})"',
        'f"{problem_words(warning)}."',
    ],
)
def test_a_half_width_mark_is_found(source):
    assert list(_fixed_marks(ast.parse(source)))


# blanks between Chinese and numbers


def test_a_phrase_has_one_blank_between_chinese_and_numbers_whatever_it_holds():
    locale.use_language("zh")
    shown = locale._("{n} customers").format
    assert (shown(n="5"), shown(n="5万"), shown(n="若干")) == ("5 位客户", "5万位客户", "若干位客户")
    dated = locale._("as of {date}").format
    assert (dated(date=locale.day("2026-06-28")), dated(date="today")) == ("截至 2026年6月28日", "截至 today")
    between = locale._("{arm} and {control} differed before the test already ({metric} before the assignment, p {p})")
    said = between.format(arm="每周 2 条", control="A", metric="收入", p="0.01")
    assert said == "每周 2 条与 A 在实验之前就已不同（分配前的收入，p 值 0.01）"


def test_chinese_phrases_have_a_blank_beside_numbers_and_latin_letters(catalogue):
    """Dates (2026年6月) and amounts in 万 and 亿 are written solid."""
    han, narrow = r"[\u4e00-\u9fff]", r"[0-9A-Za-z`]"
    solid = re.compile(rf"{han}(?<![年月]){narrow}|(?:{narrow}|%)(?!(?<=[0-9])[年月日万亿]){han}|{han} {han}")
    assert not (wrong := catalogue.wrong(lambda message: solid.search(message.string))), wrong


def test_chinese_phrases_name_an_interval_in_one_way(catalogue):
    otherwise = re.compile(r"95 ?% ?(可信)?区间|95 %")
    assert not (wrong := catalogue.wrong(lambda message: otherwise.search(message.string))), wrong


def test_a_wrong_translation_is_named_by_file_and_line(tmp_path):
    path = tmp_path / "smsroi.po"
    path.write_text('msgid "a"\nmsgstr "b"\n\nmsgid "{n} days"\nmsgstr "天"\n', encoding="utf-8")
    with path.open("rb") as file:
        read = Catalogue(path, [message for message in read_po(file) if message.id])
    assert read.wrong(lambda message: "{n}" not in message.string and "{n}" in message.id) == f"{path}:4: '{{n}} days'"
