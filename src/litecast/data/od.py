"""The origin-destination frame: how many trips go from each zone to each other one on an average weekday.

An O/D table is ONE annual average weekday, a cross-section: no time, no series, so it never reaches a model and
`data.load` refuses it. It is read here, checked, and shown in notebook 100 (`figures/od`). Z = number of zones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TRIPS, VEHICLES = "passenger trips/day, average weekday", "vehicles/day, average weekday"
KINDS = ("purpose", "mode", "freight", "mode-home", "mode-work", "mode-school", "mode-other", "large-purpose")
COORDINATES = {"": "none", "m": "metres", "degrees": "longitude and latitude"}
TOTAL = "total"
SAMPLE, SEED = "sample-od", 20240301
_EARTH = 6371.0  # km
_ZONES = {"code": "", "name": "", "large": "", "inner": True, "x": float("nan"), "y": float("nan")}


@dataclass(frozen=True)
class Header:
    """What an O/D table says about itself. categories: column of the table -> header in the provider's own file."""

    name: str
    unit: str  # per day, of an annual average weekday
    kind: str  # what the columns tell apart, one of KINDS
    base_year: int  # year that was surveyed; later years of a package are forecasts made from it
    year: int
    categories: dict[str, str]
    area: str = ""
    coordinates: str = ""  # of the zones: "m", "degrees", or "" = none
    source: str = ""
    licence: str = ""
    note: str = ""


@dataclass(frozen=True)
class ODFrame:
    """Z² rows of `origin`, `destination` (int32, 1..Z) and one float64 column a category, in any order of rows.

    A column `total` stands beside them where the provider gives one. zones: one row a zone with `id` (1..Z), `code`,
    `name`, `large` (the zone of a coarser system it lies in), `inner` (inside the surveyed area), `x`, `y` (NaN where
    no file gives them) and what is known of it (population, employed, ... : persons).
    """

    header: Header
    table: pd.DataFrame
    zones: pd.DataFrame = field(repr=False)

    @property
    def Z(self) -> int:  # noqa: N802 (the letter of the docstrings)
        return len(self.zones)

    @property
    def has_places(self) -> bool:
        """Whether every zone has coordinates."""
        return bool(self.header.coordinates) and bool(self.zones[["x", "y"]].notna().all().all())

    def check(self, tolerance: float | None = None) -> ODFrame:
        """The frame itself; DataError as `check_zones` and `check_table` say, and if the two do not fit."""
        head = self.header
        if head.kind not in KINDS or head.coordinates not in COORDINATES:
            raise DataError(f"{head.name}: kind '{head.kind}' or coordinates '{head.coordinates}' is not known")
        check_zones(self.zones, head.name)
        check_table(self.table, list(head.categories), head.name, zones=self.Z, tolerance=tolerance)
        return self

    def matrix(self, category: str = TOTAL) -> np.ndarray:
        """Trips of one category, or of all (`total`, as delivered or summed): (Z, Z) float64, row = origin."""
        import numpy as np

        full = np.zeros((self.Z, self.Z))
        full[self.table["origin"] - 1, self.table["destination"] - 1] = self._column(category)
        return full

    def top(self, category: str = TOTAL, most: int = 20, inside: bool = False) -> pd.DataFrame:
        """The largest flows: origin, destination, their names, trips/day, share of all; between zones unless inside."""
        import numpy as np
        import pandas as pd

        trips = self._column(category)
        total = trips.sum()
        if not inside:
            trips = np.where(self.table["origin"] == self.table["destination"], -1.0, trips)
        at = np.argsort(-trips, kind="stable")[:most]
        at = at[trips[at] > 0]
        names = self.zones.set_index("id")["name"]
        rows = self.table[["origin", "destination"]].iloc[at].reset_index(drop=True)
        return pd.DataFrame({"origin": rows["origin"], "destination": rows["destination"],
                             "from": names.reindex(rows["origin"]).to_numpy(),
                             "to": names.reindex(rows["destination"]).to_numpy(),
                             "trips": trips[at], "share": trips[at] / total})  # fmt: skip

    def distances(self) -> np.ndarray:
        """Straight lines between the zones' points, (Z, Z) km, 0 within a zone. DataError if the zones have none."""
        import numpy as np

        if not self.has_places:
            raise DataError(f"{self.header.name}: {NO_PLACES}")
        x, y = self.zones["x"].to_numpy(), self.zones["y"].to_numpy()
        if self.header.coordinates == "m":
            return np.hypot(x[:, None] - x, y[:, None] - y) / 1000
        lon, lat = np.radians(x), np.radians(y)
        half = np.sin((lat[:, None] - lat) / 2) ** 2  # haversine: exact enough for short ways too
        half += np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
        return 2 * _EARTH * np.arcsin(np.sqrt(np.clip(half, 0, 1)))

    def _column(self, category: str) -> np.ndarray:
        if category in self.table and category not in ("origin", "destination"):
            return self.table[category].to_numpy()
        if category == TOTAL:
            return sum(self.table[name].to_numpy() for name in self.header.categories)
        known = ", ".join([TOTAL, *self.header.categories])
        raise DataError(f"{self.header.name} has no category '{category}'; there are {known}")


NO_PLACES = ("its zones have no coordinates. The provider's package holds none: give a CSV or xlsx of zone, x, y "
             "(metres) or zone, lon, lat when collecting (coordinates=zones.csv)")  # fmt: skip


def check_zones(zones: pd.DataFrame, where: str) -> None:
    """Raise DataError unless the zones' ids are 1..Z, each once, in this order."""
    import numpy as np

    ids = zones["id"].to_numpy()
    if not len(ids):
        raise DataError(f"{where}: no zones")
    if not np.array_equal(ids, np.arange(1, len(ids) + 1)):
        raise DataError(f"{where}: zone ids must be 1 to {len(ids)}, each once; {_hole(ids)}")


def check_table(table: pd.DataFrame, categories: list[str], where: str, *, first: int = 1, zones: int | None = None,
                tolerance: float | None = None) -> int:
    """Number of zones Z of a table of flows, or DataError naming file, row and rule.

    Rules: ids dense 1..Z; Z² rows, every pair once; values finite and not negative; total = sum of the categories.
    first: number of the table's first row in its file. zones: Z as the zone system has it. tolerance: of the total, in
    trips; by default what rounding all numbers to whole ones can make, half a trip each.
    """
    import numpy as np

    if table.empty:
        raise DataError(f"{where}: no rows")
    ids = table[["origin", "destination"]].to_numpy()
    for column, name in enumerate(("origin", "destination")):
        _raise_first(table, ids[:, column] < 1, where, first, f"{name} is below 1, zones are counted from 1")
    for name in [*categories, *([TOTAL] if TOTAL in table else [])]:
        value = table[name].to_numpy()
        _raise_first(table, ~np.isfinite(value), where, first, f"{name} is no number", name)
        _raise_first(table, value < 0, where, first, f"{name} is negative", name)
    size = int(ids.max())
    found = np.unique(ids)
    if len(found) < size:
        raise DataError(f"{where}: zone ids must be dense, 1 to {size}; {_hole(found)}")
    if zones is not None and size != zones:
        raise DataError(f"{where}: {size} zones, but its zone system has {zones}: they do not belong together")
    _check_pairs(table, ids, size, where, first)
    _check_total(table, categories, where, first, tolerance)
    return size


def _hole(ids: np.ndarray) -> str:
    import numpy as np

    missing = np.setdiff1d(np.arange(1, max(int(ids.max()), len(ids)) + 1), ids)
    twice = ids[:-1][np.diff(np.sort(ids)) == 0] if not len(missing) else missing
    return f"{'missing' if len(missing) else 'given twice'}: {', '.join(map(str, twice[:5])) or 'none, but unsorted'}"


def _check_pairs(table: pd.DataFrame, ids: np.ndarray, size: int, where: str, first: int) -> None:
    import numpy as np

    key = (ids[:, 0].astype(np.int64) - 1) * size + ids[:, 1] - 1
    times = np.bincount(key, minlength=size * size)
    if (times > 1).any():
        again = table.duplicated(["origin", "destination"]).to_numpy()
        _raise_first(table, again, where, first, "this pair of zones was given before")
    if (times == 0).any():
        pair = divmod(int((times == 0).argmax()), size)
        raise DataError(f"{where}: {len(table):,} rows, but {size} zones need {size}² = {size * size:,}; first "
                        f"missing: origin {pair[0] + 1}, destination {pair[1] + 1}")  # fmt: skip


def _check_total(table: pd.DataFrame, categories: list[str], where: str, first: int, tolerance: float | None) -> None:
    if TOTAL not in table:
        return
    allowed = 0.5 * (len(categories) + 1) if tolerance is None else tolerance
    total = table[TOTAL].to_numpy()
    off = abs(total - sum(table[name].to_numpy() for name in categories))
    allowed = allowed + 1e-9 * abs(total)  # sums of floats
    _raise_first(table, off > allowed, where, first, f"total is not the sum of {', '.join(categories)}", TOTAL)


def _raise_first(table: pd.DataFrame, bad: np.ndarray, where: str, first: int, rule: str, name: str = "") -> None:
    if bad.any():
        at = int(bad.argmax())
        row = table.iloc[at]
        value = f", {name} {row[name]:g}" if name else ""
        raise DataError(f"{where}, row {at + first} (origin {row['origin']:.0f}, destination {row['destination']:.0f}"
                        f"{value}): {rule}; {int(bad.sum())} such rows")  # fmt: skip


# --- from the store


def tables(name: str) -> pd.DataFrame:
    """The O/D tables of a collection, in order of time: part, kind, year, unit. DataError if it holds none."""
    import pandas as pd

    found = [{"part": part, **{key: said[key] for key in ("kind", "year", "unit")}}
             for part, said in _said(name)[1].items() if said["role"] == "flows"]  # fmt: skip
    if not found:
        raise DataError(f"{name} holds no O/D table; collect one: "
                        f"python -m litecast.collect collect ktdb {name} files=…")
    order = [(row["year"], KINDS.index(row["kind"])) for row in found]
    return pd.DataFrame([row for _, row in sorted(zip(order, found, strict=True), key=lambda pair: pair[0])])


def load(name: str, kind: str = "", year: int | None = None) -> ODFrame:
    """An O/D table of a collection, or `sample-od`; by default its earliest year, and purposes before modes.

    The result is an annual average weekday: there is nothing to forecast in it. Raises DataError if there is no such
    table, if a file of the store is damaged, or if the table breaks a rule of `check`.
    """
    if name == SAMPLE:
        return sample()
    there = tables(name)
    fits = there[(there["kind"] == (kind or there["kind"])) & (there["year"] == (year or there["year"]))]
    if fits.empty:
        has = ", ".join(f"{row['kind']} {row['year']}" for _, row in there.iterrows())
        raise DataError(f"{name} has no O/D table {kind} {year or ''}".rstrip() + f"; there are {has}")
    collection, said = _said(name)
    one = said[fits["part"].iloc[0]]
    table = collection.part(fits["part"].iloc[0])
    zones = _zones(collection, said, one, int(table["origin"].max()))
    manifest = collection.manifest
    header = Header(
        name=name, unit=one["unit"], kind=one["kind"], base_year=one["base_year"], year=one["year"],
        categories=one["categories"], area=one["area"], coordinates=_known_places(zones, said),
        source=manifest.get("provider", ""), licence=manifest.get("licence", ""),
        note=manifest.get("note", ""))  # fmt: skip
    return ODFrame(header, table, zones).check(tolerance=one.get("tolerance"))


def _said(name: str):
    """The collection and what its manifest says of its parts that are there."""
    from . import store

    collection = store.Collection(name)
    if not collection.parts:
        raise DataError(f"nothing called '{name}' was collected; "
                        "python -m litecast.collect list shows what there is")
    if collection.kind != "od":
        raise DataError(f"'{name}' holds series, no O/D table: data.load('{name}') gives them")
    said = collection.manifest.get("tables", {})
    return collection, {part: said[part] for part in collection.parts if part in said}


def _zones(collection, said: dict, one: dict, size: int) -> pd.DataFrame:
    """Zones of a table, with what is known of them in its year."""
    import pandas as pd

    zones = collection.part("zones") if "zones" in said else None
    if one["kind"].startswith("large-"):
        return _large(zones, size)
    if zones is None:
        zones = pd.DataFrame({"id": range(1, size + 1)})
        zones["name"] = zones["id"].astype(str)
    for part, entry in said.items():
        if entry["role"] == "socio" and entry["year"] == one["year"]:
            zones = zones.merge(_totals(collection.part(part), entry["indicator"]), on="id", how="left")
    return complete(zones)


def _large(zones: pd.DataFrame | None, size: int) -> pd.DataFrame:
    """The coarser zones themselves, as far as the finer ones tell."""
    import pandas as pd

    large = pd.DataFrame({"id": range(1, size + 1)})
    told = zones is not None and "large_id" in zones
    known = dict(zip(zones["large_id"], zones["large"], strict=True)) if told else {}
    return complete(large.assign(name=[known.get(one, str(one)) for one in large["id"]]))


def _totals(table: pd.DataFrame, indicator: str) -> pd.DataFrame:
    """Persons by age and sex become one number a zone; other tables stay as they are."""
    ages = [name for name in table if name.startswith(("male_", "female_"))]
    rest = table.drop(columns=ages)
    return rest.assign(**{indicator: table[ages].sum(axis=1)}) if ages else rest


def complete(zones: pd.DataFrame) -> pd.DataFrame:
    """Zones with every column that `ODFrame` promises, sorted by id."""
    zones = zones.assign(**{name: value for name, value in _ZONES.items() if name not in zones})
    rest = [name for name in zones if name not in ("id", *_ZONES)]
    return zones[["id", *_ZONES, *rest]].sort_values("id", ignore_index=True)


def _known_places(zones: pd.DataFrame, said: dict) -> str:
    return said.get("zones", {}).get("coordinates", "") if zones["x"].notna().any() else ""


# --- synthetic

_CITIES = {"Larkhaven": (0, 0, 420), "Mossbridge": (31, 9, 210), "Fernquay": (12, -27, 150), "Ashwold": (-24, 19, 90),
           "Rookmere": (-19, -22, 60)}  # km, km, thousand inhabitants: no such places
_QUARTERS = ("Centre", "North", "East", "South", "West")
_PURPOSES = {"home": "귀가", "work": "출근", "school": "등교", "business": "업무", "other": "기타"}


def sample() -> ODFrame:
    """A synthetic O/D table `sample-od`: trips by purpose between 25 made-up zones, the same on every call.

    A gravity model: ways out grow with inhabitants, ways in with jobs or school places, and fall with distance
    (exp(-d / reach)); home trips are the ways back. Whole numbers, so that every machine has the same values.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(SEED)
    zones = _made_up_zones(rng)
    x, y = zones["x"].to_numpy() / 1000, zones["y"].to_numpy() / 1000
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(distance, 1.2)  # km, a way within a zone
    people, jobs = zones["population"].to_numpy(), zones["workers"].to_numpy()
    out = {"work": _gravity(0.45 * people, jobs, distance, 9.0),
           "school": _gravity(0.16 * people, people, distance, 2.5),
           "business": _gravity(0.25 * jobs, jobs, distance, 14.0),
           "other": _gravity(0.60 * people, people + jobs, distance, 5.0)}  # fmt: skip
    out["home"] = 0.9 * out["work"].T + 0.95 * out["school"].T + 0.3 * out["business"].T + 0.5 * out["other"].T
    origin, destination = (part.ravel().astype("int32") + 1 for part in np.indices(distance.shape))
    table = pd.DataFrame({"origin": origin, "destination": destination,
                          **{name: np.round(out[name]).ravel() for name in _PURPOSES}})  # fmt: skip
    table[TOTAL] = table[list(_PURPOSES)].sum(axis=1)
    header = Header(name=SAMPLE, unit=TRIPS, kind="purpose", base_year=2023, year=2023, categories=_PURPOSES,
                    area="no real place", coordinates="m", source="litecast, seeded generator (synthetic)",
                    licence="as litecast", note="Synthetic: places, people and trips are made up.")  # fmt: skip
    return ODFrame(header, table, zones).check()


def _made_up_zones(rng) -> pd.DataFrame:
    """Five quarters around the middle of each city; people live around, jobs lie in the middle."""
    import numpy as np
    import pandas as pd

    rows = []
    for city, (x, y, people) in _CITIES.items():
        spread = 1.5 + people / 80  # km: large cities are wide
        for quarter, (dx, dy) in zip(_QUARTERS, ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)), strict=True):
            middle = quarter == "Centre"
            place = np.array([x + dx * spread, y + dy * spread]) + rng.uniform(-0.3, 0.3, 2) * spread
            share = (0.16 if middle else 0.21) * rng.uniform(0.85, 1.15)
            work = (0.55 if middle else 0.11) * rng.uniform(0.85, 1.15) * 0.5
            rows.append((f"{city} {quarter}", city, *np.round(1000 * place), round(1000 * people * share),
                         round(1000 * people * work)))  # fmt: skip
    columns = ["name", "large", "x", "y", "population", "workers"]
    zones = pd.DataFrame(rows, columns=columns).astype({name: "float64" for name in columns[2:]})
    zones.insert(0, "id", range(1, len(zones) + 1))
    zones["code"] = [f"S{number:02d}" for number in zones["id"]]
    return complete(zones)


def _gravity(out: np.ndarray, weight: np.ndarray, distance: np.ndarray, reach: float) -> np.ndarray:
    """Trips (Z, Z): `out` leave each zone and are shared by weight of the destination × exp(-distance / reach km)."""
    import numpy as np

    pull = weight * np.exp(-distance / reach)
    return out[:, None] * pull / pull.sum(axis=1, keepdims=True)
