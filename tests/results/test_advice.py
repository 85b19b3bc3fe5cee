"""Which technique to use: by family and budget, chosen on validation, with what it rests on."""

import pandas as pd
import pytest

from litecast import results
from litecast.results import advice


def line(model, technique, wape, size, level="8", variant="float32", role="compressed", val=None, **more):
    return {"dataset": "d", "model": model, "technique": technique, "level": level, "variant": variant, "seed": 0,
            "role": role, "val_wape": val or wape, "test_wape": wape, "bytes": size, "val_skill": 0.5,
            "runtime": "torch", "run": "runs/x/y", "artefact": f"{model}-{technique}-{level}"} | more  # fmt: skip


def collected(*lines):
    table = results.typed(pd.DataFrame(lines, columns=results.COLUMNS))
    return table.assign(row_id=[results.row_id(row) for row in table.to_dict("records")])


ROWS = [
    line("lstm@own", "dense", 0.10, 100_000, role="dense"),
    line("lstm@own", "cut", 0.12, 900, "0.9"), line("lstm@own", "cut", 0.11, 3500, "0.5"),
    line("lstm@own", "cut", 0.2, 3000, "0.6"), line("lstm@own", "bits", 0.104, 3000, "4", val=0.111),
    line("lstm@own", "width", 0.101, 30_000, variant="int8"),
    line("lstm@own", "cut", 0.05, 800, "0.9", role="control", control="random"),
    line("fits", "dense", 0.10, 5000, role="dense"), line("fits", "width", 0.10, 900, variant="int8"),
    line("gru", "dense", 0.3, 5000, role="dense", val_skill=-0.1), line("gru", "cut", 0.3, 900, "0.5"),
]  # fmt: skip


def test_of_each_budget_the_best_on_validation_with_what_it_rests_on():
    found = advice.table(collected(*ROWS))
    assert list(found) == advice.COLUMNS and set(found.family) == {"lstm"}, "tried by a technique, and with skill"
    assert found.budgets.tolist() == [[1], [4, 16], [64]]
    assert found.group.tolist() == ["cut", "cut", "width/int8"], "on validation bits err more, whatever test says"
    assert found.loses.tolist() == pytest.approx([0.2, 0.1, 0.01])
    middle = found.iloc[1]
    assert (middle.rows, middle.others) == (3, 1) and (middle.least, middle.most) == pytest.approx((0.1, 1.0))


def test_nothing_to_say_without_a_technique():
    assert advice.table(collected(*ROWS[7:9])).empty and list(advice.table(collected())) == advice.COLUMNS


def test_nothing_is_advised_that_a_forecast_without_a_file_beats():
    free = line("naive", "classical", 0.1105, 0, role="naive", artefact="")
    found = advice.table(collected(*ROWS, free))
    assert found.group.tolist() == ["cut", "width/int8"] and found.budgets.tolist() == [[4, 16], [64]]


def test_dense_networks_alone_have_no_technique():
    assert advice.table(collected(ROWS[0], ROWS[7])).empty


def test_where_no_network_has_skill_nothing_is_advised():
    rows = collected(*ROWS[-2:], line("naive", "classical", 0.2, 0, "", "", role="naive"))
    assert advice.table(rows).empty
