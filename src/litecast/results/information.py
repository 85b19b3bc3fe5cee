"""What telling a network more is worth, apart from what compressing it costs: one family, one width, one thing told.

A network named 'nbeats@own' is held against 'nbeats', the family as it comes, at a width that both were trained at, in
float32 and the same seeds. What the words mean stands in `models/information.py`.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from litecast import catalogue, paths
from litecast.results import statistics
from litecast.results.choice import is_dense, is_valid, own

# What a word is about, by the field of a config that it sets; what sets no other than these is about the calendar.
ABOUT = {"table": "week", "embedded": "series", "scale": "scale", "trained": "training"}
TOLD = ("week", "series")  # what is information about the series, not its calendar or scale
MEASURED = ["val_wape", "test_wape", "bytes"]
TESTED = ["delta", "low", "high", "p_holm", "blocks", "verdict"]
COLUMNS = ["dataset", "family", "model", "word", "about", "adds", "level", "seeds", "row_id", *MEASURED, "run",
           "base_row", *(f"base_{name}" for name in MEASURED), "change", "gain", *TESTED, "helps", "ids",
           "base_ids"]  # fmt: skip


@cache
def words() -> dict[str, tuple]:
    """Word after the @ -> (fields of the config, what it means)."""
    return catalogue.literals(paths.PACKAGE / "models" / "information.py")["KNOWS"]


@cache
def by_itself(name: str) -> str:
    """The table that a family has without a word: the literal TABLE of its file."""
    return catalogue.networks().get(name, {}).get("TABLE", "none")


def means(name: str) -> str:
    """What a network is told, in words: of its word, or of the table that its family has by itself."""
    word = name.partition("@")[2] or by_itself(name)
    return words()[word][1] if word in words() else word


def about(word: str) -> str:
    """'week', 'series', 'scale', 'training' or 'calendar'."""
    return next((ABOUT[field] for field in words().get(word, ({},))[0] if field in ABOUT), "calendar")


def adds(name: str, word: str) -> bool | None:
    """Is a family told more with the word than without? None where it comes with just that."""
    tables = catalogue.literals(paths.PACKAGE / "models" / "usual.py")["TABLES"]  # the less told first
    asked, comes = words().get(word, ({},))[0].get("table"), by_itself(name)
    if asked is None:
        return False
    return None if asked == comes else tables.index(asked) > tables.index(comes)


def tried(rows: pd.DataFrame, tests: pd.DataFrame | None = None) -> pd.DataFrame:
    """A line per dataset and network with a word, beside its family as it comes: COLUMNS. rows: result rows.

    level: the width of both: of those that both were trained at the chosen one of the family, of the network, or the
    widest. Errors and bytes are means over the seeds of both. change: share of the family's test WAPE that the network
    has above it; gain: share of the test WAPE of the less told of the two that the other one takes away. tests: of
    `compare`; verdict is that on the network against its family, helps that on the information: helps, harms,
    undecided, untested.
    """
    plain = own(rows[is_valid(rows) & (rows.technique == "width") & (rows.role == "dense")])
    chosen = rows[is_dense(rows)].sort_values("seed").drop_duplicates(["dataset", "model"])
    chosen = chosen.set_index(["dataset", "model"]).level.to_dict()
    lines = []
    for (dataset, model), mine in plain[plain.model.str.contains("@")].groupby(["dataset", "model"]):
        comes, _, word = model.partition("@")
        base = plain[(plain.dataset == dataset) & (plain.model == comes)]
        both = mine.merge(base, on=["level", "seed"], suffixes=("", "_base")).sort_values("seed")
        if both.empty or (more := adds(comes, word)) is None:
            continue
        wanted = [chosen.get((dataset, name)) for name in (comes, model)]
        level = next((width for width in wanted if width in set(both.level)), max(both.level, key=float))
        both = both[both.level == level]
        ours, theirs = both[MEASURED].mean(), both[[f"{name}_base" for name in MEASURED]].mean().set_axis(MEASURED)
        ratio = ours.test_wape / theirs.test_wape
        lines.append({"dataset": dataset, "family": comes, "model": model, "word": word, "about": about(word),
                      "adds": more, "level": level, "seeds": len(both), "row_id": both.row_id.iloc[0], **ours,
                      "run": both.run.iloc[0], "base_row": both.row_id_base.iloc[0], **theirs.add_prefix("base_"),
                      "change": ratio - 1, "gain": 1 - (ratio if more else 1 / ratio), "ids": list(both.row_id),
                      "base_ids": list(both.row_id_base)})
    return _judged(pd.DataFrame(lines, columns=COLUMNS), tests)


def _judged(lines: pd.DataFrame, tests: pd.DataFrame | None) -> pd.DataFrame:
    """The verdicts of `compare` beside the lines that they are of."""
    if tests is not None and len(tests):
        tests = tests.drop_duplicates("row").set_index("row")
        current = lines.row_id.map(tests.reference) == lines.base_row  # of an older call: another width was chosen
        lines = lines.assign(**{name: lines.row_id.map(tests[name]).where(current) for name in TESTED})
    verdict = lines.verdict.where(lines.verdict.notna(), "untested").astype(str)
    helps = (verdict == "better") == lines.adds.astype(bool)  # without it worse is with it better
    decided = verdict.isin(["better", "worse"])
    return lines.assign(verdict=verdict, helps=verdict.mask(decided, helps.map({True: "helps", False: "harms"})))


def asked(rows: pd.DataFrame) -> Iterator[statistics.Pair]:
    """Each network with a word against its family as it comes: is it better at all?"""
    for line in tried(rows).itertuples():
        first = rows[rows.row_id == line.row_id].iloc[0]
        key = {name: first[name] for name in (*statistics.GROUP, "level")}
        horizon = 1 if np.isnan(first.H) else int(first.H)
        yield statistics.Pair(key, line.ids, line.base_ids, (0.0,), horizon)


def compare(rows: pd.DataFrame, losses: pd.DataFrame) -> pd.DataFrame:
    """information.csv: Diebold-Mariano and interval of each, adjusted among themselves; columns of `statistics`."""
    return statistics.compare(rows, losses, asked)


def needed(rows: pd.DataFrame) -> list[str]:
    """row_ids whose losses `compare` reads."""
    return statistics.needed(rows, asked)


def told(lines: pd.DataFrame) -> pd.DataFrame:
    """Of the lines of `tried` those on what is told of the series: which one it is, and its usual week."""
    return lines[lines.about.isin(TOLD)]


def ablation(lines: pd.DataFrame) -> pd.DataFrame:
    """Of the lines of `tried` those of families without something that they come with, one thing at a time."""
    return lines[~lines.adds.astype(bool)]


def beside(lines: pd.DataFrame) -> pd.DataFrame:
    """Lines of `tried` with those of their families as they come before them, which are held against nothing."""
    base = lines.drop_duplicates(["dataset", "family", "level"])
    names = {f"base_{name}": name for name in MEASURED} | {"base_row": "row_id"}
    base = base[["dataset", "family", "level", "seeds", *names]].rename(columns=names).assign(
        model=base.family, word="", run="", **dict.fromkeys(["change", "gain", *TESTED[:-1]], np.nan), verdict="",
        helps="")
    both = pd.concat([base, lines]) if len(lines) else lines
    both = both.assign(means=[means(name) for name in both.model])
    return both.sort_values(["dataset", "family", "level"], kind="stable", ignore_index=True)


def compressed(files: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Lines from a dense network down to what is made of it: model, technique, bytes, test_wape, row_id, the larger
    first. files: means over seeds of one dataset.

    Per technique those of its files that no smaller one of the technique beats on validation; 'width' is the same
    network stored in fewer bits. Each line starts at its dense network.
    """
    files = own(files[is_valid(files) & (files.bytes > 0) & files.model.isin(models) & (files.control == "")])
    parts = []
    for model, mine in files.groupby("model"):
        dense = mine[is_dense(mine)].head(1)
        made = mine[(mine.role == "compressed") & ((mine.technique != "width") | mine.level.isin(dense.level))]
        for technique, some in made.groupby("technique"):
            some = some[some.bytes < dense.bytes.max()].sort_values(["bytes", "val_wape"])
            some = some[some.val_wape < some.val_wape.cummin().shift(fill_value=np.inf)]
            if len(some):
                parts.append(pd.concat([some, dense]).sort_values("bytes", ascending=False)
                             .assign(model=model, technique=technique))
    names = ["model", "technique", "bytes", "test_wape", "val_wape", "row_id", "run"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def cheapest(files: pd.DataFrame, line: dict) -> dict:
    """The smallest file made of the more told network of a line of `tried` that errs less, on validation, than the less
    told one does uncompressed; {} if there is none. files: means over seeds of all datasets."""
    more = line["model"] if line["adds"] else line["family"]
    less = line["base_val_wape"] if line["adds"] else line["val_wape"]
    mine = own(files[is_valid(files) & (files.dataset == line["dataset"]) & (files.model == more)])
    mine = mine[(mine.control == "") & (mine.bytes > 0) & (mine.val_wape < less)].sort_values(["bytes", "val_wape"])
    return next(iter(mine.to_dict("records")), {})
