"""The facts of each paragraph: a dict per template in `words`, of the same name."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from litecast import results
from litecast.report.facts import KEYS, Facts
from litecast.results import statistics

QUICKER = 0.10  # gain over dense: less is within what the percentiles of one measurement spread
WELL_BELOW = 0.25  # share of the seasonal naive error that a deep network should take away
PARTLY = 0.5  # a file that computes less than this share of its products in the precision it claims says so


def overview(made: Facts) -> dict:
    models = set(made.rows.model[made.rows.role.isin(["dense", "compressed"])])
    return {"name": made.name, "datasets": made.datasets, "models": sorted(models), "rows": len(made.rows),
            "techniques": [name for name in made.techniques if "+" not in name],
            "chains": [name for name in made.techniques if "+" in name],
            "runs": _states(made), "synthetic": _synthetic(made)}


def _states(made: Facts) -> dict[str, int]:
    done, failed = (int((made.runs.state == state).sum()) for state in ("done", "failed"))
    return {"planned": len(made.runs), "done": done, "failed": failed, "missing": len(made.runs) - done - failed}


def _synthetic(made: Facts) -> list[str]:
    return [name for name in made.datasets if name.startswith("sample-")]


def findings(made: Facts) -> dict:
    """Each dataset's smallest file and baselines, each technique, and speed."""
    smallest = []
    for head in made.heads:
        best, small = made.file(head["best"]), made.file(head["small"])
        small = small and small | {"smaller": best["bytes"] / small["bytes"]}
        smallest += [{"dataset": head["dataset"], "best": best, "small": small}] if head["skill"] else []
    return {"rows": len(made.rows), "smallest": smallest, "speed": _speed(made),
            "standing": [standing(made, dataset) for dataset in made.datasets],
            "techniques": [technique(made, group) for group in made.groups]}


def standing(made: Facts, dataset: str) -> dict:
    """Are the networks any good? Without a season: is the random walk beaten at all (walk)? Unless it is not: is the
    best deep network far below the free forecast, and better than ARIMA and boosting (deep)?"""
    files = made.files[(made.files.dataset == dataset) & (made.files.control == "")]
    files = files[files.technique.isin(["dense", "classical"])]
    tests = made.rivals[made.rivals.dataset == dataset]
    wape = files.groupby("model").test_wape.mean()
    free, walk = wape.get("seasonal_naive", np.nan), None
    if is_walk := bool(np.isclose(free, wape.get("naive", np.nan), rtol=1e-9)):  # without a season the two are one
        against = tests[tests.against == "seasonal_naive"].sort_values("delta")
        walk = {name: lines.to_dict("records")
                for name, lines in (("tests", against), ("beaten", against[statistics.is_better(against)]))}
    deep = _deep(files, tests, free) if not is_walk or walk["beaten"] else None
    return {"dataset": dataset, "is_walk": is_walk, "walk": walk, "deep": deep}


def _deep(files: pd.DataFrame, tests: pd.DataFrame, free: float) -> dict | None:
    """rivals: the test against each simple forecaster; {} where there was none."""
    nets = files[(files.technique == "dense") & ~results.is_compact(files)]
    if nets.empty or not np.isfinite(free):
        return None
    best, leader = (part.loc[part.val_wape.idxmin()] for part in (nets, files))
    below, mine = 1 - best.test_wape / free, tests[tests.row == best.row_id].set_index("against").to_dict("index")
    is_other = leader.model != best.model and leader.role != "naive"
    return {
        "model": best.model, "wape": best.test_wape, "free": free, "below": below, "wanted": WELL_BELOW,
        "points": 100 * (WELL_BELOW - below) if below < WELL_BELOW else None, "tests": len(tests),
        "leader": {"model": leader.model, "below": 1 - leader.test_wape / free} if is_other else None,
        "rivals": {name: mine.get(name, {}) for name in statistics.NAIVE[1:]},
    }  # fmt: skip


def technique(made: Facts, group: str) -> dict:
    """What one technique, or storing in few bits alone, did on its selected files, and where it fell short."""
    chosen, claims = made.selected(group), made.verdicts(group)
    worse = claims[claims.verdict == "worse"]
    dense = made.files[made.files.technique == "dense"].groupby(["dataset", "model"]).macs.max()
    before = chosen.join(dense.rename("before"), on=["dataset", "model"]).before.fillna(np.inf)
    against = [{"control": name, "won": (won := int((mine.test_wape > mine.own).sum())), "cases": len(mine),
                "lost": won <= len(mine) / 2} for name, mine in controls(made, group).groupby("control")]
    return {
        "group": group, "files": len(chosen), "claims": len(claims), "verdicts": verdicts(claims),
        "bytes": chosen.bytes.median(), "ratio": chosen.ratio.median(), "front": wins(chosen), "controls": against,
        "worst": worse.loc[worse.delta.idxmax()].to_dict() if len(worse) else None,
        "never": bool(chosen.front.notna().any() and not (chosen.test_wape < chosen.front).any()),
        "keeps_macs": bool(len(chosen) and (chosen.macs >= before).all()),
    }  # fmt: skip


def verdicts(claims: pd.DataFrame) -> dict[str, int]:
    """How many claims have which verdict."""
    return {name: int((claims.verdict == name).sum()) for name in ("within", "undecided", "worse")}


def wins(chosen: pd.DataFrame) -> dict | None:
    """How many compressed files err less than the front of their size, and of how many that have one."""
    compared = chosen[chosen.front.notna() & (chosen.technique != "width")]
    return {"won": int((compared.test_wape < compared.front).sum()), "of": len(compared)} if len(compared) else None


def controls(made: Facts, group: str) -> pd.DataFrame:
    """Controls of a technique; own: test WAPE of its own file at the same level and variant, in the controls' seeds."""
    rows = results.own(made.rows)
    seeds = rows.loc[rows.role == "control", [*KEYS, "seed"]].drop_duplicates()
    own = rows[rows.role == "compressed"].merge(seeds).groupby(KEYS).test_wape.mean().rename("own")
    mine = made.files[(made.files.group == group) & (made.files.role == "control")]
    return mine.join(own, on=KEYS).dropna(subset="own")


def _speed(made: Facts) -> dict | None:
    """gain: how much quicker the runtime of all times runs a dense network than the one it was made in."""
    files = made.selected()
    files = files[files.speed.notna() & (files.technique != "width")]
    if files.empty:
        return None
    dense = made.files[(made.files.technique == "dense") & (made.files.control == "")]
    dense = dense[(dense.runtime != made.runtime) & (dense.latency_ms_p50 / dense.ms > 0)]
    return {"files": len(files), "quicker": int((files.speed > 1 + QUICKER).sum()), "least": QUICKER,
            "runtime": made.runtime, "fastest": files.loc[files.speed.idxmax()].to_dict(),
            "gain": (dense.latency_ms_p50 / dense.ms).median(), "home": dense.runtime.iloc[0] if len(dense) else ""}


def failures(made: Facts) -> dict:
    """What did not work, as far as the numbers tell."""
    skill, files = results.has_skill(made.rows), made.files[made.files.role == "compressed"]
    decoded, partly = files[files.coverage_macs == 0], files[files.coverage_macs.between(0, PARTLY, "neither")]
    return {
        "lost": [name for name in made.datasets if name not in made.skilled],
        "weak": [{"dataset": d, "model": m} for (d, m), good in skill.items() if not good and d in made.skilled],
        "equal": list(_equal(made)), "techniques": [technique(made, name) for name in made.techniques],
        "decoded": len(decoded), "compressed": len(files), "computed": sorted(set(decoded.precision) - {""}),
        "partly": partly.to_dict("records"), "errors": [text for text in made.rows.error if text],
        "runs": _states(made), "lock": made.lock,
    }  # fmt: skip


def _equal(made: Facts) -> Iterator[dict]:
    """Simple forecasters to which networks are not shown to be superior."""
    networks = made.rivals[made.rivals.against.isin(statistics.NAIVE[1:]) & (made.rivals.technique == "dense")]
    for (rival, dataset), mine in networks.groupby(["against", "dataset"]):
        if equal := list(mine.model[mine.verdict != "better"]):
            yield {"rival": rival, "dataset": dataset, "models": equal, "of": len(mine)}


def data_notes(made: Facts) -> dict:
    """Sources, licences, repairs and dropped series, in the words of the collecting notebooks."""
    return {"coverage": made.coverage}


def compact(made: Facts, dataset: str) -> dict:
    """Who of the compact families is on the front of a dataset, each with its smallest file there."""
    files = made.files[results.is_compact(made.files) & (made.files.control == "") & (made.files.dataset == dataset)]
    return {"dataset": dataset, "front": results.front(files, "").drop_duplicates("model").to_dict("records")}


def limits(made: Facts) -> dict:
    """What these numbers cannot say."""
    claims = made.verdicts()
    seeds = made.rows[made.rows.role == "compressed"].groupby("dataset").seed.nunique()
    return {"seeds": [{"dataset": dataset, "seeds": int(n)} for dataset, n in seeds.items()],
            "claims": len(claims), "undecided": verdicts(claims)["undecided"],
            "mde": claims.mde.astype(float).median(), "timed": bool((made.files.ms > 0).any()),
            "synthetic": _synthetic(made), "cpus": sorted(set(made.rows.cpu) - {""})}


def notes(made: Facts) -> dict:
    """What the planner had to say: blocks left out, data that were replaced."""
    return {"notes": made.notes}
