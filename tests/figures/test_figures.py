"""Figures: what they show, in which colours, with which links, and with glyphs for all their signs."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from litecast import catalogue, results
from litecast.errors import LitecastError
from litecast.figures import data, forecasts, fronts, networks, references, style, sweeps

pytestmark = pytest.mark.filterwarnings("error:Glyph")


def rows(**columns):
    base = pd.DataFrame([
        ("naive", "classical", "naive", "", np.nan, 0.30),
        ("seasonal_naive", "classical", "naive", "", np.nan, 0.15),
        ("arima", "classical", "dense", "", np.nan, 0.12),
        ("lstm", "dense", "dense", "", 90e3, 0.100),
        ("lstm", "width", "dense", "8", 4e3, 0.130),
        ("lstm", "width", "dense", "16", 20e3, 0.110),
        ("lstm", "width", "dense", "24", 40e3, 0.120),
        ("dlinear", "dense", "dense", "", 6e3, 0.125),
        ("lstm", "magnitude_pruning", "compressed", "0.5", 50e3, 0.101),
        ("lstm", "magnitude_pruning", "compressed", "0.9", 12e3, 0.104),
        ("lstm", "magnitude_pruning", "control", "0.9", 12e3, 0.104),
    ], columns=["model", "technique", "role", "level", "bytes", "test_wape"])  # fmt: skip
    base = base.assign(dataset="서울-교통량", val_wape=base.test_wape, variant="", control="", selected=0.0,
                       run=[f"runs/x/n={i}" for i in range(len(base))])
    base.loc[9, "selected"] = 1.0
    return base.assign(**columns)


def drawn(figure):
    """Its SVG; a glyph that the fonts lack is an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return style.svg(figure)


def test_style_has_korean_glyphs_and_a_plain_minus():
    style.use()
    figure, axes = style.blank(1.5)
    axes[0].plot([-2, -1], [-1, 1], label="시간당 교통량 ≤ ½ · Δ – × ± → …")
    axes[0].legend()
    assert "<svg" in drawn(figure)
    with pytest.warns(UserWarning, match="Glyph"), warnings.catch_warnings():
        warnings.simplefilter("always")  # and the check is able to fail: no font here has this sign
        axes[0].set_title("\U0001f7f0\U00013000")
        style.svg(figure)


def test_importing_and_styling_needs_no_distutils():
    import sys

    style.use()
    assert "koreanize_matplotlib" not in sys.modules


def oklab(colours, seen_as=((1, 0, 0), (0, 1, 0), (0, 0, 1))):
    """Colours (N,) in OKLab (Ottosson 2020), after a linear map of what is seen: distances of 0.02 are just visible."""
    rgb = np.array([to_rgb(c) for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ np.transpose(seen_as)
    cones = np.cbrt(linear.clip(0, 1) @ np.transpose(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]))  # fmt: skip
    return cones @ np.transpose(
        [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip


def nearest(points):
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    return gaps[np.triu_indices(len(points), 1)].min()


# Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency"
DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))


def test_the_measure_of_colours_is_right():
    white, red = oklab(["#ffffff", "#ff0000"])
    np.testing.assert_allclose(white, [1, 0, 0], atol=1e-4)
    np.testing.assert_allclose(red, [0.62796, 0.22486, 0.12585], atol=1e-4)
    assert nearest(oklab(["#ff0000", "#8f7e00"], DEUTERANOPIA)) < 0.06 < 0.2 < nearest(oklab(["#ff0000", "#8f7e00"]))


def test_twenty_looks_are_told_apart_by_colour_and_by_marker():
    colours, markers = zip(*style.TWENTY, strict=True)
    assert len(colours) == 20 == len(set(markers)), "no marker twice: a chain borrows one"
    assert nearest(oklab(colours)) > 0.11
    assert nearest(oklab(colours, DEUTERANOPIA)) > 0.065 and nearest(oklab(colours, PROTANOPIA)) > 0.065
    assert oklab(colours)[:, 0].max() < 0.87, "seen on white"
    nets = [style.ROLES[role][0] for role in ("dense", "width", "compact", "deep")]
    assert np.linalg.norm(oklab(colours)[:, None] - oklab(nets), axis=2).min() > 0.06


def test_no_two_techniques_of_the_house_share_a_look():
    house = catalogue.members("compress", "LEVELS", "LOOK")
    assert all(style.look(name) == style.TWENTY[words["LOOK"]] for name, words in house.items()) and len(house) > 1
    looks = [style.look(name) for name in [*house, *style.ROLES]]
    assert len(set(looks)) == len(looks)


def test_chains_and_techniques_without_a_look(monkeypatch):
    monkeypatch.setattr(style, "LOOKS", {"first": ("#111111", "o"), "then": ("#222222", "^"), "dense": (0, "D")})
    assert style.look("first+then") == ("#222222", "o") and style.look("then+first") == ("#111111", "^")
    assert style.look("not_yet_written") == style.look("not_yet_written") in style.TWENTY
    assert style.look("first+not_yet_written") == (style.look("not_yet_written")[0], "o")
    assert style.looks(["dense", "lstm", "first+then", "lstm, longer"]) == {
        "dense": (0, "D"), "lstm": style.TWENTY[0], "first+then": ("#222222", "o"),
        "lstm, longer": style.TWENTY[1]}  # fmt: skip


def test_words_of_levels_and_chains():
    levels = ["random", "10", "0.5+8", "0.5+4", "9", "0.25+8"]
    assert sorted(levels, key=style.natural) == ["9", "10", "0.25+8", "0.5+4", "0.5+8", "random"]
    assert [style.share(level) for level in levels[:3]] == ["random", "10", "50 % + 8"]
    taught = ["0.5-taylor+1e-05", "0-reference+0.02", "0-reference+0.005"]
    assert sorted(taught, key=style.natural) == taught[::-1]
    assert [style.share(level) for level in taught[:2]] == ["50 % (taylor) + 0.001 %", "0 (reference) + 2 %"]
    assert style.called("channel_pruning+int8") == "channel pruning + int8"


@pytest.mark.parametrize(("value", "told"), [(12e6, "12M"), (12e3, "12k"), (1200, "1200"), (0.5, "0.5"), (-2e9, "-2G")])
def test_short_numbers(value, told):
    assert style.short(value) == told


def test_error_against_draws_lines_points_front_and_links():
    figure = fronts.error_against(rows(), "bytes", "서울-교통량", link=lambda row: f"{row['run']}/notebook.html")
    axes, last = figure.axes
    assert last.get_title("left") == "compact" and "dlinear" in [t.get_text() for t in last.texts]
    filled = [p.get_offsets().tolist() for p in last.collections if len(p.get_facecolor())]
    assert filled == [[[6, 0.125]]], "the chosen file of each compact network"
    assert axes.get_title("left") == "lstm" and axes.get_xscale() == "log"
    heights = {round(float(line.get_ydata()[0]), 3) for line in axes.get_lines() if len(set(line.get_ydata())) == 1}
    assert {0.15, 0.12} <= heights  # seasonal naive, ARIMA; naive is far off and told in words
    assert "naive 30.0 %" in axes.texts[0].get_text()
    front = [line for line in axes.get_lines() if line.get_drawstyle() == "steps-post"][0]
    assert list(front.get_xdata())[:-1] == [4, 6, 20] and list(front.get_ydata())[:-1] == [0.13, 0.125, 0.11]
    points = {tuple(np.round(p.get_offsets()[0], 4)): p for p in axes.collections if len(p.get_offsets()) == 1}
    assert len(points[12, 0.104].get_facecolor()) == 1 and len(points[50, 0.101].get_facecolor()) == 0  # filled, hollow
    text = drawn(figure)
    assert set(re.findall(r'xlink:href="(runs/[^"]+)"', text)) == {f"runs/x/n={i}/notebook.html" for i in range(3, 10)}
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert "magnitude pruning" in legend and "dense" in legend


def test_error_against_draws_a_function_once_and_a_chain_in_a_look_of_its_own():
    table, own = rows(), {"copy_of": "", "runtime": "torch"}
    files = table.assign(**own).iloc[[*range(10), 9, 9]].reset_index(drop=True)
    files.loc[10, ["technique", "level", "test_wape"]] = ["magnitude_pruning+int8", "0.9+8", 0.105]
    files.loc[11, ["copy_of", "runtime", "bytes"]] = ["x", "onnxruntime", 99e3]
    figure = fronts.error_against(files)
    points = {tuple(np.round(at, 3)): p for p in figure.axes[0].collections for at in p.get_offsets()}
    assert (12, 0.104) in points and (12, 0.105) in points and (99, 0.104) not in points
    edge = tuple(np.round(points[12, 0.105].get_edgecolor()[0][:3], 3))
    assert edge == tuple(np.round(to_rgb(style.look("int8")[0]), 3))
    assert "magnitude pruning + int8" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_error_against_keeps_one_colour_per_technique_in_all_panels():
    two = pd.concat([rows(), rows(model=rows().model.replace("lstm", "nbeats"))], ignore_index=True)
    figure = fronts.error_against(two, "bytes")
    panels = [ax for ax in figure.axes if ax.get_title("left")]
    assert [ax.get_title("left") for ax in panels] == ["lstm", "nbeats", "compact"]
    for ax in panels[:2]:
        found = {tuple(np.round(p.get_edgecolor()[0][:3], 3)) for p in ax.collections}
        assert tuple(np.round(to_rgb(style.look("magnitude_pruning")[0]), 3)) in found


def test_error_against_ruined_levels_do_not_squeeze_the_rest():
    ruined = rows()
    ruined.loc[8, "test_wape"] = 5.0
    axes = fronts.error_against(ruined, "bytes").axes[0]
    assert axes.get_ylim()[1] < 0.3
    assert "above: naive 30.0 %, 1 file" in axes.texts[0].get_text()


def test_error_against_without_any_file_and_with_a_wrong_axis():
    assert "<svg" in drawn(fronts.error_against(rows().iloc[:3], "bytes"))
    assert "<svg" in drawn(fronts.error_against(rows(), "latency_ms_p50"))  # nothing timed
    assert "<svg" in drawn(fronts.error_against(rows().iloc[:0], "bytes"))
    with pytest.raises(LitecastError, match="'kilos'.*bytes, latency_ms_p50, macs"):
        fronts.error_against(rows(), "kilos")


def test_log_ticks_are_plain_numbers():
    figure = fronts.error_against(rows(), "bytes")
    figure.draw_without_rendering()
    ticks = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert len(ticks) >= 3 and all(re.fullmatch(r"[\d.]+", t) for t in ticks)


def test_forest_shows_intervals_margins_and_far_points():
    table = pd.DataFrame({
        "row": ["a", "b", "b"], "margin": [0.02, 0.02, 0.05], "delta": [0.01, 0.9, 0.9], "low": [-0.005, 0.8, 0.8],
        "high": [0.025, 1.0, 1.0], "technique": "magnitude_pruning", "label": ["lstm, 서울", "nbeats", "nbeats"],
    })  # fmt: skip
    figure = references.forest(table, link=lambda row: f"to-{row['row']}")
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["lstm, 서울", "nbeats"]
    vertical = {round(float(line.get_xdata()[0]), 6) for line in axes.get_lines() if len(set(line.get_xdata())) == 1}
    assert {0.0, 1.0, 2.0, 5.0} <= vertical
    spans = [tuple(np.round(line.get_xdata(), 3)) for line in axes.get_lines() if len(set(line.get_ydata())) == 1]
    assert (-0.5, 2.5) in spans
    assert any(t.get_text() == "+90 %" for t in axes.texts)
    assert {"to-a", "to-b"} <= set(re.findall(r'xlink:href="(to-[^"]+)"', drawn(figure)))
    assert "<svg" in drawn(references.forest(table.iloc[:0]))


def test_forest_is_hollow_where_the_adjusted_verdict_is_open_whatever_its_interval_says():
    table = pd.DataFrame({"row": ["a", "b", "c"], "delta": [-0.1, -0.1, 0.1], "low": [-0.2, -0.2, 0.08],
                          "high": [-0.05, -0.05, 0.12], "technique": "magnitude_pruning",
                          "verdict": ["within", "undecided", "worse"]})  # fmt: skip
    points = [p for p in references.forest(table).axes[0].collections if len(p.get_offsets()) == 1]
    assert [tuple(p.get_facecolor()[0]) == (1, 1, 1, 1) for p in points] == [False, True, False]


# ---------------------------------------------------------------- the trade of page 1


def trade_rows():
    """The rows above with names, bytes of 0 for naive forecasts, and an ensemble, which has none."""
    table = rows().assign(bytes=lambda r: r.bytes.where(r.role != "naive", 0.0))
    ensemble = table.iloc[[3]].assign(technique="ensemble", role="ensemble", level="3", bytes=np.nan, test_wape=0.09)
    table = pd.concat([table, ensemble], ignore_index=True)
    return table.assign(row_id=[f"row {i}" for i in range(len(table))])


def at(axes, x, y):
    """Collections of the axes that have a point there."""
    return [dots for dots in axes.collections if any(np.allclose(p, (x, y), rtol=1e-6) for p in dots.get_offsets())]


def test_trade_has_every_technique_in_its_colour_the_front_and_rings():
    ringed = {"row 1": "1 kB: seasonal naive", "row 9": "16 kB: lstm", "row 11": "any size: average"}
    figure = fronts.trade(trade_rows(), ringed, "서울-교통량", link=lambda row: f"{row['run']}/notebook.html")
    (ax,) = figure.axes
    filled, ring = at(ax, 12, 0.104)
    colour = to_rgb(style.look("magnitude_pruning")[0])
    assert np.allclose(filled.get_facecolor()[0][:3], colour) and filled.get_alpha() > 0.9
    assert len(ring.get_facecolor()) == 0 and len(ring.get_offsets()) == 3
    (pale,) = at(ax, 50, 0.101)  # another level: the same colour, pale
    assert np.allclose(pale.get_facecolor()[0][:3], colour) and pale.get_alpha() < 0.5
    (front,) = [line for line in ax.get_lines() if line.get_drawstyle() == "steps-post"]
    assert list(front.get_xdata())[:-1] == [4, 6, 20] and list(front.get_ydata())[:-1] == [0.13, 0.125, 0.11]
    assert set(ringed.values()) <= {t.get_text() for t in ax.texts}
    left, right = ring.get_offsets()[0, 0], ring.get_offsets()[2, 0]  # without bytes to place them by: at the edges
    assert ax.get_xlim()[0] < left < 4 and 90 < right < ax.get_xlim()[1]
    heights = {round(float(line.get_ydata()[0]), 3) for line in ax.get_lines() if len(set(line.get_ydata())) == 1}
    assert {0.15, 0.09} <= heights and 0.12 not in heights  # free, and without a file; ARIMA is neither
    assert "ensemble of lstm" in [t.get_text() for t in ax.texts]
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert {"magnitude pruning", "trained narrow (front)", "compact network (front)", "pale: others"} <= set(legend)
    assert "runs/x/n=9/notebook.html" in drawn(figure)


def test_trade_shows_a_control_only_where_it_is_recommended():
    table = trade_rows()
    table.loc[10, ["bytes", "control", "test_wape"]] = [7e3, "scratch", 0.106]
    assert not at(fronts.trade(table, {"row 9": "x"}).axes[0], 7, 0.106)
    dot, ring = at(fronts.trade(table, {"row 10": "x"}).axes[0], 7, 0.106)
    assert dot.get_alpha() > 0.9


def test_trade_without_files_without_rings_and_for_a_narrow_screen():
    assert "<svg" in drawn(fronts.trade(trade_rows().iloc[:3], {}))
    assert "<svg" in drawn(fronts.trade(trade_rows().iloc[:0], {}))
    assert "<svg" in drawn(fronts.trade(trade_rows(), {}))
    slim = fronts.trade(trade_rows(), {}, width=3.7)
    assert slim.get_figwidth() == 3.7
    slim.draw_without_rendering()
    axes, legend = slim.axes[0].get_window_extent(), slim.legends[0].get_window_extent()
    assert axes.height > 1.8 * slim.dpi and legend.y1 < axes.y0, "a legend of many lines takes nothing from the panel"


def test_trade_keeps_far_off_techniques_from_squeezing_the_rest():
    table = trade_rows()
    table.loc[8, ["technique", "selected", "test_wape"]] = ["distillation", 1.0, 3.0]
    ax = fronts.trade(table, {"row 9": "x"}).axes[0]
    assert ax.get_ylim()[1] < 0.2 and "1 file" in ax.texts[0].get_text()


def test_names_avoid_lines_and_points_that_stand_in_their_way():
    figure, (ax,) = style.blank(2.0)
    ax.set(xlim=(0, 10), ylim=(0, 10))
    crowd = (np.linspace(5.2, 6.5, 30), np.full(30, 5.0))  # where a name would stand first
    fronts._name_points(ax, [5.0], [5.0], ["a name"], 4.0, avoid=crowd, lines=[5.0])
    box = ax.texts[0].get_window_extent()
    y = ax.transData.transform((0, 5.0))[1]
    assert not box.y0 < y < box.y1


def test_trained_longer_the_front_is_another():
    table = trade_rows().assign(copy_of="")
    longer = table.iloc[[5]].assign(control="extra_epochs", role="control", bytes=18e3, test_wape=0.08, val_wape=0.08)
    both = pd.concat([table, longer], ignore_index=True)
    for figure in (fronts.trade(both, {}), fronts.error_against(both)):
        (front,) = [line for line in figure.axes[0].get_lines() if line.get_drawstyle() == "steps-post"]
        assert 0.08 in list(front.get_ydata())


def test_weights_histogram_counts_zeros_apart():
    before = np.random.default_rng(0).normal(size=2000)
    after = np.where(np.abs(before) < 1, 0, before)
    figure = networks.weights_histogram(before, after, technique="magnitude_pruning")
    texts = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    share = 100 * (after == 0).mean()
    assert any(t == f"compressed: 2,000 weights, {share:.1f} % zero" for t in texts)
    assert any(t == "dense: 2,000 weights" for t in texts)
    assert "<svg" in drawn(networks.weights_histogram([], []))


def test_learning_curves_have_a_line_per_width_and_mark_its_best_step():
    log = pd.DataFrame({"step": [10, 20, 30], "train_loss": [3, 2, 1.0], "val_loss": [3, 1.5, 2.0]})
    figure = networks.learning_curves({"width 8": log, "width 16": log.assign(val_loss=[3, 2, 1.0])})
    (axes,), (legend,) = figure.axes, figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["width 8: best at step 20", "width 16: best at step 30"]
    marked = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [list(line.get_ydata()) for line in marked] == [[3, 1.5, 2], [3, 2, 1]]
    assert [line.get_markevery() for line in marked] == [[1], [2]]
    assert "<svg" in drawn(networks.learning_curves({}))
    cost = networks.learning_curves({"alone": log.assign(gmacs=[5.0, 6, 7])}, by="gmacs")
    (line,) = cost.axes[0].get_lines()
    assert list(line.get_xdata()) == [5, 6, 7] and list(line.get_ydata()) == [3, 1.5, 2], "of validation alone"
    assert [t.get_text() for t in cost.legends[0].get_texts()] == ["alone: best at 6"]


def test_error_profile_means_per_step():
    errors = pd.DataFrame({"step": [1, 1, 2, 2], "name": "lstm", "error": [1.0, 3.0, 5.0, 7.0]})
    (line,) = forecasts.error_profile(errors, unit="대/h").axes[0].get_lines()
    assert list(line.get_ydata()) == [2.0, 6.0]
    assert "<svg" in drawn(forecasts.error_profile(errors.iloc[:0]))


def test_level_curve_orders_levels_as_numbers_and_rings_the_selected():
    axes = sweeps.level_curve(rows(level=["", "", "", "", "", "", "", "", "10", "9", "9"])).axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["9", "10"]
    curve = next(line for line in axes.get_lines() if line.get_marker() != "None")
    assert list(curve.get_ydata()) == [0.104, 0.101]
    assert axes.collections[0].get_offsets().tolist() == [[0, 0.104]]
    assert any(set(line.get_ydata()) == {0.1} for line in axes.get_lines())  # dense
    assert "<svg" in drawn(sweeps.level_curve(rows().iloc[:3]))


def test_level_curve_says_what_a_level_is():
    table = rows()
    assert sweeps.level_curve(table).axes[0].get_xlabel() == "share of weights set to zero"
    chain = table.assign(technique=table.technique.replace("magnitude_pruning", "magnitude_pruning+int8"),
                         level=table.level.replace({"0.5": "0.5+8", "0.9": "0.9+8"}))
    axes = sweeps.level_curve(chain).axes[0]
    assert axes.get_xlabel() == "share of weights set to zero + bits of weights\nand activations"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["50 % + 8", "90 % + 8"]
    assert sweeps.level_curve(pd.concat([table, chain])).axes[0].get_xlabel() == "level"


def test_level_curve_names_the_variants_of_a_single_technique():
    table = rows()
    table = table[(table.role != "compressed") | (table.technique == "magnitude_pruning")].assign(variant="global")
    told = [text.get_text() for text in sweeps.level_curve(table).legends[0].get_texts()]
    assert told == ["global", "dense"]


def test_splits_fill_the_span():
    parts = pd.DataFrame([("a", "train", 0, 0.7), ("a", "val", 0.7, 0.8), ("a", "test", 0.8, 1)],
                         columns=["dataset", "part", "start", "end"])
    bars = data.split_spans(parts).axes[0].patches
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars] == [(0, 0.7), (0.7, 0.8), (0.8, 1)]
    assert "<svg" in drawn(data.split_spans(parts.iloc[:0]))


def test_figures_are_returned_not_kept_open():
    import matplotlib.pyplot as plt

    fronts.error_against(rows(), "bytes")
    assert plt.get_fignums() == []


def test_error_profile_ranks_series_that_are_too_many_to_be_named():
    many = [f"lane {i}" for i in range(forecasts.NAMED + 5)]
    errors = pd.DataFrame({"name": "lstm", "series": many, "error": np.random.default_rng(0).permutation(len(many))})
    (ax,) = forecasts.error_profile(errors, by=("series",)).axes
    assert (np.diff(ax.get_lines()[0].get_ydata()) > 0).all() and ax.get_xlabel().startswith("series, from small")
    assert not {tick.get_text() for tick in ax.get_xticklabels()} & set(many)
    (ax,) = forecasts.error_profile(errors.head(5), by=("series",)).axes
    assert [tick.get_text() for tick in ax.get_xticklabels()] == sorted(many[:5])


def test_error_profile_shows_kinds_of_days_as_points():
    errors = pd.DataFrame({"day": ["holidays", "other days"], "name": "lstm", "error": [3.0, 1.0]})
    axes = forecasts.error_profile(errors, by=("day",)).axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["holidays", "other days"]
    assert axes.get_lines()[0].get_linestyle() == "None"


# ---------------------------------------------------------------- the front, and all forecasters at once


def some_networks():
    """Three deep and four compact networks, in two seeds, and simple forecasts, of which naive is far off."""
    made = [
        ("lstm", 567e3, 101e3, 0.058), ("nbeats", 448e3, 450e3, 0.050), ("resnet1d", 1.03e6, 132e3, 0.0545),
        ("dlinear", 8064, 8112, 0.063), ("nlinear", 4032, 4056, 0.064), ("sparsetsf", 900, 400, 0.062),
        ("fits", 8100, 9800, 0.0632),
    ]  # fmt: skip
    lines = [{"model": m, "macs": macs, "params": p, "test_wape": wape + gap, "technique": "dense", "seed": seed,
              "role": "dense", "format": "litecast", "run": f"runs/{m}/{seed}"}
             for m, macs, p, wape in made for seed, gap in ((0, 0.001), (1, -0.001))]
    lines += [{"model": m, "test_wape": wape, "technique": "classical", "role": "naive", "variant": variant}
              for m, wape, variant in (("naive", 0.4, ""), ("seasonal_naive", 0.068, ""), ("arima", 0.0675, ""),
                                       ("boosting", 0.06, ""), ("boosting", 0.01, "weather"))]
    lines += [lines[0] | {"role": "control", "control": "extra_epochs", "test_wape": 0.001, "model": "patchtst"},
              lines[0] | {"technique": "published", "model": "tcn"}, lines[0] | {"copy_of": "lstm", "test_wape": 0.9},
              lines[0] | {"technique": "width", "model": "gru"}]
    return pd.DataFrame(lines).assign(dataset="서울-교통량").fillna({"control": "", "variant": "", "copy_of": ""})


def test_kinds_come_from_the_files_of_the_models():
    assert results.kinds()["lstm"] == "deep" and results.kinds()["dlinear"] == "compact"
    assert set(results.kinds().values()) == {"deep", "compact"}


def test_bubbles_are_the_dense_networks_at_their_means_over_seeds_and_lines_the_simple_forecasts():
    figure = fronts.bubbles(some_networks(), "서울-교통량", link=lambda row: f"{row['run']}/notebook.html")
    axes = figure.axes[0]
    families = {dots.get_label(): dots for dots in axes.collections}
    assert {k: len(dots.get_offsets()) for k, dots in families.items()} == {"deep": 3, "compact": 4}
    found = {tuple(np.round(p, 4)) for dots in families.values() for p in dots.get_offsets()}
    assert (448.0, 0.05) in found and (0.9, 0.062) in found
    areas = dict(zip(families["compact"].get_offsets()[:, 0], families["compact"].get_sizes(), strict=True))
    assert areas[0.9] == pytest.approx(20) and areas[8.064] == pytest.approx(8112**0.5)
    lines = {round(float(line.get_ydata()[0]), 4) for line in axes.get_lines()}
    assert lines == {0.068, 0.0675, 0.06}
    names = [t.get_text() for t in axes.texts]
    assert {"lstm", "nbeats", "resnet1d", "dlinear", "seasonal naive", "arima", "boosting"} <= set(names)
    assert not {"patchtst", "tcn", "gru", "naive"} & set(names)
    assert any(t.startswith("above: naive 40.0 %") for t in names) and axes.get_ylim()[1] < 0.1
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert {"deep networks", "compact networks", "parameters:"} <= set(legend)
    assert 2 <= len(set(legend) & {"100", "1000", "10k", "100k", "1M"}) <= 3, "more are wider than the page"
    links = set(re.findall(r'xlink:href="(runs/[^"]+)"', drawn(figure)))
    assert links == {f"runs/{m}/0/notebook.html" for m in ("lstm", "nbeats", "resnet1d", "dlinear", "nlinear",
                                                           "sparsetsf", "fits")}


def test_names_do_not_overlap():
    rng = np.random.default_rng(0)
    crowd = some_networks().iloc[:0]
    crowd = pd.DataFrame({"model": [f"network {i}" for i in range(20)], "macs": 10 ** rng.uniform(4, 6, 20),
                          "params": 10 ** rng.uniform(3, 6, 20), "test_wape": rng.uniform(0.05, 0.06, 20),
                          "technique": "dense"})
    figure = fronts.bubbles(crowd)
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text().startswith("network")]
    assert len(boxes) == 20
    overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.padded(-1).overlaps(b.padded(-1))]
    assert not overlaps
    assert "<svg" in drawn(fronts.bubbles(crowd.iloc[:0]))


def test_front_is_own_widths_and_all_compact_networks_chosen_on_validation():
    files = pd.DataFrame([
        ("lstm", "width", 1000, 0.10, ""), ("lstm", "width", 4000, 0.08, ""), ("gru", "width", 900, 0.01, ""),
        ("dlinear", "width", 2000, 0.09, ""), ("nlinear", "dense", 3000, 0.085, ""), ("dlinear", "cut", 10, 0.01, ""),
        ("nlinear", "dense", 3500, 0.09, ""), ("lstm", "dense", 500, 0.01, ""),
        ("dlinear", "dense", 5, 0.01, "scratch"),
        ("dlinear", "dense", np.nan, 0.01, ""),
    ], columns=["model", "technique", "bytes", "val_wape", "control"])  # fmt: skip
    assert list(results.front(files, "lstm").bytes) == [1000, 2000, 3000, 4000]
    assert list(results.front(files, "gru").bytes) == [900]
    assert list(results.front(files, "tcn").bytes) == [2000, 3000]
    assert list(results.front(files, None).bytes) == [900]


def test_a_compact_network_gets_a_panel_of_its_own_only_when_it_is_compressed():
    table = rows()
    more = table[table.model == "dlinear"].assign(technique="magnitude_pruning", role="compressed", bytes=3e3)
    panels = [ax.get_title("left") for ax in fronts.error_against(pd.concat([table, more]), "bytes").axes]
    assert panels == ["dlinear", "lstm", "compact"]
    ridge = table.iloc[[2]].assign(model="ridge", bytes=5e3, run="runs/200_classical/n=1")
    last = fronts.error_against(pd.concat([table, ridge]), "bytes").axes[-1]
    assert {"ridge", "dlinear"} <= {t.get_text() for t in last.texts}


@pytest.mark.parametrize("models", [3, 8, 14])
def test_many_panels_still_fit_on_a_page(models):
    one = some_networks()[lambda r: (r.model == "lstm") & (r.role == "dense")]
    rows = pd.concat([one.assign(model=f"lstm{i}") for i in range(models)] + [some_networks()], ignore_index=True)
    rows = rows.assign(val_wape=rows.test_wape, bytes=4 * rows.params, selected=1.0, level="1")
    figure = fronts.error_against(rows)
    assert len(figure.axes) > models and figure.get_figheight() <= style.TALLEST


def test_sensitivity_has_a_row_per_layer_and_a_number_per_cell():
    found = pd.DataFrame({"layer": ["b"] * 3 + ["a"] * 3, "weights": [8] * 3 + [2] * 3, "bits": [8, 4, 2] * 2,
                          "val_wape": [0.1, 0.101, 0.12, 0.1, 0.1, 0.0999]})
    (axes,) = sweeps.sensitivity(found.assign(added=found.val_wape - 0.1)).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["b (8)", "a (2)"], "in the order of the network"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["8", "4", "2"]
    assert [text.get_text() for text in axes.texts] == ["+0.00", "+1.00", "+20.00", "+0.00", "+0.00", "-0.10"]
