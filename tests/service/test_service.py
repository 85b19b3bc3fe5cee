"""The service by its routes: what it answers, what it refuses and how, and that no body makes it fail."""

import asyncio
import json
import logging
import os
import random
import re
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import standin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from litecast.errors import LitecastError

pytest.importorskip("fastapi", reason=standin.NEEDED)
from fastapi.testclient import TestClient  # noqa: E402

from litecast.service.app import create  # noqa: E402
from litecast.service.forecasts import Reader  # noqa: E402
from litecast.service.limits import Limits, Refused  # noqa: E402
from litecast.service.served import Shelf  # noqa: E402

T = 96
TIMES = [f"{time:%Y-%m-%dT%H:%M}" for time in pd.date_range("2024-01-01", periods=T, freq="h")]
RAMP = [float(i) for i in range(T)]
CSV = {"content-type": "text/csv"}
JSON = {"content-type": "application/json"}
SECURE = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy")


def asked(**series):
    return {"times": TIMES, "values": series or {"north": RAMP}}


def table(rows, *names):
    return "\n".join([",".join(("time", *names)), *rows]).encode()


def test_a_forecast_is_the_files_own_with_times_and_bands(client):
    answer = client.post("/forecast", json=asked(south=RAMP, north=[2 * x for x in RAMP])).json()
    assert answer["times"] == [f"2024-01-05T0{hour}:00" for hour in range(6)]
    assert list(answer["series"]) == ["north", "south"]  # the card's order; what was not given is not forecast
    assert answer["series"]["south"]["forecast"] == RAMP[72:78]
    assert answer["series"]["north"]["forecast"] == [2 * x for x in RAMP[72:78]]
    assert answer["series"]["south"]["upper_80"] == [x + 8 for x in RAMP[72:78]]
    assert answer["unit"] == "pieces" and answer["model"] == "shop-4kb" and answer["notes"] == []


@pytest.mark.parametrize("shuffle", [False, True])
def test_csv_wide_long_and_in_any_order_says_the_same_as_json(client, shuffle):
    wide = [f"{time},{x:g},{2 * x:g}" for time, x in zip(TIMES, RAMP, strict=True)]
    cells = [row.split(",") for row in wide]
    long = [f"{row[0]},{name},{row[k]}" for row in cells for k, name in ((1, "north"), (2, "south"))]
    if shuffle:
        random.Random(0).shuffle(wide)
        random.Random(0).shuffle(long)
    expected = client.post("/forecast", json=asked(north=RAMP, south=[2 * x for x in RAMP])).json()
    for body in (table(wide, "north", "south"), table(long, "series", "value")):
        answer = client.post("/forecast", content=body, headers=CSV).json()
        assert answer | {"notes": []} == expected
        assert any("sorted" in note for note in answer["notes"]) == shuffle


def test_json_out_of_order_goes_to_the_reader_and_gaps_of_the_grid_are_filled(client):
    order = [i for i in random.Random(1).sample(range(T), T) if i != 50]
    body = {"times": [TIMES[i].replace("T", " ") for i in order], "values": {"north": [RAMP[i] for i in order]}}
    answer = client.post("/forecast", json=body).json()
    assert answer["series"]["north"]["forecast"] == RAMP[72:78]
    assert any("sorted" in note for note in answer["notes"])


def test_zones_are_read_as_in_a_file(client):
    body = asked() | {"times": [f"{time}:00+09:00" for time in TIMES]}
    assert client.post("/forecast", json=body).json()["times"][0] == "2024-01-05T00:00"


def test_a_year_without_known_holidays_is_told(client):
    later = asked() | {"times": [time.replace("2024", "2026") for time in TIMES]}
    assert "2024 to 2025" in client.post("/forecast", json=later).json()["notes"][-1]
    before = asked() | {"times": [time.replace("2024", "1960") for time in TIMES]}
    assert "lasts from 1970" in client.post("/forecast", json=before).json()["error"]


def test_missing_values_in_few_rows_are_told(client):
    short = {"times": TIMES[:48], "values": {"north": [None, *RAMP[1:48]]}}
    assert "1 of the last values are missing" in client.post("/forecast", json=short).json()["notes"][-1]
    assert client.post("/forecast", json=asked(north=[None, *RAMP[1:]])).json()["notes"] == []


@pytest.mark.parametrize("query, model", [
    ("", "shop-4kb"), ("?budget_kb=3.9", "shop-1kb"), ("?budget_kb=4", "shop-4kb"),
    ("?dataset=shop&budget_kb=99", "shop-4kb"), ("?model=shop-1kb", "shop-1kb")])
def test_a_budget_takes_what_the_study_chose_for_it(client, query, model):
    assert client.post(f"/forecast{query}", json=asked()).json()["model"] == model


def test_several_datasets_have_to_be_told_apart(tmp_path):
    root = standin.shelf(tmp_path)
    standin.bundle(root / "mill-1kb", {"dataset": "mill", "budgets_kb": [1]})
    client = TestClient(create(root))
    refused = client.post("/forecast", json=asked())
    assert refused.status_code == 422 and "mill, shop" in refused.json()["error"]
    assert client.post("/forecast?dataset=mill", json=asked()).json()["model"] == "mill-1kb"


@pytest.mark.parametrize("query, status", [("?budget_kb=0.5", 404), ("?model=no", 404), ("?dataset=no", 404),
                                           ("?model=shop-1kb&budget_kb=1", 422), ("?budget_kb=nan", 422),
                                           ("?budget_kb=x", 422), ("?model=../shop-1kb", 404), ("?path=x", 422)])
def test_choices_that_do_not_exist(client, query, status):
    answer = client.post(f"/forecast{query}", json=asked())
    assert answer.status_code == status and list(answer.json()) == ["error"]


BAD = {
    "not JSON": (b'{"times": [', "no JSON"),
    "not UTF-8": (b'{"values": {"\xff": [1]}}', "not UTF-8"),
    "NaN": (b'{"values": {"north": [NaN]}}', "NaN is no JSON"),
    "minus infinity": (b'{"values": {"north": [-Infinity]}}', "-Infinity is no JSON"),
    "a key twice": (b'{"values": {"north": [1], "north": [2]}}', "key stands twice"),
    "too deep": (b"[" * 20_000, "nested too deeply"),
    "deep": (b'{"values": {"north": [[1]]}}', "values.north.0"),
    "no object": (b"[1, 2]", "the body"),
    "null": (b"null", "the body"),
    "unknown key": (b'{"values": {"north": [1]}, "path": "/etc/passwd"}', "path"),
    "text for a number": (b'{"values": {"north": ["12"]}}', "values.north.0"),
    "truth for a number": (b'{"values": {"north": [true]}}', "values.north.0"),
    "nothing": (b'{"values": {}}', "values"),
    "no values": (b'{"values": {"north": []}}', "at least one"),
    "a lone surrogate": (b'{"values": {"\\ud800": [1]}}', "does not know"),
    "unknown series": (b'{"values": {"west": [1]}}', "does not know west; its series are north, south"),
    "lengths": (json.dumps({"times": TIMES, "values": {"north": [1.0]}}).encode(), "as many values"),
    "short": (json.dumps({"times": TIMES[:47], "values": {"north": RAMP[:47]}}).encode(), "at least 48 rows, and 96"),
    "infinite": (json.dumps(asked()).replace(" 5.0,", " 1e400,").encode(), "inf is infinite"),
    "absurd": (json.dumps(asked()).replace(" 5.0,", " 1e16,").encode(), "1e+16 is larger than 1e+15"),
    "long integer": (json.dumps(asked()).replace(" 5.0,", f" {'9' * 4000},").encode(), "inf is infinite"),
    "all missing": (json.dumps(asked(north=[None] * T)).encode(), "value"),
    "a time twice": (json.dumps(asked() | {"times": [TIMES[1], *TIMES[1:]]}).encode(), "give different values for"),
    "30 February": (json.dumps(asked() | {"times": ["2024-02-30T00:00", *TIMES[1:]]}).encode(), "2024-02-30"),
    "an empty time": (json.dumps(asked() | {"times": ["", *TIMES[1:]]}).encode(), "has no time"),
    "a time with a line end": (json.dumps(asked() | {"times": [TIMES[0] + "\n" + TIMES[1], *TIMES[1:]]}).encode(), ""),
    "other steps": (json.dumps(asked() | {"times": [f"{day:%Y-%m-%d}" for day in pd.date_range("2024", periods=T)]}
                               ).encode(), "a step of 'D' apart"),
    "rows": (json.dumps({"values": {"north": [1] * 2001}}).encode(), "at most 2000"),
    "columns": (json.dumps({"values": {str(k): [1] for k in range(9)}}).encode(), "at most 2000 of 8"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_json_is_refused_in_words(client, name):
    body, words = BAD[name]
    answer = client.post("/forecast", content=body, headers=JSON)
    assert answer.status_code == 422 and words in answer.json()["error"], answer.text
    assert "litecast/" not in answer.text and "/tmp" not in answer.text  # no path of ours


BAD_CSV = {
    "empty": (b"", 422, "the file is empty"), "zero bytes": (b"a\0b", 422, "holds zero bytes"),
    "gzip is not unpacked": (b"\x1f\x8b" + b"\0" * 99, 422, "zero bytes"),
    "parquet is not opened": (b"PAR1" + b"x,y\n1,2\n" * 9, 422, "body"),
    "one column": (b"time\n2024-01-01\n", 422, "one column only"),
    "units": (table([f"{t},{x:g} cars" for t, x in zip(TIMES, RAMP, strict=True)], "north"), 422, "body"),
    "infinite": (table([f"{t},inf" for t in TIMES], "north"), 422, "is infinite"),
    "twice": (table([f"{TIMES[1]},0", *(f"{t},1" for t in TIMES[1:])], "north"), 422, "lines 2, 3"),
    "ragged": (table([*(f"{t},1" for t in TIMES), "2024-01-05T00:00"], "north"), 422, "line 98"),
    "other series": (table([f"{t},1,2" for t in TIMES], "east", "west"), 422, "does not know"),
    "wide": (",".join(map(str, range(99))).encode(), 422, "of 99 columns"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CSV)
def test_bad_csv_is_refused_in_the_readers_words(client, name):
    body, status, words = BAD_CSV[name]
    answer = client.post("/forecast", content=body, headers=CSV)
    assert answer.status_code == status and words in answer.json()["error"], answer.text


@pytest.mark.parametrize("headers, status", [({}, 415), ({"content-type": "application/octet-stream"}, 415),
                                             ({**JSON, "content-encoding": "gzip"}, 415)])
def test_other_bodies_are_not_taken(client, headers, status):
    assert client.post("/forecast", content=b"{}", headers=headers).status_code == status


def test_a_body_is_measured_before_it_is_parsed(client):
    assert client.post("/forecast", content=b"{" * 30_001, headers=JSON).status_code == 413
    assert client.post("/forecast", content=(b"[" * 1000 for _ in range(31)), headers=JSON).status_code == 413
    assert client.post("/forecast", content=b"{" * 30_000, headers=JSON).status_code == 422
    assert client.post("/nothing", content=b"{" * 30_001).status_code == 413


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/health/live", 200), ("GET", "/", 200), ("GET", "/nothing", 404), ("PUT", "/forecast", 405),
    ("POST", "/forecast", 415), ("GET", "/models/shop-1kb/forecast.js", 200), ("BREW", "/", 405)])
def test_every_answer_has_the_security_headers(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status and all(answer.headers.get_list(name) for name in SECURE)
    assert "access-control-allow-origin" not in answer.headers


def test_a_fault_of_ours_says_and_logs_nothing_of_the_request(folder, caplog, monkeypatch):
    app = create(folder)

    def broken(*_):
        raise KeyError("a secret of the caller")

    monkeypatch.setattr("litecast.service.served.Served.answer", broken)
    with caplog.at_level(logging.DEBUG):
        answer = TestClient(app).post("/forecast", json=asked())
    assert answer.status_code == 500 and "secret" not in answer.text
    logged = caplog.text.replace("HTTP Request", "")
    assert "KeyError at test_service.py" in logged and "secret" not in logged


def test_models_say_size_errors_and_history(client):
    one, four = client.get("/models").json()
    assert (one["name"], one["bytes"], one["val_wape"], one["history"]) == ("shop-1kb", 900, 0.2, 96)
    assert four["budgets_kb"] == [4, 16] and four["series"] == standin.CARD["series"]
    assert client.get("/models/shop-4kb").json() == four


@pytest.mark.parametrize("path", ["../served.json", "..%2fserved.json", "..%2f..%2f..%2fetc%2fpasswd", "nothing.js",
                                  "%00", "predict.py%00.js", "../shop-1kb/predict.py%2f.."])
def test_only_the_files_of_a_bundle_are_handed_out(client, path):
    assert client.get(f"/models/shop-1kb/{path}").status_code in (404, 405)
    assert client.get("/models/shop-1kb/forecast.js").text.startswith("export")


def test_a_folder_without_a_whole_bundle_is_refused(tmp_path):
    with pytest.raises(LitecastError, match="holds no bundle"):
        Shelf(tmp_path)
    standin.bundle(tmp_path / "half")
    (tmp_path / "half" / "predict.py").write_text("class Forecaster:\n  def", encoding="utf-8")
    with pytest.raises(LitecastError, match="no whole bundle"):
        Shelf(tmp_path)


# ---- the Open Inference Protocol

def tensors(values=None, **times):
    rows = values if values is not None else [[x, x, x, x] for x in RAMP]
    given = [{"name": "values", "shape": [len(rows), 4], "datatype": "FP64", "data": rows}]
    given += [{"name": "times", "shape": [T], "datatype": "BYTES", "data": TIMES} | times]
    return {"id": "7", "inputs": given}


def test_the_seven_routes_of_the_protocol(client):
    assert client.get("/v2/health/live").status_code == client.get("/v2/health/ready").status_code == 200
    assert client.get("/v2").json()["name"] == "litecast"
    for base in ("/v2/models/shop-1kb", "/v2/models/shop-1kb/versions/1"):
        told = client.get(base).json()
        assert told["versions"] == ["1"] and told["inputs"][0]["shape"] == [-1, 4]
        assert client.get(f"{base}/ready").json()["ready"]
        answer = client.post(f"{base}/infer", json=tensors()).json()
        assert {tensor["name"]: tensor["shape"] for tensor in answer["outputs"]} == {
            tensor["name"]: tensor["shape"] for tensor in told["outputs"]}
    for path in ("/v2/models/no", "/v2/models/shop-1kb/versions/2"):
        assert client.get(path).status_code == client.get(f"{path}/ready").status_code == 404


def test_tensors_give_the_same_forecast_flat_or_nested(client):
    series = {name: [k * x for x in RAMP] for k, name in enumerate(standin.CARD["series"])}
    rows = np.array(list(series.values())).T
    simple = client.post("/forecast?model=shop-1kb", json=asked(**series)).json()["series"]
    for data in (rows.tolist(), rows.ravel().tolist()):
        asks = tensors(rows.tolist())
        asks["inputs"][0]["data"] = data
        answer = client.post("/v2/models/shop-1kb/infer", json=asks | {"outputs": [{"name": "upper_95"}]}).json()
        assert answer["id"] == "7" and [made["name"] for made in answer["outputs"]] == ["upper_95"]
        made = np.reshape(answer["outputs"][0]["data"], answer["outputs"][0]["shape"])
        assert made.T.tolist() == [simple[name]["upper_95"] for name in series]


@pytest.mark.parametrize("place, change, words", [
    (0, {"shape": [T, 3]}, "[T, 4]"), (0, {"name": "times"}, "called values"), (0, {"datatype": "BYTES"}, "numbers"),
    (1, {"shape": [1]}, "[T]"), (1, {"data": [1] * T}, "text"), (0, {"data": [["1"] * 4] * T}, "inputs"),
    (0, {"shape": [1e300, 4]}, "shape"), (1, {"name": "path"}, "name")])
def test_bad_tensors(client, place, change, words):
    asks = tensors()
    asks["inputs"][place] |= change
    answer = client.post("/v2/models/shop-1kb/infer", json=asks)
    assert answer.status_code == 422 and words in answer.json()["error"]


def test_the_readers_queue_is_short_and_a_caller_that_gave_up_still_stands_in_it():
    async def story():
        reader, go = Reader(2), threading.Event()
        asks = [asyncio.create_task(reader(go.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as full:
            await reader(go.wait)
        assert full.value.status == 503 and full.value.headers["retry-after"] == "1"
        asks[0].cancel()  # it runs: its thread is not free before it ends
        await asyncio.sleep(0)
        assert reader.waiting == 2
        go.set()
        assert await asks[1] is True
        while reader.waiting:
            await asyncio.sleep(0)

    asyncio.run(story())


# ---- metrics and the OpenAPI page

def test_metrics_count_routes_and_forecasts_but_no_names_of_a_request(folder):
    client = TestClient(create(folder))
    client.post("/forecast?model=shop-1kb", json=asked(north=RAMP, south=RAMP))
    for path in ("/secret-1", "/secret-2"):
        client.get(path)
    text = client.get("/metrics").text
    assert 'litecast_requests_total{method="POST",route="/forecast",status="200"} 1' in text
    assert 'litecast_forecasts_total{model="shop-1kb"} 2' in text
    assert 'litecast_requests_total{method="GET",route="other",status="404"} 2' in text and "secret" not in text
    assert re.search(r'litecast_request_seconds_bucket\{le="\+Inf"\} 3\n', text)


def test_the_pages_load_nothing_from_elsewhere(client):
    schema = client.get("/openapi.json")
    for page in (client.get("/docs").text, client.get("/").text):
        assert not re.search(r"(?:src|href)=['\"]?(?:https?:)?//", page)
    paths = schema.json()["paths"]
    assert set(paths["/forecast"]["post"]["requestBody"]["content"]) == {"application/json", "text/csv"}
    assert {"408", "413", "415", "422", "503"} <= set(paths["/forecast"]["post"]["responses"])


def test_nothing_of_torch_is_imported(folder):
    code = ("import sys; from pathlib import Path; from litecast.service.app import create;"
            "create(Path(sys.argv[1])); sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 0


# ---- whatever is sent: no failure

ANY = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
                   lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4))
CELLS = st.floats(allow_nan=False) | st.none() | st.integers()
LIKELY = st.fixed_dictionaries({"values": st.dictionaries(
    st.sampled_from(standin.CARD["series"]), st.lists(CELLS, min_size=48, max_size=50), min_size=1)},
    optional={"times": st.lists(st.sampled_from(TIMES) | st.text(max_size=20), min_size=48, max_size=50)})  # fmt: skip


BODIES = st.binary(max_size=200) | (ANY | LIKELY).map(lambda value: json.dumps(value).encode())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES, path=st.sampled_from(["/forecast", "/v2/models/shop-1kb/infer"]),
       kind=st.sampled_from([JSON, JSON, CSV]))
def test_no_body_makes_it_fail(client, body, path, kind):
    answer = client.post(path, content=body, headers=kind)
    assert answer.status_code in (200, 415, 422), answer.text
    json.loads(answer.text, parse_constant=lambda word: pytest.fail(f"{word} in an answer"))


def broken(seed: int) -> bytes:
    """A good table, spoilt in one to three ways as people and programs do."""
    draw = random.Random(seed)
    names = draw.sample(standin.CARD["series"], draw.randint(1, 4))
    rows = [[time, *(f"{draw.gauss(100, 40):.2f}" for _ in names)] for time in TIMES]
    header, separator = ["time", *names], draw.choice(",,,;\t|")
    for _ in range(draw.randint(1, 3)):
        at, column = draw.randrange(len(rows)), draw.randrange(len(header))
        cell = draw.choice(["", "NaN", "inf", "-1e300", "1,234.5", "1.234,5", "5%", "=1+1", "2024-13-01", "24:00",
                            "점검" * 999, '"', "0x10", "1_000", "1e309", "9" * 400, "\u202e", "2024-02-30 00:00", "-",
                            "NULL", "٣"])
        way = draw.randrange(9)
        if way == 0:
            rows[at][column:column + 1] = [cell]
        elif way == 1:
            rows.insert(at, list(rows[draw.randrange(len(rows))]))
        elif way == 2:
            rows[at] = rows[at][:-1]
        elif way == 3:
            header[column] = draw.choice([cell, header[0], ""])
        elif way == 4:
            draw.shuffle(rows)
        elif way == 5:
            rows = rows[: draw.randint(1, 60)]
        elif way == 6:
            for row in rows:
                row[column:column + 1] = [cell]
        elif way == 7:
            rows = [[row[0].replace("T", draw.choice(["T", " ", "  ", "/"])), *row[1:]] for row in rows]
        else:
            rows = rows[::draw.randint(2, 5)]
    encoding = draw.choice(["utf-8"] * 4 + ["utf-16", "cp949"])
    text = "\n".join(separator.join(row) for row in [header, *rows]).encode(encoding, "replace")
    cut = draw.randrange(len(text)) if draw.random() < 0.1 else len(text)
    return text[:cut] + draw.randbytes(draw.choice([0, 0, 0, 5]))


def test_no_csv_makes_it_fail(folder):
    count = int(os.environ.get("LITECAST_BAD_CSVS", 40))  # 1000 by hand
    with TestClient(create(folder, Limits(seconds=60.0)), raise_server_exceptions=False) as client:
        found = [client.post("/forecast", content=broken(seed), headers=CSV) for seed in range(count)]
    assert {answer.status_code for answer in found} <= {200, 422}
    refused = [answer for answer in found if answer.status_code == 422]
    assert count / 4 < len(refused) and all(len(answer.json()["error"]) > 20 for answer in refused)


@pytest.mark.filterwarnings("ignore")
def test_the_openapi_page_is_kept(folder):
    schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")
    schema = schemathesis.openapi.from_asgi("/openapi.json", create(folder))
    kept = schemathesis.checks.CHECKS.get_by_names(["not_a_server_error", "status_code_conformance",
                                                    "content_type_conformance", "response_schema_conformance"])
    few = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))

    def keeps(case):
        case.call_and_validate(checks=kept)

    for operation in schema.get_all_operations():
        few(given(case=operation.ok().as_strategy())(keeps))()
