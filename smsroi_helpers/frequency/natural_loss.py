"""How fast subscribers are lost to texting for other reasons than the texts.

Two things end it: consent withdrawn without texts (`count_untexted`), and drop-out, after which a customer no longer
buys, so that texts cause no profit either. Drop-out is not seen in opt-outs: the arm without texts may lose nobody and
its customers still stop buying. It comes from purchase models fitted to the whole log, MBG/NBD and Pareto/NBD:

    B(t) = Σ P_i · S_i(t) ÷ Σ P_i

over a group's members i, with P_i = P(alive) when assigned and S_i(t) the probability that a member who is alive then
is alive t weeks later. Each draw uses one of the models, in proportion to exp(log-likelihood): both have four
parameters, so these are the weights of Akaike and of BIC alike. Members differ, so B falls fast at first and slowly
later; it is written as a mixture of constant weekly rates. Which share ρ of the response ends with drop-out is tested
on clicks: of members with the same texts in the same weeks, those who joined earlier have dropped out more often, by
1 − S(T) at age T. If their clicks per text are lower by ρ · (1 − S(T)), that share ends. What differs between early and
late joiners for other reasons biases ρ. Without clicks it is unknown, with more weight on all than on none.

References:
    Batislam, Denizel & Filiztekin (2007), International Journal of Research in Marketing 24: MBG/NBD.
    Burnham & Anderson (2002), Model Selection and Multimodel Inference, section 2.9: weights of models.
    Schmittlein, Morrison & Colombo (1987), Management Science 33(1): drop-out as the end of a customer's value.
"""

import datetime as dt
from collections.abc import Sequence

import ibis
import numpy as np
import pandas as pd
from scipy.optimize import nnls

from smsroi_helpers import measures
from smsroi_helpers.cltv import Fit, count_cells, fit_purchases, probability_alive, survival_probability
from smsroi_helpers.engine import hash_group
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import Experiment, label_when_assigned
from smsroi_helpers.frequency.counts import ALL, texts_of
from smsroi_helpers.frequency.lifetime import LOSS_RATES, ResponseLoss, summarise_draws
from smsroi_helpers.segmentation import Cuts, known_people, resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = [
    "count_clicks_by_age",
    "count_histories",
    "count_untexted",
    "draw_share_ended",
    "estimate_loss",
    "fit_drop_out",
    "mix_rates",
]

FITTED = 20_000
"""About this many customers are enough to fit drop-out; with more, the error of its parameters is negligible."""
SAMPLE = "alive-sample"
_MEMBERS = 1_500
"""About as many members of the test stand for all."""
_FEWEST = 20
"""A group with fewer buyers in that sample has the drop-out of all."""
_SLICES = 256
_DRAWS = 48
_WEEKS = np.array([0.0, 1, 2, 4, 8, 13, 26, 39, 52, 78, 104, 156, 208, 260])
_SHARES = (np.arange(40) + 0.5) / 40
"""Values of ρ that are summed over."""
_WINDOWS, _WINDOW_WEEKS = 6, 4


# --- counting --------------------------------------------------------------------------------------------------------


def fit_drop_out(shop: Shop) -> tuple[Fit, ...]:
    """MBG/NBD and Pareto/NBD of about `FITTED` customers of a hashed sample; none where too few bought again."""
    buyers = int(shop.count(measures.purchase_history(shop).count().name("n").as_table())["n"].iloc[0])
    slices = min(_SLICES, max(1, -(-_SLICES * FITTED // max(buyers, 1))))
    try:
        cells = count_cells(shop, keep=lambda history: hash_group(history.customer_id, SAMPLE, _SLICES) < slices)
    except NotEnoughData:
        return ()
    return fit_purchases(cells, "mbg_nbd"), fit_purchases(cells, "pareto_nbd")


def count_histories(shop: Shop, experiment: Experiment, segment_by: str, cuts: Cuts) -> pd.DataFrame:
    """Purchase histories of a sample of a test's members, up to the day before it began.

    Returns:
        segment, stage (when assigned), frequency, recency_weeks, T_weeks, customers.
    """
    people = int(experiment.customers.sum())
    slices = min(_SLICES, max(1, round(_SLICES * _MEMBERS / max(people, 1))))
    rows = measures.purchase_history(shop, experiment.started - dt.timedelta(days=1))
    rows = rows.filter(hash_group(rows.customer_id, SAMPLE, _SLICES) < slices)
    for name, by in (("segment", segment_by), ("stage", "lifecycle_stage")):
        labelled = label_when_assigned(shop, resolve(shop, by, cuts=cuts).label, experiment.name)
        labelled = labelled.select("member", **{name: labelled.segment})
        rows = rows.join(labelled, rows.customer_id == labelled.member).drop("member")
    keys = ("segment", "stage", "frequency", "recency_days", "T_days")
    cells = shop.count(rows.group_by(*keys).aggregate(customers=rows.count()).order_by(*keys))
    return cells.assign(recency_weeks=cells["recency_days"] / 7, T_weeks=cells["T_days"] / 7)


def count_clicks_by_age(shop: Shop, experiment: Experiment, channel: str) -> pd.DataFrame:
    """Texts and human clicks of a test's members during treatment: arm, age (weeks since the first purchase when the
    test began), texts, clicks. No rows where clicks are not known.
    """
    columns = ["arm", "age", "texts", "clicks"]
    if not measures.knows_clicks(shop):
        return pd.DataFrame(columns=columns)
    people = measures.outcome_windows(shop, experiment.name, "treatment")
    people = people.select("customer_id", "arm", "assigned_at", "outcome_end")
    history = measures.purchase_history(shop, experiment.started - dt.timedelta(days=1))
    history = history.select("T_days", buyer="customer_id")
    people = people.join(history, people.customer_id == history.buyer).drop("buyer")
    texts = texts_of(shop, channel)
    theirs = people.join(texts, people.customer_id == texts.addressee)
    theirs = theirs.filter(theirs.sent_at >= theirs.assigned_at, theirs.sent_at < theirs.outcome_end)
    theirs = theirs.mutate(age=(theirs.T_days // 7).cast("int64"))
    sums = theirs.group_by("arm", "age").aggregate(
        texts=theirs.count(), clicks=theirs.count(where=theirs.human_click_at.notnull())
    )
    return shop.count(sums.order_by("arm", "age"))[columns]


def count_untexted(shop: Shop, channel: str) -> tuple[float, float]:
    """Opt-outs and subscribed customer-weeks of customers outside experiments who are not texted.

    Counted in the last six times four weeks: customers subscribed at the start who got no text of the channel in the
    four weeks before or in these. Both are 0 where the source records no opt-outs.
    """
    events = measures.opt_outs(shop)
    if events is None or not channel:
        return 0.0, 0.0
    texts = texts_of(shop, channel).select("addressee", "sent_at")
    end = shop.as_of + dt.timedelta(days=1)
    parts = []
    for k in range(1, _WINDOWS + 1):
        start, stop, before = (
            ibis.literal(shop.start_of(end - dt.timedelta(weeks=_WINDOW_WEEKS * n))) for n in (k, k - 1, k + 1)
        )
        rows = measures.subscribed(shop, start, known_people(shop))
        sent = texts.filter(texts.sent_at >= before, texts.sent_at < stop).select(customer_id="addressee").distinct()
        rows = rows.anti_join(sent, "customer_id")
        if shop.has("assignments"):
            rows = rows.anti_join(shop.assignments.select("customer_id").distinct(), "customer_id")
        left = events.filter(events.opt_out_at >= start, events.opt_out_at < stop).select("customer_id").distinct()
        gone = left.mutate(gone=ibis.literal(1)).rename(leaver="customer_id")
        rows = rows.left_join(gone, rows.customer_id == gone.leaver)
        parts.append(rows.aggregate(people=rows.count(), gone=rows.gone.sum().fill_null(0)))
    found = shop.count(ibis.union(*parts, distinct=False)).sum()
    # Who left was subscribed for half of the four weeks, on average.
    return float(found["gone"]), float(_WINDOW_WEEKS * (found["people"] - found["gone"] / 2))


# --- the model -------------------------------------------------------------------------------------------------------


def estimate_loss(
    fits: Sequence[Fit], histories: pd.DataFrame, clicks: pd.DataFrame, rng: np.random.Generator, by: str = "segment"
) -> ResponseLoss:
    """How members of every group stop answering without opting out, with its error.

    Args:
        fits: of `fit_drop_out`.
        histories: of `count_histories`.
        clicks: of `count_clicks_by_age`.
        rng: of the draws.
        by: `segment` or `stage`.
    """
    if not fits or not len(histories) or histories["customers"].sum() < _FEWEST:
        return ResponseLoss.unknown()
    likely = np.array([fit.log_likelihood for fit in fits])
    weights = np.exp(likely - likely.max())
    chosen = np.sort(rng.choice(len(fits), _DRAWS, p=weights / weights.sum()))
    draws = np.bincount(chosen, minlength=len(fits))
    ended = np.concatenate([draw_share_ended(fit, clicks, rng, n) for fit, n in zip(fits, draws, strict=True)])
    values = np.concatenate([fit.draw_parameters(n, rng) for fit, n in zip(fits, draws, strict=True) if n])
    members = [(ALL, np.ones(len(histories)))]
    for name in histories[by].astype(str).unique():
        own = (histories[by].astype(str) == name).to_numpy(float)
        if own @ histories["customers"] >= _FEWEST:
            members.append((name, own))
    shares = {name: np.empty((len(LOSS_RATES), _DRAWS)) for name, _own in members}
    kept = np.empty(_DRAWS)
    for k, (which, own_values) in enumerate(zip(chosen, values, strict=True)):
        fit = fits[which]
        # Members are a sample, so each draw weights them anew (Bayesian bootstrap, Rubin 1981).
        people = rng.gamma(histories["customers"].to_numpy(float))
        alive = probability_alive(fit, histories, values=own_values) * people
        later = alive[:, None] * survival_probability(fit, histories, _WEEKS.tolist(), values=own_values)
        for name, own in members:
            mixture = mix_rates(_WEEKS, own @ later / (own @ alive))
            answering = float(own @ alive / (own @ people))
            whole = 1 - ended[k] + ended[k] * answering
            shares[name][:, k] = ended[k] * answering / whole * mixture
            shares[name][0, k] += (1 - ended[k]) / whole
        kept[k] = shares[ALL][:, k] @ (1 - LOSS_RATES) ** 52
    weekly = 1 - kept ** (1 / 52)
    status = "fitted" if fits[int(likely.argmax())].drop_out_identified else "not_identified"
    return ResponseLoss(shares, status, summarise_draws(weekly), summarise_draws(ended))


def mix_rates(weeks: Floats, alive: Floats) -> Floats:
    """The shares of `LOSS_RATES` whose mixture is nearest to a survival curve (non-negative least squares).

    >>> curve = 0.5 * (1 - 0.002) ** np.arange(200) + 0.5 * (1 - 0.032) ** np.arange(200)
    >>> mix_rates(np.arange(200.0), curve).round(2)[[3, 7]].tolist()
    [0.5, 0.5]
    """
    columns = (1 - LOSS_RATES) ** weeks[:, None]
    # The shares sum to 1: an equation with a weight so large that it is met.
    columns = np.vstack([columns, np.full(len(LOSS_RATES), 100.0)])
    shares, _rest = nnls(columns, np.append(alive, 100.0), maxiter=2_000)
    return np.asarray(shares / shares.sum())


def draw_share_ended(fit: Fit, clicks: pd.DataFrame, rng: np.random.Generator, draws: int) -> Floats:
    """Draw ρ, the share (0–1) of the response that ends with drop-out.

    Quasi-likelihood of clicks given texts, by arm and age, with the overdispersion of the cells; the prior has density
    2ρ, so that all of the response ends rather than none.
    """
    log_weight = np.log(2 * _SHARES)
    cells = clicks[clicks["texts"] > 0]
    if len(cells) > 2 and cells["clicks"].sum() > 0:
        ages = np.unique(cells["age"].to_numpy(float))
        new = pd.DataFrame({"frequency": [0.0], "recency_weeks": [0.0], "T_weeks": [0.0]})
        still = survival_probability(fit, new, ages.tolist())[0] * float(probability_alive(fit, new)[0])
        alive = still[np.searchsorted(ages, cells["age"].to_numpy(float))]
        seen, sent = cells["clicks"].to_numpy(float), cells["texts"].to_numpy(float)
        arm = pd.factorize(cells["arm"])[0]
        likelihood, dispersion = np.empty(len(_SHARES)), np.empty(len(_SHARES))
        for k, share in enumerate(_SHARES):
            relative = sent * (1 - share * (1 - alive))
            rate = np.bincount(arm, seen) / np.bincount(arm, relative)
            expected = np.maximum(relative * rate[arm], 1e-12)
            likelihood[k] = (seen * np.log(expected) - expected).sum()
            dispersion[k] = ((seen - expected) ** 2 / expected).sum() / max(len(cells) - arm.max() - 2, 1)
        log_weight = log_weight + likelihood / max(1.0, dispersion[likelihood.argmax()])
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(rng.choice(_SHARES, draws, p=weight / weight.sum()))
