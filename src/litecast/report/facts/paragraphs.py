"""The facts of each paragraph: a dict per template in `words`, of the same name."""

from itertools import groupby

import numpy as np
import pandas as pd

from litecast import results
from litecast.compress import SCRATCH
from litecast.report.facts import Facts, counts, tables
from litecast.report.shown import run_link
from litecast.results import chains as chains_
from litecast.results import conformal, evidence, places, statistics
from litecast.results import information as information_
from litecast.results import techniques as techniques_
from litecast.results.places import QUICKER

PARTLY = 0.5  # a file that computes less than this share of its products in the precision it claims says so
BLIND = 0.05  # regret of a choice: above it validation does not predict test, and the report says so
SHORT = 0.01  # what a band may cover less, or more, than it promises before the report says so
SURE = 2  # standard errors: what it covers less then is no chance
VERDICTS = ("better", "worse", "undecided")
CHANCE = "random"  # what every search is held against
MIXED = (results.REFERENCE, results.COMMITTEE)  # means of files of several models
TOLD = ("helps", "harms")  # verdicts on information; what is neither is undecided or was not tested


def overview(made: Facts) -> dict:
    """What the study is made of."""
    models = set(made.rows.model[made.rows.role.isin(["dense", "compressed"])])
    return {"name": made.name, "datasets": made.datasets, "models": sorted(models), "rows": len(made.rows),
            "techniques": [name for name in made.techniques if "+" not in name],
            "chains": [name for name in made.techniques if "+" in name], "runs": _states(made)}


def _states(made: Facts) -> dict[str, int]:
    done, failed = (int((made.runs.state == state).sum()) for state in ("done", "failed"))
    return {"planned": len(made.runs), "done": done, "failed": failed, "missing": len(made.runs) - done - failed}


def _synthetic(made: Facts) -> list[str]:
    return [name for name in made.datasets if name.startswith("sample-")]


def answer(made: Facts) -> dict:
    """What page 1 says of the main dataset, and in a clause of the others.

    small, best, free, reference: files ({} if there is none); tested: small against best on test; sizes: other files
    and the budgets they are best at, the largest first; without: budgets at which a forecast without a file is;
    surprised: those at which what was chosen tests worse than the free forecast, against what validation said.
    """
    head = next((head for head in made.heads if head["dataset"] == made.main), None)
    if head is None:
        return {"dataset": ""}
    lines = tables.answer(made)
    fits = lines[lines.budget.isin(results.BUDGETS_KB) & (lines.instead == "")].iloc[::-1]
    sizes = [{"file": line, "budgets": sorted(fits.budget[fits.row_id == line["row_id"]])}
             for line in fits.drop_duplicates("row_id").to_dict("records")]
    free = [size for size in sizes if size["file"]["role"] == "naive"]
    small, best = made.file(head["small"]), made.file(head["best"])
    others = [{"dataset": one["dataset"], "file": made.file(one["small"]), "tested": made.beside_best(one["dataset"])}
              for one in made.heads if one != head]
    return {
        "dataset": made.main, "skill": head["skill"], "small": small, "best": best, "free": made.file(head["free"]),
        "reference": made.reference(made.main), "tested": made.beside_best(made.main),
        "smaller": best.get("bytes", np.nan) / small["bytes"] if small and small["bytes"] else np.nan,
        "sizes": [size for size in sizes if size not in free and size["file"]["row_id"] != head["small"]],
        "without": free,
        "surprised": [size for size in sizes if size["file"]["test_wape"] > head["free_wape"]],
        "others": [other for other in others if other["file"]], "lost": _lost(made), "synthetic": _synthetic(made),
    }  # fmt: skip


def _lost(made: Facts) -> list[str]:
    return [name for name in made.datasets if name not in made.skilled]


def findings(made: Facts) -> dict:
    """What was found, the weightiest first: each of these is one bullet, or none where it is empty. Techniques stand in
    the order of their share of success, the highest first."""
    claims, told = made.verdicts(), [technique(made, group) for group in made.groups]
    controls = [{"group": t["group"]} | c for t in told for c in t["controls"]]
    return {
        "rows": len(made.rows), "recommended": _recommended(made), "standing": _standing(counts.standing(made)),
        "walks": _walks(made), "claims": counts.verdicts(claims) | {"of": len(claims)},
        "losing": sorted((t for t in told if t["claims"]), key=lambda t: -t["verdicts"]["within"] / t["claims"]),
        "fronts": sorted((t for t in told if t["front"]), key=lambda t: -t["front"]["won"] / t["front"]["of"]),
        "controls": sorted(controls, key=lambda c: -c["won"] / c["cases"]), "speed": _speed(made),
        "regrets": _regrets(made), "holidays": _holidays(made), "ensembles": _ensembles(made),
        "committees": _committees(made),
        "information": information(made)["datasets"],
    }  # fmt: skip


def sections(made: Facts) -> dict[str, dict]:
    """What each section has come to, in few numbers: its first sentence."""
    claims, chosen, ways = made.verdicts(), made.selected(), tables.chains(made)
    ran = made.devices[made.devices.dataset == made.main] if len(made.devices) else made.devices
    ran = places.deployed(ran) if len(ran) else ran
    home = ran[ran.runtime == "torch"].latency_ms_p50 if len(ran) else []
    return {
        "recommendations": _recommended(made), "baselines": {"standing": _standing(counts.standing(made))},
        "techniques": counts.verdicts(claims) | {"of": len(claims), "techniques": len(made.techniques)},
        "chains": ways.loc[ways.ratio.idxmax()].to_dict() if len(ways) else {"order": ""},
        "devices": {"runtime": ran.iloc[0].runtime, "ms": ran.iloc[0].latency_ms_p50, "dataset": made.main,
                    "times": home.iloc[0] / ran.iloc[0].latency_ms_p50 if len(home) else np.nan}
        if len(ran) else {"runtime": ""},
        "compared": counts.wins(chosen) or {"of": 0},
    }  # fmt: skip


def _recommended(made: Facts) -> dict:
    """How many of all recommendations (a dataset and a budget each) are of which kind."""
    lines = tables.recommendation(made)
    lines = lines[lines.budget.isin([*results.BUDGETS_KB, "near"]) & (lines.instead == "")]
    kinds = {"free": lines.role == "naive", "classical": (lines.technique == "classical") & (lines.role != "naive"),
             "control": (lines.control != "") & (lines.control != results.LONGER),
             "ensemble": lines.technique == "ensemble",
             "compressed": (lines.role == "compressed") & (lines.technique != "width")}
    found = {name: int(mask.sum()) for name, mask in kinds.items()}
    return {"of": len(lines), "datasets": lines.dataset.nunique(), **found, "plain": len(lines) - sum(found.values())}


def _standing(lines: pd.DataFrame) -> list[dict]:
    """Per simple forecaster: on how many datasets the best network is better, worse, undecided."""
    of = lines[lines.verdict != "untested"].assign(rival=lambda f: f.rival.replace("naive", "seasonal_naive"))
    return [{"rival": rival, "of": len(mine)} | {v: int((mine.verdict == v).sum()) for v in ("better", "worse")}
            for rival, mine in of.groupby("rival", sort=False)]


def _walks(made: Facts) -> list[dict]:
    """Datasets without a season: how many forecasters are shown to beat the random walk."""
    tests = made.rivals[made.rivals.against == "seasonal_naive"]
    return [{"dataset": name, "of": len(mine), "better": list(mine.model[statistics.is_better(mine)])}
            for name, mine in tests.groupby("dataset") if counts.is_walk(made, name)]


def _regrets(made: Facts) -> dict:
    """What choosing on validation cost: the largest regret, where it is more than BLIND, and rank correlations.

    ordinary: the regret at the same sizes, had there been no public holiday; holidays: is that the reason?
    """
    lines, keys = made.regrets.assign(blind=made.regrets.regret > BLIND), ["dataset", "kb"]
    ordinary = results.regrets(results.on_ordinary_days(made.rows)).set_index(keys).regret
    lines = lines.join(ordinary.rename("ordinary"), on=keys)
    blind = [{"dataset": name, "budgets": sorted(mine.kb), "regret": mine.regret.max(),
              "ordinary": mine.ordinary.max(), "holidays": bool((mine.ordinary <= BLIND).all())}
             for name, mine in lines[lines.blind].groupby("dataset")]
    ranks = made.foresight.dropna(subset="rho")
    return {"of": len(lines), "exact": int((lines.regret <= 0).sum()), "limit": BLIND, "blind": blind,
            "largest": lines.regret.max(), "rho": ranks.set_index("dataset").rho.to_dict()}


def _holidays(made: Facts) -> list[dict]:
    """The smallest file near the best of each dataset: test WAPE on ordinary days and on holidays."""
    files = [made.file(head["small"]) for head in made.heads]
    return [file for file in files if np.isfinite(file.get("test_wape_holidays", np.nan))]


def _ensembles(made: Facts) -> list[dict]:
    """The best ensemble of each dataset; gain: share of one network's test WAPE that it takes away."""
    files = made.files[(made.files.technique == "ensemble") & ~made.files.model.isin(MIXED)]
    dense = made.files[(made.files.technique == "dense") & (made.files.control == "")]
    than = dense.groupby(["dataset", "model"]).test_wape.mean().to_dict()
    files = files.sort_values("val_wape", kind="stable").drop_duplicates("dataset").to_dict("records")
    return [file | {"gain": 1 - file["test_wape"] / than[key]} for file in files
            if (key := (file["dataset"], file["model"])) in than]


def _committees(made: Facts) -> list[dict]:
    """The best mean of small files of each dataset; gain: share of the test WAPE of the best file of as many bytes that
    it takes away."""
    found, files = [], results.candidates(made.rows)
    for name in made.datasets:
        mine = files[files.dataset == name].sort_values("val_wape", kind="stable")
        for line in mine[mine.model == results.COMMITTEE][:1].to_dict("records"):
            alone = results.within(mine[mine.technique != "ensemble"], line["bytes"] / 1000).iloc[0]
            found.append(line | {"alone": alone.to_dict(), "gain": 1 - line["test_wape"] / alone.test_wape})
    return found


def information(made: Facts) -> dict:
    """What telling networks more is worth, per dataset: pairs of one family and width and how many it is shown to help
    or to harm; most: the pair that gains most on validation, more, less: its networks, larger: bytes of the first in
    those of the other; cheapest: the smallest file of the more told one that errs less on validation than the less told
    one uncompressed, which is so many `times` as large."""
    return {"datasets": [_information(made, name, mine)
                         for name, mine in information_.told(made.information).groupby("dataset")]}


def _information(made: Facts, dataset: str, lines: pd.DataFrame) -> dict:
    ratio = lines.val_wape / lines.base_val_wape
    most = lines.loc[ratio.where(lines.adds.astype(bool), 1 / ratio).idxmin()].to_dict()
    more, less = ({name: most[f"{start}{name}"] for name in information_.MEASURED} | {"model": model}
                  for start, model in ((("", most["model"]), ("base_", most["family"])) if most["adds"] else
                                       (("base_", most["family"]), ("", most["model"]))))  # fmt: skip
    cheapest = information_.cheapest(made.files, most)
    return {"dataset": dataset, "pairs": len(lines), **{word: int((lines.helps == word).sum()) for word in TOLD},
            "most": {key: most[key] for key in ("level", "gain", "helps")}, "more": more, "less": less,
            "larger": more["bytes"] / less["bytes"], "cheapest": cheapest,
            "times": less["bytes"] / cheapest["bytes"] if cheapest else np.nan}


def chains(made: Facts) -> dict:
    """How far chains of techniques get: their number, and per dataset and network the smallest and the one of the
    lowest validation WAPE; orders: of the same steps the best order and the worst, on validation."""
    lines, orders = tables.chains(made), chains_.orders(made.rows)
    ends = [{"dataset": dataset, "model": model, "smallest": mine.loc[mine.bytes.idxmin()].to_dict(),
             "best": mine.loc[mine.val_wape.idxmin()].to_dict(), "same": mine.bytes.idxmin() == mine.val_wape.idxmin()}
            for (dataset, model), mine in lines[lines.dataset == made.main].groupby(["dataset", "model"])]
    tried = [{"model": model, "steps": steps, "of": len(mine), "best": mine.loc[mine.val_wape.idxmin()].to_dict(),
              "worst": mine.loc[mine.val_wape.idxmax()].to_dict(), "smallest": mine.loc[mine.bytes.idxmin()].to_dict(),
              "largest": mine.loc[mine.bytes.idxmax()].to_dict()}
             for (_, model, steps), mine in orders[orders.dataset == made.main].groupby(["dataset", "model", "steps"])]
    most = max((one["of"] for one in tried), default=0)  # steps on the way to these were tried in two orders, too
    return {"chains": len(lines), "dataset": made.main, "ends": ends, "orders": [o for o in tried if o["of"] == most]}


def transfer(made: Facts) -> dict:
    """Per network and share of the held-out series' history: the best way to tune on validation, and a network from
    scratch beside it, if there is one."""
    lines = tables.transfer(made)
    told = []
    for _, mine in lines.groupby(["model", "seed", "share"]) if len(lines) else ():
        fresh = mine[mine.moves == SCRATCH].to_dict("records")
        told.append(mine[mine.moves != SCRATCH].iloc[0].to_dict() | {"fresh": fresh[0] if fresh else {}})
    return {"lines": told}


def search(made: Facts) -> dict:
    """Per searching technique on the dataset of page 1 what one search tried and cost (medians; share: of the dense
    network's training) and how often it is better, worse or undecided against each rival; per dataset the search that
    covers most of a table of all networks, against chance."""
    dense = made.rows[results.is_dense(made.rows) & (made.rows.technique == "dense")].groupby(["dataset", "model"])
    whole = dense.train_macs.mean()
    costs = made.costs.assign(share=[macs / whole.get(key, np.nan) for key, macs in zip(
        zip(made.costs.dataset, made.costs.model, strict=True), made.costs.macs, strict=True)])  # fmt: skip
    lines = []
    for technique, mine in made.searched[made.searched.dataset == made.main].groupby("technique"):
        last, here = technique.rpartition("+")[2], (costs.dataset == made.main) & (costs.control == "")
        took = costs[(costs.technique == last) & here]
        against = [{"against": rival, "of": len(part)} | {v: int((part.verdict == v).sum()) for v in VERDICTS}
                   for rival, part in mine.groupby("against")]
        lines.append({"technique": technique, "evaluations": took.evaluations.median(), "against": against,
                      "share": took.share.median(), "seconds": took.seconds.median()})
    return {"dataset": made.main, "lines": lines, "replays": _replayed(made)}


def _replayed(made: Facts) -> list[dict]:
    lines, told = tables.replays(made), []
    for (dataset, model), mine in lines.groupby(["dataset", "model"]) if len(lines) else ():
        last = [name for name in mine if name.startswith("volume:")][-1]
        chance = mine[mine.search == CHANCE]
        told.append({"dataset": dataset, "model": model, "evaluations": last.partition(":")[2],
                     "best": mine.iloc[0]["search"], "volume": mine[last].max(), "spread": mine.iloc[0].spread,
                     "chance": chance[last].max() if len(chance) else np.nan})  # fmt: skip
    return told


def devices(made: Facts) -> dict:
    """The file to deploy on the dataset of page 1 in every runtime, the quickest first, and on microcontrollers; int8
    files beside their dense networks, the quickest first, and how many of them are clearly quicker; what does not run,
    and what is not here."""
    mine = made.devices[made.devices.dataset == made.main]
    small, why = places.int8(mine), mine[mine.why != ""]
    return {"lines": tables.devices(made).to_dict("records"), "boards": places.boards(mine).to_dict("records"),
            "int8": small.to_dict("records"), "quicker": int(small.pays.sum()),
            "failed": why[why.row_id != ""].to_dict("records"),
            "missing": why[why.row_id == ""].to_dict("records")}


def techniques(made: Facts) -> dict:
    """The smallest file within each margin, of all techniques, and how many techniques have one; worst: where a
    technique's file forgets most beside what it errs more everywhere."""
    within = [{"dataset": dataset, "margin": margin, "of": len(mine), "some": int((mine.row != "").sum()),
               "file": mine.loc[mine.bytes.idxmin()].to_dict() if mine.bytes.notna().any() else {}}
              for (dataset, margin), mine in made.smallest.groupby(["dataset", "margin"])]
    return {"within": within, "worst": _forgotten(made)}


def _forgotten(made: Facts) -> dict:
    lost = techniques_.forgotten(made.rows)
    lost = lost[lost.dataset == made.main].set_index("technique")
    shares = [column for column in techniques_.FORGOTTEN if column.startswith("test_wape_")]
    gaps = lost[shares].sub(lost.test_wape, axis=0).stack().dropna()
    if gaps.empty or gaps.max() <= 0:
        return {}
    technique, column = gaps.idxmax()
    line = lost.loc[technique]
    return {"group": technique, "model": line.model, "where": column, "gap": line[column], "all": line.test_wape}


def advice(made: Facts) -> dict:
    """Which technique to use on the dataset of page 1: those that are the best of some family and budget, how often;
    of: lines in all; rows: what they rest on."""
    lines = tables.advice(made)
    return {"dataset": made.main, "of": len(lines), "rows": int(lines.rows.sum()), "families": lines.family.nunique(),
            "best": [{"group": group, "of": int(n)} for group, n in lines.group.value_counts().items()]}


def bands(made: Facts) -> dict:
    """What bands of each level cover on test: lowest and highest of dense networks and of compressed files; short,
    wide: how many cover SHORT less or more than they promise, sure: how many of the short ones SURE standard errors
    less; least: the line that covers least; moved: the file whose coverage is farthest (`by`) from that of its dense
    network, whose bands have so many times the width (`wider`)."""
    lines = tables.bands(made)
    return {"dataset": made.main, "levels": [_covered(lines, level) for level in conformal.LEVELS
                                             if lines[f"test_cover_{level}"].notna().any()]}


def _covered(lines: pd.DataFrame, level: int) -> dict:
    told = dict(zip(("cover", "width", "se"), conformal.columns(level), strict=True))
    lines = lines.assign(**{name: lines[column] for name, column in told.items()}).dropna(subset="cover")
    lines["gap"] = level / 100 - lines.cover
    short = lines[lines.gap > SHORT]
    dense, files = (lines[results.is_dense(lines) == wanted] for wanted in (True, False))
    before = files[["model"]].join(dense.set_index("model")[["cover", "width"]], on="model")
    by, least = files.cover - before.cover, lines.loc[lines.cover.idxmin()]
    most = files.loc[by.abs().idxmax()]
    return {"level": level / 100, "networks": len(dense), "of": len(files), "all": len(lines), "limit": SHORT,
            "dense": [dense.cover.min(), dense.cover.max()], "files": [files.cover.min(), files.cover.max()],
            "short": len(short), "sure": int((short.gap > SURE * short.se).sum()), "least": least.to_dict(),
            "wide": int((lines.gap < -SHORT).sum()), "times": SURE, "moved": most.to_dict(), "by": by[most.name],
            "wider": most.width / before.width[most.name]}


def technique(made: Facts, group: str) -> dict:
    """What one technique, or storing in few bits alone, did on its selected files, and where it fell short."""
    chosen, claims = made.selected(group), made.verdicts(group)
    worse = claims[claims.verdict == "worse"]
    dense = made.files[made.files.technique == "dense"].groupby(["dataset", "model"]).macs.max()
    before = chosen.join(dense.rename("before"), on=["dataset", "model"]).before.fillna(np.inf)
    against = [{"control": name, "won": (won := int((mine.test_wape > mine.own).sum())), "cases": len(mine),
                "lost": won <= len(mine) / 2} for name, mine in counts.controls(made, group).groupby("control")]
    return {
        "group": group, "files": len(chosen), "claims": len(claims), "verdicts": counts.verdicts(claims),
        "bytes": chosen.bytes.median(), "ratio": chosen.ratio.median(), "front": counts.wins(chosen),
        "controls": against, "worst": worse.loc[worse.delta.idxmax()].to_dict() if len(worse) else None,
        "never": bool(chosen.front.notna().any() and not (chosen.test_wape < chosen.front).any()),
        "keeps_macs": bool(len(chosen) and (chosen.macs >= before).all()),
    }  # fmt: skip


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
    weak = sorted((d, m) for (d, m), good in skill.items() if not good and d in made.skilled)
    told = [technique(made, name) for name in made.techniques]
    return {
        "lost": _lost(made), "weak": [{"dataset": d, "models": [m for _, m in mine]}
                                      for d, mine in groupby(weak, key=lambda pair: pair[0])],
        "unshown": [t["group"] for t in told if t["claims"] and not t["verdicts"]["within"]],
        "worse": [t for t in told if t["worst"]], "never": [t["group"] for t in told if t["never"]],
        "beaten": [t | c for t in told for c in t["controls"] if c["lost"]],
        "same_macs": [t["group"] for t in told if t["keeps_macs"]],
        "decoded": len(decoded), "compressed": len(files), "computed": sorted(set(decoded.precision) - {""}),
        "partly": partly.sort_values("coverage_macs").to_dict("records"), "part": PARTLY,
        "errors": [text for text in made.rows.error if text], "runs": _states(made), "lock": made.lock,
    }  # fmt: skip


def data_notes(made: Facts) -> dict:
    """Sources, licences, repairs and dropped series, in the words of the collecting notebooks."""
    return {"coverage": made.coverage}


def compact(made: Facts, dataset: str) -> dict:
    """Who of the compact families is on the front of a dataset, each with its smallest file there."""
    files = made.files[results.is_compact(made.files) & (made.files.control == "") & (made.files.dataset == dataset)]
    return {"dataset": dataset, "front": results.front(files, "").drop_duplicates("model").to_dict("records")}


def limits(made: Facts) -> dict:
    """What these numbers cannot say; spans: first and last day of each dataset that has a calendar."""
    claims = made.verdicts()
    drawn = [{"dataset": dataset, "lines": mine.to_dict("records")} for dataset, mine in made.local.groupby("dataset")]
    judged = [seen for seen in made.coverage.values() if "judged" in seen and seen["judged"] < seen["series"]]
    seeds = made.rows[made.rows.role == "compressed"].groupby("dataset").seed.nunique()
    spans = [{"dataset": name, "start": str(seen["start"])[:10], "end": str(seen["end"])[:10]}
             for name, seen in made.coverage.items() if name in made.datasets and {"start", "end"} <= set(seen)]
    return {"seeds": [{"dataset": dataset, "seeds": int(n)} for dataset, n in seeds.items()],
            "claims": len(claims), "undecided": counts.verdicts(claims)["undecided"],
            "mde": claims.mde.astype(float).median(), "blocks": claims.blocks.astype(float).median(),
            "judged": judged, "drawn": drawn, "timed": bool((made.files.ms > 0).any()), "synthetic": _synthetic(made),
            "spans": spans, "boards": len(places.boards(made.devices)) if len(made.devices) else 0,
            "shares": made.transfers.site.nunique() if "site" in made.transfers else 0,
            "cpus": sorted(set(made.rows.cpu) - {""})}


def claims(made: Facts) -> dict:
    """The claims of the documents behind the study with their verdicts; groups: cases of one kind, how many of them
    speak for the claim, against it, or neither, their least and most number, and the values of the middle one."""
    answers = [{"number": one.claim.number, "source": one.claim.source, "verdict": one.verdict, "why": one.why,
                "needs": one.why == "rows",
                "groups": [_group(made, what, cases) for what, cases in evidence.kinds(one.cases).items()]}
               for one in made.answers]
    counted = {name: sum(one["verdict"] == name for one in answers) for name in evidence.VERDICTS}
    return {"answers": answers, "counts": counted}


def _group(made: Facts, what: str, cases: list) -> dict:
    """The middle case by its difference in error, else by its number."""
    by = sorted(cases, key=lambda case: (np.nan_to_num(case.delta), np.nan_to_num(case.number)))
    middle, numbers = by[(len(by) - 1) // 2], [case.number for case in cases if np.isfinite(case.number)]
    said = [case.says for case in cases]
    file = made.file(middle.rows[0]) if middle.rows else {}
    return vars(middle) | {
        "of": len(cases), "for": said.count(evidence.FOR), "against": said.count(evidence.AGAINST),
        "open": said.count(evidence.OPEN), "least": min(numbers, default=np.nan), "most": max(numbers, default=np.nan),
        "file": file, "link": run_link(middle.run or file.get("run", ""))}  # fmt: skip


def notes(made: Facts) -> dict:
    """What the planner had to say: blocks left out, data that were replaced."""
    return {"notes": made.notes}
