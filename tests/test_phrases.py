"""Words and phrases that this project does not use, because a reader stumbled over them: the standard term stands in.

A phrase may be broken over lines of source: within strings, comments and paragraphs, white space, quotes and comment
marks between two words count as one space.
"""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from smsroi_helpers.runner.collect_messages import collect_messages

ROOT = Path(__file__).parents[1]
HERE = "tests/test_phrases.py"

# Not this → but that. Where there is none, the second says what to write about.
PHRASES = {
    "by lot": "randomly assigned; randomised",
    "the doing of": "the change caused the difference",
    "put aside": "rejected; quarantined",
    "foretell": "predict; estimate",
    "foretells": "predicts; estimates",
    "foretold": "predicted; estimated",
    "told of": "predicted; estimated",
    "what it says of": "predicted; estimated",
    "held against": "compared with; tested against",
    "what the records say": "observational data; descriptive results",
    "worked out, not seen": "modelled, not observed",
    "does not hold": "is not supported; fails the check",
    "does not stand": "is not supported; fails the check",
    "cannot be told from": "not distinguishable from",
    "told from": "distinguishable from",
    "cannot be told": "is not known; cannot be estimated",
    "can be told": "is known; can be estimated",
    "is told by the": "is estimated from; is shown by",
    "are told by the": "are estimated from; are shown by",
    "count with the newest": "base decisions on; plan with",
    "it holds for": "it applies to; use it for",
    "holds the true value": "about 95 of 100 such intervals contain the true value",
    "hold the true value": "contain the true value",
    "holds both a gain worth having and none": "the interval includes zero and a worthwhile gain",
    "four times out of five": "detectable with 80 % power",
    "forgo": "lose",
    "forgone": "lost",
    "falls short": "is below; fails",
    "what texting brings": "incremental profit of texting",
    "what texts bring": "incremental profit of texting",
    "what a subscriber is worth": "long-run value per subscriber; the value of a subscriber",
    "Mind:": "Caveat:",
    "stretch": "interval",
    "ledger": "incremental profit by month",
    "people about": "active hours",
    "a customer's day is the segment's": "the segment's daily pattern, shifted by a fixed number of hours",
    "so many hours later": "the segment's daily pattern, shifted by a fixed number of hours",
    "nobody bought twice is no basis": "there are no repeat purchases, so … cannot be estimated",
    "worth a subscriber texted so": "long-run value per subscriber",
    "look_at_hours": "analyse_timing",
    "what_came": "outcomes_by_segment",
    "told_of": "summarise_draws",
    "perhaps_best": "best_set",
}
# Not on pages; in docstrings it is a plain word.
PAGE_PHRASES = {"worked out": "modelled; calculated"}
# Binary files, versions of other packages, and the catalogues: their English is that of the source, once collected.
UNREAD = {".png", ".ttf", ".woff2", ".gz", ".xlsx", ".zip", ".parquet", ".lock", ".po"}


def _pattern(phrase: str) -> re.Pattern[str]:
    """The phrase as whole words, in any case, over line breaks, with either apostrophe."""
    between = r"(?:\s|\\n|[\"#,]|\bf\")+"
    words = between.join(re.escape(word).replace("'", "['’]") for word in phrase.split())
    end = r"(?!\w)" if phrase[-1].isalnum() else ""
    return re.compile(rf"(?<!\w){words}{end}", re.IGNORECASE)


PATTERNS = {phrase: _pattern(phrase) for phrase in PHRASES}
# A word of each: searching for it takes much less time than the pattern.
RAREST = {phrase: max(re.findall(r"\w+", phrase), key=len).lower() for phrase in PHRASES}


def _find(text: str) -> list[tuple[int, str]]:
    """The phrases in a text: (line, phrase)."""
    lowered = text.lower()
    return sorted(
        (text.count("\n", 0, found.start()) + 1, phrase)
        for phrase, pattern in PATTERNS.items()
        if RAREST[phrase] in lowered
        for found in pattern.finditer(text)
    )


def _tracked() -> list[str]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository: the tracked files are not known")
    return [name for name in listed.split("\0") if name and name != HERE and Path(name).suffix not in UNREAD]


def test_no_tracked_file_has_a_phrase_that_readers_stumbled_over() -> None:
    found = []
    for name in _tracked():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        found += [f"{name}:{line}: {phrase!r}; write: {PHRASES[phrase]}" for line, phrase in _find(text)]
    assert not found, "\n" + "\n".join(found)


def test_no_phrase_of_a_page_has_words_that_readers_stumbled_over() -> None:
    found = [
        f"{place}: {phrase!r}; write: {instead}"
        for message, places in collect_messages(ROOT / "notebooks").items()
        for phrase, instead in PAGE_PHRASES.items()
        if _pattern(phrase).search(message)
        for place in places
    ]
    assert not found, "\n".join(found)


def test_answers_name_things_and_not_columns() -> None:
    """The words of decisions: a key is there where the reader has to type it, between backticks, and nowhere else."""
    modules = sorted((ROOT / "smsroi_helpers").glob("*/*wording.py"))
    assert len(modules) > 10
    found = []
    for module in modules:
        for call in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_":
                words = re.sub(r"`[^`]*`|\{\w*\}", "", str(ast.literal_eval(call.args[0])))
                keys = re.findall(r"\b[a-z]+_[a-z_]+\b|\b(?:customers|messages|orders)\.[a-z]+\b", words)
                found += [f"{module.relative_to(ROOT)}:{call.lineno}: {key}" for key in keys]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        '_("drawn by"\n    " lot, so")',
        "# drawn by\n# lot",
        "By lot.",
        'f"parted by "\n f"lot"',
        "A customer’s day is the\nsegment’s",
        "**Mind:** it",
    ],
)
def test_a_phrase_is_found_over_lines_in_any_case(text: str) -> None:
    assert _find(text)


@pytest.mark.parametrize("text", ["by lots of people", "remind: later", "told off", "a stretchy word", "ab_ledger"])
def test_another_word_is_not_the_phrase(text: str) -> None:
    assert not _find(text)
