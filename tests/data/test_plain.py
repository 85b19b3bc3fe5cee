"""Plain long tables: read as columns, and exactly as the interpreting reader reads them."""

import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own import SHORT, examples, put

from litecast.data import files, plain
from litecast.errors import DataError

DAYS = pd.date_range("2024-01-01", periods=30).strftime("%Y-%m-%d")
FORMS = ["csv", "quoted", "dos", "gz", "bom", "parquet"]
BASE = pd.DataFrame({"date": np.repeat(DAYS, 3), "shop": ["b", "a", "강남"] * 30, "sales": np.arange(90)})
KEYS = pd.concat([BASE.assign(item=item) for item in "pq"])


def taken(path):
    """Whether a file is plain."""
    return plain.read(path, files.settings(path)) is not None


def outcome(path):
    try:
        frame = files.read(path)
    except DataError as error:
        return str(error)
    return frame.header, frame.kinds, frame.table


def same(path):
    """What the file is read as, or the words of its refusal, by both readers."""
    with pytest.MonkeyPatch.context() as without:
        without.setattr(plain, "read", lambda path, own: None)
        interpreted = outcome(path)
    read = outcome(path)
    if isinstance(read, str) or isinstance(interpreted, str):
        assert read == interpreted
    else:
        assert read[:2] == interpreted[:2]
        pd.testing.assert_frame_equal(read[2], interpreted[2], check_exact=True)
    return read


def content(table, form):
    out = io.BytesIO()
    if form == "parquet":
        table.to_parquet(out, index=False)
        return out.getvalue()
    end = "\r\n" if form == "dos" else "\n"
    text = table.to_csv(index=False, quoting=2 if form == "quoted" else 0, lineterminator=end)
    return gzip.compress(text.encode()) if form == "gz" else text.encode("utf-8-sig" if form == "bom" else "utf-8")


@st.composite
def tables(draw):
    """Long tables that are plain or nearly so: shuffled, with gaps, repeated rows, several keys, odd texts and
    numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    step, T = draw(st.sampled_from(["h", "D", "7D", "MS", "B", "2D"])), draw(st.integers(22, 40))
    times = pd.Series(pd.date_range("2024-01-01", periods=T, freq=step))
    names = ["W1", "W2", "north", "강남", "a b", "x/y", "1", "1시", "NA", "2024-01", "q ", "-"]
    texts = draw(st.lists(st.sampled_from(names), min_size=2, max_size=4, unique=True))
    rows = pd.MultiIndex.from_product([range(T), texts, ["p", "q"]]).to_frame(index=False)
    if not draw(st.booleans()):
        rows = rows[rows[2] == "p"]
    numbers = draw(st.sampled_from([lambda n: rng.poisson(3, n), lambda n: rng.normal(size=n).round(3),
                                    lambda n: rng.normal(size=n) * 1e5, lambda n: rng.integers(20240101, 20240130, n)]))
    table = pd.DataFrame({"date": times[rows[0]].to_numpy(), "warehouse": rows[1].to_numpy(),
                          "destination": rows[2].to_numpy(), "pallets": numbers(len(rows))})  # fmt: skip
    if draw(st.booleans()):
        table.loc[rng.integers(0, len(table), 2), "pallets"] = None
    if draw(st.booleans()):
        table = table[rng.random(len(table)) > 0.02]
    order = draw(st.sampled_from(["times", "series", "shuffled", "twice"]))
    if order == "series":
        table = table.sort_values(["warehouse", "destination", "date"])
    elif order != "times":
        table = table.sample(frac=1, random_state=1)
    table = pd.concat([table, table[:1]]) if order == "twice" else table
    if table["destination"].nunique() == 1:
        called = draw(st.sampled_from(["series", "shop"]))
        table = table.drop(columns="destination").rename(columns={"warehouse": called})
    return table.assign(date=table["date"].astype(str)) if draw(st.booleans()) else table


@given(tables(), st.sampled_from(FORMS),
       st.sampled_from([SHORT, SHORT + "transform: log\n", SHORT + "frequency: step\n", SHORT + "country: KR\n"]))
@examples(25)
def test_both_readers_say_the_same(tmp_path, table, form, settings):
    name = {"gz": "my.csv.gz", "parquet": "my.parquet"}.get(form, "my.csv")
    path = put(tmp_path, content(table, form), settings, name=name)
    same(path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("table", [
    BASE, BASE.assign(sales=BASE["sales"] / 7), BASE.rename(columns={"sales": "pallets", "shop": "series"}),
    BASE.sample(frac=1, random_state=0), KEYS, BASE[["shop", "date", "sales"]],
    BASE.assign(sales=BASE["sales"].where(BASE["sales"] % 7 > 0)), BASE.assign(date=BASE["date"] + " 00:00"),
])  # fmt: skip
def test_plain_tables(tmp_path, table, form):
    path = put(tmp_path, content(table, form), name={"gz": "my.csv.gz", "parquet": "my.parquet"}.get(form, "my.csv"))
    assert taken(path)
    assert not isinstance(same(path), str)


@pytest.mark.parametrize("table", [
    BASE.assign(date=pd.to_datetime(BASE["date"])), BASE.assign(date=pd.to_datetime(BASE["date"]).dt.date),
    BASE.astype({"shop": "category", "sales": "float32"}), BASE.assign(sales=np.float32(BASE["sales"] / 7)),
    BASE.astype({"sales": "uint8"}), BASE.assign(sales=BASE["sales"].astype("Int64").where(BASE["sales"] > 3)),
])  # fmt: skip
def test_types_of_parquet(tmp_path, table):
    path = put(tmp_path, content(table, "parquet"), name="my.parquet")
    assert taken(path)
    same(path)


@pytest.mark.parametrize("text, settings", [
    (BASE.assign(shop=np.resize(["1", "2", "3"], 90)), SHORT),  # numbers for names
    (BASE.assign(shop=np.resize(["13:00", "14:00", "15:00"], 90)), SHORT),  # hours
    (BASE.assign(shop=np.resize(["2024-01", "b", "c"], 90)), SHORT),
    (BASE.assign(shop=np.resize(["NA", "b", "c"], 90)), SHORT),
    (BASE.assign(shop=np.resize([" b", "b", "c"], 90)), SHORT),
    (BASE.assign(sales=20240101 + BASE["sales"] % 28), SHORT),  # dates for numbers
    (BASE.assign(sales=-BASE["sales"]), SHORT + "transform: log\n"),
    (BASE.assign(sales=np.inf), SHORT),
    (BASE.assign(sales=np.nan), SHORT),
    (BASE.assign(remark="late"), SHORT),
    (BASE.assign(name=BASE["shop"]), SHORT),  # says what `shop` says
    (BASE.assign(date=BASE["date"].str.replace("-", ".")), SHORT),
    (BASE[["sales", "date", "shop"]], SHORT),
    (BASE.rename(columns={"sales": "no"}), SHORT),
    (BASE.rename(columns={"shop": "what"}), SHORT),
    (BASE.iloc[[*range(90), 0]], SHORT),  # a row twice
    (BASE, SHORT + "leave_out: [a]\n"),
    (BASE, SHORT + "missing: [0]\n"),
    (BASE.to_csv(index=False).replace(",7\n", ',"1,007"\n'), SHORT),
    (BASE.to_csv(index=False).replace("강남", '강"남'), SHORT),
    (BASE.to_csv(index=False).replace(",7\n", ",-nan\n"), SHORT),
    (BASE.to_csv(index=False).replace(",7\n", ",7,\n"), SHORT),
    (BASE.to_csv(index=False).replace(",", ";"), SHORT),
    ("shops of the year\n" + BASE.to_csv(index=False), SHORT),
    (BASE.to_csv(index=False).encode("cp949"), SHORT),
])  # fmt: skip
def test_what_is_in_doubt_is_interpreted(tmp_path, text, settings):
    path = put(tmp_path, text.to_csv(index=False) if isinstance(text, pd.DataFrame) else text, settings)
    assert not taken(path)
    same(path)


def test_whoever_refuses_names_the_line(tmp_path):
    path = put(tmp_path, BASE.to_csv(index=False), "L: 40\nH: 2\n")  # too short: only the frame shows it
    assert taken(path)
    assert "line 91" in same(path)


def test_many_rows_are_read_without_a_text_for_each(tmp_path, monkeypatch):
    names = np.tile([f"W{i}" for i in range(2000)], 30)
    many = pd.DataFrame({"date": np.repeat(DAYS, 2000), "series": names, "value": np.arange(60_000)})
    path = put(tmp_path, content(many, "csv"))
    monkeypatch.setattr(files.csvtext, "numbers", None)  # the interpreting reader would need it
    assert len(files.read(path).table) == 60_000
