"""The distinct texts of a source, what they are made of, and which of them are one creative."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from smsroi_helpers.content.billing import complete
from smsroi_helpers.content.text_features import Features, is_chinese, read_features
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.source import Shop

__all__ = [
    "Text",
    "Texts",
    "excerpt",
    "name_creatives",
    "read_texts",
]

_EXCERPT = 40
"""Length of an excerpt, in characters."""


@dataclass(frozen=True)
class Text:
    """One distinct text."""

    text: str
    """As the source has it."""
    sent: str
    """With signature and opt-out notice."""
    creative: str
    """The name under which it is compared: see `name_creatives`."""
    kind: str
    """Its content type; empty where the source has none."""
    features: Features


@dataclass(frozen=True)
class Texts:
    """The distinct texts, numbered from 0, and where each was used."""

    texts: tuple[Text, ...]
    used: pd.DataFrame
    """campaign_id, variant, text (its number)."""

    @property
    def creatives(self) -> tuple[str, ...]:
        """The names of the creatives, in order of their first text."""
        return tuple(dict.fromkeys(each.creative for each in self.texts))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The content types, in order of their first text."""
        return tuple(dict.fromkeys(each.kind for each in self.texts if each.kind))

    def of(self, creative: str) -> tuple[Text, ...]:
        """The texts of a creative: one in each language."""
        return tuple(each for each in self.texts if each.creative == creative)


def read_texts(shop: Shop, signature: str = "", opt_out_notice: str = "") -> Texts:
    """The texts of the table creatives, with their features.

    Args:
        shop: the company.
        signature: which the gateway adds, such as 【北风】; empty where the texts have it.
        opt_out_notice: which the gateway adds, such as 回T退订; empty where the texts have it.

    Raises:
        NotEnoughData: the source has no texts.
    """
    table = shop.creatives
    kind = table.content_type if "content_type" in table.columns else None
    columns = ["campaign_id", "variant", "text"]
    rows = table.select(columns, **({} if kind is None else {"kind": kind.fill_null("")}))
    used = shop.count(rows.order_by(columns))
    used = used[used["text"].notna() & (used["text"].str.strip() != "")].reset_index(drop=True)
    if not len(used):
        raise NotEnoughData("The table creatives has no text.")
    if kind is None:
        used["kind"] = ""
    first = used.drop_duplicates("text").reset_index(drop=True)
    names = name_creatives(used)
    found = []
    for row in first.itertuples():
        sent = complete(str(row.text), signature, opt_out_notice)
        found.append(Text(str(row.text), sent, names[str(row.text)], str(row.kind), read_features(sent)))
    number = {each.text: place for place, each in enumerate(found)}
    return Texts(tuple(found), used[["campaign_id", "variant"]].assign(text=used["text"].map(number)))


def name_creatives(used: pd.DataFrame) -> dict[str, str]:
    """The creative of each text.

    Where a variant means the same text in every campaign, in each language, it names the creative. Where it does not,
    as A and B of different campaigns, each text is a creative of its own, named by its first variant and campaign.

    Args:
        used: campaign_id, variant, text.

    >>> used = pd.DataFrame({"campaign_id": ["us", "cn", "us2"], "text": ["New in", "新品", "New in"]})
    >>> used = used.assign(variant="new")
    >>> name_creatives(used)
    {'New in': 'new', '新品': 'new'}
    >>> name_creatives(used.assign(text=["New in", "新品", "Old in"]))
    {'New in': 'new (us)', '新品': 'new (cn)', 'Old in': 'new (us2)'}
    """
    languages = used["text"].map(is_chinese)
    distinct = used.assign(chinese=languages).groupby(["variant", "chinese"])["text"].nunique()
    several = set(distinct[distinct > 1].reset_index()["variant"])
    variants = used.groupby("text")["variant"].nunique()
    names: dict[str, str] = {}
    for row in used.itertuples():
        if row.text in names:
            continue
        own = row.variant in several or variants[row.text] > 1
        names[str(row.text)] = f"{row.variant} ({row.campaign_id})" if own else str(row.variant)
    return names


def excerpt(text: str) -> str:
    """The beginning of a text, by which a reader knows it."""
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"


def present_in(texts: Sequence[Text], feature: str) -> bool:
    """Whether any of the texts has the feature."""
    return any(each.features.has(feature) for each in texts)
