"""The pages of a report: paragraphs, tables and figures, from facts and the words for them."""

from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd
from IPython.display import Markdown

from litecast.figures import chains as way
from litecast.figures import data, forecasts, fronts, references, sweeps
from litecast.figures import devices as where
from litecast.figures import information as pictures
from litecast.figures import searched as pictured
from litecast.figures import techniques as beside
from litecast.report import filters, words
from litecast.report.facts import Facts, counts, paragraphs, tables
from litecast.report.shown import Shown, figure, row_link, run_link
from litecast.report.shown import table as laid_out
from litecast.results import statistics
from litecast.results.chains import orders as in_orders
from litecast.results.chains import waterfalls
from litecast.results.information import compressed
from litecast.results.information import told as told_more
from litecast.results.techniques import forgotten

NARROW = 3.7  # inches: the width of a figure that a telephone shows legibly
WHOLE = ("recommendation", "smallest", "verdicts", "standing", "glossary")  # tables that are printed to their last line
PRINTED = 15  # lines of any other: the page has them all
FEWEST = 3  # networks of which a picture says more than their table


def told(made: Facts, paragraph: str) -> Markdown:
    """A paragraph, by its name: answer, overview, findings, failures, information, transfer, search, chains,
    techniques, advice, bands, devices, data_notes, limits, claims, notes."""
    return words.told(paragraph, getattr(paragraphs, paragraph)(made))


def opens(made: Facts, section: str) -> Markdown:
    """The result of a section in one sentence: recommendations, baselines, techniques, chains, devices, compared."""
    return Markdown(words.phrase("sections", section, **paragraphs.sections(made)[section]).strip())


def table(made: Facts, name: str) -> Shown | Markdown:
    """A table, by its name: answer, headline, standing, data, widths, verdicts, recommendation, regrets, foresight,
    unfinished, artefacts, provenance.

    One that has no line and for which there are other words gives these.
    """
    about = {"dataset": made.main, "runtime": made.runtime, "planned": len(made.runs)}
    return _table(name, getattr(tables, name)(made), timed=bool((made.files.ms > 0).any()), **about)


def answer(made: Facts) -> Iterator[Shown | Markdown]:
    """Page 1, the answer: a paragraph, error against size, and which file to use."""
    yield told(made, "answer")
    lines = tables.answer(made)
    if len(lines):
        draw = partial(fronts.trade, made.files, rings(lines), made.main, row_link)
        wide, narrow = words.drawn(draw()), words.drawn(draw(width=NARROW))
        yield figure(wide, words.phrase("captions", "trade", dataset=made.main), narrow, partial(_point, made),
                     {"dataset": made.main})
        yield table(made, "answer")


def rings(lines: pd.DataFrame) -> dict[str, str]:
    """row_id -> the budgets whose file it is, in words."""
    named = lines[lines.instead == ""].groupby("row_id", sort=False)
    return {name: words.phrase("labels", "ring", budgets=list(mine.budget), **mine.iloc[0].drop("budget"))
            for name, mine in named}


def _table(name: str, frame: pd.DataFrame, **given) -> Shown | Markdown:
    if frame.empty and name in words.phrases(words.LANGUAGE)["instead"]:
        return Markdown(words.phrase("instead", name, **given))
    links = [run_link(run) for run in frame.run] if "run" in frame else None
    caption, of = words.phrase("captions", name, **given), [filters.attributes(key) for key in filters.keys(frame)]
    if name not in WHOLE and len(frame) > PRINTED:
        cut = words.phrase("page", "printed", lines=PRINTED, of=len(frame))
        return laid_out(words.written(name, frame), caption, links, (PRINTED, cut), of)
    return laid_out(words.written(name, frame), caption, links, of=of)


def _figure(draw: Callable, *given, linked: Facts | None = None, **about) -> Shown:
    """What a function of `figures` draws, under the caption that goes by its name; linked: to whose runs its points
    lead, and whose rows they tell."""
    options, tell = ({"link": row_link}, partial(_point, linked)) if linked else ({}, str)
    of = {name: about[name] for name in ("dataset", "technique") if name in about}
    return figure(words.drawn(draw(*given, **options)), words.phrase("captions", draw.__name__, **about), tell=tell,
                  of=of)


def _point(made: Facts, row_id: str) -> str:
    """What a point tells: which file it is, its size and error, its row_id, a line each."""
    file = made.file(row_id)
    return words.phrase("labels", "point", row=file) if file else row_id


def standing(made: Facts) -> Iterator[Shown | Markdown]:
    """All datasets side by side, where there are several, and their networks against simple forecasts."""
    if len(made.datasets) > 1:
        yield table(made, "headline")
    yield table(made, "standing")


def splits(made: Facts) -> Shown | Markdown:
    """Where the parts of each dataset lie, or a sentence if no collecting run has told."""
    parts = tables.splits(made)
    return _figure(data.split_spans, parts) if len(parts) else Markdown(words.phrase("instead", "split_spans"))


def baselines(made: Facts) -> Iterator[Shown]:
    """All forecasters before compression, for each dataset, the naive first; on that of page 1 also a picture."""
    for dataset, files in tables.baselines(made):
        drawn = files.model[(files.technique == "dense") & (files.macs > 0)]
        if dataset == made.main and drawn.nunique() >= FEWEST:
            yield _figure(fronts.bubbles, files[files.control == ""], linked=made, dataset=dataset)
        yield _table("baselines", files, dataset=dataset)


def compact(made: Facts) -> Iterator[Shown | Markdown]:
    """The compact families of each dataset, in every storage; who of them is on the front."""
    found = list(tables.compact(made))
    for dataset, files in found:
        yield _table("compact", files, dataset=dataset, runtime=made.runtime)
        yield words.told("compact", paragraphs.compact(made, dataset))
    if not found:
        yield words.told("compact", {"front": []})


def information(made: Facts) -> Iterator[Shown | Markdown]:
    """What networks are told against what they are compressed to: a paragraph, and for each dataset a picture, what
    each thing is worth, and what families lose without what they come with."""
    yield told(made, "information")
    for dataset, pairs in told_more(made.information).groupby("dataset"):
        lines = compressed(made.files[made.files.dataset == dataset], sorted({*pairs.model, *pairs.family}))
        reference = made.reference(dataset).get("test_wape")
        yield _figure(pictures.information_and_size, pairs, lines, reference, linked=made, dataset=dataset,
                      reference=reference)
    for name in ("information", "ablation"):
        yield from (_table(name, lines, dataset=dataset) for dataset, lines in getattr(tables, name)(made))


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
    """Everything the report shows of one technique or chain: its finding, levels on the dataset of page 1 (else there
    would be a picture of each on each), selected files and controls."""
    yield words.told("technique", paragraphs.technique(made, technique))
    mine = made.files[made.files.technique.isin([technique, "dense"]) & (made.files.dataset == made.main)]
    if mine[mine.role == "compressed"].groupby("model")["level"].nunique().max() > 1:
        yield _figure(sweeps.level_curve, mine, technique=technique, dataset=made.main)
    yield _table("selected", tables.selected(made, technique), technique=technique, runtime=made.runtime)
    controls = counts.controls(made, technique)
    if len(controls):
        yield _table("controls", controls, technique=technique, controls=sorted(set(controls.control)))


def transferred(made: Facts) -> Iterator[Shown | Markdown]:
    """A series that was held out, if any was: how a network of the others is tuned on it, and what that takes."""
    lines = tables.transfer(made)
    if len(lines):
        yield told(made, "transfer")
        yield _table("transfer", lines, dataset=made.main)


def searched(made: Facts) -> Iterator[Shown | Markdown]:
    """What was searched for on the dataset of page 1, if anything was: against chance at equal cost and against what
    was made by hand, and searches replayed on a table of all networks of a space."""
    lines, replays = tables.searches(made), tables.replays(made)
    if len(lines) or len(replays):
        yield told(made, "search")
    if len(lines):
        mine = made.files[made.files.dataset == made.main]
        yield _figure(pictured.searched_fronts, mine, linked=made, dataset=made.main)
        yield _table("searches", lines, dataset=made.main)
    if len(replays):
        yield _table("replays", replays)


def chains(made: Facts) -> Iterator[Shown | Markdown]:
    """Chains of techniques: step by step on the dataset of page 1, the longest first, the same steps in other orders,
    and a table of all."""
    yield told(made, "chains")
    steps, orders = (of(made.rows)[lambda lines: lines.dataset == made.main] for of in (waterfalls, in_orders))
    if len(steps):
        yield _figure(way.waterfall, steps, linked=made, dataset=made.main, most=way.MOST,
                      chains=len(steps.drop_duplicates(["model", "chain"])))
    if len(orders):
        yield _figure(way.orders, orders, linked=made, dataset=made.main)
    yield _table("chains", tables.chains(made))


def devices(made: Facts) -> Iterator[Shown | Markdown]:
    """The file to deploy on the dataset of page 1 in every runtime that was there: a paragraph, a picture, a table."""
    lines = tables.devices(made)
    if len(lines):
        yield told(made, "devices")
        mine = made.devices[(made.devices.dataset == made.main) & (made.devices.recommended == 1)]
        yield _figure(where.runs_where, mine, dataset=made.main)
        yield _table("devices", lines, dataset=made.main)


def side_by_side(made: Facts) -> Iterator[Shown | Markdown]:
    """Technique by technique: the smallest files within each margin, the loss of one file of each; on the dataset of
    page 1 which to use, what these forget, and what their bands cover."""
    yield told(made, "techniques")
    for dataset, lines in tables.smallest(made):
        yield _table("smallest", lines, dataset=dataset)
    if len(lines := tables.advice(made)):
        yield told(made, "advice")
        yield _table("advice", lines, dataset=made.main)
    lost = forgotten(made.rows)
    for dataset, mine in lost.groupby("dataset"):
        claims = made.verdicts()[lambda lines, mine=mine: lines.row.isin(mine.row_id)].sort_values("technique")
        if len(claims):
            claims = claims.assign(label=claims.technique.map(words.called) + ", " + claims.model.map(words.called))
            yield _figure(references.forest, claims, statistics.MARGINS, linked=made, dataset=dataset)
    if len(lost := lost[lost.dataset == made.main]):
        yield _figure(beside.forgets, lost, dataset=made.main)
    yield from bands(made)


def bands(made: Facts) -> Iterator[Shown | Markdown]:
    """What conformal bands cover on test, dense against compressed, if the rows say it."""
    lines = tables.bands(made)
    if len(lines):
        yield told(made, "bands")
        yield _table("bands", lines, dataset=made.main)


def compared(made: Facts) -> Iterator[Shown]:
    """The front of all techniques against the front to beat, for each dataset on which anything was compressed: by
    bytes, by time where it was measured, by all training."""
    files = made.files.assign(latency_ms_p50=made.files.ms)  # in the runtime of all times
    files = files[files.dataset.isin(files.dataset[files.technique.isin(made.techniques)])]
    for dataset, mine in files.groupby("dataset"):
        yield _figure(beside.two_fronts, mine, "bytes", "latency_ms_p50", "train_macs", linked=made, dataset=dataset,
                      skilled=dataset in made.skilled, runtime=made.runtime)


def glossary() -> Iterator[Shown | Markdown]:
    """The terms of a report in another language beside those of the package: its last appendix."""
    if known := words.glossary():
        yield Markdown(f"## {words.phrase('page', 'glossary')}")
        lines = pd.DataFrame(known.items(), columns=["term", "english"])
        yield _table("glossary", lines)
