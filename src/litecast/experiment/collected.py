"""What the notebooks of collected data begin and end with: the data, its repairs, the file that tells the report."""

import json
from collections.abc import Mapping

from IPython.display import Markdown

from litecast import results
from litecast.collect import collecting
from litecast.data import load, windows
from litecast.figures import style
from litecast.planning import closure
from litecast.planning.study import FEW_WINDOWS


class Collected:
    """One run of a notebook of data. stage: the notebook's name; names: its globals(), which hold its parameters.

    run: its folder; frame: the series frame, wide: as a table, kept: its series that stay; data: the prepared dataset.
    """

    def __init__(self, stage: str, names: Mapping):
        style.use()
        self.settings = s = closure.settings(stage, names)
        if s.collect:
            print(collecting.command(s.collect).folder)
        self.run = results.Run.open(stage, s.study, dataset=s.dataset)
        self.frame = load(s.dataset, s.study)
        self.data, self.wide = windows.prepare(self.frame), self.frame.wide()
        self.header, self.kept = self.data.header, self.wide[self.data.names]
        self.unit = self.header.unit or "own unit"
        print(f"{self.header.name}: {self.wide.shape[1]} series of {len(self.wide)} steps ({self.header.frequency}), "
              f"in {self.unit}")

    def provenance(self) -> Markdown:
        """Where the data comes from, and what was done to it there."""
        keys = ("source", "licence", "sha256", "note", "country", "transform")
        return Markdown("\n".join(f"- **{key}**: {getattr(self.header, key) or 'none stated'}" for key in keys))

    def repairs(self) -> None:
        """Print which series were dropped, and how many input steps were filled."""
        for name, reason in self.data.dropped:
            print(f"dropped {name}: {reason}")
        most = sorted(self.data.filled.items(), key=lambda item: -item[1])[: self.settings.series]
        told = ", ".join(f"{name} {n:,}" for name, n in most if n)
        print(f"filled {sum(self.data.filled.values()):,} input steps in all{told and f'; most: {told}'}")

    def finish(self) -> tuple[dict, str]:
        """Facts of the data, now also a file of the run, and what they are too few for; the run is finished."""
        facts = windows.facts(self.frame, self.data)
        self.run.file("coverage.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
        self.run.finish()
        print("windows:", ", ".join(f"{part} {facts['windows'][part]:,}" for part in windows.PARTS))
        few = facts["windows"]["train"] < FEW_WINDOWS
        return facts, f" Fewer than {FEW_WINDOWS} train windows: classical and compact models only." * few
