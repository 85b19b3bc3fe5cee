"""Studies at toy size, made out of the real study files: a few optimiser steps on a few weeks of generated demand."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from litecast import paths
from litecast.catalogue import literals

FILES = sorted(paths.PARAMS.glob("*.yaml"))
BUDGET = {"steps": 3, "extra_steps": 2, "retrain_steps": 2, "batch": 32, "lr": 0.005, "train_windows": 64}
WIDTHS = [4, 8]


def body(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def blocks(*files: Path) -> list[dict]:
    return [block for path in files for block in body(path)["blocks"]]


def models(found: list[dict]) -> list[str]:
    """All models of some blocks, once."""
    return list(dict.fromkeys(model for block in found for model in block.get("models", [])))


def widths(names: list[str]) -> dict[str, list[int]]:
    """Two tiny widths of each family; a family without a choice keeps its own."""
    own = {name: literals(paths.PACKAGE / "models" / f"{name}.py")["WIDTHS"] for name in names}
    return {name: WIDTHS if len(sizes) > 1 else list(sizes) for name, sizes in own.items()}


def techniques(found: list[dict], names: list[str]) -> dict[str, dict]:
    """What some blocks ask of their techniques, put together; of the levels only the control's and a lower one."""
    asked: dict[str, list[dict]] = {}
    for block in found:
        for name, wish in (block.get("techniques") or {}).items():
            asked.setdefault(name, []).append(wish or {})
    return {name: _technique(name, wishes, names) for name, wishes in asked.items()}


def _technique(name: str, wishes: list[dict], names: list[str]) -> dict:
    own = literals(paths.PACKAGE / "compress" / f"{name}.py")
    levels = next((wish["levels"] for wish in wishes if "levels" in wish), list(own["LEVELS"]))[:2]
    made = {"levels": levels, "models": [m for m in names if m in own["FAMILIES"]]}
    for key in ("variants", "controls"):
        if words := list(dict.fromkeys(word for wish in wishes for word in wish.get(key, []))):
            made[key] = words
    return made | ({"control_levels": levels[-1:]} if "controls" in made else {})


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
    """`python -m litecast.runner` on a study file, its reports in a folder of their own."""
    environment = os.environ | {"LITECAST_REPORTS": str(reports), "PYTHONPATH": str(paths.PACKAGE.parent)}
    command = [sys.executable, "-m", "litecast.runner", str(study), "--jobs", "2", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=550)
