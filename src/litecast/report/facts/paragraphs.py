"""The facts of each paragraph: a dict per template in `words`, of the same name."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from litecast import results
from litecast.report.facts import KEYS, PLAIN, Facts
from litecast.results import statistics
from litecast.results.statistics import PROVEN

QUICKER = 0.10  # gain over dense: less is within what the percentiles of one measurement spread
WELL_BELOW = 0.25  # share of the seasonal naive error that a deep network should take away
NAMED = 6  # forecasters told in one sentence
DECODED = 0.5  # a file that computes less than this share of its MACs in its own precision saves storage only


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


# ---------------------------------------------------------------- findings


def findings(made: Facts) -> dict:
    """Each dataset's smallest file and baselines, each technique, and speed."""
    return {"rows": len(made.rows), "smallest": list(_smallest(made)), "speed": _speed(made),
            "standing": [standing(made, dataset) for dataset in made.datasets],
            "techniques": [technique(made, group) for group in made.groups]}


def _smallest(made: Facts) -> Iterator[dict]:
    known = made.known()
    for head in (head for head in made.heads if head["skill"]):
        best, small = known.loc[head["best"]].to_dict(), None
        if head["small"] in known.index:
            small = known.loc[head["small"]].to_dict()
            small["smaller"] = best["bytes"] / small["bytes"]
        yield {"dataset": head["dataset"], "best": best, "small": small}


def standing(made: Facts, dataset: str) -> dict:
    """Are the networks any good? Without a season: is the random walk beaten at all (walk)? Unless it is not: is the
    best deep network far below the free forecast, and better than ARIMA and boosting (deep)?"""
    files = made.files[(made.files.dataset == dataset) & (made.files.control == "")]
    files = files[files.technique.isin(["dense", "classical"])]
    tests = made.rivals[made.rivals.dataset == dataset]
    wape = files.groupby("model").test_wape.mean()
    free = wape.get("seasonal_naive", np.nan)
    is_walk = bool(np.isclose(free, wape.get("naive", np.nan), rtol=1e-9))  # without a season the two are one
    walk = _walk(tests[tests.against == "seasonal_naive"].sort_values("delta")) if is_walk else None
    deep = _deep(files, tests, free) if not is_walk or walk["beaten"] else None
    return {"dataset": dataset, "is_walk": is_walk, "walk": walk, "deep": deep}


def _walk(tests: pd.DataFrame) -> dict:
    networks = int((tests.technique == "dense").sum())
    beaten = list(map(_against, tests[statistics.is_better(tests)].itertuples()))
    return {"tried": len(tests), "networks": networks, "classical": len(tests) - networks, "proven": len(beaten),
            "level": PROVEN, "beaten": beaten[:NAMED], "more": max(0, len(beaten) - NAMED),
            "best": _against(next(tests.itertuples())) if len(tests) else None}


def _deep(files: pd.DataFrame, tests: pd.DataFrame, free: float) -> dict | None:
    nets = files[(files.technique == "dense") & ~results.is_compact(files)]
    if nets.empty or not np.isfinite(free):
        return None
    best, leader = (part.loc[part.val_wape.idxmin()] for part in (nets, files))
    below, mine = 1 - best.test_wape / free, tests[tests.row == best.row_id].set_index("against")
    is_other = leader.model != best.model and leader.role != "naive"
    return {
        "model": best.model, "wape": best.test_wape, "free": free, "below": below, "wanted": WELL_BELOW,
        "points": 100 * (WELL_BELOW - below) if below < WELL_BELOW else None, "tests": len(tests),
        "leader": {"model": leader.model, "below": 1 - leader.test_wape / free} if is_other else None,
        "rivals": [{"name": name} | (_held(mine.loc[name]) if name in mine.index else {"how": "untested"})
                   for name in statistics.NAIVE[1:]],
    }  # fmt: skip


def _held(line: pd.Series) -> dict:
    """Against one rival; alone: the p of a test that is significant only by itself."""
    is_proven = line.p_holm < PROVEN
    how = "unproven" if not is_proven else "better" if line.delta < 0 else "worse"
    return {"how": how, "alone": line.p_dm if not is_proven and line.p_dm < PROVEN else None} | _against(line)


def _against(line) -> dict:
    """The difference in WAPE and the adjusted p of Diebold and Mariano's test (NaN: too few origins)."""
    return {"model": line.model, "delta": line.delta, "p": line.p_holm}


def technique(made: Facts, group: str) -> dict:
    """What one technique, or storing in few bits alone, did on its selected files, and where it fell short."""
    chosen, claims, held = made.selected(group), made.verdicts(group), controls(made, group)
    counts = claims.verdict.value_counts()
    worse = claims[claims.verdict == "worse"]
    dense = made.files[made.files.technique == "dense"].groupby(["dataset", "model"]).macs.max()
    before = np.array([dense.get(key, np.inf) for key in zip(chosen.dataset, chosen.model, strict=True)])
    against = [{"control": name, "won": int((mine.test_wape > mine.own).sum()), "cases": len(mine)}
               for name, mine in held.groupby("control")]
    return {
        "group": group, "files": len(chosen), "claims": len(claims),
        "verdicts": {name: int(counts.get(name, 0)) for name in ("within", "undecided", "worse")},
        "bytes": chosen.bytes.median(), "ratio": chosen.ratio.median(), "front": wins(chosen), "controls": against,
        "worst": worse.loc[worse.delta.idxmax()].to_dict() if len(worse) else None,
        "never": bool(chosen.front.notna().any() and not (chosen.test_wape < chosen.front).any()),
        "lost": [line for line in against if line["won"] <= line["cases"] / 2],
        "keeps_macs": bool(len(chosen) and (chosen.macs >= before).all()),
    }  # fmt: skip


def wins(chosen: pd.DataFrame) -> dict | None:
    """How many compressed files err less than the front of their size, and of how many that have one."""
    compared = chosen[chosen.front.notna() & (chosen.technique != "width")]
    return {"won": int((compared.test_wape < compared.front).sum()), "of": len(compared)} if len(compared) else None


def controls(made: Facts, group: str) -> pd.DataFrame:
    """Controls of a technique; own: test WAPE of its own file at the same level and variant, in the controls' seeds."""
    mine = made.files[(made.files.group == group) & (made.files.role == "control")]
    rows = results.own(made.rows)
    rows = rows.assign(key=["/".join(key) for key in rows[KEYS].to_numpy()])
    seeds = rows.loc[rows.role == "control", ["key", "seed"]].drop_duplicates()
    own = rows[rows.role == "compressed"].merge(seeds).groupby("key").test_wape.mean()
    return mine.assign(own=mine.key.map(own)).dropna(subset="own")


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
    skill, errors = results.has_skill(made.rows), made.rows.error[made.rows.error != ""]
    files = made.files[made.files.role == "compressed"]
    decoded = files[files.coverage_macs < DECODED]
    lock = [{"name": name, "by": entry.get("name")} | entry for name, entry in made.lock.items()]
    return {
        "lost": [name for name in made.datasets if name not in made.skilled],
        "weak": [{"dataset": d, "model": m} for (d, m), good in skill.items() if not good and d in made.skilled],
        "equal": list(_equal(made)), "techniques": [technique(made, name) for name in made.techniques],
        "decoded": len(decoded), "compressed": len(files), "computed": sorted(set(decoded.precision) - {""}),
        "errors": len(errors), "error": errors.iloc[0] if len(errors) else "", "runs": _states(made),
        "unreached": [entry for entry in lock if entry.get("error")],
        "replaced": [entry for entry in lock if entry.get("reason")],
    }  # fmt: skip


def _equal(made: Facts) -> Iterator[dict]:
    """Simple forecasters to which networks are not shown to be superior."""
    networks = made.rivals[made.rivals.against.isin(statistics.NAIVE[1:]) & (made.rivals.technique == "dense")]
    for (rival, dataset), mine in networks.groupby(["against", "dataset"]):
        equal = list(mine.model[mine.verdict != "better"])
        if equal:
            yield {"rival": rival, "dataset": dataset, "models": equal, "of": len(mine)}


# ---------------------------------------------------------------- data, baselines, limits


def data_notes(made: Facts) -> dict:
    """Sources, licences, repairs and dropped series, in the words of the collecting notebooks."""
    lines = []
    for dataset, seen in made.coverage.items():
        told = [{"what": key, "said": seen[key]} for key in ("source", "licence") if seen.get(key)]
        told += [{"what": "note", "said": str(seen["note"]).rstrip(".")}] if seen.get("note") else []
        told += [{"what": "dropped", "said": drop["reason"], "series": drop["series"]}
                 for drop in (seen.get("dropped") or [])[:5]]
        lines += [{"dataset": dataset, "told": told}] if told else []
    return {"datasets": lines}


def compact(made: Facts, dataset: str) -> dict:
    """Who of the compact families is on the front of a dataset, each with its smallest file there."""
    files = made.files[results.is_compact(made.files) & (made.files.control == "") & (made.files.dataset == dataset)]
    return {"dataset": dataset, "front": results.front(files, "").drop_duplicates("model").to_dict("records")}


def published(compared: pd.DataFrame) -> dict:
    """How many published errors are reached; a model without a published value is not judged."""
    if compared.empty:
        return {"models": 0}
    judged = compared[compared.within.notna()]
    missed = judged[judged.within != 1]
    return {"models": len(compared), "judged": len(judged), "reached": len(judged) - len(missed),
            "missed": missed[["model", "dataset", "H"]].to_dict("records")}


def limits(made: Facts) -> dict:
    """What these numbers cannot say."""
    claims = made.verdicts()
    seeds = made.rows[made.rows.role == "compressed"].groupby("dataset").seed.nunique()
    return {"seeds": [{"dataset": dataset, "seeds": int(n)} for dataset, n in seeds.items()],
            "claims": len(claims), "undecided": int((claims.verdict == "undecided").sum()),
            "mde": claims.mde.astype(float).median(), "timed": bool((made.files.ms > 0).any()),
            "synthetic": _synthetic(made), "cpus": sorted(set(made.rows.cpu) - {""})}


def notes(made: Facts) -> dict:
    """What the planner had to say: blocks left out, data that were replaced."""
    return {"notes": made.plan.notes if made.plan else []}


def shown_in(rows: pd.DataFrame) -> list[str]:
    """Where rows are told: techniques, and 'baselines' for what compression starts from."""
    return list(dict.fromkeys("baselines" if name in PLAIN else name for name in sorted(set(rows.technique))))
