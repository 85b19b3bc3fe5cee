"""What was searched for, against chance and against what was made by hand: verdicts, and what each search cost.

A technique is a search if its notebook is one of 400 to 499. Verdicts are those of `statistics`, on test: is a file of
a search better than that of its control, which cost the same, and than the best hand-made file no larger, which was
chosen on validation?
"""

from collections.abc import Iterator
from functools import cache

import pandas as pd

from litecast import catalogue, paths
from litecast.results import choice, statistics
from litecast.results.choice import GROUP, own
from litecast.results.statistics import Pair
from litecast.results.study import current_runs

TRAIL = "*.search.csv"  # what a search has tried, in the folder of its run
HAND = "hand"  # made by no search
COLUMNS = """dataset model technique variant level against row reference delta low high verdict p_holm blocks bytes
test_wape reference_bytes reference_wape run""".split()
COSTS = "dataset model seed technique search control evaluations macs seconds run".split()


@cache
def techniques() -> frozenset[str]:
    """The techniques that search."""
    return frozenset(name for name, path in catalogue.notebooks().items() if path.stem.startswith("4"))


def is_searched(rows: pd.DataFrame) -> pd.Series:
    """Rows that a search made, a chain by its last technique."""
    return rows.technique.str.rpartition("+")[2].isin(techniques())


def pairs(rows: pd.DataFrame) -> Iterator[Pair]:
    """Files of searches against each of their controls at the same level, and selected ones against the best hand-made
    file of at most their size. rows: of `collect`."""
    mine = own(rows[choice.is_valid(rows) & is_searched(rows)]).sort_values("seed", kind="stable")
    for values, group in mine[mine.control == ""].groupby([*GROUP, "level"]):
        key = dict(zip([*GROUP, "level"], values, strict=True))
        same = (mine[[*key]] == list(values)).all(axis=1)
        rivals = [part for _, part in mine[same & (mine.control != "")].groupby("control")]
        rivals += [_by_hand(rows, group)] * bool((group.selected > 0).all())
        for rival in rivals:
            if len(rival):
                yield Pair(key, list(group.row_id), list(rival.row_id), (0.0,), int(group.H.max()))


def _by_hand(rows: pd.DataFrame, group: pd.DataFrame) -> pd.DataFrame:
    """All seeds of the hand-made file, on the same data, of at most a group's size that is best on validation."""
    made = rows[(rows.dataset == group.dataset.iloc[0]) & ~is_searched(rows)]
    files = choice.candidates(made)
    files = choice.within(files[files.bytes > 0], group.bytes.mean() / 1000)
    if files.empty:
        return made[:0]
    same = (made[[*GROUP, "level", "control"]] == files.iloc[0][[*GROUP, "level", "control"]]).all(axis=1)
    return made[same]


def compare(rows: pd.DataFrame, losses: pd.DataFrame) -> pd.DataFrame:
    """searches.csv: COLUMNS, a line per comparison of `pairs`. against: the control, or 'hand'; delta, low, high: of
    the test WAPE, relative, with both one-sided 95 % ends of the block bootstrap; verdict: better, worse, undecided."""
    found, lines = statistics.compare(rows, losses, pairs), []
    at, files = rows.set_index("row_id"), choice.means(own(rows)).set_index("row_id")
    for line in found.to_dict("records"):
        this, that = files.loc[line["row"]], files.loc[line["reference"]]
        control = at.control[line["reference"]] if at.technique[line["reference"]] == line["technique"] else HAND
        verdict = statistics.verdict(line["delta"], 0.0, line["p_holm"])  # also where dense has no skill
        lines.append(line | {"against": control, "verdict": verdict, "bytes": this.bytes, "test_wape": this.test_wape,
                             "reference_bytes": that.bytes, "reference_wape": that.test_wape, "run": this.run})
    return pd.DataFrame(lines, columns=COLUMNS)


def _controls(technique: str) -> dict[str, str]:
    return catalogue.members("compress", "LEVELS", "CONTROLS").get(technique, {}).get("CONTROLS", {})


def costs(study: str) -> pd.DataFrame:
    """What the searches of a study's current runs have tried, by their trails: COSTS, a line per trail; search: the
    variant or control, and the level where it has a trail of its own; control: which of them it is, or ''."""
    folder = paths.study_dir(study)
    runs = [run for run in current_runs(study) if run.parent.name[:1] == "4"] if (folder / "runs").is_dir() else []
    lines = []
    for path in (path for run in runs for path in sorted(run.glob(TRAIL))):
        keys, tried = dict(pair.split("=", 1) for pair in path.parent.name.split(",")), pd.read_csv(path)
        technique, name = path.parts[-3].partition("_")[2], path.name.removesuffix(TRAIL[1:])
        kind = name.partition("-")[0]
        lines.append({"technique": technique, "search": name, "control": kind if kind in _controls(technique) else "",
                      "evaluations": len(tried), "macs": tried.macs.sum(), "seconds": tried.seconds.sum(),
                      "run": path.parent.relative_to(folder).as_posix()} | keys)  # fmt: skip
    return pd.DataFrame(lines, columns=COSTS)
