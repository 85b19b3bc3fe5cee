"""Collecting: a source declares parts, this module asks for what is not current, writes it and keeps the manifest.

Sources are found by their file in `sources/`: the literal SOURCES names them. A part is a pure function of what it is
made of (raw answers, files), so collecting twice changes nothing and a killed collection ends in the same bytes.
"""

from __future__ import annotations

import contextlib
import glob
import importlib
import os
import shlex
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from litecast import catalogue
from litecast.data import dataset_names, store
from litecast.errors import DataError, LitecastError

from . import http
from .clock import Clock

if TYPE_CHECKING:
    import pandas as pd


# --- what options are made of


def _words(value) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _day(value):
    text = str(value)
    return datetime.strptime(text, "%Y%m%d").date() if len(text) == 8 and text.isdigit() else value


def _files(value) -> list[Path]:
    patterns = _words(value) if isinstance(value, str) else [str(one) for one in value]
    hits = {Path(hit) for pattern in patterns for hit in glob.glob(os.path.expanduser(pattern), recursive=True)}
    found = sorted(path for path in hits if path.is_file())
    if not found:
        folders = [pattern for pattern in patterns if Path(pattern).expanduser().is_dir()]
        hint = f"; that is a folder, its files are {folders[0].rstrip('/')}/*" if folders else ""
        raise ValueError(f"no file matches {', '.join(patterns)} (seen from {Path.cwd()}){hint}")
    return found


Words = Annotated[list[str], BeforeValidator(_words)]  # "101,102"
Day = Annotated[date, BeforeValidator(_day)]  # 2024-01-31 or 20240131
Files = Annotated[list[Path], BeforeValidator(_files)]  # "downloads/*.zip", several by commas


class Options(BaseModel):
    """Options of a source; texts from the command line are understood, unknown ones refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
    SAME: ClassVar[tuple[str, ...]] = ()  # options that say what a series means: one answer for a whole collection


@dataclass
class Part:
    """One Parquet file of a collection. made_of: fingerprint of what it is made of; make: its table, called if not
    current; notes: repairs by kind, asked after make; request: what was asked for, without keys."""

    name: str
    made_of: str
    make: Callable[[], pd.DataFrame]
    notes: Callable[[], dict[str, int]] | None = None
    request: dict = field(default_factory=dict)


@dataclass
class Job:
    """One call of a source."""

    source: str
    name: str
    options: Options
    collection: store.Collection
    clock: Clock
    quiet: bool = True
    secrets: list[str] = field(default_factory=list, repr=False)

    def __post_init__(self):
        self.secrets += _secrets(self.source)

    def describe(self, *, unit: str, frequency: str, provider: str, licence: str, note: str = "",
                 country: str | None = "KR", split: str = "chronological", **more) -> None:
        """What the manifest says of the whole collection; frequency '' = a table that is no series."""
        asked = {key: value for key, value in self.options.model_dump(mode="json").items() if key != "files"}
        self.collection.describe(
            source=self.source, kind=kind(self.source), provider=provider, licence=licence, unit=unit, note=note,
            frequency=frequency, country=country, split=split, request=asked, **more)  # fmt: skip

    def key(self, name: str) -> str:
        """An environment variable that holds a key; DataError that says where to get one."""
        value = os.environ.get(name, "").strip()
        if not value:
            where = keys(self.source).get(name, "")
            hint = f" ({where})" if where else ""
            raise DataError(f"{self.source} needs a key in the environment variable {name}{hint}")
        if value not in self.secrets:
            self.secrets.append(value)
        return value

    def client(self, base: str, *, pace_s: float = 0.0, timeout_s: float = 20.0, tries: int = 4,
               judge: Callable[[http.Answer], None] = http.plain) -> http.Client:
        """An HTTP client that shows no key of this job."""
        return http.Client(base, self.clock, self.secrets, pace_s, timeout_s, tries, judge)

    def fetched(self, unit: str, get: Callable[[], list[http.Answer]], final: bool = True) -> list[bytes]:
        """Bodies of a unit of answers, from the collection or asked for and then kept; not kept unless final."""
        kept = self.collection.raw.pages(unit)
        if kept is not None:
            return kept
        answers = get()
        if final:
            self.collection.raw.keep(unit, [(answer.request, answer.time, answer.body) for answer in answers])
        return [answer.body for answer in answers]

    def progress(self, iterable: Iterable, total: int | None = None, what: str = "") -> Iterable:
        """The same with a progress bar, if this call has one."""
        from tqdm import tqdm

        return tqdm(iterable, total=total, desc=what or self.name, disable=self.quiet, leave=False)


# --- sources


def _listed() -> dict[str, dict]:
    """Module of sources/ -> its literals."""
    return catalogue.members("collect/sources", "SOURCES")


def sources() -> dict[str, str]:
    """Name of every source -> its title."""
    return {name: title for words in _listed().values() for name, title in words["SOURCES"].items()}


def kind(source: str) -> str:
    """traffic | stocks | od"""
    return _listed()[_file(source)]["KIND"][source]


def keys(source: str) -> dict[str, str]:
    """Environment variables that a source needs -> where to get them."""
    return _listed()[_file(source)].get("KEYS", {}).get(source, {})


def _secrets(source: str) -> list[str]:
    """The keys of a source that are set."""
    return [value for name in keys(source) if (value := os.environ.get(name, "").strip())]


def options_of(source: str) -> type[Options]:
    """The options a source takes."""
    module = _module(source)
    return module.OPTIONS[source] if hasattr(module, "OPTIONS") else module.Options


def _file(source: str) -> str:
    """The module that holds a source; DataError for one that nobody knows."""
    for module, words in _listed().items():
        if source in words["SOURCES"]:
            return module
    raise DataError(f"no source is called '{source}'{catalogue.near(source, sorted(sources()))}")


def _module(source: str):
    return importlib.import_module(f"{__package__}.sources.{_file(source)}")


def checked(source: str, given: dict) -> Options:
    """Options of a source from texts or values; DataError with option, rule and the nearest known one."""
    shape = options_of(source)
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            rule = f"there is no such option{catalogue.near(name, shape.model_fields)}"
        elif first["type"] == "missing":
            rule = f"must be given ({shape.model_fields[name].description})"
        else:
            rule = f"{first['msg'].removeprefix('Value error, ')} (found {given.get(name)!r})"
        said = http.redact(f"{source}, {name}: {rule}", _secrets(source))
        raise DataError(f"{said}. Options: {', '.join(shape.model_fields)}") from None


# --- collecting


def collect(source: str, name: str, options: dict | None = None, clock: Clock | None = None,
            quiet: bool = True) -> store.Collection:
    """Bring a collection up to date: only parts that are not current are made. Returns the collection.

    Raises DataError; parts that were finished before stay, nothing else is changed.
    """
    options = checked(source, options or {})
    with store.held(name) as collection:
        _fits(collection, source, options)
        job = Job(source, name, options, collection, clock or Clock(), quiet)
        try:
            with contextlib.closing(_parts(job)) as parts:  # a source that logged in logs out now
                for part in parts:
                    if not collection.current(part.name, part.made_of):
                        _make(job, part)
        except Exception as error:
            raise _clean(job, error) from None
        if not collection.parts:
            raise DataError(f"{source} gave nothing for {name}; look at the span and the codes you asked for")
        collection.save()
    return collection


def _clean(job: Job, error: Exception) -> Exception:
    """An error as it may be shown: without keys. One that nobody foresaw keeps its traceback, in words if need be."""
    if isinstance(error, LitecastError):
        return DataError(http.redact(str(error), job.secrets))
    if isinstance(error, OSError):
        return DataError(http.redact(f"{job.source}: {error}. {http.KEPT}", job.secrets))
    said = "".join(traceback.format_exception(error))
    if (clean := http.redact(said, job.secrets)) == said:
        return error
    return DataError(f"{job.source} failed in a way that nobody foresaw; please report it:\n{clean}")


def _fits(collection: store.Collection, source: str, options: Options) -> None:
    """A collection has one source and one meaning, and no name of somebody else's data."""
    name, said = collection.name, collection.manifest
    if collection.damage:
        raise DataError(collection.damage)
    taken = {known for known, module in dataset_names().items() if module != "store"}
    if taken & {name, *_views(name)}:
        raise DataError(f"'{name}' is the name of a public dataset or a sample; choose another for the collection")
    for other in store.collections():
        if other.kind == "stocks" and name in _views(other.name) or (
                kind(source) == "stocks" and other.name in _views(name)):  # fmt: skip
            raise DataError(f"'{name}' beside the collection {other.name}: a dataset would have two meanings; choose "
                            "another name")  # fmt: skip
    if collection.parts and said["source"] != source:
        raise DataError(f"the collection {name} comes from {said['source']}, not from {source}: choose another name")
    asked, before = options.model_dump(mode="json"), said.get("request", {})
    for key in options.SAME if collection.parts else ():
        if key in before and before[key] != asked[key]:
            raise DataError(f"the collection {name} was made with {key}={before[key]}, not {asked[key]}: choose "
                            "another name, its series would mean two things")


def _views(name: str) -> set[str]:
    return {f"{name}-{view}" for view in store.VIEWS}


def _parts(job: Job) -> Iterator[Part]:
    module = _module(job.source)
    yield from (module.PARTS[job.source] if hasattr(module, "PARTS") else module.parts)(job)


def _make(job: Job, part: Part) -> None:
    table = part.make()
    notes = part.notes() if part.notes else {}
    job.collection.put(part.name, table, {
        "made_of": part.made_of, "request": part.request, "notes": {what: n for what, n in notes.items() if n},
        "time": job.clock.now().isoformat(timespec="seconds")})  # fmt: skip


def command(line: str) -> store.Collection:
    """Collect as the command line says it: "seoul my-spots spots=A-01 start=2024-01-01 end=2024-01-31".

    Words with spaces stand in quotes; a backslash is a backslash (a path of Windows).
    """
    reader = shlex.shlex(line, posix=True)
    reader.whitespace_split, reader.escape, reader.commenters = True, "", ""
    try:
        words = list(reader)
    except ValueError:
        raise DataError(f"a quotation mark is not closed in: {line}") from None
    return collect(*parsed(words), quiet=False)


def parsed(words: list[str]) -> tuple[str, str, dict[str, str]]:
    """Source, name and options of the words of a command; DataError if it is not of the form or says a thing twice."""
    if len(words) < 2 or any("=" not in word for word in words[2:]) or "=" in "".join(words[:2]):
        raise DataError("say: SOURCE NAME option=value …, e.g. toll-files my-tolls 'files=downloads/*.zip'")
    pairs = [word.split("=", 1) for word in words[2:]]
    for key in {key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1}:
        raise DataError(f"{key}= is given twice; several values stand in one, by commas: {key}=a,b")
    return words[0], words[1], dict(pairs)
