"""English: how numbers, plurals, lists, dates and headings are written."""

PERCENT = "\u00a0%"


def count(number: int, noun: str, nouns: str = "") -> str:
    """'3 files'; nouns: the plural, if it is not the noun and an s."""
    return f"{number} " + (noun if number == 1 else nouns or f"{noun}s")


def listed(values: list[str]) -> str:
    """'4, 16 and 64'."""
    *first, last = values
    return f"{', '.join(first)} and {last}" if first else last


def shortened(values: list[str], more: int) -> str:
    """'a, b and 3 more'."""
    return ", ".join(values) + (f" and {more} more" if more else "")


def title(text: str) -> str:
    """With a capital letter, but for a name such as int8, which is written as it is."""
    return text if any(map(str.isdigit, text.split()[0])) else text[:1].upper() + text[1:]


def date(day: str) -> str:
    return day
