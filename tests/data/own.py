"""What the tests of own files share: rows of made-up tables, and where they are put."""

import pandas as pd
from hypothesis import HealthCheck, settings

SHORT = "L: 4\nH: 2\n"  # 20 steps are enough
HOURS = pd.date_range("2024-01-01", periods=48, freq="h")
DAYS = pd.date_range("2024-01-01", periods=60)


def examples(count):
    """So many random examples, all in one temporary folder: each writes its files anew."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def lines(times=HOURS, form="%Y-%m-%d %H:%M", value=lambda i: f"{i},{i / 2}", header="time,a,b"):
    return [header] + [f"{time.strftime(form)},{value(i)}" for i, time in enumerate(times)]


def one(times, form="%Y-%m-%d %H:%M", header="time,a"):
    return lines(times, form, lambda i: f"{i}", header)


def put(folder, text, settings=SHORT, encoding="utf-8", name="my.csv"):
    text = "\n".join(text) + "\n" if isinstance(text, list) else text
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    if settings is not None:
        (folder / "my.yaml").write_text(settings, encoding="utf-8")
    return path


def replaced(text, line, new):
    """The same lines with one (counted from 1) replaced."""
    return [*text[: line - 1], new, *text[line:]]
