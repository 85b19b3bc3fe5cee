"""What a family says of itself is true, and in words that techniques know."""

import pytest

from litecast import catalogue, models
from litecast.data import load, windows


@pytest.mark.parametrize("name", models.names())
def test_a_family_can_what_it_says(name):
    family = models.module(name)
    assert set(family.CAN) <= set(models.CAPABILITIES)
    assert ("width" in family.CAN) == (len(family.WIDTHS) > 1)
    model = models.build(name, family.WIDTHS[0], windows.prepare(load("sample-traffic")))
    assert ("units" in family.CAN) == bool(model.units())
    assert ("blocks" in family.CAN) == (model.stack() is not None)
    assert ("recurrent" in family.CAN) == any(hasattr(part, "weight_hh_l0") for part in model.modules())


def test_techniques_need_what_a_family_can():
    for technique, words in catalogue.members("compress", "LEVELS", "VARIANTS").items():
        assert set(words["FITS"]) <= set(models.CAPABILITIES), technique
        own = words.get("FITS_OF", {})
        fits = {*(words["FITS"] or models.CAPABILITIES)}  # () = any network; a variant may still need something
        assert set(own) <= set(words["VARIANTS"]) and fits >= {can for fits in own.values() for can in fits}
        assert list(words["LEVELS"]) == sorted(words["LEVELS"]) and isinstance(words["LEVEL"], str)
        assert isinstance(words["CONTROLS"], dict) and set(words["STORAGES"].values()) <= {"torch", "onnxruntime"}
