"""Who should get one mailing: a small source with a known best rule, and two public experiments."""

import contextlib
import datetime as dt
import hashlib
import io
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.contract import OUTPUTS
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.pages import compact_words
from smsroi_helpers.send_plan.customer_types import read_codes
from smsroi_helpers.send_plan.groupings import ALL
from smsroi_helpers.send_plan.recipient_rules import NOBODY
from smsroi_helpers.send_plan.recipient_tables import rules_table, traits_table
from smsroi_helpers.send_plan.recipient_wording import decide_recipients, rule_name
from smsroi_helpers.send_plan.recipients import (
    PURPOSE,
    TRAITS,
    _check_buyers,
    find_mailing_test,
    list_recipients,
    plan_recipients,
    rule_rows,
)
from smsroi_helpers.statistics import GROUPS
from tests.experiment_sources import public
from tests.faults.bad_data import Project
from tests.faults.tiny import PACKAGE_HOME

START, END = dt.datetime(2024, 3, 4), dt.datetime(2024, 3, 18)
COST, MARGIN, AMOUNT = 0.4, 0.5, 20.0
CUSTOMERS = 4_000


def source_files(rates, *, sent=("mail",), shares="0.5", kind="content", columns=""):
    """Files of a mailing of two arms, `none` and `mail`.

    Args:
        rates: (attr_place, arm) → share of customers who order for 20.
        sent: the arms that get a message.
        shares: planned, of `mail`.
        kind: of the test.
        columns: `orders` to leave the orders out.
    """
    rng = np.random.default_rng(5)
    files = {
        "experiments": f"experiment_id,kind,control_arm,started_at,ended_at\nt,{kind},none,{START},{END}\n",
        "arms": f"experiment_id,arm,share\nt,none,{1 - float(shares):g}\nt,mail,{shares}\n",
        "assignments": "experiment_id,customer_id,arm,assigned_at\n",
        "customers": "customer_id,attr_place,attr_odd\n",
        "messages": f"message_id,customer_id,campaign_id,sent_at,cost\nold,z,k,{START - dt.timedelta(days=9)},{COST}\n",
        "orders": f"order_id,customer_id,ordered_at,amount\nold,c0,{START - dt.timedelta(days=30)},1\n",
        "source": f"currency: USD\nmargin: {MARGIN}\n",
    }
    for i in range(CUSTOMERS):
        place, arm = ("town", "land")[i % 5 < 2], ("none", "mail")[rng.integers(2)]
        files["assignments"] += f"t,c{i},{arm},{START}\n"
        files["customers"] += f"c{i},{place},{'yes' if rng.integers(2) else 'no'}\n"
        if arm in sent:
            files["messages"] += f"m{i},c{i},k,{START + dt.timedelta(hours=2)},{COST}\n"
        if rng.random() < rates[place, arm]:
            files["orders"] += f"o{i},c{i},{START + dt.timedelta(days=3)},{AMOUNT}\n"
    files["orders"] += f"last,c1,{END + dt.timedelta(days=2)},1\n"
    return {name: text for name, text in files.items() if name != columns}


KNOWN = {("town", "none"): 0.05, ("town", "mail"): 0.20, ("land", "none"): 0.10, ("land", "mail"): 0.10}
"""A mailing gains 1.10 in town and loses its cost elsewhere."""


@pytest.fixture(scope="module")
def known(read_once):
    return plan_recipients(read_once(**source_files(KNOWN)))


# --- a small source ---------------------------------------------------------------------------------------------------


def test_the_best_rule_of_a_small_source_is_found(known):
    assert known.arms == ("none", "mail")
    assert known.chosen.name == "attr_place"
    assert known.weeks == pytest.approx(2.0)
    town = 3 / 5  # i % 5 is 2, 3 or 4
    assert known.chosen.share == pytest.approx(town, abs=4 * np.sqrt(town * (1 - town) / CUSTOMERS))
    assert known.gains
    true = town * (MARGIN * AMOUNT * 0.15 - COST)
    assert known.gain.low < true < known.gain.high
    everybody = next(rule for rule in known.rules if rule.name == ALL)
    assert everybody.ips[0] < known.chosen.ips[0]


def test_the_list_gives_each_customer_what_the_rule_says(known):
    rows = known.shop.count(list_recipients(known)).merge(known.shop.customers.to_pandas(), on="customer_id")
    assert len(rows) == CUSTOMERS  # buyers too, whose type is another since they bought
    assert ((rows["arm"] == "mail") == (rows["attr_place"] == "town")).all()
    assert known.today @ known.given == pytest.approx(rows["arm"].value_counts()[["none", "mail"]].to_numpy())


def test_money_is_that_of_todays_messages(read_once):
    """As many again in the country, who get nothing, and as many from a place that the test had nobody of."""
    files = source_files(KNOWN)
    more = "".join(f"l{i},land,no\n" for i in range(CUSTOMERS)) + "".join(f"x{i},moon,no\n" for i in range(CUSTOMERS))
    plan = plan_recipients(read_once(**{**files, "customers": files["customers"] + more}))
    town = sum(i % 5 >= 2 for i in range(CUSTOMERS))
    assert plan.today.sum() == 3 * CUSTOMERS
    assert plan.today @ plan.given[:, 1] == town
    assert plan.worth.value == pytest.approx(CUSTOMERS * plan.gain.value)
    (found,) = decide_recipients(plan)
    assert found.value == plan.worth.value
    assert f"{CUSTOMERS:,} of today’s customers have an attribute value that nobody in the test had" in found.caveat
    rows = plan.shop.count(list_recipients(plan))
    assert set(rows.loc[rows["customer_id"].str.startswith(("l", "x")), "arm"]) == {"none"}


def test_profit_is_counted_after_the_cost_of_messages_in_the_window(known):
    """The mean profit by arm, from the written rows."""
    files = source_files(KNOWN)
    arms = pd.read_csv(io.StringIO(files["assignments"])).set_index("customer_id")["arm"]
    bought = pd.read_csv(io.StringIO(files["orders"]))
    bought = bought[bought["order_id"].str.startswith("o") & (bought["order_id"] != "old")]["customer_id"]
    profit = MARGIN * AMOUNT * arms.index.isin(bought) - COST * (arms == "mail")
    means = profit.groupby(arms).mean()
    everybody = next(rule for rule in known.rules if rule.name == ALL)
    assert everybody.value.members == CUSTOMERS
    assert everybody.value.snipw[0] == pytest.approx(means["mail"])
    assert everybody.snipw[0] == pytest.approx(means["mail"] - means["none"])


def test_where_a_mailing_only_costs_nobody_gets_it(read_once):
    rates = dict.fromkeys(KNOWN, 0.08)
    plan = plan_recipients(read_once(**source_files(rates)))
    assert plan.chosen.name == NOBODY
    assert not plan.gains
    assert (plan.gain.low, plan.gain.value, plan.gain.high) == (0.0, 0.0, 0.0)
    listed = plan.shop.count(list_recipients(plan))
    assert set(listed["arm"]) == {"none"}
    assert len(listed) == CUSTOMERS


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sent": ("none", "mail")}, "No valid test has an arm without messages"),
        ({"sent": ()}, "No valid test has an arm without messages"),
        ({"shares": "0.6"}, "No valid test has an arm without messages"),
        ({"columns": "orders"}, "no amounts of orders"),
    ],
    ids=["everybody was sent one", "nobody was sent one", "sample-ratio mismatch", "no orders"],
)
def test_a_source_that_cannot_say_whom_to_mail_says_so(changes, said, read_once):
    with pytest.raises(NotEnoughData, match=said):
        plan_recipients(read_once(**source_files(KNOWN, **changes)))


@pytest.mark.parametrize(
    ("customers", "buyers", "refused"),
    [((1_000, 1_000), (19, 40), True), ((1_000, 1_000), (20, 40), False), ((1_000, 5_000), (99, 500), True),
     ((1_000, 5_000), (100, 500), False), ((5_000, 1_000), (500, 99), True)],
)  # fmt: skip
def test_each_arm_needs_buyers_and_a_small_one_beside_a_large_one_more(customers, buyers, refused):
    """The smaller arm of a holdout has a skewed mean: with 50 buyers a tenth of null tests would be a “do”."""
    members = pd.DataFrame({"arm": ["none", "mail"], "n": customers, "buyers": buyers})
    with pytest.raises(NotEnoughData) if refused else contextlib.nullcontext():
        _check_buyers(members, ("none", "mail"))


def test_hardly_any_orders_are_too_few(read_once):
    with pytest.raises(NotEnoughData, match="have ordered"):
        plan_recipients(read_once(**source_files(dict.fromkeys(KNOWN, 0.001))))


def test_a_holdout_is_a_test_with_an_arm_without_messages(read_once):
    test, untreated = find_mailing_test(read_once(**source_files(KNOWN, kind="holdout")))
    assert (test.name, untreated) == ("t", "none")


# --- public experiments -----------------------------------------------------------------------------------------------

COLUMNS = {
    "hillstrom": {
        "attr_bought_mens": "mens", "attr_bought_womens": "womens", "attr_channel": "channel",
        "attr_months_since_order": "recency", "attr_new": "newbie",
    },
    "starbucks_promo": {f"attr_{name}": name.upper() for name in ("v1", "v4", "v5", "v6", "v7")},
}  # fmt: skip


def read_raw(name):
    """The customers of a public file, in plain pandas: id, arm, profit, half, and the attributes as texts."""
    rows = pd.read_csv(public(name)[1], dtype=str)
    if name == "hillstrom":
        arms = {"No E-Mail": "none", "Mens E-Mail": "mens", "Womens E-Mail": "womens"}
        rows["id"], rows["arm"] = (np.arange(len(rows)) + 2).astype(str), rows["segment"].map(arms)
        rows["profit"] = 0.3 * rows["spend"].astype(float)
        rows["channel"] = rows["channel"].str.lower()
    else:
        rows["id"], rows["arm"] = rows["ID"], rows["Promotion"].map({"No": "none", "Yes": "promotion"})
        rows["profit"] = 10.0 * (rows["purchase"] == "1") - 0.15 * (rows["arm"] == "promotion")
    digits = [hashlib.md5(f"{PURPOSE}:{each}".encode(), usedforsecurity=False).hexdigest()[:2] for each in rows["id"]]
    rows["half"] = [int(pair, 16) % GROUPS % 2 for pair in digits]
    return rows


def arms_of(plan, name, rule, rows):
    """What a rule that a half taught gives each customer of the other half, by the customer's attributes."""
    levels = read_codes(plan.codes)
    types, columns = plan.types, COLUMNS[name]
    known = [
        (tuple(types.values[column][levels[c, types.place(column)]] for column in columns), c)
        for c in np.flatnonzero(levels[:, types.place("purchases")] == 0)
    ]
    given = rule.learned[:, rule.grouping.profile].argmax(axis=2)  # (halves, codes)
    number = dict(known)
    code = [number[key] for key in zip(*(rows[column] for column in columns.values()), strict=True)]
    return np.array(plan.arms)[given[1 - rows["half"].to_numpy(), code]]


@pytest.mark.public_data
@pytest.mark.parametrize("name", ["hillstrom", "starbucks_promo"])
def test_rules_of_public_experiments_are_worth_what_plain_pandas_says(name, plan_public):
    """IPS over the file's rows, each by the rule of the other half; and the same without one group of customers."""
    plan, rows = plan_public(name), read_raw(name)
    assert plan.members == len(rows)
    share = rows["arm"].value_counts(normalize=True)
    nobody = rows["profit"].where(rows["arm"] == "none", 0.0) / share["none"]
    for rule in (plan.chosen, next(each for each in plan.rules if each.name == TRAITS)):
        given = arms_of(plan, name, rule, rows)
        weighted = rows["profit"].where(rows["arm"] == given, 0.0) / rows["arm"].map(share)
        assert rule.ips[0] == pytest.approx((weighted - nobody).mean(), abs=1e-9)
        assert rule.share == pytest.approx((given != "none").mean())


@pytest.mark.public_data
def test_hillstrom_says_what_its_published_effects_say(plan_public):
    """Men's − none .770 [.485, 1.055] in spend, women's .424; profit is 0.3 of it, and e-mails are free."""
    plan = plan_public("hillstrom")
    alike = {plan.arms[rule.policy[0].argmax()]: rule.ips[0] for rule in plan.rules if rule.name == ALL}
    assert alike == {"mens": pytest.approx(0.3 * 0.770, abs=2e-4), "womens": pytest.approx(0.3 * 0.424, abs=2e-4)}
    assert plan.chosen.name == ALL
    assert plan.arms[plan.chosen.policy[0].argmax()] == "mens"
    assert plan.gain.low > 0


@pytest.mark.public_data
def test_starbucks_loses_by_mailing_everybody_and_gains_by_a_rule(plan_public):
    """−2,349.28 over 42,364 treated is published. The chosen rule's gain by weighting lies above 0."""
    plan = plan_public("starbucks_promo")
    everybody = next(rule for rule in plan.rules if rule.name == ALL)
    assert 42_364 * everybody.ips[0] == pytest.approx(-2_349.28, abs=0.01)
    assert plan.gains
    assert plan.gain.value > 0 > plan.estimate(everybody, everybody.ips).high
    for other in (plan.chosen.snipw, plan.chosen.doubly_robust):
        assert plan.estimate(plan.chosen, other).low > 0
        assert plan.gain.low < other[0] < plan.gain.high


# --- its page ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_report_has_this_page_in_place_of_the_send_plan(tmp_path, monkeypatch):
    """The source has no test of frequencies: the page's answer and its table are those of the recipients."""
    project = Project(tmp_path)
    (tmp_path / "notebooks" / "00_alpha.ipynb").unlink()
    for folder in (".", "instead"):
        (tmp_path / "notebooks" / folder).mkdir(exist_ok=True)
        shutil.copy(PACKAGE_HOME / "notebooks" / folder / "09_send_plan.ipynb", tmp_path / "notebooks" / folder)
    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path))
    suffix = {"source": "source.yml"}
    project.fill({suffix.get(name, f"{name}.csv"): text for name, text in source_files(KNOWN).items()})
    code, _stdout, stderr = project.run()
    assert code == 0, stderr
    manifest = project.manifest()
    assert manifest["notebooks"]["09_send_plan"]["status"] == "ok"
    run = tmp_path / "reports" / "tiny" / manifest["run"]
    page = (run / "09_send_plan.html").read_text(encoding="utf-8")
    assert "Who gets the mailing?" in page
    assert "chosen by place" in page
    assert "capacity_per_hour" not in page
    listed = pd.read_parquet(run / "tables" / "recipients.parquet")
    assert listed["arm"].value_counts().to_dict() == {"mail": CUSTOMERS * 3 // 5, "none": CUSTOMERS * 2 // 5}
    decisions = pd.read_parquet(run / "tables" / "decisions" / "09_send_plan.parquet")
    assert decisions[["outcome", "evidence", "money"]].iloc[0].tolist() == ["do", "modelled", "cash"]


# --- words ------------------------------------------------------------------------------------------------------------


def test_the_decision_counts_todays_customers_and_says_what_was_learned(known):
    (decision,) = decide_recipients(known)
    assert decision.outcome == "do"
    assert decision.action == "Send “mail” to 2,400 of 4,000 customers (60%), chosen by place."
    assert decision.value == pytest.approx(CUSTOMERS * known.gain.value)
    assert (decision.customers, decision.evidence_customers) == (CUSTOMERS, CUSTOMERS)
    assert "4,000 customers" in decision.text


def test_where_no_rule_gains_the_decision_says_that_choosing_does_not_beat_sending_nothing(read_once):
    (decision,) = decide_recipients(plan_recipients(read_once(**source_files(dict.fromkeys(KNOWN, 0.08)))))
    assert decision.outcome in ("dont", "not_enough_evidence")
    assert decision.action == "Send nothing: choosing who gets a message is not shown to beat sending none."
    assert np.isnan(decision.value)


def test_the_tables_show_every_rule_with_all_three_estimates(known):
    shown = re.sub("<[^>]*>", "", rules_table(known, "USD").markup)
    for rule in known.rules:
        assert rule_name(known, rule) in shown
        if rule.name != NOBODY:
            for replicates in (rule.ips, rule.snipw, rule.doubly_robust):
                found = known.estimate(rule, replicates)
                assert compact_words(found.value, found.low, found.high, "USD") in shown
    rows = rule_rows(known)
    assert rows["chosen"].sum() == 1
    assert set(OUTPUTS["plan_score"]) <= set(rows.columns)
    assert "land" in traits_table(known).markup
    assert known.messaged == known.receivers[1:].sum() > 0
    assert known.messaged_share == known.messaged / known.today.sum()
    for name in known.types.values:
        levels = known.by_level(name)
        assert sum(one.customers for one in levels) == known.customers
        assert all(sum(one.shares) == pytest.approx(1) for one in levels)
        messaged = sum(one.customers * (1 - one.shares[0]) for one in levels)
        assert messaged == pytest.approx(known.messaged)
