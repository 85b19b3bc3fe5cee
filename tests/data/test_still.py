"""Data whose errors would mean nothing is refused before anything is trained; one still series beside others is not."""

import numpy as np
import pandas as pd
import pytest

from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import DataError
from litecast.training.errors import errors

T, SEASON, L, H = 400, 7, 14, 7
VAL, TEST = slice(280, 320), slice(320, 400)


def daily(values, **changes):
    """A daily frame of values (T, C): train 0-279, validation 280-319, test 320-399."""
    header = Header(**{"name": "shop", "unit": "items", "frequency": "D", "season": SEASON, "L": L, "H": H} | changes)
    times = pd.date_range("2024-01-01", periods=len(values), freq="D")
    return from_wide(header, pd.DataFrame(values, times, [f"s{c}" for c in range(np.shape(values)[1])]))


def noise(C=1):  # noqa: N803
    return np.random.default_rng(0).normal(50, 5, (T, C))


@pytest.mark.parametrize(("part", "steps", "dates"), [
    ("train", slice(0, 280), "2024-01-01 to 2024-10-06"), ("val", VAL, "2024-10-07 to 2024-11-15"),
    ("test", TEST, "2024-11-16 to 2025-02-03")])
@pytest.mark.parametrize(("value", "why"), [(0.0, "is zero"), (5.0, "nothing moves")])
def test_a_still_part_is_refused_with_its_name_and_dates(part, steps, dates, value, why):
    y = noise()
    y[max(0, steps.start - SEASON) : steps.stop] = value
    with pytest.raises(DataError, match=rf"shop: the {part} part \({dates}\) cannot be judged: .*{why}"):
        prepare(daily(y))


@pytest.mark.parametrize("steps", [VAL, TEST])
def test_a_part_of_zeros_right_after_demand_is_refused_too(steps):
    y = noise()
    y[steps] = 0.0
    with pytest.raises(DataError, match="every value of it is zero"):
        prepare(daily(y))


@pytest.mark.parametrize("log", ["none", "log"])
def test_what_repeats_itself_exactly_has_nothing_left_to_forecast(log):
    y = np.tile(np.arange(1.0, 1 + SEASON), T // SEASON + 1)[:T, None]
    with pytest.raises(DataError, match="every value is the one of 7 step"):
        prepare(daily(y, transform=log))
    y[TEST.start + 30] += 1e-3  # one value that moves a little is enough in that part, not in the others
    with pytest.raises(DataError, match="the train part"):
        prepare(daily(y, transform=log))


def test_a_part_without_a_value_is_refused():
    y = noise()
    y[VAL] = np.nan  # 10 % of all, so the series is not dropped
    with pytest.raises(DataError, match="the val part .* every value of it is missing"):
        prepare(daily(y))


def test_a_single_value_that_moves_is_enough():
    y = np.full((T, 1), 5.0)
    for at in (100, 300, 350):
        y[at] = 6.0
    data = prepare(daily(y))
    assert np.isfinite(list(errors(data, "val", np.zeros((len(data.origins("val")), H, 1))).values())).all()


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_never_sold_constant_and_sold_out_beside_others_stay(value):
    y = noise(3)
    y[:, 1] = value  # never sold, or always the same
    y[VAL.start :, 2] = value  # sold out
    data = prepare(daily(y))
    assert data.names == ["s0", "s1", "s2"] and data.dropped == []
    yhat = np.zeros((len(data.origins("test")), H, 3))
    assert np.isfinite(list(errors(data, "test", yhat).values())).all()


def test_a_series_that_moves_counts_beside_one_that_is_far_larger():
    y = np.column_stack([noise(), np.full(T, 1e14)])
    assert prepare(daily(y)).C == 2


def test_growing_data_without_a_season_moves():
    assert prepare(daily(np.arange(1.0, T + 1)[:, None], season=1)).C == 1
