"""Codes -1, 0 and 1, five a byte in base 3 (1.6 bits a weight), with one scale or a pair of scales per group.

Zhu et al., "Trained ternary quantization", ICLR 2017, for the pairs; groups as in `_groups`.
"""

from . import _alphabet, _groups

HOLDS = "scale"
META = _groups.META
encode, decode = _alphabet.codec(-1, 0, 1)
