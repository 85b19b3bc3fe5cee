"""Kinds of own files: gzip and Parquet are read, others named with what to do."""

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from own import HOURS, SHORT, lines, put

from litecast import data
from litecast.data import files
from litecast.errors import DataError

TABLE = pd.DataFrame({"a": np.arange(48) / 8 + 1.234, "b": np.arange(48)}, HOURS.rename("time"))


def parquet(table):
    out = io.BytesIO()
    table.to_parquet(out)
    return out.getvalue()


def same(frame, table=TABLE):
    assert frame.wide().index.equals(HOURS.rename("time"))
    np.testing.assert_array_equal(frame.wide().to_numpy(), table.to_numpy(float))


@pytest.mark.parametrize("name", ["my.csv.gz", "my.CSV.GZ"])
def test_gzip(tmp_path, name):
    path = put(tmp_path, gzip.compress(TABLE.to_csv().encode()), name=name)
    same(files.read(path))
    assert files.slug(path) == "my" and files.read(path).header.L == 4  # my.yaml stands beside it
    same(data.load(str(path)))


@pytest.mark.parametrize("table", [
    TABLE, TABLE.reset_index(), TABLE.reset_index().astype({"time": str}), TABLE.astype("float64"),
    TABLE.tz_localize("Asia/Seoul"), TABLE.reset_index(names="an odd name"),
])  # fmt: skip
def test_parquet_wide(tmp_path, table):
    path = put(tmp_path, parquet(table), name="my.parquet")
    same(files.read(path))
    same(data.load(str(path)))


def test_parquet_long_with_gaps_and_numbers_that_look_like_thousands(tmp_path):
    long = TABLE.reset_index().melt("time", var_name="series")
    long["value"] = long["value"].round() + 0.234
    long.loc[5, "value"] = None
    wide = files.read(put(tmp_path, parquet(long), name="my.parquet")).wide()
    assert np.isnan(wide["a"].iloc[5]) and wide["b"].iloc[9] == 9.234


def test_parquet_of_float32_and_levels(tmp_path):
    table = TABLE.astype("float32")
    table.columns = pd.MultiIndex.from_tuples([("x", "a"), ("x", "b")])
    wide = files.read(put(tmp_path, parquet(table), name="my.parquet")).wide()
    assert list(wide) == ["x / a", "x / b"] or wide.shape == (48, 2)
    np.testing.assert_array_equal(wide.to_numpy(np.float32), table.to_numpy())


def zipped(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize("content, words", [
    (zipped("data/sales.csv"), ["zip archive (data/sales.csv)", "Unpack it"]),
    (zipped("[Content_Types].xml", "xl/workbook.xml"), ["Excel workbook (.xlsx)", "CSV UTF-8"]),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", ["Excel workbook (.xls)", "CSV UTF-8"]),
    ("time,a\n2024-01-01,1\n".encode("utf-16"), ["text in utf-16", "UTF-8"]),
    ("time,a\n2024-01-01,1\n".encode("utf-16-be"), ["zero bytes"]),
    (b"BZh91AY", ["bzip2", ".csv.gz"]),
    (b"%PDF-1.7", ["PDF"]),
    (b"PAR1 and nothing else", ["cannot be read as Parquet"]),
    (gzip.compress(b"time,a\n" * 99, mtime=0)[:30], ["cannot be unpacked"]), (gzip.compress(b"", mtime=0), ["empty"]),
    (parquet(TABLE.iloc[:0]), ["empty"]),
])  # fmt: skip
def test_what_else_it_is_is_named(refused, content, words):
    refused(content, *words)


def test_a_gzipped_fault_is_told_by_its_line(tmp_path):
    text = "\n".join([*lines()[:9], "2024-01-01 08:00,x,1", *lines()[10:]])
    with pytest.raises(DataError, match=r"my.csv.gz, line 10, column 'a': 'x' is not a number"):
        files.read(put(tmp_path, gzip.compress(text.encode()), SHORT, name="my.csv.gz"))
