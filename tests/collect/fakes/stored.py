"""What a collection of prices holds, in forms that tests compare."""

from litecast import paths


def snapshot(name: str = "my-stocks") -> dict:
    """File -> (bytes, when it was written), of the folder of a collection."""
    folder = paths.data_dir() / "store" / name
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.glob("*"))}


def closes(table) -> list:
    """(day, close, volume, value) of each row."""
    return [(row.time.date(), row.close, row.volume, row.value) for row in table.itertuples()]
