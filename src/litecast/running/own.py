"""Own files of a study: what they are called, whether they can be judged, and how much is trained on them."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from litecast.files import short
from litecast.planning import study as schema
from litecast.planning.study import FEW_WINDOWS, Study

if TYPE_CHECKING:
    from litecast.data.frame import SeriesFrame


def called(path: str) -> tuple[str, list[str]]:
    """The dataset name of an own file, and what is to be said about it: no dataset's of the house, and not too long.

    Raises DataError for a YAML beside it that cannot be read.
    """
    from litecast import data
    from litecast.data import files

    slug = files.slug(path)
    name, notes = short(slug, schema.LONGEST_NAME), []
    if name != slug:
        notes.append(f"the name of {Path(path).name} is too long for folders: it is called {name}")
    if name in data.dataset_names():
        name = next(other for count in itertools.count(1)
                    if (other := f"{name}-own{count if count > 1 else ''}") not in data.dataset_names())  # fmt: skip
        notes.append(f"{slug} is a dataset of the house: {Path(path).name} is called {name}")
    return name, notes


@dataclass(frozen=True)
class Checked:
    """Own files of a study, read and found fit to be judged. frames: dataset -> series frame; windows: train windows of
    all series, origins: of one."""

    frames: dict[str, "SeriesFrame"]
    windows: dict[str, int]
    origins: dict[str, int]

    @classmethod
    def read(cls, study: str, lock: dict[str, dict]) -> "Checked":
        """The own files of a data.lock. Writes nothing; raises DataError for one that cannot be read or judged."""
        mine = {name: entry for name, entry in lock.items() if entry.get("source") == "files"}
        if not mine:  # nothing heavy is imported
            return cls({}, {}, {})
        from litecast.data import checked, windows

        frames = {name: checked.frame(study, entry) for name, entry in mine.items()}
        prepared = {name: windows.prepare(frame) for name, frame in frames.items()}
        origins = {name: len(data.origins("train")) for name, data in prepared.items()}
        return cls(frames, {name: origins[name] * data.C for name, data in prepared.items()}, origins)

    def keep(self, study: str, lock: dict[str, dict]) -> None:
        """One checked frame per file, for all runs of the study."""
        from litecast import data

        for name, frame in self.frames.items():
            data.checked.keep(study, lock[name], frame)

    def notes(self) -> list[str]:
        """Which files are too short for some of the networks."""
        return [f"{name} has {count} train windows, fewer than {FEW_WINDOWS}: classical and compact models only, deep "
                "networks are left out" for name, count in self.origins.items() if count < FEW_WINDOWS]  # fmt: skip


def sized(study: Study, windows: int) -> tuple[Study, list[str]]:
    """The study with budgets for an own file of so many train windows, and what is to be said about that."""
    made = schema.sized(study, windows)
    before, after = (schema.budget(one, one.blocks[0]) for one in (study, made))
    if made == study or before == after:
        return made, []
    return made, [f"{windows:,} train windows are drawn at most {schema.PASSES} times by a training: "
                  f"{after['steps']} steps of {after['batch']}, where the study has {before['steps']} of "
                  f"{before['batch']}; what retrains in proportion"]  # fmt: skip
