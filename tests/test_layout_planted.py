"""What would break the layout rules, planted as small texts, and what looks like it and is allowed."""

import pytest

from tests.source_names import Source
from tests.test_layout import (
    RULES,
    SOURCES,
    Rule,
    every_phrase_is_translated,
    find_circles,
    local_time_of_measures_only,
    long_functions_have_a_docstring,
    measured_columns_in_measures_only,
    no_estimator_in_the_simulation,
    no_module_by_name,
    no_module_of_another,
    no_number_in_presentation,
    no_private_name_of_another,
    no_relative_import,
    no_shop_in_statistics,
    no_sql_text,
    no_upper_level,
    only_exported_names,
    only_the_engine_names_an_engine,
    words_in_presentation_only,
)

_ANY = "timing/counts.py"
PLANTED: tuple[tuple[Rule, str, str], ...] = (
    (no_upper_level, "measures/clicks.py", "import smsroi_helpers\nx = smsroi_helpers.timing.analyse"),
    (no_upper_level, "measures/clicks.py", "import smsroi_helpers as s\nt = s.timing\nx = t.analyse"),
    (no_upper_level, "measures/clicks.py", "from importlib import import_module as f\nx = f('smsroi_helpers.timing')"),
    (no_upper_level, _ANY, "def f():\n    from smsroi_helpers import send_plan"),
    (no_upper_level, _ANY, "import sys\nx = sys.modules['smsroi_helpers.send_plan']"),
    (no_upper_level, _ANY, "def f(x: 'smsroi_helpers.send_plan.SendPlan'): ..."),
    (no_upper_level, _ANY, "import smsroi_helpers\nx = getattr(smsroi_helpers, 'send' + '_plan')"),
    (no_upper_level, _ANY, "import smsroi_helpers\nx = smsroi_helpers.__dict__['send_plan']"),
    (no_upper_level, "statistics/power.py", "from typing import Any\nx: 'list[smsroi_helpers.source.Shop]'"),
    (no_relative_import, "simulation/write.py", "from ..statistics import effects"),
    (no_module_of_another, _ANY, "from smsroi_helpers.measures.clicks import human_clicks"),
    (only_exported_names, _ANY, "from smsroi_helpers import experiments\nx = experiments.registry._cells"),
    (only_exported_names, _ANY, "from smsroi_helpers import experiments as e\ny = e\nx = y._cells"),
    (only_exported_names, _ANY, "from smsroi_helpers.measures import _nothing"),
    (only_exported_names, _ANY, "from smsroi_helpers.measures import *"),
    (only_exported_names, "content/tables.py", "from smsroi_helpers import ab_test\nx = ab_test.tables._hidden"),
    (no_module_by_name, _ANY, "import importlib as i\nx = i.import_module(name)"),
    (no_module_by_name, _ANY, "from sys import modules as m\nx = m[name]"),
    (no_module_by_name, _ANY, "x = eval('1')"),
    (no_shop_in_statistics, "statistics/power.py", "def f(rows):\n    import ibis"),
    (words_in_presentation_only, "timing/best_hours.py", "import smsroi_helpers as s\nx = s.pages.note"),
    (no_number_in_presentation, "timing/tables.py", "import numpy as n\nx = n.quantile(draws, 0.5)"),
    (no_number_in_presentation, "timing/hour_wording.py", "x = rows['profit'].quantile(0.5)"),
    (no_number_in_presentation, "timing/tables.py", "x = plan.shop.count(rows)"),
    (no_number_in_presentation, "timing/tables.py", "x = plan.messages.nunique().execute()"),
    (no_number_in_presentation, "timing/tables.py", "import ibis\nx = ibis.literal(1)"),
    (no_number_in_presentation, "timing/figures.py", "x = 100 * row.clicks / row.texts"),
    (
        no_number_in_presentation,
        "timing/figures.py",
        "def f(part: float, of: float):\n    return part / max(of, 1)",
    ),
    (no_number_in_presentation, "timing/figures.py", "x = len([row for row in rows if row.won]) / len(rows)"),
    (no_number_in_presentation, "timing/figures.py", "n, all = len(won), len(rows)\nx = percent(n / all)"),
    (no_number_in_presentation, "timing/figures.py", "after = row.after\nbefore = row.before\nafter -= before"),
    (no_number_in_presentation, "timing/figures.py", "x = 1 - answer.share"),
    (no_number_in_presentation, "timing/figures.py", "x = answer.texts * answer.gain"),
    (no_number_in_presentation, "timing/figures.py", "bars = [row.value - row.low, row.high - row.value]"),
    (no_number_in_presentation, "timing/figures.py", "x = sum(row.customers for row in rows)"),
    (no_number_in_presentation, "timing/figures.py", "x = rows.groupby('hour')['n'].agg('sum')"),
    (no_number_in_presentation, "timing/figures.py", "x = (rows['p'] < 0.05).sum()"),
    (no_number_in_presentation, "timing/figures.py", "x = getattr(rows['n'], 'sum')()"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['clicks'].div(rows['texts'])"),
    (no_number_in_presentation, "timing/figures.py", "import numpy as np\nx = np.divide(row.a, row.b)"),
    (no_number_in_presentation, "timing/figures.py", "x = row.a + row.b"),
    (no_number_in_presentation, "timing/figures.py", "for row in rows:\n    all += row.n"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['n'].describe()"),
    (no_number_in_presentation, "timing/figures.py", "x = row.sd ** row.power"),
    (no_number_in_presentation, "timing/figures.py", "import math\nx = math.hypot(row.a, row.b)"),
    (no_number_in_presentation, "timing/tables.py", "from statistics import mean as m\nx = m(values)"),
    (no_number_in_presentation, "timing/tables.py", "from smsroi_helpers.statistics import standard_error"),
    (every_phrase_is_translated, "timing/figures.py", "ax.set_title('Profit per text and week')"),
    (every_phrase_is_translated, "timing/tables.py", "x = note('There are no rows.')"),
    (every_phrase_is_translated, "timing/tables.py", "x = table(rows, caption=f'{n} customers left')"),
    (every_phrase_is_translated, "timing/wording.py", "def f():\n    return 'Nobody bought anything.'"),
    (every_phrase_is_translated, "timing/wording.py", "from smsroi_helpers.locale import _ as tr"),
    (no_module_by_name, _ANY, "import runpy\nx = runpy.run_path('plan.py')"),
    (no_module_by_name, _ANY, "import importlib.util as u\nx = u.find_spec('x')"),
    (measured_columns_in_measures_only, _ANY, "x = rows.query('clicked_at > delivered_at')"),
    (local_time_of_measures_only, _ANY, "x = rows.sent_at.hour()"),
    (local_time_of_measures_only, _ANY, "import ibis\nx = (rows.sent_at + ibis.interval(hours=8)).hour()"),
    (local_time_of_measures_only, _ANY, "import datetime as dt\nx = dt.timezone(dt.timedelta(hours=8))"),
    (no_sql_text, _ANY, "x = shop.messages.sql('select clicked_at from messages')"),
    (measured_columns_in_measures_only, _ANY, "x = getattr(shop.messages, 'clicked_at')"),
    (measured_columns_in_measures_only, _ANY, "x = shop.messages[f'{event}_at']"),
    (measured_columns_in_measures_only, _ANY, "x = shop.messages['clicked' + '_at']"),
    (measured_columns_in_measures_only, _ANY, "x = shop.messages[event + '_at']"),
    (local_time_of_measures_only, _ANY, "from smsroi_helpers import engine as e\nx = e.local_time"),
    (local_time_of_measures_only, _ANY, "x = rows.sent_at.cast(\"timestamp('Asia/Tokyo')\")"),
    (local_time_of_measures_only, _ANY, "x = rows.sent_at.cast(f\"timestamp('{zone}', 6)\")"),
    (local_time_of_measures_only, _ANY, "x = rows['sent_at'].dt.tz_localize('UTC').dt.tz_convert(zone)"),
    (local_time_of_measures_only, _ANY, "x = instant.astimezone(zone)"),
    (local_time_of_measures_only, _ANY, "from zoneinfo import ZoneInfo"),
    (no_private_name_of_another, _ANY, "x = shop._tables"),
    (no_module_by_name, _ANY, "x = loader.load_module()"),
    (no_module_by_name, _ANY, "x = rows.__loader__"),
    (no_sql_text, _ANY, "x = shop.engine.con.query('select 1')"),
    (no_sql_text, _ANY, "import pandas as pd\nx = pd.read_sql('select amount from orders', x)"),
    (measured_columns_in_measures_only, "pages/table.py", "x = rows['clicked_at']"),
    (measured_columns_in_measures_only, "pages/table.py", "x = rows.opted_in_at"),
    (measured_columns_in_measures_only, _ANY, "x = rows.eval('amount * 2')"),
    (measured_columns_in_measures_only, _ANY, "x = rows.query(expr='amount > 2')"),
    (measured_columns_in_measures_only, _ANY, "x = rows['{}_at'.format(event)]"),
    (measured_columns_in_measures_only, _ANY, "x = rows['clicked%s' % ending]"),
    (measured_columns_in_measures_only, _ANY, "import ibis.selectors as s\nx = rows.select(s.startswith('opted'))"),
    (measured_columns_in_measures_only, _ANY, "x = shop.messages[shop.messages.columns[6]]"),
    (local_time_of_measures_only, _ANY, "t = rows.delivered\nx = t.hour()"),
    (local_time_of_measures_only, _ANY, "x = frame['sent'].dt.hour"),
    (local_time_of_measures_only, _ANY, "x = rows.sent_at.strftime('%H')"),
    (local_time_of_measures_only, _ANY, "import ibis\nx = rows.sent_at + ibis.interval(hours=8)"),
    (local_time_of_measures_only, _ANY, "import datetime as dt\nx = dt.datetime.now()"),
    (every_phrase_is_translated, "timing/wording.py", "from smsroi_helpers.locale import _\ntr = _"),
    (every_phrase_is_translated, "timing/wording.py", "x = a if b else 'No customer bought.'"),
    (every_phrase_is_translated, "timing/wording.py", "x = str(n) + ' customers bought'"),
    (every_phrase_is_translated, "timing/tables.py", "x = f'{row.share:.0%} of texts'"),
    (every_phrase_is_translated, "timing/tables.py", "x = f'{n} customers'"),
    (every_phrase_is_translated, "timing/tables.py", "x = rows.rename(columns={'n': 'Customers in the group'})"),
    (every_phrase_is_translated, "timing/tables.py", "x = {'Customers in the group': 1}"),
    (every_phrase_is_translated, "timing/tables.py", "x = _(f'there are {n}')"),
    (every_phrase_is_translated, "timing/figures.py", "ax.legend(loc='best', title='Hours of the day')"),
    (no_number_in_presentation, "timing/figures.py", "total = 0\nfor row in rows:\n    total += n_of(row)"),
    (no_number_in_presentation, "timing/figures.py", "x = row['a'] + row['b']"),
    (no_number_in_presentation, "timing/figures.py", "x = float(a) + float(b)"),
    (no_number_in_presentation, "timing/figures.py", "x = row.value ** 2"),
    (no_number_in_presentation, "timing/figures.py", "x = max(row.n for row in rows)"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['n'].max()"),
    (no_number_in_presentation, "timing/figures.py", "x = number(rows['n'].min())"),
    (no_number_in_presentation, "timing/figures.py", "x = sorted(values)[len(values) // 2]"),
    (no_number_in_presentation, "timing/figures.py", "from collections import Counter\nx = Counter(r.k for r in rows)"),
    (no_number_in_presentation, "timing/figures.py", "x = rows.groupby('hour').size()"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['n'].apply(f)"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['n'].cummax()"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['n'].rolling(3)"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['a'].rdiv(rows['b'])"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['n'].sem()"),
    (no_number_in_presentation, "timing/figures.py", "x = rows.query('n > 3')"),
    (no_number_in_presentation, "timing/figures.py", "x = math.exp(row.a)"),
    (no_number_in_presentation, "timing/figures.py", "x = np.expm1(row.a)"),
    (no_number_in_presentation, "timing/figures.py", "x = math.log(row.a)"),
    (no_number_in_presentation, "timing/figures.py", "x = np.interp(0.5, a, b)"),
    (no_number_in_presentation, "timing/figures.py", "x = np.trapezoid(rows.a)"),
    (no_number_in_presentation, "timing/figures.py", "x = np.add.reduce(rows.a)"),
    (no_number_in_presentation, "timing/figures.py", "x = functools.reduce(f, rows)"),
    (no_number_in_presentation, "timing/figures.py", "from math import sqrt as s"),
    (no_number_in_presentation, "timing/figures.py", "from functools import reduce as r"),
    (no_number_in_presentation, "timing/figures.py", "f = np.interp"),
    (no_number_in_presentation, "timing/figures.py", "f = sum"),
    (no_number_in_presentation, "timing/figures.py", "x = list(map(sum, rows))"),
    (
        no_number_in_presentation,
        "timing/figures.py",
        "top = rows['n'].max()\nax.set_ylim(0, top)\nreturned = number(top)",
    ),
    (only_the_engine_names_an_engine, _ANY, "import ibis as i\nx = i.duckdb.connect()"),
    (only_the_engine_names_an_engine, _ANY, "from ibis import duckdb as d"),
    (only_the_engine_names_an_engine, _ANY, "from ibis.backends import duckdb"),
    (only_the_engine_names_an_engine, _ANY, "from ibis import *"),
    (only_the_engine_names_an_engine, _ANY, "import ibis\nx = ibis.connect('duckdb://')"),
    (no_estimator_in_the_simulation, "simulation/write.py", "from statsmodels.api import OLS"),
    (long_functions_have_a_docstring, _ANY, "async def f():" + "\n    x = 1" * 62),
    (long_functions_have_a_docstring, _ANY, 'def f():\n    """."""' + "\n    x = 1" * 62),
)
"""A rule, a module, and what would break the rule if it were written there."""


@pytest.mark.parametrize(("rule", "name", "text"), PLANTED)
def test_a_planted_violation_is_found(rule, name, text):
    assert list(rule(Source(name, text)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (_ANY, "from smsroi_helpers import measures as m\nx = m.local_time"),
        (_ANY, "import ibis\nx = ibis.row_number().connect"),
        (_ANY, "def f(kind: Literal['best hour']): ..."),
        ("content/tables.py", "from smsroi_helpers import ab_test\nx = ab_test.tables.difference_words"),
        ("engine/duckdb.py", "import ibis\nx = ibis.duckdb.connect()"),
        ("timing/figures.py", "ax.set_xlim(rows['hour'].min() - 0.5, 100 * row.high)\nx = -len(rows) // columns"),
        ("timing/figures.py", "ax.errorbar(at, y, yerr=[row.value - row.low, row.high - row.value])"),
        ("timing/figures.py", "lengths = np.stack([y - low, high - y])\nax.bar(at, y, xerr=lengths)"),
        ("timing/figures.py", "for at, row in enumerate(rows):\n    ax.text(at - (len(rows) - 1) / 2, row.y, '')"),
        ("timing/figures.py", "x = np.diff(ax.get_xticks()).min()\nn = sum(row.p < 0.05 for row in rows)"),
        ("timing/outputs.py", "x = row.clicks / row.texts"),
        ("timing/figures.py", "top = rows['n'].max()\nax.set_ylim(0, 1.1 * top)"),
        ("timing/figures.py", "x = max(share, 0)\ny = sorted(rows)[:3]\nif max(row.n for row in rows) > 3:\n    pass"),
        ("timing/figures.py", "words += [a]\nx = 'a' + b\nat = 0\nat += 1\nn = 0\nn += sum(r.p < 1 for r in rows)"),
        ("timing/figures.py", "ax.legend(loc='upper left')\nx = decide(period=f'{n:.3g} weeks')"),
        ("timing/wording.py", "if kind == 'all others':\n    raise ValueError('kind is not known')"),
        (
            "timing/wording.py",
            "def f(x: 'dict[str, float]') -> 'tuple[str, float]':\n    return _('No customer bought.')",
        ),
        ("timing/wording.py", "x = {'no outcome': _('No outcome')}[row['too few']]"),
        (_ANY, "x = local_time(shop, rows.sent_at).hour()\nt = rows.send_at_local\ny = t.hour()"),
        (_ANY, "import ibis\nx = rows.sent_at + ibis.interval(hours=window_hours)"),
        ("pages/x.py", "__all__ = ['amount']"),
        (_ANY, "x = rows.at.cast(\"timestamp('UTC', 6)\")\ny = rows.at.cast('timestamp(6)')"),
        (_ANY, "x = rows[f'{name}_rate']\ny = rows[f'{name}']"),
    ],
)
def test_what_is_allowed_is_not_found(name, text):
    assert not [fault for rule in RULES for fault in rule(Source(name, text))]


def test_a_planted_circle_of_modules_is_found():
    name, lines = "measures/columns.py", 0
    planted = []
    for source in SOURCES:
        if source.name == name:
            lines = len(source.text.splitlines())
            text = f"{source.text}def planted():\n    from smsroi_helpers.measures.profit import profit\n"
            source = Source(name, text)
        planted.append(source)
    assert any(f"{name}:{lines + 2} uses smsroi_helpers.measures.profit" in circle for circle in find_circles(planted))


def test_of_a_planted_circle_the_import_alone_that_makes_it_is_named():
    text = next(source.text for source in SOURCES if source.name == _ANY)
    line = len(text.splitlines()) + 2
    for other in ("timing.decision", "send_plan"):
        planted = Source(_ANY, f"{text}def planted():\n    from smsroi_helpers import {other.split('.')[0]}\n")
        if "." in other:
            planted = Source(_ANY, f"{text}def planted():\n    from smsroi_helpers.{other} import decide\n")
        found = find_circles([planted if source.name == _ANY else source for source in SOURCES])
        assert found == [[f"{_ANY}:{line} uses smsroi_helpers.{other}"]]
