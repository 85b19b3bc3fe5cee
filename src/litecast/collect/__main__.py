"""`python -m litecast.collect list | collect SOURCE NAME option=value … | check [NAME …]`: data without a notebook.

Exit code: 0 all well, 1 something is missing or damaged, 2 the command or the data is refused.
"""

from __future__ import annotations

import argparse
import os
import sys
import unicodedata

from litecast.data import dataset_names, load, public, resolve, store
from litecast.errors import DataError, LitecastError

from . import collecting

KINDS = {"traffic": ("Counts of vehicles", "100_collect_traffic", "dataset"),
         "stocks": ("Prices", "110_collect_stocks", "dataset"),
         "od": ("Origin and destination", "100_collect_traffic", "od")}  # heading, notebook, its parameter
MODULES = {"public": "fetched when first used", "sample": "made up, need no network"}


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module's text for exit codes."""
    parser = argparse.ArgumentParser(prog="python -m litecast.collect", description="Datasets, sources, collecting.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="datasets, what was collected, and the sources with what they need").add_argument(
        "source", nargs="?", help="one source: its options")
    one = commands.add_parser("collect", help="bring a collection up to date")
    one.add_argument("words", nargs="+", metavar="SOURCE NAME option=value", help="as `list SOURCE` says")
    some = commands.add_parser("check", help="read datasets and collections again: whole, undamaged, what is missing")
    some.add_argument("names", nargs="*", help="default: everything at hand")
    asked = parser.parse_args(argv)
    try:
        if asked.command == "list":
            return _one(asked.source) if asked.source else _list()
        return _collect(asked.words) if asked.command == "collect" else _check(asked.names)
    except LitecastError as error:
        print(f"litecast: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("litecast: interrupted; what was collected is kept, the same command goes on from here", file=sys.stderr)
        return 130


def _list() -> int:
    known, found = dataset_names(), store.collections()
    print("Datasets, to be named in a study (params/*.yaml, datasets: [NAME]) or in the notebooks:")
    for module, what in MODULES.items():
        print(f"  {module} ({what}):")
        print(f"    {', '.join(sorted(name for name in known if known[name] == module))}")
    print(f"\nCollected, in {store.folder()}:" + ("" if found else " nothing yet"))
    _table([("name", "source", "datasets", "holds")] * bool(found) + [
        (one.name, one.manifest.get("source", "?"), ", ".join(one.datasets) or "a table", one.damage or _size(one))
        for one in found])  # fmt: skip
    for kind, (heading, *_) in KINDS.items():
        print(f"\nSources: {heading.lower()}")
        rows = [(source, title, ", ".join(collecting.keys(source))) for source, title in collecting.sources().items()
                if collecting.kind(source) == kind]  # fmt: skip
        _table([(source, title + (f" [key in {needs}]" if needs else "")) for source, title, needs in rows])
    print("\nNext: python -m litecast.collect list SOURCE (its options), then collect SOURCE NAME option=value …\n"
          "docs/data.md says where to get files and keys.")
    return 0


def _one(source: str) -> int:
    """Options of one source."""
    options = collecting.options_of(source).model_fields
    print(f"{source}: {collecting.sources()[source]}")
    if needed := collecting.keys(source):
        print("\nKeys, in environment variables:")
        _table([(name, "set" if os.environ.get(name) else "not set", where) for name, where in needed.items()])
    print("\nOptions:")
    _table([(f"{name}=", _default(option), option.description or "") for name, option in options.items()])
    needed = [name for name, option in options.items() if option.is_required()]
    say = " ".join("'files=downloads/*'" if name == "files" else f"{name}=…" for name in needed)
    print(f"\nNext: python -m litecast.collect collect {source} my-{source} {say}")
    return 0


def _default(option) -> str:
    """What is taken where an option is not given, as one would write it."""
    if option.is_required():
        return "must be given"
    value = option.get_default(call_default_factory=True)
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else "-" if value in ("", None) else str(value)


def _collect(words: list[str]) -> int:
    source, name, options = collecting.parsed(words)
    before = store.Collection(name).parts
    made = collecting.collect(source, name, options, quiet=not sys.stderr.isatty())
    new = [part for part, entry in made.parts.items() if before.get(part) != entry]
    print(f"{made.folder}: {len(new)} of {len(made.parts)} parts are new; {_size(made)}")
    for what, count in made.notes.items():
        print(f"  noticed: {what}: {count:,}")
    if not (named := made.datasets) and made.kind != "od":
        print(f"A table, no series. Read it in Python: litecast.data.store.Collection('{name}').part(PART); parts: "
              f"{', '.join(list(made.parts)[:5])}{' …' if len(made.parts) > 5 else ''}")
        return 0
    _, notebook, parameter = KINDS[made.kind]
    print(f'Look at it: notebooks/{notebook}.ipynb (make lab) with {parameter} = "{(named or [name])[0]}"')
    if named:
        print(f"Forecast it: datasets: [{', '.join(named)}] in a study (params/*.yaml), then make report STUDY=…")
    return 0


def _size(one: store.Collection) -> str:
    entries = one.parts.values()
    spans = [(entry["first"], entry["last"]) for entry in entries if "first" in entry and "last" in entry]
    ends = [min(first for first, _ in spans)[:16], max(last for _, last in spans)[:16]] if spans else []
    if all(end.endswith(" 00:00") for end in ends):
        ends = [end[:10] for end in ends]
    return f"{sum(entry['rows'] for entry in entries):,} rows" + (f", {' to '.join(ends)}" if ends else "")


def _check(asked: list[str]) -> int:
    """Load every dataset named, or at hand, and say what it holds. 1 if one of them is not as it should be."""
    known, found = dataset_names(), {one.name: one for one in store.collections()}
    names, bad = [], 0
    for name in asked or [*known, *(name for name in found if name not in known)]:
        names += found[name].datasets or [name] if name in found else [name]
    width = max(map(_width, names), default=0)
    for name in dict.fromkeys(names):
        try:
            said = _whole(found[name]) if name in found and name not in known else _series(name, bool(asked))
        except DataError as error:
            bad, said = bad + 1, f"WRONG: {error}"
        print(f"  {_padded(name, width)}  {said}", flush=True)
    if not asked:
        print("Public sets are fetched when first used, or now: python -m litecast.collect check NAME")
    if bad:
        print(f"{bad} of {len(names)} are not as they should be", file=sys.stderr)
    return 1 if bad else 0


def _whole(one: store.Collection) -> str:
    """A table that is no series; DataError if it, or the manifest of a collection, is damaged."""
    one.verify()
    return f"a table, no series: {_size(one)}"


def _series(name: str, fetch: bool) -> str:
    if not fetch and name in public.DATASETS and not public.at_hand(name):
        return "not fetched yet"
    entry = resolve([name])[name]
    if "error" in entry and name in store.names():
        raise DataError(entry["error"])
    if "error" in entry:
        return f"not at hand: {entry['error']}"
    if entry["name"] != name:
        return f"not at hand, {entry['name']} would stand in: {entry['reason']}"
    wide = load(name).wide()
    return (f"{wide.shape[1]} series of {len(wide):,} steps, {wide.index[0]} to {wide.index[-1]}, "
            f"{wide.isna().to_numpy().mean():.1%} missing")


# --- columns


def _table(rows: list[tuple[str, ...]]) -> None:
    """Lines with columns as wide as they need be."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)] if rows else []
    for row in rows:
        print(("  " + "  ".join(map(_padded, row, widths))).rstrip())


def _width(text: str) -> int:
    """Columns of a terminal: Hangul takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal without Hangul
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # its reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
