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

from litecast import paths, plots, results
from litecast import study as planning
from litecast.data import calendar
from litecast.errors import LitecastError, RunError
from litecast.report import figure, run_link, table

MARGIN = 0.02  # the margin of the headline claims
QUICKER = 1.1  # times as fast as dense: less is within what the percentiles of one measurement spread
KEYS = ["dataset", "model", "technique", "variant", "level"]
RUNTIMES = {"onnxruntime": "ONNX Runtime", "torch": "PyTorch"}
ARTEFACTS = ("plan.json", "data.lock", "results.csv", "comparisons.csv")
HOURLY = {"h": "1h", "30min": "30min", "15min": "15min"}


@dataclass
class Study:
    """A study's artefacts. rows: contract 5, typed; files, timed: see `_files`; claims: verdicts on skilled files."""

    name: str
    folder: Path
    rows: pd.DataFrame
    files: pd.DataFrame
    timed: pd.DataFrame
    runtime: str  # of `timed`
    claims: pd.DataFrame
    rivals: pd.DataFrame  # dense networks against simple forecasts
    plan: planning.Plan | None
    runs: pd.DataFrame  # run, state (done | failed | not run), why
    lock: dict
    coverage: dict[str, dict]  # dataset -> coverage.json of its collecting run
    heads: list[dict]  # results.headline

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
    files, timed, runtime = _files(rows)
    claims, rivals = _comparisons(folder / "comparisons.csv", files)
    plan, runs = _runs(study)
    heads = results.headline(rows).to_dict("records")
    return Study(study, folder, rows, files, timed, runtime, claims, rivals, plan, runs,
                 planning.read_json(folder / "data.lock"), _coverage(folder), heads)


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
    return files.assign(front=pd.Series(_front(files), dtype=float)), timed, runtime


def _front(files: pd.DataFrame) -> list[float]:
    """Per file the test WAPE of the front at its size: of the narrow networks of its model and dlinear, in any stored
    precision, that are no larger, the best on validation; NaN where none is so small."""
    front = files[((files.technique == "width") | (files.model == "dlinear")) & (files.control == "")]
    front = front.dropna(subset="bytes").sort_values("val_wape")
    found = []
    for row in files.itertuples():
        mine = front[(front.dataset == row.dataset) & front.model.isin([row.model, "dlinear"])]
        found.append(next(iter(mine.test_wape[mine.bytes <= row.bytes]), np.nan))
    return found


def _comparisons(path: Path, files: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(claims, rivals) of comparisons.csv: skilled files against dense, networks against simple forecasts."""
    columns = ["row", "reference", "margin", "delta", "low", "high", "verdict", "mde"]
    frame = pd.read_csv(path) if path.exists() and path.stat().st_size > 1 else pd.DataFrame(columns=columns)
    known = files.drop_duplicates("row_id").set_index("row_id")
    known = known[[*KEYS, "role", "group", "label", "good", "run"]]
    frame = frame.drop(columns=[*known], errors="ignore").join(known, on="row", how="inner")
    rivals = frame[frame.margin == 0]
    return frame[(frame.margin > 0) & (frame.role == "compressed") & frame.good.astype(bool)], rivals


def _coverage(folder: Path) -> dict[str, dict]:
    found = {path: planning.read_json(path) for path in sorted(folder.glob("runs/*/*/coverage.json"))}
    return {str(seen["dataset"]): seen | {"run": path.parent.relative_to(folder).as_posix()}
            for path, seen in found.items() if seen.get("dataset")}


def _runs(study: str) -> tuple[planning.Plan | None, pd.DataFrame]:
    """The plan, and what became of each run; this report's own run, which is under way, is left out."""
    try:
        plan = planning.read(study)
    except (LitecastError, ValueError, TypeError, KeyError):  # never planned, or planned by another version
        return None, pd.DataFrame(columns=["run", "state", "why"])
    lines = [(run.dir, *planning.state(plan, run)) for run in plan.runs if not run.stage.endswith("_report")]
    return plan, pd.DataFrame(lines, columns=["run", "state", "why"]).replace({"state": {"missing": "not run"}})


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
    text = model + how.get(technique, f", {technique} {plots.share(row['level'])}")
    return text + (f" ({row['variant']})" if row["variant"] else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _bullets(lines: Iterable[str]) -> Markdown:
    return Markdown("\n".join(f"- {line}" for line in lines))


def link(row: dict) -> str | None:
    """Where the point of a row leads: its run's rendered notebook, from the study's folder."""
    return run_link(row.get("run", ""))


SHOWN = {  # heading of a table: (column, how its values are written)
    "level": ("level", plots.share), "kB": ("bytes", _kilo), "thousand MACs": ("macs", _kilo),
    "val WAPE": ("val_wape", percent), "test WAPE": ("test_wape", percent), "MASE": ("test_mase", _as("{:.3f}")),
    "bias": ("test_bias", percent), "skill": ("test_skill", _as("{:+.3f}")), "front": ("front", percent),
    "speed": ("speed", _as("{:.2f} ×")), "ms": ("ms", _as("{:.3f}")), "technique itself": ("own", percent),
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
    """What was found: one sentence per dataset, one per technique, one on speed."""
    if study.rows.empty:
        return Markdown("There is no result row yet: nothing can be said.")
    groups = [t.replace("_", " ") for t in study.techniques] + ["bits alone, int8", "bits alone, int4"]
    told = [sentence(study, group) for group in groups if group in set(study.files.group)]
    return _bullets([*_smallest(study), *told, *_speed(study)])


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
    compared = chosen[chosen.front.notna() & (chosen.technique != "width")]
    if len(compared):
        wins = (compared.test_wape < compared.front).sum()
        text += f" {wins} of {len(compared)} err less than the front of their size."
    for control, mine in _controls(study, group).groupby("control"):
        text += f" The control *{control.replace('_', ' ')}* errs more than the technique at the same level in " \
                f"{(mine.test_wape > mine.own).sum()} of {_count(len(mine), 'case')}."
    return text


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
    for dataset, mine in study.rivals[study.rivals.reference.str.contains("/arima/")].groupby("dataset"):
        equal = mine.model[mine.verdict != "better"]
        lines += [f"**ARIMA** on {dataset}: not shown to err more than {', '.join(equal)}."] if len(equal) else []
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
    return figure(plots.split_figure(parts), "Where train, validation and test lie on the common span of each dataset")


def baselines(study: Study):
    """All forecasters before compression, the naive ones first."""
    files = study.files[study.files.technique.isin(["classical", "dense"]) & (study.files.control == "")]
    files = files.assign(order=files.role != "naive").sort_values(["dataset", "order", "test_wape"])
    skill = files.test_skill.map(SHOWN["skill"][1]).where(files.good, "no skill to lose")
    return _table(files.assign(skill=skill, model=files.model.str.replace("_", " ")),
                  "dataset, model, kB, thousand MACs, val WAPE, test WAPE, MASE, bias, skill",
                  "Forecasters before compression, means over seeds; dense networks at their chosen width. Skill is "
                  "that on test")


def profiles(study: Study) -> Iterator:
    """Errors by step, hour, series and event day of all forecasters whose forecasts are stored, for each dataset."""
    for dataset in study.datasets:
        files = study.files[(study.files.dataset == dataset) & study.files.technique.isin(["classical", "dense"])]
        parts = [_errors(study, row.row_id, row.model) for row in files[files.control == ""].itertuples()]
        errors = pd.concat([pd.DataFrame(columns=["name", "error"]), *(part for part in parts if len(part))])
        if errors.empty:
            continue
        by = ("step", "hour") if "hour" in errors else ("step", "series")
        unit = study.coverage.get(dataset, {}).get("unit", "")
        level = errors.groupby("name").error.mean()  # far off, as naive is on a daily cycle, would flatten all others
        near = errors[errors.name.map(level) <= 2 * level.median()]
        yield figure(plots.error_profile(near, unit, by),
                     f"Mean absolute test error on {dataset} by step ahead and by {by[1]}, from the stored forecasts "
                     "of the first seed; what errs more than twice as much as most is in the table only")
        yield _profile_table(errors, dataset)


def _errors(study: Study, row_id: str, name: str) -> pd.DataFrame:
    """Mean absolute error of one row by step, series, hour and kind of day, one below the other; wape likewise."""
    stored = results.forecasts(study.name, [row_id]).dropna(subset="y")
    seen = study.coverage.get(row_id.split("/")[0], {})
    by = ["step", "series"]
    if len(stored) and seen.get("frequency") in HOURLY:
        by += ["hour", "day"]
        times = pd.DatetimeIndex(stored.origin) + (stored.step - 1).to_numpy() * pd.Timedelta(HOURLY[seen["frequency"]])
        days = times.normalize().unique()
        off = days[calendar.holidays(days, seen["country"])] if seen.get("country") else []
        stored = stored.assign(hour=times.hour, day=np.where(times.normalize().isin(off), "holidays", "other days"))
    stored = stored.assign(error=(stored.yhat - stored.y).abs(), size=stored.y.abs())
    parts = [stored.groupby(c)[["error", "size"]].mean().reset_index() for c in by]
    return pd.concat(parts).assign(name=name, wape=lambda e: e.error / e["size"])


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
    """Every width that was tried, in float32: how the size of the dense networks was chosen."""
    files = study.files[study.files.control == ""]
    wide = files[(files.technique == "width") & (files.role == "dense")]
    if wide.empty:
        return Markdown("No width sweep is part of this study.")
    dense = files[files.technique == "dense"].set_index(["dataset", "model"]).params.to_dict()
    lines = []
    for key, mine in wide.groupby(["dataset", "model"]):
        mine = mine.sort_values("params")
        chosen = mine[mine.params == dense.get(key)].head(1).to_dict("records")
        line = dict(zip(("dataset", "model"), key, strict=True), chosen="–")
        line |= chosen[0] | {"chosen": chosen[0]["level"]} if chosen else {}
        tried = ", ".join(mine.level + ": " + mine.val_wape.map(percent))
        lines.append(line | {"validation WAPE by width": tried, "run": mine.run.iloc[0]})
    return _table(pd.DataFrame(lines), "dataset, model, validation WAPE by width, chosen, kB, test WAPE",
                  "Width sweep in float32: dense is the smallest width whose validation WAPE is within 1 % of the best")


# ---------------------------------------------------------------- techniques


def section(study: Study, technique: str) -> Iterator:
    """Everything the report shows of one technique: its finding, its levels, its selected files."""
    name = technique.replace("_", " ")
    yield Markdown(f"### {name.capitalize()}")
    yield Markdown(" ".join([sentence(study, name), *_disappointments(study, name)]))
    files = study.files[study.files.technique.isin([technique, "dense"])]
    for dataset, mine in files.groupby("dataset"):
        if mine[mine.role == "compressed"].groupby("model")["level"].nunique().max() > 1:
            yield figure(plots.level_curve(mine), f"Validation WAPE by level of {name} on {dataset}, mean over seeds; "
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
                  "validation; means over seeds. Front: test WAPE of the best narrow network or dlinear that is no "
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
            yield figure(plots.error_against(files, "bytes", dataset, link),
                         f"Test WAPE against file size on {dataset}{note}, means over seeds; the grey steps are the "
                         "front to beat: networks trained narrow in float32, int8 and 4 bit, and dlinear")
        if len(times):
            naive = files[files.technique == "classical"]
            yield figure(plots.error_against(pd.concat([times, naive]), "latency_ms_p50", dataset, link),
                         f"Test WAPE against the median latency of one window on {dataset}{note}, in "
                         f"{RUNTIMES[study.runtime]} on one thread")


def forest(study: Study) -> Iterator:
    """All differences to dense with their intervals, where there is skill to lose."""
    lines = _at(study)
    lines = lines[lines.technique != "width"].sort_values(["technique", "model", "label"])
    if lines.empty:
        yield Markdown("No comparison with an interval is part of this study yet.")
    for dataset, mine in lines.groupby("dataset"):
        yield figure(plots.forest(mine, link=link),
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
        compared = chosen[chosen.front.notna() & (chosen.technique != "width")]
        wins = (compared.test_wape < compared.front).sum()
        lines.append(line | {"beats front": f"{wins} of {len(compared)}" if len(compared) else "–"})
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
    rows = study.rows[study.rows.run != ""]
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
