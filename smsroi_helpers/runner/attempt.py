"""One run of a plan: create the source, load, execute, render. The manifest records each step."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smsroi_helpers import simulation, source
from smsroi_helpers.errors import DataError, Incomplete, Interrupted, SmsroiError, UsageError
from smsroi_helpers.locale import _
from smsroi_helpers.runner import answered, execute, kept, publish
from smsroi_helpers.runner.alerts import count_alerts
from smsroi_helpers.runner.options import RunOptions
from smsroi_helpers.runner.parameters import Notebook, RunPlan, stage_module
from smsroi_helpers.runner.publish import ReportFolder

__all__ = [
    "Attempt",
]


class Attempt:
    """One run of a plan; the results go into the manifest."""

    def __init__(self, root: Path, plan: RunPlan, options: RunOptions, folder: ReportFolder) -> None:
        self._root, self._plan, self._options, self._folder = root, plan, options, folder
        self._data = plan.run_wide("data", "")
        self._latest = folder.latest()
        self._run_notebooks = [notebook for notebook in plan.notebooks if notebook.name in plan.selected]
        self._code = publish.code_identity(root, _files(self._run_notebooks))
        self._versions = publish.versions()
        self._inputs: dict[str, str] = {}
        self._source_basis: answered.Basis | None = None
        self._key_id = ""
        self._uses_key = False
        self._kept_basis: kept.Basis | None = None

    def make_source(self) -> None:
        """Create the source as the parameter file describes, if it does not exist.

        Raises:
            UsageError: it exists, and was created with other settings.
        """
        folder = self._root / self._data
        if (make := self._plan.make) and not folder.exists():
            try:
                if "simulate" in make:
                    simulation.write_company(folder, **make["simulate"])
                else:
                    source.write_example(make["example"], folder)
            except SmsroiError:
                if not folder.exists():  # otherwise the run of another report has created it
                    raise
        if "simulate" in make:
            self._check_simulation_settings(folder / "truth.json", make["simulate"])
        self._inputs = source.fingerprint_inputs(self._data)
        self._source_basis = answered.source_basis(folder, self._inputs)
        self._key_id = source.key_id(source.find_key(self._data))
        self._uses_key = _uses_key(self._latest["manifest"].get("source", {})) if self._latest else False

    def _check_simulation_settings(self, truth: Path, requested: Mapping[str, Any]) -> None:
        """Refuse a simulated source whose settings differ from the parameter file; other sources are not checked."""
        if not truth.is_file():
            return
        recorded = json.loads(truth.read_text(encoding="utf-8")).get("made", {})
        if differing := [name for name in requested if recorded.get(name) != requested[name]]:
            raise UsageError(
                f"{self._data} was created with other settings than the file has (make: {', '.join(differing)}); delete"
                " the folder to create it again, or name another folder under data"
            )

    def unchanged_before_loading(self) -> Path | None:
        """Return the index of the latest run if a new run would be identical; None if not, or not yet known."""
        if as_of := self._plan.run_wide("as_of", ""):
            return self.unchanged(as_of)
        if self._latest is None:
            return None
        # Without a given day, the last day observed is the last day of the data, unless it is in the future.
        manifest = self._latest["manifest"]
        tables = manifest.get("source", {}).get("tables", {})
        days = [tables[name]["last"] for name in ("orders", "messages") if name in tables and tables[name]["last"]]
        return self.unchanged(manifest["as_of"]) if days and max(days) == manifest["as_of"] else None

    def unchanged(self, as_of: str) -> Path | None:
        """Return the index of the latest run, if its inputs were the same and its files are unchanged."""
        if self._latest is None or self._latest["fingerprint"] != self._fingerprint(as_of):
            return None
        folder: Path = self._folder.path / self._latest["run"]
        try:
            publish.verify_run(folder)
        except Incomplete:
            return None
        self._folder.touch()
        return folder / "index.html"

    def note_answer(self, basis: answered.Basis | None, fingerprint: str = "") -> None:
        """Note that the latest run is up to date.

        Args:
            basis: as of `answered.note_answer`.
            fingerprint: of a run that this attempt has published; empty: of the run that it found.
        """
        fingerprint = fingerprint or (self._latest["fingerprint"] if self._latest else "")
        if not (self._options.only or self._options.start_from or self._options.overrides) and self._options.show_code:
            answered.note_answer(self._folder, basis, self._source_basis, self._data, fingerprint)

    def first_manifest(self, run: str) -> dict[str, Any]:
        """Return the manifest of a run that has not finished."""
        return {
            "schema": 1,
            "report": self._plan.report,
            "run": run,
            "status": "failed",
            "reason": "the run was killed before its end",
            "exit_code": Interrupted.exit_code,
            "started": publish.utc_now(),
            "finished": publish.utc_now(),
            "language": self._plan.run_wide("language", "en"),
            "seed": self._plan.run_wide("seed", 0),
            "as_of": self._plan.run_wide("as_of", ""),
            "parameters": {notebook.name: self._parameters(notebook.name) for notebook in self._run_notebooks},
            "parameter_file": self._plan.parameter_file,
            "overrides": self._plan.overrides,
            "source": {"data": self._data},
            "inputs": self._inputs,
            "notebooks": {notebook.name: _entry(notebook.stage, "not_run", "") for notebook in self._plan.notebooks},
            "outputs": {},
            "code": self._code,
            "versions": self._versions,
            "fingerprint": "",
        }

    def load(self, staging: Path, manifest: dict[str, Any]) -> source.Loaded:
        """Read and validate the source once, for all notebooks.

        Raises:
            DataError: the source violates the contract.
            UsageError: `segment_by` names no groups of this source.
        """
        share = self._plan.run_wide("max_rejected_share", 0.01)
        self._take_kept(staging, share)
        loaded = source.load(self._data, staging / ".loaded", max_rejected_share=share)
        self._check_segment_by(loaded)
        settings = loaded.settings
        tables = {
            name: {
                "rows_in": table.rows_in,
                "rows_out": table.rows_out,
                "rows_kept_apart": table.merged + table.guests,
                "first": table.first,
                "last": table.last,
            }
            for name, table in loaded.tables.items()
        }
        manifest["source"] |= {
            "title": loaded.title,
            "simulated": settings.simulated,
            "currency": settings.currency,
            "timezone": settings.timezone,
            "fingerprint": loaded.fingerprint,
            "key_id": loaded.key_id,
            "tables": tables,
            "findings": [dataclasses.asdict(finding) for finding in loaded.findings],
        }
        self._uses_key = _uses_key(manifest["source"])
        manifest["as_of"] = source.resolve_as_of(loaded, self._plan.run_wide("as_of", ""))
        for values in manifest["parameters"].values():
            if "as_of" in values:
                values["as_of"] = manifest["as_of"]
        manifest["fingerprint"] = self._fingerprint(manifest["as_of"])
        return loaded

    def _take_kept(self, staging: Path, max_rejected_share: float) -> None:
        """Begin with what the last run has read and counted, if the source is the same and `--force` is not given."""
        if self._source_basis is not None:  # of a database, or of files elsewhere, no hash is known beforehand
            self._kept_basis = kept.basis_of(self._inputs, self._key_id, max_rejected_share, self._versions)
        if self._kept_basis is None or self._options.force:
            kept.discard(self._folder.path)
        else:
            kept.take(self._folder.path, staging, self._kept_basis)

    def keep(self, staging: Path) -> None:
        """Keep what this run has read and counted for the next one, unless the source has changed meanwhile.

        Raises:
            DataError: the source cannot be read any more.
        """
        if self._kept_basis is not None and self._inputs == source.fingerprint_inputs(self._data):
            kept.put_back(self._folder.path, staging, self._kept_basis)

    def _check_segment_by(self, loaded: source.Loaded) -> None:
        """Refuse a grouping that the source lacks once and before the notebooks, not in each of them."""
        from smsroi_helpers import segmentation  # which the notebooks import too, in the background while loading

        columns = loaded.tables["customers"].columns if "customers" in loaded.tables else ()
        for notebook in self._run_notebooks:
            if segment_by := self._plan.values[notebook.name].get("segment_by"):
                segmentation.check_segment_by(segment_by, columns, loaded.settings.segments.response)

    def execute(
        self,
        staging: Path,
        manifest: dict[str, Any],
        loaded: source.Loaded,
        server: execute.ForkServer | None,
        progress: execute.Progress,
        deadline: float | None,
    ) -> None:
        """Execute every notebook whose tables the source has.

        Raises:
            SmsroiError: notebooks failed, or the source changed meanwhile; the type is that of the most severe error.
        """
        run_dir = staging.relative_to(self._root)
        jobs = []
        for notebook in self._run_notebooks:
            if reason := _missing_tables(notebook.stage, loaded):
                manifest["notebooks"][notebook.name] = _entry(notebook.stage, "skipped", reason)
                continue
            parameters = manifest["parameters"][notebook.name]
            if "run_dir" in notebook.parameters:
                parameters = parameters | {"run_dir": run_dir.as_posix()}
            output = run_dir / "notebooks" / notebook.file.name
            source_file = notebook.file.relative_to(self._root)
            instead = notebook.instead and notebook.instead.relative_to(self._root)
            jobs.append(execute.Job(notebook.name, notebook.stage, source_file, output, parameters, instead))
        with source.share_engine(loaded, staging / ".cache") as variables:
            outcomes = execute.execute_notebooks(
                _longest_first(jobs, self._latest),
                root=self._root,
                logs=staging / ".logs",
                progress=progress,
                max_parallel=self._options.jobs,
                deadline=deadline,
                cell_timeout=self._options.cell_timeout_seconds,
                server=server,
                variables=variables,
            )
        for job in jobs:
            outcome = outcomes[job.name]
            reason = str(outcome.error or outcome.reason)
            entry = _entry(job.stage, outcome.status, reason, outcome.seconds, outcome.peak_memory_mb)
            manifest["notebooks"][job.name] = entry
        if errors := [outcome.error for outcome in outcomes.values() if outcome.error]:
            raise _combined_error(errors)
        if changed := _differences(self._inputs, source.fingerprint_inputs(self._data)):
            raise DataError(f"{self._data} changed while the report was being made: {changed}; run it again")

    def render(self, staging: Path, manifest: dict[str, Any]) -> None:
        """Write the pages.

        Raises:
            PageError: a page fails its checks.
        """
        from smsroi_helpers.runner import render  # nbconvert takes seconds to import

        for notebook in (staging / "notebooks").glob("*.ipynb"):
            # A published notebook names the folder of the results, not the staging folder.
            text = notebook.read_text(encoding="utf-8")
            notebook.write_text(text.replace(staging.name, manifest["run"]), encoding="utf-8", newline="\n")
        manifest |= {"status": "ok", "reason": "", "exit_code": 0, "finished": publish.utc_now()}
        manifest["alerts"] = count_alerts(staging)
        earlier, show_code = self._folder.complete_runs(), self._options.show_code
        render.render_run(staging, manifest, earlier_runs=earlier, show_code=show_code)

    def render_list_of_reports(self) -> None:
        """Update reports/index.html."""
        from smsroi_helpers.runner import render

        render.render_reports_index(self._root / "reports")

    def _parameters(self, notebook: str) -> dict[str, Any]:
        """Return the parameters of a notebook, without run_dir, which differs between runs."""
        values = {name: value for name, value in self._plan.values[notebook].items() if name != "run_dir"}
        if "previous_run" in values and "previous_run" not in self._plan.given:
            values["previous_run"] = f"reports/{self._plan.report}/{self._latest['run']}" if self._latest else ""
        return values

    def _fingerprint(self, as_of: str) -> str:
        """Return the fingerprint of everything that determines the result of the run."""
        parameters = {notebook.name: self._parameters(notebook.name) for notebook in self._run_notebooks}
        for values in parameters.values():
            if "as_of" in values:
                values["as_of"] = as_of
            if "previous_run" not in self._plan.given:
                # The previous run always differs; that alone is no reason to run again.
                values.pop("previous_run", None)
        return publish.fingerprint(
            inputs=self._inputs | ({"key id": self._key_id} if self._uses_key else {}),
            parameters=parameters,
            package=self._code["package"],
            lock=self._code["lock"],
            versions=self._versions,
            show_code=self._options.show_code,
        )


_USUAL_SECONDS = {
    "send_plan": 43, "segmentation": 27, "effectiveness": 23, "frequency": 23, "ab_test": 21, "retention": 20,
    "timing": 15, "content": 14, "cltv": 13, "quality": 5,
}  # fmt: skip
"""What each stage takes on the demo: its place in a first run."""


def _longest_first(jobs: Sequence[execute.Job], latest: Mapping[str, Any] | None) -> list[execute.Job]:
    """Order notebooks by their time in the latest run, so that no long one is left to run alone at the end."""
    entries = latest["manifest"].get("notebooks", {}) if latest else {}

    def seconds(job: execute.Job) -> float:
        known: float = entries.get(job.name, {}).get("seconds", 0.0)
        return known or _USUAL_SECONDS.get(job.stage, 0.0)

    return sorted(jobs, key=seconds, reverse=True)


def _entry(
    stage: str, status: str, reason: str, seconds: float = 0.0, peak_memory_mb: int | None = None
) -> dict[str, Any]:
    return {
        "stage": stage,
        "status": status,
        "reason": reason,
        "seconds": round(seconds, 1),
        "peak_memory_mb": peak_memory_mb,
    }


def _files(notebooks: Sequence[Notebook]) -> list[Path]:
    """Return the files of notebooks, with those that run in their place."""
    return [file for notebook in notebooks for file in (notebook.file, notebook.instead) if file]


def _uses_key(of: Mapping[str, Any]) -> bool:
    """Whether the secret key determines results: the ids became pseudonyms, or rows went to the quarantine.

    Args:
        of: `source` of a manifest. The same inputs give the same answer, so that of the latest run tells it beforehand.
    """
    rejected = (
        table["rows_in"] - table["rows_out"] - table.get("rows_kept_apart", 0)
        for table in of.get("tables", {}).values()
    )
    return bool(of.get("key_id")) or any(rows > 0 for rows in rejected)


def _missing_tables(stage: str, loaded: source.Loaded) -> str:
    """Return a sentence on the tables that a stage needs and the source lacks; empty if there are none."""
    missing = [table for table in getattr(stage_module(stage), "NEEDS", ()) if table not in loaded.tables]
    if not missing:
        return ""
    return _("It needs data this source does not have: {tables}.").format(tables=_(", ").join(missing))


def _combined_error(errors: Sequence[SmsroiError]) -> SmsroiError:
    """Return one error with all messages and the type of the most severe error.

    What several notebooks say alike is said once, with all their cells: "03_timing, cell 5, 04_frequency, cell 5: …".
    """
    first = execute.most_severe(errors)
    cells: dict[str, list[str]] = {}
    for error in [first, *(error for error in errors if error is not first)]:
        cell, colon, said = str(error).partition(": ")
        cells.setdefault(said if colon else cell, []).append(cell if colon else "")
    return type(first)("; ".join(": ".join([*filter(None, [", ".join(where)]), said]) for said, where in cells.items()))


def _differences(before: dict[str, str], after: dict[str, str]) -> str:
    return ", ".join(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))
