"""The facts of tables and figures: frames of numbers, names and codes, one line per line shown.

What is empty is shown as a dash; a column `run` links the first cells of a table.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from litecast import results
from litecast.figures import forecasts
from litecast.files import sha256
from litecast.report.facts import PLAIN, Facts, counts
from litecast.results import chains as chains_
from litecast.results import information as information_
from litecast.results import places, statistics
from litecast.results import searches as searches_

ARTEFACTS = ("plan.json", "data.lock", "results.csv", "comparisons.csv", "headline.csv", "techniques.csv",
             "information.csv", "searches.csv", "claims.csv")
SHOWN_LINES = 8  # forecasters in one panel of error profiles
FAR = 2  # times the median error: so far off a line would flatten all others


def headline(made: Facts) -> pd.DataFrame:
    """Best free forecast, best forecaster, smallest file near it, error at each budget, per dataset."""
    return pd.DataFrame([head | {
        "free": head["free_wape"], "best_bytes": made.file(head["best"]).get("bytes"),
        **{f"kb:{kb}": head[f"wape_{kb}kb"] for kb in results.BUDGETS_KB},
    } for head in made.heads])  # fmt: skip


def answer(made: Facts) -> pd.DataFrame:
    """`recommendation` on the main dataset alone."""
    lines = recommendation(made)
    return lines[lines.dataset == made.main]


def recommendation(made: Facts) -> pd.DataFrame:
    """Which file to use, per dataset and budget: kB, 'near' (the smallest near the best) or 'best' (whatever its size).

    free: test WAPE of the best free forecast; loses: share of the test WAPE that it has above the best of any size, low
    and high: one-sided 95 % ends of that, of the file near the best; instead: a code for why there is no file.
    """
    lines = []
    for head in made.heads:
        budgets = {kb: head[f"row_{kb}kb"] for kb in results.BUDGETS_KB} | {"near": head["small"], "best": head["best"]}
        for budget, row_id in budgets.items():
            file = made.file(row_id)
            loses = file.get("test_wape", np.nan) / head["best_wape"] - 1
            ends = made.beside_best(head["dataset"]) if budget == "near" else {}
            lines.append(file | {"dataset": head["dataset"], "budget": budget, "instead": "" if file else "no_file",
                                 "free": head["free_wape"], "loses": loses, "low": ends.get("low", np.nan),
                                 "high": ends.get("high", np.nan)})
    names = [*made.files.columns, "budget", "instead", "free", "loses", "low", "high"]
    return pd.DataFrame(lines, columns=names)  # also where no file is told


def regrets(made: Facts) -> pd.DataFrame:
    """What choosing on validation cost on test, per dataset and size; ordinary, holidays: test WAPE of what was chosen
    on these days apart; other: the file of lowest test error, {} where that is the chosen one."""
    files = made.regrets
    chosen = [made.file(row_id) for row_id in files.chosen]
    other = [made.file(low) if low != row_id else {} for row_id, low in zip(files.chosen, files.lowest, strict=True)]
    days = {kind: [file.get(f"test_wape_{kind}", np.nan) for file in chosen] for kind in ("ordinary", "holidays")}
    return _first(made, files.assign(**days, other=other, run=[file.get("run", "") for file in chosen]))


def _first(made: Facts, lines: pd.DataFrame) -> pd.DataFrame:
    """The dataset of page 1 before all others: of a long table only the first lines are printed."""
    return lines.sort_values("dataset", key=lambda names: names != made.main, kind="stable")


def foresight(made: Facts) -> pd.DataFrame:
    """How alike validation and test order the files of each dataset."""
    return made.foresight


def standing(made: Facts) -> pd.DataFrame:
    """The best network of each dataset against each simple forecaster."""
    return counts.standing(made)


def data(made: Facts) -> pd.DataFrame:
    """Which data were read, and what the collecting notebook counted; (asked, name) where one replaces another."""
    lines = []
    for asked, entry in sorted(made.lock.items()):
        name = str(entry.get("name") or asked)
        seen = made.coverage.get(name, {})
        span = [str(seen[end])[:10] for end in ("start", "end") if end in seen]
        lines.append(seen | {"data": list(dict.fromkeys([asked, name])), "span": span if len(span) == 2 else [],
                             "run": seen.get("run")})
    return pd.DataFrame(lines, columns="data unit series steps span missing split L H run".split(), dtype=object)


def splits(made: Facts) -> pd.DataFrame:
    """Where the parts of each dataset lie: dataset, part, start, end (shares of its span)."""
    lines = [(name, part, float(start), float(end)) for name, seen in made.coverage.items()
             for part, spans in (seen.get("parts") or {}).items() for start, end in spans]
    return pd.DataFrame(lines, columns=["dataset", "part", "start", "end"])


def baselines(made: Facts) -> Iterator[tuple[str, pd.DataFrame]]:
    """(dataset, forecasters before compression), the naive first, what knew the weather ahead last."""
    plain = made.files[made.files.technique.isin(["classical", "dense"]) & made.files.control.isin(["", "oracle"])]
    plain = plain.assign(order=plain.role.map({"naive": 0, "control": 2}).fillna(1))
    yield from plain.sort_values(["order", "test_wape"]).groupby("dataset")


def widths(made: Facts) -> pd.DataFrame:
    """Dense networks with every width that was tried in float32; tried: (width, validation WAPE)."""
    files = made.files[made.files.control == ""]
    wide = files[(files.technique == "width") & (files.role == "dense")].sort_values("params")
    tried = {key: list(zip(mine.level, mine.val_wape, strict=True)) for key, mine in wide.groupby(["dataset", "model"])}
    dense = files[files.technique == "dense"]
    dense = dense.assign(tried=[tried.get(key) for key in zip(dense.dataset, dense.model, strict=True)])
    return _first(made, dense[dense.tried.notna()].sort_values(["dataset", "test_wape"]))


def compact(made: Facts) -> Iterator[tuple[str, pd.DataFrame]]:
    """(dataset, its compact families with their bytes in every storage), columns stored:<storage>, the larger first."""
    files = made.files[results.is_compact(made.files) & (made.files.control == "")]
    for dataset, mine in files.groupby("dataset"):
        narrow = mine[mine.technique == "width"]
        stored = narrow.pivot_table(index=["model", "level"], columns="variant", values="bytes")
        stored = stored[stored.mean().sort_values(ascending=False).index].add_prefix("stored:")
        yield dataset, mine[mine.technique == "dense"].sort_values("bytes").join(stored, on=["model", "level"])


def information(made: Facts) -> Iterator[tuple[str, pd.DataFrame]]:
    """(dataset, networks that are told which series they forecast, or its usual week, or not, each family as it comes
    first): a line per network at the width that both were trained at."""
    yield from information_.beside(information_.told(made.information)).groupby("dataset")


def ablation(made: Facts) -> Iterator[tuple[str, pd.DataFrame]]:
    """(dataset, families without something that they come with, one thing at a time, the full one first)."""
    yield from information_.beside(information_.ablation(made.information)).groupby("dataset")


def published(made: Facts) -> pd.DataFrame:
    """Published errors beside those reached here: see `experiment.published.compare`."""
    if made.published.empty:
        return pd.DataFrame()
    from litecast.experiment import published as source  # it needs torch: only a study with such tables loads it

    return source.compare(made.published)


def selected(made: Facts, technique: str) -> pd.DataFrame:
    """Selected files of a technique with the verdict on each; rows without skill say so."""
    files = made.files[(made.files.technique == technique) & (made.files.role == "compressed")]
    files = files[files.selected > 0].sort_values(["dataset", "model", "bytes"])
    verdict = files.row_id.map(made.verdicts().drop_duplicates("row").set_index("row").verdict).fillna("")
    return files.assign(verdict=verdict.where(files.good, "no_skill"))


def verdicts(made: Facts) -> pd.DataFrame:
    """Techniques side by side: verdicts per margin (within, undecided, worse), wins over the front, size and speed."""
    lines = []
    for (dataset, group), chosen in made.selected().groupby(["dataset", "group"]):
        line = chosen[["bytes", "ratio", "speed"]].median().to_dict()
        line |= {"dataset": dataset, "group": group, "files": len(chosen), "wins": counts.wins(chosen)}
        for margin in statistics.MARGINS:
            claims = made.verdicts(group, margin)
            line[f"margin:{margin:g}"] = list(counts.verdicts(claims[claims.dataset == dataset]).values())
        lines.append(line)
    return pd.DataFrame(sorted(lines, key=lambda line: (line["dataset"], made.groups.index(line["group"]))))


def chains(made: Facts) -> pd.DataFrame:
    """Chains of techniques by their last file, beside the dense network: route, kilobytes after each step, how many
    times smaller, how the test WAPE changed."""
    lines = []
    for (*_, chain), way in chains_.waterfalls(made.rows).groupby(["dataset", "model", "chain"], sort=False):
        dense, last = way.iloc[0], way.iloc[-1]
        lines.append(last.to_dict() | {"way": list(way.bytes), "ratio": dense.bytes / last.bytes,
                                       "delta": last.test_wape / dense.test_wape - 1, "order": chain})
    return pd.DataFrame(lines, columns=["dataset", "model", "order", "way", "ratio", "val_wape", "test_wape", "delta",
                                        "bytes", "run"])  # fmt: skip


def transfer(made: Facts) -> pd.DataFrame:
    """A series of the dataset of page 1 that was held out: by the share of its history, from the least, each way to
    tune a network that others have trained, the best on validation first (of equals what keeps less)."""
    lines = made.transfers[made.transfers.dataset == made.main]
    order = ["model", "seed", "share", "val_wape", "update_bytes"]
    return lines.sort_values(order, ignore_index=True) if len(lines) else lines


def devices(made: Facts) -> pd.DataFrame:
    """The file to deploy on the dataset of page 1 in every runtime that was there, the quickest first; with_runtime:
    bytes of the file and of all that running it takes."""
    if made.devices.empty:
        return made.devices
    ran = places.deployed(made.devices[made.devices.dataset == made.main])
    return ran.assign(with_runtime=ran.bytes + ran.runtime_bytes, load_s=ran.import_s + ran.open_s)


def searches(made: Facts) -> pd.DataFrame:
    """Searches on the dataset of page 1 against chance, their other controls, and the best hand-made file no larger."""
    lines = made.searched[made.searched.dataset == made.main]
    order = ["technique", "model", "variant", "bytes", "against"]
    return lines.assign(group=lines.technique).sort_values(order, ignore_index=True)


def replays(made: Facts) -> pd.DataFrame:
    """Searches replayed on a table of all networks of a space: by dataset and search the share of the table's
    hypervolume after so many evaluations (volume:<count>), mean over replays, and its spread after the most."""
    lines = searches_.volumes(made.replays) if len(made.replays) else pd.DataFrame()
    if lines.empty:
        return lines
    keys, last = ["dataset", "model", "search"], lines[lines.evaluations == lines.evaluations.max()]
    wide = lines.groupby([*keys, "evaluations"]).volume.mean().unstack().add_prefix("volume:")
    rest = last.groupby(keys).agg(spread=("sd", "mean"), unique=("unique", "mean"), proposals=("proposals", "mean"),
                                  runs=("seed", "nunique"))
    order = ["dataset", "model", wide.columns[-1]]
    return wide.join(rest).reset_index().sort_values(order, ascending=[True, True, False], ignore_index=True)


def smallest(made: Facts) -> Iterator[tuple[str, pd.DataFrame]]:
    """(dataset, the smallest file of each technique that is shown to lie within a margin, one line for a file and all
    the margins that it is the smallest at)."""
    for dataset, mine in made.smallest[made.smallest.row != ""].groupby("dataset"):
        lines = [one.iloc[0].to_dict() | {"group": technique, "within": list(one.margin)}
                 for (technique, _), one in mine.groupby(["technique", "row"])]
        order = pd.DataFrame(lines).assign(least=lambda lines: lines.groupby("group").bytes.transform("min"))
        yield dataset, order.sort_values(["least", "group", "bytes"], ascending=[True, True, False], ignore_index=True)


def advice(made: Facts) -> pd.DataFrame:
    """Which technique to use on the dataset of page 1, by family and budget, the largest dense network first."""
    lines = made.advice[made.advice.dataset == made.main]
    lines = lines.assign(largest=lines.groupby("family").dense_bytes.transform("max"))
    return lines.sort_values(["largest", "family", "bytes"], ascending=[False, True, True], ignore_index=True)


def bands(made: Facts) -> pd.DataFrame:
    """The file that stands for each technique on the dataset of page 1, below the dense network that it was made from:
    what their bands cover on test, and how wide they are. Nothing where no row says it, as of an older study."""
    files = made.files[(made.files.dataset == made.main) & made.files.test_cover_80.notna()]
    mine = files[files.row_id.isin(results.representatives(made.rows).row_id)]
    dense = files[results.is_dense(files) & files.model.isin(mine.model)].drop_duplicates("model")
    return pd.concat([dense, mine[mine.model.isin(dense.model)].sort_values("bytes", ascending=False)]).sort_values(
        "model", kind="stable", ignore_index=True)


def unfinished(made: Facts) -> pd.DataFrame:
    """Failed and missing runs with their errors, and those that left a network out; run: only of a rendered page."""
    lines = made.runs[(made.runs.state != "done") | (made.runs.why != "")].sort_values(["state", "run"])
    pages = [run if (made.folder / run / "notebook.html").exists() else "" for run in lines.run]
    return lines.assign(state=lines.state.replace("done", "left_out"), folder=lines.run.str.removeprefix("runs/"),
                        why=lines.why.str[:300], run=pages)


def artefacts(made: Facts) -> pd.DataFrame:
    """The files this report was computed from and their checksums; versions and machine."""
    paths = [made.folder / name for name in ARTEFACTS]
    lines = {path.name: [sha256(path)[:16]] if path.exists() else ["missing"] for path in paths}
    rows = made.rows.assign(dirty=made.rows.dirty.map({0: "no", 1: "yes"}))
    for column in ("commit", "dirty", "lock_sha256", "device", "cpu", "runtime_version"):
        lines[column] = sorted(str(value)[:40] for value in set(rows[column].dropna()) - {""})
    return pd.DataFrame(lines.items(), columns=["what", "value"])


def provenance(made: Facts) -> pd.DataFrame:
    """Which notebook made the rows of each part of the report ('baselines': what compression starts from), and from
    which data and code."""
    rows = pd.concat([made.rows, made.published])
    rows = rows[rows.run != ""]
    lines = [{"notebook": f"{stage}.ipynb", "dataset": dataset, "runs": mine.run.nunique(), "rows": len(mine),
              "shown_in": dict.fromkeys("baselines" if t in PLAIN else t for t in sorted(set(mine.technique))),
              "data_sha256": _digests(mine.data_sha256), "code_sha256": _digests(mine.code_sha256),
              "run": mine.run.iloc[0]}
             for (stage, dataset), mine in rows.groupby([rows.run.str.split("/").str.get(1), "dataset"])]
    return pd.DataFrame(lines, columns="notebook dataset runs rows shown_in data_sha256 code_sha256 run".split())


def _digests(column: pd.Series) -> list[str]:
    return sorted({text[:8] for text in column if text})[:2]


def profiles(made: Facts) -> Iterator[tuple[str, pd.DataFrame]]:
    """(dataset, errors of all forecasters whose forecasts are stored): see `errors`."""
    for dataset in made.datasets:
        files = made.files[(made.files.dataset == dataset) & made.files.technique.isin(["classical", "dense"])]
        files = files[files.control == ""].sort_values("val_wape")
        parts = [part for row in files.itertuples() if len(part := errors(made, row))]
        if parts:
            yield dataset, pd.concat(parts)


def errors(made: Facts, row) -> pd.DataFrame:
    """Mean absolute error of one row by step, series, hour and kind of day, one below the other; wape likewise."""
    path = made.folder / row.run / "forecasts.parquet"  # of its own run: to look through all of them takes minutes
    if not row.run or not path.is_file():
        return pd.DataFrame()
    columns = ["series", "origin", "step", "y", "yhat"]
    stored = pd.read_parquet(path, columns=columns, filters=[("row_id", "==", row.row_id)]).dropna(subset="y")
    seen, by = made.coverage.get(row.dataset, {}), ["step", "series"]
    if len(stored) and seen.get("frequency") in forecasts.HOURLY:
        by += ["hour", "day"]
        step = pd.Timedelta(forecasts.HOURLY[seen["frequency"]])
        times = pd.DatetimeIndex(stored.origin) + (stored.step - 1).to_numpy() * step
        stored = stored.assign(**forecasts.moments(times, seen.get("country")))
    stored = stored.assign(error=(stored.yhat - stored.y).abs(), size=stored.y.abs())
    parts = [stored.groupby(c, observed=True)[["error", "size"]].mean().reset_index() for c in by]
    parts = [part.astype({c: str}) if c in ("series", "day") else part for part, c in zip(parts, by, strict=True)]
    return pd.concat(parts).assign(name=row.model, wape=lambda e: e.error / e["size"])


def near_profiles(found: pd.DataFrame) -> pd.DataFrame:
    """Of all errors those that are drawn: the simple forecasts, then the best on validation, none that is far off."""
    mean = found.groupby("name").error.mean()
    kept = list(dict.fromkeys([*statistics.NAIVE, *found.name]))[:SHOWN_LINES]
    return found[found.name.isin(kept) & (found.name.map(mean) <= FAR * mean.median())]


def profile(found: pd.DataFrame) -> pd.DataFrame:
    """WAPE at the ends of the horizon, of the easiest and the hardest series, and by kind of day, per forecaster."""
    lines = []
    for name, mine in found.groupby("name", sort=False):
        step, series = (mine.dropna(subset=c).set_index(c).wape for c in ("step", "series"))
        line = {"name": name, "first": step.iloc[0], "last": step.iloc[-1], "easiest": series.min(),
                "hardest": series.max()}
        days = mine.dropna(subset="day").set_index("day").wape.to_dict() if "day" in mine else {}
        lines.append(line | ({f"day:{day.replace(' ', '_')}": value for day, value in days.items()}
                             if "holidays" in days else {}))
    return pd.DataFrame(lines)
