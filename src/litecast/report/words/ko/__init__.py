"""Korean: how numbers, counts, lists, dates and headings are written. There is no plural; a noun stands before its
number, and a counter behind it."""

from re import sub

PERCENT = "%"


def count(number: int, counter: str = "개") -> str:
    """'3개'."""
    return f"{number}{counter}"


def listed(values: list[str]) -> str:
    """'4, 16, 64'."""
    return ", ".join(values)


def shortened(values: list[str], more: int) -> str:
    """'a, b 외 3개'."""
    return ", ".join(values) + (f" 외 {more}개" if more else "")


def title(text: str) -> str:
    return text


def date(day: str) -> str:
    """'2024-01-05' -> '2024. 1. 5.'; what is no date, as the number of a step, stays."""
    return sub(r"^(\d{4})-0?(\d+)-0?(\d+)$", r"\1. \2. \3.", day)
