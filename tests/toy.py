"""Studies at toy size, made out of the real study files: a few optimiser steps on a few weeks of generated demand."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from litecast import paths
from litecast.catalogue import literals
from litecast.planning.study import Catalogue

FILES = sorted(paths.PARAMS.glob("*.yaml"))
BUDGET = {"steps": 3, "extra_steps": 2, "retrain_steps": 2, "batch": 32, "lr": 0.005, "train_windows": 64}
WIDTHS = [4, 8]
# Networks that are told something, of those that studies name: any other is tried as its family comes, since a word
# only changes fields of the config, and tests of models build every one.
COMPRESSED = ("lstm", "resnet1d", "profile_mlp")  # stand for all that a technique is asked for: recurrent,
# convolutional, told its series. Tests of a technique try every family.
TOLD = ("nbeats@own", "dlinear@own", "profile_mlp@anonymous")


def body(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def blocks(*files: Path) -> list[dict]:
    return [block for path in files for block in body(path)["blocks"]]


def fitting(technique: str) -> list[str]:
    """All models that a technique fits."""
    return Catalogue.read().able(technique)


def tried(model: str) -> str:
    """The model that stands for one in a toy study."""
    return model if model in TOLD else model.partition("@")[0]


def models(found: list[dict]) -> list[str]:
    """All models of some blocks, once."""
    return list(dict.fromkeys(tried(model) for block in found for model in block.get("models", [])))


def widths(names: list[str]) -> dict[str, list[int]]:
    """Two tiny widths of each family; a family without a choice keeps its own."""
    own = {name: words["WIDTHS"] for name, words in Catalogue.read().models.items() if name in names}
    return {name: WIDTHS if len(sizes) > 1 else list(sizes) for name, sizes in own.items()}


def techniques(found: list[dict], names: list[str]) -> dict[str, dict]:
    """What some blocks ask of their techniques, put together, for those of COMPRESSED that they ask it for.

    Of the levels only the technique's lowest two and those at which a route starts; controls at the hardest of them.
    """
    asked: dict[str, list[dict]] = {}
    for block in found:
        for name, wish in (block.get("techniques") or {}).items():
            asked.setdefault(name, []).append({"models": block["models"]} | (wish or {}))
    made = {name: _technique(name, wishes, names, _starts(found, name)) for name, wishes in asked.items()}
    return {name: wish for name, wish in made.items() if wish["models"]}


def _technique(name: str, wishes: list[dict], names: list[str], starts: set) -> dict:
    own = literals(paths.PACKAGE / "compress" / f"{name}.py")
    levels = sorted({*own["LEVELS"][:2], *starts})
    wanted = {tried(model) for wish in wishes for model in wish["models"]} & set(fitting(name)) & set(COMPRESSED)
    made = {"levels": levels, "models": [model for model in names if model in wanted]}
    taught = "teachers" in own.get("NEEDS", ())  # what is learnt is tried where several teach
    for key in ("variants", "controls")[taught:]:
        if words := list(dict.fromkeys(word for wish in wishes for word in wish.get(key, []))):
            made[key] = words
    return made | ({"control_levels": levels[-1:]} if "controls" in made else {})


def _starts(found: list[dict], name: str) -> set:
    """The levels of a technique at which routes of some blocks start."""
    firsts = [step[0] for block in found for step in block.get("routes", []) if name in step[0]]
    return {did["level"] if isinstance(did := step[name], dict) else did for step in firsts}


def pairs(route: list[dict]) -> set[tuple]:
    """A route's steps two by two, each (technique, is it taught by a reference): what one step asks of the next."""
    steps = [(name, "reference" in (did.get("teachers", []) if isinstance(did, dict) else []))
             for step in route for name, did in step.items()]  # fmt: skip
    return set(itertools.pairwise(steps))


def routes(found: list[dict]) -> list[list[dict]]:
    """Of all routes of some blocks those that have two steps in a row that no route before them has."""
    made, seen = [], set()
    for route in (route for block in found for route in block.get("routes", [])):
        if not pairs(route) <= seen:
            made.append(route)
            seen |= pairs(route)
    return made


def published(found: list[dict]) -> dict:
    """All models whose published table some blocks make again, one short horizon, two steps."""
    names = [name for block in found for name in (block.get("published") or {}).get("models", [])]
    return {"models": list(dict.fromkeys(names)), "horizons": [24], "steps": 2, "seeds": [0, 1]}


def plain(found: list[dict], names: list[str]) -> dict[str, dict]:
    """The same techniques at one level, without controls and further variants."""
    return {name: {"levels": wish["levels"][-1:], "models": wish["models"]}
            for name, wish in techniques(found, names).items()}  # fmt: skip


def write(folder: Path, name: str, found: list[dict], files: dict[str, str] | None = None) -> Path:
    """The study file `<name>.yaml` of these blocks."""
    path = folder / f"{name}.yaml"
    study = {"name": name, "title": f"Toy {name}", "budget": BUDGET | {"loss": "mae"}, "seeds": [0],
             "files": files or {}, "blocks": found}
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def demand(path: Path, days: int, series: int, step: str = "h", own: str = "", column: str = "time") -> Path:
    """A CSV of regular demand with weekly and daily cycles, noise and one gap, and its YAML of own settings."""
    per_day, cycle = {"h": (24, 24), "D": (1, 7)}[step]
    rng, times = np.random.default_rng(7), pd.date_range("2023-01-02", periods=days * per_day, freq=step)
    phase = 2 * np.pi * np.arange(len(times))[:, None] / cycle
    weekend = np.where(times.day_of_week >= 5, 0.7, 1.0)[:, None]
    level = 100 * (1 + np.arange(series)) * weekend * (1.2 + np.sin(phase + np.arange(series)))
    values = pd.DataFrame(level * rng.normal(1, 0.05, level.shape), times, [f"s{i}" for i in range(series)]).round(2)
    values.iloc[5, 0] = np.nan
    values.to_csv(path, index_label=column)
    path.with_suffix(".yaml").write_text(own, encoding="utf-8")
    return path


def call(reports: Path, study: Path, *options: str) -> subprocess.CompletedProcess:
    """`python -m litecast.running.make` on a study file, its reports in a folder of their own."""
    environment = os.environ | {"LITECAST_REPORTS": str(reports), "PYTHONPATH": str(paths.PACKAGE.parent),
                                "CC": "none", "CXX": "none"}  # no compiled PyTorch: half a minute for each dataset
    command = [sys.executable, "-m", "litecast.running.make", str(study), "--jobs", "2", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=2700)
