"""What the 32-bit collectors share: their settings, and keeping one whole chain per stock.

Standard library only (and what litecast has of it): `python -m litecast.collect.collectors.cybos` runs in a bare 32-bit
Python 3.11 with pywin32, from the folder `src` or with PYTHONPATH=src.
"""

from __future__ import annotations

import difflib
import json
import re
import struct
import sys
from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime

from litecast.data import dataset_names, store
from litecast.data.raw import Raw
from litecast.errors import DataError

from ..chains import Chain, kept

REQUIRED = object()
Page = tuple[str, dict]  # what was asked, what came: {"fields": [...], "rows": [[...], ...], ...}


class Lost(DataError):
    """The broker's program is gone: no other stock can be asked for either."""


# --- settings: name -> (how to read the text, default, what it is)


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def flag(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    return known[text.lower()]


def positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def day(text: str) -> date:
    return datetime.strptime(text.replace("-", ""), "%Y%m%d").date()


SETTINGS = {
    "codes": (words, REQUIRED, "stock codes, 005930,000660"),
    "adjusted": (flag, True, "prices adjusted for splits as of the base date (1) or as traded (0)"),
    "base": (day, None, "newest day asked for, YYYYMMDD (default: today in Korea)"),
    "since": (day, None, "oldest day wanted, YYYYMMDD (default: all there is)"),
}


def parsed(argv: list[str], settings: dict, program: str) -> tuple[str, dict]:
    """Name of the collection and settings from `NAME key=value …`; DataError with the usage if they are not right."""
    if not argv or "=" in argv[0] or any("=" not in word for word in argv[1:]):
        raise DataError(usage(settings, program))
    given = dict(word.split("=", 1) for word in argv[1:])
    for key in given.keys() - settings.keys():
        near = difflib.get_close_matches(key, settings, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(settings)}"
        raise DataError(f"no setting is called '{key}'; {hint}")
    values = {key: _value(key, given.get(key), *settings[key][:2], settings, program) for key in settings}
    return argv[0], values


def _value(key: str, text: str | None, read: Callable, default, settings: dict, program: str):
    if text is None and default is REQUIRED:
        raise DataError(f"{key} must be given.\n{usage(settings, program)}")
    try:
        value = default if text is None else read(text)
    except (ValueError, KeyError):
        raise DataError(f"{key}={text} cannot be read: {settings[key][2]}") from None
    if value == []:
        raise DataError(f"{key} names nothing: {settings[key][2]}")
    return value


def usage(settings: dict, program: str) -> str:
    lines = [f"say: python -m litecast.collect.collectors.{program} NAME codes=005930,000660 [key=value …]"]
    for key, (_, default, what) in settings.items():
        lines.append(f"  {key:10} {what}" + (f" [{default}]" if default not in (REQUIRED, None) else ""))
    return "\n".join(lines)


def check_codes(codes: list[str], form: str, example: str) -> None:
    """DataError for a code that is none, and for stocks beside an index: KRW and points are two collections."""
    for code in codes:
        if not re.fullmatch(form, code):
            raise DataError(f"codes: {code!r} is none; say {example}, several by commas")
    unit_of(codes)


def unit_of(codes: Collection[str]) -> str:
    """'KRW', or 'index points' of indices (U001); DataError where both are among the codes."""
    indices = [code for code in codes if code.startswith("U")]
    if indices and len(indices) < len(codes):
        raise DataError(f"{', '.join(indices)}: an index is in points, a stock in KRW; make two collections")
    return "index points" if indices else "KRW"


# --- running


def run(program: str, settings: dict, argv: list[str] | None, work: Callable[[str, dict], int]) -> int:
    """Exit status of a collector; errors are said without a traceback."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not in a notebook
            stream.reconfigure(errors="replace")  # a console that has no Korean letters
    if {"-h", "--help"} & set(argv):
        print(usage(settings, program))
        return 0
    try:
        return work(*parsed(argv, settings, program))
    except DataError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{program}: stopped; run the same command again, whole stocks are kept", file=sys.stderr)
        return 130


def need_32_bit(program: str) -> None:
    """DataError unless this is 32-bit Python on Windows: the brokers' programs load into no other."""
    bits = 8 * struct.calcsize("P")
    if sys.platform != "win32" or bits != 32:
        raise DataError(
            f"this is {bits}-bit Python on {sys.platform}, and the broker's program needs 32-bit Python on Windows: "
            f"install it beside yours (python.org, 'Windows installer (32-bit)') and run there  "
            f"py -3.11-32 -m litecast.collect.collectors.{program} …")  # fmt: skip


def gather(source: str, name: str, asked: dict, clock, chain_of_pages: Callable[[Chain, date | None], Iterator[Page]],
           ready: Callable[[], None]) -> int:  # fmt: skip
    """Keep one chain per stock in the raw answers of the collection; those kept already are not asked for again.

    A chain is kept whole or not at all. A stock that fails is said and the next one tried; status 1 if any failed.
    """
    raw, today, failed = store.Collection(name).raw, clock.now().date(), {}
    base, codes = asked["base"] or today, list(dict.fromkeys(asked["codes"]))
    _fits(source, name, raw, codes)
    if base > today or (asked["since"] and asked["since"] > base):
        raise DataError(f"since={asked['since']}, base={base}: the base date must not lie after today ({today}), nor "
                        "before since")
    for at, code in enumerate(codes, 1):
        chain = Chain(source, code, asked["adjusted"], base, asked["since"], settled=base < today)
        said = f"[{at}/{len(codes)}] {code}"
        if raw.time(chain.unit):
            print(f"{said}: already here, {chain.made_of}", flush=True)
            continue
        ready()
        try:
            pages = _pages(chain, chain_of_pages(chain, chain.stop(raw, read)), clock)
            chain.rows(raw, read, pages=[body for _, _, body in pages])  # what raises is not kept
        except Lost:
            raise
        except DataError as error:
            failed[code] = error
            print(f"{said}: {error}", file=sys.stderr, flush=True)
            continue
        raw.keep(chain.unit, pages)
        chain.drop_earlier(raw)
        print(f"{said}: {len(pages)} pages, {chain.made_of}", flush=True)
    print(f"{len(codes) - len(failed)} of {len(codes)} stocks are in {raw.path}. Next, in 64-bit "
          f"Python: python -m litecast.collect collect {source} {name}", flush=True)  # fmt: skip
    return 1 if failed else 0


def _fits(source: str, name: str, raw: Raw, codes: list[str]) -> None:
    """DataError where the 64-bit side would refuse what is collected here, so before hours are spent on it."""
    public = {known for known, module in dataset_names().items() if module != "store"}
    if public & {name, *(f"{name}-{view}" for view in store.VIEWS)}:
        raise DataError(f"'{name}' is the name of a public dataset or a sample; choose another for the collection")
    if others := {unit.split()[0] for unit in raw.units()} - {source}:
        raise DataError(f"the collection {name} comes from {', '.join(others)}, not from {source}: choose another name")
    unit_of({*codes, *(chain.code for chain in kept(raw, f"{source} "))})


def _pages(chain: Chain, pages: Iterator[Page], clock) -> list[tuple[str, str, bytes]]:
    found = []
    for request, page in pages:
        body = {"source": chain.source, "code": chain.code, "base": f"{chain.base:%Y%m%d}", **page}
        text = json.dumps(body, ensure_ascii=False, default=str)  # COM may give a Decimal
        found.append((request, clock.now().isoformat(timespec="seconds"), text.encode()))
    return found


def read(page: bytes) -> list[dict]:
    """Rows of a kept page as delivered, {field: value}. Raises DataError if it was not kept by a collector."""
    try:
        body = json.loads(page)
        return [dict(zip(body["fields"], row, strict=True)) for row in body["rows"]]
    except (ValueError, KeyError, TypeError):
        raise DataError("a raw answer was not written by a collector of this version: delete the collection's "
                        "raw.sqlite and run the collector again") from None  # fmt: skip
