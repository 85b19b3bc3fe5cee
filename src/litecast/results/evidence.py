"""What a study says for or against a claim: cases, each of which rests on rows, and the rule that makes a verdict.

Errors are held against each other by `statistics` alone: its bootstrap, its tests, its verdicts. What has no interval
(bytes, seconds, products) is for or against by the bound that its claim states.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from litecast.results import choice
from litecast.results.choice import GROUP
from litecast.results.searched import COLUMNS as SEARCHED
from litecast.results.statistics import COLUMNS, MARGIN, NO_SKILL, Pair
from litecast.results.techniques import SMALLEST

FOR, AGAINST, OPEN = "for", "against", "open"
HOLDS, PARTLY, FAILS, UNTESTABLE = "holds", "partly", "fails", "untestable"
VERDICTS = (HOLDS, PARTLY, FAILS, UNTESTABLE)
SAYS = {"within": FOR, "better": FOR, "worse": AGAINST}  # a verdict of `statistics` in terms of a claim
FILE = [*GROUP, "level", "control"]
NAN = float("nan")
SAVED = "dataset model row_id idea kernel formula counted images".split()  # columns of saved.csv
TABLES = {  # an empty one, of a study without such runs, has these
    "verdicts": COLUMNS, "tests": COLUMNS, "smallest": SMALLEST, "searched": SEARCHED, "saved": SAVED,
    "devices": "dataset row_id technique recommended runtime bytes latency_ms_p50 resident_bytes run".split(),
    "transfers": "dataset model seed share moves val_wape test_wape seconds run".split(),
}


def side(good: bool | None) -> str:
    """What a finding says; None decides nothing."""
    return OPEN if good is None else FOR if good else AGAINST


def tally(said: Iterable[str]) -> str:
    """The one rule, of cases of one kind: it holds if some speak for it, at least half of all, and none against it; it
    fails if some speak against it and none for it; it holds in part if some speak for it, but others against it or
    fewer than half; where none decides, it is not testable here."""
    said = list(said)
    good, bad = said.count(FOR), said.count(AGAINST)
    if good == 0:
        return FAILS if bad else UNTESTABLE
    return HOLDS if bad == 0 and 2 * good >= len(said) else PARTLY


def verdict(kinds: Iterable[Iterable[str]]) -> str:
    """What becomes of a claim that says as many things: what all its kinds of cases come to. Where they differ it holds
    in part, unless none holds at all: then it fails, or is not testable."""
    found = set(map(tally, kinds)) or {UNTESTABLE}
    if len(found) == 1:
        return found.pop()
    return PARTLY if found & {HOLDS, PARTLY} else FAILS


def kinds(cases: Iterable["Case"]) -> dict[str, list["Case"]]:
    """Cases by what they hold against what."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.what, []).append(case)
    return found


@dataclass(frozen=True)
class Case:
    """One thing held against another. what: which, in a word for the report; rows, reference: row_ids, one a seed.

    delta, low, high: relative difference in test WAPE and both its one-sided 95 % ends; number: what else was measured,
    base: what that is held against; where: a runtime or the like; run: of what stands in no result row.
    """

    what: str
    says: str
    dataset: str
    rows: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    delta: float = NAN
    low: float = NAN
    high: float = NAN
    blocks: float = NAN
    number: float = NAN
    base: float = NAN
    where: str = ""
    run: str = ""


def _none():
    return field(default_factory=pd.DataFrame)


@dataclass
class Evidence:
    """What claims are judged by. rows: of `results.collect`; the rest as notebooks 510 to 610 leave it.

    verdicts: comparisons of selected files; tests: those that `claims.compare` made; asked: pairs that `held` was asked
    for, tested or not.
    """

    rows: pd.DataFrame
    verdicts: pd.DataFrame = _none()
    tests: pd.DataFrame = _none()
    smallest: pd.DataFrame = _none()
    searched: pd.DataFrame = _none()
    devices: pd.DataFrame = _none()
    transfers: pd.DataFrame = _none()
    saved: pd.DataFrame = _none()
    asked: list[Pair] = field(default_factory=list)

    def __post_init__(self):
        for name, columns in TABLES.items():
            if getattr(self, name).empty:
                setattr(self, name, pd.DataFrame(columns=columns))

    @cached_property
    def files(self) -> pd.DataFrame:
        """Means over seeds of functions of their own, where there is skill to lose; dense_*: of the dense network."""
        skill = choice.has_skill(self.rows)
        files = choice.means(choice.own(self.rows))
        good = [bool(skill.get(key, False)) for key in zip(files.dataset, files.model, strict=True)]
        files = files[np.array(good, bool)]
        dense = files[(files.technique == "dense") & (files.control == "")].drop_duplicates(["dataset", "model"])
        both = dense.set_index(["dataset", "model"])[["macs", "level"]].add_prefix("dense_")
        if files.empty:  # of which pandas cannot join a column of text
            return files.assign(dense_macs=np.nan, dense_level="")
        return files.join(both, on=["dataset", "model"]).reset_index(drop=True)

    @cached_property
    def _at_margin(self) -> pd.DataFrame:
        return self.verdicts[np.isclose(self.verdicts.margin.astype(float), MARGIN)]

    @cached_property
    def times(self) -> pd.Series:
        """row_id -> times as fast as dense, in the runtime in which most files were timed."""
        timed, _ = choice.in_one_runtime(self.rows)
        return timed.set_index("row_id").latency_ratio.dropna()

    @cached_property
    def dense(self) -> pd.DataFrame:
        """Networks with skill at their chosen width, in float32."""
        return self.of("dense")

    @cached_property
    def networks(self) -> pd.DataFrame:
        """The same, with and without skill: of two kinds of networks one errs less, whatever else does."""
        files = choice.means(choice.own(self.rows[choice.is_dense(self.rows)]))
        return files[files.technique == "dense"]

    def of(self, *techniques: str, variants: str = "", control: str = "") -> pd.DataFrame:
        """Files of techniques whose variant begins so ('a|b': one of them), all levels, or one of their controls."""
        mine = self.files[self.files.technique.isin(techniques) & (self.files.control == control)]
        return mine[mine.variant.str.match(variants)]

    def selected(self, *techniques: str, variants: str = "") -> pd.DataFrame:
        mine = self.of(*techniques, variants=variants)
        return mine[mine.selected > 0]

    def held(self, what: str, ours: pd.Series, theirs: pd.Series, margin: float = 0.0, **more) -> Case:
        """Is one file better than another (margin 0), or no worse than the margin? Over the seeds of both."""
        rows, reference = self._seeds(ours, theirs)
        key = {name: ours[name] for name in [*GROUP, "level"]}
        pair = Pair(key, list(rows), list(reference), (margin,), int(np.nan_to_num(ours.H, nan=1)))
        if pair not in self.asked:
            self.asked.append(pair)
        tests = self.tests[(self.tests.row == rows[0]) & (self.tests.reference == reference[0])
                           & np.isclose(self.tests.margin.astype(float), margin)]
        return _told(what, tests, ours.dataset, rows, reference, more)

    def lost(self, what: str, file: pd.Series, **more) -> Case | None:
        """The verdict on a selected file at 2 % against the better of dense and dense trained longer; None without."""
        lines = self._at_margin[self._at_margin.row == file.row_id]
        if lines.empty or lines.verdict.iloc[0] == NO_SKILL:
            return None
        return _told(what, lines, file.dataset, self.ids(file), (lines.reference.iloc[0],), more)

    def measured(self, what: str, file: pd.Series, number: float, good: bool | None, **more) -> Case | None:
        """A number and whether it speaks for the claim (None: neither); None where there is no number."""
        if not np.isfinite(number):
            return None
        return Case(what, side(good), file.dataset, self.ids(file), number=float(number), **more)

    def controls(self, what: str, technique: str, control: str, margin: float = 0.0) -> list[Case]:
        """Files of a technique against a control at the same level."""
        keys = [*GROUP, "level"]
        both = self.of(technique).merge(self.of(technique, control=control)[[*keys, "row_id"]], on=keys,
                                        suffixes=("", "_control"))  # fmt: skip
        at = self.files.set_index("row_id")
        return [self.held(what, file, at.loc[file.row_id_control], margin) for _, file in both.iterrows()]

    def ids(self, file: pd.Series) -> tuple[str, ...]:
        """row_ids of all seeds of a line of `means`."""
        return tuple(self._by_seed(file).values())

    def _by_seed(self, file: pd.Series) -> dict[float, str]:
        mine = self._ids.get(tuple(file[FILE]), {})
        return mine or {NAN: file.row_id}

    @cached_property
    def _ids(self) -> dict[tuple, dict]:
        rows = choice.own(self.rows[choice.is_valid(self.rows)])[[*FILE, "seed", "row_id"]]
        rows = rows.sort_values("seed", kind="stable")
        return {key: dict(zip(mine.seed, mine.row_id, strict=True)) for key, mine in rows.groupby(FILE)}

    def _seeds(self, ours: pd.Series, theirs: pd.Series) -> tuple[tuple, tuple]:
        """row_ids of both over the seeds that they share; all of each where they share none."""
        mine, other = self._by_seed(ours), self._by_seed(theirs)
        both = [seed for seed in mine if seed in other]
        return (tuple(mine[s] for s in both or mine), tuple(other[s] for s in both or other))


def _told(what: str, tests: pd.DataFrame, dataset: str, rows: tuple, reference: tuple, more: dict) -> Case:
    line = tests.iloc[0] if len(tests) else pd.Series({"verdict": ""}, dtype=object)
    numbers = {name: float(line.get(name, NAN)) for name in ("delta", "low", "high", "blocks")}
    return Case(what, SAYS.get(line.verdict, OPEN), dataset, tuple(rows), tuple(reference), **numbers, **more)
