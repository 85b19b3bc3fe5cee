"""Public data sets: downloaded once by pooch, checked by sha256, read into frames by `readers`.

LITECAST_MIRROR, a folder or URL laid out by the paths of REGISTRY, replaces the addresses on the network. Files are
kept in `paths.data_dir()/public`. Nothing of them is shipped with litecast: each keeps the licence of its source.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import threading
from pathlib import Path

from .. import paths
from ..errors import DataError
from . import Unreachable

DATASETS = ("seoul-traffic", "seoul-bike", "seoul-subway", "krx-volume", "krx-price", "samsung", "kospi", "etth1",
            "exchange")  # fmt: skip
KIND = {  # which notebook collects it
    "seoul-traffic": "traffic", "seoul-bike": "traffic", "seoul-subway": "traffic", "krx-volume": "stocks",
    "krx-price": "stocks", "samsung": "stocks", "kospi": "stocks"}  # fmt: skip
FALLBACK = {
    "seoul-traffic": "sample-traffic", "seoul-bike": "sample-traffic", "krx-volume": "sample-stocks",
    "krx-price": "sample-stocks", "samsung": "sample-stocks", "kospi": "sample-stocks"}  # fmt: skip

PROBE_S, CONNECT_S, READ_S = 4, 3, 5  # giving up takes at most their sum minus CONNECT_S, and stays below 10 s

_RAW = "https://raw.githubusercontent.com/"
_RLTRADER = _RAW + "quantylab/rltrader/2a7ec088e11f784dfc3997d3697c1df6953bd87c/data/v1/"
_TRAFFIC = _RAW + "choyhns/traffic-volume/7c64921bf0d1a52d8fbde7586adc291482152da5/data/"
_MONTHS = _RAW + "JUNHYEOKCHO/Subway_project/e3691c60f6101ddec683e693fc4bb9fcfeaad5a1/data/"
_PRICES = _RAW + "DataScience-Lab-Yonsei/9th_EDA/9b87d53c6b54f942f8ae08ed541fcb791594fe01/1%E1%84%8C%E1%85%A9/Dataset/"
_TOPIS, _WEATHER = "traffic/seoul_topis_windows_w24_raw.npz", "traffic/seoul_weather_108_hourly.csv"
_BIKE, _SUBWAY = "traffic/SeoulBikeData.csv", "traffic/seoul_subway_daily_on.csv.gz"
_SAMSUNG, _KOSPI = "stocks/samsung_005930_krx_1995_2022.csv", "stocks/kospi_index_daily_1981_2022.csv"
_ETTH1, _EXCHANGE = "ltsf/ETTh1.csv", "ltsf/exchange_rate.txt.gz"

STOCKS = {  # code: sha256 of its file
    "000270": "55c4b925ef9b96f34a7d896079cf424547a7a2827713c66c24cd8416aaeb90a9",
    "000660": "6b7875e0b72ce55876ab1a36590a0e0c4af0e27910bf3b998666686f0447bea5",
    "005380": "ea5319e2203b981b634bf9f3a564596674b2b1cf0eb7dfdd468b15aeb811e0d1",
    "005490": "7986a792ae9d21b8db8cb1419fff82a40337f26b0f61945504b89ac854fd2126",
    "005930": "4ba68fd63cb46a14d8a3b9f11e88e7451b9bbe4004906e411e46df606671a3e0",
    "009540": "1acdf746654cc09d44be3db8b307759644adc920f1215ca2486040dd09812797",
    "015760": "df9a27b04459b0d0aee96b2dd7c3c3a709241eb15b99ba0acf427845d7e53e84",
    "030200": "c583f5fc7f07052b89b9c1cf8309f9cb8e265f91d9f0ba171e0a5a29dc3c5056",
    "035420": "b4661a2d0fb7a1dff7ae4b0fb6f588025707269e7c6cf0609be5444643c0b8a9",
    "051910": "08d1df1416bbff8e494fbeddf42b12040f76922fe22f38b4f794b179f1b0bd72",
    "105560": "5ec6cd262907dab4a1681de34b57963b9141b495b9cf8fd80f8af45c64fb19fe",
}


def _subway_months() -> dict[str, tuple[str, str]]:
    """Path: (url, sha256) of the monthly files that the subway counts come from."""
    with Path(__file__).with_name("subway_months.csv").open(encoding="utf-8", newline="") as listing:
        names = {f"CARD_SUBWAY_MONTH_{row['month']}.csv": row["sha256"] for row in csv.DictReader(listing)}
    return {f"traffic/seoul_subway_months/{name}": (_MONTHS + name, sha) for name, sha in names.items()}


SUBWAY_MONTHS = _subway_months()
REGISTRY = {  # path in a mirror and in the cache: (url, sha256); no url: only mirrors have it
    _TOPIS: (
        _TRAFFIC + "processed/windows_w24_h1_tf_nosid_raw.npz",
        "9bdac92c7d9b726015954bab1136868c43c5c1e9d116cd0288f05061c6eec6ac"),
    _WEATHER: (
        _TRAFFIC + "raw/weather_seoul_108.csv",
        "6b6de519492c1d8d887b89905aa21a920971e7dcfdb3d646abab716d4f7390ea"),
    _BIKE: (
        _RAW + "kd-hyun/Analytical-Practice-with-Python/6030bd53d22344150d3bad83c8e5da4644ea46ba/data/"
        "SeoulBikeData.csv",
        "290376812d82b40ce797969225ac238057d08befb505c5f5f84549e38d352976"),
    _SUBWAY: ("", "cc0fb5dc701d3133a1d5461d62f2d619e3deb19955150f5d5e7d9db001f51ed5"),
    _SAMSUNG: (
        _PRICES + "%EC%82%BC%EC%84%B1%EC%A0%84%EC%9E%90.csv",
        "bf1c7d26a1392bfb1cd2ed69cd5a075d94110ce7b65c34586dd5bc7e43914c54"),
    _KOSPI: (
        _PRICES + "kospi_data.csv",
        "462d3a61809d2552c08ad95be20a3709968cf0fce86ef4b7f4e2696ab2a98b32"),
    _ETTH1: (
        _RAW + "zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small/ETTh1.csv",
        "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
    _EXCHANGE: (
        _RAW + "laiguokun/multivariate-time-series-data/7f402f185cc2435b5e66aed13a3b560ed142e023/"
        "exchange_rate/exchange_rate.txt.gz",
        "6a4fbb561dcdee43f071a83badbeec9223a335552278348656738b556f1c2e9d"),
    **{f"stocks/rltrader_v1/{code}.csv": (f"{_RLTRADER}{code}.csv", sha) for code, sha in STOCKS.items()},
    **SUBWAY_MONTHS,
}  # fmt: skip
_FILES = {  # what a dataset is defined by
    "seoul-traffic": [_TOPIS, _WEATHER], "seoul-bike": [_BIKE], "seoul-subway": list(SUBWAY_MONTHS),
    "samsung": [_SAMSUNG], "kospi": [_KOSPI], "etth1": [_ETTH1], "exchange": [_EXCHANGE]}  # fmt: skip
_DERIVED = {"seoul-subway": _SUBWAY}  # one table made of all those files, where a mirror holds it


class Absent(DataError):
    """The server or the mirror answers, but has no such file."""


def files(name: str) -> list[str]:
    """Paths in REGISTRY that a dataset is defined by."""
    return _FILES.get(name) or [f"stocks/rltrader_v1/{code}.csv" for code in STOCKS]


def at_hand(name: str) -> bool:
    """Whether a dataset can be had without network: it lies in the cache, or a mirror is named."""
    wanted = [_DERIVED[name]] if name in _DERIVED and _whole(_DERIVED[name]) else files(name)
    return bool(os.environ.get("LITECAST_MIRROR")) or all(map(_whole, wanted))


def locate(name: str, network: bool = True) -> dict:
    """{"sha256"} of a dataset whose files are now all in the cache: of its one file, or over the list of several.

    The sha256 is always over the files that define the dataset, also where a table derived from them is read instead:
    that table is pinned by a checksum of its own and gives the identical frame, so a study planned on a machine with
    the table and one with the files are studies of the same data.
    Raises Unreachable without network, DataError for a wrong checksum or a file that the server or mirror lacks.
    """
    _obtain(name, network)
    hashes = [REGISTRY[file][1] for file in files(name)]
    return {"sha256": hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()}


def load(name: str, entry: dict | None = None):
    """SeriesFrame of a public dataset in raw units; fetches what the cache lacks. Raises DataError as `locate` does."""
    from .readers import benchmarks, stocks, traffic

    reader = {
        "seoul-traffic": traffic.topis, "seoul-bike": traffic.bike, "seoul-subway": traffic.subway,
        "krx-volume": stocks.krx_volume, "krx-price": stocks.krx_price, "samsung": stocks.samsung,
        "kospi": stocks.kospi, "etth1": benchmarks.etth1, "exchange": benchmarks.exchange}[name]  # fmt: skip
    sha256 = locate(name)["sha256"]
    first = REGISTRY[files(name)[0]][0]
    source = first.rpartition("/")[0] + "/" if name in ("seoul-subway", "krx-volume", "krx-price") else first
    return reader([_cached(file) for file in _obtain(name)], sha256, source)


# --- getting files


def _obtain(name: str, network: bool = True) -> list[str]:
    """The files to read a dataset from, in the cache after this call."""
    derived, lacking = _DERIVED.get(name), ""
    missing = [file for file in files(name) if not _whole(file)]
    if derived and missing:
        if _whole(derived):
            return [derived]
        if os.environ.get("LITECAST_MIRROR"):
            try:
                _download([derived], network)
                return [derived]
            except Absent as error:
                lacking = f" (nor is there the table made of them: {error})"
    try:
        if missing:
            _download(missing, network)
    except Absent as error:
        raise Absent(f"{error}{lacking}") from None
    return files(name)


def _whole(file: str) -> bool:
    return _sha256(_cached(file)) == REGISTRY[file][1]


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
            raise Absent(f"{file} cannot be had: {error}") from None
        except requests.RequestException as error:
            raise Unreachable(f"no network: {cache.get_url(file)} stopped answering ({type(error).__name__})") from None
        except ValueError as error:  # pooch names expected and found
            raise DataError(f"{file} from {cache.get_url(file)}: {error}") from None


def _copy(url: str, output: str, _pooch) -> None:
    """Downloader of a mirror that is a folder."""
    if not Path(url).is_file():
        raise Absent(f"the mirror has no file {url}; LITECAST_MIRROR must be laid out like the registry")
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
