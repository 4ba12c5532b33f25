"""The most probable latent segment of simulated customers, given the true parameters: an upper bound for clustering.

Computes each customer's posterior probabilities of the segments by Bayes' rule. The likelihood uses BG/NBD for
purchases in the company's own time, Gamma–Gamma for values, the shares of the attributes, and clicks at the segment's
mean rate with the distribution of responsiveness. It treats orders caused by messages as organic and averages over
hours and fatigue, so the bound is slightly low.
"""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from scipy.special import betaln, expit, gammaln

from smsroi_helpers.simulation.behaviour import CLOCK, plan_company
from smsroi_helpers.simulation.chunk import ATTRIBUTES
from smsroi_helpers.simulation.ground_truth import SEGMENTS, World, read_truth


def likeliest_segments(source: Path) -> pd.DataFrame:
    """customer_id, segment (true), likeliest (index of the most probable segment), for customers with purchases.

    Args:
        source: the folder of a simulated company.
    """
    world = read_truth(source)
    con = duckdb.connect()
    people = con.sql(
        f"SELECT c.*, t.segment FROM '{source}/customers/*.parquet' c"
        f" JOIN '{source}/truth/customers/*.parquet' t USING (customer_id)"
        f" WHERE customer_id IN (SELECT customer_id FROM '{source}/orders/*.parquet' WHERE amount > 0)"
        " ORDER BY customer_id"
    ).df().set_index("customer_id")  # fmt: skip
    orders = con.sql(
        f"SELECT customer_id, CAST(timezone('{CLOCK}', ordered_at) AS DATE) AS day, amount + discount AS value"
        f" FROM '{source}/orders/*.parquet' WHERE amount > 0"
    ).df()  # fmt: skip
    clicks = con.sql(
        "SELECT customer_id, count(delivered_at) AS reached,"
        " count(*) FILTER (epoch(clicked_at) - epoch(delivered_at) >= 5) AS clicked"
        f" FROM '{source}/messages/*.parquet' WHERE channel = 'sms' GROUP BY 1"
    ).df()  # fmt: skip
    clicks = clicks.set_index("customer_id").reindex(people.index).fillna(0)
    weeks = len(con.sql(f"SELECT DISTINCT campaign_id FROM '{source}/campaigns.parquet'").df()) // 4
    company = plan_company(world, weeks)
    days = (pd.to_datetime(orders["day"]) - pd.Timestamp(company.first_day)).dt.days
    at = np.interp(days + 0.5, np.arange(len(company.organic_pace)), company.organic_pace) / 7
    history = orders.assign(at=at).groupby(["customer_id", "day"])["at"].first().groupby("customer_id")
    history = history.agg(["min", "max", "count"]).reindex(people.index)
    spend = orders.assign(log=np.log(orders["value"])).groupby("customer_id").agg(
        n=("value", "size"), total=("value", "sum"), logs=("log", "sum")
    ).reindex(people.index)  # fmt: skip
    logs = np.column_stack([
        np.log(world.share[s]) + _purchases(world, s, history, company.organic_pace[-1] / 7) + _money(world, s, spend)
        + _attributes(s, people) + _clicks(world, s, clicks)
        for s in range(len(SEGMENTS))
    ])  # fmt: skip
    return pd.DataFrame(
        {"customer_id": people.index, "segment": people["segment"].to_numpy(), "likeliest": logs.argmax(axis=1)}
    )


def _purchases(world: World, s: int, history: pd.DataFrame, end: float) -> np.ndarray:
    """Fader, Hardie & Lee (2005), equation 6."""
    r, alpha, a, b = world.r[s], world.alpha[s], world.a[s], world.b[s]
    x = history["count"].to_numpy() - 1
    since, until = end - history["min"].to_numpy(), (history["max"] - history["min"]).to_numpy()
    stays = betaln(a, b + x) - (r + x) * np.log(alpha + since)
    left = np.where(x > 0, betaln(a + 1, b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + until), -np.inf)
    return gammaln(r + x) - gammaln(r) + r * np.log(alpha) - betaln(a, b) + np.logaddexp(stays, left)


def _money(world: World, s: int, spend: pd.DataFrame) -> np.ndarray:
    p, q, v = world.value_p[s], world.value_q[s], world.value_v[s]
    n, total, logs = (spend[name].to_numpy() for name in ("n", "total", "logs"))
    return (
        gammaln(p * n + q) - gammaln(q) + q * np.log(v) - (p * n + q) * np.log(v + total) + (p - 1) * logs
        - n * gammaln(p)
    )  # fmt: skip


def _attributes(s: int, people: pd.DataFrame) -> np.ndarray:
    found = np.zeros(len(people))
    for name, (words, shares) in ATTRIBUTES.items():
        found += np.log(np.array(shares[s]))[people[name].map({word: i for i, word in enumerate(words)}).to_numpy(int)]
    return found


def _clicks(world: World, s: int, clicks: pd.DataFrame) -> np.ndarray:
    """Binomial log-likelihood over responsiveness .5 + Beta(2, 2) on a grid; includes fatigue at two texts a week."""
    rate = float(expit(world.attention_logit()[s]).mean()) * np.exp(-0.15) * world.click_share[s]
    grid = 0.5 + (np.arange(20) + 0.5) / 20
    weight = (grid - 0.5) * (1.5 - grid)
    reached, clicked = clicks["reached"].to_numpy()[:, None], clicks["clicked"].to_numpy()[:, None]
    p = np.minimum(rate * grid, 0.9)
    logs = clicked * np.log(p) + np.maximum(reached - clicked, 0) * np.log1p(-p) + np.log(weight / weight.sum())
    return np.logaddexp.reduce(logs, axis=1)
