"""What the command lines of this package share."""

import sys
from collections.abc import Callable

from ..errors import LitecastError


def printed(work: Callable[[], object]) -> int:
    """Prints what it returns, or, without a traceback, the error that a user can act on. The exit status."""
    try:
        print(work())
    except LitecastError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
