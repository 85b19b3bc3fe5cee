"""What notebook 440 does: a table of every network of a space, and every search replayed on it.

Its networks are trained for a quarter of the steps and none is deployed, so they are no rows of results.csv: they stand
in `table.csv` of the run, and the replays in `replays.csv`.
"""

from collections.abc import Mapping

import pandas as pd

from litecast.compress import Task, search_table
from litecast.experiment import widths
from litecast.experiment.look import Look
from litecast.experiment.progress import bar
from litecast.experiment.work import Work
from litecast.files import replacing
from litecast.results import searches
from litecast.search import Space


class Searches(Work):
    """dense: whose data, calendar and usual week all networks are told. space, table, replays: of the last level;
    spent: on all its trainings."""

    space: Space
    table: pd.DataFrame
    replays: pd.DataFrame

    def __init__(self, names: Mapping):
        super().__init__("search_table", names)
        s = self.settings
        self.dense = widths.dense(self.run, self.data, s.model, s.seed, self.budget)
        self.variant = (s.variants or search_table.VARIANTS)[0]

    def sweep(self) -> None:
        """Train what each level asks of the space, replay every search on the last; both are kept in the run."""
        s = self.settings
        for level in bar(s.levels, self.variant):
            trail = self.run.file(f"{self.run.digest[:12]}-{self.variant}-{level:g}.csv")
            made = search_table.compress(Task(self.dense.model, self.data, self.budget, s.seed, level, self.variant,
                                              look=Look(self.data), trail=trail))  # fmt: skip
            print(f"{len(made.story)} trainings, {made.spent.macs / 1e12:.2f} tera-products, "
                  f"{made.spent.seconds:.0f} s")
        self.space, self.table, self.spent = search_table.spanned(self.variant, level), made.story, made.spent
        self.replays = search_table.replays(self.space, self.table).rename(columns={"seed": "replay"})
        self._keep(searches.TABLE, self.table.drop(columns="repeated"))
        self._keep(searches.REPLAYS, self.replays)

    def _keep(self, name: str, lines: pd.DataFrame) -> None:
        s = self.settings
        named = {"dataset": self.data.header.name, "model": s.model, "seed": s.seed, "space": self.variant}
        with replacing(self.run.file(name)) as temporary:
            lines.assign(**named)[[*named, *lines.columns]].to_csv(temporary, index=False)

    @property
    def volumes(self) -> pd.DataFrame:
        """What each search covers after so many evaluations, see `searches.volumes`."""
        s = self.settings
        return searches.volumes(self.replays.assign(dataset=s.dataset, model=s.model, seed=s.seed))

    def saw(self) -> str:
        """What we saw: the search that covers most after the most evaluations, against chance."""
        self.run.finish()
        late = self.volumes[self.volumes.evaluations == self.volumes.evaluations.max()].set_index("search")
        best = late.volume.idxmax()
        beside = "" if best == "random" else f", random search {late.volume['random']:.1%}"
        return (f"After {late.evaluations.iloc[0]} of {len(self.space)} networks **{best}** covers "
                f"{late.volume[best]:.1%} of the whole table's hypervolume (sd {late.sd[best]:.1%} over replays)"
                f"{beside}. Two trainings of the same networks rank them alike to "
                f"{search_table.agreement(self.table):.2f}.")
