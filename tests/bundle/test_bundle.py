"""A bundle as a whole: what is in it, that its forms agree, and what is refused with nothing left behind."""

import json
import sys
import types

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import small_files
from small_windows import CLOSE, drawn, gap, opened
from test_predict import BANDS, reader

from litecast import bundle, modelfile, paths
from litecast.bundle import __main__, make, writers
from litecast.errors import LitecastError, ModelFileError
from litecast.results import rows

FILES = {"README.md", "bundle.json", "forecast.c", "forecast.h", "model.onnx", "model.safetensors", "predict.py",
         "vectors.json"}


def stored(folder, name="profile_mlp", **card):
    folder.mkdir(parents=True, exist_ok=True)
    model = drawn(small_files.network(name))
    small_files.save(folder / "m.safetensors", model, "int8", small_files.card_of(model, **card))
    return folder / "m.safetensors"


def all_of(said):
    """Names of the files of a bundle, those of other writers among them."""
    return FILES.union(*said["forms"].values())


@pytest.fixture(scope="module", params=["none", "log"])
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    scaler = {"transform": request.param, "mean": [4.6, 4.5], "std": [0.1, 0.2]}
    bundle.write(stored(folder, **scaler), folder / "out", BANDS)
    return folder / "out"


def test_all_forms_reproduce_the_stored_windows_and_bands(made):
    """ONNX from inputs that the NumPy reader makes: filled history, calendar, and cells by their types."""
    network, stored = reader(made).Forecaster(made), json.loads((made / "vectors.json").read_text())
    session, gaps, special = onnxruntime.InferenceSession(made / "model.onnx"), 0, 0
    names = [output.name for output in session.get_outputs()]
    assert stored["source"] == "made up from the card" and len(stored["windows"]) == 20
    assert names == ["y", "low_80", "high_80", "low_95", "high_95"]
    card = modelfile.load(made / "model.safetensors").card
    for window in stored["windows"]:
        values = np.array([[np.nan if value is None else value] for value in window["values"]])
        y = network.forecast(values, window["times"], [window["series"]])
        found = {"forecast": y} | {f"{side}_{level}": edge for level in (80, 95) for side, edge in zip(
            ("low", "high"), network.bands(y, level, [window["series"]]), strict=True)}  # fmt: skip
        for name, part in found.items():
            assert gap(part[:, 0], np.array(window[name])) < CLOSE
        times = pd.date_range(window["times"][0], periods=card.history + card.H, freq="h")[-card.L - card.H :]
        log = card.transform == "log"
        series, raw = card.series.index(window["series"]), np.log(values) if log else values
        x = card.filled((raw - card.mean[series]) / card.std[series])[-card.L :] * card.std[series] + card.mean[series]
        feed = {"x": (np.exp(x) if log else x)[None].astype(np.float32), "series": np.array([series]),
                "z": card.known(times)[None], "cells": card.cells(times)[None]}  # fmt: skip
        for name, part in zip(["forecast", *names[1:]], session.run(None, feed), strict=True):
            assert gap(part[0, :, 0], np.array(window[name])) < 20 * CLOSE  # raw float32 in, beside the mean
        gaps += np.isnan(values).any()
        special += (card.cells(times) >= 7 * 24).any()
    assert gaps >= 8 and special >= 5


def test_the_readme_says_what_is_there(made):
    text, said = (made / "README.md").read_text(), json.loads((made / "bundle.json").read_text())
    assert {path.name for path in made.iterdir()} == all_of(said)
    for name, size in said["bytes"].items():
        assert (made / name).stat().st_size == size and f"| `{name}` | {size:,} |" in text
    for words in ("The next 6 steps (h) of 2 series, vehicles/h", "the last 96 rows (48 suffice", "`low_95`",
                  "Bands of 80 and 95 %", "network.bands(y, 95)", "its errors are not known", "2024 to 2025",
                  "made up from the card"):  # fmt: skip
        assert words in text
    assert not set("{}") & set(text)


def test_errors_and_bands_are_those_of_the_files_row(tmp_path):
    path = stored(tmp_path)
    table = [{"row_id": row, "artefact": f"runs/x/{name}", "val_wape": 0.05, "test_wape": 0.06}
             for row, name in (("a", "other"), ("b", path.name))]  # fmt: skip
    rows.write_csv(rows.typed(pd.DataFrame(table)), tmp_path / "results.csv")
    lines = [(row, level, step, series, radius + step) for row, shift in (("a", 50), ("b", 0)) for level in (80, 95)
             for step in range(1, 7) for series, radius in (("", 1 + shift), ("역1", 2 + shift))
             if level == 80 or step < 6]  # fmt: skip
    pd.DataFrame(lines, columns=["row_id", "level", "step", "series", "radius"]).astype(
        {"row_id": "category", "series": "category"}).to_parquet(tmp_path / "bands.parquet")  # fmt: skip
    said = bundle.write(path, tmp_path / "out")
    assert said["errors"] == {"val_wape": 0.05, "test_wape": 0.06}
    assert said["bands"] == {"80": [[1.0 + step, 2.0 + step] for step in range(1, 7)]}  # 95: not of every step
    assert "5.00 % on validation, 6.00 % on test" in (tmp_path / "out/README.md").read_text()


def test_a_network_without_a_program_is_bundled_by_onnx_alone_with_the_reason(tmp_path, capsys):
    assert __main__.main([str(stored(tmp_path, "patchtst@own")), str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES - {"predict.py", "forecast.c", "forecast.h"}
    said = json.loads((tmp_path / "out/bundle.json").read_text())
    assert said["program"] is None and said["reason"].startswith("patchtst has no program")
    text = (tmp_path / "out/README.md").read_text()
    assert said["reason"] in text and "predict.py" not in text.split("## Limits")[0]
    assert "patchtst has no program" in capsys.readouterr().out


def test_writers_are_found_by_their_file(tmp_path, monkeypatch):
    loaded, program = opened(stored(tmp_path))
    card = make.form.words(loaded.card) | {"bands": {"80": BANDS["80"]}}
    (tmp_path / "bundle/writers").mkdir(parents=True)
    (tmp_path / "bundle/writers/one.py").write_text('NAME = "One: `one.txt`"\nUSE = "Read it: {folder}."\n')
    (tmp_path / "bundle/writers/two.py").write_text('NAME = "Two"\nUSE = "Not at all."\n')
    monkeypatch.setattr(paths, "PACKAGE", tmp_path)

    def one(program, card, folder):
        (folder / "one.txt").write_text(f"{len(program.ops)} {sorted(card['bands'])} {card['history']}")
        return ["one.txt"]

    def two(program, card, folder):
        raise make.derive.Unfit("it is a Tuesday")

    for name, write in {"one": one, "two": two}.items():
        module = types.ModuleType(name)
        module.write = write
        monkeypatch.setitem(sys.modules, f"litecast.bundle.writers.{name}", module)
    assert writers.names() == ["one", "two"]
    said = make._forms(program, card, tmp_path)
    assert said == ({"one": ["one.txt"]}, {"two": "it is a Tuesday"})
    assert (tmp_path / "one.txt").read_text().endswith("['80'] 96")


def test_what_cannot_be_bundled_is_refused_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    path, out = stored(tmp_path / "in"), tmp_path / "out"
    for file, word in ((tmp_path / "none", "No such file"), (tmp_path / "text", "bytes is too short")):
        (tmp_path / "text").write_text("hello")
        assert __main__.main([str(file), str(out)]) == 2
        assert word in capsys.readouterr().err
    with pytest.raises(ModelFileError):
        bundle.write(tmp_path / "text", out)
    with pytest.raises(LitecastError, match="text is a file"):
        bundle.write(path, tmp_path / "text")
    with pytest.raises(LitecastError, match="lies in .*in, which"):
        (path.parent / "bundle.json").write_text("{}")
        bundle.write(path, path.parent)
    for bands, word in (({"80": [[1.0]] * 5}, "needs finite radii"), ({"80": [[np.inf]] * 6}, "needs finite radii"),
                        ({"80": [[-1.0]] * 6}, "needs finite radii")):  # fmt: skip
        with pytest.raises(LitecastError, match=word):
            bundle.write(path, out, bands)
    monkeypatch.setattr(make.readme, "text", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bundle.write(path, out)
    assert {each.name for each in tmp_path.iterdir()} == {"in", "text"}


def test_a_bundle_is_replaced_and_nothing_else_is(tmp_path):
    path, out = stored(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("x")
    with pytest.raises(LitecastError, match="holds no bundle"):
        bundle.write(path, out)
    assert [each.name for each in out.iterdir()] == ["old"]
    (out / "bundle.json").write_text("{}")
    assert all_of(bundle.write(path, out)) == {each.name for each in out.iterdir()}
