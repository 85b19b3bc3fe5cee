"""The facts of a report: numbers, names and counts, computed once from what a study left behind; no sentence.

`read` takes up the artefacts, each of which may be missing. `paragraphs` has the values of the templates of the same
names in `words`, `tables` the frames whose columns are known there.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from litecast import paths, results
from litecast.errors import LitecastError, RunError
from litecast.files import read_json
from litecast.planning import plan
from litecast.results import advice, claims, information, places, searched, searches, statistics, techniques
from litecast.results.evidence import Evidence

KEYS = ["dataset", "model", "technique", "variant", "level"]
PLAIN = ("classical", "dense", "width")  # what is no technique: the forecasters that compression starts from


@dataclass
class Facts:
    """What a study left behind. rows: its result rows, typed, without those of published tables; files: `_files`."""

    name: str
    folder: Path
    rows: pd.DataFrame
    files: pd.DataFrame
    runtime: str  # in which times are compared
    claims: pd.DataFrame  # verdicts on skilled compressed files
    rivals: pd.DataFrame  # forecasters against simple ones, named in `against`
    notes: list[str]  # of the planner
    runs: pd.DataFrame  # run, state (see plan.state), why
    lock: dict
    coverage: dict[str, dict]  # dataset -> coverage.json of its collecting run
    heads: list[dict]  # results.headline
    tested: pd.DataFrame  # headline.csv: the smallest file near the best of each dataset against that one, on test
    regrets: pd.DataFrame  # results.regrets
    information: pd.DataFrame  # results.information.tried
    foresight: pd.DataFrame  # results.foresight
    smallest: pd.DataFrame  # results.techniques.smallest
    published: pd.DataFrame  # rows of published tables: they enter nothing else
    transfers: pd.DataFrame  # lines of transfer.csv: forecasts of one series, which stand in no results.csv
    devices: pd.DataFrame  # lines of devices.csv: files in every runtime that was there
    searched: pd.DataFrame  # results.searched.compare: searches against chance and against what was made by hand
    costs: pd.DataFrame  # results.searched.costs: what searches have tried
    replays: pd.DataFrame  # results.searches.replays: searches on a table of all networks of a space
    local: pd.DataFrame  # lines of local.csv: what was fitted to drawn series of a panel

    @property
    def datasets(self) -> list[str]:
        return sorted(set(self.rows.dataset))

    @property
    def skilled(self) -> list[str]:
        """Datasets on which a network beats the seasonal naive forecast: those on which compressing means anything."""
        return [head["dataset"] for head in self.heads if head["skill"]]

    @property
    def main(self) -> str:
        """The dataset that page 1 tells of."""
        return places.main(self.rows, self.skilled)

    @property
    def techniques(self) -> list[str]:
        """Techniques and chains of them that have a compressed row, by name, chains last."""
        names = set(self.rows.technique[self.rows.role == "compressed"]) - set(PLAIN)
        return sorted(names, key=lambda name: ("+" in name, name))

    @cached_property
    def answers(self) -> list[claims.Answer]:
        """What the claims that the study began with have come to."""
        saved = self.folder / claims.COUNTED
        return claims.answers(Evidence(
            self.rows, _table(self.folder / "comparisons.csv"), _table(self.folder / claims.TABLE), self.smallest,
            self.searched, self.devices, self.transfers, pd.read_csv(saved) if saved.exists() else pd.DataFrame()))

    @cached_property
    def advice(self) -> pd.DataFrame:
        """Which technique to use: results.advice.table."""
        return advice.table(self.rows)

    @property
    def groups(self) -> list[str]:
        """What is told by itself: each technique, then the storages of narrow networks, the larger files first."""
        narrow = self.files[(self.files.technique == "width") & (self.files.role == "compressed")]
        sizes = narrow.groupby("group").bytes.mean().sort_values(ascending=False)
        return [name for name in self.techniques if name in set(self.files.group)] + list(sizes.index)

    def selected(self, group: str | None = None) -> pd.DataFrame:
        """Selected compressed files with skill to lose: all, or one group's."""
        files = self.files[(self.files.role == "compressed") & (self.files.selected > 0) & self.files.good]
        return files if group is None else files[files.group == group]

    def verdicts(self, group: str | None = None, margin: float = statistics.MARGIN) -> pd.DataFrame:
        """Verdicts at one margin on selected files: all, or one group's."""
        lines = self.claims[np.isclose(self.claims.margin.astype(float), margin)]
        return lines if group is None else lines[lines.group == group]

    def beside_best(self, dataset: str) -> dict:
        """The test of its smallest file near the best against that; {} where it is itself the best or untested."""
        lines = self.tested[self.tested.dataset == dataset] if len(self.tested) else self.tested
        return next(iter(lines.to_dict("records")), {})

    def reference(self, dataset: str) -> dict:
        """The mean of files that a dataset's forecasts are held against; {} if there is none."""
        files = self.files[(self.files.dataset == dataset) & (self.files.model == results.REFERENCE)]
        return next(iter(files.to_dict("records")), {})

    def file(self, row_id: str) -> dict:
        """The file of which that is the row_id of its first seed; {} if there is none."""
        return self._by_id.get(row_id, {})

    @cached_property
    def _by_id(self) -> dict[str, dict]:
        files = self.files.drop_duplicates("row_id")
        return dict(zip(files.row_id, files.to_dict("records"), strict=True))


def read(study: str) -> Facts:
    """Take up a study by name. Raises RunError if it has no folder."""
    folder = paths.study_dir(study)
    if not folder.is_dir():
        known = sorted(p.parent.name for p in paths.reports_dir().glob("*/results.csv"))
        raise RunError(f"There is no study {study!r} in {paths.reports_dir()}: run `make report STUDY={study}` first, "
                       f"or set `study` to one of: {', '.join(known) or 'none yet'}.")
    path = folder / "results.csv"
    rows = results.read(path) if path.exists() else results.typed(pd.DataFrame())
    is_table = rows.technique == results.PUBLISHED
    rows, published = rows[~is_table].reset_index(drop=True), rows[is_table]
    files, runtime = _files(rows)
    return Facts(study, folder, rows, files, runtime, *_comparisons(folder / "comparisons.csv", files), *_runs(study),
                 read_json(folder / "data.lock"), _coverage(folder), results.headline(rows).to_dict("records"),
                 _table(folder / "headline.csv"), results.regrets(rows),
                 information.tried(rows, _table(folder / "information.csv")), results.foresight(rows),
                 techniques.smallest(rows, _table(folder / "techniques.csv")), published, results.transfers(study),
                 places.measured(study), _searched(folder / "searches.csv"), searched.costs(study),
                 searches.replays(study), results.local(study))


def _files(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """(Means over seeds of a study's files, the runtime of their times); each function once, whatever copies it has.

    Beside the columns of a result row: good: there is skill to lose; group: as of `results.advice`; ms, speed,
    timed_in: median time in that runtime, times as fast as dense, and the run that timed it, of the file itself or of
    its copy; front: test WAPE of the front at its size, NaN where no file of it is so small.
    """
    (times, runtime), skill = results.in_one_runtime(rows), results.has_skill(rows)
    files, timed = results.means(results.own(rows)), results.means(times)
    files = files.assign(
        good=[bool(skill.get(key, True)) for key in zip(files.dataset, files.model, strict=True)],
        group=advice.group(files), ms=timed.latency_ms_p50, speed=timed.latency_ratio, timed_in=timed.run,
        front=np.nan)  # fmt: skip
    for (dataset, model), mine in files[files.bytes > 0].groupby(["dataset", "model"]):
        steps = results.front(files[files.dataset == dataset], model)
        at = np.searchsorted(steps.bytes, mine.bytes, side="right")
        files.loc[mine.index, "front"] = np.concatenate([[np.nan], steps.test_wape])[at]
    return files, runtime


def _comparisons(path: Path, files: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(claims, rivals) of comparisons.csv: skilled files against dense, forecasters against simple ones."""
    frame = _table(path)
    known = files.drop_duplicates("row_id").set_index("row_id")[[*KEYS, "role", "group", "good", "run"]]
    frame = frame.drop(columns=[*known], errors="ignore").join(known, on="row", how="inner")
    rivals = frame[frame.margin == 0].assign(against=lambda f: f.reference.astype(str).str.split("/").str[1])
    return frame[(frame.margin > 0) & (frame.role == "compressed") & frame.good.astype(bool)], rivals


def _table(path: Path) -> pd.DataFrame:
    """A table of comparisons, empty where there is none; columns that an older version lacks are empty."""
    frame = pd.read_csv(path) if path.exists() and path.stat().st_size > 1 else pd.DataFrame(columns=statistics.COLUMNS)
    return frame.reindex(columns=statistics.COLUMNS)


def _searched(path: Path) -> pd.DataFrame:
    """Verdicts on searches, empty where there are none."""
    found = pd.read_csv(path, dtype={"level": str}) if path.exists() and path.stat().st_size > 1 else pd.DataFrame()
    return found.reindex(columns=searched.COLUMNS)


def _coverage(folder: Path) -> dict[str, dict]:
    found = {path: read_json(path) for path in sorted(folder.glob("runs/*/*/coverage.json"))}
    return {str(seen["dataset"]): seen | {"run": path.parent.relative_to(folder).as_posix()}
            for path, seen in found.items() if seen.get("dataset")}


def _runs(study: str) -> tuple[list[str], pd.DataFrame]:
    """(The planner's notes, what became of each run); this report's own run, which is under way, is left out."""
    try:
        made = plan.read(study)
    except (LitecastError, ValueError, TypeError, KeyError):  # never planned, or planned by another version
        return [], pd.DataFrame(columns=["run", "state", "why"])
    lines = [(run.dir, *plan.state(made, run)) for run in made.runs if not run.stage.endswith("_report")]
    return made.notes, pd.DataFrame(lines, columns=["run", "state", "why"])
