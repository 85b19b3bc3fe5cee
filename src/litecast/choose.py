"""`python -m litecast.choose my.csv --kb 8 --ms 0.1 --loss 2%`: which file to deploy for these series, and why.

Trains the candidates of params/choose.yaml on the file (small budgets; what an earlier call finished is kept), chooses
within the budgets on validation, copies the file that was chosen beside the CSV and says what it costs, and why it is
none of the others. Exit code 0, or 2 where the file cannot be read or nothing fits: then it says what would.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from litecast import paths, results
from litecast.errors import LitecastError
from litecast.files import replacing
from litecast.report import words
from litecast.results.decision import Budgets, Decision, decide, ranked
from litecast.running import make, one

STUDY = paths.PARAMS / "choose.yaml"
UNITS = {"kb": "{:.3g} kB", "ms": "{:.3g} ms", "loss": "{:.1%}"}
BROKEN = {"kb": "too large", "ms": "too slow", "loss": "errs too much"}
HEADS = {"kb": "--kb", "ms": "--ms", "loss": "--loss"}


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module's text for exit codes."""
    parser = argparse.ArgumentParser("python -m litecast.choose", description="Choose the file to deploy for a CSV.")
    parser.add_argument("data", metavar="CSV", help="your own series (docs/own-data.md)")
    parser.add_argument("--kb", type=_positive, help="the file takes at most so many kilobytes (1000 bytes)")
    parser.add_argument("--ms", type=_positive, help="one forecast takes at most so many milliseconds on this machine")
    parser.add_argument("--loss", type=_share, metavar="2%%", help="it errs at most so much more, on validation, than "
                        "the best of any size; the smallest such file is taken. Without any budget: 2%%")
    parser.add_argument("--out", type=Path, help="where the file goes (default: beside the CSV)")
    parser.add_argument("--study", type=Path, default=STUDY, help="the candidates (default: params/choose.yaml)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time (default: all cores)")
    args = parser.parse_args(argv)
    one.environment("litecast.choose", argv)
    return make.answered(lambda: _choose(args, Budgets(args.kb, args.ms, args.loss)))


def _choose(args: argparse.Namespace, budgets: Budgets) -> int:
    made = make.prepare(args.study, args.data)
    make.part(made, args.jobs, "")
    rows = results.collect(made.study)
    if rows.empty:
        raise LitecastError(f"{made.folder}: nothing was finished that could be chosen; what failed is told above")
    decision = decide(rows, budgets, _times(made.study, ranked(rows, budgets, {}), everything=args.ms is not None))
    if not decision.chosen:
        raise LitecastError("\n".join(["nothing fits these budgets", *map(told_nearest, decision.nearest.items())]))
    file = _copied(made.folder, decision.chosen, args) if decision.chosen["artefact"] else None
    print("\n".join(told(decision, budgets, file)))
    return 0


def _times(study: str, files, everything: bool) -> dict[str, float]:
    """row_id -> milliseconds, of the files that could be deployed; without a budget of time, of those that fit."""
    from litecast.data import load, windows
    from litecast.experiment import quickness

    mine = files[files.deployable]
    mine = mine if everything else mine[mine.over.map(len) == 0].head(1)
    asked = {row.row_id: (paths.study_dir(study) / row.artefact, row.runtime) for row in mine.itertuples()}
    return quickness.milliseconds(asked, windows.prepare(load(files.dataset.iloc[0], study)))


def _copied(folder: Path, row: dict, args: argparse.Namespace) -> Path:
    """The chosen file, where the user wants it; its name ends as its kind of file does."""
    source, data = folder / row["artefact"], Path(args.data)
    name = f"{data.name.partition('.')[0]}.litecast{source.suffix}"
    target = args.out or data.with_name(name)
    target = target / name if target.is_dir() else target
    target = target if target.suffix == source.suffix else target.with_name(target.name + source.suffix)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


# ---- in words


def told(decision: Decision, budgets: Budgets, file: Path | None) -> list[str]:
    """What is deployed, what it costs, and a line for each class of candidates that it is not."""
    chosen, best, free = decision.chosen, decision.best, decision.free
    what = _label(chosen)
    lines = [f"deploy   {file}: {what}", f"takes    {chosen['bytes']:,.0f} bytes, {chosen['ms']:.3g} ms a forecast on "
             "this machine"] if file else [f"deploy   {what}: these budgets allow nothing better"]
    beside = [f"{_error(best)} by the best of any size ({_label(best)}{_size(best)})"]
    beside += [f"{_error(free)} by the best free forecast ({free['model']})"] if free else []
    lines.append(f"errs     {_error(chosen)}, against {' and '.join(beside)}")
    lines.append(f"loses    {chosen['loss']:+.1%} against the best of any size, on validation")
    lines += [f"not      {_label(row)}: {_why(row, chosen, budgets)}" for row in decision.others]
    return lines


def told_nearest(pair: tuple[str, dict]) -> str:
    """What would have to be asked for instead of one of the budgets."""
    name, row = pair
    return f"  {HEADS[name]} {UNITS[name].format(row[name])} would do, the other budgets unchanged: {_label(row)}"


def _why(row: dict, chosen: dict, budgets: Budgets) -> str:
    """Why a candidate was not chosen."""
    if not row["deployable"] and row["role"] != "naive":
        return "it is no single file"
    if row["over"]:
        return ", ".join(f"{BROKEN[name]} ({UNITS[name].format(row[name])})" for name in row["over"])
    if "loss" in budgets.asked:
        return f"it fits, but takes {row['kb']:.3g} kB, {row['kb'] / max(chosen['kb'], 1e-9):.1f} times as much"
    return f"it fits, but errs {row['val_wape'] / chosen['val_wape'] - 1:.1%} more on validation"


def _label(row: dict) -> str:
    return " ".join(words.phrase("labels", "row", **row).split())


def _error(row: dict) -> str:
    return f"{row['val_wape']:.2%} on validation ({row['test_wape']:.2%} on test)"


def _size(row: dict) -> str:
    return f", {row['kb']:.3g} kB" if row["kb"] > 0 else ""


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no budget: give a number above 0")
    return value


def _share(text: str) -> float:
    """'2%' or '0.02'."""
    number, percent, rest = text.partition("%")
    value = _number(number) / (100 if percent else 1)
    if rest or not 0 <= value < 1 or (not percent and value >= 0.5):
        raise argparse.ArgumentTypeError(f"{text!r} is no loss: write 2% or 0.02")
    return value


def _number(text: str) -> float:
    """NaN for what is none: no budget is one."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


if __name__ == "__main__":
    sys.exit(main())
