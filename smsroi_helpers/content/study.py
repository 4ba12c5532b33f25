"""Everything that the page asks of the log: creatives, features, formats and wear-out, from one set of cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from smsroi_helpers import ab_test, measures
from smsroi_helpers.content.counts import (
    MOST_TIMES_SEEN,
    Sends,
    collect_sends,
    count_answers,
    count_billed,
    count_cells,
    count_customers,
    count_exposures,
    count_recipients,
    count_today,
)
from smsroi_helpers.content.creative_profit import ByCreative, choose
from smsroi_helpers.content.feature_effects import FeatureEffect, estimate_features
from smsroi_helpers.content.savings import Saving, find_savings
from smsroi_helpers.content.texts import Texts, read_texts
from smsroi_helpers.content.within_campaign import OptionEffects, fit_within
from smsroi_helpers.experiments import find_opt_outs_without_texts
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import weekly_rate

__all__ = ["Content", "analyse"]


@dataclass(frozen=True)
class Content:
    """What the log says of texts."""

    texts: Texts
    sends: Sends
    practice: measures.Practice
    by_creative: ByCreative | None
    """None where no two creatives were sent beside one another."""
    features: tuple[FeatureEffect, ...]
    formats: OptionEffects
    """Content types: their effects on clicks."""
    format_counts: pd.DataFrame
    """kind; messages, clicks, replies, opt_outs, sent; reply_rate, opt_out_rate (0–1, of sent)."""
    wear_out: OptionEffects
    """The nth time that a customer got a text of the same content type, within campaign, segment and text."""
    tested: OptionEffects
    """The effects of creatives on clicks in randomised tests of texts alone."""
    untested: OptionEffects
    """The same outside tests of texts."""
    savings: tuple[Saving, ...]
    saving_weeks: int
    log_customers: int
    """Who got the creatives compared in the log that is read."""
    saving_customers: dict[str, int]
    """Who were sent, in the saving weeks, a text of each kind of `savings.SavingKind`, and `all`: any known text."""


def analyse(
    shop: Shop, rng: np.random.Generator, *, segment_by: str = "rfm_group", window_hours: int = 72,
    log_weeks: int = 26, practice_weeks: int = measures.PRACTICE_WEEKS, channel: str = "",
    yearly_discount: float = 0.1, signature: str = "", opt_out_notice: str = "",
) -> Content:  # fmt: skip
    """Read the texts, count what followed them, and compare them.

    Args:
        shop: the company.
        rng: of the draws.
        segment_by: which grouping.
        window_hours: hours after delivery within which an outcome counts.
        log_weeks: weeks of the log that are read.
        practice_weeks: complete weeks that are called today.
        channel: of the messages counted; empty as for `measures.choose_channel`.
        yearly_discount: for the value of a subscriber.
        signature: which the gateway adds to texts; empty where they have it.
        opt_out_notice: the same.

    Raises:
        NotEnoughData: no texts are known; or no message can be matched with one, and there is no test of texts.
    """
    texts = read_texts(shop, signature, opt_out_notice)
    sends = collect_sends(
        shop, texts, segment_by=segment_by, window_hours=window_hours, log_weeks=log_weeks, channel=channel
    )
    cells = with_options(count_cells(shop, sends), texts)
    practice = measures.find_practice(shop, practice_weeks, channel)
    today, people = count_today(shop, texts, practice, segment_by)
    today, answers = (
        each.assign(option=_creative_numbers(texts)[each["text"].to_numpy(int)])
        for each in (today, count_answers(shop, texts, practice, segment_by, window_hours))
    )
    prices = ab_test.find_prices(shop, yearly_discount)
    leaving = find_opt_outs_without_texts(shop) if prices.subscriber.known else (np.nan,) * 3
    found = choose(
        cells, texts.creatives, today, people, answers, practice.weeks_covered, prices, leaving,
        weekly_rate(yearly_discount), rng,
    )  # fmt: skip
    in_test = cells["source"].str.startswith("test:")
    overall = fit_within(cells, texts.creatives)
    savings = find_savings(texts, count_billed(shop, texts, log_weeks, channel), log_weeks)
    compared = found.segments[0].creatives if found and found.segments else texts.creatives
    return Content(
        texts=texts, sends=sends, practice=practice, by_creative=found,
        features=estimate_features(overall, texts),
        formats=fit_within(cells.assign(option=cells["format"])[cells["format"] >= 0], texts.kinds),
        format_counts=_count_formats(cells, texts),
        wear_out=_wear_out(count_exposures(shop, sends)),
        tested=fit_within(cells[in_test], texts.creatives),
        untested=fit_within(cells[~in_test], texts.creatives),
        savings=savings,
        saving_weeks=log_weeks,
        log_customers=count_customers(shop, sends, texts, compared),
        saving_customers=count_recipients(shop, texts, _texts_by_kind(texts, savings), log_weeks, channel),
    )  # fmt: skip


def _texts_by_kind(texts: Texts, savings: Sequence[Saving]) -> dict[str, list[int]]:
    """The numbers of the texts of each kind of saving, and of all."""
    kinds: dict[str, list[int]] = {"same": [], "changed": [], "none": []}
    for one in savings:
        kinds[one.kind].append(texts.texts.index(one.text))
    return kinds | {"all": [at for own in kinds.values() for at in own]}


def _creative_numbers(texts: Texts) -> np.ndarray:
    number = {name: at for at, name in enumerate(texts.creatives)}
    return np.array([number[each.creative] for each in texts.texts])


def with_options(cells: pd.DataFrame, texts: Texts) -> pd.DataFrame:
    """The cells with option (the creative's number), format (the content type's, −1 without one) and stratum."""
    kinds = {name: at for at, name in enumerate(texts.kinds)}
    formats = np.array([kinds.get(each.kind, -1) for each in texts.texts])
    text = cells["text"].to_numpy(int)
    stratum = pd.factorize(cells["campaign_id"] + "|" + cells["source"] + "|" + cells["segment"].fillna(""))[0]
    return cells.assign(option=_creative_numbers(texts)[text], format=formats[text], stratum=stratum)


def _count_formats(cells: pd.DataFrame, texts: Texts) -> pd.DataFrame:
    rows = cells[cells["format"] >= 0]
    sums = rows.groupby("format")[["sent", "messages", "clicks", "replies", "opt_outs"]].sum().reset_index()
    return sums.assign(
        kind=[texts.kinds[at] for at in sums["format"]], reply_rate=sums["replies"] / sums["sent"],
        opt_out_rate=sums["opt_outs"] / sums["sent"],
    ).drop(columns="format")  # fmt: skip


def _wear_out(cells: pd.DataFrame) -> OptionEffects:
    """Clicks by the nth time, within campaign, segment and text; compared with the mean over the times."""
    names = [cells[name].fillna("").astype(str) for name in ("campaign_id", "source", "segment", "text")]
    stratum = pd.factorize(names[0].str.cat(names[1:], sep="|"))[0]
    rows = cells.assign(stratum=stratum, option=cells["seen"].astype(int) - 1)
    return fit_within(rows, [str(times) for times in range(1, MOST_TIMES_SEEN + 1)])
