"""Which technique should I use? By family of networks and budget of bytes, from rows alone, with what it rests on."""

import numpy as np
import pandas as pd

from litecast.results import choice

COLUMNS = """dataset family dense_bytes budgets group model level variant row_id bytes test_wape loses rows least most
others run""".split()


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """COLUMNS, a line for each dataset, family and file that is the best of some budget (`choice.BUDGETS_KB`).

    Among all files of techniques, and of bits alone ('width/int4'), that take no more, the lowest validation WAPE. Of a
    family that no technique has tried, or of which no network has skill, there is no line, and nothing is advised that
    is no better on validation than a forecast without a file. loses: share of the test WAPE of its own dense network
    that it has above it. What it rests on: rows of the same network and group within that budget (seeds, levels and
    variants apart), from the least of them to the most; others: groups that had a file there.
    """
    if not choice.is_technique(rows).any():
        return pd.DataFrame(columns=COLUMNS)
    files = _against_dense(choice.means(choice.own(rows)))
    each = _against_dense(choice.own(rows[choice.is_valid(rows)]))
    free = choice.candidates(rows[choice.is_free(rows)]).groupby("dataset").val_wape.min()
    files, lines = files[~(files.val_wape >= files.dataset.map(free).astype(float))], []
    for (dataset, _), mine in files.groupby(["dataset", "family"]):
        if not choice.is_technique(mine).any():
            continue
        budgets: dict[str, list] = {}
        for kb in choice.BUDGETS_KB:
            for name in choice.within(mine, kb).row_id[:1]:
                budgets.setdefault(name, []).append(kb)
        for name, kbs in budgets.items():
            best, fits = mine[mine.row_id == name].iloc[0], mine[mine.bytes <= 1000 * kbs[-1]]
            alike = each[(each.dataset == dataset) & (each.model == best.model) & (each.group == best.group)
                         & (each.bytes <= 1000 * kbs[-1])]  # fmt: skip
            lines.append(best.to_dict() | {"budgets": kbs, "rows": len(alike), "least": alike.loses.min(),
                                           "most": alike.loses.max(), "others": fits.group.nunique() - 1})
    return pd.DataFrame(lines, columns=COLUMNS)


def group(files: pd.DataFrame) -> pd.Series:
    """What is told by itself: a technique or chain, or 'width/int4', a storage of narrow networks."""
    return files.technique.mask(files.technique == "width", "width/" + files.variant)


def _against_dense(files: pd.DataFrame) -> pd.DataFrame:
    """What compresses networks with skill, with its family, group, and the loss against its dense network."""
    skill, dense = choice.has_skill(files), files[(files.technique == "dense") & (files.control == "")]
    whole = dense.groupby(["dataset", "model"])[["bytes", "test_wape"]].mean().add_prefix("dense_")
    made = files[(files.role == "compressed") & (files.control == "") & (files.bytes > 0)]
    made = made.join(whole, on=["dataset", "model"], how="inner")
    good = [bool(skill.get(key, False)) for key in zip(made.dataset, made.model, strict=True)]
    loses = made.test_wape / made.dense_test_wape - 1
    return made.assign(family=made.model.map(choice.family), group=group(made), loses=loses)[np.array(good, bool)]
