"""Claims about rates and means: clicks, opt-outs and profit per message; the arms of an experiment."""

from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln
from scipy.stats import nbinom
from statsmodels.stats.proportion import proportion_confint

from benchmarks.claims import Claim, Interval, Verdict
from smsroi_helpers.statistics.jackknife import GROUPS, jackknife, jackknife_ratio, resample_cells
from smsroi_helpers.statistics.means import difference_of_means
from smsroi_helpers.statistics.proportions import difference_of_rates, jackknife_rate

Floats = NDArray[np.float64]
SIZES = {"2,000 customers": 2_000, "20,000 customers": 20_000}

# --- one customer's messages -----------------------------------------------------------------------------------------

MESSAGES = np.arange(1, 41)
"""Numbers of messages per customer; geometric, so that a few customers have many."""
HOW_OFTEN = 0.88**MESSAGES / (0.88**MESSAGES).sum()
ALIKE = 6.0
"""α + β of the beta distribution of customers' rates: the smaller, the more they differ."""


def _click_rate(messages: NDArray[np.int64]) -> Floats:
    """The mean click rate of customers with this number of messages: it falls with the number (fatigue)."""
    return 0.09 * np.exp(-messages / 25)


def _by_group(rng: np.random.Generator, *values: NDArray[np.generic]) -> list[Floats]:
    """Sums by random groups of customers, like the groups by hash."""
    group = rng.integers(0, GROUPS, len(values[0]))
    return [np.bincount(group, value, GROUPS).astype(float) for value in values]


def _draw_clicks(rng: np.random.Generator, customers: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    messages = rng.choice(MESSAGES, customers, p=HOW_OFTEN)
    mean = _click_rate(messages)
    return rng.binomial(messages, rng.beta(mean * ALIKE, (1 - mean) * ALIKE)), messages


TRUE_CLICK_RATE = float((HOW_OFTEN * MESSAGES * _click_rate(MESSAGES)).sum() / (HOW_OFTEN * MESSAGES).sum())


def click_rate(rng: np.random.Generator) -> list[Interval]:
    """Clicks ÷ messages."""
    found = []
    for part, customers in SIZES.items():
        clicks, messages = _by_group(rng, *_draw_clicks(rng, customers))
        rate = jackknife_rate(clicks, messages, customers)
        found.append(Interval(rate.estimate, rate.low, rate.high, TRUE_CLICK_RATE, part))
    return found


def binomial_on_messages(rng: np.random.Generator) -> Interval:
    """Clicks ÷ messages, as if messages were independent (Wilson)."""
    clicks, messages = _draw_clicks(rng, 2_000)
    low, high = proportion_confint(clicks.sum(), messages.sum(), method="wilson")
    return Interval(clicks.sum() / messages.sum(), low, high, TRUE_CLICK_RATE)


OPT_OUT = (0.04, 9.96)
"""α and β of customers' probability of opting out per message: .4 % on average, very heterogeneous."""


@cache
def true_opt_out_rate() -> float:
    """Opt-outs ÷ messages sent, in expectation; messages end with the opt-out.

    With h ~ Beta(α, β) and N planned messages, a customer opts out with probability 1 − E(1 − h)^N and gets
    Σ_{k<N} E(1 − h)^k messages in expectation.
    """
    alpha, beta = OPT_OUT
    still = np.exp(betaln(alpha, beta + np.arange(MESSAGES.max() + 1)) - betaln(alpha, beta))
    return float(HOW_OFTEN @ (1 - still[MESSAGES]) / (HOW_OFTEN @ np.cumsum(still)[MESSAGES - 1]))


def opt_out_rate(rng: np.random.Generator) -> list[Interval]:
    """Opt-outs ÷ messages, at most one opt-out per customer."""
    found = []
    for part, customers in SIZES.items():
        planned = rng.choice(MESSAGES, customers, p=HOW_OFTEN)
        until = rng.geometric(np.maximum(rng.beta(*OPT_OUT, customers), 1e-12))
        sent = np.minimum(planned, until)
        opted_out, messages = _by_group(rng, until <= planned, sent)
        rate = jackknife_rate(opted_out, messages, messages.sum())
        found.append(Interval(rate.estimate, rate.low, rate.high, true_opt_out_rate(), part))
    return found


CELLS = 84
RARE = np.geomspace(0.0005, 0.02, CELLS)
"""True click rates of small cells, with about 1 to 40 expected clicks."""


def rare_clicks(rng: np.random.Generator) -> Interval:
    """Click rates of 84 cells (segment × weekday × hour) of 500 customers each, most with few clicks or none."""
    shape = (CELLS, 500)
    messages = rng.integers(1, 8, shape)
    rate = RARE[:, None] * np.ones(shape)
    clicks = rng.binomial(messages, rng.beta(rate * ALIKE * 5, (1 - rate) * ALIKE * 5))
    place = np.arange(CELLS)[:, None] * GROUPS + rng.integers(0, GROUPS, 500)[None, :]
    hit, sent = (
        np.bincount(place.ravel(), v.ravel(), CELLS * GROUPS).reshape(CELLS, GROUPS) for v in (clicks, messages)
    )
    found = jackknife_rate(hit, sent, np.full(CELLS, 500))
    return Interval(found.estimate, found.low, found.high, RARE)


# --- money per message, and two hours of the same customers ----------------------------------------------------------

MARGIN_PER_ORDER = float(12 * np.exp(0.9**2 / 2))
ORDER_RATE = 0.02


def profit_per_message(rng: np.random.Generator) -> list[Interval]:
    """Attributed profit ÷ messages: few orders of very different value, minus the message cost."""
    found = []
    for part, customers in SIZES.items():
        messages = rng.choice(MESSAGES, customers, p=HOW_OFTEN)
        orders = rng.binomial(messages, rng.beta(ORDER_RATE * 10, (1 - ORDER_RATE) * 10, customers))
        buyer = np.repeat(np.arange(customers), orders)
        worth = np.bincount(buyer, rng.lognormal(np.log(12), 0.9, orders.sum()), customers)
        profit, sent = _by_group(rng, worth - 0.05 * messages, messages)
        ratio = jackknife_ratio(profit, sent)
        truth = ORDER_RATE * MARGIN_PER_ORDER - 0.05
        found.append(Interval(ratio.estimate, ratio.low, ratio.high, truth, part, null=0.0))
    return found


def two_hours(rng: np.random.Generator) -> list[Interval]:
    """The log ratio of two hours' click rates among the same customers; truth: equal, or 30 % higher."""
    found = []
    for part, ratio in (("alike", 1.0), ("30 % apart", 1.3)):
        mean = np.array([0.04, 0.04 * ratio])
        likes = rng.beta(2.0, 3.0, 2_000) / 0.4  # mean 1: the same responsiveness in the morning and in the evening
        messages = rng.poisson(5, (2, 2_000))
        clicks = rng.binomial(messages, mean[:, None] * likes)
        sums = np.stack(_by_group(rng, clicks[0], messages[0], clicks[1], messages[1]))
        log_ratio = jackknife(lambda s: np.log(s[2] / s[3] / (s[0] / s[1])), sums)
        found.append(Interval(log_ratio.estimate, log_ratio.low, log_ratio.high, np.log(ratio), part, null=0.0))
    return found


# --- customers as cells ----------------------------------------------------------------------------------------------


def resampled_orders(rng: np.random.Generator) -> list[Interval]:
    """Orders per customer, and the share of orders by customers with five or more, from counts by number of orders."""
    counts = np.bincount(rng.negative_binomial(0.4, 0.2, 2_000), minlength=60)
    orders = np.arange(len(counts))
    busy = orders >= 5
    chances = nbinom.pmf(np.arange(2_000), 0.4, 0.2) * np.arange(2_000)
    truths = {
        "orders per customer": 0.4 * 0.8 / 0.2,
        "share of orders by those with five": chances[5:].sum() / chances.sum(),
    }

    def tell(cells: NDArray[np.int64]) -> Floats:
        made = cells * orders
        return np.stack([made.sum(axis=-1) / cells.sum(axis=-1), made[..., busy].sum(axis=-1) / made.sum(axis=-1)])

    told, drawn = tell(counts), tell(resample_cells(counts, 1_000, rng))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    return [Interval(told[i], low[i], high[i], truth, part) for i, (part, truth) in enumerate(truths.items())]


# --- two arms --------------------------------------------------------------------------------------------------------

ARMS = {
    "14 events expected of 2,000 against 7 of 2,000": (2_000, 0.007, 2_000, 0.0035),
    "12 of 600 against 12 of 600": (600, 0.02, 600, 0.02),
    "290 of 11,300 against 6 of 460": (11_300, 0.0257, 460, 0.013),
    "20 of 20,000 against 5 of 5,000": (20_000, 0.001, 5_000, 0.001),
}
SAME = {part: sizes for part, sizes in ARMS.items() if sizes[1] == sizes[3]}


def miettinen_nurminen(rng: np.random.Generator) -> list[Interval]:
    """The difference of two proportions, with five to twenty events in the smaller arm."""
    found = []
    for part, (treated, rate, control, control_rate) in ARMS.items():
        events = rng.binomial(treated, rate), treated, rng.binomial(control, control_rate), control
        found_here = difference_of_rates(*events)
        truth = rate - control_rate
        found.append(Interval(found_here.estimate, found_here.low, found_here.high, truth, part, null=0.0))
    return found


def fisher(rng: np.random.Generator) -> list[Verdict]:
    """Fisher's exact test at .05 where the arms do not differ."""
    return [
        Verdict(
            bool(difference_of_rates(rng.binomial(n, p), n, rng.binomial(n0, p), n0).p_value < 0.05),
            effect=False,
            part=part,
        )
        for part, (n, p, n0, _) in SAME.items()
    ]


def arm_difference(rng: np.random.Generator, sizes: tuple[int, int] = (2_000, 2_000)) -> list[Interval]:
    """Spend per customer, treated − control; most spend nothing, a few very much (Welch)."""
    found = []
    for part, (rate, control_rate) in {"an effect": (0.08, 0.06), "no effect": (0.06, 0.06)}.items():
        moments = []
        for customers, buys in zip(sizes, (rate, control_rate), strict=True):
            spend = rng.lognormal(3.2, 1.1, customers) * (rng.random(customers) < buys)
            moments.append((customers, spend.sum(), (spend**2).sum()))
        welch = difference_of_means(moments[0], moments[1])
        truth = (rate - control_rate) * np.exp(3.2 + 1.1**2 / 2)
        found.append(Interval(welch.estimate, welch.low, welch.high, truth, part, null=0.0))
    return found


CLAIMS = [
    Claim(
        "click_rate",
        "click rate by jackknife over 64 groups; messages and click rates vary over customers and are correlated",
        "timing, content, effectiveness",
        "two_sided",
        click_rate,
        n=4_000,
    ),
    Claim(
        "opt_out_rate",
        "opt-out rate per message by jackknife over 64 groups; at most one a customer, who then gets no more",
        "timing, frequency, effectiveness",
        "two_sided",
        opt_out_rate,
        n=4_000,
    ),
    Claim(
        "rare_clicks",
        "click rates of 84 small cells, one to forty clicks expected: jackknife on the logit scale, exact for few",
        "timing, content",
        "at_least",
        rare_clicks,
        n=2_000,
    ),
    Claim(
        "profit_per_message",
        "profit per message by jackknife over 64 groups; two orders in a hundred messages, of skewed worth",
        "timing, effectiveness",
        "two_sided",
        profit_per_message,
        n=2_000,
    ),
    Claim(
        "two_hours",
        "log ratio of two hours' click rates among the same 2,000 customers, by jackknife",
        "timing",
        "two_sided",
        two_hours,
        n=4_000,
    ),
    Claim(
        "resampled_orders",
        "from the cells of 2,000 customers, by 1,000 multinomial draws of the cells",
        "segmentation, CLTV",
        "two_sided",
        resampled_orders,
        n=2_000,
    ),
    Claim(
        "miettinen_nurminen",
        "difference of two arms' shares by Miettinen and Nurminen",
        "A/B tests with fewer than 20 events in an arm",
        "two_sided",
        miettinen_nurminen,
        n=4_000,
    ),
    Claim(
        "fisher",
        "Fisher's exact test at .05, arms that do not differ",
        "A/B tests with fewer than 20 events in an arm",
        "false_alarm",
        fisher,
        n=4_000,
    ),
    Claim(
        "arm_difference",
        "spend per customer by Welch from moments, 2 × 2,000 customers of whom 6–8 % buy, log-normally",
        "A/B tests, frequency",
        "two_sided",
        arm_difference,
        n=4_000,
    ),
    Claim(
        "arm_difference_unequal",
        "the same with 8,000 treated and 2,000 in control, of whom 120 buy",
        "A/B tests, frequency",
        "two_sided",
        partial(arm_difference, sizes=(8_000, 2_000)),
        n=4_000,
    ),
    Claim(
        "arm_difference_few_buyers",
        "spend per customer by Welch from moments, 8,000 treated and 800 in control, of whom 48 buy",
        "nowhere: arms as unequal need a hundred buyers in the smaller",
        "two_sided",
        partial(arm_difference, sizes=(8_000, 800)),
        n=4_000,
        known_wrong=True,
    ),
    Claim(
        "binomial_on_messages",
        "click rate by Wilson's interval on messages, in the worlds of the first claim",
        "nowhere",
        "two_sided",
        binomial_on_messages,
        n=2_000,
        known_wrong=True,
    ),
]
