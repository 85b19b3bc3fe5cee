"""Codes -1, 0 and 1, five a byte in base 3 (1.6 bits a weight), with one scale or a pair of scales per group.

Zhu et al., "Trained ternary quantization", ICLR 2017, for the pairs; groups as in `_groups`.
"""

import numpy as np

from litecast.errors import ModelFileError

from . import _groups
from .quantised import Quantised

HOLDS = "scale"
META = _groups.META
POWERS = 3 ** np.arange(5)  # of the codes of one byte, the first counts least


def encode(held: Quantised, groups: dict) -> tuple[bytes, dict]:
    codes = held.codes.ravel()
    if codes.size and not -1 <= codes.min() <= codes.max() <= 1:
        raise ModelFileError("codec ternary: codes must be -1, 0 or 1")
    head, meta = _groups.write(held)
    padded = np.zeros(-(-codes.size // 5) * 5, np.int64)
    padded[: codes.size] = codes.astype(np.int64) + 1
    return head + (padded.reshape(-1, 5) @ POWERS).astype(np.uint8).tobytes(), groups | meta


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    rest, fields = _groups.read(stream, meta, place, -(-place.size // 5))
    octets = np.frombuffer(rest, np.uint8)
    if octets.size and octets.max() >= 3**5:
        raise ModelFileError("codec ternary: a byte holds no five codes; the file is damaged")
    digits = octets[:, None] // POWERS.astype(np.uint8) % np.uint8(3)
    return Quantised(digits.ravel()[: place.size].astype(np.int8) - 1, **fields)
