"""Files that are whole or not there: written to a temporary name, then renamed. What `kill -9` leaves can be read."""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from litecast.errors import WriteError

# Why nothing can be written, and what to do about it.
_REFUSED = {
    errno.ENOSPC: ("the disk is full", "Free some space"),
    errno.EDQUOT: ("your quota on this disk is used up", "Free some space, or ask for more"),
    errno.EFBIG: ("the file would be larger than is allowed here", "Ask for a higher limit"),
    errno.EROFS: ("the file system is read-only", "Choose another folder (LITECAST_REPORTS, LITECAST_DATA)"),
    errno.EACCES: ("you may not write there", "Change its permissions, or choose another folder (LITECAST_REPORTS, "
                                              "LITECAST_DATA)"),
    errno.ENAMETOOLONG: ("its name is too long", "Give the dataset or the study a shorter one"),
    errno.ENOTDIR: ("a part of its path is a file, not a folder", "Move that file away"),
    errno.EIO: ("the disk does not answer", "Look at the disk"),
}  # fmt: skip
_LONGEST = 240  # bytes of a file's name, of the 255 that file systems have, beside what is put around it
_REFUSED[errno.EPERM] = _REFUSED[errno.EACCES]


def refusal(error: OSError, path: Path | str | None = None) -> str:
    """Why a file could not be written and what to do, in a sentence; '' for an error that says nothing about that."""
    if error.errno not in _REFUSED:
        return ""
    why, do = _REFUSED[error.errno]
    return f"{path or error.filename or 'a file'} cannot be written: {why}. {do}; what was finished is kept"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends well, and is gone if it does not.

    Raises WriteError where the disk is full, read-only or not the user's.
    """
    temporary = path.with_name(f".{short(path.name, _LONGEST)}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        mine = error.filename is None or Path(os.fsdecode(error.filename)) in (temporary, path, *path.parents)
        if not mine or not (said := refusal(error, path)):
            raise
        raise WriteError(said) from error
    finally:
        with contextlib.suppress(OSError):
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


def short(name: str, most: int) -> str:
    """A name of at most so many bytes of UTF-8: cut, with the beginning of its hash in place of the rest."""
    if len(name.encode()) <= most:
        return name
    kept = name.encode()[: most - 9].decode(errors="ignore")
    return f"{kept.rstrip('-')}-{hashed(name)[:8]}"


def hashed(value) -> str:
    """sha256 of anything JSON-able."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def sha256(path: Path) -> str:
    """sha256 of a file's bytes; '' where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
