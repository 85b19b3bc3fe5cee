"""From a study's rows to a folder that is served, with real bundles: what the service says is what the file says."""

import json

import numpy as np
import pandas as pd
import pytest
import small_files
import standin

from litecast import bundle, modelfile, results
from litecast.errors import LitecastError
from litecast.service import choose

RADII = {"80": [[0.5]] * 6, "95": [[1.0]] * 6}


def line(row_id, val_wape, size, artefact="", role="dense", **more):
    row = {"study": "toy", "dataset": "shop", "model": row_id, "technique": "dense", "role": role, "row_id": row_id,
           "val_wape": val_wape, "test_wape": val_wape + 0.01, "bytes": size, "seed": 0, "artefact": artefact,
           "format": "litecast" if artefact else "", "runtime": "torch"}  # fmt: skip
    return row | more


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Rows of the study `toy`; bundles are stand-ins, that of patchtst has no reader."""
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))

    def write(file, out):
        standin.bundle(out)
        if file.stem == "patchtst":
            (out / "predict.py").unlink()

    monkeypatch.setattr(choose.bundle, "write", write)

    def rows(*lines):
        monkeypatch.setattr(results, "collect", lambda study: results.typed(pd.DataFrame(lines)))

    return rows


def test_each_budget_takes_the_best_that_forecasts_by_itself_and_says_what_it_passed_over(study, capsys):
    study(line("naive", 0.3, 0, role="naive", technique="classical"), line("worse", 0.4, 900, "runs/none.safetensors"),
          line("small", 0.2, 3000, "runs/profile_mlp.safetensors"),
          line("trees", 0.1, 9000, "runs/x.skops", format="skops"),
          line("attention", 0.05, 50_000, "runs/patchtst.safetensors"))  # fmt: skip
    folder = choose.choose("toy")
    index = json.loads((folder / "served.json").read_text())
    assert list(index["models"]) == ["shop-4kb"] == [path.parent.name for path in folder.glob("*/bundle.json")]
    about = index["models"]["shop-4kb"]
    assert about["budgets_kb"] == [4, 16, 64] and about["bytes"] == 3000 and about["test_wape"] == pytest.approx(0.21)
    said = capsys.readouterr().out
    assert "shop, 1 kB: naive is best and needs no file" in said
    assert "trees is passed over, it is not one model file" in said and "attention is passed over" in said
    assert not list(folder.parent.glob(".served*"))


def test_a_study_without_a_file_to_serve_keeps_the_folder_that_is_there(study):
    study(line("small", 0.2, 3000, "runs/profile_mlp.safetensors"))
    folder = choose.choose("toy")
    study(line("naive", 0.1, 0, role="naive", technique="classical"), line("small", 0.2, 3000, "runs/a.safetensors"))
    with pytest.raises(LitecastError, match="naive is best and needs no file"):
        choose.choose("toy")
    assert (folder / "shop-4kb" / "predict.py").exists() and not list(folder.parent.glob(".served*"))


def test_the_service_forecasts_as_the_model_file(tmp_path):
    pytest.importorskip("fastapi", reason=standin.NEEDED)
    from fastapi.testclient import TestClient

    from litecast.service.app import create

    model = small_files.network("profile_mlp")
    small_files.save(tmp_path / "model.safetensors", model, "int8", small_files.card_of(model))
    bundle.write(tmp_path / "model.safetensors", tmp_path / "served" / "one", RADII)
    client = TestClient(create(tmp_path / "served"))
    loaded, most = modelfile.load(tmp_path / "model.safetensors"), 1e-5 * 150
    values, times = small_files.series()
    values[[3, 60, 61, 99], 0] = np.nan
    expected = loaded.forecast(values, times)
    texts = [f"{time:%Y-%m-%d %H:%M}" for time in times]
    cells = np.where(np.isnan(values), None, values).astype(object)
    body = {"times": texts, "values": dict(zip(loaded.card.series, cells.T.tolist(), strict=True))}
    table = pd.DataFrame(values, index=pd.Index(texts, name="time"), columns=loaded.card.series).to_csv()
    answers = [client.post("/forecast", json=body),
               client.post("/forecast", content=table.encode(), headers={"content-type": "text/csv"})]  # fmt: skip
    for answer in answers:
        series = answer.json()["series"]
        for place, name in enumerate(loaded.card.series):
            assert np.allclose(series[name]["forecast"], expected[:, place], rtol=0, atol=most)
            wide = np.subtract(series[name]["upper_95"], series[name]["forecast"])
            assert np.allclose(wide, 1.0 * loaded.card.std[place])
