"""How fast subscribers are lost to texting without opting out: the natural loss, estimated once for every stage.

Customers who stop buying do not buy because of a text either. Opt-outs do not show it: an arm without texts may lose
nobody and its customers still stop buying. Drop-out comes from purchase models fitted to the whole log, MBG/NBD and
Pareto/NBD:

    B(t) = Σ P_i · S_i(t) ÷ Σ P_i

over today's subscribers i of a group who have bought, with P_i = P(alive) today and S_i(t) the probability that i is
alive in t weeks, given that i is alive. Subscribers differ, so B falls fast at first and slowly later; it is written as
a mixture of constant weekly rates. Its error has these parts:

- the parameters: the delta method on the logits of B and of the mean of P, from the sandwich covariance of the
  logarithms of the parameters;
- the model: each draw uses one of the two, with weights by the likelihood averaged over its own sampling error
  (Bayesian bootstrap). Both have four parameters, so no penalty is needed;
- the subscribers: a hashed sample of them, with the variance of its means.

Which share ρ of the response ends with drop-out is tested on clicks of frequency tests. Of members of the same arm with
about as many purchases and of about the same age, those who were silent for long when assigned have a low P(alive). If
their clicks per text are lower by ρ · (1 − P), that share ends. Given the purchases and the age, the models hold
the time of the last purchase independent of the purchase rate. Texts that cause orders make readers of texts look
alive, which biases ρ upwards. Without clicks ρ is unknown: uniform on 0 to 1.

Where the clicks of those who clicked earlier tell how fast readers are lost (`click_decline`), the loss of all
subscribers is that one: drop-out then says only how groups differ. Some stop reading and go on buying.

References:
    Batislam, Denizel & Filiztekin (2007), International Journal of Research in Marketing 24: MBG/NBD.
    Schmittlein, Morrison & Colombo (1987), Management Science 33(1): Pareto/NBD; drop-out as the end of a value.
    Yao, Vehtari, Simpson & Gelman (2018), Bayesian Analysis 13(3), section 3.4: weights by the Bayesian bootstrap.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm, qmc

from smsroi_helpers import measures
from smsroi_helpers.cltv.click_decline import ClickDecline, count_click_pairs, estimate_decline
from smsroi_helpers.cltv.counts import count_cells, histories
from smsroi_helpers.cltv.fitting import Fit, Recall, fit_purchases
from smsroi_helpers.cltv.likelihoods import HISTORY, Model, columns_of, purchase_terms
from smsroi_helpers.cltv.loss_rates import LOSS_RATES, first_year_loss, mix_rates, readers_shares, shift_rates
from smsroi_helpers.cltv.predictions import Histories, probability_alive, survival_probability
from smsroi_helpers.engine import hash_group
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import find_valid_tests
from smsroi_helpers.segmentation import Cuts, known_people, resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = [
    "NaturalLoss",
    "count_clicks",
    "count_subscribers",
    "draw_share_ended",
    "estimate_loss",
    "find_natural_loss",
    "fit_drop_out",
    "model_weight",
]

ALL = "all"
MODELS: tuple[Model, ...] = ("mbg_nbd", "pareto_nbd")
FITTED = 20_000
"""About this many customers are enough to fit drop-out; with more, the error of its parameters is negligible."""
SAMPLE = "alive-sample"
_UNKNOWN = (LOSS_RATES >= 0.0005) & (LOSS_RATES <= 0.016)
"""Where the loss is not known it is taken to lie in this range, equally likely on a logarithmic scale."""
_NOT_KNOWN = (float("nan"), float("nan"), float("nan"))
_SUBSCRIBERS = 2_000
"""About as many customers stand for all of them."""
_FEWEST = 20
"""A group with fewer buyers in that sample has the drop-out of all."""
_SLICES = 256
_DRAWS = 512
_WEEKS = np.array([0.0, 1, 2, 4, 8, 13, 26, 39, 52, 78, 104, 156, 208, 260])
_SHARES = (np.arange(40) + 0.5) / 40
"""Values of ρ that are summed over."""
_FREQUENCIES, _AGES = np.array([1, 2, 3, 5, 8, 13]), np.array([0.25, 0.5, 0.75])
"""Strata of clicks: lower limits of the number of repeat purchases, and quantiles of the age."""


@dataclass(frozen=True)
class NaturalLoss:
    """How fast subscribers stop answering texts without opting out, as a mixture of constant weekly rates."""

    shares: dict[str, Floats]
    """Group → rates × draws: shares (0–1, summing to 1) of subscribers lost at each of `LOSS_RATES`."""
    status: str
    """`clicks` (the decline of clicks), `fitted` (purchases), `not_identified` (prior-driven drop-out), `unknown` (a
    stated range), `none` (nothing but opt-outs)."""
    weekly: tuple[float, float, float] = _NOT_KNOWN
    """c: loss in the first year as a weekly rate, of all subscribers: estimate and 95 % interval."""
    ended: tuple[float, float, float] = _NOT_KNOWN
    """Share (0–1) of the response that ends with drop-out: estimate and 95 % interval."""

    def draw(self, name: str, draws: int, rng: np.random.Generator) -> Floats:
        """Shares of a group (of all customers, where it has none of its own): rates × draws."""
        if self.status == "unknown":
            found = np.zeros((len(LOSS_RATES), draws))
            found[rng.choice(np.flatnonzero(_UNKNOWN), draws), np.arange(draws)] = 1.0
            return found
        known = self.shares.get(name, self.shares.get(ALL))
        assert known is not None
        return np.asarray(known[:, np.arange(draws) % known.shape[1]])

    @classmethod
    def unknown(cls) -> "NaturalLoss":
        """A loss of which only the stated range is known: 0.05 % to 1.6 % a week, and its geometric mean."""
        rates = LOSS_RATES[_UNKNOWN]
        return cls({}, "unknown", (float(np.exp(np.log(rates).mean())), float(rates[0]), float(rates[-1])))

    @classmethod
    def of_clicks(cls, decline: ClickDecline | None) -> "NaturalLoss":
        """A loss of which only the decline of clicks is known, the same for all subscribers; else `unknown`."""
        if decline is None:
            return cls.unknown()
        shares = readers_shares(decline.draw((np.arange(_DRAWS) + 0.5) / _DRAWS))
        return cls({ALL: shares}, "clicks", _summarise(first_year_loss(shares)))

    @classmethod
    def constant(cls, weekly: float) -> "NaturalLoss":
        """The same known rate for all subscribers: linear interpolation between the nearest of `LOSS_RATES`."""
        right = int(np.clip(np.searchsorted(LOSS_RATES, weekly), 1, len(LOSS_RATES) - 1))
        share = (weekly - LOSS_RATES[right - 1]) / (LOSS_RATES[right] - LOSS_RATES[right - 1])
        shares = np.zeros((len(LOSS_RATES), 1))
        shares[right - 1], shares[right] = 1 - share, share
        return cls({ALL: shares}, "none" if weekly == 0 else "fitted", (weekly,) * 3, (1.0,) * 3)


# --- counting --------------------------------------------------------------------------------------------------------


def _count_buyers(shop: Shop) -> int:
    return max(int(shop.count(histories(shop).count().name("n").as_table())["n"].iloc[0]), 1)


def _count_sample(shop: Shop) -> pd.DataFrame:
    slices = min(_SLICES, -(-_SLICES * FITTED // _count_buyers(shop)))
    return count_cells(shop, keep=lambda history: hash_group(history.customer_id, SAMPLE, _SLICES) < slices)


def fit_drop_out(shop: Shop) -> tuple[Fit, ...]:
    """MBG/NBD and Pareto/NBD of about `FITTED` customers of a hashed sample; none where too few bought again."""
    try:
        cells = _count_sample(shop)
    except NotEnoughData:
        return ()
    return tuple(fit_purchases(cells, model, shop.recall) for model in MODELS)


def count_subscribers(shop: Shop, by: Mapping[str, str], cuts: Cuts | None = None) -> pd.DataFrame:
    """Purchase histories of a hashed sample of customers who have bought and are subscribed on the last day observed.

    Args:
        shop: the company.
        by: column → grouping of `segmentation.resolve`, as of that day.
        cuts: of `segmentation.find_cuts`.

    Returns:
        the columns of `by`, frequency, recency_weeks, T_weeks, customers.
    """
    slices = min(_SLICES, max(1, round(_SLICES * _SUBSCRIBERS / _count_buyers(shop))))
    rows = histories(shop)
    rows = rows.filter(hash_group(rows.customer_id, SAMPLE, _SLICES) < slices)
    rows = rows.select("customer_id", "frequency", "recency_days", "T_days")
    kept = measures.subscribed(shop, ibis.literal(shop.end), known_people(shop)).rename(member="customer_id")
    rows = rows.semi_join(kept, rows.customer_id == kept.member)
    for name, grouping in by.items():
        labels = resolve(shop, grouping, cuts=cuts).label(rows.select("customer_id"), shop.as_of)
        labels = labels.select("segment", member="customer_id").rename({name: "segment"})
        rows = rows.left_join(labels, rows.customer_id == labels.member).drop("member")
    keys = (*by, "frequency", "recency_days", "T_days")
    cells = shop.count(rows.group_by(*keys).aggregate(customers=rows.count()).order_by(*keys))
    return cells.assign(recency_weeks=cells["recency_days"] / 7, T_weeks=cells["T_days"] / 7)


def count_clicks(shop: Shop, channel: str) -> pd.DataFrame:
    """Texts and human clicks of members of valid frequency tests during treatment, by their history when it began.

    Returns:
        arm (experiment and arm), frequency, recency_weeks, T_weeks, texts, clicks. No rows where clicks are not known.
    """
    columns = ["arm", *HISTORY, "texts", "clicks"]
    none = pd.DataFrame(columns=columns)
    if not channel or not shop.has("messages") or not measures.knows_clicks(shop):
        return none
    tests = [one for one in find_valid_tests(shop) if one.kind == "frequency"]
    sends = measures.human_clicks(shop)
    sends = sends.filter(sends.channel == channel).select("sent_at", "human_click_at", addressee="customer_id")
    parts = []
    for test in tests:
        people = measures.outcome_windows(shop, test.name, "treatment")
        people = people.select("customer_id", "arm", "assigned_at", "outcome_end")
        history = measures.purchase_history(shop, test.started - dt.timedelta(days=1))
        history = history.select("frequency", "recency_days", "T_days", buyer="customer_id")
        people = people.join(history, people.customer_id == history.buyer).drop("buyer")
        theirs = people.join(sends, people.customer_id == sends.addressee)
        theirs = theirs.filter(theirs.sent_at >= theirs.assigned_at, theirs.sent_at < theirs.outcome_end)
        keys = ("arm", "frequency", "recency_days", "T_days")
        sums = theirs.group_by(*keys).aggregate(
            texts=theirs.count(), clicks=theirs.count(where=theirs.human_click_at.notnull())
        )
        cells = shop.count(sums.order_by(*keys))
        parts.append(cells.assign(arm=test.name + ": " + cells["arm"].astype(str)))
    if not parts:
        return none
    found = pd.concat(parts, ignore_index=True)
    return found.assign(recency_weeks=found["recency_days"] / 7, T_weeks=found["T_days"] / 7)[columns]


def find_natural_loss(
    shop: Shop, channel: str, by: Mapping[str, str] | None = None, cuts: Cuts | None = None
) -> dict[str, NaturalLoss]:
    """The natural loss of a company's subscribers: one estimate, whatever experiments or groups it is used for.

    Args:
        shop: the company.
        channel: of the texts whose clicks count; empty where there are none.
        by: column → grouping, as for `segmentation.resolve`; None for no groups.
        cuts: of `segmentation.find_cuts`.

    Returns:
        `all`, without groups, and for each column of `by` the same with its groups.
    """
    by = by or {}
    decline = estimate_decline(count_click_pairs(shop, channel))
    try:
        cells = _count_sample(shop)
    except NotEnoughData:
        return dict.fromkeys([ALL, *by], NaturalLoss.of_clicks(decline))
    subscribers, clicks = count_subscribers(shop, by, cuts), count_clicks(shop, channel)
    return estimate_loss(cells, subscribers, clicks, tuple(by), decline, shop.recall)


# --- the model -------------------------------------------------------------------------------------------------------


def estimate_loss(
    cells: pd.DataFrame,
    subscribers: pd.DataFrame,
    clicks: pd.DataFrame,
    by: Sequence[str] = (),
    decline: ClickDecline | None = None,
    recall: Recall | None = None,
) -> dict[str, NaturalLoss]:
    """How subscribers of every group stop answering without opting out, with its error.

    The draws are those of a fixed low-discrepancy sequence, so that the same data give the same result.

    Args:
        cells: of `count_cells`, to which the models are fitted.
        subscribers: of `count_subscribers`.
        clicks: of `count_clicks`.
        by: columns of groups.
        decline: how fast clicks of subscribers who clicked fall; None where they do not tell.
        recall: as for `fit_purchases`.
    """
    if not len(subscribers) or subscribers["customers"].sum() < _FEWEST:
        return dict.fromkeys([ALL, *by], NaturalLoss.of_clicks(decline))
    fits = [fit_purchases(cells, model, recall) for model in MODELS]
    weight = model_weight(fits, cells)
    points = qmc.Sobol(3 + len(fits[0].values), rng=np.random.default_rng(1)).random(_DRAWS)
    points = np.clip(points, 1e-6, 1 - 1e-6)
    is_first = points[:, 0] < weight
    members, places = _members_of(subscribers, by)
    share, curves = np.empty(_DRAWS), np.empty((len(members), len(_WEEKS), _DRAWS))
    for fit, own in zip(fits, (is_first, ~is_first), strict=True):
        if own.any():
            share[own] = draw_share_ended(fit, clicks, points[own, 1])
            curves[..., own] = _draw_curves(fit, subscribers, members, norm.ppf(points[own, 3:]))
    status = "fitted" if fits[0 if weight > 0.5 else 1].drop_out_identified else "not_identified"
    shares = [_mix_groups(curves[g], share) for g in range(len(members))]
    if decline is not None:
        shares, status = _as_clicks_fall(shares, decline.draw(points[:, 2])), "clicks"
    weekly = first_year_loss(shares[0])
    numbers = _summarise(weekly), _summarise(share)
    return {
        column: NaturalLoss({name: shares[g] for name, g in {ALL: 0, **groups}.items()}, status, *numbers)
        for column, groups in places.items()
    }


def _as_clicks_fall(shares: Sequence[Floats], readers: Floats) -> list[Floats]:
    """The shares of every group (all first), so that the loss of all in the first year is the one seen in clicks.

    Where drop-out explains less of it, all are lost faster, by what is left of it; where it explains more, fewer are
    lost.

    Args:
        shares: rates × draws of each group, by drop-out.
        readers: weekly rates of readers of equal number × draws, by clicks.
    """
    dropped, seen = first_year_loss(shares[0]), first_year_loss(readers_shares(readers))
    left = readers * np.maximum(1 - dropped / seen, 0.0)
    kept = np.minimum(seen / np.maximum(dropped, 1e-12), 1.0)
    found = []
    for own in shares:
        fewer = own * kept
        fewer[0] += 1 - kept
        found.append(np.mean([shift_rates(fewer, more) for more in left], axis=0))
    return found


def _summarise(values: Floats) -> tuple[float, float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def _members_of(subscribers: pd.DataFrame, by: Sequence[str]) -> tuple[Floats, dict[str, dict[str, int]]]:
    """Customers of every cell in every group (groups × cells; all first), and the place of each column's groups."""
    customers = subscribers["customers"].to_numpy(float)
    rows, places = [customers], {ALL: dict[str, int]()}
    for column in by:
        places[column] = {}
        labels = subscribers[column].astype(str)
        for name in labels.unique():
            own = customers * (labels == name).to_numpy(float)
            if own.sum() >= _FEWEST and name != ALL:
                places[column][name] = len(rows)
                rows.append(own)
    return np.stack(rows), places


def model_weight(fits: Sequence[Fit], cells: pd.DataFrame) -> float:
    """The weight (0–1) of the first of two models: the mean of their likelihood weights over the customers' sampling.

    The difference of the log-likelihoods is a sum over customers; under the Bayesian bootstrap it is about normal.
    """
    columns, customers = columns_of(cells, *HISTORY), cells["customers"].to_numpy(float)
    first, second = (purchase_terms(fit.model)(fit.values, *columns).rows for fit in fits)
    apart = customers @ (first - second)
    error = np.sqrt(max(customers @ (first - second) ** 2 - apart**2 / customers.sum(), 0.0))
    scores = norm.ppf((np.arange(200) + 0.5) / 200)
    return float(expit(apart + error * scores).mean())


def _draw_curves(fit: Fit, subscribers: pd.DataFrame, members: Floats, normal: Floats) -> Floats:
    """Draws of the mean of P and of B at `_WEEKS` (after 0): groups × (1 + weeks) × draws."""
    of = Histories.of(subscribers)

    def parts(values: Floats) -> tuple[Floats, Floats]:
        alive = probability_alive(fit, of, values=values)
        return alive, alive[:, None] * survival_probability(fit, of, _WEEKS[1:].tolist(), values=values)

    def means(values: Floats) -> Floats:
        alive, later = parts(values)
        here = members @ alive
        found = np.column_stack([here / members.sum(axis=1), (members @ later) / here[:, None]])
        return np.asarray(logit(np.clip(found, 1e-9, 1 - 1e-9)), float)

    deviations = fit.deviations(means)
    if fit.posterior_sample is None:
        steps = deviations @ normal.T
    else:
        steps = deviations[..., np.arange(len(normal)) % deviations.shape[-1]] * np.sqrt(deviations.shape[-1])
    centre = means(fit.predicting)
    alive, later = parts(fit.predicting)
    rng = np.random.default_rng(2)
    for g, own in enumerate(members):
        mean = expit(centre[g])
        influence = np.column_stack(
            [(alive - mean[0]) / own.sum(), (later - alive[:, None] * mean[1:]) / (own @ alive)]
        ) / np.maximum(mean * (1 - mean), 1e-9)
        eigenvalues, eigenvectors = np.linalg.eigh((influence.T * own) @ influence)
        root = eigenvectors * np.sqrt(np.maximum(eigenvalues, 0))
        steps[g] += root @ rng.standard_normal((len(root), len(normal)))
    return np.asarray(expit(centre[..., None] + steps), float)


def _mix_groups(curve: Floats, ended: Floats) -> Floats:
    """The shares of `LOSS_RATES` of a group's response: rates × draws.

    Args:
        curve: the mean of P, and B at `_WEEKS` after 0: (1 + weeks) × draws.
        ended: ρ of every draw.
    """
    mixture = np.stack([mix_rates(_WEEKS, np.append(1.0, alive)) for alive in curve[1:].T], axis=1)
    whole = 1 - ended + ended * curve[0]
    shares = ended * curve[0] / whole * mixture
    shares[0] += (1 - ended) / whole
    return np.asarray(shares)


def draw_share_ended(fit: Fit, clicks: pd.DataFrame, uniform: Floats) -> Floats:
    """Draw ρ, the share (0–1) of the response that ends with drop-out; uniform where clicks do not tell.

    Quasi-likelihood of clicks given texts, with a rate of its own for every stratum of arm, number of purchases and
    age, and the overdispersion of the cells.

    Args:
        fit: a purchase model.
        clicks: of `count_clicks`.
        uniform: between 0 and 1, one for each draw.
    """
    weight = np.ones(len(_SHARES))
    rows = clicks[clicks["texts"] > 0]
    if len(rows) > 2 and rows["clicks"].sum() > 0:
        alive = probability_alive(fit, rows)
        seen, sent, age = columns_of(rows, "clicks", "texts", "T_weeks")
        often = np.searchsorted(_FREQUENCIES, rows["frequency"].to_numpy(float), side="right")
        old = np.searchsorted(np.quantile(age, _AGES), age)
        stratum = pd.MultiIndex.from_arrays([rows["arm"].astype(str), often, old]).factorize()[0]
        likelihood, dispersion = np.empty(len(_SHARES)), np.empty(len(_SHARES))
        for k, share in enumerate(_SHARES):
            relative = sent * (1 - share * (1 - alive))
            rate = np.bincount(stratum, seen) / np.bincount(stratum, relative)
            expected = np.maximum(relative * rate[stratum], 1e-12)
            likelihood[k] = (seen * np.log(expected) - expected).sum()
            dispersion[k] = ((seen - expected) ** 2 / expected).sum() / max(len(rows) - stratum.max() - 2, 1)
        log_weight = likelihood / max(1.0, dispersion[likelihood.argmax()])
        weight = np.exp(log_weight - log_weight.max())
    bounds = np.append(0.0, np.cumsum(weight) / weight.sum())
    return np.asarray(np.interp(uniform, bounds, np.linspace(0, 1, len(bounds))))
