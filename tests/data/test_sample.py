"""The samples: the same on every call, and with the traits that they are made to have."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from litecast import data
from litecast.data import sample
from litecast.data.windows import fill, prepare
from litecast.errors import DataError
from litecast.models.classical import croston


def fingerprint(name: str) -> str:
    table = sample.load(name).wide()
    return hashlib.sha256(table.to_csv().encode()).hexdigest()


# The hash of the values: whoever changes a generator changes every number of the quick study, and must mean it.
@pytest.mark.parametrize(("name", "begin"), [("sample-traffic", "7adb8c69dc04"), ("sample-stocks", "6a03fb811e1d"),
                                             ("sample-warehouse", "acea59e53bca")])
def test_values_are_the_same_on_every_call_and_machine(name, begin):
    assert fingerprint(name) == fingerprint(name)
    assert fingerprint(name).startswith(begin)


@pytest.mark.parametrize("name", sample.DATASETS)
def test_samples_pass_their_own_checks_and_give_windows_in_every_part(name):
    frame = data.load(name)
    assert frame.header.name == name and "synthetic" in frame.header.source
    assert frame.header.sha256 == data.resolve([name])[name]["sha256"] == sample.locate(name)["sha256"]
    prepared = prepare(frame)
    assert bool(prepared.dropped) == (name == "sample-warehouse") and 0 < np.isnan(prepared.y).mean() < 0.05
    assert len(prepared.origins("train")) >= 200  # deep models are allowed
    assert len(prepared.origins("val")) >= 50 and len(prepared.origins("test")) >= 100
    assert (frame.table["value"].dropna() == frame.table["value"].dropna().round()).all()


def test_traffic_has_days_weeks_and_holidays():
    wide = sample.load("sample-traffic").wide()
    days = wide.groupby(wide.index.normalize()).mean().mean(axis=1)
    holiday = days.index.isin(pd.DatetimeIndex(sample.TRAFFIC_HOLIDAYS))
    working = (days.index.day_of_week < 5) & ~holiday
    assert days[holiday].mean() < 0.85 * days[working].mean()
    assert days[(days.index.day_of_week >= 5)].mean() < 0.85 * days[working].mean()
    hours = wide[wide.index.normalize().isin(days.index[working])]
    hours = hours.groupby(hours.index.hour).mean()
    assert (hours.loc[18] > 4 * hours.loc[3]).all()


def test_traffic_noise_grows_with_the_level():
    values, _ = fill(sample.load("sample-traffic").wide().to_numpy(), 168, 168)
    change = values[168:] - values[:-168]
    spread, level = np.nanstd(change, axis=0), np.nanmean(values, axis=0)
    assert (np.argsort(spread) == np.argsort(level)).all()
    assert np.ptp(spread / level) < 0.15  # while levels differ by a factor of eight


def test_traffic_has_incidents_and_gaps():
    wide = sample.load("sample-traffic").wide()
    usual = wide.rolling(5, center=True, min_periods=3).median()
    assert ((wide / wide.shift(1) < 0.62) & (wide > 0.5 * wide.mean()).shift(1)).sum().sum() >= 10
    longest = max(len(run) for name in wide for run in "".join("x" if v else " " for v in wide[name].isna()).split())
    assert 10 <= longest <= 72 and usual.notna().any().all()


def test_stocks_cluster_in_volatility_and_trade_more_when_they_move():
    frame = sample.load("sample-stocks")
    volume, returns = np.log(frame.wide()), np.log(frame.wide("close")).diff()
    assert frame.kinds == {"close": "observed"} and len(volume) == sample.STOCK_DAYS
    assert (volume.index.day_of_week < 5).all()
    squared = (returns**2 - (returns**2).mean()).iloc[1:]
    clustering = np.mean([(squared * squared.shift(k)).mean() / squared.var() for k in range(1, 11)])
    drift = np.mean([(returns * returns.shift(k)).mean() / returns.var() for k in range(1, 11)])
    assert clustering > 0.05 > abs(drift)
    assert volume.corrwith(returns.abs()).mean() > 0.2
    assert volume.corr().to_numpy()[np.triu_indices(5, 1)].mean() > 0.2


def test_warehouse_closes_on_sundays_and_holidays_and_rushes_before_the_great_ones():
    wide = sample.load("sample-warehouse").wide()
    assert wide.shape == (730, 60) and (wide.index[-1] - wide.index[0]).days == 729
    closed = (wide.index.day_of_week == 6) | wide.index.isin(pd.DatetimeIndex(sample.WAREHOUSE_HOLIDAYS))
    assert (wide[closed].fillna(0) == 0).all(axis=None)
    total = wide[~closed & (wide.index.day_of_week < 5)].sum(axis=1)
    before = total["2023-09-14":"2023-09-27"].mean()  # the fortnight before Chuseok
    assert before > 1.1 * total["2023-08-16":"2023-09-08"].mean()


def test_warehouse_has_lanes_with_an_order_now_and_then_and_lanes_that_start_late():
    frame = sample.load("sample-warehouse")
    prepared = prepare(frame)
    gaps = croston.intervals(prepared)
    assert 0.4 < (gaps > croston.ADI).mean() < 0.8 and gaps.max() < 15
    wide = frame.wide()
    for lane, first in sample.LATE_STARTERS.items():
        assert wide.iloc[:first, lane].isna().all() and wide.iloc[first:, lane].notna().mean() > 0.9
    late = [wide.columns[lane] for lane, first in sample.LATE_STARTERS.items() if first > 0.1 * 511]
    assert [name for name, _ in prepared.dropped] == late, "the house's rule: more than 10 % missing in train"


def test_an_unknown_sample_is_refused():
    with pytest.raises(DataError, match="sample-trafic"):
        sample.locate("sample-trafic")
