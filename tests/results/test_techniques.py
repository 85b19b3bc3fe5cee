"""Technique by technique: what is asked at which margin, the smallest file within it, what is forgotten."""

import numpy as np
import pandas as pd
import pytest

from litecast import results
from litecast.figures import techniques as pictures
from litecast.results import choice, statistics, techniques


def line(technique, level, val, size, seed=0, variant="v", role="compressed", **more):
    return {"dataset": "d", "model": "m", "technique": technique, "level": level, "variant": variant, "seed": seed,
            "role": role, "val_wape": val, "test_wape": val, "bytes": size, "val_skill": 0.5, "runtime": "torch",
            "train_macs": size, "H": 2, "run": "runs/x/y", **more}  # fmt: skip


def collected(lines):
    """A table as `results.collect` gives it."""
    table = results.typed(pd.DataFrame(lines, columns=results.COLUMNS))
    table = table.assign(row_id=[results.row_id(row) for row in table.to_dict("records")])
    table["dense_id"] = table.row_id.map(results.reference(table)).astype(str)
    return table.assign(selected=results.select(table).astype(float), ratio=1000 / table.bytes)


ROWS = [
    line("dense", "8", 0.100, 1000, role="dense"),
    line("width", "4", 0.120, 300, role="dense"), line("width", "4", 0.121, 90, role="compressed", variant="int8"),
    line("cut", "0.25", 0.1005, 800), line("cut", "0.5", 0.1015, 500), line("cut", "0.75", 0.104, 200),
    line("cut", "0.9", 0.2, 50), line("cut", "0.5", 0.1, 9, role="control", control="random"),
    line("cut+bits", "0.5+4", 0.13, 100), line("bits", "4", 0.1012, 250), line("bits", "2", 0.15, 120),
]  # fmt: skip


def test_each_margin_asks_for_the_level_that_its_tolerance_selects():
    """Of 'bits' only level 4 is near at 2 and 5 %, and the better where none is; of the chain there is but one."""
    asked = {(pair.key["technique"], pair.key["level"]): pair.margins for pair in techniques.pairs(collected(ROWS))}
    assert asked == {("cut", "0.25"): (0.01,), ("cut", "0.5"): (0.02,), ("cut", "0.75"): (0.05,),
                     ("cut+bits", "0.5+4"): (0.01, 0.02, 0.05), ("bits", "4"): (0.01, 0.02, 0.05)}  # fmt: skip


def verdicts(**told):
    """'cut_025' -> {margin: verdict}, as lines of comparisons."""
    lines = []
    for name, found in told.items():
        technique, level = name.split("_")
        row = f"d/m/{technique.replace('0', '+')}/{level.replace('p', '.')}/v/s0"
        lines += [{"dataset": "d", "technique": technique, "row": row, "margin": margin, "verdict": verdict,
                   "delta": margin / 2, "low": 0.0, "high": margin} for margin, verdict in found.items()]
    return pd.DataFrame(lines)


def test_the_smallest_within_each_margin_by_hand():
    table = verdicts(cut_0p25={0.01: "within"}, cut_0p5={0.02: "within"}, cut_0p75={0.05: "undecided"},
                     bits_4={0.01: "undecided", 0.02: "undecided", 0.05: "within"}, bits_2={0.05: "worse"})  # fmt: skip
    found = techniques.smallest(collected(ROWS), table).set_index(["technique", "margin"])
    assert found.bytes["cut"].tolist() == [800, 500, 500], "what is within 2 % is within 5 %, and nothing smaller is"
    assert found.row["bits"].tolist() == ["", "", "d/m/bits/4/v/s0"] and np.isnan(found.bytes["bits", 0.01])
    assert found.files["bits"].tolist() == [1, 1, 2] and found.ratio["cut", 0.01] == pytest.approx(1.25)
    assert (found.loc[("cut", 0.05), ["delta", "low", "high"]] == [0.01, 0.0, 0.02]).all()
    nothing = techniques.smallest(collected(ROWS), table.assign(verdict=statistics.NO_SKILL))
    assert nothing.empty and list(nothing) == techniques.SMALLEST


def test_verdicts_of_real_losses_reach_the_table():
    """A file whose losses are those of its reference is within all margins; twice as large ones are within none."""
    rows = collected(ROWS)
    origins, draw = pd.date_range("2024-01-01", periods=24 * 7 * 12, freq="h"), np.random.default_rng(0)
    base = draw.uniform(1, 2, len(origins))
    losses = [pd.DataFrame({"row_id": name, "series": "a", "origin": origins,
                            "abs_err": base * (2 if "0.75" in name or "cut+bits" in name else 1)})
              for name in statistics.needed(rows, techniques.pairs)]
    told = statistics.compare(rows, pd.concat(losses), techniques.pairs)
    found = techniques.smallest(rows, told).set_index(["technique", "margin"])
    assert found.bytes["cut"].tolist() == [800, 500, 500] and (found.row["cut+bits"] == "").all()


def test_one_file_stands_for_each_technique():
    one = results.representatives(collected(ROWS)).set_index("technique")
    assert one.level.to_dict() == {"bits": "4", "cut": "0.25", "cut+bits": "0.5+4"}
    assert results.representatives(collected([row | {"val_skill": -1.0} for row in ROWS])).empty
    near = line("cut", "0.5", 0.1001, 700, variant="w")  # another variant, as near and smaller
    assert results.representatives(collected([*ROWS, near])).set_index("technique").variant["cut"] == "w"


def test_what_is_forgotten_by_hand():
    more = {"test_wape_holidays": 0.2, "test_wape_last": 0.3, "test_bias": -0.02, "test_drift": None}
    rows = [row | more for row in ROWS]
    rows[3] = rows[3] | {"test_wape_holidays": 0.25, "test_bias": 0.03, "test_drift": 0.01}
    lost = techniques.forgotten(collected(rows)).set_index("technique").loc["cut"]
    assert lost.test_wape == pytest.approx(0.005) and lost.test_wape_holidays == pytest.approx(0.25)
    assert lost.test_wape_last == pytest.approx(0) and lost.test_bias == pytest.approx(0.01)
    assert lost.test_drift == 0.01 and np.isnan(lost.test_wape_first)


def test_the_front_of_techniques_has_no_width_and_no_control():
    files = results.means(collected(ROWS))
    assert choice.techniques_front(files).level.tolist() == ["0.9", "0.5+4", "0.75", "4", "0.25"]
    assert choice.techniques_front(files, "train_macs").bytes.tolist() == [50, 100, 200, 250, 800]


def test_figures_of_all_techniques():
    lost = techniques.forgotten(collected([row | {"test_wape_last": 0.1} for row in ROWS]))
    (ax,) = pictures.forgets(lost).axes
    assert [text.get_text() for text in ax.get_xticklabels()] == ["all", "last\nstep"], "what is empty is left out"
    assert [text.get_text() for text in ax.texts][2:4] == ["+0.5", "+0.0"]
    files = results.means(collected(ROWS))
    for x in ("bytes", "train_macs"):
        (ax,) = pictures.two_fronts(files, x, link=lambda row: row["run"]).axes
        ours = next(line for line in ax.lines if line.get_label() == "front of techniques")
        assert ours.get_ydata()[:-1].tolist() == pytest.approx([0.2, 0.13, 0.104, 0.1012, 0.1005])
    both = pictures.two_fronts(files.assign(latency_ms_p50=np.nan), "bytes", "latency_ms_p50", "train_macs")
    assert [ax.get_xlabel()[:4] for ax in both.axes] == ["file", "trai"], "nothing was timed"
    assert "no technique" in pictures.two_fronts(files[files.technique == "dense"]).axes[0].texts[0].get_text()
    alone = pictures.two_fronts(files[results.is_technique(files)]).axes[0]
    assert [len(line.get_xdata()) for line in alone.lines] == [0, 6], "a study may have no front to beat"
    assert "no technique" in pictures.forgets(lost[:0]).axes[0].texts[0].get_text()
