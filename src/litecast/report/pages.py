"""The pages of a report: paragraphs, tables and figures, from facts and the words for them."""

from collections.abc import Callable, Iterator

import pandas as pd
from IPython.display import Markdown

from litecast.figures import data, forecasts, fronts, references, sweeps
from litecast.report import words
from litecast.report.facts import Facts, paragraphs, tables
from litecast.report.shown import Shown, figure, run_link
from litecast.report.shown import table as laid_out
from litecast.results import statistics


def told(made: Facts, paragraph: str) -> Markdown:
    """A paragraph, by its name: overview, findings, failures, data_notes, limits, notes."""
    return words.told(paragraph, getattr(paragraphs, paragraph)(made))


def table(made: Facts, name: str) -> Shown | Markdown:
    """A table, by its name: headline, data, widths, verdicts, recommendation, unfinished, artefacts, provenance.

    One that has no line and for which there are other words gives these.
    """
    return _table(name, getattr(tables, name)(made), runtime=made.runtime, planned=len(made.runs))


def _table(name: str, frame: pd.DataFrame, **given) -> Shown | Markdown:
    if frame.empty and name in words.phrases(words.LANGUAGE)["instead"]:
        return Markdown(words.phrase("instead", name, **given))
    links = [run_link(run) for run in frame.run] if "run" in frame else None
    return laid_out(words.written(name, frame), words.phrase("captions", name, **given), links)


def _figure(draw: Callable, *given, linked: bool = False, **about) -> Shown:
    """What a function of `figures` draws, under the caption that goes by its name; linked: points lead to runs."""
    options = {"link": lambda row: run_link(row.get("run"))} if linked else {}
    return figure(draw(*given, **options), words.phrase("captions", draw.__name__, **about))


def splits(made: Facts) -> Shown | Markdown:
    """Where the parts of each dataset lie, or a sentence if no collecting run has told."""
    parts = tables.splits(made)
    return _figure(data.split_spans, parts) if len(parts) else Markdown(words.phrase("instead", "split_spans"))


def baselines(made: Facts) -> Iterator[Shown]:
    """All forecasters before compression, for each dataset: error against arithmetic, and a table, the naive first."""
    for dataset, files in tables.baselines(made):
        if (files.macs > 0).any():
            yield _figure(fronts.bubbles, files[files.control == ""], linked=True, dataset=dataset)
        yield _table("baselines", files, dataset=dataset)


def compact(made: Facts) -> Iterator[Shown | Markdown]:
    """The compact families of each dataset, in every storage; who of them is on the front."""
    found = list(tables.compact(made))
    for dataset, files in found:
        yield _table("compact", files, dataset=dataset, runtime=made.runtime)
        yield words.told("compact", paragraphs.compact(made, dataset))
    if not found:
        yield words.told("compact", {"front": []})


def published(made: Facts) -> Iterator[Shown | Markdown]:
    """Published errors of the same models beside those reached here, and how many of them are within their band."""
    compared = tables.published(made)
    yield words.told("published", {"lines": compared.to_dict("records")})
    if len(compared):
        yield _table("published", compared)


def profiles(made: Facts) -> Iterator[Shown]:
    """Errors by step, hour, series and event day of all forecasters whose forecasts are stored, for each dataset."""
    for dataset, found in tables.profiles(made):
        by = ("step", "hour") if "hour" in found else ("step", "series")
        unit = made.coverage.get(dataset, {}).get("unit", "")
        yield _figure(forecasts.error_profile, tables.near_profiles(found), unit, by, dataset=dataset, by=by[1],
                      most=tables.SHOWN_LINES)
        yield _table("profile", tables.profile(found), dataset=dataset)


def section(made: Facts, technique: str) -> Iterator[Shown | Markdown]:
    """Everything the report shows of one technique or chain: its finding, levels, selected files and controls."""
    yield words.told("technique", paragraphs.technique(made, technique))
    files = made.files[made.files.technique.isin([technique, "dense"])]
    for dataset, mine in files.groupby("dataset"):
        if mine[mine.role == "compressed"].groupby("model")["level"].nunique().max() > 1:
            yield _figure(sweeps.level_curve, mine, technique=technique, dataset=dataset)
    yield _table("selected", tables.selected(made, technique), technique=technique, runtime=made.runtime)
    controls = paragraphs.controls(made, technique)
    if len(controls):
        yield _table("controls", controls, technique=technique, controls=sorted(set(controls.control)))


def error_fronts(made: Facts) -> Iterator[Shown]:
    """Error against size, and against time where it was measured, for each dataset."""
    files, timed = made.files[made.files.control == ""], tables.timed(made)
    for dataset in made.datasets:
        about = {"linked": True, "dataset": dataset, "skilled": dataset in made.skilled, "runtime": made.runtime}
        mine, times = files[files.dataset == dataset], timed[timed.dataset == dataset]
        if (mine.bytes > 0).any():
            yield _figure(fronts.error_against, mine, "bytes", dataset, x="bytes", **about)
        if len(times):
            both = pd.concat([times, mine[(mine.technique == "classical") & ~mine.index.isin(times.index)]])
            yield _figure(fronts.error_against, both, "latency_ms_p50", dataset, x="time", **about)


def forest(made: Facts) -> Iterator[Shown | Markdown]:
    """All differences to dense with their intervals, where there is skill to lose."""
    lines = made.verdicts()[lambda f: f.technique != "width"]
    lines = lines.assign(label=[words.phrase("labels", "row", **row) for row in lines.to_dict("records")])
    if lines.empty:
        yield Markdown(words.phrase("instead", "forest"))
    for dataset, mine in lines.sort_values(["technique", "model", "label"]).groupby("dataset"):
        yield _figure(references.forest, mine, statistics.MARGINS, linked=True, dataset=dataset)
