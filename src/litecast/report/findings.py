"""What a study says: the sentences and tables of its report, computed from the artefacts it left behind.

Reads plan.json, data.lock, results.csv, comparisons.csv and, of the runs, coverage.json, forecasts.parquet, done.json
and error.json. Each of them may be missing: an incomplete study gets a report that says what is missing.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown

from litecast import paths, results
from litecast.errors import LitecastError, RunError
from litecast.figures import forecasts, levels, style
from litecast.figures import fronts as front_figures
from litecast.files import read_json
from litecast.planning import plan
from litecast.report.shown import figure, run_link, table
from litecast.results import statistics

MARGIN = 0.02  # the margin of the headline claims
QUICKER = 1.1  # times as fast as dense: less is within what the percentiles of one measurement spread
KEYS = ["dataset", "model", "technique", "variant", "level"]
RUNTIMES = {"onnxruntime": "ONNX Runtime", "torch": "PyTorch"}
ARTEFACTS = ("plan.json", "data.lock", "results.csv", "comparisons.csv")
WELL_BELOW = 0.25  # share of the seasonal naive error that a deep network should take away
PROVEN = 0.05  # adjusted p below which a forecaster is called better than another
SHOWN_LINES = 8  # forecasters in one panel of error profiles


@dataclass
class Study:
    """A study's artefacts. rows: contract 5, typed, without those of published tables: these enter nothing else;
    files, timed: see `_files`; claims: verdicts on skilled files."""

    name: str
    folder: Path
    rows: pd.DataFrame
    files: pd.DataFrame
    timed: pd.DataFrame
    runtime: str  # of `timed`
    claims: pd.DataFrame
    rivals: pd.DataFrame  # forecasters against simple ones, named in `against`
    plan: plan.Plan | None
    runs: pd.DataFrame  # run, state (done | failed | not run), why
    lock: dict
    coverage: dict[str, dict]  # dataset -> coverage.json of its collecting run
    heads: list[dict]  # results.headline
    published: pd.DataFrame  # rows of published tables

    @property
    def datasets(self) -> list[str]:
        return sorted(set(self.rows.dataset))

    @property
    def skilled(self) -> list[str]:
        """Datasets on which a forecaster beats the seasonal naive one: those that can be ranked."""
        return [head["dataset"] for head in self.heads if head["skill"]]

    @property
    def techniques(self) -> list[str]:
        """Compression techniques that have a row, by name; a narrow network in few bits is what they have to beat."""
        return sorted(set(self.rows.technique[self.rows.role == "compressed"]) - {"width"})

    def selected(self, group: str | None = None) -> pd.DataFrame:
        """Selected compressed files with skill to lose: all, or one group's."""
        files = self.files[(self.files.role == "compressed") & (self.files.selected > 0) & self.files.good]
        return files if group is None else files[files.group == group]


def read(study: str) -> Study:
    """Take up a study by name. Raises RunError if it has no folder."""
    folder = paths.study_dir(study)
    if not folder.is_dir():
        known = sorted(p.parent.name for p in paths.reports_dir().glob("*/results.csv"))
        raise RunError(f"There is no study {study!r} in {paths.reports_dir()}: run `make {study}` first, "
                       f"or set `study` to one of: {', '.join(known) or 'none yet'}.")
    path = folder / "results.csv"
    rows = results.read(path) if path.exists() else results._typed(pd.DataFrame())
    is_table = rows.technique == results.PUBLISHED
    rows, published = rows[~is_table].reset_index(drop=True), rows[is_table]
    files, timed, runtime = _files(rows)
    claims, rivals = _comparisons(folder / "comparisons.csv", files)
    plan, runs = _runs(study)
    heads = results.headline(rows).to_dict("records")
    return Study(study, folder, rows, files, timed, runtime, claims, rivals, plan, runs,
                 read_json(folder / "data.lock"), _coverage(folder), heads, published)


def _files(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Means over seeds of a study's files; those timed in one runtime, ONNX Runtime if it was used; its name.

    Files have beside the columns of contract 5: key; good: there is skill to lose; group: technique, or the bits of a
    narrow network; label; ms and speed: median time, and times as fast as dense, in the one runtime; front.
    """
    levels, skill = results.means(rows), results.has_skill(rows)
    levels["key"] = ["/".join(key) for key in levels[KEYS].to_numpy()]
    levels["good"] = [bool(skill.get(key, True)) for key in zip(levels.dataset, levels.model, strict=True)]
    levels["label"] = [_label(line) for line in levels.to_dict("records")]
    levels["group"] = levels.technique.str.replace("_", " ").mask(levels.technique == "width",
                                                                  "bits alone, " + levels.variant)
    timed = levels[(levels.control == "") & (levels.latency_ms_p50 > 0)]
    runtime = "onnxruntime" if (timed.runtime == "onnxruntime").any() else "torch"
    timed = timed[timed.runtime == runtime]
    files = levels[levels.format != "onnx"].reset_index(drop=True)
    times = timed.drop_duplicates("key").set_index("key")
    files = files.assign(ms=files.key.map(times.latency_ms_p50), speed=files.key.map(times.latency_ratio))
    return files.assign(front=_front(files)), timed, runtime


def _front(files: pd.DataFrame) -> pd.Series:
    """Per file the test WAPE of the front at its size (see `results.front`); NaN where no file of it is so small."""
    found = pd.Series(np.nan, files.index)
    for (dataset, model), mine in files[files.bytes > 0].groupby(["dataset", "model"]):
        steps = results.front(files[files.dataset == dataset], model)
        at = np.searchsorted(steps.bytes, mine.bytes, side="right")
        found[mine.index] = np.concatenate([[np.nan], steps.test_wape])[at]
    return found


def _comparisons(path: Path, files: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(claims, rivals) of comparisons.csv: skilled files against dense, forecasters against simple ones."""
    columns = ["row", "reference", "margin", "delta", "low", "high", "verdict", "mde", "p_dm", "p_holm"]
    frame = pd.read_csv(path) if path.exists() and path.stat().st_size > 1 else pd.DataFrame(columns=columns)
    known = files.drop_duplicates("row_id").set_index("row_id")
    known = known[[*KEYS, "role", "group", "label", "good", "run"]]
    frame = frame.drop(columns=[*known], errors="ignore").join(known, on="row", how="inner")
    rivals = frame[frame.margin == 0].assign(against=lambda f: f.reference.astype(str).str.split("/").str[1])
    return frame[(frame.margin > 0) & (frame.role == "compressed") & frame.good.astype(bool)], rivals


def _coverage(folder: Path) -> dict[str, dict]:
    found = {path: read_json(path) for path in sorted(folder.glob("runs/*/*/coverage.json"))}
    return {str(seen["dataset"]): seen | {"run": path.parent.relative_to(folder).as_posix()}
            for path, seen in found.items() if seen.get("dataset")}


def _runs(study: str) -> tuple[plan.Plan | None, pd.DataFrame]:
    """The plan, and what became of each run; this report's own run, which is under way, is left out."""
    try:
        made = plan.read(study)
    except (LitecastError, ValueError, TypeError, KeyError):  # never planned, or planned by another version
        return None, pd.DataFrame(columns=["run", "state", "why"])
    lines = [(run.dir, *plan.state(made, run)) for run in made.runs if not run.stage.endswith("_report")]
    return made, pd.DataFrame(lines, columns=["run", "state", "why"]).replace({"state": {"missing": "not run"}})


# ---------------------------------------------------------------- words and tables


def percent(value: float, digits: int | None = None) -> str:
    digits = (2 if abs(value) >= 0.01 else 3) if digits is None else digits
    return f"{100 * value:.{digits}f}\u00a0%" if np.isfinite(value) else "–"


def _short(value: float) -> str:
    """Three digits, never an exponent."""
    return "–" if not np.isfinite(value) else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _kilo(value: float) -> str:
    return _short(value / 1000)


def _as(form: str):
    return lambda value: "–" if not np.isfinite(value) else form.format(value)


def _label(row: dict) -> str:
    """'lstm, magnitude pruning 80 % (global-int8)': what a row is, in words."""
    model, technique = row["model"].replace("_", " "), row["technique"].replace("_", " ")
    how = {"classical": "", "dense": " dense", "width": f" of width {row['level']}"}
    text = model + how.get(technique, f", {technique} {style.share(row['level'])}")
    return text + (f" ({row['variant']})" if row["variant"] else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _bullets(lines: Iterable[str]) -> Markdown:
    return Markdown("\n".join(f"- {line}" for line in lines))


def link(row: dict) -> str | None:
    """Where the point of a row leads: its run's rendered notebook, from the study's folder."""
    return run_link(row.get("run", ""))


SHOWN = {  # heading of a table: (column, how its values are written)
    "level": ("level", style.share), "kB": ("bytes", _kilo), "thousand MACs": ("macs", _kilo),
    "val WAPE": ("val_wape", percent), "test WAPE": ("test_wape", percent), "MASE": ("test_mase", _as("{:.3f}")),
    "bias": ("test_bias", percent), "skill": ("test_skill", _as("{:+.3f}")), "front": ("front", percent),
    "speed": ("speed", _as("{:.2f} ×")), "ms": ("ms", _as("{:.3f}")), "technique itself": ("own", percent),
    "parameters": ("params", _as("{:,.0f}")), "training GMACs": ("train_macs", lambda value: _short(value / 1e9)),
    "seconds": ("train_s", _short), "peak MB": ("train_peak_mb", _short),
    **{f"{storage} kB": (storage, _kilo) for storage in ("float32", "int8", "int4")},
}  # fmt: skip


def _table(rows: pd.DataFrame, heads: str, caption: str):
    """The columns of rows named by comma-separated headings, as `SHOWN` says; a column `run` links the first cells."""
    frame = pd.DataFrame(index=rows.index)
    for head in heads.split(", "):
        column, how = SHOWN.get(head, (head, lambda value: value))
        values = rows.get(head, rows.get(column, pd.Series("", index=rows.index)))  # a heading's own column goes first
        frame[head] = [value if isinstance(value, str) and head != "level" else how(value) for value in values]
        if len(frame) and (frame[head] == "–").all():
            del frame[head]
    return table(frame, caption, [run_link(run) for run in rows.run] if "run" in rows else None)


# ---------------------------------------------------------------- findings


def overview(study: Study) -> Markdown:
    """What was run, in two sentences."""
    models = sorted(set(study.rows.model[study.rows.role.isin(["dense", "compressed"])]))
    text = (f"Study **{study.name}**: {_count(len(study.datasets), 'dataset')} ({', '.join(study.datasets)}), "
            f"{_count(len(models), 'forecaster')} ({', '.join(models)}), "
            f"{_count(len(study.techniques), 'compression technique')}, {len(study.rows)} result rows. ")
    if len(study.runs):
        states = study.runs.state.value_counts()
        text += (f"Of {_count(len(study.runs), 'planned run')} {states.get('done', 0)} are done, "
                 f"{states.get('failed', 0)} failed and {states.get('not run', 0)} did not run.")
    made_up = [d for d in study.datasets if d.startswith("sample-")]
    if made_up:
        text += f" **Synthetic numbers:** {', '.join(made_up)} {'is' if len(made_up) == 1 else 'are'} generated, " \
                "not measured."
    return Markdown(text)


def headline(study: Study):
    """The headline table: best forecaster, smallest file within 2 % of it, error at each budget, per dataset."""
    seasonal = study.files[study.files.model == "seasonal_naive"].groupby("dataset").test_wape.mean()
    size = study.files.set_index("row_id").bytes
    lines = [{
        "dataset": head["dataset"], "seasonal naive": percent(seasonal.get(head["dataset"], np.nan)),
        "best": percent(head["best_wape"]) if head["skill"] else "no skill to lose",
        "kB of best": _kilo(size.get(head["best"], np.nan)), "small": percent(head["small_wape"]),
        "kB of small": _short(head["small_kb"]),
    } | {f"{kb} kB": percent(head[f"wape_{kb}kb"]) for kb in results.BUDGETS_KB} for head in study.heads]
    columns = ["dataset", "seasonal naive", "best", "kB of best", "small", "kB of small",
               *(f"{kb} kB" for kb in results.BUDGETS_KB)]
    return table(pd.DataFrame(lines, columns=columns),
                 "Test WAPE of the seasonal naive forecast, of the best forecaster of any size, of the smallest file "
                 "within 2 % of it (“small”), and of the best file of at most 4, 16 and 64 kB. All are chosen on "
                 "validation; means over seeds")


def findings(study: Study) -> Markdown:
    """What was found: sentences on each dataset's smallest file and baselines, on each technique, and on speed."""
    if study.rows.empty:
        return Markdown("There is no result row yet: nothing can be said.")
    groups = [t.replace("_", " ") for t in study.techniques] + ["bits alone, int8", "bits alone, int4"]
    told = [sentence(study, group) for group in groups if group in set(study.files.group)]
    standing = [line for dataset in study.datasets for line in _standing(study, dataset)]
    return _bullets([*_smallest(study), *standing, *told, *_speed(study)])


def _smallest(study: Study) -> Iterator[str]:
    known = study.files.drop_duplicates("row_id").set_index("row_id")
    for head in (h for h in study.heads if h["skill"]):
        best = known.loc[head["best"]]
        text = f"**{head['dataset']}**: the best forecaster is {best.label}, test WAPE {percent(best.test_wape)}"
        if np.isfinite(best.test_skill):
            side = "below" if best.test_skill >= 0 else "above"
            text += f", {percent(abs(best.test_skill), 0)} {side} the seasonal naive forecast"
        if head["small"] in known.index:
            small = known.loc[head["small"]]
            text += f". The smallest file within 2 % of it takes **{_kilo(small.bytes)} kB**: {small.label}, test " \
                    f"WAPE {percent(small.test_wape)}"
            text += f", {_short(best.bytes / small.bytes)} times smaller" if best.bytes > small.bytes else ""
        yield text + "."


def _standing(study: Study, dataset: str) -> Iterator[str]:
    """Are the networks any good? Without a season: is the random walk beaten at all? Else: is the best deep network far
    below the seasonal naive forecast, and better than ARIMA and boosting?"""
    files = study.files[(study.files.dataset == dataset) & (study.files.control == "")]
    files = files[files.technique.isin(["dense", "classical"])]
    tests, head = study.rivals[study.rivals.dataset == dataset], f"**Baselines, {dataset}**:"
    wape = files.groupby("model").test_wape.mean()
    free, name = wape.get("seasonal_naive", np.nan), "seasonal naive forecast"
    if np.isclose(free, wape.get("naive", np.nan), rtol=1e-9):  # without a season the two are one
        name, mine = "random walk", tests[tests.against == "seasonal_naive"].sort_values("delta")
        beaten = mine[(mine.delta < 0) & (mine.p_holm < PROVEN)]
        networks = (mine.technique == "dense").sum()
        tried = f"{_count(len(mine), 'forecaster')} ({_count(networks, 'network')}, {len(mine) - networks} classical)"
        told = [f"{_words([line.model])} ({_against(line)})" for line in mine.itertuples()]
        if mine.empty:
            yield f"{head} whether anything beats the random walk was not tested in this study."
        elif beaten.empty:
            yield (f"{head} no forecaster, network or classical, is shown to beat the random walk: of {tried} none "
                   f"errs less with an adjusted p below {PROVEN:g}. The lowest test error is that of {told[0]}.")
        else:
            told = _words(text for text, line in zip(told, mine.index, strict=True) if line in beaten.index)
            yield f"{head} {len(beaten)} of {tried} are shown to beat the random walk: {told}."
        if beaten.empty:
            return
    deep = files[(files.technique == "dense") & ~results.is_compact(files)]
    if deep.empty or not np.isfinite(free):
        return
    best, leader = (part.loc[part.val_wape.idxmin()] for part in (deep, files))
    below = 1 - best.test_wape / free
    text = (f"{head} the best deep network, {_words([best.model])}, has a test WAPE of {percent(best.test_wape)}, "
            f"{percent(abs(below), 0)} {'below' if below >= 0 else 'above'} the {name} ({percent(free)})")
    if below < WELL_BELOW:
        text += f", {100 * (WELL_BELOW - below):.0f} points short of {percent(WELL_BELOW, 0)}"
        text += f"; {_words([leader.model])}, the best of any kind, reaches {percent(1 - leader.test_wape / free, 0)}" \
            if leader.model != best.model and leader.role != "naive" else ""
    mine = tests[tests.row == best.row_id].set_index("against")
    for rival in statistics.NAIVE[1:]:
        line = mine.loc[rival] if rival in mine.index else None
        how = "not compared with" if line is None else "not shown to be better than" if not line.p_holm < PROVEN else \
            "better than" if line.delta < 0 else "worse than"
        text += f"; {how} {_words([rival])}" + (f" ({_against(line)})" if line is not None else "")
        if how.startswith("not shown") and line.p_dm < PROVEN:  # by itself it would be
            text += f", though p = {line.p_dm:.3f} before the adjustment for {_count(len(tests), 'test')}"
    yield text + "."


def _words(names: Iterable[str], most: int = 6) -> str:
    """Names in words, at most so many of them."""
    names = ["ARIMA" if name == "arima" else name.replace("_", " ") for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _against(line) -> str:
    """'−3.1 %, p = 0.012': the difference in WAPE and the adjusted p of Diebold and Mariano's test."""
    told = f"{100 * line.delta:+.1f}\u00a0%".replace("-", "−")
    return told + (", p < 0.001" if line.p_holm < 0.001 else f", p = {line.p_holm:.3f}" if line.p_holm == line.p_holm
                   else ", too few origins for a test")


def sentence(study: Study, group: str) -> str:
    """What one technique, or storing in few bits alone, did on its selected files."""
    chosen = study.selected(group)
    if chosen.empty:
        return f"**{group}**: no selected file on a dataset with skill."
    verdicts = _at(study, group).verdict.value_counts()
    text = f"**{group}**: {_count(len(chosen), 'selected file')}"
    if len(verdicts):
        text += (f", of which {verdicts.get('within', 0)} lose less than 2 % against dense, "
                 f"{verdicts.get('undecided', 0)} are undecided and {verdicts.get('worse', 0)} are worse")
    text += f". Median file: {_kilo(chosen.bytes.median())} kB, {chosen.ratio.median():.1f} times smaller than dense."
    if (wins := _wins(chosen)) != "–":
        text += f" {wins} err less than the front of their size."
    for control, mine in _controls(study, group).groupby("control"):
        text += f" The control *{control.replace('_', ' ')}* errs more than the technique at the same level in " \
                f"{(mine.test_wape > mine.own).sum()} of {_count(len(mine), 'case')}."
    return text


def _wins(chosen: pd.DataFrame) -> str:
    """'3 of 7' compressed files err less than the front of their size; '–' where there is nothing to compare."""
    compared = chosen[chosen.front.notna() & (chosen.technique != "width")]
    return f"{(compared.test_wape < compared.front).sum()} of {len(compared)}" if len(compared) else "–"


def _at(study: Study, group: str | None = None, margin: float = MARGIN) -> pd.DataFrame:
    """Verdicts at one margin on selected files."""
    lines = study.claims[np.isclose(study.claims.margin.astype(float), margin)]
    return lines if group is None else lines[lines.group == group]


def _controls(study: Study, group: str) -> pd.DataFrame:
    """Controls of a technique; own: test WAPE of its own file at the same level and variant, in the controls' seeds."""
    mine = study.files[(study.files.group == group) & (study.files.role == "control")]
    rows = study.rows[study.rows.format != "onnx"]
    rows = rows.assign(key=["/".join(key) for key in rows[KEYS].to_numpy()])
    seeds = rows.loc[rows.role == "control", ["key", "seed"]].drop_duplicates()
    own = rows[rows.role == "compressed"].merge(seeds).groupby("key").test_wape.mean()
    return mine.assign(own=mine.key.map(own)).dropna(subset="own")


def _speed(study: Study) -> Iterator[str]:
    files = study.selected()
    files = files[files.speed.notna() & (files.technique != "width")]
    runtime = RUNTIMES[study.runtime]
    if files.empty:
        yield "**Speed**: no selected file was timed in this study."
        return
    fast = files.loc[files.speed.idxmax()]
    text = (f"**Speed**: {(files.speed > QUICKER).sum()} of {_count(len(files), 'timed file')} are more than 10 % "
            f"quicker than their own dense network in {runtime}; the largest gain is {fast.speed:.2f} times, by "
            f"{fast.label} on {fast.dataset} ({_short(fast.ms)} ms for one window on one thread)")
    dense = study.files[(study.files.technique == "dense") & (study.files.control == "")]
    gain = (dense.latency_ms_p50 / dense.ms).median()
    if study.runtime == "onnxruntime" and np.isfinite(gain):
        text += f". The runtime's own gain: {runtime} runs a dense network {gain:.1f} times as fast as PyTorch (median)"
    yield text + "."


def failures(study: Study) -> Markdown:
    """What did not work, as far as the numbers tell."""
    skill = results.has_skill(study.rows)
    lost = [d for d in study.datasets if d not in study.skilled]
    weak = [f"{m} on {d}" for (d, m), good in skill.items() if not good and d in study.skilled]
    lines = [f"**No skill to lose** on {', '.join(lost)}: no dense network beats the seasonal naive forecast on "
             "validation and test. These datasets are left out of every ranking."] if lost else []
    lines += [f"**Forecasters without skill**: {', '.join(weak)}; their files are not ranked."] if weak else []
    networks = study.rivals[study.rivals.against.isin(statistics.NAIVE[1:]) & (study.rivals.technique == "dense")]
    for (rival, dataset), mine in networks.groupby(["against", "dataset"]):
        equal = mine.model[mine.verdict != "better"]
        lines += [f"**{_words([rival])}** on {dataset}: not shown to err more than {len(equal)} of "
                  f"{_count(len(mine), 'network')} ({_words(equal)})."] if len(equal) else []
    for technique in study.techniques:
        lines += _disappointments(study, technique.replace("_", " "))
    files = study.files[study.files.role == "compressed"]
    decoded = files[files.coverage_macs < 0.5]
    if len(decoded):
        lines.append(f"**Storage only**: {len(decoded)} of {len(files)} compressed files are decoded to float32 to "
                     "run: their 8 or 4 bits are simulated in arithmetic, and save bytes, not time.")
    missed = study.rows[study.rows.error != ""]
    lines += [f"**Rows with an error**: {len(missed)}, the first: {missed.error.iloc[0][:160]}"] if len(missed) else []
    states = study.runs.state.value_counts()
    if states.get("failed", 0) + states.get("not run", 0):
        lines.append(f"**Runs**: {states.get('failed', 0)} failed and {states.get('not run', 0)} did not run; "
                     "they are listed near the end, with their errors.")
    for name, entry in study.lock.items():
        lines += [f"**Data**: {name} is not reachable ({entry['error']}); its runs were not planned."
                  ] if entry.get("error") else []
        lines += [f"**Data**: {name} is replaced by {entry.get('name')} ({entry['reason']})."
                  ] if entry.get("reason") else []
    return _bullets(lines or ["Nothing failed, and every technique kept at least one file within 2 %."])


def _disappointments(study: Study, group: str) -> Iterator[str]:
    claims, chosen = _at(study, group), study.selected(group)
    if len(claims) and not (claims.verdict == "within").any():
        yield f"**{group}**: no selected file is shown to lose less than 2 %."
    worse = claims[claims.verdict == "worse"]
    if len(worse):
        worst = worse.loc[worse.delta.idxmax()]
        yield (f"**{group}** is worse than dense on {len(worse)} of {_count(len(claims), 'file')}, most with "
               f"{worst.label} on {worst.dataset} ({percent(worst.delta, 1)}).")
    if chosen.front.notna().any() and not (chosen.test_wape < chosen.front).any():
        yield f"**{group}** never errs less than the front at the same size."
    scratch = _controls(study, group)[lambda f: f.control == "scratch"]
    if len(scratch) and (wins := (scratch.own < scratch.test_wape).sum()) <= len(scratch) / 2:
        yield (f"**{group}** errs less than the same small network trained from scratch in only {wins} of "
               f"{_count(len(scratch), 'case')}.")
    dense = study.files[study.files.technique == "dense"].groupby(["dataset", "model"]).macs.max()
    before = [dense.get(key, np.inf) for key in zip(chosen.dataset, chosen.model, strict=True)]
    if len(chosen) and (chosen.macs >= before).all():
        yield f"**{group}** removes no multiplication: zeros are multiplied too. Its gain is in storage only."


# ---------------------------------------------------------------- data and baselines


def data_table(study: Study):
    """Which data were read: source, checksum, and what the collecting notebook counted."""
    lines = []
    for asked, entry in sorted(study.lock.items()):
        name = str(entry.get("name") or asked)
        seen = study.coverage.get(name, {})
        line = {k: str(seen[k]) for k in ("unit", "series", "steps", "split", "L", "H") if seen.get(k) is not None}
        if "start" in seen and "end" in seen:
            line["span"] = f"{str(seen['start'])[:10]} – {str(seen['end'])[:10]}"
        line["missing"] = percent(seen.get("missing", np.nan))
        lines.append(line | {"dataset": asked if name == asked else f"{asked} → {name}", "run": seen.get("run")})
    return _table(pd.DataFrame(lines, columns="dataset unit series steps span missing split L H run".split()),
                  "dataset, unit, series, steps, span, missing, split, L, H",
                  "Data of this study: size, span, split, look-back L and horizon H in steps")


def data_notes(study: Study) -> Markdown:
    """Sources, licences, repairs and dropped series, as the collecting notebooks wrote them down."""
    lines = []
    for name, seen in study.coverage.items():
        told = [f"{key} {seen[key]}" for key in ("source", "licence") if seen.get(key)]
        told += [str(seen["note"]).rstrip(".")] if seen.get("note") else []
        told += [f"dropped {drop['series']}: {drop['reason']}" for drop in (seen.get("dropped") or [])[:5]]
        lines += [f"**{name}**: {'; '.join(told)}."] if told else []
    return _bullets(lines)


def split_figure(study: Study):
    """Where the parts lie, or a sentence if no collecting run has told."""
    lines = [(name, part, float(start), float(end)) for name, seen in study.coverage.items()
             for part, spans in (seen.get("parts") or {}).items() for start, end in spans]
    if not lines:
        return Markdown("Where the splits fall is not stored in this study: the data notebooks have not run.")
    parts = pd.DataFrame(lines, columns=["dataset", "part", "start", "end"])
    return figure(forecasts.split_figure(parts),
                  "Where train, validation and test lie on the common span of each dataset")


def baselines(study: Study) -> Iterator:
    """All forecasters before compression, for each dataset: error against arithmetic, and a table, the naive first."""
    plain = study.files[study.files.technique.isin(["classical", "dense"]) & study.files.control.isin(["", "oracle"])]
    for dataset, files in plain.groupby("dataset"):
        if (files.macs > 0).any():
            yield figure(front_figures.bubbles(files[files.control == ""], link=link),
                         f"All forecasters on {dataset} before compression: test WAPE against MACs per window, means "
                         "over seeds. The area of a bubble is the square root of the number of parameters; lines are "
                         "simple forecasts")
        order = files.role.map({"naive": 0, "control": 2}).fillna(1)
        files = files.assign(order=order).sort_values(["order", "test_wape"])
        skill = files.test_skill.map(SHOWN["skill"][1]).where(files.good, "no skill to lose")
        variant = (files.technique == "classical") & (files.variant != "")
        name = files.model + (" (" + files.variant + ")").where(variant, "")
        yield _table(files.assign(skill=skill.mask(files.control == "oracle", "not ranked: knows the weather ahead"),
                                  model=name.str.replace("_", " ")),
                     "model, kB, thousand MACs, val WAPE, test WAPE, MASE, bias, skill",
                     f"Forecasters on {dataset} before compression, means over seeds; dense networks at their chosen "
                     "width. Skill is that on test")


def compact(study: Study) -> Iterator:
    """The compact families of each dataset, in three storages; who of them is on the front."""
    files = study.files[results.is_compact(study.files) & (study.files.control == "")]
    for dataset, mine in files.groupby("dataset"):
        dense = mine[mine.technique == "dense"].sort_values("bytes")
        stored = mine[mine.technique == "width"]
        stored = stored.pivot_table(index=["model", "level"], columns="variant", values="bytes")
        yield _table(dense.join(stored, on=["model", "level"]).assign(model=dense.model.str.replace("_", " ")),
                     "model, float32 kB, int8 kB, int4 kB, parameters, thousand MACs, ms, test WAPE, skill",
                     f"Compact networks on {dataset} at their chosen width: size in three storages; time of one window "
                     f"in {RUNTIMES[study.runtime]} on one thread; test WAPE and skill in float32, means over seeds")
        steps = results.front(mine, "").drop_duplicates("model")
        told = ", ".join(f"{_words([line.model])} (from {_kilo(line.bytes)} kB, test WAPE {percent(line.test_wape)})"
                         for line in steps.itertuples())
        yield Markdown(f"On the front of {dataset} – no compact file that is no larger has a lower validation WAPE – "
                       f"{'is' if len(steps) == 1 else 'are'} {told}.")
    if files.empty:
        yield Markdown("No compact network is part of this study: the front is the narrow networks alone.")


def published(study: Study) -> Iterator:
    """Published errors of the same models beside those reached here, and how many of them are within their band."""
    if study.published.empty:
        yield Markdown("No published table was run in this study.")
        return
    from litecast.experiment import published as tables

    lines = tables.compare(study.published)
    shown = lines.assign(**{c: lines[c].map("{:.0f}".format) for c in ("H", "L", "seeds")})
    for head, name in (("published", "published_"), ("here", ""), ("ratio", "ratio_")):
        pairs = lines[[f"{name}mse", f"{name}mae"]].to_numpy()
        shown[head] = [" / ".join(map(_as("{:.3f}"), pair)) for pair in pairs]
    held = lines.within.notna()  # a model without a published value is shown, not judged
    within = held & (lines.within == 1)
    shown["band"] = [f"{percent(line.band, 0)}: {'within' if line.within else 'missed'}" if line.within == line.within
                     else "–" for line in lines.itertuples()]
    text = f"{within.sum()} of {_count(int(held.sum()), 'published error')} are reached within their band"
    missed = [f"{line.model} on {line.dataset}, H {line.H}" for line in shown[held & ~within].itertuples()]
    yield Markdown(text + (f"; missed: {', '.join(missed)}." if missed else "."))
    yield _table(shown.rename(columns={"others": "other published values"}),
                 "dataset, model, H, L, published, here, ratio, seeds, band, other published values",
                 "Published errors and those of the same models here: MSE / MAE on scaled data, all test windows, "
                 "means over seeds; the band is what the MSE may exceed the published one by")


def profiles(study: Study) -> Iterator:
    """Errors by step, hour, series and event day of all forecasters whose forecasts are stored, for each dataset."""
    for dataset in study.datasets:
        files = study.files[(study.files.dataset == dataset) & study.files.technique.isin(["classical", "dense"])]
        files = files[files.control == ""].sort_values("val_wape")
        parts = [_errors(study, row) for row in files.itertuples()]
        errors = pd.concat([pd.DataFrame(columns=["name", "error"]), *(part for part in parts if len(part))])
        if errors.empty:
            continue
        by = ("step", "hour") if "hour" in errors else ("step", "series")
        unit = study.coverage.get(dataset, {}).get("unit", "")
        level = errors.groupby("name").error.mean()  # far off, as naive is on a daily cycle, would flatten all others
        kept = list(dict.fromkeys([*statistics.NAIVE, *errors.name]))[:SHOWN_LINES]
        near = errors[errors.name.isin(kept) & (errors.name.map(level) <= 2 * level.median())]
        yield figure(forecasts.error_profile(near, unit, by),
                     f"Mean absolute test error on {dataset} by step ahead and by {by[1]}, from the stored forecasts "
                     f"of the first seed: simple forecasts, then the best on validation, {SHOWN_LINES} lines at most; "
                     "what errs more than twice as much as most is in the table only")
        yield _profile_table(errors, dataset)


def _errors(study: Study, row) -> pd.DataFrame:
    """Mean absolute error of one row by step, series, hour and kind of day, one below the other; wape likewise."""
    path = study.folder / row.run / "forecasts.parquet"  # of its own run: to look through all of them takes minutes
    if not row.run or not path.is_file():
        return pd.DataFrame()
    stored = pd.read_parquet(path, filters=[("row_id", "==", row.row_id)]).dropna(subset="y")
    stored, seen = stored.astype({"series": str}), study.coverage.get(row.dataset, {})
    by = ["step", "series"]
    if len(stored) and seen.get("frequency") in forecasts.HOURLY:
        by += ["hour", "day"]
        step = pd.Timedelta(forecasts.HOURLY[seen["frequency"]])
        times = pd.DatetimeIndex(stored.origin) + (stored.step - 1).to_numpy() * step
        stored = stored.assign(**forecasts.moments(times, seen.get("country")))
    stored = stored.assign(error=(stored.yhat - stored.y).abs(), size=stored.y.abs())
    parts = [stored.groupby(c)[["error", "size"]].mean().reset_index() for c in by]
    return pd.concat(parts).assign(name=row.model, wape=lambda e: e.error / e["size"])


def _profile_table(errors: pd.DataFrame, dataset: str):
    """Test WAPE at the ends of the horizon, of the easiest and the hardest series, and on holidays, per forecaster."""
    lines = []
    for name, mine in errors.groupby("name", sort=False):
        step, series = (mine.dropna(subset=c).set_index(c).wape for c in ("step", "series"))
        line = {"forecaster": name.replace("_", " "), "first step": step.iloc[0], "last step": step.iloc[-1],
                "easiest series": series.min(), "hardest series": series.max()}
        days = mine.dropna(subset="day").set_index("day").wape.to_dict() if "day" in mine else {}
        lines.append(line | (days if "holidays" in days else {}))
    frame = pd.DataFrame(lines).set_index("forecaster").map(percent).reset_index()
    return table(frame, f"Test WAPE on {dataset} at the ends of the horizon, by series and on event days (public "
                        "holidays), where the calendar knows them")


def width_sweep(study: Study):
    """Every width that was tried, in float32, and what training the chosen one took for the error it reached."""
    files = study.files[study.files.control == ""]
    wide = files[(files.technique == "width") & (files.role == "dense")]
    if wide.empty:
        return Markdown("No width sweep is part of this study.")
    wide = wide.sort_values("params").assign(tried=lambda f: f.level + ": " + f.val_wape.map(percent))
    tried = wide.groupby(["dataset", "model"]).tried.agg(", ".join).rename("validation WAPE by width")
    dense = files[files.technique == "dense"].join(tried, on=["dataset", "model"], how="inner")
    return _table(dense.assign(chosen=dense.level).sort_values(["dataset", "test_wape"]),
                  "dataset, model, validation WAPE by width, chosen, kB, training GMACs, seconds, peak MB, test WAPE",
                  "Width sweep in float32: dense is the smallest width with a validation WAPE within 1 % of the best. "
                  "What training it took (multiply-accumulates, wall-clock seconds, memory above what was held "
                  "before) and what it reached are means over seeds")


# ---------------------------------------------------------------- techniques


def section(study: Study, technique: str) -> Iterator:
    """Everything the report shows of one technique: its finding, its levels, its selected files."""
    name = technique.replace("_", " ")
    yield Markdown(f"### {name.capitalize()}")
    yield Markdown(" ".join([sentence(study, name), *_disappointments(study, name)]))
    files = study.files[study.files.technique.isin([technique, "dense"])]
    for dataset, mine in files.groupby("dataset"):
        if mine[mine.role == "compressed"].groupby("model")["level"].nunique().max() > 1:
            yield figure(levels.level_curve(mine), f"Validation WAPE by level of {name} on {dataset}, mean over seeds; "
                                                  "ringed levels are selected")
    yield selected_table(study, technique)
    controls = _controls(study, name)
    if len(controls):
        yield _table(controls.assign(control=controls.control.str.replace("_", " ")),
                     "dataset, model, control, variant, level, kB, test WAPE, technique itself",
                     f"Controls of {name}: as small by chance, or trained from scratch; the last column is the test "
                     "WAPE of the technique at the same level and seed")


def selected_table(study: Study, technique: str):
    """Selected files of a technique beside the front at the same size; rows without skill say so."""
    files = study.files[(study.files.technique == technique) & (study.files.role == "compressed")]
    files = files[files.selected > 0].sort_values(["dataset", "model", "bytes"])
    verdict = files.row_id.map(_at(study).drop_duplicates("row").set_index("row").verdict).fillna("–")
    return _table(files.assign(**{"at 2 %": verdict.where(files.good, "no skill to lose")}),
                  "dataset, model, variant, level, kB, test WAPE, front, speed, at 2 %",
                  f"Selected files of {technique.replace('_', ' ')}: one level per model and variant, chosen on "
                  "validation; means over seeds. Front: test WAPE of the best narrow or compact network that is no "
                  f"larger. Speed: times as fast as dense in {RUNTIMES[study.runtime]}. Last: the verdict at a margin "
                  "of 2 %")


# ---------------------------------------------------------------- all compared


def fronts(study: Study) -> Iterator:
    """Error against size, and against time where it was measured, for each dataset."""
    for dataset in study.datasets:
        files = study.files[(study.files.dataset == dataset) & (study.files.control == "")]
        times = study.timed[study.timed.dataset == dataset]
        note = "" if dataset in study.skilled else " (no skill to lose: not ranked)"
        if (files.bytes > 0).any():
            yield figure(front_figures.error_against(files, "bytes", dataset, link),
                         f"Test WAPE against file size on {dataset}{note}, means over seeds; the grey steps are the "
                         "front to beat: the same network trained narrow and the compact networks, in float32, int8 "
                         "and 4 bit; filled in the last panel: the best file of each")
        if len(times):
            naive = files[files.technique == "classical"]
            yield figure(front_figures.error_against(pd.concat([times, naive]), "latency_ms_p50", dataset, link),
                         f"Test WAPE against the median latency of one window on {dataset}{note}, in "
                         f"{RUNTIMES[study.runtime]} on one thread")


def forest(study: Study) -> Iterator:
    """All differences to dense with their intervals, where there is skill to lose."""
    lines = _at(study)
    lines = lines[lines.technique != "width"].sort_values(["technique", "model", "label"])
    if lines.empty:
        yield Markdown("No comparison with an interval is part of this study yet.")
    for dataset, mine in lines.groupby("dataset"):
        yield figure(levels.forest(mine, link=link),
                     f"Relative difference in test WAPE of the selected files on {dataset} against the better of dense "
                     "and dense trained longer; lines join the ends of the one-sided 95 % intervals, dashes are the "
                     "margins")


def verdicts(study: Study):
    """Techniques side by side: verdicts per margin, wins over the front, size and speed."""
    lines = []
    for (dataset, group), chosen in study.selected().groupby(["dataset", "group"]):
        line = {"dataset": dataset, "technique": group, "files": str(len(chosen)), "bytes": chosen.bytes.median(),
                "times smaller": _short(chosen.ratio.median()), "speed": chosen.speed.median()}
        for margin in (0.01, 0.02, 0.05):
            claims = _at(study, group, margin)
            counts = claims[claims.dataset == dataset].verdict.value_counts()
            line[f"{100 * margin:g} %"] = " / ".join(f"{counts.get(v, 0)}" for v in ("within", "undecided", "worse"))
        lines.append(line | {"beats front": _wins(chosen)})
    heads = "dataset, technique, files, 1 %, 2 %, 5 %, beats front, kB, times smaller, speed"
    return _table(pd.DataFrame(lines), heads,
                  "Techniques side by side on selected files, medians of size and speed (times as fast as dense). "
                  "Under 1, 2 and 5 %: number of files within the margin / undecided / worse. Bits alone: the chosen "
                  "width stored in 8 or 4 bits without retraining")


def recommendation(study: Study):
    """Which file to use, per dataset and budget."""
    lines, known = [], study.files.drop_duplicates("row_id").set_index("row_id")
    for head in study.heads:
        budgets = {f"{kb} kB": head[f"row_{kb}kb"] for kb in results.BUDGETS_KB} | {"within 2 %": head["small"]}
        for budget, row_id in (budgets if head["skill"] else {"any": None}).items():
            line = {"dataset": head["dataset"], "budget": budget, "use": "no file fits"}
            if row_id in known.index:
                row = known.loc[row_id]
                hint = "" if min(row.val_skill, row.test_skill) > 0 else " – the seasonal naive forecast is no worse"
                line = row.to_dict() | line | {"use": row.label + hint}
            elif not head["skill"]:
                line["use"] = "seasonal naive: no network has skill"
            lines.append(line)
    return _table(pd.DataFrame(lines), "dataset, budget, use, kB, thousand MACs, test WAPE, skill, ms",
                  "Which file to use at most 4, 16 and 64 kB, and the smallest within 2 % of the best: chosen on "
                  "validation among all files of a dataset, shown on test")


# ---------------------------------------------------------------- limits, runs, provenance


def limits(study: Study) -> Markdown:
    """What these numbers cannot say."""
    claims, lines = _at(study), []
    seeds = study.rows[study.rows.role == "compressed"].groupby("dataset").seed.nunique()
    if len(seeds):
        told = ", ".join(f"{_count(n, 'seed')} on {dataset}" for dataset, n in seeds.items())
        lines.append(f"Compressed files were made with {told}; intervals cover the choice of test days, not that of "
                     "seeds.")
    if len(claims):
        text = f"{(claims.verdict == 'undecided').sum()} of {len(claims)} comparisons at 2 % are undecided"
        if claims.mde.notna().any():
            text += f"; the smallest difference they could have shown is {percent(claims.mde.median())} (median)"
        lines.append(text + ".")
    else:
        lines.append("No interval was computed: differences may be chance.")
    lines.append("Whether a file beats the front or a control is a comparison of means, without an interval.")
    cpus = sorted(set(study.rows.cpu) - {""})
    lines.append(f"Times were taken on {', '.join(cpus)}; another processor may order them otherwise."
                 if len(study.timed) else "Nothing was timed: all sizes are bytes and MACs.")
    if any(d.startswith("sample-") for d in study.datasets):
        lines.append("Generated series are regular; what holds on them need not hold on real demand.")
    lines.append("Each dataset is one place and one span of time, and its test part is its last one: a result on it "
                 "is a case, not a law.")
    return _bullets(lines)


def unfinished(study: Study):
    """Failed and not-run runs with their errors, and those that left a network out for want of data."""
    lines = study.runs[(study.runs.state != "done") | (study.runs.why != "")].sort_values(["state", "run"])
    lines = lines.assign(state=lines.state.replace("done", "left out"))
    if study.runs.empty:
        return Markdown("This study has no plan: which runs are missing is not known.")
    if lines.empty:
        return Markdown("All planned runs are done.")
    links = [run_link(run) if (study.folder / run / "notebook.html").exists() else None for run in lines.run]
    frame = pd.DataFrame({"run": lines.run.str.removeprefix("runs/"), "state": lines.state, "why": lines.why.str[:300]})
    return table(frame, "Runs that failed, did not run, or left a network out", links)


def notes(study: Study) -> Markdown:
    """What the planner had to say: blocks left out, data that were replaced."""
    return _bullets(study.plan.notes if study.plan and study.plan.notes else ["The study file was planned as written."])


def artefacts(study: Study):
    """The files this report was computed from, and their checksums; versions and machine."""
    lines = []
    for name in ARTEFACTS:
        path = study.folder / name
        lines.append((name, hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else "missing"))
    rows = study.rows.assign(dirty=study.rows.dirty.map({0: "no", 1: "yes"}))
    for title, column in (("commit", "commit"), ("uncommitted changes", "dirty"), ("lock file", "lock_sha256"),
                          ("device", "device"), ("processor", "cpu"), ("runtime versions", "runtime_version")):
        lines.append((title, ", ".join(sorted(str(v)[:40] for v in set(rows[column].dropna()) - {""})) or "–"))
    return table(pd.DataFrame(lines, columns=["what", "value"]),
                 "What this report was computed from: artefacts by SHA-256, then commit, lock file and machine")


def provenance(study: Study):
    """Which notebook made the rows of each part of the report, and from which data and code."""
    rows = pd.concat([study.rows, study.published])
    rows = rows[rows.run != ""]
    rows = rows.assign(stage=rows.run.str.split("/").str.get(1))
    groups = rows.groupby(["stage", "dataset"])
    lines = [{
        "notebook": f"{stage}.ipynb", "dataset": dataset, "runs": str(mine.run.nunique()), "rows": str(len(mine)),
        "shown in": ", ".join(dict.fromkeys(_shown_in(mine))), "data": _digests(mine.data_sha256),
        "code": _digests(mine.code_sha256), "run": mine.run.iloc[0],
    } for (stage, dataset), mine in groups]  # fmt: skip
    return _table(pd.DataFrame(lines), "notebook, dataset, runs, rows, shown in, data, code",
                  "From the sections of this report back to notebooks and their inputs: first digits of the SHA-256 of "
                  "data, and of code with parameters (two at most); links lead to the first run")


def _digests(column: pd.Series) -> str:
    return ", ".join(sorted({text[:8] for text in column if text})[:2]) or "–"


def _shown_in(rows: pd.DataFrame) -> list[str]:
    techniques = sorted(set(rows.technique))
    return ["baselines" if t in ("classical", "dense", "width") else t.replace("_", " ") for t in techniques]
