"""What is chosen, and what counts: references, levels, the front, headlines. Always on validation columns only."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd

from litecast import catalogue
from litecast.errors import RunError
from litecast.results.rows import COLUMNS, LATENCY, TEXT, number, text, typed

GROUP = ["dataset", "model", "technique", "variant", "runtime"]  # one level of each is selected
TOLERANCE = 0.01  # a level may lose this share of validation WAPE against its reference
NEAR_WIDTH = 0.01  # the chosen width may lose this share against the best of its sweep
NEAR_BEST = 0.02  # the headline file may lose this share against the best forecaster of any size
BUDGETS_KB = (1, 4, 16, 64)  # 1 kB = 1000 bytes
LONGER = "extra_epochs"  # control: the same network trained on, for what compressing it would have cost
ORACLE = "oracle"  # control that knows the future: it stands in no ranking
REFERENCE = catalogue.REFERENCE  # model of the row that averages a dataset's files: what everything is held against
COMMITTEE = catalogue.COMMITTEE  # model of the rows that average small files, compressed ones too
PUBLISHED = "published"  # technique of rows made by a paper's protocol: they stand in its table and in no ranking


def is_dense(rows: pd.DataFrame, control: str = "") -> pd.Series:
    """Rows of a trained, uncompressed forecaster at its chosen width (ARIMA too, in a class of its own), or of one of
    its controls."""
    role = "control" if control else "dense"
    return (rows.role == role) & ~rows.technique.isin(["width", PUBLISHED]) & (rows.control == control)


def is_free(rows: pd.DataFrame) -> pd.Series:
    """Rows of forecasts that take no file at all, as the last value: what every choice has to beat."""
    return (rows.role == "naive") & (rows.bytes == 0)


def is_valid(rows: pd.DataFrame) -> pd.Series:
    """Rows that a choice may consider."""
    return (rows.error == "") & rows.val_wape.notna() & (rows.technique != PUBLISHED)


def reads_weather(rows: pd.DataFrame) -> pd.Series:
    """Trees that read the weather of the last hours: shown, but in no choice, since nobody hands it to `forecast`."""
    return (rows.technique == "classical") & (rows.variant == "weather")


def members(rows: pd.DataFrame) -> pd.DataFrame:
    """Files that the reference may average, the best on validation first: dense networks of all seeds, trained longer
    too, and what is fitted without a network and has a file. Of techniques and widths none: it is what they are held
    against."""
    may = is_valid(rows) & (is_dense(rows) | is_dense(rows, LONGER)) & (rows.artefact != "")
    return own(rows[may & ~reads_weather(rows)]).sort_values(["val_wape", "bytes", "row_id"], ignore_index=True)


def small_files(rows: pd.DataFrame, kb: float) -> pd.DataFrame:
    """Files of at most so many kB that a committee may average, the best on validation first: of each model those that
    are better than all of its that are no larger, whatever made them."""
    may = is_valid(rows) & (rows.artefact != "") & (rows.role != "ensemble") & (rows.control != ORACLE)
    files = own(rows[may & ~reads_weather(rows) & (rows.bytes <= 1000 * kb)])
    best = [_steps(mine, "bytes") for _, mine in files.groupby("model")]
    return pd.concat([files[:0], *best]).sort_values(["val_wape", "bytes", "row_id"], ignore_index=True)


def family(model: str) -> str:
    """The family of a network, whatever it is told: 'nbeats' of 'nbeats@own'."""
    return model.partition("@")[0]


def own(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that are functions of their own: a copy repeats one in another runtime and is no second candidate."""
    return rows[text(rows, "copy_of") == ""]


def function(rows: pd.DataFrame) -> pd.Series:
    """What a row computes, by the row_id of the row whose own it is: the same for a file and its copies."""
    return text(rows, "copy_of").where(text(rows, "copy_of") != "", rows.row_id)


def near(wape, best, share: float):
    """Does an error (a number, or a column of them) lose at most this share of the best?"""
    return wape <= (1 + share) * best


def reference(rows: pd.DataFrame) -> pd.Series:
    """row_id -> dense_id: per (dataset, model, seed) the better, on validation, of dense and dense trained longer.

    Which of the two it is is decided once per (dataset, model), on means over their common seeds. "" = no reference.
    """
    # the largest file first: should one dense network be stored twice, the less compressed one is the reference
    usable = own(rows[is_valid(rows)]).fillna({"seed": -1}).sort_values("bytes", ascending=False)
    usable = usable[(usable.technique != "classical") | (usable.variant == "")]  # weather: none for the plain one
    key = ["dataset", "model", "seed"]
    dense, longer = (part.drop_duplicates(key).set_index(key)[["row_id", "val_wape"]]
                     for part in (usable[is_dense(usable)], usable[is_dense(usable, LONGER)]))
    both = dense.join(longer.add_suffix("_longer"), how="inner")
    mean = both.groupby(key[:2])[["val_wape", "val_wape_longer"]].transform("mean")
    chosen = dense.row_id.to_dict() | both.row_id_longer[mean.val_wape_longer < mean.val_wape].to_dict()
    keys = zip(rows.dataset, rows.model.where(rows.technique != PUBLISHED), rows.seed.fillna(-1), strict=True)
    return pd.Series([chosen.get(key, "") for key in keys], index=rows.row_id.to_numpy(), dtype=str)


def select(rows: pd.DataFrame, tolerance: float = TOLERANCE) -> pd.Series:
    """Which rows are selected: bool, index of `rows`. One level per (dataset, model, technique, variant, runtime):

    the smallest file whose validation WAPE is within 1 % (or another tolerance) of the reference, means over seeds; if
    there is none, the lowest validation WAPE. Controls and failed rows never are, copies where their original is. Reads
    no test column.
    """
    may, levels = _ranked(rows, tolerance)
    best = pd.MultiIndex.from_frame(levels.drop_duplicates(GROUP)[[*GROUP, "level"]])
    is_best = may & pd.MultiIndex.from_frame(rows[[*GROUP, "level"]]).isin(best)
    return is_best | text(rows, "copy_of").isin(rows.row_id[is_best])


def representatives(rows: pd.DataFrame) -> pd.DataFrame:
    """The file that stands for each technique of a dataset, chains too: of all its levels, variants and networks with
    skill the smallest within 1 % of its reference, else the lowest error beside it. A line of `means` each."""
    skill, files = has_skill(rows), means(own(rows))
    _, levels = _ranked(rows)
    good = [bool(skill.get(key, False)) for key in zip(levels.dataset, levels.model, strict=True)]
    levels = levels[levels.technique.isin(rows.technique[is_technique(rows)]) & np.array(good, bool)]
    levels = levels.assign(behind=lambda levels: levels.val_wape / levels.reference)
    levels = levels.sort_values(["near", "size", "behind"], ascending=[False, True, True], kind="stable")
    best = levels.drop_duplicates(["dataset", "technique"])[[*GROUP, "level"]]
    return best.merge(files[files.control == ""], on=[*GROUP, "level"])[COLUMNS].sort_values(
        ["dataset", "technique"], ignore_index=True)


def is_technique(rows: pd.DataFrame) -> pd.Series:
    """Rows of what a technique or a chain of them made; narrow networks stored in few bits are the front."""
    return (text(rows, "role") == "compressed") & ~rows.technique.isin(["width", PUBLISHED])


def _ranked(rows: pd.DataFrame, tolerance: float = TOLERANCE) -> tuple[pd.Series, pd.DataFrame]:
    """(Rows that may be selected, their levels): GROUP, level, near (tolerable?), means over seeds, best first."""
    may = is_valid(rows) & (rows.control == "") & (text(rows, "copy_of") == "")
    wape = rows.row_id[may].map(reference(rows)).map(rows.set_index("row_id").val_wape).astype(float)
    wape = wape.fillna(wape.groupby([rows.dataset, rows.model]).transform("mean"))  # a seed without a dense network
    table = rows[may][[*GROUP, "level", "bytes", "val_wape"]].assign(reference=wape)
    levels = table.groupby([*GROUP, "level"], as_index=False).mean()
    levels["near"] = near(levels.val_wape, levels.reference, tolerance)
    levels["size"] = levels.bytes.where(levels.near, np.inf)  # far from the reference, size does not count
    return may, levels.sort_values(["near", "size", "val_wape", "level"], ascending=[False, True, True, True])


def chosen(rows: pd.DataFrame | list[dict], *known: Mapping) -> tuple[pd.Series, bool]:
    """(The row of the best compressed file, is it within 1 % of its reference?): by the rule of `select`, over all
    variants. rows: of one dataset and model; known: other rows that hold the reference, dense and, if there is one,
    dense trained longer. RunError if no compressed row is finished."""
    rows = pd.DataFrame(rows)
    table = typed(pd.DataFrame([*rows.to_dict("records"), *known], columns=COLUMNS))
    table = table.drop_duplicates("row_id", ignore_index=True)
    may, levels = _ranked(table)
    may &= (table.role == "compressed") & table.row_id.isin(rows.get("row_id", ()))
    found = levels.merge(table[may].sort_values("seed"), on=[*GROUP, "level"])
    if found.empty:
        raise RunError("no compressed row is finished: nothing can be chosen")
    return rows[rows.row_id == found.row_id[0]].iloc[0], bool(found.near[0])


def smallest(rows: list[dict], size: str = "level") -> dict:
    """Of a width sweep's rows the smallest width (or file: size 'bytes') within 1 % of its best validation WAPE."""
    best = min(row["val_wape"] for row in rows)
    return min((row for row in rows if near(row["val_wape"], best, NEAR_WIDTH)), key=lambda row: row[size])


def has_skill(rows: pd.DataFrame) -> pd.Series:
    """(dataset, model) -> bool: dense beats the seasonal naive forecast on validation, means over seeds. Where it does
    not there is no skill to lose: such rows are flagged and leave every ranking."""
    dense = own(rows[is_dense(rows) & is_valid(rows)])
    return dense.groupby(["dataset", "model"]).val_skill.mean() > 0


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per level, all COLUMNS: means over seeds of numbers, the first seed's names; failed rows left out.
    Copies keep lines of their own, apart from their original's."""
    keys = [*GROUP, "level", "control"]
    how = {name: "first" if name in TEXT else "mean" for name in COLUMNS if name not in keys}
    groups = rows[is_valid(rows)].sort_values("seed", kind="stable").groupby(keys, as_index=False)
    return groups.agg(how)[COLUMNS]


def in_one_runtime(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """(Own rows with their times in one runtime, its name): a runtime's own gain is none of a technique's.

    It is the runtime in which most functions were timed, of equals the one to which more of them were copied; "" if
    there is none. `run` is that of the row that was timed. What was not timed there has neither.
    """
    timed = rows[number(rows, "latency_ms_p50") > 0].assign(copies=lambda timed: timed.copy_of != "")
    counts = timed.groupby("runtime").copies.agg(["size", "sum"]).sort_values(["size", "sum"], kind="stable")
    runtime = counts.index[-1] if len(counts) else ""
    times = timed.set_index(function(timed))[timed.runtime.to_numpy() == runtime]
    there = {name: own(rows).row_id.map(times[name]) for name in (*LATENCY, "latency_ratio", "run")}
    return typed(own(rows).assign(**there)), runtime


def candidates(rows: pd.DataFrame) -> pd.DataFrame:
    """What a choice of size may take, means over seeds: every file whatever made it, controls too, free forecasts at 0
    bytes, means of several files at the bytes of all of them, and forecasters without a file (ARIMA). Not: copies,
    published tables, what knows the future or reads the weather."""
    lines = means(own(rows[(rows.control != ORACLE) & ~reads_weather(rows)]))
    lines = lines.sort_values("technique", key=lambda names: names != "dense", kind="stable")
    again = (lines.artefact != "") & lines.duplicated(["dataset", "artefact"])  # dense is one of the widths, too
    return lines[~again].reset_index(drop=True)


def within(files: pd.DataFrame, kb: float) -> pd.DataFrame:
    """The candidates of one dataset that take at most so many kB, the best on validation first, then the smaller."""
    return files[files.bytes <= 1000 * kb].sort_values(["val_wape", "bytes"], kind="stable")


def headline(rows: pd.DataFrame) -> pd.DataFrame:
    """Per dataset: the smallest file within 2 % of the best forecaster of any size, which may be a mean of several
    files, and the error at 1, 4, 16, 64 kB.

    All are chosen on validation among `candidates`; the WAPE is that on test. A free forecast is what is chosen where
    nothing beats it. Columns: dataset, skill (has any network some?), best, free (the best without a file), small:
    row_ids of the first seed; best_wape, free_wape, small_wape, small_kb; then wape_1kb, row_1kb, ...
    """
    skill = has_skill(rows[rows.technique == "dense"])  # that of networks
    skilled = {dataset for (dataset, _), good in skill.items() if good}
    lines = [{"dataset": name, "skill": name in skilled} | _headline(files)
             for name, files in candidates(rows).groupby("dataset")]
    names = ["dataset", "skill", "best", "best_wape", "free", "free_wape", "small", "small_kb", "small_wape"]
    return pd.DataFrame(lines, columns=names + [f"{kind}_{kb}kb" for kb in BUDGETS_KB for kind in ("wape", "row")])


def _headline(files: pd.DataFrame) -> dict:
    """What is chosen among the candidates of one dataset, and its test WAPE."""
    files = files.sort_values("val_wape", kind="stable")
    near_best = files[near(files.val_wape, files.val_wape.iloc[0], NEAR_BEST) & files.bytes.notna()]
    picks = {"best": files, "free": files[is_free(files)], "small": near_best.sort_values("bytes", kind="stable")}
    line = {}
    for kind, choice in picks.items():
        if len(choice):
            line |= {kind: choice.row_id.iloc[0], f"{kind}_wape": choice.test_wape.iloc[0]}
    if len(near_best):
        line["small_kb"] = picks["small"].bytes.iloc[0] / 1000
    for kb in BUDGETS_KB:
        for pick in within(files, kb)[:1].itertuples():
            line |= {f"wape_{kb}kb": pick.test_wape, f"row_{kb}kb": pick.row_id}
    return line


def on_ordinary_days(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the errors of ordinary days in the place of those of all days, where they are told apart: what
    would be chosen, and how it would be judged, had there been no public holiday."""
    return rows.assign(val_wape=rows.val_wape_ordinary, test_wape=rows.test_wape_ordinary)


def regrets(rows: pd.DataFrame) -> pd.DataFrame:
    """What choosing on validation costs on test, per dataset and size: the test error of what was chosen against the
    lowest of all candidates that are no larger.

    Columns: dataset, kb, chosen, val_wape, test_wape, lowest (row_id), lowest_wape, regret, candidates. This one table
    reads the test column of files that were not chosen: it judges choices, and makes none.
    """
    lines = []
    for name, files in candidates(rows).groupby("dataset"):
        for kb in BUDGETS_KB:
            fits = within(files[files.test_wape.notna()], kb)
            if len(fits):
                chosen, lowest = fits.iloc[0], fits.loc[fits.test_wape.idxmin()]
                lines.append([name, kb, chosen.row_id, chosen.val_wape, chosen.test_wape, lowest.row_id,
                              lowest.test_wape, chosen.test_wape / lowest.test_wape - 1, len(fits)])
    return pd.DataFrame(lines, columns=["dataset", "kb", "chosen", "val_wape", "test_wape", "lowest", "lowest_wape",
                                        "regret", "candidates"])  # fmt: skip


def foresight(rows: pd.DataFrame) -> pd.DataFrame:
    """Does validation order files as test does? Rank correlation (Spearman) of both errors over the candidates of each
    dataset; on all steps, and on ordinary days and public holidays apart. Columns: dataset, files, rho, rho_ordinary,
    rho_holidays (NaN below three files, or without holidays)."""
    lines = []
    for name, files in candidates(rows).groupby("dataset"):
        rho = {f"rho{kind}": files[f"val_wape{kind}"].corr(files[f"test_wape{kind}"], "spearman", min_periods=3)
               for kind in ("", "_ordinary", "_holidays")}
        lines.append({"dataset": name, "files": len(files)} | rho)
    return pd.DataFrame(lines, columns=["dataset", "files", "rho", "rho_ordinary", "rho_holidays"])


@cache
def kinds() -> dict[str, str]:
    """Model -> 'deep' or 'compact': the literal KIND of each network's file, read without importing it."""
    return {name: words["KIND"] for name, words in catalogue.networks().items()}


def is_compact(rows: pd.DataFrame) -> pd.Series:
    return text(rows, "model").map(kinds()) == "compact"


def front(rows: pd.DataFrame, model: str | None, x: str = "bytes") -> pd.DataFrame:
    """The files a compressed `model` has to beat, by size: the widths of its family, whatever they are told, all
    compact networks, in any storage and also trained for longer, and boosted trees. model None: every network's widths.

    Each is better on validation than all that are no larger. rows: one dataset, means over seeds; x: what counts as
    size: bytes, macs, or latency_ms_p50 (rows of `in_one_runtime`). Files without it and copies are left out.
    """
    technique = text(rows, "technique")
    trained = technique.isin(["width", "dense"]) & text(rows, "control").isin(["", LONGER])
    same = (model is None) | (rows.model.map(family) == family(model or ""))
    narrow = trained & ((technique == "width") & same | is_compact(rows))
    trees = (technique == "classical") & (rows.model == "boosting") & (text(rows, "control") == "")
    return _steps(rows[narrow | trees], x)


def techniques_front(rows: pd.DataFrame, x: str = "bytes") -> pd.DataFrame:
    """The files of all techniques and chains of a dataset, of whatever network, that a size leaves: as of `front`."""
    return _steps(rows[is_technique(rows) & (text(rows, "control") == "")], x)


def _steps(rows: pd.DataFrame, x: str) -> pd.DataFrame:
    """Of own rows with a size those that are better on validation than all that are no larger."""
    rows = own(rows[number(rows, x) > 0]).sort_values([x, "val_wape"])
    return rows[rows.val_wape < rows.val_wape.cummin().shift(fill_value=np.inf)]
