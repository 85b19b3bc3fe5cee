"""Result rows: what a run writes, how a study collects them, what is chosen among them, and statistics."""

from litecast.results.choice import (
    BUDGETS_KB,
    GROUP,
    NEAR_BEST,
    PUBLISHED,
    TOLERANCE,
    front,
    has_skill,
    headline,
    is_compact,
    is_dense,
    is_valid,
    kinds,
    means,
    reference,
    select,
)
from litecast.results.rows import COLUMNS, INTEGERS, STORED, TEXT, read, row_id, slug, typed, write_csv
from litecast.results.run import Run
from litecast.results.study import collect, current_runs, forecasts, losses

__all__ = [
    "BUDGETS_KB", "COLUMNS", "GROUP", "INTEGERS", "NEAR_BEST", "PUBLISHED", "STORED", "TEXT", "TOLERANCE",
    "Run", "collect", "current_runs", "forecasts", "front", "has_skill", "headline", "is_compact", "is_dense",
    "is_valid", "kinds", "losses", "means", "read", "reference", "row_id", "select", "slug", "typed",
    "write_csv",
]
