"""What codecs cost: seconds to encode and decode a million weights, and bytes beside what others make of the codes.

`python bench/codecs.py [--small]` prints Markdown tables; --small: a hundredth of the weights.

Weights are drawn: rate-trained codes (mostly 0, then ±1), 4-bit codes of a Laplace distribution, the same with 90 %
zeros, and 16 clusters. Beside the codecs stand the order-0 entropy of the codes, zlib on bytes of a code each, and a
peer range coder that is given the frequencies (constriction, if installed), both without the table or the scales that a
file needs. Seconds are of this process alone, whatever else the machine does.
"""

import argparse
import time
import zlib

import numpy as np

from litecast import codecs
from litecast.codecs import Quantised, entropy

FEW, MANY = 3000, 1_000_000
INTN = {"codec": "intn", "bits": 4}
CODED = [{"codec": "entropy"}, {"codec": "huffman"}]


def main(small: bool) -> None:
    for size in (FEW, MANY // 100 if small else MANY):
        print(f"{size} weights\n")
        print("| codes | codec | bytes | ÷ entropy | encode s | decode s |")
        print("|---|---|---:|---:|---:|---:|")
        for name, (held, specs) in kinds(size).items():
            table(name, held, specs)
        print()


def kinds(size: int) -> dict[str, tuple[Quantised, list]]:
    draw, shape = np.random.default_rng(0), (size // 50, 50)
    rate = np.rint(draw.laplace(0, 0.5, shape)).astype(np.int8)
    four = np.clip(np.rint(draw.laplace(0, 1.5, shape)), -7, 7).astype(np.int8)
    clusters = np.clip(np.rint(draw.normal(8, 2.5, shape)), 0, 15).astype(np.uint8)
    pruned = Quantised(np.where(draw.random(shape) < 0.9, 0, four), 0.5)
    sparse = [{"codec": "sparse", "values": INTN}, {"codec": "sparse", "values": CODED[1], "coder": "huffman"},
              {"codec": "sparse", "values": CODED[0], "coder": "entropy"}]  # fmt: skip
    return {
        "rate-trained": (Quantised(rate, 0.5), [{"codec": "intn", "bits": 8}, *CODED]),
        "4 bits": (Quantised(four, 0.5), [INTN, *CODED]),
        "90 % zeros": (pruned, [*sparse, *CODED]),
        "16 clusters": (Quantised(clusters, table=np.linspace(-1, 1, 16)), [{"codec": "codebook"}, *CODED]),
    }


def table(name: str, held: Quantised, specs: list) -> None:
    least = entropy.bits(held.codes) / 8
    print(f"| {name} | *order-0 entropy* | {least:.0f} | 1 | | |")
    for spec in specs:
        begin = time.process_time()
        stream, meta = codecs.encode(held, spec)
        middle = time.process_time()
        back = codecs.decode(stream, meta, held.shape)
        seconds = middle - begin, time.process_time() - middle
        assert np.array_equal(back, held.values())
        words = spec["codec"] + (f" of {spec['values']['codec']}" if "values" in spec else "")
        print(f"| {name} | {words} | {len(stream)} | {len(stream) / least:.3f} | {seconds[0]:.2f} | {seconds[1]:.2f} |")
    octets = (held.codes.astype(int) - int(held.codes.min())).ravel()
    others = {"zlib": len(zlib.compress(octets.astype(np.uint8).tobytes(), 9)), "constriction": peer(octets)}
    for other, size in others.items():
        if size:
            print(f"| {name} | *{other}* | {size} | {size / least:.3f} | | |")


def peer(octets: np.ndarray) -> int | None:
    """Bytes of a range coder that knows the frequencies, which a file would have to hold as well."""
    try:
        import constriction
    except ImportError:
        return None
    model = constriction.stream.model.Categorical(np.bincount(octets) / len(octets), perfect=False)
    coder = constriction.stream.queue.RangeEncoder()
    coder.encode(octets.astype(np.int32), model)
    return coder.get_compressed().nbytes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true")
    main(parser.parse_args().small)
