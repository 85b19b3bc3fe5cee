"""What a network is told beside its window, as words after its name: 'nbeats@own' is N-BEATS with a table per series.

So that no technique is credited with information, and the other way round: same family, one thing told or not.
"""

KNOWS = {  # word: (fields of the config, what it means)
    "own": ({"table": "own"}, "the usual week of each series"),
    "shared": ({"table": "shared"}, "one usual week for all series"),
    "none": ({"table": "none"}, "no usual week"),
    "fixed": ({"trained": False}, "the usual week as train has it, not trained along"),
    "anonymous": ({"embedded": 0}, "not which series it is"),
    "weekdays": ({"special": False}, "no kinds of special days"),
    "sampled": ({"looks": 4}, "the calendar of four steps of the horizon"),
    "dateless": ({"F": 0}, "no calendar as input"),
    "window": ({"scale": "window"}, "scaled by each window"),
    "train": ({"scale": "train"}, "scaled by train alone"),
}
NEEDS = {"anonymous": "identity"}  # word: capability (CAN) of the families that it makes a difference to
SHORT = {  # how figures and sentences call it: 'nbeats (own week)'
    "own": "own week", "shared": "one week", "none": "no week", "fixed": "fixed week", "anonymous": "anonymous",
    "weekdays": "weekdays only",
    "sampled": "sampled calendar", "dateless": "no calendar", "window": "window's scale", "train": "train's scale",
}  # fmt: skip
