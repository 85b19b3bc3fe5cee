"""Chains step by step, and the same steps in other orders: by hand."""

import numpy as np
import pandas as pd
import pytest

from litecast import results
from litecast.figures import chains as pictures
from litecast.results import chains

RUN = "runs/x/y"


def line(technique, level, storage, size, wape, route="", parent="", **more):
    return {"dataset": "d", "model": "m", "technique": technique, "level": level, "variant": storage, "seed": 0,
            "role": "compressed", "runtime": "torch", "bytes": size, "val_wape": wape, "test_wape": wape + 0.01,
            "train_macs": 5, "route": route, "parent_id": parent, "run": RUN, **more}


def typed(lines):
    table = results.typed(pd.DataFrame(lines, columns=results.COLUMNS))
    return table.assign(row_id=[results.row_id(row) for row in table.to_dict("records")])


DENSE, CUT, TAUGHT = "d/m/dense/8/float32/s0", "d/m/cut/0.5/l2-float32/s0", "d/m/cut+teach/0.5+0/mean:m-float32/s0"
ROWS = [
    line("dense", "8", "float32", 1000, 0.10, role="dense"),
    line("cut", "0.5", "l2-float32", 500, 0.12, "cut 0.5", DENSE),
    line("cut", "0.5", "l2-int8", 150, 0.12, "cut 0.5", DENSE),
    line("cut+teach", "0.5+0", "mean:m-float32", 500, 0.11, "cut 0.5 > teach 0", CUT),
    line("cut+teach", "0.5+0", "mean:m-int8", 150, 0.111, "cut 0.5 > teach 0", CUT),
    line("cut+teach+bits", "0.5+0-m+4", "lsq-packed", 100, 0.115, "cut 0.5 > teach 0 > bits 4", TAUGHT),
    line("cut+teach+bits", "0.5+0-m+4", "lsq-packed", None, 0.115, "cut 0.5 > teach 0 > bits 4",
         "d/m/cut+teach+bits/0.5+0-m+4/lsq-packed/s0", runtime="onnxruntime",
         copy_of="d/m/cut+teach+bits/0.5+0-m+4/lsq-packed/s0"),
    line("cut+teach+bits", "0.5+0-m+4", "lsq-packed", 100, 0.2, "", DENSE, role="control", control="scratch"),
]  # fmt: skip


def test_a_waterfall_by_hand():
    steps = chains.waterfalls(typed(ROWS))
    assert set(steps.chain) == {"cut 0.5 > teach 0 > bits 4"}, "a chain that goes on is told where it ends"
    assert steps.row_id.tolist() == [DENSE, CUT, TAUGHT, "d/m/cut+teach+bits/0.5+0-m+4/lsq-packed/s0"]
    assert steps.step.tolist() == [0, 1, 2, 3] and steps.technique.tolist() == ["", "cut", "teach", "bits"]
    assert steps.amount.tolist() == ["", "0.5", "0", "4"] and steps.bytes.tolist() == [1000, 500, 500, 100]
    np.testing.assert_allclose(steps.times, [np.nan, 2, 1, 5])
    np.testing.assert_allclose(steps.change, [np.nan, 0.13 / 0.11 - 1, 0.12 / 0.13 - 1, 0.125 / 0.12 - 1])


def test_the_last_file_is_told_again_where_another_storage_is_smaller():
    steps = chains.waterfalls(typed(ROWS[:5]))
    assert steps.bytes.tolist() == [1000, 500, 500, 150] and steps.technique.tolist() == ["", "cut", "teach", ""]
    assert steps.variant.iloc[-1] == "mean:m-int8" and steps.times.iloc[-1] == pytest.approx(500 / 150)


def test_routes_that_differ_in_a_criterion_alone_are_two_chains():
    cut = line("cut", "0.5", "l1-float32", 450, 0.13, "cut 0.5", DENSE)
    other = line("cut+teach", "0.5-l1+0", "mean:m-float32", 450, 0.12, "cut 0.5 > teach 0", "d/m/cut/0.5/l1-float32/s0")
    steps = chains.waterfalls(typed([*ROWS[:4], cut, other]))
    assert steps.groupby("chain", sort=False).bytes.agg(list).to_dict() == {
        "cut 0.5 > teach 0-mean:m": [1000, 500, 500], "cut 0.5-l1 > teach 0-mean:m": [1000, 450, 450]}


def test_means_over_seeds_follow_the_first_seed():
    second = [row | {"seed": 1, "val_wape": row["val_wape"] + 0.02, "parent_id": row["parent_id"].replace("s0", "s1")}
              for row in ROWS[:5]]
    steps = chains.waterfalls(typed(ROWS[:5] + second))
    assert steps.val_wape.tolist() == pytest.approx([0.11, 0.13, 0.12, 0.121]) and steps.row_id.iloc[0] == DENSE
    assert len(chains.waterfalls(typed(ROWS[:1]))) == 0 and list(chains.waterfalls(typed([]))) == chains.STEPS


def test_orders_are_the_same_steps_whatever_their_names():
    other = [line("teach+bits+cut", "0-m+4+0.5", "l2-float32", 480, 0.12, "teach 0 > bits 4 > cut 0.5"),
             line("teach+bits+cut", "0-m+4+0.5", "l2-int8", 140, 0.12, "teach 0 > bits 4 > cut 0.5"),
             line("teach+cut", "0-m+0.75", "l2-int8", 90, 0.12, "teach 0 > cut 0.75")]  # fmt: skip
    table = chains.orders(typed(ROWS + other))
    assert table.order.tolist() == ["cut 0.5 > teach 0 > bits 4", "teach 0 > bits 4 > cut 0.5"]
    assert set(table.steps) == {"bits 4 + cut 0.5 + teach 0"}, "another level is another chain"
    assert table.bytes.tolist() == [100, 140] and table.smallest.tolist() == [True, False]
    assert table.best.tolist() == [True, False]
    assert chains.orders(typed(ROWS)).empty and list(chains.orders(typed([]))) == chains.ORDERS


def test_levels_of_one_technique_are_one_step():
    assert chains._steps("prune 0.5 > prune 0.8 > share 16") == ["prune 0.8", "share 16"]


def test_figures_show_every_step_and_order():
    steps = chains.waterfalls(typed(ROWS))
    figure = pictures.waterfall(steps, link=lambda row: row["run"])
    bars = [patch for ax in figure.axes for patch in ax.patches]
    tops = sorted(round(1000 * (bar.get_y() + bar.get_height())) for bar in bars)
    assert tops == [100, 500, 500, 500, 1000, 1000]  # solid: 1000 500 500 100; pale: up to 1000 and up to 500
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert labels == ["dense", "cut\n50 %", "teach\n0", "bits\n4"]
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == ["10.0 %", "13.0 %"]
    other = line("teach+cut", "0-m+0.5", "l2-int8", 90, 0.125, "teach 0 > cut 0.5")
    kb, wape = pictures.orders(chains.orders(typed([*ROWS, other]))).axes
    assert [bar.get_width() for bar in kb.patches] == pytest.approx([0.15, 0.09])
    assert [text.get_text() for text in kb.get_yticklabels()] == ["m: cut 50 % > teach 0", "m: teach 0 > cut 50 %"]
    assert len(wape.collections) == 5, "two points an order, and a ring"
    for empty in (pictures.waterfall(steps[:0]), pictures.orders(chains.orders(typed(ROWS)))):
        assert len(empty.axes) == 1 and "no " in empty.axes[0].texts[0].get_text()
