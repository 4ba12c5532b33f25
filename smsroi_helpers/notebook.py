"""The frame of every notebook: open the source, save tables, record decisions, mark the end."""

import dataclasses
import datetime as dt
import importlib
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from IPython.display import display

from smsroi_helpers import contract, locale, pages, segmentation
from smsroi_helpers.contract import FINISHED, Decision
from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.experiments import who_may_be_texted
from smsroi_helpers.locale import _
from smsroi_helpers.source import Shop, load, open_shop, project_root, resolve_path

__all__ = ["Run", "begin"]


@dataclasses.dataclass
class Run:
    """The run of one notebook."""

    stage: str
    shop: Shop
    rng: np.random.Generator
    """Source of every random draw of the notebook."""
    folder: Path
    """Folder of the results."""
    segment_by: str = ""
    """The grouping whose groups the page names; empty: none of its own."""
    channel: str = ""
    """Of the texts of its list of customers; empty: as `measures.choose_channel` chooses."""
    _decisions: list[Decision] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the notebook, such as `02_cltv`."""
        return _notebook_name(self.stage)

    def exclusions(self, table: str) -> pd.DataFrame:
        """Return the rejected rows of a table: reason, rows out, rows left. The last row counts the rows used."""
        loaded = self.shop.loaded.tables[table]
        left = loaded.rows_in
        rows = [{"reason": _("As it came"), "rows_out": 0, "rows_left": left}]
        for finding in self.shop.loaded.findings:
            if finding.table == table and finding.severity == "error":
                left -= finding.rows
                rule = locale.translated(finding.rule)
                reason = _("{column}: {rule}").format(column=finding.column, rule=rule) if finding.column else rule
                rows.append({"reason": reason, "rows_out": finding.rows, "rows_left": left})
        used = getattr(self.shop, table)
        in_time = int(self.shop.count(used.aggregate(rows=used.count()))["rows"].iloc[0])
        rows.append(
            {
                "reason": _("Later than {day}").format(day=locale.day(self.shop.as_of)),
                "rows_out": left - in_time,
                "rows_left": in_time,
            }
        )
        frame = pd.DataFrame(rows)
        return frame.rename(columns={"reason": _("Reason"), "rows_out": _("Rows out"), "rows_left": _("Rows left")})

    def groups_note(self, segment_by: str) -> pages.Html | None:
        """Say which groups `segment_by: response` stands for; None where it is something else."""
        return segmentation.response_tables.groups_note(self.shop, segment_by)

    def save(self, table: str, rows: ir.Table | pd.DataFrame) -> Path:
        """Write an output table; return its file.

        Args:
            table: name of an output table of the contract.
            rows: an expression over the shop's tables, or a data frame.

        Raises:
            ValueError: the contract has no such table, or a required column is missing.
        """
        if table not in contract.OUTPUTS:
            raise ValueError(f"the contract has no output table {table}; choose one of {', '.join(contract.OUTPUTS)}")
        if missing := [column for column in contract.OUTPUTS[table] if column not in rows.columns]:
            raise ValueError(f"table {table} lacks the columns {', '.join(missing)}")
        part = f"{table}/{self.name}" if table in contract.SHARED_OUTPUTS else table
        file = self.folder / "tables" / f"{part}.parquet"
        self.shop.write(ibis.memtable(rows) if isinstance(rows, pd.DataFrame) else rows, file)
        return file

    def decide(self, *decisions: Decision) -> pages.Html:
        """Record the decisions, and show the answer box; the first decision is the notebook's answer."""
        self._decisions.extend(decisions)
        rows = pd.DataFrame([dataclasses.asdict(decision) for decision in self._decisions])
        # The parts of all notebooks are read as one table, so a whole number is a float where its field is one.
        rows = rows.astype({each.name: each.type for each in dataclasses.fields(Decision) if each.type in (int, float)})
        self.save("decisions", rows)
        return pages.answer(rows, currency=self.shop.settings.currency)

    def finish(self) -> None:
        """Mark the notebook as complete, for the runner.

        Where its answer has a list of customers to text, save the table `may_be_texted` for that list, with the groups
        of the page.

        Raises:
            ValueError: the notebook has recorded no decision.
        """
        if not self._decisions:
            raise ValueError(f"notebook {self.name} has no decision; call run.decide(…) before run.finish()")
        if self.stage in contract.LISTS_OF_TEXTS:
            allowed = who_may_be_texted(self.shop, segmentation.known_people(self.shop), self.channel)
            if self.segment_by:
                of_day = segmentation.segments(self.shop, self.segment_by, self.shop.as_of)
                groups = of_day.select(member="customer_id", **{self.segment_by: "segment"})
                allowed = allowed.left_join(groups, allowed.customer_id == groups.member).drop("member")
            self.save("may_be_texted", allowed.order_by("customer_id"))
        display({FINISHED: {"stage": self.stage}, "text/plain": _("Finished.")}, raw=True)


def _notebook_name(stage: str) -> str:
    found = sorted((project_root() / "notebooks").glob(f"[0-9][0-9]_{stage}.ipynb"))
    return found[0].stem if found else stage


def begin(
    stage: str,
    *,
    data: str = "data/demo",
    run_dir: str = "",
    as_of: str = "",
    language: str = "en",
    seed: int = 1,
    max_rejected_share: float = 0.01,
    segment_by: str = "",
    channel: str = "",
) -> Run:
    """Open a source for a notebook: read and validate it (or reuse the result), up to `as_of`; set the language.

    Args:
        stage: the notebook's stage, such as `cltv`.
        data: folder of the source, relative to the project's root.
        run_dir: folder of the results, relative to the project's root; empty: `reports/lab`.
        as_of: last day observed (ISO); empty: the last order or message.
        language: `en`, or another language with a catalogue.
        seed: seed of every random draw, ≥ 0.
        max_rejected_share: largest share (0–1) of a table's rows that may be rejected.
        segment_by: the grouping whose groups the page names; empty: groups made from behaviour.
        channel: of the page's texts; empty: as `measures.choose_channel` chooses.

    Raises:
        DataError: the source cannot be used.
        UsageError: a parameter is invalid.
        NotEnoughData: the source lacks a table that the stage needs.
    """
    if as_of:
        try:
            dt.date.fromisoformat(as_of)
        except ValueError:
            raise UsageError(f"as_of={as_of!r} is not a date; use YYYY-MM-DD") from None
    if seed < 0:
        raise UsageError(f"seed={seed} is invalid; use an integer of at least 0")
    locale.use_language(language)
    pages.use_style()
    folder = resolve_path(run_dir or "reports/lab")
    # A run uses one source; the lab uses many, each with its own folder.
    place = folder if run_dir else folder / resolve_path(data).name
    loaded = load(data, place / ".loaded", max_rejected_share)
    pages.use_names(simulated=loaded.settings.simulated, segment_by=segment_by)
    shop = open_shop(loaded, as_of, place / ".cache", seed)
    needs = importlib.import_module(f"smsroi_helpers.{stage}").NEEDS
    if lacking := [table for table in needs if not shop.has(table)]:
        raise NotEnoughData("This source has no table {tables}.", tables=", ".join(lacking))
    return Run(stage, shop, np.random.default_rng([seed, *stage.encode()]), folder, segment_by, channel)
