"""The convolutional families: sums written out layer by layer, what each idea saves, and what all of them promise."""

import pytest
import torch
from torch import nn

from litecast import modelfile, models
from litecast.experiment import ideas
from litecast.models import convnet, squeezenet_late
from litecast.training import cost

L, H, F, WIDTH = 168, 24, 6, 8
P = 28  # positions behind the stem (168 / 6); 14 behind the down-sampling
# Of the body at width 8: weights that run on 28 positions, on 14, biases, channels it ends with.
BODIES = {
    "resnet_plain": (2 * 3 * 8 * 8, 3 * 8 * 16 + 3 * 16 * 16 + 8 * 16 + 2 * 3 * 16 * 16, 2 * 8 + 3 * 16 + 2 * 16, 16),
    "plain_net": (2 * 3 * 8 * 8, 3 * 8 * 16 + 3 * 16 * 16 + 2 * 3 * 16 * 16, 2 * 8 + 2 * 16 + 2 * 16, 16),
    "resnet_deep": (3 * 2 * 3 * 8 * 8, 3 * 8 * 16 + 3 * 16 * 16 + 8 * 16 + 5 * 2 * 3 * 16 * 16, 6 * 8 + 13 * 16, 16),
    "plain_deep": (3 * 2 * 3 * 8 * 8, 3 * 8 * 16 + 3 * 16 * 16 + 5 * 2 * 3 * 16 * 16, 6 * 8 + 12 * 16, 16),
    "resnet_bottleneck": (8 * 2 + 3 * 2 * 2 + 2 * 8 + 8 * 4,  # the strided block is narrowed before its stride
                          3 * 4 * 4 + 4 * 16 + 8 * 16 + 16 * 4 + 3 * 4 * 4 + 4 * 16,
                          (2 + 2 + 8) + (4 + 4 + 16 + 16) + (4 + 4 + 16), 16),
    "densenet": (3 * 4 * (8 + 12 + 16), 20 * 8 + 3 * 4 * (8 + 12 + 16), 3 * 4 + 8 + 3 * 4, 20),
    "squeezenet_late": ((8 * 2 + 2 * 4 + 3 * 2 * 4) + (8 * 4 + 4 * 8 + 3 * 4 * 8) + (16 * 4 + 4 * 8 + 3 * 4 * 8), 0,
                        (2 + 8) + (4 + 16) + (4 + 16), 16),
    "squeezenet_early": (0, 48 + 160 + 192, 10 + 20 + 20, 16),
    "mobilenet_v1": (3 * 8 + 8 * 8, (3 * 8 + 8 * 16) + (3 * 16 + 16 * 16), (8 + 8) + (8 + 16) + (16 + 16), 16),
    "mobilenet_v2": ((8 * 32 + 3 * 32 + 32 * 8) + 8 * 32, 3 * 32 + 32 * 16 + (16 * 64 + 3 * 64 + 64 * 16),
                     (32 + 32 + 8) + (32 + 32 + 16) + (64 + 64 + 16), 16),
    "shufflenet_v1": ((8 * 2 // 2 + 3 * 2 + 2 * 8 // 2) + 8 * 4 // 2,  # of 16 outputs 8 are the averaged input
                      3 * 4 + 4 * 8 // 2 + (16 * 4 // 2 + 3 * 4 + 4 * 16 // 2),
                      (2 + 2 + 8) + (4 + 4 + 8) + (4 + 4 + 16), 16),
    "shufflenet_v2": ((4 * 4 + 3 * 4 + 4 * 4) + 8 * 8, (3 * 8 + 8 * 8) + (3 * 8 + 8 * 8) + (8 * 8 + 3 * 8 + 8 * 8),
                      3 * 4 + 3 * 8 + 2 * 8 + 3 * 8, 16),
}  # fmt: skip
# At 16 channels (densenet: 16 come in, 4 are added): factor of weights, and of the same layers in images.
FACTORS = {
    "resnet_plain": (1, 1), "plain_net": (1, 1), "resnet_deep": (1, 1), "plain_deep": (1, 1),
    "resnet_bottleneck": (6 * 256 / (2 * 64 + 3 * 16), 18 * 256 / (2 * 64 + 9 * 16)),
    "densenet": (20 / 4, 20 / 4),
    "squeezenet_late": (4, 9 * 256 / (64 + 32 + 9 * 32)),
    "squeezenet_early": (4, 9 * 256 / (64 + 32 + 9 * 32)),
    "mobilenet_v1": (1 / (1 / 16 + 1 / 3), 1 / (1 / 16 + 1 / 9)),
    "mobilenet_v2": (14 * 16 / (2 * 16 + 3), 38 * 16 / (2 * 16 + 9)),
    "shufflenet_v1": ((128 + 48) / (64 + 12), (128 + 9 * 16) / (64 + 36)),
    "shufflenet_v2": (6 * 16 / 19, 18 * 16 / 25),
}
FAMILIES = list(BODIES)
EACH = pytest.mark.parametrize("family", FAMILIES)


def config(family, width=WIDTH, L=L, F=F):  # noqa: N803
    return models.module(family).Config.of_width(width, L=L, H=H, F=F, patch=min(24, L // 2), anchor="mean",
                                                 steps=24)


def network(family, width=WIDTH, L=L, F=F):  # noqa: N803
    """With weights that nothing hides: those that start as zero are drawn too."""
    torch.manual_seed(0)
    model = models.module(family).Model(config(family, width, L, F)).eval()
    for layer in model.modules():
        if isinstance(layer, nn.Conv1d) and not layer.weight.any():
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return model


def inputs(model, batch=6):
    draw = torch.Generator().manual_seed(1)
    return (torch.randn(batch, model.config.L, 1, generator=draw),
            torch.randn(batch, model.config.L + H, model.n_known, generator=draw))


def test_they_are_found_and_the_shared_parts_are_no_family():
    assert set(FAMILIES) <= set(models.names()) and "convnet" not in models.names()
    for family in FAMILIES:
        assert models.module(family).KIND == "compact" and len(models.module(family).WIDTHS) >= 4


@EACH
def test_parameters_and_macs_equal_hand_counts(family):
    whole, half, biases, channels = BODIES[family]
    stem, reduce, features = 6 * WIDTH, channels * convnet.REDUCED, convnet.REDUCED * P // 2
    head = (features + 4 * F) * convnet.HIDDEN + convnet.HIDDEN * H
    found = cost.profile(network(family))
    assert found.macs == P * (stem + whole) + P // 2 * (half + reduce) + head
    others = WIDTH + convnet.REDUCED + convnet.HIDDEN + H
    assert found.params == stem + whole + half + biases + reduce + head + others == found.live_params


@EACH
def test_the_idea_saves_what_its_formula_says(family):
    idea = models.module(family).idea(config(family))
    found = ideas.table(idea, runs=2)
    assert idea.factor == pytest.approx(FACTORS[family][0])
    assert found.factor["weights"] == pytest.approx(idea.factor)
    assert found.factor["MACs"] == pytest.approx(idea.macs or idea.factor)
    assert found.factor["weights in images"] == pytest.approx(FACTORS[family][1])
    assert (found[["plain", "own"]] > 0).all(axis=None)
    x = torch.randn(2, *idea.shape[1:])
    assert len(idea.layer(x)) == len(idea.plain(x)) == 2 and idea.layer(x).shape[1] == idea.plain(x).shape[1]


@EACH
def test_the_body_holds_most_of_the_work(family):
    model = network(family, models.module(family).WIDTHS[-1])
    found, whole = ideas.shares(model), cost.profile(model)
    assert list(found.index) == ["stem", "body", "reduce", "head"]
    assert (found.params.sum(), found.macs.sum()) == (whole.params, whole.macs)
    assert found.macs.idxmax() == "body" and found["macs share"]["body"] > 0.5
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_shares_name_what_belongs_to_no_part_and_count_lists():
    model = models.module("patchtst").Model(config("patchtst"))
    found = ideas.shares(model)
    assert found.params["outside"] == 7 * WIDTH  # learned positions
    assert found.macs.sum() == cost.profile(model).macs and found.macs["layers"] > 0


def test_late_pooling_costs_macs_and_no_weights():
    late, early = (cost.profile(network(family)) for family in ("squeezenet_late", "squeezenet_early"))
    assert late.params == early.params
    fires = 48 + 160 + 192
    assert late.macs - early.macs == P // 2 * fires
    idea = models.module("squeezenet_early").idea(config("squeezenet_early"))
    assert idea.macs == 2 * squeezenet_late.idea(config("squeezenet_late")).factor == 8


@torch.no_grad()
def test_one_dimension_saves_less_than_images():
    """Depthwise separable: never more than the 3 weights of a kernel, in images never more than 9."""
    for width in (8, 64, 512):
        idea = models.module("mobilenet_v1").idea(config("mobilenet_v1", width))
        line, image = (ideas.weights(idea.plain, i) / ideas.weights(idea.layer, i) for i in (False, True))
        assert 2.5 < line < 3 and 5.7 < image < 9


def test_shuffle_deals_the_groups_out_in_turns():
    h = torch.arange(12.0).reshape(1, 6, 2)
    assert convnet.shuffle(h, 2)[0, :, 0].tolist() == [0, 6, 2, 8, 4, 10]  # channels 0 3 1 4 2 5
    assert convnet.shuffle(h, 3)[0, :, 1].tolist() == [1, 5, 9, 3, 7, 11]  # channels 0 2 4 1 3 5
    many = torch.randn(3, 24, 5)
    assert torch.equal(convnet.shuffle(convnet.shuffle(many, 4), 6), many)


@pytest.mark.parametrize("family", ["shufflenet_v1", "shufflenet_v2"])
def test_the_shuffle_lets_the_groups_meet(family, monkeypatch):
    """Units in a row: with the shuffle channels reach each other, without it many never meet.

    The outermost channels of v2 keep their places: they meet all others in the strided unit only.
    """
    module = models.module(family)
    sizes = {"shufflenet_v1": (16, 16), "shufflenet_v2": (16,)}[family]

    def reached():
        """Share of the pairs of channels, in and out, that are connected."""
        units = nn.Sequential(*(module.Block(*sizes) for _ in range(6)))
        for layer in units.modules():
            if isinstance(layer, nn.Conv1d):
                nn.init.constant_(layer.weight, 0.1)
        h = torch.ones(1, 16, 4, requires_grad=True)
        out = units(h)[0, :, 0]
        pairs = [torch.autograd.grad(value, h, retain_graph=True)[0][0, :, 0] != 0 for value in out]
        return torch.stack(pairs).float().mean()

    assert reached() > 0.85
    monkeypatch.setattr(convnet, "shuffle", lambda h, groups: h)
    assert reached() < 0.6


@torch.no_grad()
@EACH
def test_batch_size_and_order_of_windows_do_not_matter(family):
    model = network(family)
    x, z = inputs(model)
    whole, turned = model(x, z), torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(model(x[turned], z[turned]), whole[turned], rtol=0, atol=1e-5)
    for i in range(len(x)):
        torch.testing.assert_close(model(x[i : i + 1], z[i : i + 1]), whole[i : i + 1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("L", [30, 48, 60, 168, 336, 720])
@EACH
def test_any_look_back_and_the_newest_step_is_read(family, L):  # noqa: N803
    model = network(family, L=L, F=0)
    rows = inputs(model, 32)[0][:, :, 0].requires_grad_()
    out = model.net(rows, None)
    out.square().sum().backward()
    assert out.shape == (32, H)
    assert 20 <= model.config.positions <= 40 and model.config.positions % 2 == 0
    read = (rows.grad != 0).any(0)
    assert read[-1] and read.float().mean() > 0.9


@torch.no_grad()
@EACH
def test_very_narrow_networks_work(family):
    model = network(family, 4)
    out = model(*inputs(model))
    assert out.shape == (6, H, 1) and out.std(0).min() > 0


@EACH
def test_every_weight_can_learn(family):
    """A block that starts as its skip alone has to leave it: after a few steps no layer stands still."""
    torch.manual_seed(0)
    model = models.module(family).Model(config(family)).train()
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-2)
    x, z = inputs(model, 32)
    for _ in range(3):
        optimiser.zero_grad()
        model(x, z).square().mean().backward()
        optimiser.step()
    assert [name for name, p in model.named_parameters() if torch.equal(p, before[name])] == []


@EACH
def test_the_model_file_gives_the_same_forecasts(family, tmp_path):
    model = network(family)
    card = modelfile.Card(dataset="made-up", unit="items", frequency="h", season=24, L=L, H=H, mean=[0.0], std=[1.0],
                          series=["a"], country="KR", patch=24, holidays=[2024, 2024])
    size = modelfile.save(tmp_path / "net.safetensors", model, {}, card)
    loaded = modelfile.load(tmp_path / "net.safetensors").model
    x, z = inputs(model)
    with torch.no_grad():
        assert torch.equal(loaded(x, z), model(x, z))
    assert size >= 4 * cost.profile(model).params
