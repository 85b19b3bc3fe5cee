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
    pd.DataFrame({"date": hours, "HUFL": wave, "OT": 2 * wave}).to_csv(folder / public._ETTH1, index=False)
    sky(folder / public._WEATHER)
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
    expected = np.where(counts == 0, np.nan, counts)[:, [s != "D-46" for s in public.SPOTS]]
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
        public._sky(tmp_path / "odd.csv")


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
        public._unwindowed(tmp_path / "odd.npz")


# --- getting


def test_resolve_caches_every_file_and_then_needs_no_mirror(tiny, empty_cache, monkeypatch):
    found = data.resolve(list(public.DATASETS))
    assert all(entry["name"] == name and entry["source"] == "public" for name, entry in found.items())
    assert found["etth1"]["sha256"] == public.REGISTRY[public._ETTH1][1]
    assert found["krx-price"]["sha256"] == found["krx-volume"]["sha256"] != found["etth1"]["sha256"]
    assert sorted(left_over(empty_cache)) == sorted(public.REGISTRY)
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
    monkeypatch.setattr(public, "_ETTH1", "ltsf/gone.csv")
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


if REAL:

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
