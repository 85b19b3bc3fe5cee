"""Files that are whole or not there: written to a temporary name, then renamed. What `kill -9` leaves can be read."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends well, and is gone if it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, body: dict) -> None:
    """Replace a JSON file. What JSON does not know (a path, a date) is written as text."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(body, indent=1, ensure_ascii=False, default=str), encoding="utf-8")


def read_json(path: Path) -> dict:
    """The JSON object in a file; {} where there is none or only half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def hashed(value) -> str:
    """sha256 of anything JSON-able."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def sha256(path: Path) -> str:
    """sha256 of a file's bytes; '' where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
