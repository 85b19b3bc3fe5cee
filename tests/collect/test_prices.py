"""Rows of three broker interfaces become the same rows: KRW, shares, KRW; what does not fit is refused."""

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast.collect import chains, prices
from litecast.collect.chains import Chain
from litecast.collect.prices import LAYOUTS, Row
from litecast.data.raw import Raw
from litecast.errors import DataError

REST, OCX, COM = LAYOUTS["kiwoom"], LAYOUTS["kiwoom-ocx"], LAYOUTS["cybos"]


def rest(dt, o, h, low, c, volume, value):
    return {"cur_prc": c, "trde_qty": volume, "trde_prica": value, "dt": dt, "open_pric": o, "high_pric": h,
            "low_pric": low, "pred_pre": "+600", "pred_pre_sig": "2", "trde_tern_rt": "+0.16"}  # fmt: skip


def ocx(dt, o, h, low, c, volume, value):
    return {"일자": dt, "시가": o, "고가": h, "저가": low, "현재가": c, "거래량": volume, "거래대금": value}


def com(*cells):
    return dict(zip((0, 2, 3, 4, 5, 8, 9), cells, strict=True))


def one(delivery, layout, **kwargs):
    found, _ = prices.rows([delivery], layout, "035420", **kwargs)
    return found[0]


# --- golden rows: NAVER, from a notebook of 2022-01-14; Samsung, from the official example of Kiwoom REST

NAVER = Row(date(2022, 1, 13), 348000, 352000, 344000, 348000, 677226, 236_323_000_000)
RAW_2002 = Row(date(2002, 11, 4), 43500, 43800, 40650, 41700, 692165, 28_952_000_000)
ADJUSTED_2002 = Row(date(2002, 11, 4), 2283, 2298, 2133, 2188, 13190221, 28_952_000_000)


def test_three_interfaces_say_the_same_of_the_same_day():
    text = ("20220113", "348000", "352000", "344000", "348000", "677226", "236323")
    assert one(rest(*text), REST) == NAVER
    assert one(ocx(*(f"  {cell} " for cell in text)), OCX) == NAVER
    assert one(com(20220113, 348000, 352000, 344000, 348000, 677226, 236323000000), COM) == NAVER


def test_adjustment_rescales_prices_and_volume_but_not_the_traded_value():
    raw = one(ocx("20021104", "43500", "43800", "40650", "41700", "692165", "28952"), OCX)
    adjusted = one(com(20021104, 2283, 2298, 2133, 2188, 13190221, 28952000000), COM)
    assert (raw, adjusted) == (RAW_2002, ADJUSTED_2002)
    assert raw.value == adjusted.value
    for name in ("open", "high", "low", "close"):  # 5.24 % is rounded: near, not equal
        assert getattr(adjusted, name) == pytest.approx(getattr(raw, name) * 0.0524, rel=2e-3)
    assert adjusted.volume == pytest.approx(raw.volume / 0.0524, rel=2e-3)


def test_official_rows_of_samsung():
    newest = rest("20250908", "69800", "70500", "69600", "70100", "9263135", "648525")
    before = rest("20250905", "70300", "70400", "69500", "69500", "11526724", "804642") | {"pred_pre": "-600"}
    found, notes = prices.rows([newest, before], REST, "005930")
    assert found == [
        Row(date(2025, 9, 5), 70300, 70400, 69500, 69500, 11526724, 804_642_000_000),
        Row(date(2025, 9, 8), 69800, 70500, 69600, 70100, 9263135, 648_525_000_000),
    ]
    assert not +notes


# --- what brokers do to numbers


@pytest.mark.parametrize("written, read", [
    ("  70100 ", 70100), ("-70100", 70100), ("+70100", 70100), ("70,100", 70100), (70100, 70100), (2650.25, 2650.25),
    (1.7e13, 1.7e13), ("0070100", 70100),
])  # fmt: skip
def test_a_price_is_read_in_every_way_it_is_written(written, read):
    day = ("20250908", "70300", 2e13, "1", written, "5", "")
    assert one(rest(*day), REST).close == read


def test_an_empty_value_is_missing_and_an_index_keeps_its_points():
    row = one(com(20250908, 3210.5, 3220.75, 3200.25, 3215.0, 400000, ""), COM)
    assert row == Row(date(2025, 9, 8), 3210.5, 3220.75, 3200.25, 3215.0, 400000, None)


def test_a_halted_day_has_a_close_and_no_open_high_low():
    found, notes = prices.rows([rest("20250908", "0", "0", "0", "70100", "0", "0")], REST, "005930")
    assert found == [Row(date(2025, 9, 8), None, None, None, 70100, 0, 0)]
    assert +notes == {"halted days (no open, high, low)": 1}
    frame = prices.table(found, "005930")
    assert list(frame) == ["time", "series", "open", "high", "low", "close", "volume", "value"]
    assert frame["series"].tolist() == ["005930"] and str(frame["time"][0]) == "2025-09-08 00:00:00"
    assert np.isnan(frame.loc[0, ["open", "high", "low"]].astype(float)).all()
    assert frame.loc[0, ["close", "volume", "value"]].tolist() == [70100.0, 0.0, 0.0]
    assert set(frame.dtypes[2:].astype(str)) == {"float64"}


def test_a_day_given_twice_is_taken_once_or_refused():
    row = rest("20250908", "69800", "70500", "69600", "70100", "9263135", "648525")
    padded = {name: f" {cell} " for name, cell in row.items()}
    found, notes = prices.rows([row, padded], REST, "005930")
    assert len(found) == 1 and notes["rows given twice"] == 1
    with pytest.raises(DataError, match="005930, 2025-09-08: given twice.*70100.*70101"):
        prices.rows([row, row | {"cur_prc": "70101"}], REST, "005930")


def test_rows_with_nothing_in_them_are_left_out():
    found, notes = prices.rows([ocx(*[" "] * 7)], OCX, "005930")
    assert found == [] and notes["blank rows left out"] == 1


GOOD = ("20250908", "69800", "70500", "69600", "70100", "9263135", "648525")


@pytest.mark.parametrize("at, cell, words", [
    (0, "20250931", "no trading day"), (0, "2025-09-08", "no trading day"), (0, 10101, "no trading day"),
    (0, "", "no trading day"), (0, "19000101", "no trading day"), (0, "２0250908", "no trading day"),
    (4, "0", "is no price"), (4, "", "is no price"), (4, "abc", "is no number"), (4, "--5", "is no number"),
    (4, "7e4", "is no number"), (4, float("nan"), "is no number"), (4, float("inf"), "is no number"),
    (4, True, "is no number"), (4, "٧٠", "is no number"), (5, "-3", "negative"), (6, "-1", "negative"),
    (2, "69000", "below the low"),
])  # fmt: skip
def test_what_is_no_row_is_refused(at, cell, words):
    cells = [*GOOD]
    cells[at] = cell
    with pytest.raises(DataError, match=words) as error:
        one(rest(*cells), REST)
    assert str(error.value).startswith("035420")


def test_fields_that_are_missing_are_named():
    row = rest(*GOOD)
    del row["trde_prica"]
    with pytest.raises(DataError, match="a row without trde_prica"):
        one(row, REST)


def test_a_row_after_the_base_date_is_refused():
    assert one(rest(*GOOD), REST, newest=date(2025, 9, 8)).close == 70100
    with pytest.raises(DataError, match="2025-09-08, but nothing after 2025-09-07"):
        one(rest(*GOOD), REST, newest=date(2025, 9, 7))


days = st.lists(st.dates(date(1990, 1, 1), date(2030, 1, 1)), unique=True, max_size=30)


@settings(max_examples=50, deadline=None)
@given(days, st.randoms())
def test_rows_come_out_oldest_first_in_whatever_order_they_came(when, luck):
    text = [rest(f"{day:%Y%m%d}", "10", "12", "9", f"{day.day + 9}", "5", "7") for day in when]
    luck.shuffle(text)
    found, notes = prices.rows(text + text[:3], REST, "x")
    assert [row.date for row in found] == sorted(when)
    assert all(row.close == row.date.day + 9 and row.value == 7_000_000 for row in found)
    assert notes["rows given twice"] == len(text[:3])


# --- unadjusted prices: appended only where they agree


def held(first, last, change=None):
    span = [date(2025, 1, 1) + timedelta(days=day) for day in range(first, last)]
    return [Row(day, 1, 2, 1, 2, day.toordinal(), None) for day in span if day.day != change]


def test_rows_that_agree_are_appended():
    assert prices.joined(held(0, 10), held(8, 15), "x") == held(0, 15)
    assert prices.joined([], held(0, 3), "x") == held(0, 3)
    assert prices.joined(held(0, 3), held(2, 3), "x") == held(0, 3)


def test_rows_that_differ_or_leave_a_gap_are_not():
    with pytest.raises(DataError, match="the days between are missing"):
        prices.joined(held(0, 10), held(10, 12), "x")
    with pytest.raises(DataError, match="x, 2025-01-09: held as .* now no row"):
        prices.joined(held(0, 10), held(7, 12, change=9), "x")
    changed = [held(9, 10)[0]._replace(close=3), *held(10, 12)]
    with pytest.raises(DataError, match="2025-01-10: held as 1 2 1 2 .* now 1 2 1 3"):
        prices.joined(held(0, 10), changed, "x")


def test_a_chain_is_found_by_its_unit_again(tmp_path):
    raw = Raw(tmp_path / "raw.sqlite")
    day = date(2025, 9, 8)
    asked = [Chain("kiwoom-ocx", "005930", True, day), Chain("kiwoom-ocx", "U001", False, day, date(2020, 1, 2), False)]
    for chain in asked:
        raw.keep(chain.unit, [("asked", "now", b"[]")])
    assert set(chains.kept(raw, "kiwoom-ocx ")) == set(asked)
    assert asked[0].made_of == "base 20250908 adjusted"
    assert asked[1].made_of == "base 20250908 raw since 20200102 without the base day"
    assert chains.kept(raw, "kiwoom ") == []


BARE = """
import sys
from fakes import cybos_com, kiwoom_ocx as ocx, market
from litecast.collect.collectors import cybos, kiwoom_ocx
clock = market.Clock()
com, control = cybos_com.Cybos({"005930": market.SAMSUNG}, clock), ocx.Ocx({"005930": market.SAMSUNG}, clock)
done = [cybos.main(["one", "codes=005930"], com.dispatch, clock),
        kiwoom_ocx.main(["two", "codes=005930"], lambda: kiwoom_ocx.Transport(control, control.pump, clock))]
print(done, sorted({name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"litecast", "fakes"}))
"""


def test_the_32_bit_side_needs_the_standard_library_only(tmp_path):
    """The collectors run in a bare Python, beside collections made elsewhere: nothing else may be loaded."""
    other = tmp_path / "store" / "other"
    other.mkdir(parents=True)
    (other / "manifest.json").write_text(json.dumps({
        "source": "fdr", "kind": "stocks", "unit": "KRW", "frequency": "trading-day", "provider": "x", "licence": "x",
        "parts": {"005930": {"file": "005930.parquet", "columns": ["price"], "sha256": "x"}}}))  # fmt: skip
    code = f"import sys; sys.path[:0] = {[*_source(), str(Path(__file__).parent)]!r}\n{BARE}"
    bare = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True,
                          env=os.environ | {"LITECAST_DATA": str(tmp_path)})  # fmt: skip
    assert bare.stdout.splitlines()[-1:] in (["[0, 0] []"], ["[0, 0] ['__main__']"]), bare.stdout + bare.stderr


def _source() -> list[str]:
    from litecast import paths

    return [str(paths.PACKAGE.parent)]
