"""Conformal bands in the report, dense against compressed: what is said where they hold, fall short, are too wide."""

import re
from types import SimpleNamespace

import numpy as np
from made import made_rows

from litecast import results
from litecast.report import pages
from litecast.report.facts import paragraphs, tables
from litecast.results import conformal


def study(change=lambda rows: rows):
    rows = change(made_rows(["sample-traffic"], ["lstm"], ["magnitude_pruning", "channel_pruning"], seeds=(0,)))
    files = results.means(results.own(rows))
    return SimpleNamespace(rows=rows, files=files.assign(group=files.technique), main="sample-traffic")


def said(made):
    return re.sub(r"\s+", " ", pages.told(made, "bands").data.replace("\u00a0", " "))


def test_dense_stands_above_the_file_of_each_technique():
    made = study()
    lines = tables.bands(made)
    assert list(lines.technique) == ["dense", *lines.technique[1:]] and lines.model.nunique() == 1
    assert set(lines.row_id[1:]) == set(results.representatives(made.rows).row_id)
    prose, table = pages.bands(made)
    shown, text = table.data["text/plain"], table.mark["caption"]
    assert "80 % holds" in shown.replace("\u00a0", " ") and "80.5 % ± 2.0 %" in shown.replace("\u00a0", " ")
    assert "on sample-traffic" in text and "standard error" in text
    assert prose.data.startswith("### Forecast bands")


def test_what_falls_short_is_said_with_the_reason_and_what_holds_is_not():
    def worse(rows):
        rows.loc[rows.technique == "channel_pruning", ["test_cover_95", "test_width_95"]] = 0.88, 1.0
        rows.loc[rows.technique == "dense", "test_width_95"] = 0.8
        return rows

    made = study(worse)
    eighty, ninety_five = paragraphs.bands(made)["levels"]
    assert (eighty["short"], eighty["wide"], eighty["by"]) == (0, 0, 0)
    assert (ninety_five["short"], ninety_five["sure"], ninety_five["all"]) == (3, 1, 3)  # by .02, .02, .07 of se .01
    assert ninety_five["least"]["technique"] == "channel_pruning"
    assert np.isclose(ninety_five["by"], -0.05) and np.isclose(ninety_five["wider"], 1.25)
    eighty, ninety_five = said(made).split("- Bands of ")[1:]
    assert "hold 80.5 % of the test values for 1 dense network, and 80.5 % for 2 compressed files." in eighty
    assert "None falls short by more than 1 %." in eighty and "drifted" not in eighty
    assert "88.0 % to 93.0 % for 2 compressed files" in ninety_five
    assert "**fall short** by more than 1 % for 3 of all 3, most for " in ninety_five in ninety_five
    assert "(88.0 %); for 1 by more than 2 standard errors: errors have drifted" in ninety_five
    assert "channel pruning" in ninety_five and "by -5.0 % of the values, at 1.25 times the width" in ninety_five


def test_what_weeks_differ_by_is_not_called_a_drift():
    text = said(study(lambda rows: rows.assign(test_cover_80=0.78, test_cover_80_se=0.03)))
    assert "**fall short** by more than 1 % for 3 of all 3" in text and "(78.0 %); for none by more than 2" in text
    assert "drifted" not in text and "differ as much by chance" in text


def test_bands_that_hold_more_than_they_promise_are_called_too_wide():
    made = study(lambda rows: rows.assign(test_cover_80=0.9, test_cover_95=np.nan))
    (level,) = paragraphs.bands(made)["levels"]  # with too few windows there is no band of 95 %
    assert (level["level"], level["short"], level["wide"]) == (0.8, 0, 3)
    assert "hold over 1 % more than they promise for 3" in said(made)
    assert "95 % holds" not in list(pages.bands(made))[1].data["text/plain"].replace("\u00a0", " ")


def test_a_study_that_knows_no_bands_says_nothing_of_them():
    bare = {name: np.nan for level in conformal.LEVELS for name in conformal.columns(level)}
    made = study(lambda rows: rows.assign(**bare))
    assert tables.bands(made).empty and list(pages.bands(made)) == []
