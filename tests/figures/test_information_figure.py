"""Arrows are information, lines are compression."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from litecast.figures import fronts, information, style

PAIRS = pd.DataFrame([
    {"model": "nbeats@own", "family": "nbeats", "adds": True, "bytes": 8e3, "base_bytes": 4e3, "test_wape": 0.08,
     "base_test_wape": 0.10},
    {"model": "profile_mlp@none", "family": "profile_mlp", "adds": False, "bytes": 2e3, "base_bytes": 3e3,
     "test_wape": 0.11, "base_test_wape": 0.09},
])  # fmt: skip
LINES = pd.DataFrame([
    {"model": "nbeats@own", "technique": technique, "bytes": size, "test_wape": wape, "run": f"of {size:g}"}
    for technique, points in (("int8", [(8e3, 0.08), (3e3, 0.081)]), ("width", [(8e3, 0.08), (1e3, 0.9)]))
    for size, wape in points])  # fmt: skip


def drawn(**options):
    return information.information_and_size(PAIRS, LINES, **options)


def test_arrows_lead_from_the_less_told_to_the_more_told():
    arrows = [(a.xyann, a.xy) for a in drawn().axes[0].texts if getattr(a, "arrow_patch", None) and not a.get_text()]
    assert [pytest.approx(np.ravel(a)) for a in arrows[:2]] == [[4, 0.10, 8, 0.08], [2, 0.11, 3, 0.09]]


def test_lines_are_in_the_colours_of_their_techniques_and_lead_to_their_runs():
    figure = drawn(link=lambda row: row["run"])
    (ax,) = figure.axes
    colours = {tuple(line.get_xdata()): line.get_color() for line in ax.get_lines() if len(line.get_xdata()) == 2}
    assert colours[8, 3] == style.look("int8")[0] and colours[8, 1] == style.look("width")[0]
    assert "of 3000" in style.svg(figure) and ax.get_ylim()[1] < 0.2, "what is ruined is told, not drawn to scale"
    assert "1 file" in ax.texts[0].get_text()
    names = {text.get_text() for text in ax.texts}
    assert {"nbeats", "nbeats (own week)", "profile mlp", "profile mlp (no week)"} <= names
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["told more: same family, same width", "float32", "stored in fewer bits", "int8"]


def test_the_reference_is_a_line():
    flat = [line for line in drawn(reference=0.07).axes[0].get_lines() if set(line.get_ydata()) == {0.07}]
    assert len(flat) == 1 and "reference" in [text.get_text() for text in drawn(reference=0.07).axes[0].texts]
    assert "<svg" in style.svg(information.information_and_size(PAIRS.iloc[:0], LINES))


def test_fronts_draw_the_reference_as_a_line_and_the_family_s_widths_as_widths():
    def row(model, technique, wape, size, role="dense", **more):
        return {"dataset": "d", "model": model, "technique": technique, "role": role, "bytes": size, "test_wape": wape,
                "val_wape": wape, "variant": "", "control": "", "selected": 1.0, "row_id": f"{model} {size}"} | more

    rows = pd.DataFrame([
        row("nbeats", "width", 0.10, 2e3, variant="float32"), row("nbeats@own", "dense", 0.08, 8e3),
        row("nbeats@own", "width", 0.08, 8e3, variant="float32"), row("nlinear", "dense", 0.095, 3e3),
        row("reference", "ensemble", 0.07, 50e3, "ensemble"), row("nbeats", "ensemble", 0.09, 9e3, "ensemble")])
    figure = fronts.error_against(rows)
    assert [ax.get_title("left") for ax in figure.axes] == ["nbeats", "nbeats (own week)", "compact"]
    for ax in figure.axes:
        assert [line for line in ax.get_lines() if set(line.get_ydata()) == {0.07}], ax.get_title("left")
    points = {tuple(p): dots for dots in figure.axes[1].collections for p in dots.get_offsets()}
    colour = points[2.0, 0.10].get_edgecolor()[0][:3]
    assert np.allclose(colour, to_rgb(style.look("width")[0]))
    assert (50.0, 0.07) not in points and "reference" in [t.get_text() for t in figure.legends[0].get_texts()]
    names = [t.get_text() for t in fronts.trade(rows, {}).axes[0].texts]
    assert "reference" in names and "ensemble of reference" not in names
