"""A figure in another language. It is drawn in the language of the package and its words are exchanged afterwards, so
that no run has to be made again, and no other figure is touched, for a language more."""

import textwrap
from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import Formatter

WIDER = 1.6  # letters of a wide script take so many times the room


def translate(figure: Figure, say: Callable[[str], str]) -> Figure:
    """The same figure: titles, labels, legends, remarks and ticks are what `say` makes of them."""
    for text in figure.findobj(Text):
        text.set_text(_broken(text.get_text(), say))
    for axis in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        if not isinstance(axis.get_major_formatter(), Ticks):
            axis.set_major_formatter(Ticks(axis.get_major_formatter(), say))
    return figure


def _broken(text: str, say: Callable[[str], str]) -> str:
    """In lines, if it was in lines, of about their length."""
    lines = text.split("\n")
    width = max(2, int(max(map(len, lines)) / WIDER))
    return textwrap.fill(say(text), width, break_long_words=False) if len(lines) > 1 else say(text)


class Ticks(Formatter):
    """Ticks of another formatter, in another language."""

    def __init__(self, own: Formatter, say: Callable[[str], str]):
        self.own, self.say = own, say

    def __call__(self, value, position=None) -> str:
        return _broken(self.own(value, position), self.say)

    def set_locs(self, locs) -> None:
        self.own.set_locs(locs)
