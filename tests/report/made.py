"""A generated study: rows with made-up but consistent numbers, and the artefacts that runs leave behind; its pages."""

import re
from dataclasses import asdict

import numpy as np
import pandas as pd

from litecast import paths, results
from litecast.files import write_json
from litecast.planning.plan import Plan, Planned
from litecast.results import information

STORAGES = {"float32": 4.0, "int8": 1.1, "int4": 0.6}


def row(run, dataset, model, technique, wape, **more):
    """A complete result row with made-up but consistent numbers; wape is that on test."""
    base = {
        "study": "made", "dataset": dataset, "model": model, "technique": technique, "role": "compressed", "seed": 0,
        "L": 168, "H": 24, "val_wape": wape * 1.02, "test_wape": wape, "test_mase": wape * 7, "test_bias": 0.01,
        "test_cover_80": 0.805, "test_cover_95": 0.93, "test_width_80": 2 * wape, "test_width_95": 5 * wape,
        "test_cover_80_se": 0.02, "test_cover_95_se": 0.01,
        "test_drift": 0.03, "val_skill": 1 - wape * 1.02 / 0.2, "test_skill": 1 - wape / 0.2, "data_source": "sample",
        "data_sha256": "ab12" * 16, "code_sha256": "cd34" * 16, "commit": "0123abcd" * 5, "dirty": 0, "cpu": "some cpu",
        "lock_sha256": "ef56" * 16, "device": "cpu", "runtime_version": "2.13.0", "run": run,
    }  # fmt: skip
    full = base | more
    return full | {"row_id": results.row_id(full)}


def network(run, dataset, model, technique, wape, params, storage="float32", **more):
    """A row with a file: bytes by storage, MACs by parameters."""
    size = int(params * STORAGES[storage] + 900)
    name = f"{model}-{technique}-{more.get('level')}-{storage}-{more.get('control')}"
    base = {"variant": storage, "params": params, "live_params": params, "macs": params * 30, "bytes": size,
            "artefact": f"{run}/{name}.safetensors", "format": "litecast", "runtime": "torch", "coverage_weights": 1.0,
            "coverage_macs": 1.0 if storage == "float32" else 0.0}
    return row(run, dataset, model, technique, wape, **base | more)


def made_rows(datasets, models, techniques, seeds=(0, 1), timed=True, best=0.1):
    """Naive forecasts, a width sweep, dense and longer training, and each technique at four levels, two storages."""
    rng, rows = np.random.default_rng(7), []
    for d, dataset in enumerate(datasets):
        run = f"runs/200_classical/dataset={dataset}"
        for model, wape in (("naive", 0.31), ("seasonal_naive", 0.2), ("arima", 0.14)):
            role = "dense" if model == "arima" else "naive"
            free = {} if role == "dense" else {"bytes": 0}
            rows.append(row(run, dataset, model, "classical", wape, role=role, seed=None, **free))
        for m, model in enumerate(models):
            base = best + 0.01 * m + 0.02 * d
            for seed in seeds:
                run = f"runs/210_deep/dataset={dataset},model={model},seed={seed}"
                noise = lambda: 1 + rng.normal(0, 0.004)  # noqa: E731
                for width in (8, 16, 32, 64):
                    for storage in STORAGES:
                        loss = {"float32": 1.0, "int8": 1.002, "int4": 1.05}[storage] * (1 + 1.2 / width)
                        rows.append(network(run, dataset, model, "width", base * loss * noise(), 30 * width**2 + 200,
                                            storage, role="dense", level=str(width), seed=seed))
                size = 30 * 32**2 + 200
                rows.append(network(run, dataset, model, "dense", base * 1.03 * noise(), size, role="dense", seed=seed,
                                    latency_ms_p50=0.5 if timed else None, latency_ratio=1.0 if timed else None))
                rows.append(network(run, dataset, model, "dense", base * 1.02 * noise(), size, role="control",
                                    control="extra_epochs", seed=seed))
                for t, technique in enumerate(techniques):
                    run = f"runs/3{t}0_{technique}/dataset={dataset},model={model},seed={seed}"
                    for level in (0.5, 0.8, 0.9, 0.95):
                        for storage in ("float32", "int8"):
                            wape = base * (1.02 + (0.02 + 0.05 * t) * level**6) * noise()
                            ms = 0.5 * (1 - 0.5 * t * level) if timed and level == 0.8 else None
                            rows.append(network(run, dataset, model, technique, wape, int(size * (1 - level)), storage,
                                                variant=f"l1-{storage}", level=f"{level:g}", seed=seed,
                                                latency_ms_p50=ms, latency_ratio=0.5 / ms if ms else None))
                    rows.append(network(run, dataset, model, technique, base * 1.2, int(size * 0.1), role="control",
                                        control="random", variant="l1-float32", level="0.9", seed=seed))
    frame = results.typed(pd.DataFrame(rows, columns=results.COLUMNS))
    frame["dense_id"] = frame.row_id.map(results.reference(frame)).astype(str)
    frame["ratio"] = 4 * frame.dense_id.map(frame.set_index("row_id").live_params) / frame.bytes
    frame["selected"] = results.select(frame).astype(float)
    return frame


GAINS = {"nbeats": 0.10, "nbeats@own": 0.08, "nbeats@shared": 0.095, "profile_mlp": 0.079, "profile_mlp@none": 0.099,
         "profile_mlp@anonymous": 0.084, "profile_mlp@weekdays": 0.0795}  # test WAPE of width 32 in float32


def told_rows(dataset, gains=None, seeds=(0, 1)):
    """Families as they come and told otherwise: widths 16 and 32 in every storage, the second as dense, a technique of
    nbeats@own; and the reference, a mean of two of them."""
    rows = []
    for name, base in (gains or GAINS).items():
        stage = "220_compact" if name.startswith("profile") else "210_deep"
        size = 4000 + 3000 * name.endswith("@own")
        for seed in seeds:
            run, same = f"runs/{stage}/dataset={dataset},model={name},seed={seed}", {"seed": seed}
            for level, wape, params in (("16", 1.05 * base, size // 3), ("32", base, size)):
                for storage, loss in (("float32", 1), ("int8", 1.002), ("int4", 1.04)):
                    role = "dense" if storage == "float32" else "compressed"
                    rows.append(network(run, dataset, name, "width", wape * loss, params, storage, role=role,
                                        level=level, **same))
            rows.append(network(run, dataset, name, "dense", base, size, role="dense", level="32", **same))
        if name == "nbeats@own":
            rows += [network("runs/310_x/y", dataset, name, "channel_pruning", base * loss, int(size * keep),
                             variant="l2-float32", level=level, seed=0)
                     for level, keep, loss in (("0.5", 0.4, 1.01), ("0.9", 0.1, 1.3))]
    rows.append(row("runs/250_reference/x", dataset, "reference", "ensemble", 0.075, role="ensemble", level="2",
                    seed=None, bytes=60_000, parent_id="a + b"))
    frame = results.typed(pd.DataFrame(rows, columns=results.COLUMNS))
    frame["dense_id"] = frame.row_id.map(results.reference(frame)).astype(str)
    frame["selected"] = results.select(frame).astype(float)
    return frame


def told_tests(rows):
    """information.csv as `results.information.compare` would write it: whatever differs by 2 % or more is shown."""
    lines = []
    for line in information.tried(rows).itertuples():
        verdict = "undecided" if abs(line.change) < 0.02 else "better" if line.change < 0 else "worse"
        lines.append({"row": line.row_id, "reference": line.base_row, "margin": 0.0, "delta": line.change,
                      "blocks": 8.9, "low": line.change - 0.01, "high": line.change + 0.01, "p_holm": 0.003,
                      "verdict": verdict})
    return pd.DataFrame(lines)


def made_comparisons(rows):
    """Verdicts of all selected compressed rows of the first seed, and dense networks against simple forecasts, as
    results.statistics.compare would write them."""
    lines = made_tests(rows)
    for line in rows[(rows.selected == 1) & (rows.role == "compressed") & (rows.seed == rows.seed.min())].itertuples():
        delta = line.test_wape / rows.test_wape[rows.row_id == line.dense_id].iloc[0] - 1
        for margin in (0.01, 0.02, 0.05):
            low, high = delta - 0.012, delta + 0.012
            verdict = "within" if high < margin else "worse" if low > margin else "undecided"
            lines.append({"row": line.row_id, "reference": line.dense_id, "margin": margin, "delta": delta, "low": low,
                          "high": high, "verdict": verdict, "p_dm": 0.2, "p_holm": 0.9, "p_verdict": 0.01, "mde": 0.017,
                          "n_origins": 1500, "block": 168, "blocks": 8.9})
    return pd.DataFrame(lines, columns=COMPARED)


COMPARED = "row reference margin delta low high verdict p_dm p_holm mde n_origins block blocks p_verdict".split()


def made_tests(rows):
    """Dense networks against the seasonal naive forecast and ARIMA: better than the first, undecided against the other,
    though neither its unadjusted p nor its interval would say so."""
    first, lines = rows[rows.seed.fillna(0) == rows.seed.min()], []
    for line in first[(first.technique == "dense") & (first.role == "dense")].itertuples():
        for rival, p, verdict in (("seasonal_naive", 0.0004, "better"), ("arima", 0.3, "undecided")):
            other = rows[(rows.model == rival) & (rows.dataset == line.dataset)].iloc[0]
            delta = line.test_wape / other.test_wape - 1
            lines.append({"row": line.row_id, "reference": other.row_id, "margin": 0.0, "delta": delta,
                          "verdict": verdict, "low": delta - 0.01, "high": delta + 0.01, "p_dm": p / 10, "p_holm": p,
                          "p_verdict": p, "mde": 0.02, "n_origins": 1500, "block": 168, "blocks": 8.9})
    return lines


def make_study(name="made", datasets=("sample-traffic",), models=("lstm", "resnet1d"),
               techniques=("magnitude_pruning", "channel_pruning"), failed=1, with_rows=True, **options):
    """Writes a study's artefacts as the runner and its notebooks would; the last `failed` runs have an error."""
    folder = paths.study_dir(name)
    folder.mkdir(parents=True)
    rows = made_rows(datasets, models, techniques, **options)
    ids = [run.removeprefix("runs/") for run in dict.fromkeys(rows.run)]
    stages = [i.split("/")[0] for i in ids]
    runs = [Planned(i, s, f"notebooks/{s}.ipynb", {}, {}, f"runs/{i}", [], digest=f"of {i}")
            for i, s in zip(ids, stages, strict=True)]
    runs.append(Planned("500_timing/late", "500_timing", "notebooks/500_timing.ipynb", {}, {}, "runs/500_timing/late",
                             [runs[-1].id], digest="late"))
    bad = {run.dir for run in runs[:-1][len(runs) - 1 - failed:]} if failed else set()
    for run in runs:
        (folder / run.dir).mkdir(parents=True)
        if run.dir in bad:
            body = {"digest": run.digest, "error": "ValueError: the loss became infinite at step 12", "traceback": ""}
            write_json(folder / run.dir / "error.json", body)
        elif run.id != "500_timing/late":
            write_json(folder / run.dir / "done.json", {"digest": run.digest})
    lock = {d: {"name": d, "source": "sample", "sha256": "ab12" * 16} for d in datasets}
    lock["seoul-traffic"] = {"name": datasets[0], "source": "sample", "sha256": "", "reason": "no network"}
    write_json(folder / "plan.json", asdict(Plan(name, "", runs, ["arima: few windows, left out"])))
    write_json(folder / "data.lock", lock)
    for dataset in datasets:
        cover = folder / "runs" / "100_collect" / f"dataset={dataset}"
        cover.mkdir(parents=True)
        parts = {"train": [[0, 0.4], [0.5, 0.7]], "val": [[0.4, 0.5], [0.7, 0.8]], "test": [[0.8, 1]]}
        write_json(cover / "coverage.json", {"dataset": dataset, "series": 23, "steps": 8784, "missing": 0.013,
                                                      "frequency": "h", "country": "KR", "unit": "vehicles/h",
                                                      "start": "2024-01-01", "end": "2024-12-31", "parts": parts})
    store_forecasts(folder, rows, datasets)
    if with_rows:
        rows = rows[~rows.run.isin(bad)]
        results.write_csv(rows, folder / "results.csv")
        made_comparisons(rows).to_csv(folder / "comparisons.csv", index=False)
    return folder


def store_forecasts(folder, rows, datasets):
    """Two steps ahead of every hour around a holiday, 10 and 30 off, as the runs of naive forecasts store them."""
    origins = np.tile(pd.date_range("2024-02-29", "2024-03-02 23:00", freq="h"), 2)
    for run, mine in rows[rows.technique == "classical"].groupby("run"):
        step = np.repeat([1, 2], len(origins) // 2)
        stored = [pd.DataFrame({"row_id": name, "series": "노원구", "origin": origins, "step": step, "y": 100.0,
                                "yhat": np.where(step == 1, 110.0, 70.0)}) for name in mine.row_id]
        pd.concat(stored).to_parquet(folder / run / "forecasts.parquet")


def add_rows(folder, lines):
    """Further rows in a study's results.csv."""
    rows = results.read(folder / "results.csv")
    more = results.typed(pd.DataFrame(lines, columns=results.COLUMNS))
    results.write_csv(pd.concat([rows, more]), folder / "results.csv")


def text_of(pdf):
    return "\n".join(page.extract_text() for page in pdf.pages)


def fetched(page):
    """What a browser would go and get: addresses in src, stylesheets, scripts, url(), import."""
    found = re.findall(r'\bsrc="([^"]*)"', page) + re.findall(r'<link[^>]*href="([^"]*)"', page)
    found += re.findall(r"url\(['\"]?([^)'\"]*)", page) + re.findall(r"@import[^;]*|\bimport\s*\(.*?\)", page)
    return [address for address in found if not address.startswith(("data:", "#"))]
