"""The O/D frame keeps its rules, gives known values, and its pictures show the numbers that they claim to."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast.data import od
from litecast.errors import DataError
from litecast.figures import od as od_pictures

PARTS = {"work": "출근", "home": "귀가"}


def frame(zones: int = 3, total: bool = True, **header) -> od.ODFrame:
    """Trips from o to d: work 10·o + d, home one more."""
    origin, destination = (part.ravel().astype("int32") + 1 for part in np.indices((zones, zones)))
    table = pd.DataFrame({"origin": origin, "destination": destination, "work": 10.0 * origin + destination})
    table["home"] = table["work"] + 1
    if total:
        table["total"] = table["work"] + table["home"]
    head = od.Header("toy", od.TRIPS, "purpose", 2023, 2023, PARTS)
    names = pd.DataFrame({"id": range(1, zones + 1), "name": [f"존 {z}" for z in range(1, zones + 1)]})
    return od.ODFrame(replace(head, **header), table, od.complete(names))


def placed(x: list[float], y: list[float], unit: str) -> od.ODFrame:
    one = frame(len(x), coordinates=unit)
    return od.ODFrame(one.header, one.table, one.zones.assign(x=x, y=y))


def test_values_by_hand():
    one = frame().check()
    assert one.Z == 3
    np.testing.assert_array_equal(one.matrix("work"), [[11, 12, 13], [21, 22, 23], [31, 32, 33]])
    assert one.matrix()[2, 0] == 31 + 32
    assert one.matrix("home").sum() == one.matrix("work").sum() + 9


def test_total_is_summed_where_none_is_given():
    np.testing.assert_array_equal(frame(total=False).check().matrix(), frame().matrix())


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(zones, random):
    one = frame(zones)
    order = random.sample(range(zones**2), zones**2)
    shuffled = od.ODFrame(one.header, one.table.iloc[order], one.zones).check()
    np.testing.assert_array_equal(shuffled.matrix(), one.matrix())
    pd.testing.assert_frame_equal(shuffled.top(most=3).drop(columns=["from", "to"]),
                                  one.top(most=3).drop(columns=["from", "to"]))  # fmt: skip


def test_top_flows_leave_out_what_stays_in_a_zone():
    top = frame().top("work", most=2)
    assert top[["origin", "destination", "trips"]].to_numpy().tolist() == [[3, 2, 32], [3, 1, 31]]
    assert top["from"].tolist() == ["존 3", "존 3"] and top["share"].iloc[0] == pytest.approx(32 / 198)
    assert frame().top("work", most=1, inside=True)["trips"].tolist() == [33]


def test_unknown_category_names_those_there_are():
    with pytest.raises(DataError, match="no category 'origin'; there are total, work, home"):
        frame().matrix("origin")


# --- rules


def broken(change) -> pd.DataFrame:
    table = frame().table.copy()
    return result if (result := change(table)) is not None else table


@pytest.mark.parametrize(("change", "says"), [
    (lambda t: t.iloc[:-1], r"8 rows, but 3 zones need 3² = 9; first missing: origin 3, destination 3"),
    (lambda t: t.iloc[:0], "no rows"),
    (lambda t: t.__setitem__("destination", t["destination"].replace(2, 1)), "row 2 .*given before; 3 such rows"),
    (lambda t: t.replace({"origin": {2: 4}, "destination": {2: 4}}), "dense, 1 to 4; missing: 2"),
    (lambda t: t.replace({"origin": {1: 0}}), "row 1 .*origin is below 1"),
    (lambda t: t.__setitem__("work", t["work"].mask(t["work"] == 22, -1)), "row 5 .*work -1.*negative; 1 such rows"),
    (lambda t: t.__setitem__("home", t["home"].mask(t["home"] == 32)), "row 7 .*home nan.*no number"),
    (lambda t: t.__setitem__("home", t["home"].mask(t["home"] == 32, np.inf)), "row 7 .*no number"),
    (lambda t: t.__setitem__("total", t["total"] + 2), "row 1 .*total is not the sum of work, home; 9 such rows"),
])  # fmt: skip
def test_every_rule_is_kept(change, says):
    one = frame()
    with pytest.raises(DataError, match=f"^toy.*{says}"):
        od.ODFrame(one.header, broken(change), one.zones).check()


def test_rounding_of_totals_is_allowed_and_can_be_set():
    one = frame()
    near = od.ODFrame(one.header, one.table.assign(total=one.table["total"] + 1.5), one.zones)
    near.check()
    with pytest.raises(DataError, match="not the sum"):
        near.check(tolerance=1.4)


def test_rows_are_counted_as_in_the_file():
    with pytest.raises(DataError, match="^some.xlsx, row 6 "):
        od.check_table(frame().table.assign(work=-1.0), ["work"], "some.xlsx", first=6)


def test_zones_must_fit_the_table_and_be_dense():
    one = frame()
    with pytest.raises(DataError, match="3 zones, but its zone system has 2"):
        od.ODFrame(one.header, one.table, one.zones.iloc[:2]).check()
    for ids, says in (([1, 2, 4], "missing: 3"), ([1, 2, 2], "missing: 3"), ([2, 1, 3], "unsorted")):
        with pytest.raises(DataError, match=f"1 to 3, each once; .*{says}"):
            od.check_zones(one.zones.assign(id=ids), "zones")
    with pytest.raises(DataError, match="kind 'hourly'"):
        frame(kind="hourly").check()


# --- distances and the sample


def test_distances_of_metres_and_degrees():
    metres = placed([0, 3000, 0], [0, 4000, 4000], "m").distances()
    np.testing.assert_allclose(metres, [[0, 5, 4], [5, 0, 3], [4, 3, 0]])
    seoul_busan = placed([126.978, 129.075, 126.978], [37.567, 35.180, 37.567], "degrees").distances()
    assert seoul_busan[0, 1] == pytest.approx(325, abs=2)  # km, as maps say
    assert seoul_busan[0, 2] == 0
    with pytest.raises(DataError, match="no coordinates.*coordinates=zones.csv"):
        frame().distances()


def test_sample_is_synthetic_balanced_and_always_the_same():
    one = od.sample()
    assert one.Z == 25 and one.has_places and "Synthetic" in one.header.note and "synthetic" in one.header.source
    pd.testing.assert_frame_equal(one.table, od.load("sample-od").table)
    assert one.matrix().sum() == one.table["total"].sum() == 2_066_036
    assert (one.table[list(one.header.categories)] % 1 == 0).all(axis=None)
    assert one.matrix("home").sum() == pytest.approx(827_750)
    near, far = one.distances() < 10, one.distances() > 30
    assert one.matrix()[near].mean() > 20 * one.matrix()[far].mean()  # trips fall with distance
    assert one.table.dtypes[["origin", "work"]].tolist() == ["int32", "float64"]


# --- pictures


@pytest.fixture
def style():
    from litecast.figures import style

    style.use()


def draw(figure) -> None:
    """Render; a missing glyph or an empty mean is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def bare(one: od.ODFrame) -> od.ODFrame:
    return od.ODFrame(replace(one.header, coordinates=""), one.table, one.zones.assign(x=np.nan, y=np.nan, large=""))


@pytest.mark.parametrize("view", [od_pictures.matrix, od_pictures.top_flows, od_pictures.trip_lengths])
@pytest.mark.parametrize("one", [od.sample(), bare(od.sample()), placed([127.0, 127.5, 128], [37, 36, 36], "degrees"),
                                 bare(frame(40)), placed([5.0, 5, 5], [1, 1, 1], "m")])  # fmt: skip
def test_pictures_can_be_drawn(style, view, one):
    draw(view(one))
    nothing = one.table.assign(**dict.fromkeys([*one.header.categories, "total"], 0.0))
    figure = view(od.ODFrame(one.header, nothing, one.zones))
    draw(figure)
    assert "no trip" in words(figure).lower()


def test_matrix_shows_each_cell_once_in_large_zones(style):
    one = frame()
    mixed = od.ODFrame(one.header, one.table, one.zones.assign(large=["가", "나", "가"]))
    figure = od_pictures.matrix(mixed, "work")
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), [[11, 13, 12], [31, 33, 32], [21, 23, 22]])
    assert "work trips/day: 198, 33% of them within a zone" in words(figure)


def test_many_zones_are_joined_without_losing_trips(style, monkeypatch):
    monkeypatch.setattr(od_pictures, "CELLS", 4)
    figure = od_pictures.matrix(frame(10))
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (4, 4) and shown.sum() == frame(10).matrix().sum()
    assert "of 3 x 3 zones" in words(figure)


def test_bars_and_lines_carry_the_largest_flows(style):
    bars = od_pictures.top_flows(frame(), "work", most=2)
    assert [patch.get_width() for patch in bars.axes[0].patches] == [32, 31] and bars.axes[0].yaxis_inverted()
    assert "the 2 largest flows between zones carry 31.8%" in words(bars)  # 63 of 198
    lines = od_pictures.top_flows(placed([0, 3000, 0], [0, 4000, 4000], "m"), "work").axes[0].collections[0]
    assert lines.get_segments()[-1].tolist() == [[3, 4], [0, 4]]  # 23 + 32 trips, km, drawn last


def test_trip_lengths_add_up(style):
    """Zones at 0, 3 and 4 km of each other: 66 of 198 work trips stay, 55 go 3 km, 44 go 4 km, 33 go 5 km."""
    axes = od_pictures.trip_lengths(placed([0, 3000, 0], [0, 4000, 4000], "m"), ["work"]).axes[0]
    km, share = axes.lines[0].get_data()
    at = {far: share[np.searchsorted(km, far) - 1] for far in (2.99, 3.5, 4.5)}
    assert [at[far] * 198 for far in at] == pytest.approx([66, 66 + 55, 66 + 55 + 44])
    assert share[-1] == pytest.approx(1)
    assert axes.lines[0].get_label() == f"work, {(55 * 3 + 44 * 4 + 33 * 5) / 132:.1f} km"


def test_missing_coordinates_are_asked_for(style):
    said = " ".join(words(od_pictures.trip_lengths(bare(od.sample()))).split())
    assert "no coordinates" in said and "coordinates=zones.csv" in said


def test_bench_runs_small(bench):
    told = bench("collecting_od.py")
    assert "| collect the file | 3,600 |" in told and "| load and check | 3,600 |" in told
