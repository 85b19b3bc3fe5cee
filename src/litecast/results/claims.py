"""The claims that the study began with, one by one: a kickoff plan, a survey and an abstract, each held against rows.

`CLAIMS` lists them; what they say, and how each is tested, stands in the words of the report under the same number.
A claim is a function: Evidence -> cases. All are run twice: once to learn which errors are to be held against each
other (`pairs`), and once with what `statistics` says of them (`answers`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from litecast import catalogue, paths
from litecast.results import choice, places, statistics
from litecast.results.evidence import AGAINST, FOR, OPEN, SAYS, UNTESTABLE, Case, Evidence, kinds, side, verdict
from litecast.results.statistics import MARGIN, Pair

TABLE, COUNTED = "claims.csv", "saved.csv"  # tests that only claims ask for; what ideas save (`experiment.saved`)
LARGE, DEAR = 1e6, 3600  # bytes of a file, seconds of a training: from here on large, and too dear
STRONG = 0.7  # rank correlation from which one thing orders the other
PROMPT, ROOM = 100, 512e6  # milliseconds and bytes of memory within which a small host answers
INSTANT = 1  # seconds
FEWEST, MANY = 3, 5  # different products within a family, and files in all, of which a rank correlation says anything
EXACT = 0.01  # count and formula agree to this share
NEARLY = 8 / 9  # of the weights of a kernel: what is claimed of 3 x 3
SHORTER = 1 + places.QUICKER  # times quicker (or cheaper) that are no chance
LIMITS = {"large": LARGE, "dear": DEAR, "strong": STRONG, "prompt": PROMPT, "room": ROOM, "instant": INSTANT}
TRAINING = {"int8": "qat", "low_bit": "lsq|activations"}  # variants that round while they train


def dear(e: Evidence) -> Iterator[Case]:
    """Of each dataset the network of lowest validation error: what its training takes, and the smallest near it."""
    for _, mine in e.dense.groupby("dataset"):
        best = mine.loc[mine.val_wape.idxmin()]
        near = mine[choice.near(mine.val_wape, best.val_wape, choice.NEAR_BEST)]
        small = near.loc[near.bytes.idxmin()]
        yield e.measured("training", best, best.train_s, best.train_s > DEAR)
        yield e.measured("size", small, small.bytes, small.bytes > LARGE, base=best.bytes)


def suitable(e: Evidence) -> Iterator[Case]:
    """Per dataset and margin the smallest file of all techniques that is shown to lie within it."""
    for (dataset, margin), mine in e.smallest.groupby(["dataset", "margin"]):
        some = mine[mine.row != ""]
        if some.empty:
            yield Case("smallest", OPEN, dataset, base=margin)
        else:
            file = some.loc[some.bytes.idxmin()]
            yield Case("smallest", FOR, dataset, (file.row,), delta=file.delta, low=file.low, high=file.high,
                       number=file.ratio, base=margin)  # fmt: skip


def fewer_operations(e: Evidence) -> Iterator[Case]:
    """Selected files of techniques that compute less than dense, and are smaller."""
    mine = e.files[choice.is_technique(e.files) & (e.files.selected > 0) & (e.files.macs < e.files.dense_macs)]
    for _, file in mine[mine.ratio > 1].iterrows():
        yield e.lost("fewer", file, number=file.dense_macs / file.macs, base=file.ratio)


def when(e: Evidence) -> Iterator[Case]:
    """Each way of compressing where it is said to begin: on a trained network, in training, or from the start."""
    for _, file in e.selected("magnitude_pruning", "channel_pruning").iterrows():
        yield e.lost("pruned", file)
    for _, file in e.selected("distillation").iterrows():
        yield e.lost("taught", file)
    for technique, trained in TRAINING.items():
        for _, file in e.selected(technique).iterrows():
            in_training = file.variant.startswith(tuple(trained.split("|")))
            yield e.lost("rounded_training" if in_training else "rounded", file)
    free = e.verdicts[e.verdicts.reference.astype(str).str.split("/").str[1] == "seasonal_naive"].set_index("row")
    for _, file in e.dense[choice.is_compact(e.dense)].iterrows():
        if file.row_id in free.index:
            line = free.loc[[file.row_id]].iloc[0]
            yield Case("compact", SAYS.get(line.verdict, OPEN), file.dataset, e.ids(file), (line.reference,),
                       *line[["delta", "low", "high"]])


def proportion(e: Evidence) -> Iterator[Case]:
    """Parameters and errors of all networks, and the width of each family against the next narrower one."""
    for _, mine in e.dense.groupby("dataset"):
        if len(mine) >= MANY:
            rho = mine.params.corr(mine.test_wape, method="spearman")
            yield Case("rank", FOR if rho > -STRONG else AGAINST, mine.dataset.iloc[0], tuple(mine.row_id),
                       number=rho, base=len(mine))  # fmt: skip
    wide = e.files[(e.files.technique == "width") & (e.files.role == "dense") & (e.files.control == "")]
    for _, mine in wide[~wide.model.str.contains("@")].groupby(["dataset", "model"]):
        widest = mine.sort_values("params").iloc[-2:]
        if len(widest) == 2:
            narrow, large = widest.iloc[0], widest.iloc[1]
            yield e.held("narrower", narrow, large, MARGIN, number=large.params / narrow.params)


def service(e: Evidence) -> Iterator[Case]:
    """The file to deploy in every runtime: time of a forecast, and memory of a process that runs nothing else."""
    for line in places.deployed(e.devices).itertuples():
        good = line.latency_ms_p50 <= PROMPT and not line.resident_bytes > ROOM
        yield Case("served", FOR if good else AGAINST, line.dataset, (line.row_id,), number=line.latency_ms_p50,
                   base=line.resident_bytes, where=line.runtime, run=line.run)  # fmt: skip


def residual(e: Evidence) -> Iterator[Case]:
    """The same network with skips and without, at two depths; and with them, is the deeper one better?"""
    for ours, theirs in (("resnet_plain", "plain_net"), ("resnet_deep", "plain_deep")):
        yield from _beside(e, "skips", ours, theirs, 0.0)
    yield from _beside(e, "deeper", "resnet_deep", "resnet_plain", 0.0)


def dense_connections(e: Evidence) -> Iterator[Case]:
    """DenseNet against both residual networks: fewer parameters, and no worse."""
    for other in ("resnet_plain", "resnet_bottleneck"):
        yield from _beside(e, "narrower_by_links", "densenet", other, MARGIN, "params")


def pointwise(e: Evidence) -> Iterator[Case]:
    """Filters of 1 beside filters of 3, counted in SqueezeNet's own module; its poolings late and early."""
    yield from _counted(e, "squeezenet_late", "pointwise", lambda line: True)
    yield from _beside(e, "late", "squeezenet_late", "squeezenet_early", 0.0)


def depthwise(e: Evidence) -> Iterator[Case]:
    """MobileNet's convolution beside the ordinary one: of the kernel's weights it saves nearly as many times."""
    yield from _counted(e, "mobilenet_v1", "depthwise", lambda line: line.counted >= NEARLY * line.kernel)


def shuffled(e: Evidence) -> Iterator[Case]:
    """ShuffleNet against MobileNet: fewer operations, and no worse."""
    for version in ("v1", "v2"):
        yield from _beside(e, "shuffled", f"shufflenet_{version}", f"mobilenet_{version}", MARGIN, "macs")


def misleading(e: Evidence) -> Iterator[Case]:
    """Rank correlation of products and milliseconds, across all networks and, the median, within families."""
    timed = choice.means(e.rows[e.rows.latency_ms_p50 > 0])
    ranks = statistics.time_follows_macs(timed).dropna(subset="rho")
    for line in ranks[ranks.files >= MANY].itertuples():
        mine = timed[(timed.dataset == line.dataset) & (timed.runtime == line.runtime)]
        yield _ranked("across", mine, line.rho, line.files)
        within = [one.macs.corr(one.latency_ms_p50, method="spearman") for _, one in mine.groupby("model")
                  if one.macs.nunique() >= FEWEST]  # fmt: skip
        if within:
            yield _ranked("family", mine, float(np.median(within)), len(within))


def _ranked(what: str, files: pd.DataFrame, rho: float, count: int) -> Case:
    return Case(what, FOR if rho < STRONG else AGAINST, files.dataset.iloc[0], tuple(files.row_id), number=rho,
                base=count, where=files.runtime.iloc[0])  # fmt: skip


def step_by_step(e: Evidence) -> Iterator[Case]:
    """NetAdapt: the share that it was to save and what it saved; its errors against cutting all groups alike."""
    plain = e.files[(e.files.technique == "width") & (e.files.control == "")]
    for _, file in e.of("netadapt").iterrows():
        unit, _, storage = file.variant.partition("-")
        dense = plain[(plain.dataset == file.dataset) & (plain.model == file.model) & (plain.variant == storage)
                      & (plain.level == file.dense_level)]  # fmt: skip
        column = {"bytes": "bytes", "macs": "macs", "ms": "latency_ms_p50"}[unit]
        if len(dense):
            saved, asked = 1 - file[column] / dense[column].iloc[0], float(file.level)
            yield e.measured("budget", file, saved, saved >= asked - EXACT, base=asked)
    yield from _searched(e, "uniform_steps", ["netadapt"], ["uniform"])


def latency_in_the_reward(e: Evidence) -> Iterator[Case]:
    """Networks cut for milliseconds against those cut for products, at the same level: quicker, and no worse?"""
    quick, fewest = (e.of("netadapt", variants=unit) for unit in ("ms", "macs"))
    for _, file in quick.iterrows():
        same = fewest[(fewest.dataset == file.dataset) & (fewest.model == file.model) & (fewest.level == file.level)
                      & (fewest.variant.map(_storage) == _storage(file.variant))]  # fmt: skip
        for _, other in same.iterrows():
            gain = other.latency_ms_p50 / file.latency_ms_p50
            if np.isfinite(gain):
                case = e.held("rewarded", file, other, MARGIN, number=gain)
                yield case if gain > SHORTER else Case(**vars(case) | {"says": AGAINST})


def zeroed(e: Evidence) -> Iterator[Case]:
    """Pruned and retrained against dense, and against as many zeros set by chance."""
    for _, file in e.selected("magnitude_pruning").iterrows():
        yield e.lost("pruned", file, number=file.ratio)
    yield from e.controls("by_chance", "magnitude_pruning", "random")


def channels(e: Evidence) -> Iterator[Case]:
    """Channels removed: against dense, against as many by chance, and in time."""
    for _, file in e.selected("channel_pruning").iterrows():
        yield e.lost("pruned", file, number=file.ratio)
    yield from e.controls("by_chance", "channel_pruning", "random")
    yield from _timed(e, "channel_pruning")


def eight_bits(e: Evidence) -> Iterator[Case]:
    """Eight bits and one bit: bytes at which error, and time where integer or binary kernels exist."""
    for _, file in e.selected("int8").iterrows():
        yield e.lost("eight", file, number=file.ratio)
    yield from _timed(e, "int8")
    for _, file in e.selected("binary_ternary").iterrows():
        yield e.lost("binary", file, number=file.ratio)


def codebooks(e: Evidence) -> Iterator[Case]:
    """Files whose weights are indices into codebooks."""
    for _, file in e.selected("weight_sharing", "statistical_quantization").iterrows():
        yield e.lost("codebook", file, number=file.ratio)


def taught(e: Evidence) -> Iterator[Case]:
    """Students against the same ones without a teacher, in as many steps."""
    control = e.of("distillation", control="no_teacher")
    for _, file in e.of("distillation").iterrows():
        alone = control[(control[["dataset", "model", "level"]] == file[["dataset", "model", "level"]]).all(axis=1)]
        own = alone[alone.variant.map(_criterion) == _criterion(file.variant)]
        own = own[own.variant.map(_storage) == _storage(file.variant)]
        if len(own):
            yield e.held("teacher", file, own.iloc[0])


def _criterion(variant: str) -> str:
    return variant.partition(":")[0].partition("-")[0]


def _storage(variant: str) -> str:
    return variant.rpartition("-")[2]


def grown(e: Evidence) -> Iterator[Case]:
    """Grown networks: exact when they grow, and against fresh ones that cost as much."""
    same = catalogue.literals(paths.PACKAGE / "compress" / "net2net.py")["SAME"]
    for _, file in e.of("net2net", variants="wider|deeper").iterrows():
        yield e.measured("exact", file, same, True)  # else there was no file: it is checked when it grows
    yield from e.controls("fresh", "net2net", "scratch")


def transferred(e: Evidence) -> Iterator[Case]:
    """A series held out: a network of the others, tuned, against a fresh one, by the share of history that both see."""
    for (dataset, _, _, share), mine in e.transfers.groupby(["dataset", "model", "seed", "share"]):
        fresh, tuned = mine[mine.moves == "scratch"], mine[mine.moves != "scratch"]
        if fresh.empty or tuned.empty:
            continue
        best, fresh = tuned.loc[tuned.val_wape.idxmin()], fresh.iloc[0]
        delta = best.test_wape / fresh.test_wape - 1
        says = OPEN if abs(delta) < MARGIN else FOR if delta < 0 else AGAINST
        yield Case("little", says, dataset, delta=delta, number=share, where=best.moves, run=best.run)
        if best.seconds > 0:
            times = fresh.seconds / best.seconds
            yield Case("sooner", FOR if times > SHORTER else AGAINST, dataset, number=times, base=share, run=best.run)


def runtimes(e: Evidence) -> Iterator[Case]:
    """The file to deploy in every runtime against the framework that trained it."""
    for row_id, mine in places.deployed(e.devices).groupby("row_id"):
        home = mine[mine.runtime == "torch"].latency_ms_p50
        for line in mine[mine.runtime != "torch"].itertuples() if len(home) else ():
            gain = home.iloc[0] / line.latency_ms_p50
            yield Case("runtime", side(_beyond(gain)), line.dataset, (row_id,), number=gain, where=line.runtime,
                       run=line.run)  # fmt: skip


def policies(e: Evidence) -> Iterator[Case]:
    """Searched policies against chance, against ratios set by hand, and against the best file that no search made."""
    found = ["amc", "pocketflow"]
    yield from _searched(e, "chance", found, ["random"])
    yield from _searched(e, "ratios", found, ["uniform", "heuristic", "sensitivity", "hand"])


def on_device(e: Evidence) -> Iterator[Case]:
    """Bytes of the file to deploy beside those of the icon of the service's page."""
    icon, size = paths.PACKAGE / "service" / "page" / "favicon.ico", e.rows.set_index("row_id").bytes
    for line in _deployed(e):
        yield Case("icon", OPEN, line.dataset, (line.row_id,), number=size.get(line.row_id, float("nan")),
                   base=icon.stat().st_size, run=line.run)  # fmt: skip


def trial_and_error(e: Evidence) -> Iterator[Case]:
    """Seconds that all codebook sizes of a technique took against one pass of statistics."""
    once = e.of("statistical_quantization", variants="[a-z]+-instant")
    tried = e.of("weight_sharing", variants="kmeans").drop_duplicates(["dataset", "model", "level"])
    for (dataset, model), mine in tried.groupby(["dataset", "model"]):
        one = once[(once.dataset == dataset) & (once.model == model)]
        if len(mine) > 1 and len(one):
            times = mine.compress_s.sum() / one.compress_s.median()
            yield e.measured("trials", mine.iloc[0], times, times > SHORTER, base=len(mine),
                             reference=tuple(one.row_id))  # fmt: skip


def instant(e: Evidence) -> Iterator[Case]:
    """Codes from mean and standard deviation: seconds, and errors before and after retraining."""
    for _, file in e.of("statistical_quantization", variants="sigma-instant").iterrows():
        yield e.measured("seconds", file, file.compress_s, file.compress_s < INSTANT)
    for _, file in e.selected("statistical_quantization", variants="sigma").iterrows():
        yield e.lost("before" if "instant" in file.variant else "after", file)
    best = e.of("statistical_quantization", variants="exact-independent")
    for _, file in e.of("statistical_quantization", variants="sigma-independent").iterrows():
        for _, other in _same(best, file).iterrows():
            yield e.held("optimum", file, other, MARGIN)


def in_sequence(e: Evidence) -> Iterator[Case]:
    """Layers one after another against all at once, in as many steps."""
    together = e.of("statistical_quantization", variants="sigma-independent-codebook")
    for _, file in e.of("statistical_quantization", variants="sigma-forward-codebook").iterrows():
        for _, other in _same(together, file).iterrows():
            yield e.held("in_turn", file, other)


def cloud(e: Evidence) -> Iterator[Case]:
    """Seconds of one processor for a million forecasts by the file to deploy."""
    for line in _deployed(e):
        yield Case("million", OPEN, line.dataset, (line.row_id,), number=1000 * line.latency_ms_p50,
                   where=line.runtime, run=line.run)  # fmt: skip


# ---- what claims share


def _same(files: pd.DataFrame, file: pd.Series) -> pd.DataFrame:
    return files[(files[["dataset", "model", "level"]] == file[["dataset", "model", "level"]]).all(axis=1)]


def _beside(e: Evidence, what: str, ours: str, theirs: str, margin: float, less: str = "") -> Iterator[Case]:
    """Two families; less: the column of which ours must have fewer, else the case speaks against the claim."""
    nets = e.dense if margin else e.networks
    for _, mine in nets[nets.model == ours].iterrows():
        for _, other in nets[(nets.dataset == mine.dataset) & (nets.model == theirs)].iterrows():
            times = other[less] / mine[less] if less else float("nan")
            case = e.held(what, mine, other, margin, number=times)
            yield case if not times <= 1 else Case(**vars(case) | {"says": AGAINST})


def _counted(e: Evidence, model: str, idea: str, good: Callable) -> Iterator[Case]:
    """Weights as they are counted in a family's own layers, against the formula; kernel: of one dimension."""
    lines = e.saved[(e.saved.model == model) & (e.saved.idea == idea)]
    for line in lines.itertuples():
        agrees = abs(line.counted / line.formula - 1) <= EXACT
        yield Case(idea, FOR if agrees and good(line) else AGAINST, line.dataset, (line.row_id,), number=line.counted,
                   base=line.images)  # fmt: skip


def _searched(e: Evidence, what: str, techniques: list[str], against: list[str]) -> Iterator[Case]:
    """Verdicts on searches; where: what they are held against."""
    for line in e.searched[e.searched.technique.isin(techniques)].itertuples():
        if line.against in against:
            yield Case(what, SAYS.get(line.verdict, OPEN), line.dataset, (line.row,), (line.reference,), line.delta,
                       line.low, line.high, line.blocks, where=line.against)  # fmt: skip


def _timed(e: Evidence, technique: str) -> Iterator[Case]:
    """Selected files of a technique against dense in time, those of them that were timed."""
    for _, file in e.selected(technique).iterrows():
        times = e.times.get(file.row_id, float("nan"))
        yield e.measured("quicker", file, times, _beyond(times))


def _deployed(e: Evidence) -> Iterator[tuple]:
    """The file to deploy of each dataset, in the quickest of its runtimes."""
    return places.deployed(e.devices).drop_duplicates("dataset").itertuples()


def _beyond(times: float) -> bool | None:
    """Clearly quicker? None where the two are within what one measurement spreads."""
    return True if times > SHORTER else False if times < 1 / SHORTER else None


# ---- the list


@dataclass(frozen=True)
class Claim:
    """number: of its words in the report. source: kickoff, survey, abstract. cases: Evidence -> cases. experiment: is
    there one of it at all? Else its numbers are told, and no verdict."""

    number: int
    source: str
    cases: Callable[[Evidence], Iterator[Case | None]]
    experiment: bool = True


CLAIMS = (
    Claim(1, "kickoff", dear), Claim(2, "kickoff", suitable), Claim(3, "kickoff", fewer_operations),
    Claim(4, "kickoff", when), Claim(5, "kickoff", proportion), Claim(6, "kickoff", service),
    Claim(7, "survey", residual), Claim(8, "survey", dense_connections), Claim(9, "survey", pointwise),
    Claim(10, "survey", depthwise), Claim(11, "survey", shuffled), Claim(12, "survey", misleading),
    Claim(13, "survey", step_by_step), Claim(14, "survey", latency_in_the_reward), Claim(15, "survey", zeroed),
    Claim(16, "survey", channels), Claim(17, "survey", eight_bits), Claim(18, "survey", codebooks),
    Claim(19, "survey", taught), Claim(20, "survey", grown), Claim(21, "survey", transferred),
    Claim(22, "survey", runtimes), Claim(23, "survey", policies), Claim(24, "survey", on_device, experiment=False),
    Claim(25, "abstract", trial_and_error), Claim(26, "abstract", instant), Claim(27, "abstract", in_sequence),
    Claim(28, "abstract", cloud, experiment=False),
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """why: of one that is not testable here: 'nature' (no experiment could), 'rows' (this study has none) or
    'undecided' (what it has decides nothing)."""

    claim: Claim
    verdict: str
    why: str
    cases: list[Case]


def answers(e: Evidence) -> list[Answer]:
    """All claims with their cases and verdicts, by number."""
    found = []
    for claim in CLAIMS:
        cases = [case for case in claim.cases(e) if case is not None] if len(e.rows) else []
        said = ([case.says for case in some] for some in kinds(cases).values())
        told = verdict(said) if claim.experiment else UNTESTABLE
        why = "nature" if not claim.experiment else "undecided" if cases else "rows"
        found.append(Answer(claim, told, why if told == UNTESTABLE else "", cases))
    return found


def pairs(rows: pd.DataFrame) -> list[Pair]:
    """What claims hold against each other, and no other table does. rows: of `results.collect`."""
    e = Evidence(rows)
    answers(e)
    return e.asked


def compare(rows: pd.DataFrame, losses: pd.DataFrame) -> pd.DataFrame:
    """claims.csv: columns of `statistics.compare`, adjusted among these."""
    return statistics.compare(rows, losses, pairs)


def listed(found: list[Answer]) -> pd.DataFrame:
    """A line per case: claim, source, verdict, and its fields; row_ids joined by ' + '."""
    lines = [{"claim": one.claim.number, "source": one.claim.source, "verdict": one.verdict}
             | {name: " + ".join(value) if isinstance(value, tuple) else value for name, value in vars(case).items()}
             for one in found for case in one.cases]
    names = ["claim", "source", "verdict", *Case.__dataclass_fields__]
    return pd.DataFrame(lines, columns=names)
