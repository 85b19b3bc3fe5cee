"""The one module that knows the folders."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent.parent
NOTEBOOKS = ROOT / "notebooks"
PARAMS = ROOT / "params"
LOCK = ROOT / "requirements.lock"

# What names a run's folder, in this order; everything else is a parameter. teachers: 'nbeats+lstm', whom a network
# learns from; route: 'channel_pruning-0.5+int8-8', all steps of a run that starts from another technique's result.
KEYS = ("dataset", "model", "seed", "teachers", "route")


def data_dir() -> Path:
    """Collected and downloaded series; elsewhere by LITECAST_DATA."""
    return Path(os.environ.get("LITECAST_DATA", ROOT / "data")).resolve()


def reports_dir() -> Path:
    """Where studies are built; elsewhere by LITECAST_REPORTS."""
    return Path(os.environ.get("LITECAST_REPORTS", ROOT / "reports")).resolve()


def study_dir(study: str) -> Path:
    return reports_dir() / study


def run_name(**keys) -> str:
    """'dataset=seoul-traffic,model=lstm,seed=0': the keys of a run that are set, in fixed order."""
    return ",".join(f"{key}={keys[key]}" for key in KEYS if keys.get(key) is not None) or "all"


def run_dir(study: str, stage: str, **keys) -> Path:
    """Folder of one run (contract 4 of docs/design.md)."""
    return study_dir(study) / "runs" / stage / run_name(**keys)
