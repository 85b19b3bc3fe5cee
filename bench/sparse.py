"""From how many zeros on a sparse product pays: `python bench/sparse.py [--small]` prints two Markdown tables.

The two largest matrices of each family at its middle and its widest width (hourly demand, L 168, H 24), drawn weights
of which the largest, or the blocks of the largest means, stay; one thread, one forecast of one series (columns: how
many inputs meet a matrix at once), all formats of a matrix and density in turns. In each cell the call from Python /
the kernel alone, the call on an empty matrix taken off. First the share of zeros from which on a format is quicker than
numpy and torch on all weights; second how many times quicker, at each share. --small: one family, few runs.
"""

import argparse

import torch

from litecast import models
from litecast.compress import matrices, sparse_products
from litecast.compress.sparse_products import BLOCKS, DENSE, DENSITIES
from litecast.data import load, windows

FAMILIES, MOST, RUNS = ("nbeats", "lstm", "resnet1d", "profile_mlp", "patchtst"), 2, 1000
FORMATS = ("csr", *(f"bsr {size}" for size in BLOCKS))


def main(small: bool) -> None:
    data, found = windows.prepare(load("sample-traffic")), {}
    for family in FAMILIES[-1:] if small else FAMILIES:
        sizes = models.module(family).WIDTHS
        for width in dict.fromkeys((sizes[len(sizes) // 2], sizes[-1])):
            for shape, (name, weight, columns) in largest(models.build(family, width, data)).items():
                table = sparse_products.timed(weight, columns, runs=5 if small else RUNS)
                found[f"{family} {width} {name} | {shape} | {columns}"] = table
    print(f"{torch.__version__}, one thread\n\n| pays from | shape | columns | dense µs | {' | '.join(FORMATS)} |")
    print("|---|---|---:|---:|" + "---:|" * len(FORMATS))
    for what, table in found.items():
        pays, kernel = sparse_products.pays(table), sparse_products.pays(table, "kernel_quicker")
        print(f"| {what} | {dense(table, 'us'):.1f} / {dense(table, 'kernel_us'):.1f} | "
              + " | ".join(f"{told(pays[form])} / {told(kernel[form])}" for form in FORMATS) + " |")
    print("\n| times quicker | shape | columns | format |" + "".join(f" {1 - density:.0%} |" for density in DENSITIES))
    print("|---|---|---:|---|" + "---:|" * len(DENSITIES))
    for what, table in found.items():
        for form in FORMATS:
            lines = table[table.format == form].itertuples()
            print(f"| {what} | {form} | "
                  + " | ".join(f"{line.quicker:.2f} / {line.kernel_quicker:.2f}" for line in lines) + " |")


def dense(table, column: str) -> float:
    """Microseconds of the quicker way to multiply all weights, the median over densities."""
    return table[table.format.isin(DENSE)].groupby("density")[column].min().median()


def told(share: float) -> str:
    return f"{share:.0%}" if share == share else "never"


def largest(model) -> dict:
    """Shape -> (name, weight, columns) of its largest matrices, of each shape one."""
    columns, found = sparse_products.layers(model), {}
    for name, weight in sorted(matrices.of(model).items(), key=lambda item: -item[1].numel()):
        if name in columns:
            found.setdefault("x".join(map(str, weight.flatten(1).shape)), (name, weight, columns[name]))
    return dict(list(found.items())[:MOST])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="one family, few runs")
    main(parser.parse_args().small)
