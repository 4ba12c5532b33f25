"""The words on a page that are terms of art: each is linked, where it first stands, to its one definition below."""

import html
import re
from dataclasses import dataclass

from smsroi_helpers.locale import _

__all__ = ["Word", "link_words", "long_run_meaning"]


@dataclass(frozen=True)
class Word:
    """A term and its definition, in the reader's language."""

    anchor: str
    term: str
    meaning: str


def long_run_meaning() -> str:
    """What an amount in the long run is, in a sentence."""
    return _(
        "The profit of the coming weeks and of the time after them: later profit counts less, and an opt-out costs"
        " what the subscriber would have brought."
    )


def _words() -> list[tuple[str, str]]:
    """Spellings of each term, with ` / ` between them and the usual one first, and its definition."""
    return [
        (
            _("95% interval / 95% CI"),
            _(
                "Calculated so that, of 100 such intervals, about 95 contain the true value. The wider it is, the less"
                " is known."
            ),
        ),
        (
            _("randomised test"),
            _(
                "Customers are assigned to groups by chance. So what differs afterwards, beyond chance, is an"
                " effect of what the groups got."
            ),
        ),
        (
            _("observational"),
            _("From the log as it is: who got what was not drawn by chance, so differences can have other causes."),
        ),
        (_("modelled"), _("Calculated from measured results by a model; not itself measured.")),
        (_("long run / long-run"), long_run_meaning()),
        (
            _("held-out / holdout"),
            _("Customers drawn by chance who get no texts, so that the effect of texts can be measured."),
        ),
        (_("incremental"), _("What would not have come without the texts.")),
        (
            _("attributed"),
            _(
                "Orders credited to a text because they followed it within some time. Customers who would have bought"
                " anyway are credited too, so it is no effect."
            ),
        ),
        (_("last touch"), _("An order is credited to the last text before it.")),
        (_("message / messages"), _("Whatever went out to a customer by any channel: a text, or an e-mail.")),
        (_("subscriber"), _("A customer who gave consent to texts and has not withdrawn it.")),
        (
            _("exploring share"),
            _(
                "Customers of the plan whose hours, weekdays, frequencies and texts are drawn by chance, so that"
                " the next run learns from them."
            ),
        ),
        (
            _("cross-fitted"),
            _(
                "Chosen on one half of the customers and valued on the other, so that chance does not flatter the"
                " choice."
            ),
        ),
        (
            _("doubly robust"),
            _(
                "An estimate that is right if either the model of responses or the probability of each action is;"
                " here the probabilities are known, since the test drew them."
            ),
        ),
        (
            _("latent classes / latent class"),
            _(
                "Groups of customers that nobody sees directly, inferred from attributes, purchases and responses"
                " together."
            ),
        ),
        (_("power"), _("The probability that a test shows a true difference of the size given.")),
        (
            _("Holm / Bonferroni"),
            _(
                "Corrections for several comparisons at once: without them one in twenty would seem to differ by"
                " chance alone."
            ),
        ),
        (_("always-valid / always valid"), _("Right however often the running test is read, and wider for that.")),
        (_("CUPED"), _("Deducts what customers did before the test, which makes the interval narrower.")),
        (
            _("RFM"),
            _(
                "Recency, frequency and monetary value of purchases, from which rules make the groups gold, value,"
                " growth, dormant and lost; the page on segments has the rules."
            ),
        ),
        (
            _("BG/NBD / MBG/NBD / Pareto/NBD"),
            _("Models of how often customers buy and when they stop, fitted to the days of their purchases."),
        ),
        (_("Gamma–Gamma"), _("Model of what customers spend per purchase.")),
        (_("P(alive)"), _("The probability that a customer still buys here, by the model of purchases.")),
        (
            _("Kaplan–Meier"),
            _("The share who stay, by time: whoever was observed for a shorter time counts for as long as that."),
        ),
        (
            _("partially pooled / pooled"),
            _("Segments are estimated together: the fewer customers one has, the more it is drawn towards all."),
        ),
        (_("ROI"), _("Profit, after what the messages cost, divided by that cost.")),
    ]


def link_words(page: str) -> tuple[str, list[Word]]:
    """Link each term to its definition where it first stands in a paragraph, an item of a list or a caption.

    Args:
        page: body of a page, as HTML.

    Returns:
        the body with links to `#word-…`, and the words found, in alphabetical order.
    """
    found: list[Word] = []
    for number, (spellings, meaning) in enumerate(_words(), start=1):
        names = spellings.split(" / ")
        anchor = f"word-{number}"
        pattern = re.compile("|".join(_bounded(html.escape(name, quote=False)) for name in names), re.IGNORECASE)
        page, linked = _link_first(page, pattern, anchor)
        if linked:
            found.append(Word(anchor, names[0], meaning))
    return page, sorted(found, key=lambda word: word.term.casefold())


def _bounded(name: str) -> str:
    """A pattern of a whole word; Chinese has no blanks between words."""
    before = r"(?<![\w/.])" if re.match(r"[A-Za-z0-9]", name) else ""
    after = r"(?![A-Za-z0-9_/]|[-.]\w)" if re.search(r"[A-Za-z0-9]$", name) else ""
    return f"{before}{re.escape(name)}{after}"


_TEXTS = re.compile(
    r'<(p|li|figcaption|caption)\b(?! class="q")[^>]*>(?:(?!<(?:p|li|div|ul|ol|table)\b).)*?</\1>', re.DOTALL
)
"""What may have links: no headings, and no questions above their answers, which are headings too."""
_CLOSED = re.compile(r"<(a|code|math|svg)\b.*?</\1>|<[^>]+>", re.DOTALL)
"""What no link may stand in: links, code, formulas, pictures, and tags themselves."""


def _link_first(page: str, pattern: re.Pattern[str], anchor: str) -> tuple[str, bool]:
    for block in _TEXTS.finditer(page):
        position = block.start()
        for closed in [*_CLOSED.finditer(page, block.start(), block.end()), None]:
            end = closed.start() if closed else block.end()
            if word := pattern.search(page, position, end):
                link = f'<a class="word" href="#{anchor}">{word[0]}</a>'
                return page[: word.start()] + link + page[word.end() :], True
            position = closed.end() if closed else end
    return page, False
