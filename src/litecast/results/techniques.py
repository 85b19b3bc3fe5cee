"""Technique by technique: its smallest file shown to lie within each margin, and what compression forgets.

Levels are chosen on validation, one at each margin's own tolerance; verdicts are those of `statistics` on test.
"""

from collections.abc import Iterator

import pandas as pd

from litecast.results import choice, statistics
from litecast.results.choice import GROUP, own
from litecast.results.statistics import MARGINS, Pair

SMALLEST = """dataset technique margin files row model variant level bytes ratio val_wape test_wape delta low high
run""".split()
# Column -> what it tells of, in words: test errors that hide in a mean over all steps.
FORGOTTEN = {"test_wape": "all", "test_wape_ordinary": "ordinary days", "test_wape_holidays": "holidays",
             "test_wape_highest": "highest tenth", "test_wape_worst": "worst series", "test_wape_first": "first step",
             "test_wape_last": "last step", "test_wape_totals": "totals", "test_cover_95": "coverage",
             "test_bias": "bias", "test_drift": "drift"}


def pairs(rows: pd.DataFrame) -> Iterator[Pair]:
    """Comparisons of techniques' files with their references: at each margin the level that its tolerance selects, so
    that a file that may lose 5 % is not the one that may lose 1 %. rows: of `collect`."""
    picked = {margin: choice.select(rows, margin) for margin in MARGINS}
    known = (rows.dense_id != "") & choice.is_technique(rows) & pd.DataFrame(picked).any(axis=1)
    for values, group in own(rows[known]).sort_values("seed", kind="stable").groupby([*GROUP, "level"]):
        margins = tuple(margin for margin in MARGINS if picked[margin][group.index].all())
        yield Pair(dict(zip([*GROUP, "level"], values, strict=True)), list(group.row_id),
                   list(group.dense_id.unique()), margins, int(group.H.max()))  # fmt: skip


def smallest(rows: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Per dataset, technique and margin the smallest file whose loss is shown to lie within it: SMALLEST.

    comparisons: of `statistics.compare` by `pairs`; files: how many were asked at this margin. What is within a smaller
    margin is within a larger one. Where none is, row is "" and numbers are empty; where no network has skill, there is
    no line.
    """
    files = choice.means(own(rows)).set_index("row_id")
    known = comparisons.row.isin(files.index)  # a table that an older call left may name others
    lines, asked = [], comparisons[known & (comparisons.verdict != statistics.NO_SKILL)]
    for (dataset, technique, margin), mine in asked.groupby(["dataset", "technique", "margin"]):
        same = (asked.dataset == dataset) & (asked.technique == technique) & (asked.verdict == "within")
        fits = asked[same & (asked.margin <= margin)]
        line = {"dataset": dataset, "technique": technique, "margin": margin, "files": len(mine), "row": ""}
        if len(fits):
            best = fits.assign(size=fits.row.map(files.bytes)).sort_values(["size", "delta"]).iloc[0]
            line |= files.loc[best.row].to_dict() | best[["row", "delta", "low", "high"]].to_dict()
        lines.append(line)
    return pd.DataFrame(lines, columns=SMALLEST)


def forgotten(rows: pd.DataFrame) -> pd.DataFrame:
    """What compression forgets: of each technique's representative the test error of each situation above that of its
    reference, as a share of it; by how much less of the values its bands hold; bias and drift in shares of all demand,
    the bias by how much larger it is.

    The columns of a line of `means`, and FORGOTTEN as differences; over the same seeds.
    """
    lines, by_id = [], rows.set_index("row_id")
    for line in choice.representatives(rows).to_dict("records"):
        same = (rows[[*GROUP, "level"]] == [line[name] for name in [*GROUP, "level"]]).all(axis=1)
        mine = rows[same & (rows.control == "") & (rows.dense_id != "")]
        now, before = (some[[*FORGOTTEN]].mean() for some in (mine, by_id.loc[mine.dense_id]))
        gap = now / before - 1
        gap["test_cover_95"] = before["test_cover_95"] - now["test_cover_95"]
        gap["test_bias"], gap["test_drift"] = abs(now["test_bias"]) - abs(before["test_bias"]), now["test_drift"]
        lines.append(line | gap.to_dict())
    return pd.DataFrame(lines, columns=choice.COLUMNS)
