"""Chains of techniques: what each step made of bytes and errors, and the same steps in other orders.

A row's parent_id says what it was made from, its route what was done; nothing is read from names.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import pandas as pd

from litecast.results.choice import GROUP, is_technique, means, own

KEY = [*GROUP, "level", "control"]
STEPS = """dataset model chain step technique amount variant row_id bytes val_wape test_wape train_macs times change
run""".split()
ORDERS = "dataset model steps order variant row_id bytes val_wape test_wape train_macs smallest best run".split()


def waterfalls(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each file on the way of a chain, from dense (step 0) to the last: STEPS; means over seeds.

    chain: its whole route, with criteria and teachers where another of the network differs by these alone. technique,
    amount: what the step did, at which level; '' and the same step again where the last one's files are stored in
    another way: its smallest. times: smaller than the file before; change: of the test WAPE against it, relative. A
    chain that another one goes on from is told there.
    """
    files, keys = means(own(rows)), rows.set_index("row_id")[KEY]
    named = files.set_index(KEY)
    lines = []
    for chain, ends in _told_apart(_ends(files)):
        if set(ends.row_id) & _started(rows):
            continue
        way, at = [], ends.iloc[0]
        while at is not None:
            way.insert(0, at)
            parent = at.parent_id if is_technique(at.to_frame().T).iloc[0] else ""
            at = named.loc[[tuple(keys.loc[parent])]].reset_index().iloc[0] if parent in keys.index else None
        lines += _told(chain, way, ends.sort_values("bytes").iloc[0])
    return pd.DataFrame(lines, columns=STEPS)


def orders(rows: pd.DataFrame) -> pd.DataFrame:
    """The same steps one after the other in different orders: ORDERS, the smallest file of each; means over seeds.

    steps: what was done, sorted; order: the route. smallest, best: has it, of its orders, the fewest bytes, the lowest
    validation WAPE? Steps that were tried in a single order are left out.
    """
    lines = []
    for route, ends in _ends(means(own(rows))):
        done = _steps(route)
        lines.append(ends.sort_values(["bytes", "val_wape"]).iloc[0].to_dict()
                     | {"steps": " + ".join(sorted(done)), "order": " > ".join(done)})
    table = pd.DataFrame(lines, columns=[*ORDERS[:-3], "run"])
    alike = table.groupby(["dataset", "model", "steps"])
    table["smallest"] = table.bytes == alike.bytes.transform("min")
    table["best"] = table.val_wape == alike.val_wape.transform("min")
    several = alike.order.transform("nunique") > 1
    return table[several].sort_values(["dataset", "model", "steps", "order"], ignore_index=True)[ORDERS]


def _told_apart(chains: Iterable[tuple[str, pd.DataFrame]]) -> Iterator[tuple[str, pd.DataFrame]]:
    """The same chains by names of their own: 'cut 0.5-l2 > bits 4-lsq' where several of a network have one route."""
    chains = [(route, ends.iloc[0], ends) for route, ends in chains]
    alike = Counter((last.dataset, last.model, route) for route, last, _ in chains)
    for route, last, ends in chains:
        steps = zip(last.technique.split("+"), last.level.split("+"), strict=True)
        name = " > ".join(map(" ".join, steps)) + f"-{last.variant.rpartition('-')[0].replace('+', ',')}"
        yield name if alike[last.dataset, last.model, route] > 1 else route, ends


def _ends(files: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(Route, files of its last step by one criterion, the largest first) of every chain."""
    last = files[is_technique(files) & (files.control == "") & files.technique.str.contains("+", regex=False)]
    criterion = last.variant.map(lambda variant: variant.rpartition("-")[0])
    keys = ["dataset", "model", "technique", "level", "route", criterion]  # a level names its steps' criteria, too
    for (*_, route, _), ends in last.groupby(keys, sort=False):
        yield route, ends.sort_values("bytes", ascending=False, kind="stable")


def _started(rows: pd.DataFrame) -> set[str]:
    """row_ids from which a step of a chain went on."""
    rows = own(rows)
    return set(rows.parent_id[is_technique(rows) & rows.technique.str.contains("+", regex=False)])


def _steps(route: str) -> list[str]:
    """'a 0.5 > a 0.8 > b 4' -> ['a 0.8', 'b 4']: of a technique that goes on from its own levels the last."""
    steps = route.split(" > ")
    return [step for step, after in zip(steps, [*steps[1:], ""], strict=True) if step.split()[0] != after.split(" ")[0]]


def _told(chain: str, way: list[pd.Series], smallest: pd.Series) -> list[dict]:
    """Lines of STEPS of the files on a way, then of another storage of the last one, if that is smaller."""
    lines = []
    for step, file in enumerate([*way, smallest] if smallest.bytes < way[-1].bytes else way):
        again = step == len(way)
        did, _, amount = file.route.split(" > ")[-1].partition(" ") if file.route and not again else ("", "", "")
        line = file.to_dict() | {"chain": chain, "step": step, "technique": did, "amount": amount}
        if lines:
            line |= {"times": lines[-1]["bytes"] / file.bytes, "change": file.test_wape / lines[-1]["test_wape"] - 1}
        lines.append(line)
    return lines
