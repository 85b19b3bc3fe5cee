"""The one store of what was collected: data/store/<name>/ holds Parquet parts, their manifest and the raw answers.

Reading a manifest needs the standard library only, so that planning is quick and 32-bit collectors can import it.
A collection of counts is the dataset <name>; one of prices gives <name>-price, <name>-volume and <name>-value.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .. import paths
from ..atomic import read_json, replacing, write_json
from ..errors import DataError
from .raw import Raw

if TYPE_CHECKING:
    import pandas as pd

VIEWS = {"price": ("close", "KRW"), "volume": ("volume", "shares"), "value": ("value", "KRW")}  # of prices
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_AGAIN = "collect it again (python -m litecast.data collect …)"


def folder() -> Path:
    return paths.data_dir() / "store"


def collections() -> list[Collection]:
    """All collections that hold at least one part, by name."""
    return [one for path in sorted(folder().glob("*/manifest.json")) if (one := Collection(path.parent.name)).parts]


def names() -> dict[str, str]:
    """Dataset that the store can give -> its kind, 'traffic' or 'stocks'. O/D tables are no series: not listed."""
    found = {}
    for one in collections():
        if one.kind == "stocks":
            found |= {f"{one.name}-{view}": "stocks" for view in one.views}
        elif one.kind == "traffic" and one.manifest.get("frequency"):
            found[one.name] = "traffic"
    return found


class Collection:
    """One named collection. Raises DataError for a name that is no slug (small letters, digits, hyphens)."""

    def __init__(self, name: str):
        if not _NAME.fullmatch(name):
            raise DataError(f"'{name}' cannot name a collection: small letters, digits and hyphens, e.g. my-roads")
        self.name = name
        self.folder = folder() / name
        self.raw = Raw(self.folder / "raw.sqlite")
        self.manifest: dict = read_json(self.folder / "manifest.json")

    @property
    def parts(self) -> dict[str, dict]:
        """Part -> its entry in the manifest."""
        return self.manifest.get("parts", {})

    @property
    def kind(self) -> str:
        return self.manifest.get("kind", "")

    @property
    def views(self) -> list[str]:
        """Which columns of prices hold anything at all: an index has no traded value."""
        return [view for view in VIEWS if any(view in entry.get("columns", VIEWS) for entry in self.parts.values())]

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
        """Write a part and then the manifest, each in one step. entry: made_of, request, notes, time."""
        file = f"{re.sub(r'[^0-9A-Za-z._-]+', '_', part)}.parquet"
        with replacing(self.folder / file) as temporary:
            table.to_parquet(temporary, index=False)
        facts = {"file": file, "rows": len(table), **_span(table), "columns": _filled(table),
                 "sha256": _sha256(self.folder / file)}  # fmt: skip
        parts = self.parts | {part: facts | entry}
        self.describe(parts={name: parts[name] for name in sorted(parts)})
        self.save()

    def describe(self, **fields) -> None:
        """Set fields of the manifest, on disk with the next part or `save`: an error before leaves all as it was."""
        self.manifest = {**self.manifest, **json.loads(json.dumps(fields, default=str))}

    def save(self) -> None:
        """Write the manifest, if it says anything new and there is a part at all."""
        path = self.folder / "manifest.json"
        if self.parts and read_json(path) != self.manifest:
            write_json(path, self.manifest)

    def check(self) -> list[str]:
        """What is wrong with the files of this collection; empty if nothing is."""
        broken = [e["file"] for e in self.parts.values() if _sha256(self.folder / e["file"]) != e["sha256"]]
        return [f"{self.folder / file} is missing or damaged: {_AGAIN}" for file in broken]

    @property
    def sha256(self) -> str:
        """Hash over all parts: what data.lock keeps."""
        return hashlib.sha256("\n".join(e["sha256"] for e in self.parts.values()).encode()).hexdigest()


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
    if problems := collection.check():
        raise DataError(problems[0])
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
    totals: dict[str, int] = {}
    for entry in collection.parts.values():
        for what, count in entry.get("notes", {}).items():
            totals[what] = totals.get(what, 0) + count
    repaired = "; ".join(f"{what}: {count:,}" for what, count in totals.items() if count)
    return " ".join(filter(None, [collection.manifest.get("note"), repaired and f"Repaired or noticed: {repaired}."]))


def _found(name: str) -> tuple[Collection, str | None]:
    """The collection behind a dataset, and the view of its prices."""
    stem, _, view = name.rpartition("-")
    if not (_NAME.fullmatch(name) and (one := Collection(name)).parts):
        one = Collection(stem) if view in VIEWS and _NAME.fullmatch(stem) else None
        if one is None or one.kind != "stocks" or view not in one.views:
            raise DataError(f"nothing called '{name}' was collected; python -m litecast.data list shows what there is")
        return one, view
    if one.kind == "stocks":
        raise DataError(f"'{name}' holds prices: ask for {', '.join(f'{name}-{view}' for view in one.views)}")
    if one.kind == "od":
        raise DataError(f"'{name}' is an origin-destination table of one average weekday, no series: notebook 10 shows "
                        "it (parameter od), no model can be fitted to it")  # fmt: skip
    if not one.manifest.get("frequency"):
        raise DataError(f"'{name}' is a table, no series: {one.manifest.get('note') or 'its source says why'}")
    return one, None
