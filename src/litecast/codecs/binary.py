"""Codes -1 and 1, one bit each, with one scale or a pair of scales per group (`_groups`).

Alone it holds signs, in `sparse` what ternary quantisation leaves beside zero.
"""

from . import _alphabet, _groups

HOLDS = "scale"
META = _groups.META
encode, decode = _alphabet.codec(-1, 1)
