"""What is chosen among rows: references, levels, headlines, the front."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import results
from litecast.errors import RunError
from litecast.results import statistics


def typed(lines: list[dict]) -> pd.DataFrame:
    """A table as `collect` gives it, before anything is chosen."""
    table = results.typed(pd.DataFrame([{"runtime": "torch", **line} for line in lines], columns=results.COLUMNS))
    return table.assign(row_id=[results.row_id(row) for row in table.to_dict("records")])


def line(technique, level, val, size=100, seed=0, variant="v", role="compressed", **more):
    return {"dataset": "d", "model": "m", "technique": technique, "level": level, "variant": variant, "seed": seed,
            "role": role, "val_wape": val, "bytes": size, "live_params": 10, **more}


def test_reference_is_the_better_on_validation_by_means_over_seeds():
    dense = [line("dense", "16", val, seed=s, role="dense") for s, val in enumerate([0.10, 0.12])]
    extra = [line("dense", "16", val, seed=s, role="control", control="extra_epochs")
             for s, val in enumerate([0.105, 0.11])]
    table = typed(dense + extra + [line("x", "0.5", 0.2, seed=1), line("x", "0.5", 0.2, seed=7)])
    chosen = results.reference(table)
    assert chosen["d/m/x/0.5/v/s1"] == "d/m/dense/16/v/s1/extra_epochs"  # 0.1075 < 0.11
    assert chosen["d/m/dense/16/v/s0"] == "d/m/dense/16/v/s0/extra_epochs"
    assert chosen["d/m/x/0.5/v/s7"] == ""
    worse = table.assign(val_wape=table.val_wape + 0.02 * (table.control != ""))
    assert results.reference(worse)["d/m/x/0.5/v/s1"] == "d/m/dense/16/v/s1"


def test_width_rows_and_failed_rows_are_no_reference():
    table = typed([line("dense", "16", 0.10, role="dense"), line("width", "64", 0.05, role="dense"),
                   line("dense", "16", 0.01, role="control", control="extra_epochs", error="diverged")])
    assert set(results.reference(table)) == {"d/m/dense/16/v/s0"}


SWEEP = [line("dense", "16", 0.100, 1000, role="dense"), line("x", "0.5", 0.099, 500), line("x", "0.8", 0.1009, 200),
         line("x", "0.9", 0.102, 100), line("y", "a", 0.2, 10), line("y", "b", 0.15, 900)]


def chosen(table):
    return set(table[results.select(table)].row_id)


def test_selection_takes_the_smallest_within_a_percent_else_the_best():
    assert chosen(typed(SWEEP)) == {"d/m/dense/16/v/s0", "d/m/x/0.8/v/s0", "d/m/y/b/v/s0"}


def test_selection_is_one_level_per_variant_and_on_means_over_seeds():
    more = [line("x", "0.9", 0.0990, 100, seed=1), line("x", "0.8", 0.2, 200, seed=1),
            line("x", "0.5", 0.1, 500, seed=1), line("dense", "16", 0.104, 1000, seed=1, role="dense"),
            line("x", "0.9", 0.3, 90, variant="w")]
    picked = chosen(typed(SWEEP + more))  # reference 0.102: x 0.9 has 0.1005, x 0.8 has 0.15
    assert {i for i in picked if "/x/" in i} == {"d/m/x/0.9/v/s0", "d/m/x/0.9/v/s1", "d/m/x/0.9/w/s0"}


def test_of_equal_levels_the_first_is_selected():
    assert chosen(typed([line("x", level, 0.1, 10) for level in ("0.9", "0.5", "0.8")])) == {"d/m/x/0.5/v/s0"}


def test_controls_and_failures_are_not_selected():
    table = typed([*SWEEP, line("x", "0.8", 0.05, 5, role="control", control="random"),
                   line("x", "0.99", 0.05, 5, error="diverged"), line("x", "0.98", None, 5)])
    assert chosen(table) == chosen(typed(SWEEP))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=12, deadline=None)
def test_selection_reads_no_test_column_and_not_the_order_of_rows(seed):
    rng = np.random.default_rng(seed)
    lines = [line(t, str(level), rng.uniform(0.09, 0.11), int(rng.integers(10, 999)), seed=s, test_wape=rng.random(),
                  role="dense" if t == "dense" else "compressed")
             for t, levels in (("dense", [1]), ("x", range(4)), ("y", range(3))) for level in levels for s in range(2)]
    table = typed(lines)
    other = table.copy()
    for name in [name for name in table if name.startswith("test_")]:
        other[name] = rng.permutation(table[name].to_numpy())
    assert chosen(other) == chosen(table) == chosen(table.sample(frac=1, random_state=seed % 1000))
    assert results.select(table).groupby([table.technique, table.seed]).sum().eq(1).all()


def test_skill_is_decided_on_validation_alone():
    table = typed([line("dense", "1", 0.1, role="dense", model="m", val_skill=-0.01, test_skill=0.1),
                   line("dense", "1", 0.1, role="dense", val_skill=0.2, test_skill=-0.1) | {"model": "n"}])
    assert results.has_skill(table).to_dict() == {("d", "m"): False, ("d", "n"): True}


def test_means_are_over_seeds_and_keep_the_first_seed_s_names():
    table = typed([line("x", "0.5", 0.2, seed=1), line("x", "0.5", 0.1, seed=0), line("x", "0.9", 0.5),
                   line("x", "0.5", 0.9, seed=2, error="diverged"), line("x", "0.5", 0.7, control="random")])
    made = results.means(table)
    assert list(made.columns) == results.COLUMNS
    assert made.set_index("row_id").val_wape.round(9).to_dict() == {
        "d/m/x/0.5/v/s0": 0.15, "d/m/x/0.9/v/s0": 0.5, "d/m/x/0.5/v/s0/random": 0.7}
    assert results.means(typed([])).empty


FREE = {"model": "seasonal_naive", "variant": "", "level": ""}


def free(val, test, **more):
    return line("classical", "", val, 0, role="naive", test_wape=test) | FREE | more


def test_headline_by_hand():
    table = typed([
        line("dense", "64", 0.100, 90_000, role="dense", test_wape=0.11, val_skill=0.1),
        line("x", "0.5", 0.1019, 15_000, test_wape=0.115), line("x", "0.9", 0.103, 3_000, test_wape=0.09),
        line("x", "0.8", 0.099, 900, role="control", control="random", test_wape=0.12),
        line("width", "8", 0.11, 3_900, role="dense", test_wape=0.12),
        line("y", "1", 0.5, 400, test_wape=0.01), free(0.104, 0.105), free(0.2, 0.2, model="naive"),
        line("classical", "", 0.01, 900, role="control", control="oracle", test_wape=0.01),
        line("classical", "", 0.01, 800, role="dense", variant="weather", test_wape=0.01) | {"model": "boosting"},
        line("ensemble", "2", 0.0985, None, role="ensemble", test_wape=0.108),
        line("dense", "1", 0.9, 10, role="dense", val_skill=-1, test_wape=0.3) | {"dataset": "prices"},
        free(0.3, 0.4, dataset="prices"),
    ])
    good, bad = results.headline(table).sort_values("dataset").to_dict("records")
    assert good["skill"] and good["best"] == "d/m/ensemble/2/v/s0" and good["best_wape"] == 0.108
    assert good["free"] == "d/seasonal_naive/classical/-/-/s0" and good["free_wape"] == 0.105
    # a control is recommended as what it is; what loses to the free forecast never is
    assert good["small"] == "d/m/x/0.8/v/s0/random" and good["small_kb"] == 0.9 and good["small_wape"] == 0.12
    assert [good[f"wape_{kb}kb"] for kb in results.BUDGETS_KB] == [0.12, 0.12, 0.12, 0.12]
    assert bad["dataset"] == "prices" and not bad["skill"]
    assert bad["best"] == bad["small"] == bad["row_64kb"] == "prices/seasonal_naive/classical/-/-/s0"
    assert bad["small_kb"] == 0 and bad["wape_1kb"] == 0.4


def test_the_smallest_file_lies_within_two_percent_of_the_best():
    dense = line("dense", "64", 0.100, 90_000, role="dense", test_wape=0.1)
    for val, small in ((0.1019, 15.0), (0.1021, 90.0)):
        table = typed([dense, line("x", "0.5", val, 15_000, test_wape=0.1), line("x", "0.1", 0.3, 10, test_wape=0.1)])
        assert results.headline(table).small_kb[0] == small


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_nothing_recommended_is_worse_than_the_free_forecast_on_validation(seed):
    rng = np.random.default_rng(seed)
    kinds = [("compressed", ""), ("dense", ""), ("control", "random")]
    lines = [line(f"x{i}", "1", rng.uniform(0.05, 0.2), int(rng.integers(200, 90_000)), role=kinds[i % 3][0],
                  control=kinds[i % 3][1], test_wape=rng.random(), dataset=f"d{rng.integers(3)}")
             for i in range(24)]
    lines += [free(rng.uniform(0.05, 0.2), rng.random(), dataset=f"d{d}") for d in range(3)]
    table = typed(lines)
    known = table.set_index("row_id").val_wape
    for head in results.headline(table).to_dict("records"):
        picks = [head[name] for name in ("best", "small", *(f"row_{kb}kb" for kb in results.BUDGETS_KB))]
        assert all(known[pick] <= known[head["free"]] for pick in picks[:1] + picks[2:])
        assert known[head["small"]] <= 1.02 * known[head["best"]]
        steps = [known[pick] for pick in picks[2:]]
        assert steps == sorted(steps, reverse=True)  # more bytes never cost


def test_regret_and_foresight_by_hand():
    table = typed([free(0.2, 0.2), line("x", "1", 0.10, 900, test_wape=0.12), line("x", "2", 0.11, 900, test_wape=0.10),
                   line("x", "3", 0.09, 5_000, test_wape=0.11), line("x", "4", 0.3, 60_000, test_wape=0.3),
                   line("x", "5", 0.01, 10, error="diverged", test_wape=0.01)])
    made = results.regrets(table).set_index("kb")
    assert made.chosen.str.split("/").str[3].to_dict() == {1: "1", 4: "1", 16: "3", 64: "3"}
    assert made.regret.to_numpy() == pytest.approx([0.2, 0.2, 0.1, 0.1]) and made.candidates.tolist() == [3, 3, 4, 5]
    assert made.lowest_wape.tolist() == [0.10] * 4 and set(made.lowest.str.split("/").str[3]) == {"2"}
    seen = results.foresight(table.assign(val_wape_holidays=1 / table.val_wape, test_wape_holidays=table.test_wape,
                                          val_wape_ordinary=table.val_wape, test_wape_ordinary=table.val_wape)).iloc[0]
    # ranks of validation 4 2 3 1 5, of test 4 3 1 2 5: squared gaps 0 1 4 1 0
    assert seen.files == 5 and seen.rho == pytest.approx(1 - 6 * 6 / (5 * 24))
    assert seen.rho_holidays == pytest.approx(-seen.rho) and seen.rho_ordinary == pytest.approx(1)
    assert results.regrets(typed([])).empty and results.headline(typed([])).empty and results.foresight(typed([])).empty


def test_ordinary_days_alone_are_chosen_and_judged_by_their_own_errors():
    days = [{"val_wape_ordinary": v, "test_wape_ordinary": t} for v, t in ((0.3, 0.30), (0.2, 0.25))]
    table = typed([line("x", "1", 0.1, 900, test_wape=0.2) | days[0], line("x", "2", 0.2, 900, test_wape=0.1) | days[1],
                   line("x", "3", 0.01, 900, test_wape=0.1)])  # of data without holidays
    made = results.regrets(results.on_ordinary_days(table)).set_index("kb").loc[4]
    assert made.chosen.split("/")[3] == "2" and made.regret == 0 and made.candidates == 2
    assert results.regrets(table).regret[0] == 0 and results.regrets(table).chosen[0].split("/")[3] == "3"


def test_a_dense_network_is_one_candidate_though_it_is_one_of_the_widths():
    table = typed([line("width", "64", 0.1, 10, role="dense", artefact="a"), line("dense", "64", 0.1, 10, role="dense",
                   artefact="a"), line("dense", "64", 0.3, 10, role="dense", seed=1, artefact="b")])
    made = results.candidates(table)
    assert made.technique.tolist() == ["dense"] and made.val_wape.tolist() == [0.2]  # with all its seeds


# ---- one function, several runtimes

ONNX = {"runtime": "onnxruntime", "format": "onnx"}
SKILL = {"val_skill": 0.1, "test_skill": 0.1}


def copy(row: dict) -> dict:
    """The same function as an ONNX file of 1 byte that validates best of all: it would win whatever counts it."""
    return row | ONNX | {"bytes": 1, "copy_of": results.row_id({"runtime": "torch", **row})}


def test_an_int8_file_of_another_runtime_is_chosen_like_any_other():
    sweep = [*SWEEP, line("int8", "8", 0.0995, 300, **ONNX), line("int8", "4", 0.1005, 150, **ONNX)]
    small = "d/m/int8/4/v/s0/onnxruntime"
    assert chosen(typed(sweep)) == chosen(typed(SWEEP)) | {small}
    table = typed([row | SKILL | {"test_wape": row["val_wape"]} for row in sweep])
    head = results.headline(table).iloc[0]
    assert head.small == small and head.small_kb == 0.15 and head.best == "d/m/x/0.5/v/s0"
    assert head.row_4kb == "d/m/x/0.5/v/s0"
    better = table.assign(val_wape=table.val_wape.where(table.row_id != small, 0.09))
    head = results.headline(better).iloc[0]
    assert head.best == head.small == head.row_4kb == small
    assert len(results.own(better)) == len(better) and small in set(results.means(better).row_id)
    assert small in [name for pair in statistics.pairs(better.assign(
        selected=results.select(better).astype(float),
        dense_id=better.row_id.map(results.reference(better)))) for name in pair.rows]


def test_a_copy_is_selected_with_its_original_and_counts_nowhere_else():
    copies = [copy(row) | {"val_wape": 0.01, "test_wape": 0.0} | SKILL for row in SWEEP]
    rows = [row | SKILL | {"test_wape": row["val_wape"]} for row in SWEEP]
    plain, both = typed(rows), typed(rows + copies)
    assert chosen(both) == chosen(plain) | {f"{name}/onnxruntime" for name in chosen(plain)}
    assert results.reference(both)[plain.row_id].equals(results.reference(plain))
    bulky = typed(rows + [row | {"bytes": 9999} for row in copies])  # as large as ONNX files are
    assert results.reference(bulky)[plain.row_id].equals(results.reference(plain))
    assert results.has_skill(both.assign(test_skill=both.test_skill.where(both.copy_of == "", -9))).all()
    pd.testing.assert_frame_equal(results.headline(both), results.headline(plain))
    pd.testing.assert_frame_equal(results.own(results.means(both)).reset_index(drop=True), results.means(plain))
    orphans = typed(copies)
    assert not chosen(orphans) and results.headline(orphans).empty and results.own(orphans).empty


def test_what_a_seed_s_copy_has_does_not_move_the_reference_of_seeds_without_dense():
    rows = [line("dense", "1", 0.100, role="dense"), line("dense", "1", 0.200, seed=1, role="dense"),
            line("x", "a", 0.151, 5, seed=7), line("x", "b", 0.140, 50, seed=7)]  # reference: 0.15, by the mean
    copies = [copy(rows[0]) | {"bytes": n, "variant": str(n)} for n in range(5)]
    assert chosen(typed(rows)) & {"d/m/x/a/v/s7"} == chosen(typed(rows + copies)) & {"d/m/x/a/v/s7"} == {"d/m/x/a/v/s7"}


def test_times_are_shown_in_the_runtime_that_timed_most_functions():
    dense, x = line("dense", "1", 0.1, role="dense", latency_ms_p50=4.0), line("x", "a", 0.1, latency_ms_p50=2.0)
    int8 = line("int8", "8", 0.1, latency_ms_p50=0.5, latency_ratio=2.0, run="i", **ONNX)
    copies = [copy(row) | {"latency_ms_p50": ms, "latency_ratio": 1 / ms, "run": "t"}
              for row, ms in ((dense, 1), (x, 0.8))]
    table = typed([dense, x, int8, line("y", "a", 0.1), *copies])
    shown, runtime = results.in_one_runtime(table)
    assert runtime == "onnxruntime" and set(shown.row_id) == set(table.row_id[table.copy_of == ""])
    shown = shown.set_index("technique")
    assert shown.latency_ms_p50.dropna().to_dict() == {"dense": 1.0, "x": 0.8, "int8": 0.5}
    assert shown.latency_ratio["x"] == 1.25 and shown.run.to_dict() == {"dense": "t", "x": "t", "int8": "i", "y": ""}
    assert results.in_one_runtime(table[table.technique != "int8"])[1] == "onnxruntime"  # of equals the copied-to one
    assert results.in_one_runtime(table[table.copy_of == ""])[1] == "torch"
    more = typed([line("z", str(n), 0.1, latency_ms_p50=1.0) for n in range(3)])
    assert results.in_one_runtime(pd.concat([table, more]))[1] == "torch"  # five against three
    assert results.in_one_runtime(results.means(table))[0].latency_ms_p50.sum() == 2.3
    assert results.in_one_runtime(typed([]))[1] == ""


@pytest.mark.parametrize("x", ["bytes", "macs", "latency_ms_p50"])
def test_the_front_holds_a_function_once_whatever_is_size(x):
    deep, compact = (next(name for name, kind in results.kinds().items() if kind == wanted)
                     for wanted in ("deep", "compact"))
    rows = [line("width", "8", 0.12) | {"model": deep, x: 10}, line("width", "64", 0.10) | {"model": deep, x: 30},
            line("dense", "4", 0.11, role="dense") | {"model": compact, x: 20},
            line("width", "4", 0.13) | {"model": compact, x: 20}, line("x", "a", 0.01) | {"model": deep, x: 1},
            line("width", "8", 0.01, control="random", role="control") | {"model": deep, x: 5},
            line("width", "8", 0.115, variant="int8", **ONNX) | {"model": compact, x: 15}]
    copies = [row | {x: 1} | ONNX | {"copy_of": results.row_id({"runtime": "torch", **row})} for row in rows[:4]]
    steps = results.front(typed(rows + copies), deep, x)
    assert steps[[x, "val_wape"]].to_numpy().tolist() == [[10, 0.12], [15, 0.115], [20, 0.11], [30, 0.1]]
    assert (steps.copy_of == "").all()


def test_boosted_trees_and_what_was_trained_for_longer_stand_on_the_front():
    deep = next(name for name, kind in results.kinds().items() if kind == "deep")
    longer = {"control": "extra_epochs", "role": "control"}
    rows = [line("width", "8", 0.12, 10) | {"model": deep}, line("width", "8", 0.11, 20, **longer) | {"model": deep},
            line("dense", "64", 0.10, 30, **longer) | {"model": "another"},  # of another deep family
            line("classical", "", 0.09, 40, role="dense") | {"model": "boosting"},
            line("classical", "", 0.01, 41, role="control", control="oracle") | {"model": "boosting"},
            line("classical", "", 0.02, 42, role="dense") | {"model": "ridge"}]
    assert results.front(typed(rows), deep)[["bytes", "val_wape"]].to_numpy().tolist() == [
        [10, 0.12], [20, 0.11], [40, 0.09]]


@pytest.mark.parametrize("size, fits", [(1000, True), (1001, False)])
def test_a_kilobyte_is_a_thousand_bytes(size, fits):
    rows = typed([line("x", "1", 0.1, size, test_wape=0.1), free(0.2, 0.2)])
    assert (results.within(results.candidates(rows), 1).technique.iloc[0] == "x") == fits


# ---- what a notebook says

def test_near_is_at_most_the_share():
    assert results.near(101, 100, 0.01) and not results.near(101.01, 100, 0.01) and results.near(50, 100, 0.0)
    assert results.near(pd.Series([1.0, 1.02, np.nan]), 1, 0.01).tolist() == [True, False, False]


def test_the_smallest_width_within_a_percent_of_the_best():
    rows = [{"level": w, "bytes": b, "val_wape": v} for w, b, v in
            ((8, 400, 0.1011), (32, 100, 0.1009), (16, 200, 0.1010), (64, 900, 0.1000))]
    assert results.smallest(rows)["level"] == 16 and results.smallest(rows, "bytes")["level"] == 32
    assert results.smallest(rows[:1])["level"] == 8
    assert results.smallest(pd.DataFrame(rows).to_dict("records"))["level"] == 16


def test_the_chosen_file_is_told_with_its_case():
    rows = [line("x", 0.5, 0.099, 500), line("x", 0.8, 0.1009, 200), line("x", 0.8, 0.1, 100, variant="w"),
            line("x", 0.9, 0.09, 5, control="random", role="control"), line("x", 0.95, 0.09, 5, error="diverged")]
    rows = [row | {"runtime": "torch", "row_id": results.row_id({"runtime": "torch", **row})} for row in rows]
    first = line("dense", 16, 0.100, 900, role="dense") | {"row_id": "d/m/dense/16/v/s0"}
    longer = first | {"val_wape": 0.0995, "control": "extra_epochs", "role": "control", "row_id": "d/m/dense/16/v/s0/e"}
    best, is_near = results.chosen(rows, first)
    assert is_near and (best.variant, best.level, best.bytes) == ("w", 0.8, 100)  # as given: the level is a number
    best, is_near = results.chosen(rows[:2], first, longer)
    assert is_near and best.level == 0.5  # 0.1009 is beyond 1 % of the better reference
    best, is_near = results.chosen(rows[1:2], first, longer)
    assert not is_near and best.level == 0.8
    best, is_near = results.chosen(pd.DataFrame([first, *rows]), first)
    assert is_near and best.variant == "w"  # a reference is never chosen itself, nor counted twice
    assert results.chosen([first | {"bytes": 1}, *rows], first)[0].variant == "w"
    wide = line("width", 8, 0.1, 1) | {"row_id": "d/m/width/8/v/s0"}
    assert results.chosen(rows, first, wide)[0].variant == "w"  # what is only known is no candidate
    for nothing in ([], rows[3:], pd.DataFrame()):
        with pytest.raises(RunError, match="nothing can be chosen"):
            results.chosen(nothing, first)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_chosen_is_what_select_takes(seed):
    rng = np.random.default_rng(seed)
    lines = [line("dense", 1, rng.uniform(0.09, 0.11), 1000, role="dense"),
             line("dense", 1, rng.uniform(0.09, 0.11), 1000, role="control", control="extra_epochs")]
    kinds = [("v", {}), ("w", {}), ("v", ONNX)]
    lines += [line("x", level, rng.uniform(0.095, 0.115), int(rng.integers(10, 999)), variant=variant, **more)
              for variant, more in kinds[: rng.integers(1, 4)] for level in range(rng.integers(1, 5))]
    table = typed(lines)
    selected = table[results.select(table) & (table.technique == "x")]
    limit = 1.01 * table.val_wape[:2].min()
    within = selected[selected.val_wape <= limit]
    expected = within.sort_values("bytes") if len(within) else selected.sort_values("val_wape")
    best, is_near = results.chosen(table[table.technique == "x"], *table[:2].to_dict("records"))
    assert (best.row_id, is_near) == (expected.row_id.iloc[0], len(within) > 0)
    if selected.groupby(results.GROUP).ngroups == 1:
        assert set(selected.row_id) == {best.row_id}


# ---- what a network is told, and the reference

def test_words_of_a_compact_family_are_compact_and_of_a_deep_one_its_own_widths():
    def wide(model, val, size, **more):
        return line("width", "8", val, size, variant="float32", role="dense") | {"model": model} | more

    table = typed([wide("nbeats", 0.30, 50), wide("nbeats@own", 0.20, 90), wide("lstm@own", 0.01, 10),
                   wide("profile_mlp@none", 0.25, 70), wide("nlinear", 0.28, 60), wide("nbeats@own", 0.5, 40)
                   | {"technique": "x", "role": "compressed"}])
    assert list(results.front(table, "nbeats@own").model) == ["nbeats", "nlinear", "profile_mlp@none", "nbeats@own"]
    assert list(results.front(table, "nbeats").row_id) == list(results.front(table, "nbeats@own").row_id)
    assert list(results.front(table, "lstm").model) == ["lstm@own"]
    assert list(results.front(table, None).model) == ["lstm@own"]
    assert list(results.front(table[table.model != "lstm@own"], "gru").model) == ["nlinear", "profile_mlp@none"]


def test_members_are_dense_networks_and_what_else_has_a_file_the_best_first():
    table = typed([
        line("dense", "8", 0.12, role="dense", artefact="a"),
        line("dense", "8", 0.10, role="dense", artefact="b", seed=1),
        line("dense", "8", 0.11, role="control", control="extra_epochs", artefact="c"),
        line("classical", "", 0.09, role="dense", artefact="d") | {"model": "boosting"},
        line("classical", "", 0.01, role="dense") | {"model": "arima"},  # no file
        line("classical", "", 0.01, role="dense", artefact="w", variant="weather") | {"model": "boosting"},
        line("classical", "", 0.01, role="control", control="oracle", artefact="e") | {"model": "boosting"},
        line("x", "0.5", 0.01, artefact="f"), line("width", "8", 0.01, role="dense", artefact="g"),
        line("dense", "8", 0.01, role="dense", artefact="h", seed=2, error="diverged"),
        line("dense", "8", 0.01, role="dense", artefact="i", seed=3, copy_of="another")])
    assert list(results.members(table).artefact) == ["d", "b", "c", "a"]


def test_a_committee_takes_from_each_model_what_no_smaller_file_beats():
    table = typed([
        line("rate", "0.01", 0.12, 2_000, artefact="a"), line("rate", "0.02", 0.13, 2_500, artefact="b"),
        line("dense", "8", 0.11, 9_000, role="dense", artefact="c"),
        line("rate", "0.01", 0.10, 1_000, role="control", control="untrained", artefact="d") | {"model": "n"},
        line("rate", "0.03", 0.05, 16_001, artefact="e"), line("rate", "0.04", 0.05, 500),  # too large; without a file
        line("ensemble", "2", 0.01, 3_000, role="ensemble", artefact="f"),
        line("x", "1", 0.01, 100, role="control", control="oracle", artefact="g"),
        line("x", "2", 0.01, 100, artefact="h", copy_of="another"),
        line("x", "3", 0.01, 100, artefact="i", error="no")])
    assert list(results.small_files(table, 16).artefact) == ["d", "c", "a"]
    assert list(results.small_files(table, 2).artefact) == ["d", "a"] and results.small_files(table, 0.5).empty


def test_the_reference_is_the_best_and_fits_a_budget_by_the_bytes_of_all_its_files():
    mean = line("ensemble", "2", 0.09, 60_000, role="ensemble", variant="", seed=None, test_wape=0.095)
    table = typed([line("dense", "8", 0.10, 30_000, role="dense", val_skill=0.1, test_wape=0.1),
                   line("x", "0.5", 0.0917, 20_000, test_wape=0.094), mean | {"model": results.REFERENCE}])
    [head] = results.headline(table).to_dict("records")
    assert head["best"] == head["row_64kb"] == "d/reference/ensemble/2/-/s-" and head["row_16kb"] != head["row_16kb"]
    assert head["small"] == "d/m/x/0.5/v/s0", "within 2 % of the mean, not of the best single file"
    far = table.assign(val_wape=table.val_wape.replace(0.0917, 0.0919))
    assert results.headline(far).small[0] == "d/reference/ensemble/2/-/s-"
    assert not results.select(table)[table.technique != "ensemble"].empty and results.front(table, "m").empty
