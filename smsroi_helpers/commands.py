"""The commands of `smsroi`. Every error is one line; SMSROI_DEBUG=1 adds a traceback."""

import contextlib
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import smsroi_helpers
from smsroi_helpers import runner, source
from smsroi_helpers.errors import AlertRaised, DataError, UsageError, redact

if TYPE_CHECKING:
    from smsroi_helpers.source import Loaded

__all__ = ["app"]

app = typer.Typer(
    name="smsroi",
    help="Whom to text, when, how often and with what, and what that is worth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_EXIT_CODES = (
    "Exit codes: 0 published or unchanged, 2 usage or parameters, 10 data, 20 notebook error, 21 time limit, "
    "22 kernel died, 23 incomplete, 24 page check, 30 already running, 40 disk, 50 signal, "
    "60 published with new alerts (only with --fail-on-alert). "
    "Worth a retry: 22, 40, 50."
)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Print an error as one line on standard error, and exit with its code."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except (Exception, KeyboardInterrupt) as error:
        failure = runner.as_failure(error)
        if os.environ.get("SMSROI_DEBUG") == "1":
            traceback.print_exception(error)
        print(f"smsroi: {failure}", file=sys.stderr)
        raise typer.Exit(failure.exit_code) from None


def _version(requested: bool) -> None:
    if requested:
        print(f"smsroi {smsroi_helpers.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(epilog=_EXIT_CODES)
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A parameter file, notebooks/parameters/….yaml.")],
    only: Annotated[list[str] | None, typer.Option(metavar="A,B", help="Only these notebooks.")] = None,
    start_from: Annotated[str, typer.Option("--from", metavar="STAGE", help="This notebook and those after it.")] = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="NAME=VALUE", help="Set a parameter; cltv.model=… for one notebook."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of notebooks that run in parallel.")] = 2,
    force: Annotated[
        bool, typer.Option("--force", help="Run even if nothing has changed; count everything anew.")
    ] = False,
    deadline: Annotated[float | None, typer.Option(metavar="MINUTES", min=0, help="Time limit of the run.")] = None,
    cell_timeout: Annotated[int | None, typer.Option(metavar="SECONDS", min=1, help="Time limit of a cell.")] = None,
    no_code: Annotated[bool, typer.Option("--no-code", help="Leave the code out of the pages.")] = False,
    fail_on_alert: Annotated[
        bool,
        typer.Option("--fail-on-alert", help="Exit with code 60 if a daily number newly left its expected range."),
    ] = False,
    on_failure: Annotated[
        str, typer.Option(metavar="CMD", help="Command to run if the run fails; it reads JSON; no shell.")
    ] = "",
    on_success: Annotated[str, typer.Option(metavar="CMD", help="The same, if the run succeeds.")] = "",
) -> None:
    """Make a report and print the path of its index.html."""
    with _one_line():
        options = runner.RunOptions(
            only=[stage.strip() for stage in ",".join(only or []).split(",") if stage.strip()],
            start_from=start_from,
            overrides=parameter or [],
            jobs=jobs,
            force=force,
            deadline_minutes=deadline,
            cell_timeout_seconds=cell_timeout,
            show_code=not no_code,
            on_failure=on_failure,
            on_success=on_success,
        )
        with runner.show_progress() as progress:
            published = runner.run_report(file, options, progress)
        print(
            f"unchanged: {runner.shown_path(published.index)}"
            if published.unchanged
            else runner.shown_path(published.index)
        )
        if fail_on_alert and published.new_alerts:
            raise AlertRaised(
                f"published with {published.new_alerts} new alerts; the index lists them (--fail-on-alert)"
            )


@app.command()
def example(
    name: Annotated[str, typer.Argument(metavar="NAME", help="cdnow, cdnow_sample or complete_journey.")],
) -> None:
    """Write a source made from an installed package to data/NAME and print its path."""
    with _one_line():
        if name not in source.EXAMPLES:
            raise UsageError(f"unknown example {name!r}; choose one of {', '.join(source.EXAMPLES)}")
        to = source.project_root() / "data" / name
        source.write_example(name, to)
        print(runner.shown_path(to))


@app.command()
def simulate(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The new source's folder, data/….")],
    customers: Annotated[int, typer.Option(min=100, metavar="N", help="Number of customers.")] = 5000,
    weeks: Annotated[int, typer.Option(min=26, metavar="W", help="Length of the log.")] = 52,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="Random seed; the same seed gives the same bytes.")] = 1,
    null: Annotated[bool, typer.Option("--null", help="Messages have no effect and no cost.")] = False,
) -> None:
    """Write a simulated company with known truth (truth.json) as a source, and print its path."""
    with _one_line():
        from smsroi_helpers.simulation import write_company

        to = source.project_root() / out
        write_company(to, customers=customers, weeks=weeks, seed=seed, null=null)
        print(runner.shown_path(to))


@app.command("import", epilog=f"Kinds: {', '.join(source.EXPORT_KINDS)}.")
def import_(
    files: Annotated[
        list[str], typer.Argument(metavar="[KIND] FILE…", help="Exports; a kind only if the columns leave doubt.")
    ],
    to: Annotated[str, typer.Option(metavar="FOLDER", help="The source's folder, data/….")],
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Time zone, such as Europe/Berlin.")] = "",
    country: Annotated[str, typer.Option(metavar="XX", help="Country of national telephone numbers.")] = "",
    currency: Annotated[str, typer.Option(metavar="CODE", help="Currency of the amounts.")] = "",
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="Encoding of files that are neither UTF-8 nor UTF-16, such as cp1252.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite mappings and source.yml.")] = False,
) -> None:
    """Make a source of exports of a shop and an SMS platform; print what was assumed."""
    with _one_line():
        given = {"timezone": timezone, "country": country.upper(), "currency": currency.upper(), "encoding": encoding}
        imported = source.import_exports(source.files_with_kinds(files), to, given=given, force=force)
        for line in source.describe_import(imported, runner.shown_path, _program()):
            print(_plain(line))


@app.command()
def check(
    data: Annotated[str, typer.Argument(metavar="SOURCE", help="A source's folder, data/….")],
    max_rejected_share: Annotated[
        float, typer.Option(metavar="X", min=0, max=1, help="Largest share of a table's rows that may be rejected.")
    ] = 0.01,
) -> None:
    """Validate a source as a run does; print each problem and its remedy (exit code 10 if the source is refused)."""
    with _one_line(), tempfile.TemporaryDirectory(prefix="smsroi-check-") as place:
        from smsroi_helpers import quality
        from smsroi_helpers.source import load

        try:
            loaded = load(data, Path(place) / "read", max_rejected_share)
        except DataError:
            # A refused source may have more problems: if only the rejected share was too large, show all of them.
            with contextlib.suppress(DataError):
                refused = load(data, Path(place) / "read_all", 1.0)
                _show_check(refused, quality.check_tables.findings_as_read(refused))
            raise
        counts = Path(place) / "counts"
        short = quality.check_tables.shortfall_lines(loaded, counts)
        totals = quality.check_tables.total_lines(loaded, counts)
        _show_check(loaded, quality.check_tables.findings_as_opened(loaded, counts), [*short, *totals])


@app.command()
def pseudonymise(
    data: Annotated[str, typer.Argument(metavar="SOURCE", help="A source's folder, data/….")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The new folder.")],
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the secret key, outside the project. Default: $SMSROI_KEY, then $SMSROI_KEY_FILE.",
        ),
    ] = None,
) -> None:
    """Copy a source with pseudonyms (HMAC-SHA-256 under a secret key) for customer_id and referred_by."""
    with _one_line():
        copied = source.pseudonymise(data, out, source.read_key(key_file, data))
        for name, rows in copied.rows.items():
            _print_note(f"{name}: {rows:,} rows")
        for note in copied.notes:
            _print_note(note)
        _print_note(
            f"key id: {copied.key_id}; keep the key outside the project: without it no customer can be identified again"
        )
        print(runner.shown_path(copied.folder))


@app.command("list")
def list_(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, REPORT/RUN, or REPORT (its latest).")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the list.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="For programs: no byte-order mark, no apostrophe before formulas.")
    ] = False,
    by_hour: Annotated[bool, typer.Option("--by-hour", help="One file for each hour (UTC).")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object per line, for gateways' APIs.")] = False,
    no_suppression: Annotated[
        bool, typer.Option("--no-suppression", help="Accept a source that records no opt-outs.")
    ] = False,
    everybody: Annotated[
        bool, typer.Option("--all", help="All texts of a plan, also where the run advises to send only what explores.")
    ] = False,
) -> None:
    """Write the list of a run's send plan for a gateway; who has opted out since is left out. Print its path."""
    with _one_line():
        found, lines = runner.hand_over(
            run, to, raw=raw, by_hour=by_hour, json_lines=jsonl, allow_no_opt_outs=no_suppression, everybody=everybody
        )
        for line in lines:
            _print_note(line)
        print(runner.shown_path(found.files[0] if len(found.files) == 1 else to))


@app.command()
def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, REPORT/RUN, or REPORT (its latest).")],
) -> None:
    """Check that the files of a published run are unchanged (exit code 23 if not)."""
    with _one_line():
        folder = runner.find_run(source.project_root(), run)
        print(f"{folder.name}: {runner.verify_run(folder)} files are as they were published")


@app.command()
def status(
    report: Annotated[str, typer.Argument(metavar="REPORT", help="A report's name.")],
    max_age: Annotated[str, typer.Option(metavar="AGE", help="Like 90m, 26h or 8d.")] = "26h",
) -> None:
    """Print the age of a report's last good run; exit code 1 if it is too old or there is none."""
    with _one_line():
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", max_age)
        if match is None:
            raise UsageError("--max-age takes minutes, hours or days, such as 90m, 26h or 8d")
        hours_allowed = float(match[1]) * {"m": 1 / 60, "h": 1, "d": 24}[match[2]]
        run_name, hours = runner.age_of_last_good_run(source.project_root(), runner.check_name(report, "status"))
        if not run_name:
            print(f"{report}: no good run yet")
        elif hours == float("inf"):
            print(f"{report}: the last good run, {run_name}, is dated in the future; check the clock")
        else:
            remark = f", older than {max_age}" if hours > hours_allowed else ""
            print(f"{report}: the last good run, {run_name}, is {hours:.1f} h old{remark}")
        if hours > hours_allowed:
            raise typer.Exit(1)


@app.command("plan-test")
def plan_test(
    customers: Annotated[int, typer.Option(metavar="N", help="Customers in all arms together.")],
    base_rate: Annotated[
        float, typer.Option(metavar="X", help="Share who order during the test without treatment (0-1).")
    ],
    profit_per_order: Annotated[float, typer.Option(metavar="MONEY", help="Mean profit of an order.")],
    order_spread: Annotated[
        float, typer.Option(metavar="X", help="Standard deviation of an order's profit / its mean.")
    ] = 1.0,
    cost: Annotated[float, typer.Option(metavar="MONEY", help="Cost of the treatment per treated customer.")] = 0.0,
    arms: Annotated[int, typer.Option(metavar="K", help="Number of treatments compared with the control.")] = 1,
    control_share: Annotated[float, typer.Option(metavar="X", help="Share of customers in the control (0-1).")] = 0.5,
    gain: Annotated[float | None, typer.Option(metavar="MONEY", help="Gain per customer to detect.")] = None,
    power: Annotated[float, typer.Option(metavar="X", help="Probability of detecting the gain (0-1).")] = 0.8,
    cluster_size: Annotated[float, typer.Option(metavar="M", help="Customers per household or store assigned.")] = 1.0,
    cluster_correlation: Annotated[float, typer.Option(metavar="X", help="Of two customers of one (0-1).")] = 0.0,
) -> None:
    """Print the smallest effect that a test can detect, and the sample size that a gain needs."""
    with _one_line():
        from smsroi_helpers.ab_test import plan_test as plan

        found = plan(
            customers=customers, base_rate=base_rate, profit_per_order=profit_per_order, order_spread=order_spread,
            cost_per_customer=cost, arms=arms, control_share=control_share, power=power,
            gain=float("nan") if gain is None else gain, cluster_size=cluster_size,
            cluster_correlation=cluster_correlation,
        )  # fmt: skip
        print(
            f"{found.per_arm:,} customers in each of {found.arms} treated arms, {found.control:,} in the control\n"
            f"shows in {power:.0%} of such tests: {found.base_rate:.2%} ordering becomes"
            f" {found.base_rate + found.smallest_rate:.2%}, or {found.smallest_profit:,.4g} more profit per customer"
        )
        if cost:
            print(f"pays for itself from {found.base_rate + found.breakeven_rate:.2%} on")
        if gain is not None:
            print(f"a gain of {gain:,.4g} per customer shows in {found.power_at_gain:.0%} of such tests")
            print(
                f"to show it in {power:.0%}: {found.customers_for_gain:,.0f} customers in all, or these for at least"
                f" {max(found.times_for_gain, 1):.1f} times as long"
            )


def _program() -> str:
    """Return how this program was called, so that commands it names can be pasted: `.venv/bin/smsroi`."""
    called = Path(sys.argv[0])
    return runner.shown_path(called.absolute()) if called.name == "smsroi" else "smsroi"


# --- output of check ------------------------------------------------------------------------------------------

_Cells = list[str]
_NUMBERS = ("rows in", "rows kept", "rows", "share")


def _show_check(loaded: "Loaded", found: list[_Cells], more: Sequence[str] = ()) -> None:
    from smsroi_helpers import quality

    _show_table(["table", "rows in", "rows kept", "days"], quality.check_tables.describe_loaded(loaded))
    print(f"last day observed (as_of): {source.resolve_as_of(loaded, '')}")
    for line in [*quality.check_tables.runnable_lines(loaded.tables), *more]:
        print(line)
    print()
    if found:
        _show_table(["kind", "table", "what", "rows", "share", "what to do"], found)
    else:
        print("nothing to report")


def _show_table(heading: _Cells, rows: list[_Cells]) -> None:
    """Print a table on a terminal, else one line per row; data are printed as plain text."""
    heading, *rows = ([_plain(cell) for cell in row] for row in (heading, *rows))
    if sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD)
        for name in heading:
            table.add_column(name, justify="right" if name in _NUMBERS else "left")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    widths = [max(len(row[place]) for row in (heading, *rows)) for place in range(len(heading))]
    for row in (heading, *rows):
        cells = zip(row, widths, heading, strict=True)
        print("  ".join(c.rjust(width) if name in _NUMBERS else c.ljust(width) for c, width, name in cells).rstrip())


def _plain(text: str) -> str:
    return redact("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text))


def _print_note(line: str) -> None:
    print(_plain(line), file=sys.stderr)
