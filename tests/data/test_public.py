"""Public data: checksums, cache, mirrors, no network; on tiny files of the same layout. LITECAST_MIRROR adds real."""

import functools
import gzip
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from litecast import data, paths
from litecast.data import Unreachable, public
from litecast.data.readers import daily, stocks, traffic
from litecast.data.windows import PARTS, prepare
from litecast.errors import DataError

REAL = os.environ.get("LITECAST_MIRROR")
HOURS = 400


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("LITECAST_MIRROR", raising=False)
    return tmp_path / "data" / "public"


@pytest.fixture(scope="module")
def counts():
    """(HOURS, 24) made-up counts, with some zeros."""
    rng = np.random.default_rng(5)
    values = rng.integers(1, 5000, (HOURS, 24)).astype(np.float32)
    values[rng.random(values.shape) < 0.02] = 0
    return values


def windowed(path: Path, values: np.ndarray) -> None:
    """Write counts as the source does: rows by time, the spots of an hour in any order, cut by position 70/15/15."""
    rng, (T, C) = np.random.default_rng(6), values.shape  # noqa: N806
    rows = np.array([(t, c) for t in range(T) for c in rng.permutation(C)])
    cuts = [0, int(0.7 * T * C) + 11, int(0.85 * T * C) + 5, T * C]
    arrays = {}
    for part, a, b in zip(PARTS, cuts, cuts[1:], strict=False):
        inputs, following = [], []
        for c in range(C):
            mine = values[rows[a:b][rows[a:b][:, 1] == c][:, 0], c]
            inputs += [mine[i : i + 24] for i in range(len(mine) - 24)]
            following += list(mine[24:])
        arrays[f"X_{part}"] = np.stack(inputs)[:, :, None].repeat(2, axis=2)
        arrays[f"y_{part}"] = np.array(following, np.float32)[:, None]
    np.savez_compressed(path, **arrays)


def stock(path: Path, days: pd.DatetimeIndex, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines = [f'{day:%Y-%m-%d},"1,000","2,000","900","{rng.integers(1000, 9999):,}","{rng.integers(1e5, 9e6):,}"'
             for day in days]  # fmt: skip
    path.write_text("\n".join(lines), encoding="utf-8-sig")


def sky(path: Path, rain: str = "강수량(mm)") -> None:
    """Weather as the source writes it: from the second hour of the year, rain and snow empty where there was none."""
    lines = [f"지점,지점명,일시,기온(°C),{rain},습도(%),적설(cm)"]
    for n, hour in enumerate(pd.date_range("2024-01-01 01:00", periods=HOURS - 1, freq="h")):
        warm, wet = "" if n == 5 else n / 10, "" if n % 9 else 1.5
        lines.append(f"108,서울,{hour:%Y-%m-%d %H:%M},{warm},{wet},{n % 100},")
    path.write_text("\n".join(lines), encoding="utf-8-sig")


def bikes(path: Path) -> None:
    """Three days of rented bikes: the second without service, a true zero on the first."""
    rows = []
    for n, hour in enumerate(pd.date_range("2017-12-11", periods=72, freq="h")):
        closed = hour.day == 12
        rows.append([f"{hour:%d/%m/%Y}", 0 if closed or n == 4 else 100 + n, hour.hour, n / 10, 50, 1.5, 2000, -3.0,
                     0.25, 0.5, 0, "Winter", "No Holiday", "No" if closed else "Yes"])  # fmt: skip
    names = ["Date", traffic.BIKE, "Hour", *traffic.BIKE_SKY, "Seasons", "Holiday", "Functioning Day"]
    pd.DataFrame(rows, columns=names).to_csv(path, index=False, encoding="utf-8-sig")


def boarded(day: pd.Timestamp) -> dict[str, int]:
    """Passengers by line|station of one day: one station renamed, one that opened late, two there all the time."""
    n = day.day_of_year
    counts = {"2호선|시청": 1000 + n, "1호선|서울역": 5000 + n}
    counts["2호선|강변" if day < pd.Timestamp("2016-10-18") else "2호선|강변(동서울터미널)"] = 300 + n
    return counts | ({"경강선|여주": n} if day >= pd.Timestamp("2016-09-24") else {})


def subway(folder: Path) -> None:
    """The monthly files, in both of the source's styles and with rows given twice; and the table derived from them."""
    lines = {}
    for day in pd.date_range("2016-01-01", "2020-09-30"):
        rows = [(name, count) for name, count in boarded(day).items()]
        for name, count in ([(rows[0][0], 7)] if day.day == 1 else []) + rows[:: -1 if day.day % 2 else 1]:
            line, station = name.split("|")
            cells = [f"{day:%Y%m%d}", line, station, str(count) if day.year == 2020 else f"{count}.0", "9", "20201003"]
            text = ",".join(cells) if day.year == 2020 else ",".join(f'"{cell}"' for cell in cells)
            lines.setdefault(f"{day:%Y%m}", ["사용일자,노선명,역명,승차총승객수,하차총승객수,등록일자"]).append(text)
    for month, text in lines.items():
        path = folder / f"traffic/seoul_subway_months/CARD_SUBWAY_MONTH_{month}.csv"
        path.write_bytes("\r\n".join(text).encode())
    days = pd.date_range("2016-01-01", "2020-09-30", name="date")
    names = sorted({name for day in (days[0], days[-1]) for name in boarded(day)})
    cells = [[f"{day:%Y-%m-%d}", *[str(boarded(day).get(name, "")) for name in names]] for day in days]
    text = "\n".join(",".join(row) for row in [["date", *names], *cells])
    (folder / public._SUBWAY).write_bytes(gzip.compress(text.encode("utf-8-sig"), mtime=0))


def export(path: Path, encoding: str = "cp949", mark: str = "/") -> None:
    """A daily export of KRX, newest first: 12 days, a halt on the 6th and 7th, then 50 shares for one."""
    lines = ["일자,종가,대비,등락률,시가,고가,저가,거래량,거래대금,시가총액,상장주식수"]
    for n, day in enumerate(pd.bdate_range("2018-04-23", periods=12)):
        close, shares = 50_000 + 10 * n, 100 if n < 7 else 5000
        halt = n in (5, 6)
        priced = "0,0,0,0,0" if halt else f"{close - 5},{close + 9},{close - 9},{shares},{close * 50 * 100}"
        lines.insert(1, f"{day:%Y{mark}%m{mark}%d},{close - 10 * (n == 6)},0,0,{priced},1,{shares * 1000}")
    path.write_bytes("\r\n".join(lines).encode(encoding))


def index(path: Path) -> None:
    """An index over 40 trading days: one price a day at first, one row copied, one volume in thousands."""
    days = pd.bdate_range("1994-10-03", periods=40)
    close = 1000 + 3.0 * np.arange(40)
    table = pd.DataFrame({"Date": days, "Close": close, "Open": close - 1, "High": close + 2, "Low": close - 2,
                          "Volume": 3e8 + 1e6 * np.arange(40), "Change": 0.003})  # fmt: skip
    table.loc[:4, ["Open", "High", "Low"]] = np.tile(close[:5, None], 3)
    table.loc[20, ["Close", "Open", "High", "Low"]] = table.loc[19, ["Close", "Open", "High", "Low"]]
    table.loc[30, "Volume"] /= 1000
    table.to_csv(path, index=False)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory, counts):
    """Folder laid out like the registry, of tiny files."""
    folder = tmp_path_factory.mktemp("mirror")
    for file in public.REGISTRY:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
    windowed(folder / public._TOPIS, counts)
    days = pd.bdate_range("2015-01-01", periods=420)
    for n, code in enumerate(public.STOCKS):
        mine = days[n : len(days) - (10 - n)]
        stock(folder / f"stocks/rltrader_v1/{code}.csv", mine.delete(200 + n) if n < 2 else mine, n)
    hours = pd.date_range("2016-07-01", periods=14500, freq="h")
    wave = np.sin(np.arange(14500) / 24 * 2 * np.pi).round(3)
    pd.DataFrame({"date": hours, "HUFL": wave, "OT": 2 * wave + hours.day}).to_csv(folder / public._ETTH1, index=False)
    sky(folder / public._WEATHER)
    bikes(folder / public._BIKE)
    subway(folder)
    export(folder / public._SAMSUNG)
    index(folder / public._KOSPI)
    walk = np.random.default_rng(1).normal(1, 0.01, (3000, 8)).round(6)
    (folder / public._EXCHANGE).write_bytes(gzip.compress(b"\n".join(b",".join(b"%f" % v for v in r) for r in walk)))
    return folder


@pytest.fixture
def tiny(mirror, monkeypatch):
    """The registry of the tiny files, served from the folder."""
    monkeypatch.setattr(public, "REGISTRY", {
        file: (url, hashlib.sha256((mirror / file).read_bytes()).hexdigest())
        for file, (url, _) in public.REGISTRY.items()})  # fmt: skip
    monkeypatch.setenv("LITECAST_MIRROR", str(mirror))
    return mirror


def left_over(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


# --- reading


def test_seoul_is_rebuilt_from_its_windows_and_zero_means_missing(tiny, counts):
    wide = data.load("seoul-traffic").wide()
    expected = np.where(counts == 0, np.nan, counts)[:, [s != "D-46" for s in traffic.SPOTS]]
    np.testing.assert_array_equal(wide.to_numpy(), expected)
    assert wide.shape[1] == 23 and wide.columns[0] == "A-01" and wide.columns[-1] == "F-10"
    assert wide.index[0] == pd.Timestamp("2024-01-01") and wide.index.freqstr == "h"
    header = data.load("seoul-traffic").header
    assert (header.L, header.H, header.season, header.split) == (168, 24, 168, "weeks")
    assert "0 = missing" in header.note and "D-46" in header.note and "Seoul Open Data Plaza" in header.licence


def test_weather_is_observed_the_same_for_all_spots_and_empty_rain_is_none(tiny):
    frame = data.load("seoul-traffic")
    assert frame.kinds == dict.fromkeys(["temperature", "rain", "humidity", "snow"], "observed")
    warm, rain = frame.wide("temperature"), frame.wide("rain")
    assert warm.shape == (HOURS, 23) and np.isnan(warm.iloc[0]).all()  # the source begins at one o'clock
    assert (warm.iloc[8] == 0.7).all() and np.isnan(warm.iloc[6]).all()
    assert (rain.iloc[[1, 2, 10]].to_numpy() == np.array([[1.5], [0], [1.5]])).all()
    prepared = windows_of(frame)
    assert prepared.observed.shape == (HOURS, 4) and prepared.observed_names[1] == "rain"
    assert prepared.observed[6, 0] == prepared.observed[5, 0] != prepared.observed[7, 0]  # filled with the last value
    assert np.isfinite(prepared.observed).all() and prepared.observed.dtype == np.float32


def windows_of(frame):
    """A dataset of so few hours that weeks do not fit into it."""
    return prepare(replace(frame, header=replace(frame.header, split="chronological")), L=24, H=3)


def test_weather_without_its_columns_is_refused(tiny, tmp_path):
    sky(tmp_path / "odd.csv", rain="비")
    with pytest.raises(DataError, match="강수량"):
        traffic.sky(tmp_path / "odd.csv")


def test_stocks_share_the_common_span_and_miss_what_they_miss(tiny):
    volume, price = data.load("krx-volume"), data.load("krx-price")
    wide = volume.wide()
    days = pd.bdate_range("2015-01-01", periods=420)
    assert wide.shape == (400, 11) and (wide.index == days[10:410]).all()
    assert wide.isna().sum().sum() == 2 and np.isnan(wide.loc[days[200]].iloc[0])
    assert (volume.header.unit, price.header.unit, volume.header.transform) == ("shares", "KRW", "log")
    assert "005930 삼성전자" in wide.columns
    np.testing.assert_array_equal(price.wide("volume"), wide)
    np.testing.assert_array_equal(price.wide(), volume.wide("close"))
    prepared = prepare(volume)
    assert (prepared.L, prepared.H) == (60, 5) and sum(prepared.filled.values()) == 2


def test_a_day_without_service_is_missing_and_another_zero_is_a_zero(tiny):
    frame = data.load("seoul-bike")
    wide = frame.wide()["Seoul"]
    assert wide.index[0] == pd.Timestamp("2017-12-11") and wide.iloc[4] == 0 and wide.iloc[0] == 100
    assert wide.isna().sum() == 24 and wide.loc["2017-12-12"].isna().all() and wide.iloc[-1] == 171
    assert frame.kinds == dict.fromkeys(traffic.BIKE_SKY.values(), "observed") and frame.table["dew_point"][0] == -3
    assert "24 hours on 1 days" in frame.header.note and "(1 hours)" in frame.header.note
    header = frame.header
    assert (header.season, header.L, header.H, header.split, header.kind) == (168, 168, 24, "weeks", "traffic")


def test_bikes_without_their_weather_are_refused(tmp_path):
    bikes(tmp_path / "odd.csv")
    (tmp_path / "odd.csv").write_text((tmp_path / "odd.csv").read_text("utf-8").replace("Rainfall(mm)", "비"), "utf-8")
    with pytest.raises(DataError, match=r"Rainfall\(mm\)"):
        traffic.bike([tmp_path / "odd.csv"], "", "")


def test_subway_keeps_complete_stations_and_tells_of_the_renamed(tiny):
    frame = data.load("seoul-subway")
    wide = frame.wide()
    assert list(wide.columns) == ["1호선|서울역", "2호선|시청"] and wide.shape == (1735, 2)
    assert wide.loc["2016-01-01"].tolist() == [5001, 1001]  # not 7: the last of rows given twice
    assert wide.loc["2020-09-30"].tolist() == [5274, 1274]
    note = frame.header.note
    assert "2 of 5 columns" in note
    assert "3 are left out: 2 of them look like 1 stations renamed (1 on 2016-10-18)" in note
    assert (frame.header.L, frame.header.H, frame.header.season, frame.header.frequency) == (56, 14, 7, "D")


def test_subway_is_the_same_from_the_table_and_from_the_monthly_files(tiny, tmp_path, monkeypatch, empty_cache):
    from_table = data.load("seoul-subway")
    assert left_over(empty_cache) == [public._SUBWAY]
    months = tmp_path / "months"
    (months / "traffic").mkdir(parents=True)
    (months / "traffic/seoul_subway_months").symlink_to(tiny / "traffic/seoul_subway_months")
    monkeypatch.setenv("LITECAST_MIRROR", str(months))
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "other"))
    from_months = data.load("seoul-subway")
    assert len(public.SUBWAY_MONTHS) == 57
    assert sorted(left_over(tmp_path / "other/public")) == sorted(public.SUBWAY_MONTHS)
    assert from_months.header == from_table.header  # the sha256 too: it is that of the monthly files
    pd.testing.assert_frame_equal(from_months.table, from_table.table, check_exact=True)


def test_a_mirror_that_is_cut_short_of_months_goes_on_where_it_stopped(tiny, tmp_path, monkeypatch, empty_cache):
    half = tmp_path / "half"
    for file in list(public.SUBWAY_MONTHS)[:5]:
        (half / file).parent.mkdir(parents=True, exist_ok=True)
        (half / file).write_bytes((tiny / file).read_bytes())
    monkeypatch.setenv("LITECAST_MIRROR", str(half))
    with pytest.raises(DataError, match="CARD_SUBWAY_MONTH_201606.csv.*nor is there the table"):
        public.locate("seoul-subway")
    assert len(left_over(empty_cache)) == 5
    monkeypatch.setenv("LITECAST_MIRROR", str(tiny))
    monkeypatch.setitem(public.REGISTRY, public._SUBWAY, ("", "0" * 64))
    with pytest.raises(DataError, match="0000"):  # another table than the known one is refused, not passed over
        public.locate("seoul-subway")


def test_samsung_misses_days_of_halt_and_tells_of_the_split(tiny):
    frame = data.load("samsung")
    wide = frame.wide().iloc[:, 0]
    assert wide.index.is_monotonic_increasing and wide.iloc[0] == 50_000 and wide.iloc[-1] == 50_110
    assert wide.index[wide.isna()].tolist() == list(pd.to_datetime(["2018-04-30", "2018-05-01"]))
    assert frame.wide("volume").iloc[:, 0].tolist() == [100] * 5 + [0, 0] + [5000] * 5
    assert frame.wide("traded").iloc[0, 0] == 250_000_000
    note = frame.header.note
    assert "no day beyond" in note and "2018-05-02 mean price paid ×0.02" in note and "2 days of trading halt" in note
    assert (frame.header.transform, frame.header.frequency, frame.header.unit) == ("log", "trading-day", "KRW")


def test_exports_of_krx_are_read_in_either_encoding_and_refused_with_the_row(tmp_path):
    old, new = tmp_path / "a.csv", tmp_path / "b.csv"
    export(old)
    export(new, "utf-8-sig", "-")
    pd.testing.assert_frame_equal(daily.krx_export(old), daily.krx_export(new))
    table = daily.krx_export(old)
    assert table.loc[[5, 6], ["open", "high", "low"]].isna().all(axis=None) and table.loc[5, "close"] == 50_050
    new.write_text(new.read_text("utf-8-sig").replace("50020", "fifty"), "utf-8")
    with pytest.raises(DataError, match=r"b.csv, row 10 \('fifty'\): close is not a number; 1 such rows"):
        daily.krx_export(new)
    new.write_text("Date,Close\n2020-01-02,3\n")
    with pytest.raises(DataError, match="no column 일자, 종가"):
        daily.krx_export(new)
    new.write_text("일자,종가\n2020/01/02,3\n2020/01/02,4\n", "utf-8")
    with pytest.raises(DataError, match="given twice"):
        daily.krx_export(new)
    new.write_bytes(b"\xff\xfe\x00\x80,\xff\n")
    with pytest.raises(DataError, match="neither cp949 nor UTF-8"):
        daily.krx_export(new)


def test_kospi_leaves_out_a_copied_row_and_misses_volumes_in_thousands(tiny):
    frame = data.load("kospi")
    wide, volume = frame.wide()["KOSPI"], frame.wide("volume")["KOSPI"]
    days = pd.bdate_range("1994-10-03", periods=40)
    assert (wide.index == days.delete(20)).all() and wide.iloc[-1] == 1117  # flat rows at the start all stay
    assert volume.index[volume.isna()].tolist() == [days[30]]
    note = frame.header.note
    assert f"1 days ({days[30]:%Y-%m-%d})" in note and f"1 row ({days[20]:%Y-%m-%d})" in note and "1994-10" in note


def test_prices_beyond_the_limit_are_told(tmp_path):
    notes = {}
    for last in (145, 129):
        lines = [f'{day:%Y-%m-%d},"1","1","1","{100 if n < 3 else last}","5"'
                 for n, day in enumerate(pd.bdate_range("2009-01-01", periods=6))]  # fmt: skip
        (tmp_path / "051910.csv").write_text("\n".join(lines), encoding="utf-8-sig")
        notes[last] = stocks.krx_volume([tmp_path / "051910.csv"], "", "").header.note
    assert "2009-01-06 051910 LG화학 ×1.45" in notes[145] and "limit" not in notes[129]


def test_benchmark_sets(tiny):
    etth1 = prepare(data.load("etth1"))
    assert (etth1.L, etth1.H, etth1.header.season, etth1.names) == (336, 96, 24, ["HUFL", "OT"])
    assert int(np.flatnonzero(etth1.parts["test"])[0]) == 11520
    exchange = prepare(data.load("exchange"))
    assert exchange.y.shape == (3000, 8) and exchange.F == 0 and exchange.times[-1] == 2999
    assert exchange.header.frequency == "step" and exchange.parts["train"].sum() == 2100


def test_other_windows_than_expected_are_refused(tiny, tmp_path, counts):
    windowed(tmp_path / "odd.npz", counts[:, :20])
    with pytest.raises(DataError, match="20 spots, expected 24"):
        traffic.unwindowed(tmp_path / "odd.npz")


# --- getting


def test_resolve_caches_every_file_and_then_needs_no_mirror(tiny, empty_cache, monkeypatch):
    found = data.resolve(list(public.DATASETS))
    assert all(entry["name"] == name and entry["source"] == "public" for name, entry in found.items())
    assert found["etth1"]["sha256"] == public.REGISTRY[public._ETTH1][1]
    assert found["krx-price"]["sha256"] == found["krx-volume"]["sha256"] != found["etth1"]["sha256"]
    assert sorted(left_over(empty_cache)) == sorted(set(public.REGISTRY) - set(public.SUBWAY_MONTHS))
    monkeypatch.delenv("LITECAST_MIRROR")
    monkeypatch.setattr(public, "_answers", lambda address: pytest.fail("no network is needed"))
    assert data.resolve(list(public.DATASETS)) == found


def test_a_wrong_checksum_names_file_expected_and_found_and_leaves_nothing(tiny, empty_cache, monkeypatch):
    url, right = public.REGISTRY[public._ETTH1]
    monkeypatch.setitem(public.REGISTRY, public._ETTH1, (url, "0" * 64))
    with pytest.raises(DataError) as caught:
        public.locate("etth1")
    assert all(word in str(caught.value) for word in (public._ETTH1, "0" * 64, right))
    assert not left_over(empty_cache)
    assert right in data.resolve(["etth1"])["etth1"]["error"]


def test_a_damaged_cache_is_replaced_or_refused(tiny, empty_cache, monkeypatch):
    public.locate("etth1")
    cached = empty_cache / public._ETTH1
    cached.write_bytes(cached.read_bytes()[:-7])
    monkeypatch.delenv("LITECAST_MIRROR")
    monkeypatch.setattr(public, "_answers", lambda address: False)
    with pytest.raises(Unreachable, match="damaged"):
        public.load("etth1")
    monkeypatch.setenv("LITECAST_MIRROR", str(tiny))
    public.load("etth1")
    assert hashlib.sha256(cached.read_bytes()).hexdigest() == public.REGISTRY[public._ETTH1][1]


def test_a_mirror_without_the_file_says_so(tmp_path, monkeypatch, empty_cache):
    monkeypatch.setenv("LITECAST_MIRROR", str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="ETTh1.csv.*LITECAST_MIRROR"):
        public.locate("etth1")
    assert not left_over(empty_cache)


@pytest.fixture
def web(tiny, monkeypatch):
    """The tiny mirror behind a web server of this machine; a list of the requests it got."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, *code):
            asked.append(self.command + self.path)

        def log_error(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tiny)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("LITECAST_MIRROR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield asked
    server.shutdown()
    server.server_close()


def test_a_mirror_may_be_a_web_address(web, empty_cache):
    assert data.resolve(["exchange", "krx-price"])["exchange"]["source"] == "public"
    assert [line for line in web if line.startswith("GET")][0] == "GET/" + public._EXCHANGE
    assert len(left_over(empty_cache)) == 12


def test_a_file_the_server_lacks_is_no_lack_of_network(web, monkeypatch, empty_cache):
    monkeypatch.setitem(public._FILES, "etth1", ["ltsf/gone.csv"])
    monkeypatch.setitem(public.REGISTRY, "ltsf/gone.csv", ("http://unused", "1" * 64))
    found = data.resolve(["etth1", "exchange"])
    assert "ltsf/gone.csv cannot be had: 404" in found["etth1"]["error"] and "error" not in found["exchange"]
    assert left_over(empty_cache) == [public._EXCHANGE]


# --- no network


def test_without_network_samples_stand_in_under_their_own_names(monkeypatch):
    asked = []
    monkeypatch.setattr(public, "_answers", lambda address: asked.append(address))
    found = data.resolve(["krx-price", "seoul-traffic", "etth1", "exchange", "sample-stocks"])
    assert len(asked) == 1  # having waited once, no other dataset waits
    assert {name: entry.get("name") for name, entry in found.items()} == {
        "krx-price": "sample-stocks", "seoul-traffic": "sample-traffic", "etth1": None, "exchange": None,
        "sample-stocks": "sample-stocks"}  # fmt: skip
    assert "no network" in found["seoul-traffic"]["reason"] and "no network" in found["etth1"]["error"]
    assert found["krx-price"]["source"] == "sample" and "reason" not in found["sample-stocks"]
    with pytest.warns(UserWarning, match="seoul-traffic is replaced by sample-traffic"):
        assert data.load("seoul-traffic").header.name == "sample-traffic"
    with pytest.raises(DataError, match="etth1 cannot be had"):
        data.load("etth1")


def test_a_network_that_never_answers_is_given_up(monkeypatch):
    import requests

    assert public.PROBE_S + public.CONNECT_S + public.READ_S - public.CONNECT_S < 10
    stop, tries = threading.Event(), []

    def silent(address, timeout):
        tries.append(address)
        stop.wait()
        raise requests.Timeout

    monkeypatch.setattr(requests, "head", silent)
    monkeypatch.setattr(public, "PROBE_S", 0.05)
    found = data.resolve(list(public.DATASETS))
    stop.set()
    assert len(tries) == 1 and all(entry.get("reason") or entry.get("error") for entry in found.values())


def test_a_download_that_stops_counts_as_no_network_and_leaves_nothing(tiny, empty_cache, monkeypatch):
    import requests

    def stalled(url, output, pooch):
        Path(output).write_bytes(b"half")
        raise requests.ConnectionError("cut")

    monkeypatch.setattr(public, "_copy", stalled)
    with pytest.raises(Unreachable, match="stopped answering"):
        public.locate("exchange")
    assert not left_over(empty_cache)


# --- names, locks, own files


def test_names_come_from_the_files_of_the_folder():
    names = data.dataset_names()
    assert names["seoul-traffic"] == "public" and names["sample-stocks"] == "sample"
    assert set(names) >= {*public.DATASETS, "sample-traffic", "sample-stocks"}
    with pytest.raises(DataError, match="did you mean 'seoul-traffic'"):
        data.resolve(["seul-traffic"])


def test_planning_imports_nothing_heavy():
    code = """
import sys
from litecast import data
from litecast.data import public
data.dataset_names(), data.resolve(["sample-traffic"])
print([name for name in ("pandas", "numpy", "torch", "pooch") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_load_takes_what_the_lock_of_the_study_names(monkeypatch):
    monkeypatch.setattr(data, "resolve", lambda *a: pytest.fail("the lock is enough"))
    lock = paths.study_dir("mine") / "data.lock"
    lock.parent.mkdir(parents=True)
    entry = {"name": "sample-traffic", "source": "sample", "sha256": "", "reason": "no network"}
    lock.write_text(json.dumps({"seoul-traffic": entry, "etth1": {"error": "no network"}}))
    assert data.load("sample-traffic", "mine").header.name == "sample-traffic"
    with pytest.raises(DataError, match="etth1 cannot be had: no network"):
        data.load("etth1", "mine")


def test_an_own_file_goes_by_the_name_of_the_study_and_may_not_change_under_it(tmp_path):
    path = tmp_path / "raw 7.csv"
    hours = pd.date_range("2024-01-01", periods=300, freq="h")
    pd.DataFrame({"time": hours, "a": np.arange(300) % 24 + 1.5}).to_csv(path, index=False)
    found = data.resolve(["shop"], {"shop": path})
    assert found["shop"]["source"] == "files" and len(found["shop"]["sha256"]) == 64
    lock = paths.study_dir("mine") / "data.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps(found))
    assert data.load("shop", "mine").header.name == "shop" and data.load(str(path)).wide().shape == (300, 1)
    path.write_text(path.read_text() + "2024-01-13 12:00:00,3\n")
    with pytest.raises(DataError, match="changed since this study was planned"):
        data.load("shop", "mine")


@pytest.mark.skipif(not REAL, reason="the files themselves are not here")
def test_the_real_files_match_the_registry(monkeypatch):
    monkeypatch.setenv("LITECAST_MIRROR", REAL)
    assert {entry["source"] for entry in data.resolve(list(public.DATASETS)).values()} == {"public"}
    seoul = data.load("seoul-traffic").wide()
    answer = Path(REAL) / "traffic/seoul_topis_2024_hourly.csv.gz"
    assert seoul.shape == (8784, 23) and seoul["A-01"].iloc[0] == 1736
    rain = data.load("seoul-traffic").wide("rain")
    assert rain.iloc[:, 0].max() == 39.0 and rain.iloc[1:].notna().all(axis=None)
    if answer.exists():
        expected = pd.read_csv(answer, index_col=0, parse_dates=True).drop(columns="D-46")
        np.testing.assert_array_equal(seoul.fillna(0), expected)
    assert [name for name, _ in prepare(data.load("seoul-traffic")).dropped] == ["A-03"]
    volume = prepare(data.load("krx-volume"))
    assert volume.y.shape == (2300, 11) and str(volume.times[0].date()) == "2008-10-10"
    etth1 = prepare(data.load("etth1"))
    assert [len(etth1.origins(p)) for p in PARTS] == [8209, 2785, 2785] and etth1.C == 7
    assert prepare(data.load("exchange")).y.shape == (7588, 8)
    subway = data.load("seoul-subway")
    assert subway.wide().shape == (1735, 470) and subway.wide().notna().all(axis=None)
    assert "219 are left out: 164 of them look like 82 stations renamed" in subway.header.note
    bike = data.load("seoul-bike").wide()["Seoul"]
    assert (len(bike), bike.isna().sum(), bike.iloc[0], bike.max()) == (8760, 295, 254, 3556)
    samsung, kospi = data.load("samsung"), data.load("kospi")
    assert samsung.wide().shape == (7001, 1) and "2018-05-04 mean price paid ×0.02" in samsung.header.note
    assert kospi.wide().shape == (11023, 1) and kospi.wide("volume").isna().sum().sum() == 5
    assert "051910 LG화학 ×1.44; 2013-08-29 035420 NAVER ×1.65" in data.load("krx-price").header.note
