"""What a network is told stands after its name; a study may only ask for what a family can be told."""

from litecast import catalogue, models


def test_every_family_can_be_told_the_usual_week_and_only_those_with_an_embedding_forget_the_series():
    known = catalogue.networks()
    assert {f"{name}@own" for name in models.names()} <= set(known)
    anonymous = {name for name in known if name.endswith("@anonymous")}
    assert "profile_mlp@anonymous" in anonymous and "nbeats@anonymous" not in anonymous
    for name in models.names():
        has = "embedded" in models.module(name).Config.__dataclass_fields__ and "identity" in models.module(name).CAN
        assert (f"{name}@anonymous" in anonymous) == has


def test_a_network_that_is_told_more_is_trained_by_the_notebook_of_its_family():
    known = catalogue.networks()
    assert known["lstm@own"] == known["lstm"] and models.stage("lstm@own") == models.stage("lstm")
