"""The languages that a report can be written in: a folder of `words` each. Nothing heavy is imported."""

from pathlib import Path

from litecast.errors import RunError

FIRST = "en"  # that of the notebooks and of the package; its report is named after no language
FOLDER = Path(__file__).parent / "words"


def known() -> list[str]:
    return sorted(path.parent.name for path in FOLDER.glob("*/tables.yaml"))


def checked(language: str) -> str:
    """The language itself. Raises RunError, which lists those there are, for one without a folder."""
    if language not in known():
        raise RunError(f"a report cannot be written in {language!r}: choose one of {', '.join(known())}, or add the "
                       f"folder {FOLDER.name}/{language or '<language>'} beside theirs")
    return language


def stem(language: str) -> str:
    """What a report's files are called: 'report', 'report.ko'."""
    return "report" if language == FIRST else f"report.{language}"
