"""What a study says: the sentences and tables of its report, computed from the artefacts it left behind.

Reads plan.json, data.lock, results.csv, comparisons.csv and, of the runs, coverage.json, done.json and error.json. Each
of them may be missing: an incomplete study gets a report that says what is missing.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown

from litecast import paths, plots, results
from litecast import study as planning
from litecast.errors import LitecastError, RunError
from litecast.report import figure, run_link, table

MARGIN = 0.02  # the margin of the headline claims
RUNTIMES = ("", "torch", "numpy", "statsmodels")  # those the models were made in; others have rows of their own
ARTEFACTS = ("plan.json", "data.lock", "results.csv", "comparisons.csv")


@dataclass
class Study:
    """A study's artefacts. rows: contract 5, typed; files: means over seeds of what can be compared by size."""

    name: str
    folder: Path
    rows: pd.DataFrame
    files: pd.DataFrame
    comparisons: pd.DataFrame
    plan: planning.Plan | None
    lock: dict
    coverage: dict[str, dict]  # dataset -> coverage.json of its collecting run
    runs: pd.DataFrame  # run, state (done | failed | not run), why
    skill: pd.Series = field(repr=False)  # (dataset, model) -> bool

    @property
    def datasets(self) -> list[str]:
        return sorted(set(self.rows.dataset))

    @property
    def skilled(self) -> list[str]:
        """Datasets on which at least one dense model beats the seasonal naive forecast: those that can be ranked."""
        return sorted({dataset for (dataset, _), good in self.skill.items() if good})

    @property
    def techniques(self) -> list[str]:
        """Compression techniques that have a row, by name."""
        return sorted(set(self.rows.technique[self.rows.role == "compressed"]))


def read(study: str) -> Study:
    """Take up a study by name. Raises RunError if it has no folder."""
    folder = paths.study_dir(study)
    if not folder.is_dir():
        known = sorted(p.parent.name for p in paths.reports_dir().glob("*/results.csv"))
        raise RunError(f"There is no study {study!r} in {paths.reports_dir()}: run `make {study}` first, "
                       f"or set `study` to one of: {', '.join(known) or 'none yet'}.")
    path = folder / "results.csv"
    rows = results.read(path) if path.exists() else pd.DataFrame(columns=results.COLUMNS, dtype=object)
    plan, runs = _runs(study)
    return Study(
        study, folder, rows, means(rows), _comparisons(folder / "comparisons.csv", rows), plan,
        _json(folder / "data.lock"), _coverage(folder), runs,
        results.has_skill(rows) if len(rows) else pd.Series(dtype=bool),
    )  # fmt: skip


def _json(path: Path) -> dict:
    """Content of a JSON file, {} if it is missing, cut off or no object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per level (`results.means`), with `seeds`: how many rows it is the mean of."""
    if rows.empty:
        return rows.assign(seeds=0)
    keys = [*results.GROUP, "level", "control"]
    seeds = rows[results.is_valid(rows)].groupby(keys).size().rename("seeds")
    return results.means(rows).join(seeds, on=keys)


def _comparisons(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """comparisons.csv with the technique, dataset, model and a readable label of each row."""
    columns = ["row", "reference", "margin", "delta", "low", "high", "verdict"]
    frame = pd.read_csv(path) if path.exists() and path.stat().st_size > 1 else pd.DataFrame(columns=columns)
    known = rows.drop_duplicates("row_id").set_index("row_id")
    for name in ("dataset", "model", "technique", "variant", "level", "run"):
        frame[name] = frame["row"].map(known[name]) if len(known) else ""
        frame[name] = frame[name].astype(object).where(frame[name].notna(), "")
    frame["label"] = [label(line, with_dataset=True) if line["model"] else line["row"]
                      for line in frame.to_dict("records")]
    return frame


def _coverage(folder: Path) -> dict[str, dict]:
    found = {}
    for path in sorted(folder.glob("runs/*/*/coverage.json")):
        content = _json(path)
        keys = dict(part.split("=", 1) for part in path.parent.name.split(",") if "=" in part)
        name = content.get("dataset") or keys.get("dataset")
        if name:
            found[str(name)] = content | {"run": path.parent.relative_to(folder).as_posix()}
    return found


def _runs(study: str) -> tuple[planning.Plan | None, pd.DataFrame]:
    """The plan, and what became of each run; this report's own run, which is under way, is left out."""
    columns = ["run", "state", "why"]
    try:
        plan = planning.read(study)
    except (LitecastError, ValueError, TypeError, KeyError):  # never planned, or planned by another version
        return None, pd.DataFrame(columns=columns)
    runs = [run for run in plan.runs if not run.stage.endswith("_report")]
    lines = [(run.dir, *planning.state(plan, run)) for run in runs]
    frame = pd.DataFrame(lines, columns=columns)
    return plan, frame.assign(state=frame.state.replace("missing", "not run"))


# ---------------------------------------------------------------- words


def percent(value: float, digits: int = 2) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{100 * value:.{digits}f} %"


def kilobytes(value: float) -> str:
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value / 1000:.3g}" if value < 1e6 else f"{value / 1000:.0f}"


def label(row, with_dataset: bool = False) -> str:
    """'lstm, magnitude pruning 0.8 (int8)': what a row is, in words."""
    model, technique = str(row["model"]).replace("_", " "), str(row["technique"]).replace("_", " ")
    text = model if technique == "classical" or row["model"] == row["technique"] else f"{model}, {technique}"
    text += f" {row['level']}" if str(row["level"]) and technique not in ("classical", "dense") else ""
    text += f" ({row['variant']})" if str(row["variant"]) and technique != "classical" else ""
    text += f" [{row['control'].replace('_', ' ')}]" if row.get("control") else ""
    return f"{row['dataset']}: {text}" if with_dataset else text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _bullets(lines: Iterable[str]) -> Markdown:
    return Markdown("\n".join(f"- {line}" for line in lines))


def _files(study: Study, dataset: str | None = None) -> pd.DataFrame:
    """Means of what can be weighed against each other: no controls, no second format of the same network."""
    files = study.files
    files = files[(files.control == "") & (files.format != "onnx") & files.runtime.isin(RUNTIMES)]
    return files if dataset is None else files[files.dataset == dataset]


def timed(study: Study) -> tuple[str, pd.DataFrame]:
    """(runtime, its means): times are compared in one runtime, ONNX Runtime if files were timed there, else PyTorch."""
    files = study.files[(study.files.control == "") & (study.files.latency_ms_p50 > 0)]
    runtime = "onnxruntime" if (files.runtime == "onnxruntime").any() else "torch"
    return runtime, files[files.runtime == runtime]


def _in_time(study: Study, files: pd.DataFrame, column: str) -> pd.Series:
    """A column of the same levels as timed in the one runtime of `timed`; NaN where a file was not timed."""
    keys = ["dataset", "model", "technique", "variant", "level"]
    known = timed(study)[1].drop_duplicates(keys).set_index(keys)[column]
    return pd.Series([known.get(tuple(key), np.nan) for key in files[keys].to_numpy()], index=files.index, dtype=float)


def _links(study: Study, lines: pd.DataFrame) -> list[str | None]:
    """Addresses of the runs that made these lines, as seen from the study's folder."""
    return [run_link(run) for run in lines["run"]]


def link(row: dict) -> str | None:
    """Where the point of a row leads: its run's rendered notebook, from the study's folder."""
    return run_link(row.get("run", ""))


# ---------------------------------------------------------------- findings


def overview(study: Study) -> Markdown:
    """What was run, in two sentences."""
    states = study.runs.state.value_counts()
    models = sorted(set(study.rows.model[study.rows.role.isin(["dense", "compressed"])]))
    seeds = int(study.rows.seed.nunique()) if len(study.rows) else 0
    datasets = ", ".join(study.datasets) or "none"
    text = (f"Study **{study.name}**: {_count(len(study.datasets), 'dataset')} ({datasets}), "
            f"{_count(len(models), 'forecaster')} ({', '.join(models) or 'none'}), "
            f"{_count(len(study.techniques), 'compression technique')}, {_count(seeds, 'seed')}, "
            f"{len(study.rows)} result rows. ")
    if len(study.runs):
        text += (f"Of {_count(len(study.runs), 'planned run')} {states.get('done', 0)} are done, "
                 f"{states.get('failed', 0)} failed and {states.get('not run', 0)} did not run.")
    made_up = [d for d in study.datasets if d.startswith("sample-")]
    if made_up:
        verb = "is" if len(made_up) == 1 else "are"
        text += f" **Synthetic numbers:** {', '.join(made_up)} {verb} generated, not measured."
    return Markdown(text)


def headline(study: Study):
    """The headline table: best forecaster, smallest file within 2 % of it, error at each budget, per dataset."""
    heads = results.headline(study.rows) if len(study.rows) else pd.DataFrame(columns=["dataset", "skill"])
    seasonal = _baseline(study, "seasonal_naive")
    lines = []
    for head in heads.to_dict("records"):
        line = {"dataset": head["dataset"], "seasonal naive": percent(seasonal.get(head["dataset"], np.nan))}
        if not head["skill"]:
            lines.append(line | {"best": "no skill to lose"})
            continue
        line |= {"best": _name(study, head["best"]), "WAPE": percent(head["best_wape"])}
        if isinstance(head.get("small"), str):
            line |= {"smallest within 2 %": _name(study, head["small"]), "kB": f"{head['small_kb']:.3g}",
                     "its WAPE": percent(head["small_wape"])}
        lines.append(line | {f"at {kb} kB": percent(head.get(f"wape_{kb}kb", np.nan)) for kb in results.BUDGETS_KB})
    columns = ["dataset", "seasonal naive", "best", "WAPE", "smallest within 2 %", "kB", "its WAPE",
               *(f"at {kb} kB" for kb in results.BUDGETS_KB)]
    return table(pd.DataFrame(lines, columns=columns),
                 "Test WAPE of the best forecaster, of the smallest file within 2 % of it, and of the best file of "
                 "at most 4, 16 and 64 kB; all chosen on validation, means over seeds")


def _name(study: Study, row_id: str) -> str:
    found = study.rows[study.rows.row_id == row_id]
    return label(found.iloc[0]) if len(found) else str(row_id)


def _baseline(study: Study, model: str) -> pd.Series:
    """Test WAPE of a naive forecaster per dataset."""
    rows = study.files[study.files.model == model]
    return rows.groupby("dataset").test_wape.mean()


def findings(study: Study) -> Markdown:
    """What was found: one sentence per dataset, one per technique, one on speed."""
    if study.rows.empty:
        return Markdown("There is no result row yet: nothing can be said.")
    lines = [*_best_files(study), *(_technique_sentence(study, t) for t in study.techniques), *_speed(study)]
    return _bullets(lines)


def _best_files(study: Study) -> Iterator[str]:
    seasonal = _baseline(study, "seasonal_naive")
    size = study.rows.set_index("row_id").bytes
    for head in results.headline(study.rows).to_dict("records"):
        name = head["dataset"]
        if not head["skill"]:
            continue
        gain = 1 - head["best_wape"] / seasonal.get(name, np.nan)
        text = f"**{name}**: best on validation is {_name(study, head['best'])}, test WAPE {percent(head['best_wape'])}"
        if np.isfinite(gain):
            text += f", {percent(abs(gain), 0)} {'below' if gain >= 0 else 'above'} the seasonal naive forecast"
        if isinstance(head.get("small"), str):
            times = size.get(head["best"], np.nan) / (1000 * head["small_kb"])
            text += (f". The smallest file within 2 % of it is {_name(study, head['small'])}: {head['small_kb']:.3g} kB"
                     + (f", {times:.3g} times smaller" if np.isfinite(times) and times > 1 else "")
                     + f", test WAPE {percent(head['small_wape'])}")
        yield text + "."


def _claims(study: Study, technique: str | None = None, margin: float = MARGIN) -> pd.DataFrame:
    """Verdicts at one margin, of datasets and models with skill."""
    lines = study.comparisons
    lines = lines[lines["row"].isin(_files(study).row_id)] if len(lines) else lines
    lines = lines[np.isclose(pd.to_numeric(lines.margin, errors="coerce"), margin)] if len(lines) else lines
    good = [study.skill.get((d, m), False) for d, m in zip(lines.dataset, lines.model, strict=True)]
    lines = lines[np.array(good, dtype=bool)]
    return lines if technique is None else lines[lines.technique == technique]


def _selected(study: Study, technique: str | None = None) -> pd.DataFrame:
    """Selected files of compression techniques, where there is skill to lose."""
    files = _files(study)
    files = files[(files.role == "compressed") & (files.selected > 0)]
    good = [bool(study.skill.get(key, False)) for key in zip(files.dataset, files.model, strict=True)]
    files = files[np.array(good, dtype=bool)]  # typed: an empty list would select no columns
    return files if technique is None else files[files.technique == technique]


def against_front(study: Study, files: pd.DataFrame) -> pd.Series:
    """Per file the test WAPE of the best front file that is no larger; NaN where the front has none so small.

    The front: the same model trained narrow, at every stored precision, and dlinear. Picking its best on test favours
    the front, so that a win over it is one.
    """
    everything = _files(study)
    is_front = (everything.technique == "width") | (everything.model == "dlinear")
    front = everything[is_front & everything.bytes.notna()]

    def best(row):
        mine = front[(front.dataset == row.dataset) & front.model.isin([row.model, "dlinear"])]
        return mine.test_wape[mine.bytes <= row.bytes].min()

    return files.apply(best, axis=1).astype(float) if len(files) else pd.Series(dtype=float)


def _technique_sentence(study: Study, technique: str) -> str:
    name = technique.replace("_", " ")
    chosen, verdicts = _selected(study, technique), _claims(study, technique).verdict.value_counts()
    if chosen.empty:
        return f"**{name}**: no selected file on a dataset with skill."
    text = f"**{name}**: {_count(len(chosen), 'selected file')}"
    if verdicts.sum():
        known = [f"{verdicts.get(v, 0)} {words}" for v, words in
                 (("within", "within 2 % of dense"), ("undecided", "undecided"), ("worse", "worse"))]
        text += ": " + ", ".join(known)
    front = against_front(study, chosen)
    if front.notna().any():
        wins = int((chosen.test_wape < front).sum())
        text += f"; {wins} of {int(front.notna().sum())} err less than the narrow network or dlinear of the same size"
    return text + f". Median size {kilobytes(chosen.bytes.median())} kB, {chosen.ratio.median():.3g} times below dense."


def _speed(study: Study) -> Iterator[str]:
    runtime, files = timed(study)
    files = files[(files.role == "compressed") & files.latency_ratio.notna() & (files.selected > 0)]
    files = files[files.dataset.isin(study.skilled)]
    if files.empty:
        yield "**Speed**: no selected file was timed in this study."
        return
    fast, quicker = files.loc[files.latency_ratio.idxmax()], int((files.latency_ratio > 1).sum())
    text = (f"**Speed**: {quicker} of {_count(len(files), 'timed file')} are quicker than their own dense network in "
            f"{runtime}")
    if quicker:
        text += (f"; the largest gain is {fast.latency_ratio:.2f} times, by {label(fast, with_dataset=True)} "
                 f"({fast.latency_ms_p50:.3g} ms for one window, one thread)")
    yield text + "."


def failures(study: Study) -> Markdown:
    """What did not work, as far as the numbers tell."""
    lines = []
    lost = [d for d in study.datasets if d not in study.skilled]
    if lost:
        lines.append(f"**No skill to lose** on {', '.join(lost)}: no dense network beats the seasonal naive forecast "
                     "on validation and test. These datasets are left out of every ranking.")
    weak = [f"{m} on {d}" for (d, m), good in study.skill.items() if not good and d in study.skilled]
    if weak:
        lines.append(f"**Dense networks without skill**: {', '.join(weak)}; their files are not ranked.")
    for technique in study.techniques:
        lines += _disappointments(study, technique)
    files = study.files[study.files.role == "compressed"]
    decoded = files[files.coverage_macs < 0.5]
    if len(decoded):
        lines.append(f"**Storage only**: {len(decoded)} of {len(files)} compressed files are decoded to float32 to "
                     "run: fewer bits in them save bytes, not time.")
    missed = study.rows[study.rows.error != ""] if len(study.rows) else study.rows
    if len(missed):
        lines.append(f"**Rows with an error**: {len(missed)}, the first: {missed.error.iloc[0][:160]}")
    states = study.runs.state.value_counts()
    if states.get("failed", 0) + states.get("not run", 0):
        lines.append(f"**Runs**: {states.get('failed', 0)} failed and {states.get('not run', 0)} did not run; "
                     "they are listed near the end, with their errors.")
    lines += [f"**Data**: {name}: {_fallback(entry)}" for name, entry in study.lock.items() if _fallback(entry)]
    return _bullets(lines or ["Nothing failed, and every technique kept at least one file within 2 %."])


def _fallback(entry: dict) -> str:
    if entry.get("error"):
        return f"not reachable ({entry['error']}); its runs were not planned"
    return f"replaced by {entry.get('name')} ({entry['reason']})" if entry.get("reason") else ""


def _disappointments(study: Study, technique: str) -> Iterator[str]:
    name, claims = technique.replace("_", " "), _claims(study, technique)
    if len(claims) and not (claims.verdict == "within").any():
        yield f"**{name}**: no selected file is shown to lose less than 2 %."
    worse = claims[claims.verdict == "worse"]
    if len(worse):
        worst = worse.loc[worse.delta.idxmax()]
        yield (f"**{name}** is worse than dense on {len(worse)} of {len(claims)} files, "
               f"most on {worst.label} ({percent(worst.delta, 1)}).")
    chosen = _selected(study, technique)
    front = against_front(study, chosen)
    if front.notna().any() and not (chosen.test_wape < front).any():
        yield f"**{name}** never errs less than a network trained narrow, or dlinear, of the same size."


# ---------------------------------------------------------------- data and baselines


def data_table(study: Study):
    """Which data were read: source, checksum, and what the collecting notebook counted."""
    lines, folders = [], []
    lengths = study.rows.groupby("dataset")[["L", "H"]].max() if len(study.rows) else pd.DataFrame()
    for asked, entry in sorted(study.lock.items()):
        name = str(entry.get("name") or asked)
        seen = study.coverage.get(name, {})
        line = {"dataset": asked if name == asked else f"{asked} → {name}", "source": entry.get("source", "–")}
        line |= {key: str(seen[key]) for key in ("unit", "series", "steps", "split") if seen.get(key) is not None}
        if "start" in seen and "end" in seen:
            line["span"] = f"{str(seen['start'])[:10]} – {str(seen['end'])[:10]}"
        line |= {"missing": percent(seen["missing"])} if "missing" in seen else {}
        if name in lengths.index and lengths.loc[name].notna().all():
            line |= {k: f"{lengths.at[name, k]:.0f}" for k in ("L", "H")}
        lines.append(line | {"sha256": str(entry.get("sha256") or "")[:8] or "–"})
        folders.append(seen.get("run", ""))
    columns = "dataset source unit series steps span missing split L H sha256".split()
    frame = pd.DataFrame(lines, columns=columns)
    return table(frame, "Data of this study: source, size, look-back L and horizon H in steps, begin of the SHA-256",
                 [run_link(f) for f in folders])


def data_notes(study: Study) -> Markdown:
    """Licences, repairs and dropped series, as the collecting notebooks wrote them down."""
    lines = []
    for name, seen in study.coverage.items():
        told = [f"licence {seen['licence']}"] if seen.get("licence") else []
        told += [str(seen["note"]).rstrip(".")] if seen.get("note") else []
        told += [f"dropped {drop['series']}: {drop['reason']}" for drop in (seen.get("dropped") or [])[:5]]
        lines += [f"**{name}**: {'; '.join(told)}."] if told else []
    return _bullets(lines) if lines else Markdown("")


def split_parts(study: Study) -> pd.DataFrame:
    """dataset, part, start, end (shares of the span) out of coverage.json's `parts`: {part: [[start, end], …]}."""
    lines = [
        {"dataset": name, "part": part, "start": float(start), "end": float(end)}
        for name, seen in study.coverage.items()
        for part, spans in (seen.get("parts") or {}).items()
        for start, end in spans
    ]
    return pd.DataFrame(lines, columns=["dataset", "part", "start", "end"])


def split_figure(study: Study):
    """Where the parts lie, or a sentence if no collecting run has told."""
    parts = split_parts(study)
    if parts.empty:
        return Markdown("Where the splits fall is not stored in this study: the data notebooks have not run.")
    return figure(plots.split_figure(parts), "Where train, validation and test lie on the common span of each dataset")


def baselines(study: Study):
    """All forecasters before compression, the naive ones first."""
    files = _files(study)
    files = files[files.technique.isin(["classical", "dense"]) | (files.role == "naive")]
    files = files.assign(order=files.role != "naive").sort_values(["dataset", "order", "test_wape"])
    skill = [study.skill.get(key) for key in zip(files.dataset, files.model, strict=True)]
    frame = pd.DataFrame({
        "dataset": files.dataset, "model": files.model.str.replace("_", " "), "kB": files.bytes.map(kilobytes),
        "thousand MACs": (files.macs / 1000).map(lambda v: f"{v:.3g}"), "val WAPE": files.val_wape.map(percent),
        "test WAPE": files.test_wape.map(percent), "MASE": files.test_mase.map("{:.3f}".format),
        "bias": files.test_bias.map(percent), "skill": files.test_skill.map("{:+.3f}".format),
        "seeds": files.seeds.map(str),
        "note": ["no skill to lose" if s is not None and not s else "" for s in skill],
    }).replace("nan", "–").replace("+nan", "–")
    return table(frame, "Forecasters before compression, means over seeds; dense networks at their chosen width",
                 _links(study, files))


def width_sweep(study: Study):
    """Every width that was tried, in float32: how the size of the dense networks was chosen."""
    files = _files(study)
    wide = files[(files.technique == "width") & files.variant.isin(["float32", ""])]
    if wide.empty:
        return Markdown("No width sweep is part of this study.")
    wide = wide.assign(width=pd.to_numeric(wide.level, errors="coerce")).sort_values("width")
    dense = files[files.technique == "dense"].drop_duplicates(["dataset", "model"]).set_index(["dataset", "model"])
    lines, folders = [], []
    for key, mine in wide.groupby(["dataset", "model"]):
        chosen = mine[mine.params == dense.params.get(key, np.nan)]
        tried = [f"{w:g}: {percent(v)}" for w, v in zip(mine.width, mine.val_wape, strict=True)]
        lines.append({
            "dataset": key[0], "model": key[1], "validation WAPE by width": ", ".join(tried),
            "chosen": f"{chosen.width.iloc[0]:g}" if len(chosen) else "–",
            "kB": kilobytes(chosen.bytes.iloc[0]) if len(chosen) else "–",
            "test WAPE": percent(chosen.test_wape.iloc[0]) if len(chosen) else "–",
        })  # fmt: skip
        folders.append(mine.run.iloc[0])
    return table(pd.DataFrame(lines), "Width sweep in float32: dense is the smallest width whose validation WAPE is "
                                      "within 1 % of the best", [run_link(f) for f in folders])


# ---------------------------------------------------------------- techniques


def section(study: Study, technique: str) -> Iterator:
    """Everything the report shows of one technique: its finding, its levels, its selected files."""
    yield Markdown(f"### {technique.replace('_', ' ').capitalize()}")
    yield _bullets([_technique_sentence(study, technique), *_disappointments(study, technique)])
    rows = _files(study)
    rows = rows[rows.technique.isin([technique, "dense"])]
    for dataset in sorted(set(rows.dataset[rows.technique == technique])):
        mine = rows[rows.dataset == dataset]
        if mine[mine.technique == technique].groupby("model")["level"].nunique().max() > 1:
            yield figure(plots.level_curve(mine), f"Validation WAPE by level of {technique.replace('_', ' ')} on "
                                                  f"{dataset}, mean over seeds; ringed levels are selected")
    chosen = _files(study)[lambda f: (f.technique == technique) & (f.role == "compressed") & (f.selected > 0)]
    yield selected_table(study, chosen, f"Selected files of {technique.replace('_', ' ')}: one level per model and "
                                        "variant, chosen on validation; means over seeds")
    controls = study.files[(study.files.technique == technique) & (study.files.role == "control")]
    if len(controls):
        yield control_table(study, controls, technique)


def selected_table(study: Study, files: pd.DataFrame, caption: str):
    """Selected files beside their dense network and the front at the same size; rows without skill say so."""
    files = files.sort_values(["dataset", "model", "bytes"])
    front = against_front(study, files)
    verdict = _claims(study).drop_duplicates("row").set_index("row").verdict
    good = [study.skill.get(key, False) for key in zip(files.dataset, files.model, strict=True)]
    frame = pd.DataFrame({
        "dataset": files.dataset, "model": files.model, "variant": files.variant, "level": files.level,
        "kB": files.bytes.map(kilobytes), "ratio": files.ratio.map("{:.1f}".format),
        "test WAPE": files.test_wape.map(percent), "drift": files.test_drift.map(percent),
        "front": front.map(percent), "speed": _in_time(study, files, "latency_ratio").map("{:.2f} ×".format),
        "verdict (2 %)": [verdict.get(row, "–") if ok else "no skill to lose"
                          for row, ok in zip(files.row_id, good, strict=True)],
    }).replace({"nan": "–", "nan ×": "–"})
    if not files.technique.nunique() <= 1:
        frame.insert(2, "technique", files.technique.str.replace("_", " "))
    return table(frame, caption + ". front: best narrow network or dlinear of at most the same size; "
                                  "speed: times as fast as dense in the same runtime", _links(study, files))


def control_table(study: Study, controls: pd.DataFrame, technique: str):
    """Controls beside the technique's own file at the same level."""
    own = study.files[(study.files.technique == technique) & (study.files.role == "compressed")]
    own = own.groupby(["dataset", "model", "level"]).test_wape.min()
    keys = zip(controls.dataset, controls.model, controls.level, strict=True)
    frame = pd.DataFrame({
        "dataset": controls.dataset, "model": controls.model, "control": controls.control.str.replace("_", " "),
        "level": controls.level, "variant": controls.variant, "kB": controls.bytes.map(kilobytes),
        "test WAPE": controls.test_wape.map(percent),
        "technique's best at this level": [percent(own.get(key, np.nan)) for key in keys],
    })
    return table(frame, f"Controls of {technique.replace('_', ' ')}: the same size by chance or from scratch",
                 _links(study, controls))


# ---------------------------------------------------------------- all compared


def fronts(study: Study) -> Iterator:
    """Error against size, and against time where it was measured, for each dataset."""
    for dataset in study.datasets:
        files = _files(study, dataset)
        files = files[files.technique.isin(["dense", "width", "classical", *study.techniques])]
        note = "" if dataset in study.skilled else " (no skill to lose: not ranked)"
        if (files.bytes > 0).any():
            yield figure(plots.error_against(files, "bytes", dataset, link),
                         f"Test WAPE against file size on {dataset}{note}, means over seeds; the grey steps are the "
                         "front to beat: networks trained narrow in float32, int8 and 4 bit, and dlinear")
        runtime, times = timed(study)
        times = times[times.dataset == dataset]
        if len(times):
            naive = files[files.technique == "classical"]
            yield figure(plots.error_against(pd.concat([times, naive]), "latency_ms_p50", dataset, link),
                         f"Test WAPE against the median latency of one window on {dataset}{note}, in {runtime}, one "
                         "thread")


def forest(study: Study):
    """All differences to dense with their intervals, where there is skill to lose."""
    lines = _claims(study)
    lines = lines[lines.technique.isin(study.techniques)].sort_values(["dataset", "technique", "model", "label"])
    if lines.empty:
        return Markdown("No comparison with an interval is part of this study yet.")
    return figure(plots.forest(lines, link=link),
                  "Relative difference in test WAPE of selected files against the better of dense and dense trained "
                  "longer, with the ends of the one-sided 95 % intervals; dashed lines are the margins")


def verdicts(study: Study):
    """Techniques side by side: verdicts per margin, wins over the front, size and speed."""
    lines = []
    for technique in study.techniques:
        for dataset in study.skilled:
            chosen = _selected(study, technique)[lambda f, d=dataset: f.dataset == d]
            if chosen.empty:
                continue
            line = {"dataset": dataset, "technique": technique.replace("_", " "), "files": str(len(chosen))}
            for margin in (0.01, 0.02, 0.05):
                claims = _claims(study, technique, margin)
                counts = claims[claims.dataset == dataset].verdict.value_counts()
                words = [f"{counts.get(v, 0)}" for v in ("within", "undecided", "worse")]
                line[f"{100 * margin:g} %"] = " / ".join(words) if counts.sum() else "–"
            front = against_front(study, chosen)
            line["beats front"] = f"{int((chosen.test_wape < front).sum())} of {int(front.notna().sum())}"
            line["median kB"] = kilobytes(chosen.bytes.median())
            line["times smaller"] = f"{chosen.ratio.median():.3g}"
            speed = _in_time(study, chosen, "latency_ratio").median()
            line["times as fast"] = f"{speed:.2f}" if np.isfinite(speed) else "–"
            lines.append(line)
    columns = ["dataset", "technique", "files", "1 %", "2 %", "5 %", "beats front", "median kB", "times smaller",
               "times as fast"]
    return table(pd.DataFrame(lines, columns=columns).sort_values(["dataset", "technique"]),
                 "Techniques side by side, on selected files. 1, 2, 5 %: files within / undecided / worse at that "
                 "margin; beats front: test WAPE below the best narrow network or dlinear of at most the same size")


def recommendation(study: Study):
    """Which file to use, per dataset and budget."""
    lines, folders = [], []
    known = study.files.assign(ms=_in_time(study, study.files, "latency_ms_p50"))
    known = known.drop_duplicates("row_id").set_index("row_id")
    for head in (results.headline(study.rows).to_dict("records") if len(study.rows) else []):
        if not head["skill"]:
            lines.append({"dataset": head["dataset"], "budget": "any", "use": "seasonal naive: no network has skill"})
            folders.append("")
            continue
        wanted = {f"{kb} kB": head.get(f"row_{kb}kb") for kb in results.BUDGETS_KB} | {"within 2 %": head.get("small")}
        for budget, row_id in wanted.items():
            line = {"dataset": head["dataset"], "budget": budget, "use": "no file fits"}
            if isinstance(row_id, str) and row_id in known.index:
                row = known.loc[row_id]
                line |= {"use": label(row), "kB": kilobytes(row.bytes), "thousand MACs": f"{row.macs / 1000:.3g}",
                         "test WAPE": percent(row.test_wape), "skill": f"{row.test_skill:+.3f}",
                         "ms": f"{row.ms:.3g}" if np.isfinite(row.ms) else "–"}
            lines.append(line)
            folders.append(known.run.get(row_id, "") if isinstance(row_id, str) else "")
    columns = ["dataset", "budget", "use", "kB", "thousand MACs", "test WAPE", "skill", "ms"]
    return table(pd.DataFrame(lines, columns=columns),
                 "Which file to use at most 4, 16 and 64 kB, and the smallest within 2 % of the best: chosen on "
                 "validation among all files of a dataset, shown on test", [run_link(f) for f in folders])


# ---------------------------------------------------------------- limits, runs, provenance


def limits(study: Study) -> Markdown:
    """What these numbers cannot say."""
    seeds = study.files.seeds[study.files.role == "compressed"]
    claims = _claims(study)
    lines = []
    if len(seeds):
        lines.append(f"Compressed rows are means over {seeds.min():.0f} to {seeds.max():.0f} seeds; intervals cover "
                     "the choice of test days, not that of seeds.")
    if len(claims):
        text = f"{int((claims.verdict == 'undecided').sum())} of {len(claims)} comparisons at 2 % are undecided"
        if "mde" in claims and pd.to_numeric(claims.mde, errors="coerce").notna().any():
            text += f"; the smallest difference they could have shown is {percent(claims.mde.median())} (median)"
        lines.append(text + ".")
    else:
        lines.append("No interval was computed: differences may be chance.")
    cpus = sorted(set(study.rows.cpu) - {""})
    lines.append(f"Times were taken on {', '.join(cpus)}; another processor may order them otherwise."
                 if study.rows.latency_ms_p50.notna().any() else "Nothing was timed: all sizes are bytes and MACs.")
    if any(d.startswith("sample-") for d in study.datasets):
        lines.append("Generated series are regular; what holds on them need not hold on real demand.")
    lines.append("Each dataset is one place and one span of time, and its test part is its last one: a result on it "
                 "is a case, not a law.")
    return _bullets(lines)


def unfinished(study: Study):
    """Failed and not-run runs with their errors."""
    lines = study.runs[study.runs.state != "done"].sort_values(["state", "run"])
    if study.runs.empty:
        return Markdown("This study has no plan: which runs are missing is not known.")
    if lines.empty:
        return Markdown("All planned runs are done.")
    links = [run_link(run) if (study.folder / run / "notebook.html").exists() else None for run in lines.run]
    frame = pd.DataFrame({"run": lines.run.str.removeprefix("runs/"), "state": lines.state, "why": lines.why.str[:300]})
    return table(frame, "Runs that failed or did not run", links)


def notes(study: Study) -> Markdown:
    """What the planner had to say: blocks left out, data that were replaced."""
    told = study.plan.notes if study.plan else []
    return _bullets(told or ["The study file was planned without exceptions."])


def artefacts(study: Study):
    """The files this report was computed from, and their checksums."""
    lines = []
    for name in ARTEFACTS:
        path = study.folder / name
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"
        lines.append({"file": name, "sha256": digest[:16]})
    for title, column in (("commit", "commit"), ("uncommitted changes", "dirty"), ("lock file", "lock_sha256"),
                          ("device", "device"), ("processor", "cpu"), ("runtime versions", "runtime_version")):
        values = study.rows[column] if len(study.rows) else []
        told = sorted({f"{v:.0f}" if isinstance(v, float) else str(v)[:40] for v in values if v == v and v != ""})
        lines.append({"file": title, "sha256": ", ".join(told) or "–"})
    return table(pd.DataFrame(lines).rename(columns={"file": "what", "sha256": "value"}),
                 "What this report was computed from: artefacts by SHA-256, then commit, lock file and machine")


def provenance(study: Study):
    """Which notebook made the rows of each part of the report, and from which data and code."""
    rows = study.rows[study.rows.run != ""] if len(study.rows) else study.rows
    rows = rows.assign(stage=rows.run.str.split("/").str[1] if len(rows) else "")
    lines, folders = [], []
    for (stage, dataset), mine in rows.groupby(["stage", "dataset"]):
        lines.append({"notebook": f"{stage}.ipynb", "dataset": dataset, "runs": str(mine.run.nunique()),
                      "rows": str(len(mine)), "shown in": _shown_in(mine),
                      "data": ", ".join(sorted({str(s)[:8] for s in mine.data_sha256 if s})) or "–",
                      "code": ", ".join(sorted({str(s)[:8] for s in mine.code_sha256 if s})[:3]) or "–"})
        folders.append(mine.run.iloc[0])
    return table(pd.DataFrame(lines, columns=["notebook", "dataset", "runs", "rows", "shown in", "data", "code"]),
                 "From the sections of this report back to notebooks and their inputs: first digits of the SHA-256 "
                 "of the data, and of code with parameters (at most three); links lead to the first run",
                 [run_link(f) for f in folders])


def _shown_in(rows: pd.DataFrame) -> str:
    places = []
    if rows.technique.isin(["classical", "dense", "width"]).any() or (rows.role == "naive").any():
        places.append("baselines")
    places += [t.replace("_", " ") for t in sorted(set(rows.technique[rows.role == "compressed"]))]
    return ", ".join([*places, "all compared"])
