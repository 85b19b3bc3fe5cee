"""Public data sets: downloaded once by pooch, checked by sha256, read into frames.

LITECAST_MIRROR, a folder or URL laid out by the paths of REGISTRY, replaces the addresses on the network. Files are
kept in `paths.data_dir()/public`. Nothing of them is shipped with litecast: each keeps the licence of its source.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from pathlib import Path

from .. import paths
from ..errors import DataError
from . import Unreachable

DATASETS = ("seoul-traffic", "krx-volume", "krx-price", "etth1", "exchange")
KIND = {"seoul-traffic": "traffic", "krx-volume": "stocks", "krx-price": "stocks"}  # which notebook collects it
FALLBACK = {"seoul-traffic": "sample-traffic", "krx-volume": "sample-stocks", "krx-price": "sample-stocks"}

PROBE_S, CONNECT_S, READ_S = 4, 3, 5  # giving up takes at most their sum minus CONNECT_S, and stays below 10 s
SPOTS = [f"A-{n:02}" for n in range(1, 14)] + ["D-46"] + [f"F-{n:02}" for n in range(1, 11)]
SPOT_LEFT_OUT = "D-46"

_RAW = "https://raw.githubusercontent.com/"
_RLTRADER = _RAW + "quantylab/rltrader/2a7ec088e11f784dfc3997d3697c1df6953bd87c/data/v1/"
_TRAFFIC = _RAW + "choyhns/traffic-volume/7c64921bf0d1a52d8fbde7586adc291482152da5/data/"
_TOPIS, _WEATHER = "traffic/seoul_topis_windows_w24_raw.npz", "traffic/seoul_weather_108_hourly.csv"
_ETTH1, _EXCHANGE = "ltsf/ETTh1.csv", "ltsf/exchange_rate.txt.gz"

STOCKS = {  # code: (name, sha256 of its file)
    "000270": ("기아", "55c4b925ef9b96f34a7d896079cf424547a7a2827713c66c24cd8416aaeb90a9"),
    "000660": ("SK하이닉스", "6b7875e0b72ce55876ab1a36590a0e0c4af0e27910bf3b998666686f0447bea5"),
    "005380": ("현대차", "ea5319e2203b981b634bf9f3a564596674b2b1cf0eb7dfdd468b15aeb811e0d1"),
    "005490": ("POSCO", "7986a792ae9d21b8db8cb1419fff82a40337f26b0f61945504b89ac854fd2126"),
    "005930": ("삼성전자", "4ba68fd63cb46a14d8a3b9f11e88e7451b9bbe4004906e411e46df606671a3e0"),
    "009540": ("현대중공업", "1acdf746654cc09d44be3db8b307759644adc920f1215ca2486040dd09812797"),
    "015760": ("한국전력", "df9a27b04459b0d0aee96b2dd7c3c3a709241eb15b99ba0acf427845d7e53e84"),
    "030200": ("KT", "c583f5fc7f07052b89b9c1cf8309f9cb8e265f91d9f0ba171e0a5a29dc3c5056"),
    "035420": ("NAVER", "b4661a2d0fb7a1dff7ae4b0fb6f588025707269e7c6cf0609be5444643c0b8a9"),
    "051910": ("LG화학", "08d1df1416bbff8e494fbeddf42b12040f76922fe22f38b4f794b179f1b0bd72"),
    "105560": ("KB금융", "5ec6cd262907dab4a1681de34b57963b9141b495b9cf8fd80f8af45c64fb19fe"),
}
REGISTRY = {  # path in a mirror and in the cache: (url, sha256)
    _TOPIS: (
        _TRAFFIC + "processed/windows_w24_h1_tf_nosid_raw.npz",
        "9bdac92c7d9b726015954bab1136868c43c5c1e9d116cd0288f05061c6eec6ac"),
    _WEATHER: (
        _TRAFFIC + "raw/weather_seoul_108.csv",
        "6b6de519492c1d8d887b89905aa21a920971e7dcfdb3d646abab716d4f7390ea"),
    _ETTH1: (
        _RAW + "zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small/ETTh1.csv",
        "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
    _EXCHANGE: (
        _RAW + "laiguokun/multivariate-time-series-data/7f402f185cc2435b5e66aed13a3b560ed142e023/"
        "exchange_rate/exchange_rate.txt.gz",
        "6a4fbb561dcdee43f071a83badbeec9223a335552278348656738b556f1c2e9d"),
    **{f"stocks/rltrader_v1/{code}.csv": (f"{_RLTRADER}{code}.csv", sha) for code, (_, sha) in STOCKS.items()},
}  # fmt: skip


def files(name: str) -> list[str]:
    """Paths in REGISTRY that a dataset is made of."""
    few = {"seoul-traffic": [_TOPIS, _WEATHER], "etth1": [_ETTH1], "exchange": [_EXCHANGE]}
    return few[name] if name in few else [f"stocks/rltrader_v1/{code}.csv" for code in STOCKS]


def locate(name: str, network: bool = True) -> dict:
    """{"sha256"} of a dataset whose files are now all in the cache: of its one file, or over the list of several.

    Raises Unreachable without network, DataError for a wrong checksum or a file that the server or mirror lacks.
    """
    wanted = files(name)
    missing = [file for file in wanted if _sha256(_cached(file)) != REGISTRY[file][1]]
    if missing:
        _download(missing, network)
    hashes = [REGISTRY[file][1] for file in wanted]
    return {"sha256": hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()}


def load(name: str, entry: dict | None = None):
    """SeriesFrame of a public dataset in raw units; fetches what the cache lacks. Raises DataError as `locate` does."""
    sha256 = locate(name)["sha256"]
    paths_ = [_cached(file) for file in files(name)]
    if name == "seoul-traffic":
        return _seoul(*paths_, sha256)
    if name == "etth1":
        return _etth1(paths_[0], sha256)
    return _exchange(paths_[0], sha256) if name == "exchange" else _krx(name, paths_, sha256)


# --- getting files


def _cached(file: str) -> Path:
    return paths.data_dir() / "public" / file


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _download(missing: list[str], network: bool) -> None:
    """Fetch into the cache; pooch checks a temporary file and moves it in place, so nothing is left half-written."""
    mirror = os.environ.get("LITECAST_MIRROR", "")
    if mirror and "://" not in mirror:
        return _fetch(missing, mirror.rstrip("/") + "/", _copy)
    base = mirror.rstrip("/") + "/" if mirror else ""
    address = base + missing[0] if base else REGISTRY[missing[0]][0]
    if not network or not _answers(address):
        host = address.split("/")[2]
        raise Unreachable(f"no network: {host} gives no answer, and {_state(missing[0])}; try again later, or set "
                          "LITECAST_MIRROR to a folder or URL that holds the file")
    import pooch

    _fetch(missing, base, pooch.HTTPDownloader(timeout=(CONNECT_S, READ_S)))


def _state(file: str) -> str:
    """Why the cache does not do."""
    found = _sha256(_cached(file))
    if found is None:
        return f"{file} is not in the cache"
    return f"{_cached(file)} is damaged (expected sha256 {REGISTRY[file][1]}, found {found})"


def _fetch(missing: list[str], base: str, downloader) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    registry = {file: f"sha256:{REGISTRY[file][1]}" for file in missing}
    urls = {} if base else {file: REGISTRY[file][0] for file in missing}
    cache = pooch.create(path=_cached(""), base_url=base, registry=registry, urls=urls)
    for file in missing:
        try:
            cache.fetch(file, downloader=downloader)
        except requests.HTTPError as error:
            raise DataError(f"{file} cannot be had: {error}") from None
        except requests.RequestException as error:
            raise Unreachable(f"no network: {cache.get_url(file)} stopped answering ({type(error).__name__})") from None
        except ValueError as error:  # pooch names expected and found
            raise DataError(f"{file} from {cache.get_url(file)}: {error}") from None


def _copy(url: str, output: str, _pooch) -> None:
    """Downloader of a mirror that is a folder."""
    if not Path(url).is_file():
        raise DataError(f"the mirror has no file {url}; LITECAST_MIRROR must be laid out like the registry")
    shutil.copyfile(url, output)


def _answers(address: str) -> bool:
    """Whether anything at all answers within PROBE_S; in a thread, since looking up a name knows no time limit."""
    import requests

    answers = []

    def probe():
        try:
            answers.append(requests.head(address, timeout=CONNECT_S).status_code)
        except requests.RequestException:
            pass

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_S)
    return bool(answers)


# --- reading files


def _seoul(path: Path, weather: Path, sha256: str):
    """Hourly vehicles at 23 spots of Seoul in 2024, and the city's weather as observed columns, the same for all.

    Zero rule of this source: its author filled hours without a count with 0, so 0 means missing here. D-46 is left
    out beforehand: 57 % of its hours are zero.
    """
    import numpy as np
    import pandas as pd

    from .frame import Header, from_wide

    values = _unwindowed(path)
    times = pd.date_range("2024-01-01", periods=len(values), freq="h")
    wide = pd.DataFrame(np.where(values == 0, np.nan, values), index=times, columns=SPOTS)
    header = Header(
        name="seoul-traffic", unit="vehicles/h", frequency="h", season=168, L=168, H=24, split="weeks", country="KR",
        kind="traffic", sha256=sha256,
        source=f"Seoul TOPIS 2024 (VolInfo) by way of {REGISTRY[_TOPIS][0]}",
        licence="none stated in the repository; underlying data: Seoul Open Data Plaza OpenAPI (SpotInfo/VolInfo)",
        note="Rebuilt from 24-hour windows. The source filled missing hours with 0: 0 = missing. All spots miss "
             "2024-11-08. D-46 is left out: 57 % zeros. Both directions and all lanes summed. Weather of KMA station "
             "108 is only observed: it may be used once it has happened.")  # fmt: skip
    wide = wide.drop(columns=SPOT_LEFT_OUT)
    observed = {name: pd.DataFrame(dict.fromkeys(wide.columns, column)) for name, column in _sky(weather).items()}
    return from_wide(header, wide, observed)


def _sky(path: Path):
    """Hourly weather of Seoul, a column each: temperature (degC), rain (mm), humidity (%), snow lying (cm).

    Rain and snow rule of this source (KMA): empty means that there was none.
    """
    import pandas as pd

    columns = {"기온(°C)": "temperature", "강수량(mm)": "rain", "습도(%)": "humidity", "적설(cm)": "snow"}
    table = pd.read_csv(path, encoding="utf-8-sig", parse_dates=["일시"])
    if missing := [name for name in columns if name not in table]:
        raise DataError(f"{path}: the weather has no column {', '.join(missing)}")
    table = table.set_index("일시")[list(columns)].rename(columns=columns).astype("float64")
    return table.fillna({"rain": 0.0, "snow": 0.0})


def _unwindowed(path: Path):
    """(hours, 24) counts from sliding windows of 24 hours and the hour after each.

    The source cut its rows, sorted by time, into train, val and test, and in each part made windows spot after spot.
    Cuts fall amid the spots of one hour, so a spot's windows are told apart by where one no longer continues the last.
    """
    import numpy as np

    columns = [[] for _ in SPOTS]
    with np.load(path, allow_pickle=False) as archive:
        for part in ("train", "val", "test"):
            inputs, following = archive[f"X_{part}"][:, :, 0], archive[f"y_{part}"][:, 0]
            goes_on = (inputs[1:, :-1] == inputs[:-1, 1:]).all(axis=1) & (inputs[1:, -1] == following[:-1])
            starts = np.concatenate([[0], np.flatnonzero(~goes_on) + 1, [len(inputs)]])
            if len(starts) != len(SPOTS) + 1:
                raise DataError(f"{path}: {part} holds windows of {len(starts) - 1} spots, expected {len(SPOTS)}")
            for column, a, b in zip(columns, starts, starts[1:], strict=False):
                column += [inputs[a], following[a:b]]
    return np.column_stack([np.concatenate(column) for column in columns]).astype(np.float64)


def _krx(name: str, files_: list[Path], sha256: str):
    """Daily close (KRW) and traded volume (shares) of 11 KRX stocks, on the span common to all.

    One is the value, the other an observed column. Times are all days on which any of the stocks has a row.
    """
    import pandas as pd

    from .frame import Header, from_wide

    columns = ["time", "open", "high", "low", "close", "volume"]
    tables = {}
    for path in files_:
        table = pd.read_csv(path, names=columns, thousands=",", encoding="utf-8-sig", parse_dates=["time"])
        tables[f"{path.stem} {STOCKS[path.stem][0]}"] = table.set_index("time")
    first = max(table.index.min() for table in tables.values())
    last = min(table.index.max() for table in tables.values())
    close, volume = (
        pd.DataFrame({key: table[column] for key, table in tables.items()}).sort_index().loc[first:last].astype(float)
        for column in ("close", "volume"))  # fmt: skip
    common = {
        "frequency": "trading-day", "season": 1, "L": 60, "H": 5, "transform": "log", "country": "KR", "kind": "stocks",
        "sha256": sha256, "source": f"KRX by way of {_RLTRADER}", "licence": "MIT (repository LICENSE)"}  # fmt: skip
    note = "Adjusted for splits and rights as in the source. Zero has no logarithm: missing (a day without trade)."
    if name == "krx-volume":
        return from_wide(Header(name=name, unit="shares", note=note, **common), volume, {"close": close})
    return from_wide(Header(name=name, unit="KRW", note=note, **common), close, {"volume": volume})


def _etth1(path: Path, sha256: str):
    """Hourly loads and oil temperature of one transformer (Zhou et al. 2021, Informer), split as published."""
    import pandas as pd

    from .frame import Header, from_wide

    wide = pd.read_csv(path, parse_dates=["date"], encoding="utf-8-sig").set_index("date")
    header = Header(
        name="etth1", unit="as given (OT: oil temperature)", frequency="h", season=24, L=336, H=96, split="ett",
        sha256=sha256, source=REGISTRY[_ETTH1][0], licence="CC BY-ND 4.0: share only unmodified",
        note="Season 24 instead of 168: published tables call the day the season of these loads, and on train the "
             "seasonal naive of a day errs less (MAE 0.46 scaled) than that of a week (0.54).")  # fmt: skip
    return from_wide(header, wide)


def _exchange(path: Path, sha256: str):
    """Daily exchange rates of 8 currencies, 1990-2016, without dates: integer steps (Lai et al. 2018, LSTNet)."""
    import pandas as pd

    from .frame import Header, from_wide

    countries = ["Australia", "UK", "Canada", "Switzerland", "China", "Japan", "New Zealand", "Singapore"]
    wide = pd.read_csv(path, names=countries, encoding="utf-8-sig", compression="gzip")
    header = Header(
        name="exchange", unit="rate as given", frequency="step", season=1, L=336, H=96, sha256=sha256,
        source=REGISTRY[_EXCHANGE][0], licence="none stated in the repository",
        note="Trading days without dates: times are row numbers, there is no calendar input.")  # fmt: skip
    return from_wide(header, wide)
