"""Calibration: an exact interval passes, a narrow one fails, and an interrupted run resumes."""

import contextlib
import datetime as dt
import functools
import importlib
import io
import json
import math
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import calibrate
from benchmarks import fingerprint as fingerprints
from benchmarks.calibrate import (
    Replicate,
    Score,
    allowed,
    find_claims,
    main,
    run_replicate,
    score,
    summarise,
)
from benchmarks.claims import BestSet, Claim, Interval, Verdict, Withheld
from benchmarks.fingerprint import fingerprint

N = 400


def exact(rng):
    """The interval of one normal number with known error."""
    found = rng.normal(3.0, 2.0)
    return Interval(found, found - 1.96 * 2, found + 1.96 * 2, truth=3.0, null=0.0)


def too_narrow(rng):
    found = rng.normal(3.0, 2.0)
    return Interval(found, found - 1.5 * 2, found + 1.5 * 2, truth=3.0)  # contains the truth in 87 % of seeds


def fails_often(rng):
    if rng.random() < 0.2:
        raise ArithmeticError("no number")
    return exact(rng)


CLAIMS = [
    Claim("exact", "an exact interval", "nowhere", "two_sided", exact, n=N),
    Claim("too_narrow", "one too narrow", "nowhere", "two_sided", too_narrow, n=N, known_wrong=True),
]


def claim(run=exact, rule="two_sided", **more):
    return Claim("toy", "a toy", "nowhere", rule, run, **more)


def replicates_of(run, n=N, rule="two_sided"):
    toy = claim(run, rule)
    return toy, [run_replicate(toy, seed) for seed in range(n)]


# --- the rule --------------------------------------------------------------------------------------------------------


def test_with_a_thousand_seeds_a_claim_may_miss_95_percent_by_2_72_points():
    low, high = allowed(claim(), 1_000)
    assert (0.95 - low, high - 0.95) == pytest.approx((0.0272, 0.0272), abs=5e-5)
    assert allowed(claim(rule="shrunken"), 1_000) == (low, high)
    assert allowed(claim(rule="predictive"), 1_000) == (low, high)
    assert allowed(claim(rule="at_least"), 1_000) == (low, 1.0)
    assert allowed(claim(rule="false_alarm", alpha=0.05), 1_000) == pytest.approx((0, 0.05 + 0.0272), abs=5e-5)


@pytest.mark.parametrize(
    ("held", "rule", "passes"),
    [
        (922, "two_sided", False),
        (923, "two_sided", True),
        (977, "two_sided", True),
        (978, "two_sided", False),
        (1000, "at_least", True),
        (922, "at_least", False),
    ],
)
def test_the_limits_of_the_allowed_range(held, rule, passes):
    replicates = [Replicate(seed, 0.0, {"": Score(float(seed < held), 0, 0, 1, 0, 0)}) for seed in range(1_000)]
    (row,) = summarise(claim(rule=rule), replicates)
    assert row.share == held / 1_000
    assert row.passed is passes


def test_an_exact_interval_passes_and_a_narrow_one_fails():
    (good,), (bad,) = (summarise(*replicates_of(run)) for run in (exact, too_narrow))
    assert good.passed
    assert not bad.passed
    # P(|Z| < 1.96), P(|Z| < 1.5), within four standard errors of a share of 400.
    assert good.share == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / N))
    assert bad.share == pytest.approx(0.8664, abs=4 * math.sqrt(0.8664 * 0.1336 / N))
    assert good.share_low < good.share < good.share_high
    assert abs(good.bias) < 4 * good.bias_error
    assert good.bias_error == pytest.approx(2 / math.sqrt(N), rel=0.2)
    assert good.width == pytest.approx(2 * 1.96 * 2)
    # With truth 3 and error 2 the interval excludes 0 when Z > .46.
    assert good.power == pytest.approx(0.3228 + 0.0003, abs=4 * math.sqrt(0.22 / N))
    assert math.isnan(good.alarm)


def test_failed_replicates_are_misses_and_are_shown():
    toy, replicates = replicates_of(fails_often)
    (row,) = summarise(toy, replicates)
    assert row.failed == sum(bool(replicate.error) for replicate in replicates)
    assert 0.1 < row.failed / N < 0.3
    assert row.share < 0.9
    assert not row.passed
    page = calibrate.page([row])
    assert "`toy`: ArithmeticError: no number" in page
    assert f"| {row.failed} | **fails** | " in page


def test_a_claim_that_never_works_fails_under_every_rule():
    def broken(rng):
        raise ValueError("never")

    for rule in ("two_sided", "at_least", "false_alarm"):
        toy, replicates = replicates_of(broken, n=30, rule=rule)
        (row,) = summarise(toy, replicates)
        assert (row.failed, row.passed) == (30, False)


def test_worlds_in_which_the_page_gives_no_number_are_counted_apart_and_must_be_few():
    def withheld(often):
        return lambda rng: [Withheld() if rng.random() < often else exact(rng)]

    (few,), (many,), (all_,) = (summarise(*replicates_of(withheld(often))) for often in (0.05, 0.2, 1.0))
    assert 0 < few.withheld <= 0.1 * N
    assert few.failed == 0
    assert few.passed
    assert few.share > 1 - few.withheld / N  # a miss would have lowered it
    assert f"| 0, {few.withheld} withheld | passes |" in calibrate.page([few])
    assert many.withheld > 0.1 * N
    assert not many.passed
    assert f"withheld in {many.withheld} of {N} worlds" in calibrate.page([many])
    assert (all_.withheld, all_.passed) == (N, False)
    assert math.isnan(all_.share)


def test_an_interval_without_cells_is_not_withheld():
    toy, replicates = replicates_of(lambda rng: Interval([], [], [], []), n=30)
    (row,) = summarise(toy, replicates)
    assert (row.withheld, row.passed) == (0, False)


# --- scores ----------------------------------------------------------------------------------------------------------


def test_cells_of_one_world_are_averaged():
    found = score(
        Interval([1.0, 2.0, 3.0, 4.0], [0, 0, 0, 4.5], [2, 1, math.nan, 5], truth=[1.5, 1.5, 1.5, 4.7], null=0)
    )
    assert found.held == 0.5
    assert found.lacking == 0.25
    assert found.width == pytest.approx((2 + 1 + 0.5) / 3)
    assert found.power == 0.25


def test_the_truth_decides_between_false_alarm_and_power():
    found = score(Interval(0, [1.0, -1.0, 0.5], [2.0, 1.0, 0.7], truth=[0.0, 0.0, 0.6], null=0.0))
    assert (found.alarm, found.power) == (0.5, 1.0)
    one_sided = score(Interval(2.0, 1.0, math.inf, truth=5.0))
    assert (one_sided.held, one_sided.lacking) == (1.0, 0.0)


def test_best_sets_and_tests():
    assert score(BestSet([True, False, True], [3.0, 2.0, 1.0])).held == 1
    assert score(BestSet([False, True, True], [3.0, 2.0, 1.0])).held == 0
    assert score(BestSet([True, False, True], [3.0, 3.0, 1.0])).held == 0.5  # one of the two best was kept
    assert score(BestSet([True, False, True], [3.0, 2.0, 1.0])).width == 2
    assert score(Verdict(rejected=True)).alarm == 1
    assert score(Verdict(rejected=True, effect=True)).power == 1
    (row,) = summarise(*replicates_of(lambda rng: Verdict(bool(rng.random() < 0.05)), rule="false_alarm"))
    assert row.passed
    assert row.share == pytest.approx(0.05, abs=4 * math.sqrt(0.0475 / N))


def test_seeds_are_independent_of_each_other_and_of_the_name():
    draws = {float(calibrate.generator(name, seed).random()) for name in ("a", "b") for seed in range(50)}
    assert len(draws) == 100
    assert calibrate.generator("a", 7).random() == calibrate.generator("a", 7).random()


# --- the command -----------------------------------------------------------------------------------------------------


def command(folder, *more):
    where = ["--store", str(folder), "--page", str(folder / "page.md")]
    given = ["--claims", "tests.test_calibrate", *where, "--jobs", "2"]
    return main([*given, *more])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a complete run has left its results, its page and what it printed."""
    place = tmp_path_factory.mktemp("calibration")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert command(place) == 0
    (place / "printed.txt").write_text(printed.getvalue())
    return place


def results(folder):
    return {file.name.split("-")[0]: file for file in folder.glob("*.jsonl")}


def test_every_seed_is_run_once_and_the_page_shows_the_result(folder):
    page = (folder / "page.md").read_text()
    assert f"| an exact interval | nowhere | two-sided | {N} | 0.9" in page
    assert f"| passes | {dt.datetime.now(tz=dt.UTC).date()} |" in page
    known_wrong = page[page.index("## Intervals known to be wrong") :]
    assert "one too narrow" in known_wrong
    assert "**fails**" in known_wrong
    assert "All claims pass; all wrong intervals fail." in page
    for file in results(folder).values():
        seeds = [json.loads(line)["seed"] for line in file.read_text().splitlines()]
        assert sorted(seeds) == list(range(N))
    assert "exact: 400 seeds" in (folder / "printed.txt").read_text()


def test_an_interrupted_run_resumes_where_it_stopped(folder):
    """300 lines and an incomplete one remain; exactly the missing seeds are run again."""
    file = results(folder)["exact"]
    whole = file.read_text().splitlines(keepends=True)
    kept = whole[:300]
    file.write_text("".join(kept) + whole[300][:25])
    assert command(folder, "--only", "exact") == 0
    lines = file.read_text().splitlines(keepends=True)
    assert lines[:300] == kept
    saved = calibrate.read_replicates(file)
    assert sorted(saved) == list(range(N))
    # The same seeds give the same worlds in any process.
    for line in whole:
        replicate = json.loads(line)
        assert saved[replicate["seed"]].parts[""].error == replicate["parts"][""]["error"]


def test_a_complete_run_computes_nothing_again(folder, monkeypatch):
    monkeypatch.setattr(calibrate, "_run_many", None)  # cannot be called, nor sent to a worker process
    assert command(folder) == 0


def test_the_page_marks_rows_whose_code_has_changed(folder, monkeypatch):
    """A claim whose code has changed is marked and run again; a claim that was never run is named."""
    record = folder / "page.json"
    before = json.loads(record.read_text())
    rows = calibrate.read_record(record, find_claims("tests.test_calibrate"))
    assert [row.claim.name for row in rows] == list(before)
    assert not any(row.changed for row in rows)
    first = before.pop("exact")
    record.write_text(json.dumps({"too_narrow": [before["too_narrow"][0] | {"code": "another"}]}))
    (row,) = calibrate.read_record(record, find_claims("tests.test_calibrate"))
    assert row.changed
    page = calibrate.page([row], ["exact"])
    assert f"| {row.day}* |" in page
    assert "Not run yet: exact." in page
    assert command(folder) == 0
    again = json.loads(record.read_text())
    for name, rows in {"exact": first, "too_narrow": before["too_narrow"]}.items():
        assert [row["share"] for row in again[name]] == [row["share"] for row in rows]
        assert again[name][0]["code"] == rows[0]["code"]


def test_a_wrong_interval_that_passes_is_a_failure_of_the_harness(capsys):
    good = Claim("exact", "an exact interval", "nowhere", "two_sided", exact, n=N, known_wrong=True)
    rows = summarise(good, [run_replicate(good, seed) for seed in range(N)])
    assert list(calibrate.list_problems(rows)) == [
        "exact is known to be wrong but passes: this benchmark cannot detect it"
    ]
    bad = Claim("too_narrow", "one too narrow", "nowhere", "two_sided", too_narrow, n=N)
    rows = summarise(bad, [run_replicate(bad, seed) for seed in range(N)])
    (problem,) = calibrate.list_problems(rows)
    assert problem.startswith("too_narrow fails: 0.8")


def test_quick_writes_no_page(tmp_path):
    assert command(tmp_path, "--quick", "--only", "exact") == 0
    assert not (tmp_path / "page.md").exists()
    assert len(results(tmp_path)["exact"].read_text().splitlines()) == calibrate.QUICK


def test_an_unknown_claim_is_refused(tmp_path, capsys):
    assert command(tmp_path, "--only", "none") == 2
    assert "unknown claim none; choose from exact, too_narrow" in capsys.readouterr().err


@pytest.fixture
def changed(monkeypatch):
    """Fingerprint of a function as if a text of the project's code were another."""
    read = Path.read_text

    def changed(run, old, new):
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_text", lambda *given, **more: read(*given, **more).replace(old, new))
            fingerprints._read.cache_clear()
            found = fingerprint(run)
        fingerprints._read.cache_clear()
        return found

    return changed


# Texts in two parts below, so that the replacement does not change these lines.


def test_changed_code_invalidates_results_and_changed_text_does_not(changed):
    before = fingerprint(fails_often)
    assert before == fingerprint(fails_often)
    assert before != fingerprint(exact)
    assert changed(exact, "with known " + "error", "with an error") == fingerprint(exact)
    assert changed(fails_often, 'ArithmeticError("no ' + 'number")', 'ArithmeticError("no number at all")') == before
    assert changed(fails_often, "ArithmeticError" + "(", "ValueError(") != before
    assert changed(exact, "rng.normal(3.0, " + "2.0)", "rng.normal(3.0, 2.5)") != fingerprint(exact)


def test_changed_code_invalidates_only_what_reaches_it(changed):
    claims = {one.name: one.run for listed in find_claims().values() for one in listed}
    narrow, wide = claims["ab_ratio"], claims["timing_hours"]
    reached = {module for module, _code in fingerprints.reached(wide)}
    assert {
        "benchmarks.claims.timing",
        "smsroi_helpers.timing.response",
        "smsroi_helpers.statistics.jackknife",
    } <= reached
    assert not any(name.endswith((".wording", ".figures", ".tables")) for name in reached)
    old = "def adjust" + "("
    assert any("name='adjust'" in code for _module, code in fingerprints.reached(claims["ab_family"]))
    assert changed(narrow, old, old + "extra, ") == fingerprint(narrow)
    assert changed(claims["ab_family"], old, old + "extra, ") != fingerprint(claims["ab_family"])


def made_of(share):
    return lambda rng: rng.normal(share)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (partial(exact, 1), partial(exact, 2)),
        (partial(exact, too_narrow), partial(exact, fails_often)),
        (partial(exact, partial(exact, 1)), partial(exact, partial(exact, 2))),
        (partial(exact, np.mean), partial(exact, np.median)),
        (partial(exact, np.arange(3_000)), partial(exact, np.arange(3_000) + (np.arange(3_000) == 1_500))),
        (partial(exact, (1, exact)), partial(exact, (1, too_narrow))),
        (made_of(0.2), made_of(0.3)),
    ],
)
def test_a_partial_counts_its_values(one, other):
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)


def test_code_that_cannot_be_followed_is_refused():
    class Callable:
        def __call__(self, rng):
            return exact(rng)

    with pytest.raises(TypeError, match="cannot be followed"):
        fingerprint(partial(exact, Callable()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("TABLE[key] = 1", "TABLE[key] = 2"),  # a loop at the top of a module
        ("[k * 2 for k in", "[k * 3 for k in"),  # a comprehension in a bare expression
        ("ONE_VALUE = 1", "ONE_VALUE = 2"),  # the first of two imports under one name
        ("STAR = 1", "STAR = 2"),
        ("ORDER = 1\nORDER = 2", "ORDER = 2\nORDER = 1"),
    ],
)
def test_statements_at_import_and_imports_are_followed(tmp_path, monkeypatch, old, new):
    (tmp_path / "zz_one.py").write_text("ONE_VALUE = 1\n\ndef value():\n    return ONE_VALUE\n")
    (tmp_path / "zz_two.py").write_text("def value():\n    return 2\n")
    (tmp_path / "zz_star.py").write_text("STAR = 1\n")
    (tmp_path / "zz_main.py").write_text(
        "from zz_star import *\n\nTABLE = {}\nLIST = []\nfor key in 'ab':\n    TABLE[key] = 1\n"
        "LIST.extend([k * 2 for k in range(3)])\nORDER = 1\nORDER = 2\n\n"
        "def first():\n    from zz_one import value\n    return value()\n\n"
        "def second():\n    from zz_two import value\n    return value()\n\n"
        "def run(rng):\n    return TABLE, LIST, ORDER, STAR, first(), second()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    names = ("zz_one", "zz_two", "zz_star", "zz_main")
    monkeypatch.setattr(fingerprints, "_OURS", names)
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = []
    for changes in (False, True):
        for file in tmp_path.glob("zz_*.py"):
            if changes:
                file.write_text(file.read_text().replace(old, new))
        for cache in (fingerprints._read, fingerprints._is_ours, fingerprints._source):
            cache.cache_clear()
        found.append(fingerprint(importlib.import_module("zz_main").run))
    for cache in (fingerprints._read, fingerprints._is_ours, fingerprints._source):
        cache.cache_clear()
    assert found[0] != found[1]


@pytest.fixture(scope="module")
def runs():
    """Every claim of `cheap_claims`, run once: the claim, its replicate and the functions that it called."""
    return [(one, *run_and_note(one)) for one in cheap_claims(find_claims())]


def run_and_note(one):
    called = {}

    def note(frame, event, _value):
        if event == "call" and id(frame.f_code) not in called:
            called[id(frame.f_code)] = (frame.f_code, frame.f_globals.get("__name__", ""))

    sys.settrace(note)
    try:
        replicate = run_replicate(one, 10**6)
    finally:
        sys.settrace(None)
    return replicate, {(module, code.co_qualname.split(".")[0]) for code, module in called.values()}


def test_claims_run_no_code_that_their_fingerprint_leaves_out(runs):
    """Every function of this project that a claim calls, but for languages and exceptions, is reached by name."""
    for one, _replicate, functions in runs:
        skipped = ("smsroi_helpers.locale", "smsroi_helpers.errors", "benchmarks.calibrate", "smsroi_helpers.__")
        names = {(module, name) for module, code in fingerprints.reached(one.run) for name in bound_in(code)}
        called = {
            (module, name)
            for module, name in functions
            if module.split(".")[0] in ("benchmarks", "smsroi_helpers")
            and not module.startswith(skipped)
            and name.isidentifier()
            and not name.startswith("__")
        }
        assert called, one.name
        assert called <= names, one.name


@functools.cache
def bound_in(code):
    return re.findall(r"(?:FunctionDef|ClassDef|Name)\((?:name|id)='(\w+)'", code)


def cheap_claims(claims):
    """All claims, but of those about whole segmentations the cheapest that runs every function."""
    return [
        one
        for name, listed in claims.items()
        for one in listed
        if not name.endswith(".segmentation") or one.name == "no_clusters_in_orders_alone"
    ]


def test_the_project_s_claims_are_found_and_run(runs):
    claims = find_claims()
    assert {"benchmarks.claims.best", "benchmarks.claims.purchases", "benchmarks.claims.rates"} <= set(claims)
    every = [one for listed in claims.values() for one in listed]
    for module, listed in claims.items():
        of_stages = (
            ".by_response",
            ".segmentation",
            ".cltv_totals",
            ".frequency",
            ".monitoring",
            ".transport",
            ".todays_level",
        )
        whole_stage = module.endswith(of_stages)  # not one function
        least = 200 if whole_stage else 1_000
        assert all(one.n >= least or one.known_wrong for one in listed), module
    assert sum(one.known_wrong for one in every) >= 2
    assert [one.name for one, *_ in runs] == [one.name for one in cheap_claims(claims)]
    for one, replicate, _functions in runs:
        assert not replicate.error, f"{one.name}: {replicate.error}"
        assert replicate.parts
        assert all(np.isfinite(part.held) for part in replicate.parts.values())


def test_two_claims_with_one_name_are_refused(monkeypatch):
    monkeypatch.setattr("tests.test_calibrate.CLAIMS", [CLAIMS[0], CLAIMS[0]])
    with pytest.raises(ValueError, match="claim 'exact': the name must be unique"):
        find_claims("tests.test_calibrate")
