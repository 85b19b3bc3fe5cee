"""What notebook 394 does: one series held out, a network trained on the others, and that tuned on the one.

A file that forecasts one series is not to be held against files that forecast all of a dataset, so its lines are no
rows of results.csv: they stand in `transfer.csv` of the run.
"""

import ctypes
from collections.abc import Mapping

import pandas as pd
import torch

from litecast import modelfile, training
from litecast.catalogue import near
from litecast.compress import SCRATCH, Task, storages, transfer
from litecast.data import windows
from litecast.errors import StudyError
from litecast.experiment import widths
from litecast.experiment.progress import bar
from litecast.experiment.work import Work
from litecast.files import replacing
from litecast.models.classical.naive import seasonal_naive
from litecast.training import BACKWARD, cost, errors

COLUMNS = ("dataset", "model", "seed", "site", "moves", "share", "windows", "trained", "update_bytes", "bytes",
           "steps", "best_step", "macs", "seconds", "peak_mb", "kept_mb", "threads", "val_wape", "test_wape",
           "test_skill", "code")  # fmt: skip


class Transfer(Work):
    """site, others: datasets of the drawn series and of the rest; dense: trained on all; body: trained on the others.

    yhat: (moves, share) -> forecasts of the test part (N, H, 1), scaled units; networks: the same, from their files.
    """

    def __init__(self, names: Mapping):
        super().__init__("transfer", names)
        s = self.settings
        if unknown := [kind for kind in s.controls if kind not in transfer.CONTROLS]:
            raise StudyError(f"transfer has no control '{unknown[0]}'{near(unknown[0], transfer.CONTROLS)}")
        self.dense = widths.dense(self.run, self.data, s.model, s.seed, self.budget)
        self.number, self.site, self.others = transfer.held_out(self.data.judged, s.seed)
        self.body, self.yhat, self.networks = self._body(), {}, {}
        self._path = self.run.file("transfer.csv")
        known = pd.read_csv(self._path) if self._path.exists() else pd.DataFrame(columns=COLUMNS)
        self._lines = known[known.code == self.run.digest].to_dict("records")
        print(f"held out: {self.site.names[0]}, drawn by seed {s.seed} of {self.data.judged.C} series")

    def _body(self):
        """The dense network's kind, trained on the other series; from its file, where an earlier call made it."""
        path = self.run.file(f"others-{self.run.digest[:12]}.litecast")
        if not path.exists():
            model = transfer.fresh(self.dense.model, self.others, self.settings.seed)
            training.fit(model, self.others, self.budget, self.settings.seed)
            file = storages.export(model, "float32")
            modelfile.save(path, model, file.codecs, modelfile.Card.of(self.others), file.held)
        return modelfile.load(path).model

    # ---- lines

    def sweep(self) -> None:
        """A line per share of the history and variant, and the controls at their shares; written one by one."""
        s = self.settings
        for share in bar(s.levels, "share"):
            for variant in [*s.variants, *(s.controls if share in s.control_levels else ())]:
                self._one(variant, share)

    def _one(self, variant: str, share: float) -> None:
        if not any(line["moves"] == variant and line["share"] == share for line in self._lines):
            self._lines.append(self._made(variant, share))
            with replacing(self._path) as temporary:
                pd.DataFrame(self._lines, columns=COLUMNS).to_csv(temporary, index=False)
        line = next(line for line in self._lines if line["moves"] == variant and line["share"] == share)
        model, part = modelfile.load(self._file(variant, share)).model, self.part(share)
        self.networks[variant, share] = model
        self.yhat[variant, share] = training.predict(model, part, part.origins("test"))
        print(f"{variant} {share:.0%}: validation WAPE {line['val_wape']:.4f}")

    def part(self, share: float):
        """The site, of its train windows the latest share alone: its own scaler, the same validation and test."""
        return windows.only(self.site, [0], share)

    def _made(self, variant: str, share: float) -> dict:
        s, scratch = self.settings, variant == SCRATCH
        _give_back()
        task = Task(self.body, self.site, self.budget, s.seed, share, "all" if scratch else variant,
                    control=SCRATCH * scratch)
        made, part = transfer.compress(task), self.part(share)
        path, count = self._file(variant, share), len(part.origins("train"))
        [file] = made.files.values()
        modelfile.save(path, made.model, file.codecs, modelfile.Card.of(part), file.held)
        model, names = modelfile.load(path).model, transfer.moves(made.model, task.variant)
        spoken = {kind: training.predict(model, part, part.origins(kind)) for kind in ("val", "test")}
        told = errors.errors(part, "val", spoken["val"]) | errors.errors(part, "test", spoken["test"])
        body = transfer.adopted(self.body)
        if variant == "int8":  # what lies on the device is the body in 8 bit
            transfer.decoded(body)
        return {
            "dataset": self.data.header.name, "model": s.model, "seed": s.seed, "site": self.site.names[0],
            "moves": variant, "share": share, "windows": count, "bytes": path.stat().st_size,
            "trained": sum(model.get_parameter(name).numel() for name in names),
            "update_bytes": path.stat().st_size if scratch else len(transfer.update(model, body)),
            "steps": made.spent.steps, "best_step": _best_step(made.story), "macs": made.spent.macs,
            "seconds": made.spent.seconds,
            "peak_mb": made.spent.peak_mb, "kept_mb": transfer.kept_mb(model, names, min(self.budget.batch, count)),
            "threads": torch.get_num_threads(), "code": self.run.digest,
            **{name: told[name] for name in ("val_wape", "test_wape", "test_skill")}}  # fmt: skip

    def _file(self, variant: str, share: float):
        return self.run.file(f"site-{variant}-{share:g}.litecast")

    # ---- what the notebook tells

    @property
    def table(self) -> pd.DataFrame:
        """All lines of this run, as they were made."""
        return pd.DataFrame(self._lines, columns=COLUMNS)

    def beside(self, part: str = "val") -> dict[str, float]:
        """WAPE of the site where nothing is tuned: by the dense network that was trained on all series, this one
        included, and by the seasonal naive."""
        origins, seen = self.site.origins(part), self.dense.yhat[part][:, :, [self.number]]
        return {"trained on all series": errors.wape(self.site, origins, seen),
                "seasonal naive": errors.wape(self.site, origins, seasonal_naive(self.site, part))}

    @property
    def pretraining(self) -> int:
        """Products of the training on the other series."""
        return int(BACKWARD * self.budget.steps * self.budget.batch * cost.profile(self.body).macs)

    def saw(self) -> str:
        """What we saw: at every share the best way to tune, chosen on validation, against a fresh network."""
        self.run.finish()
        told, beside = [], self.beside("test")
        for share, lines in self.table.groupby("share"):
            best = lines[lines.moves != SCRATCH].sort_values(["val_wape", "update_bytes"]).iloc[0]
            fresh = [f"{wape:.2%} from scratch" for wape in lines.test_wape[lines.moves == SCRATCH]]
            beyond = ", ".join([f"{best.test_wape:.2%}", *fresh, f"{best.update_bytes / 1000:.1f} kB to keep"])
            told.append(f"With {share:.0%} of its history **{best.moves}** is best on validation: test WAPE {beyond}")
        return (f"{self.site.names[0]} was not in the first training. {'. '.join(told)}. A network that was trained on "
                f"all series, this one too, errs {beside['trained on all series']:.2%}, the seasonal naive "
                f"{beside['seasonal naive']:.2%}.")


def _best_step(log: pd.DataFrame) -> int:
    """The step whose weights a training kept; 0 without one."""
    return 0 if log.empty else int(log.step[log.val_loss.idxmin()])


def _give_back() -> None:
    """Freed memory goes back to the system (glibc), so that the peak of what follows is not hidden in it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
