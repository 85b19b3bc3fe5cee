"""The one store of what was collected: data/store/<name>/ holds Parquet parts, their manifest and the raw answers.

Reading a manifest needs the standard library only, so that planning is quick and 32-bit collectors can import it.
A collection of counts is the dataset <name>; one of prices gives <name>-price, <name>-volume and <name>-value.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .. import paths
from ..errors import DataError
from ..files import replacing
from .raw import Raw

if TYPE_CHECKING:
    import pandas as pd

VIEWS = {"price": ("close", "KRW"), "volume": ("volume", "shares"), "value": ("value", "KRW")}  # of prices
_HALF = re.compile(r"\..+\.(parquet|json)\.\d+")  # what `replacing` writes before it takes its place
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_AGAIN = "collect it again (python -m litecast.collect collect …)"
_SAID = ("source", "kind", "unit", "frequency", "provider", "licence")  # what a manifest with parts must say
_ENTRY = {"file": str, "sha256": str, "made_of": str, "rows": int, "first": str, "last": str, "columns": list,
          "notes": dict}  # fmt: skip
_NEEDED = ("file", "sha256", "made_of", "rows")  # of a part; a table without times has no first and last
_MEANING = ("unit", "frequency", "split", "country")  # what of it changes the frame


def folder() -> Path:
    return paths.data_dir() / "store"


def collections() -> list[Collection]:
    """All collections that hold a part or whose manifest is damaged, by name. Folders of any other name are foreign."""
    found = [Collection(path.parent.name) for path in sorted(folder().glob("*/manifest.json"))
             if _NAME.fullmatch(path.parent.name)]  # fmt: skip
    return [one for one in found if one.parts or one.damage]


def names() -> dict[str, str]:
    """Dataset that the store can give -> its kind, 'traffic' or 'stocks'. O/D tables are no series: not listed."""
    return {name: one.kind for one in collections() for name in one.datasets}


@contextlib.contextmanager
def held(name: str) -> Iterator[Collection]:
    """The collection, for one writer at a time; free again however that one ends. DataError for the second.

    The lock is SQLite's, which holds on every system; its empty file lies outside the store and stays. What a killed
    writer left half-written is removed.
    """
    one, path = Collection(name), paths.data_dir() / "locks" / name
    with contextlib.ExitStack() as stack:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)))
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                raise DataError(f"{one.folder} is being written by another call; wait for it or stop it") from None
            for left in one.folder.rglob(".*.[0-9]*"):
                if _HALF.fullmatch(left.name):
                    left.unlink(missing_ok=True)
        yield Collection(name)  # as it is now that nobody else writes


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise DataError(f"{path} cannot be written ({error}). Is the disk full, may you write there? What was "
                        "collected before is whole") from None


class Collection:
    """One named collection. Raises DataError for a name that is no slug (small letters, digits, hyphens).

    damage: what is wrong with a manifest that cannot be used, '' if nothing is; such a collection has no parts.
    """

    def __init__(self, name: str):
        if not _NAME.fullmatch(name):
            raise DataError(f"'{name}' cannot name a collection: small letters, digits and hyphens, e.g. my-roads")
        self.name = name
        self.folder = folder() / name
        self.raw = Raw(self.folder / "raw.sqlite")
        self.manifest, self.damage = _manifest(self.folder / "manifest.json")

    @property
    def parts(self) -> dict[str, dict]:
        """Part -> its entry in the manifest."""
        return self.manifest.get("parts", {})

    @property
    def kind(self) -> str:
        return self.manifest.get("kind", "")

    @property
    def notes(self) -> dict[str, int]:
        """How often something was repaired or noticed, in all parts."""
        totals: Counter = Counter()
        for entry in self.parts.values():
            totals.update(entry.get("notes", {}))
        return {what: count for what, count in totals.items() if count}

    @property
    def views(self) -> list[str]:
        """Which columns of prices hold anything at all: an index has no traded value."""
        return [view for view in VIEWS if any(view in entry.get("columns", VIEWS) for entry in self.parts.values())]

    @property
    def datasets(self) -> list[str]:
        """What a study can name of it."""
        if self.kind == "stocks":
            return [f"{self.name}-{view}" for view in self.views]
        return [self.name] if self.kind == "traffic" and self.manifest.get("frequency") else []

    def current(self, part: str, made_of: str) -> bool:
        """Whether the part lies here whole and was made of just this."""
        entry = self.parts.get(part, {})
        return entry.get("made_of") == made_of and _sha256(self.folder / entry["file"]) == entry["sha256"]

    def part(self, part: str) -> pd.DataFrame | None:
        """A stored part, None where there is none. DataError if its file is not the one of the manifest."""
        import pandas as pd

        entry = self.parts.get(part)
        if entry is None:
            return None
        path = self.folder / entry["file"]
        if _sha256(path) != entry["sha256"]:
            raise DataError(f"{path} is missing or damaged: {_AGAIN}")
        return pd.read_parquet(path)

    def put(self, part: str, table: pd.DataFrame, entry: dict) -> None:
        """Write a part and the manifest that names it. entry: made_of, request, notes, time.

        Both are whole before one of them takes its place, part before manifest: a full disk changes nothing, and what
        is killed between the two is a part that is not current. Raises DataError if they cannot be written.
        """
        file, path = self._file(part), self.folder / "manifest.json"
        with _writing(self.folder), replacing(path) as manifest, replacing(self.folder / file) as temporary:
            table.to_parquet(temporary, index=False)
            facts = {"file": file, "rows": len(table), **_span(table), "columns": _filled(table),
                     "sha256": _sha256(temporary)}  # fmt: skip
            parts = self.parts | {part: _plain(facts | entry)}
            said = self.manifest | {"parts": {name: parts[name] for name in sorted(parts)}}
            manifest.write_text(_text(said), encoding="utf-8")
        self.manifest = said

    def _file(self, part: str) -> str:
        """<part>.parquet, made plain; told apart from a part whose file would be the same but for case."""
        if part in self.parts:
            return self.parts[part]["file"]
        plain = re.sub(r"[^0-9A-Za-z._-]+", "_", part)
        taken = {entry["file"].casefold() for entry in self.parts.values()}
        mark = f"-{hashlib.sha256(part.encode()).hexdigest()[:8]}" if f"{plain}.parquet".casefold() in taken else ""
        return f"{plain}{mark}.parquet"

    def describe(self, **fields) -> None:
        """Set fields of the manifest, on disk with the next part or `save`: an error before leaves all as it was."""
        self.manifest = self.manifest | _plain(fields)

    def save(self) -> None:
        """Write the manifest, if it says anything new and there is a part at all."""
        path = self.folder / "manifest.json"
        if self.parts and _manifest(path)[0] != self.manifest:
            with _writing(path), replacing(path) as temporary:
                temporary.write_text(_text(self.manifest), encoding="utf-8")

    def check(self) -> list[str]:
        """What is wrong with the files of this collection; empty if nothing is."""
        if self.damage:
            return [self.damage]
        broken = [e["file"] for e in self.parts.values() if _sha256(self.folder / e["file"]) != e["sha256"]]
        return [f"{self.folder / file} is missing or damaged: {_AGAIN}" for file in broken]

    def verify(self) -> None:
        """DataError with the first thing that is wrong, and how many more there are."""
        if problems := self.check():
            raise DataError(problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""))

    @property
    def sha256(self) -> str:
        """Hash over all parts by name and over what the manifest says of them: what data.lock keeps."""
        meaning = json.dumps([self.manifest.get(key) for key in _MEANING])
        hashes = [self.parts[part]["sha256"] for part in sorted(self.parts)]
        return hashlib.sha256("\n".join([meaning, *hashes]).encode()).hexdigest()


def _manifest(path: Path) -> tuple[dict, str]:
    """A manifest and ''; {} and what is wrong with one that cannot be used."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError) as error:
        flaw = str(error)
    else:
        flaw = _flaw(said)
    again = f"undo the change, or delete {path} and {_AGAIN}: the raw answers are kept"
    return ({}, f"{path} is damaged ({flaw}): {again}") if flaw else (said, "")


def _flaw(said) -> str:
    """What a manifest lacks."""
    parts = said.get("parts") if isinstance(said, dict) else None
    if not isinstance(parts, dict):
        return "it names no parts"
    for name, entry in parts.items():
        if not isinstance(entry, dict):
            return f"part '{name}' is no object"
        wrong = [key for key, kind in _ENTRY.items() if not isinstance(entry.get(key, kind()), kind)]
        if wrong := wrong + [key for key in _NEEDED if key not in entry]:
            return f"part '{name}': {', '.join(wrong)}"
        if Path(entry["file"]).name != entry["file"]:
            return f"part '{name}' lies outside the collection"
    missing = [key for key in _SAID if not isinstance(said.get(key), str)]
    return f"it does not say {', '.join(missing)}" if missing else ""


def _plain(fields: dict) -> dict:
    """As JSON gives it back."""
    return json.loads(json.dumps(fields, default=str))


def _text(manifest: dict) -> str:
    """JSON with a line for each field and each part: quick to write, also with thousands of parts."""
    def lines(items: dict) -> list[str]:
        return [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in items.items()]

    parts = "{\n  " + ",\n  ".join(lines(manifest["parts"])) + "\n }"
    fields = lines({key: value for key, value in manifest.items() if key != "parts"})
    return "{\n " + ",\n ".join([*fields, f'"parts": {parts}']) + "\n}\n"


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _span(table: pd.DataFrame) -> dict:
    """First and last time of a table that has times."""
    if "time" not in table or table.empty:
        return {}
    return {"first": str(table["time"].min()), "last": str(table["time"].max())}


def _filled(table: pd.DataFrame) -> list[str]:
    """The views of prices that a part can give."""
    return [view for view, (column, _) in VIEWS.items() if column in table and table[column].notna().any()]


# --- as datasets


def locate(name: str) -> dict:
    """{"sha256"} of a dataset of the store. Raises DataError if it is not there or damaged."""
    collection, _ = _found(name)
    collection.verify()
    return {"sha256": collection.sha256}


def load(name: str, entry: dict | None = None):
    """SeriesFrame of a dataset of the store; raises DataError if it is not there, damaged or changed since `entry`."""
    import pandas as pd

    from .frame import Header, SeriesFrame, default_L_H, default_season

    collection, view = _found(name)
    if entry and entry.get("sha256") != collection.sha256:
        raise DataError(f"{name} was collected again since this study was planned; start the study again")
    said, frequency = collection.manifest, collection.manifest["frequency"]
    column, unit = VIEWS[view] if view else ("value", said["unit"])
    table = pd.concat([collection.part(part) for part in collection.parts], ignore_index=True)
    table = table.rename(columns={"value": "traded", column: "value"}) if view and column != "value" else table
    L, H = default_L_H(frequency)  # noqa: N806
    header = Header(
        name=name, unit=(said["unit"] or unit) if view == "price" else unit, frequency=frequency,
        season=default_season(frequency), L=L, H=H, split=said.get("split", "chronological"),
        transform="log" if view else "none", country=said.get("country"), kind=collection.kind,
        source=said["provider"], licence=said["licence"], sha256=collection.sha256, note=_note(collection))  # fmt: skip
    if view:
        table["value"] = table["value"].where(table["value"] > 0)  # no logarithm: a day without trade
        other = "volume" if view == "price" else "close"
        table = table[["time", "series", "value", other]]
    table = table.sort_values(["series", "time"], ignore_index=True).astype({"value": "float64"})
    observed = [name for name in table if name not in ("time", "series", "value")]
    return SeriesFrame(header, table, dict.fromkeys(observed, "observed")).check()


def _note(collection: Collection) -> str:
    """What the source says, and how often something was repaired in all parts."""
    repaired = "; ".join(f"{what}: {count:,}" for what, count in collection.notes.items())
    return " ".join(filter(None, [collection.manifest.get("note"), repaired and f"Repaired or noticed: {repaired}."]))


def _found(name: str) -> tuple[Collection, str | None]:
    """The collection behind a dataset, and the view of its prices."""
    stem, _, view = name.rpartition("-")
    if _NAME.fullmatch(name) and (one := Collection(name)).damage:
        raise DataError(one.damage)
    if not (_NAME.fullmatch(name) and one.parts):
        one = Collection(stem) if view in VIEWS and _NAME.fullmatch(stem) else None
        if one and one.damage:
            raise DataError(one.damage)
        if one is None or one.kind != "stocks" or view not in one.views:
            raise DataError(f"nothing called '{name}' was collected; "
                            "python -m litecast.collect list shows what there is")
        return one, view
    if one.kind == "stocks":
        raise DataError(f"'{name}' holds prices: ask for {', '.join(one.datasets)}")
    if one.kind == "od":
        raise DataError(f"'{name}' is an origin-destination table of one average weekday, no series: "
                        "100_collect_traffic shows it (parameter od), no model can be fitted to it")  # fmt: skip
    if not one.manifest.get("frequency"):
        raise DataError(f"'{name}' is a table, no series: {one.manifest.get('note') or 'its source says why'}")
    return one, None
