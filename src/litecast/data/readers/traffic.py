"""Public counts of Seoul: vehicles (TOPIS), rented bikes, passengers of the subway."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError

SPOTS = [f"A-{n:02}" for n in range(1, 14)] + ["D-46"] + [f"F-{n:02}" for n in range(1, 11)]
SPOT_LEFT_OUT = "D-46"
SKY = {"기온(°C)": "temperature", "강수량(mm)": "rain", "습도(%)": "humidity", "적설(cm)": "snow"}  # degC, mm, %, cm
BIKE = "Rented Bike Count"
BIKE_SKY = {  # column of the file: name here; degC, %, m/s, units of 10 m, degC, MJ/m2, mm, cm
    "Temperature()": "temperature", "Humidity(%)": "humidity", "Wind speed (m/s)": "wind",
    "Visibility (10m)": "visibility", "Dew point temperature()": "dew_point", "Solar Radiation (MJ/m2)": "sun",
    "Rainfall(mm)": "rain", "Snowfall (cm)": "snow"}  # fmt: skip
SUBWAY_DAY, SUBWAY_LINE, SUBWAY_STATION, SUBWAY_ON = "사용일자", "노선명", "역명", "승차총승객수"


# --- vehicles


def topis(files: list[Path], sha256: str, source: str):
    """Hourly vehicles at 23 spots of Seoul in 2024, and the city's weather as observed columns, the same for all.

    Zero rule of this source: its author filled hours without a count with 0, so 0 means missing here. D-46 is left
    out beforehand: 57 % of its hours are zero.
    """
    import numpy as np
    import pandas as pd

    from ..frame import Header, from_wide

    values = unwindowed(files[0])
    times = pd.date_range("2024-01-01", periods=len(values), freq="h")
    wide = pd.DataFrame(np.where(values == 0, np.nan, values), index=times, columns=SPOTS)
    header = Header(
        name="seoul-traffic", unit="vehicles/h", frequency="h", season=168, L=168, H=24, split="weeks", country="KR",
        kind="traffic", sha256=sha256, source=f"Seoul TOPIS 2024 (VolInfo) by way of {source}",
        licence="none stated in the repository; underlying data: Seoul Open Data Plaza OpenAPI (SpotInfo/VolInfo)",
        note="Rebuilt from 24-hour windows. The source filled missing hours with 0: 0 = missing. All spots miss "
             "2024-11-08. D-46 is left out: 57 % zeros. Both directions and all lanes summed. Weather of KMA station "
             "108 is only observed: it may be used once it has happened.")  # fmt: skip
    wide = wide.drop(columns=SPOT_LEFT_OUT)
    observed = {name: pd.DataFrame(dict.fromkeys(wide.columns, column)) for name, column in sky(files[1]).items()}
    return from_wide(header, wide, observed)


def sky(path: Path):
    """Hourly weather of Seoul, a column each: temperature (degC), rain (mm), humidity (%), snow lying (cm).

    Rain and snow rule of this source (KMA): empty means that there was none.
    """
    import pandas as pd

    table = pd.read_csv(path, encoding="utf-8-sig", parse_dates=["일시"])
    _has(table, SKY, path)
    table = table.set_index("일시")[list(SKY)].rename(columns=SKY).astype("float64")
    return table.fillna({"rain": 0.0, "snow": 0.0})


def unwindowed(path: Path):
    """(hours, 24) counts from sliding windows of 24 hours and the hour after each.

    The source cut its rows, sorted by time, into train, val and test, and in each part made windows spot after spot.
    Cuts fall amid the spots of one hour, so a spot's windows are told apart by where one no longer continues the last.
    """
    import numpy as np

    columns = [[] for _ in SPOTS]
    with np.load(path, allow_pickle=False) as archive:
        for part in ("train", "val", "test"):
            inputs, following = archive[f"X_{part}"][:, :, 0], archive[f"y_{part}"][:, 0]
            goes_on = (inputs[1:, :-1] == inputs[:-1, 1:]).all(axis=1) & (inputs[1:, -1] == following[:-1])
            starts = np.concatenate([[0], np.flatnonzero(~goes_on) + 1, [len(inputs)]])
            if len(starts) != len(SPOTS) + 1:
                raise DataError(f"{path}: {part} holds windows of {len(starts) - 1} spots, expected {len(SPOTS)}")
            for column, a, b in zip(columns, starts, starts[1:], strict=False):
                column += [inputs[a], following[a:b]]
    return np.column_stack([np.concatenate(column) for column in columns]).astype(np.float64)


# --- bikes


def bike(files: list[Path], sha256: str, source: str):
    """Hourly bikes rented in all of Seoul over one year, and the weather as observed columns.

    Zero rule of this source: on a day that is no Functioning Day the count 0 is missing; else 0 bikes are 0 bikes.
    """
    import pandas as pd

    from ..frame import Header, SeriesFrame

    table = pd.read_csv(files[0], encoding="utf-8-sig")
    _has(table, ["Date", "Hour", BIKE, "Functioning Day", *BIKE_SKY], files[0])
    closed = table["Functioning Day"] == "No"
    times = pd.to_datetime(table["Date"], format="%d/%m/%Y") + pd.to_timedelta(table["Hour"], unit="h")
    long = pd.DataFrame({"time": times, "series": "Seoul", "value": table[BIKE].astype("float64").mask(closed)})
    for column, name in BIKE_SKY.items():
        long[name] = table[column].astype("float64")
    days = times[closed].dt.normalize().nunique()
    header = Header(
        name="seoul-bike", unit="bikes/h", frequency="h", season=168, L=168, H=24, split="weeks", country="KR",
        kind="traffic", sha256=sha256, source=f"Seoul public bikes, UCI Seoul Bike Sharing Demand by way of {source}",
        licence="none stated in the repository; UCI offers the set under CC BY 4.0 (look there)",
        note=f"{closed.sum()} hours on {days} days without service (Functioning Day = No) hold 0: missing. Elsewhere "
             f"0 would be no bike rented ({(long['value'] == 0).sum()} hours). The weather is only observed: it may be "
             "used once it has happened. One year: no season is seen twice.")  # fmt: skip
    return SeriesFrame(header, long, dict.fromkeys(BIKE_SKY.values(), "observed")).check()


# --- subway


def subway(files: list[Path], sha256: str, source: str):
    """Daily boardings at the "line|station" that have a count on every day, from the derived table or monthly files.

    Both give the identical frame. Left out: stations that opened, closed or changed their name on the way.
    """
    from ..changes import renames
    from ..frame import Header, from_wide

    wide = boardings(files)
    complete = wide.columns[wide.notna().all()]
    renamed = renames(wide.drop(columns=complete))
    header = Header(
        name="seoul-subway", unit="passengers/day", frequency="D", season=7, L=56, H=14, country="KR", kind="traffic",
        sha256=sha256, source=f"Seoul Open Data Plaza OA-12914 by way of {source}",
        licence="none stated in the repository; underlying data: Seoul Open Data Plaza OA-12914",
        note=f"Boardings only. {len(complete)} of {wide.shape[1]} columns line|station are complete and kept, "
             f"{wide.shape[1] - len(complete)} are left out: {2 * len(renamed)} of them look like {len(renamed)} "
             f"stations renamed ({_some(renamed)}), the others opened, closed or are counted on some days only. "
             f"Test begins on {wide.index[-int(0.2 * len(wide))]:%Y-%m-%d}: most of it is the pandemic.")  # fmt: skip
    return from_wide(header, wide[complete].copy())


def boardings(files: list[Path]):
    """(days, line|station) passengers from the one derived table or from CARD_SUBWAY_MONTH files; NaN = no row.

    Of rows given twice for a day, line and station the last is kept. Columns are sorted by name.
    """
    import pandas as pd

    if len(files) == 1 and files[0].name.endswith(".csv.gz"):
        wide = pd.read_csv(files[0], index_col=0, parse_dates=True, encoding="utf-8-sig")
    else:
        rows = pd.concat([_month(path) for path in files], ignore_index=True)
        wide = rows.drop_duplicates(["day", "series"], keep="last").pivot(index="day", columns="series", values="on")
    wide = wide.astype("float64").sort_index().sort_index(axis=1)
    return wide.rename_axis(index="time", columns="series")


def _month(path: Path):
    """Rows day, series, on of one CARD_SUBWAY_MONTH file."""
    import pandas as pd

    columns = [SUBWAY_DAY, SUBWAY_LINE, SUBWAY_STATION, SUBWAY_ON]
    head = pd.read_csv(path, encoding="utf-8-sig", nrows=0)
    _has(head, columns, path)
    rows = pd.read_csv(path, encoding="utf-8-sig", usecols=columns, index_col=False, dtype={SUBWAY_DAY: str})
    series = rows[SUBWAY_LINE].str.strip() + "|" + rows[SUBWAY_STATION].str.strip()
    days = pd.to_datetime(rows[SUBWAY_DAY], format="%Y%m%d")
    return pd.DataFrame({"day": days, "series": series, "on": rows[SUBWAY_ON].astype("float64")})


def _some(renamed: list) -> str:
    """How many were renamed on which day."""
    days = [f"{day:%Y-%m-%d}" for *_, day in renamed]
    return ", ".join(f"{days.count(day)} on {day}" for day in dict.fromkeys(days)) or "none"


def _has(table, columns, path: Path) -> None:
    if missing := [name for name in columns if name not in table]:
        raise DataError(f"{path}: there is no column {', '.join(missing)}; found {', '.join(table.columns)}")
