"""`python -m litecast.data list | collect SOURCE NAME option=value … | check [NAME …]`: data without a notebook.

Exit code: 0 all well, 1 something is missing or damaged, 2 the command or the data is refused.
"""

from __future__ import annotations

import argparse
import sys

from ..errors import DataError, LitecastError
from . import collecting, dataset_names, load, resolve, store


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module's text for exit codes."""
    parser = argparse.ArgumentParser(prog="python -m litecast.data", description="Datasets, sources, collecting.")
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
    names = dataset_names()
    print("Datasets (a study names them):")
    for name, module in sorted(names.items(), key=lambda item: (item[1] == "store", item[0])):
        print(f"  {name:<24} {'collected' if module == 'store' else module}")
    print("\nCollections (under " + str(store.folder()) + "):")
    for one in store.collections():
        print(f"  {one.name:<24} {one.manifest['source']}, {_size(one)}")
    if not store.collections():
        print("  none yet")
    print("\nSources (options: list SOURCE; where to get files and keys: docs/data.md):")
    for source, title in collecting.sources().items():
        needs = ", ".join(collecting.keys(source))
        print(f"  {source:<16} {title}" + (f" [needs {needs}]" if needs else ""))
    return 0


def _one(source: str) -> int:
    """Options of one source."""
    print(f"{source}: {collecting.sources().get(source, '')}")
    for name, where in collecting.keys(source).items():
        print(f"  environment variable {name}: {where}")
    for name, option in collecting.options_of(source).model_fields.items():
        default = "must be given" if option.is_required() else f"default {option.get_default()!r}"
        print(f"  {name + '=':<14} {option.description or ''} ({default})")
    return 0


def _collect(words: list[str]) -> int:
    source, name, options = collecting.parsed(words)
    before = store.Collection(name).manifest.get("parts", {})
    made = collecting.collect(source, name, options, quiet=not sys.stderr.isatty())
    new = [part for part, entry in made.parts.items() if before.get(part) != entry]
    print(f"{made.folder}: {len(new)} of {len(made.parts)} parts are new; {_size(made)}")
    for dataset in [found for found in store.names() if found == name or found.rpartition("-")[0] == name]:
        print(f"  a study can name it: {dataset}")
    return 0


def _size(one: store.Collection) -> str:
    entries = one.parts.values()
    spans = [(entry["first"], entry["last"]) for entry in entries if "first" in entry]
    span = f", {min(first for first, _ in spans)} to {max(last for _, last in spans)}" if spans else ""
    return f"{sum(entry['rows'] for entry in entries):,} rows{span}"


def _check(asked: list[str]) -> int:
    """Load every dataset named, or at hand, and say what it holds. 1 if one of them is not as it should be."""
    known = dataset_names()
    tables = [one.name for one in store.collections() if one.kind == "od" or not one.manifest.get("frequency")]
    bad = 0
    for name in asked or [*known, *tables]:
        try:
            print(f"{name:<24} {_table(name) if name in tables else _series(name)}")
        except DataError as error:
            bad += 1
            print(f"{name:<24} WRONG: {error}")
    return 1 if bad else 0


def _table(name: str) -> str:
    one = store.Collection(name)
    if problems := one.check():
        raise DataError("; ".join(problems))
    return f"a table, no series: {_size(one)}"


def _series(name: str) -> str:
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


if __name__ == "__main__":
    sys.exit(main())
