"""Errors that say what is wrong, where, and what to do."""


class LitecastError(Exception):
    """Anything a user can act on; shown without a traceback on the command line."""


class DataError(LitecastError):
    """A series file or source is not what it claims to be: names file, row and rule."""


class StudyError(LitecastError):
    """A study file breaks a rule: names the key, the rule and the nearest valid word."""


class ModelFileError(LitecastError):
    """A model file is truncated, corrupted, foreign or newer than this version."""


class TooFewWindows(LitecastError):
    """Too little data for what a run would train: it ends here, done, with this as its note instead of rows."""

    def _render_traceback_(self) -> list[str]:  # IPython's hook: a note needs no traceback
        return [str(self)]


class RunError(LitecastError):
    """A run cannot start or go on: names the run and what it misses."""


class WriteError(LitecastError, OSError):
    """A file could not be written: names it, why, and what to do. Nothing of it is there."""
