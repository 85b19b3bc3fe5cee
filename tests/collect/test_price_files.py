"""KRX exports and Yahoo's CSV files: known rows, units, halts, files that must not be glued, files of another form."""

import os
from pathlib import Path

import pandas as pd
import pytest
from fakes.clock import FakeClock
from fakes.stored import snapshot

from litecast import data, paths
from litecast.collect import collecting
from litecast.errors import DataError

MIRROR = os.environ.get("LITECAST_MIRROR")
KRX = """일자,종가,대비,등락률,시가,고가,저가,거래량,거래대금,시가총액,상장주식수
2018/05/04,51900,-1100,-2.08,53000,53900,51800,39565391,2078017927600,333162951930000,6419324700
2018/05/03,53000,0,0,0,0,0,0,0,340224209100000,128386494
2018/04/27,53000,860,1.65,53380,53639,52440,606216,1611240055340,340224209100000,128386494
2018/04/26,52140,1740,3.45,50420,52159,50400,350000,931526175000,334703589858000,128386494
"""  # real rows of Samsung (volumes of April made up)
YAHOO = """Date,Open,High,Low,Close,Adj Close,Volume
2011-09-30,100,110,90,100,50,1000
2011-10-03,100,100,100,100,50,0
2011-10-04,null,null,null,null,null,null
2011-10-05,104,108,100,104,78,2000
2011-10-06,104,104,104,104,78,0
"""


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str, encoding: str = "cp949") -> Path:
    Path(name).write_bytes(text.replace("\n", "\r\n").encode(encoding))
    return Path(name)


def krx(files: str, **options):
    return collecting.collect("krx-files", "mine", {"files": files} | options, FakeClock())


def yahoo(files: str, **options):
    return collecting.collect("yahoo-files", "mine", {"files": files} | options, FakeClock())


@pytest.mark.parametrize("encoding", ["cp949", "utf-8-sig"])
def test_an_export_of_krx_gives_krw_shares_krw_oldest_first(encoding):
    write("samsung_005930_krx.csv", KRX, encoding)
    collection = krx("*.csv")
    table = collection.part("005930")
    assert list(table.columns) == ["time", "series", "open", "high", "low", "close", "volume", "value"]
    assert table["time"].dt.strftime("%m%d").tolist() == ["0426", "0427", "0503", "0504"]
    assert table.iloc[3, 1:].tolist() == ["005930", 53000, 53900, 51800, 51900, 39565391, 2078017927600]
    assert table.loc[2, ["open", "high", "low"]].isna().all() and table.loc[2, "close"] == 53000
    assert collection.parts["005930"]["notes"] == {"days without open, high and low (halted)": 1}
    assert collection.manifest["unit"] == "KRW" and collection.views == ["price", "volume", "value"]
    assert data.load("mine-value").wide()["005930"].iloc[0] == 931526175000


def test_collecting_twice_changes_nothing_and_an_edited_file_is_read_again():
    write("005930.csv", KRX)
    krx("*.csv")
    before = snapshot("mine")
    krx("*.csv")
    assert snapshot("mine") == before
    write("005930.csv", KRX.replace("51900", "51800"))
    assert krx("*.csv").part("005930")["close"].iloc[-1] == 51800


def test_the_code_comes_from_the_name_or_the_option():
    write("data_0513_20240102.csv", KRX)  # as KRX names its files: neither number is a code
    with pytest.raises(DataError, match="holds no code like 005930; rename"):
        krx("*.csv")
    assert list(krx("*.csv", code="005930").parts) == ["005930"]
    write("00104K.csv", KRX)
    with pytest.raises(DataError, match="code=005930 can name one file only, 2"):
        krx("*.csv", code="005930")
    assert list(collecting.collect("krx-files", "other", {"files": "0*.csv"}).parts) == ["00104K"]


def test_adjusted_files_are_joined_only_where_they_agree():
    head, *rows = KRX.strip().split("\n")
    old, new = "\n".join([head, *rows[1:]]), "\n".join([head, *rows[:2]])
    write("005930_a.csv", old), write("005930_b.csv", new)
    assert len(krx("*.csv").part("005930")) == 4
    kept = snapshot("mine")
    write("005930_a.csv", old.replace("53000,0,0", "2650000,0,0"))  # before the split, on its own base
    with pytest.raises(DataError, match=r"005930: 005930_b.csv has another close on 2018-05-03 \(53000\).*2\.65e\+06"):
        krx("*.csv")
    write("005930_a.csv", "\n".join([head, *rows[2:]]))
    with pytest.raises(DataError, match="shares no day"):
        krx("*.csv")
    assert snapshot("mine") == kept
    with pytest.raises(DataError, match="made with adjusted=True, not False"):
        krx("*.csv", adjusted="false")
    plain = collecting.collect("krx-files", "plain", {"files": "*.csv", "adjusted": "false"}, FakeClock())
    assert len(plain.part("005930")) == 4


def test_a_split_that_was_not_adjusted_is_counted():
    write("005930.csv", KRX.replace(",53000,0,0,0", ",2650000,0,0,0").replace("04/27,53000", "04/27,2650000")
          .replace("04/26,52140", "04/26,2600000").replace("/03,53000", "/03,2650000"))  # fmt: skip
    notes = krx("*.csv", adjusted="false").parts["005930"]["notes"]
    assert notes["closes beyond the daily limit (not adjusted?)"] == 1


@pytest.mark.parametrize("text, said", [
    ("a,b\n1,2\n", "no column 일자, 종가"),
    (KRX.replace("2018/04/27", "27.04"), "row 3 .'27.04'.: not a date"),
    (KRX.replace(",53380,", ",viel,"), "row 3 .'viel'.: open is not a number"),
    (KRX.replace("2018/04/27", "2018/04/26"), "given twice"),
    (KRX.split("\n")[0] + "\n", "no row has a close"),
    ("", "005930.csv: no CSV .No columns"),
    ('<html><body>\n"login, please</body>\n', "005930.csv: no CSV"),
    (KRX + "2018/04/25,1,2,3,4,5,6,7,8,9,10,11,12\n", "no CSV .* line 6"),
    ("PK\x03\x04\x00", "an Excel workbook; download it as CSV"),
])  # fmt: skip
def test_what_is_no_export_is_refused_and_the_store_stays(text, said):
    write("005930.csv", KRX)
    krx("*.csv")
    before = snapshot("mine")
    write("005930.csv", text)
    with pytest.raises(DataError, match=said):
        krx("*.csv")
    assert snapshot("mine") == before


def test_yahoo_rows_without_trade_are_left_out_and_null_is_missing():
    write("005930.KS.csv", YAHOO, "utf-8")
    collection = yahoo("*.csv")
    table = collection.part("005930")
    assert table["close"].tolist() == [100, 104] and table["volume"].tolist() == [1000, 2000]
    assert table["value"].isna().all() and collection.views == ["price", "volume"]
    notes = collection.parts["005930"]["notes"]
    assert sorted(notes.values()) == [1, 2] and notes["rows without any price, left out"] == 1


def test_yahoo_adjusted_scales_prices_and_nothing_else():
    write("^KS11.csv", YAHOO, "utf-8")
    collection = yahoo("*.csv", adjusted="true", unit="index points")
    table = collection.part("KS11")
    assert table.loc[0, ["open", "high", "low", "close", "volume"]].tolist() == [50, 55, 45, 50, 1000]
    assert table.loc[1, ["open", "high", "low", "close", "volume"]].tolist() == [78, 81, 75, 78, 2000]
    assert data.load("mine-price").header.unit == "index points"
    for other in ({"adjusted": "false", "unit": "index points"}, {"adjusted": "true"}):
        with pytest.raises(DataError, match="its series would mean two things"):
            yahoo("*.csv", **other)
    plain = collecting.collect("yahoo-files", "plain", {"files": "*.csv", "unit": "index points"}, FakeClock())
    assert plain.part("KS11")["close"].tolist() == [100, 104]


@pytest.mark.parametrize("text, said", [
    (YAHOO.replace("Adj Close", "Adjusted"), "no column Adj Close"),
    (YAHOO.replace("2011-10-05", "5 Oct 2011"), "row 4: a date is written like"),
    (YAHOO.replace("108", "high"), "row 4: .* else is a number"),
    ("", "x.csv: no CSV"), ('<html>\n"cut\n', "x.csv: no CSV"), ("PK\x03\x04", "an Excel workbook"),
])  # fmt: skip
def test_what_is_no_csv_of_yahoo_is_refused(text, said):
    write("x.csv", text, "utf-8")
    with pytest.raises(DataError, match=said):
        yahoo("*.csv", adjusted="true")
    assert not (paths.data_dir() / "store/mine").exists()


if MIRROR:

    def test_real_files():
        folder = Path(MIRROR) / "stocks"
        prices = krx(f"{folder}/s*_krx_*.csv")
        assert {code: entry["rows"] for code, entry in prices.parts.items()} == {"000660": 6529, "005930": 7001}
        assert all(len(entry["notes"]) >= 1 for entry in prices.parts.values())
        other = collecting.collect("yahoo-files", "other", {"files": f"{folder}/005930.KS_yahoo_2000_2022.csv"})
        both = other.part("005930").merge(prices.part("005930"), on="time", suffixes=("", "_krx")).set_index("time")
        assert len(both) > 5400 and (both["close"] / both["close_krx"]).between(0.9, 1.1).all()
        same = (both["close"] == both["close_krx"])["2010":]
        assert same.iloc[:-1].mean() > 0.999 and not same.iloc[-1]  # downloaded while the last day was still traded
        ratio = (both["volume"] / both["volume_krx"])["2016":].groupby(lambda time: time < pd.Timestamp("2018-05-04"))
        assert ratio.median().round().to_dict() == {True: 50, False: 1}  # Yahoo adjusts volumes for the split
