"""The one progress bar of notebooks: while it runs it can be seen, afterwards nothing of it is left in the page."""

import io
import sys
from collections.abc import Iterable

from tqdm import tqdm


def bar(iterable: Iterable, what: str = "") -> Iterable:
    """The same items with a bar that vanishes at the end. In a Jupyter kernel it is one output that is updated: what
    is printed meanwhile would cut a bar on stderr into lines of blocks that stay."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if hasattr(shell, "kernel"):
        return _Shown(iterable, desc=what, leave=False, file=io.StringIO(), ascii=False, ncols=80)
    return tqdm(iterable, desc=what, leave=False)


class _Shown(tqdm):
    """A bar in an output of its own; tqdm itself writes into a text that nobody reads."""

    handle = None

    def display(self, msg=None, pos=None) -> None:
        from IPython.display import display

        text = {"text/plain": str(self) if msg is None else msg}
        if self.handle is None:
            self.handle = display(text, raw=True, display_id=True)
        else:
            self.handle.update(text, raw=True)
