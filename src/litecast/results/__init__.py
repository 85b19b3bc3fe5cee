"""Result rows: what a run writes, how a study collects them, what is chosen among them, and statistics."""
# ruff: noqa: F401, I001  (what the package offers, a few lines a module)

from litecast.results.rows import COLUMNS, INTEGERS, STORED, TEXT, read, row_id, slug, typed, write_csv
from litecast.results.run import Run
from litecast.results.choice import BUDGETS_KB, COMMITTEE, GROUP, LONGER, NEAR_BEST, NEAR_WIDTH, ORACLE
from litecast.results.choice import PUBLISHED, REFERENCE, TOLERANCE, candidates, chosen, family, foresight, front
from litecast.results.choice import function, has_skill
from litecast.results.choice import headline, in_one_runtime, is_compact, is_dense, is_free, is_valid, kinds, means
from litecast.results.choice import is_technique, members, near, on_ordinary_days, own, reference, regrets
from litecast.results.choice import representatives, select, small_files, smallest, techniques_front, within
from litecast.results.study import bands, collect, current_runs, forecasts, local, losses, transfers
