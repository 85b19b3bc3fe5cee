"""Prices that the 32-bit collectors wrote on Windows (cybos, kiwoom_ocx), made into parts here in 64-bit Python.

Nothing is asked for: the newest chain of each stock is read from the raw answers of the collection. The unit of the
traded value is a setting (value_krw): stored output of Cybos shows KRW on daily bars, its help page is not clear.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from litecast.errors import DataError

from .. import collecting, prices
from ..chains import Chain, kept
from ..collectors.shared import read, unit_of

SOURCES = {
    "cybos": "Daishin Cybos Plus / CREON Plus: daily prices written by the collector on Windows",
    "kiwoom-ocx": "Kiwoom OpenAPI+ (OCX): daily prices written by the collector on Windows",
}
KIND = {"cybos": "stocks", "kiwoom-ocx": "stocks"}

PROVIDERS = {"cybos": "Daishin Securities, Cybos Plus StockChart", "kiwoom-ocx": "Kiwoom Securities, OpenAPI+ opt10081"}


class Options(collecting.Options):
    SAME = ("adjusted", "value_krw")

    codes: collecting.Words = Field([], description="stock codes (default: all that the collector wrote)")
    adjusted: bool = Field(True, description="prices and volumes adjusted for splits as of the base date")
    value_krw: int | None = Field(
        None, gt=0, description="KRW in one unit of traded value as delivered (default: cybos 1, kiwoom-ocx 1000000)"
    )


OPTIONS = {"cybos": Options, "kiwoom-ocx": Options}


def parts(job: collecting.Job) -> Iterator[collecting.Part]:
    """One part per stock, columns of prices.table. Raises DataError that says how to run the collector."""
    asked, chains = job.options, _newest(job)
    for code in asked.codes:
        if code not in chains:
            raise DataError(f"{job.source}, {code}: the collector has written no such prices. {_how(job, code)}")
    job.describe(
        unit=unit_of(chains), frequency="trading-day", provider=PROVIDERS[job.source],
        licence="for the account holder's own use; see the broker's terms",
        note="Prices adjusted as of their base date." if asked.adjusted else "Unadjusted prices.")  # fmt: skip
    for code in job.progress(asked.codes or sorted(chains)):
        yield _part(job, chains[code])


PARTS = {"cybos": parts, "kiwoom-ocx": parts}


def _newest(job: collecting.Job) -> dict[str, Chain]:
    """Code -> the chain of the newest base date; of several spans the longest."""
    found: dict[str, Chain] = {}
    for chain in kept(job.collection.raw, f"{job.source} "):
        if chain.adjusted == job.options.adjusted and _rank(chain) >= _rank(found.get(chain.code, chain)):
            found[chain.code] = chain
    if not found:
        raise DataError(f"the collection {job.name} holds no {'' if job.options.adjusted else 'un'}adjusted prices of "
                        f"{job.source} yet. {_how(job, '005930,000660')}")  # fmt: skip
    return found


def _rank(chain: Chain) -> tuple:
    return chain.base, chain.settled, -chain.since.toordinal() if chain.since else 0


def _how(job: collecting.Job, codes: str) -> str:
    program = job.source.replace("-", "_")
    return (f"On Windows, in 32-bit Python: py -3.11-32 -m litecast.collect.collectors.{program} {job.name} "
            f"codes={codes} adjusted={int(job.options.adjusted)} ; it writes {job.collection.raw.path.name}, which "
            f"belongs here: {job.collection.folder}")


def _part(job: collecting.Job, chain: Chain) -> collecting.Part:
    raw, notes = job.collection.raw, {}

    def make():
        found, counted = chain.rows(raw, read, job.options.value_krw)
        notes.update(counted)
        return prices.table(found, chain.code)

    return collecting.Part(chain.code, chain.made_of, make, lambda: notes, {"raw": chain.unit})
