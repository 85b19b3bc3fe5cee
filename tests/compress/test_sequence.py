"""The order of layers, what correcting biases keeps, and quantisation piece by piece while the rest learns."""

import pandas as pd
import pytest
import torch

from litecast import models, training
from litecast.compress import clone, matrices, sequence
from litecast.compress import statistical_quantization as technique
from litecast.compress.quantisers import nearest
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.training import Budget


@pytest.fixture(scope="module")
def data():
    values = 50 + torch.randn(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6),
                             pd.DataFrame(values.numpy(), times, ["a", "b"])))


def coarse(weight):
    """Four codes: two thirds of what is lost shifts the mean."""
    table = torch.tensor([-0.5, -0.1, 0.0, 0.35]).half().float()
    return nearest(weight, table), table


def names(turns):
    return list(dict.fromkeys(piece.name for piece in turns))


@torch.no_grad()
def outputs(model, window):
    """Layer -> mean output of each channel."""
    means = {}

    def note(module, _, out):
        means[module] = out.movedim(1 if isinstance(module, torch.nn.Conv1d) else -1, 0).flatten(1).mean(1)

    layers = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv1d)}
    for module in layers.values():
        module.register_forward_hook(note)
    model(*window)
    return {name: means[module] for name, module in layers.items()}


# ---- order

def test_forward_is_the_order_of_a_pass_and_not_of_the_file(data):
    assert names(sequence.pieces(models.build("nbeats", 8, data), "forward"))[:5] == [
        "blocks.0.first.weight", "blocks.0.second.weight", "blocks.0.backcast.weight", "blocks.0.forecast.weight",
        "blocks.1.first.weight"]  # fmt: skip
    turned = models.build("lstm", 8, data)
    turned._modules = dict(reversed(turned._modules.items()))  # the head is named before the recurrence
    assert next(iter(matrices.of(turned))).startswith("head")
    assert names(sequence.pieces(turned, "forward")) == [
        "lstm.weight_ih_l0", "lstm.weight_hh_l0", "head.hidden.weight", "head.out.weight"]


def test_gates_come_one_by_one_those_of_the_input_first(data):
    turns = sequence.pieces(models.build("lstm", 5, data), "forward")
    gates = [(piece.name, piece.rows.start, piece.rows.stop, piece.first) for piece in turns[:8]]
    assert gates == [(f"lstm.weight_{kind}_l0", 5 * gate, 5 * gate + 5, gate == 0)
                     for kind in ("ih", "hh") for gate in range(4)]  # fmt: skip
    assert len(sequence.pieces(models.build("gru", 5, data), "forward")) == 3 + 3 + 2


@pytest.mark.parametrize("family", models.names())
def test_every_weight_has_one_turn_in_every_order(data, family):
    model = models.build(family, 8, data)
    for order in sequence.ORDERS:
        turns, seen = sequence.pieces(model, order), {n: torch.zeros(len(w)) for n, w in matrices.of(model).items()}
        for piece in turns:
            assert piece.first == (not seen[piece.name].any())
            seen[piece.name][piece.rows] += 1
        assert all((rows == 1).all() for rows in seen.values())
    forward, backward = (sequence.pieces(model, order) for order in ("forward", "backward"))
    assert [(p.name, p.rows) for p in forward] == [(p.name, p.rows) for p in reversed(backward)]
    draws = {tuple((p.name, p.rows.start) for p in sequence.pieces(model, "random", seed)) for seed in range(4)}
    assert len(forward) < 3 or len(draws) > 1
    assert sequence.pieces(model, "random", 1) == sequence.pieces(model, "random", 1)


# ---- without training

@pytest.mark.parametrize("family", ["nbeats", "resnet1d", "tcn", "patchtst"])
def test_a_corrected_network_keeps_the_mean_of_every_layer(data, family):
    torch.manual_seed(0)
    model = models.build(family, 8, data).eval()
    window, turns = technique.calibration(data, model), sequence.pieces(model, "forward")
    means = {}
    for correct in (None, False, True):
        made = clone(model)
        if correct is not None:
            sequence.walk(made, turns, coarse, window, correct)
        means[correct] = outputs(made, window)
    moved = {kind: max(float((means[kind][n] - mean).abs().max()) for n, mean in means[None].items())
             for kind in (False, True)}  # fmt: skip
    assert moved[False] > 0.01 and moved[True] < 1e-4


def test_a_recurrence_is_corrected_by_its_inputs_and_states(data):
    model = models.build("lstm", 6, data).eval()
    window, turns = technique.calibration(data, model), sequence.pieces(model, "forward")
    made = clone(model)
    sequence.walk(made, turns[:1], coarse, window, correct=True)  # only the gate of the input, of what enters
    rows, days = window[0].squeeze(-1), model.config.L // model.config.patch
    rows = (rows - rows.mean(1, keepdim=True)) / (rows.std(1, correction=0, keepdim=True) + 0.01)
    entering = rows[:, -days * model.config.patch :].reshape(-1, model.config.patch).mean(0)
    gate = slice(0, 6)
    lost = (model.lstm.weight_ih_l0 - made.lstm.weight_ih_l0)[gate] @ entering
    gained = made.lstm.bias_ih_l0 - model.lstm.bias_ih_l0
    assert torch.allclose(gained[gate], lost, atol=1e-5) and lost.abs().max() > 0
    assert not gained[6:].any()
    drift = {correct: sequence.walk(clone(model), turns, coarse, window, correct)[0].drift.iloc[-1]
             for correct in (False, True)}  # fmt: skip
    assert drift[True] < drift[False]


def test_the_walk_tells_what_each_layer_adds(data):
    model = models.build("nbeats", 8, data).eval()
    window, turns = technique.calibration(data, model), sequence.pieces(model, "forward")
    made = clone(model)
    told, books = sequence.walk(made, turns, coarse, window)
    assert told.layer.tolist() == names(turns) and len(books) == len(turns)
    for piece, row in zip(turns, told.itertuples(), strict=True):
        before, after = (net.get_parameter(piece.name).detach() for net in (model, made))
        assert torch.equal(after, coarse(before)[1][coarse(before)[0]])
        assert row.error == pytest.approx(float((before - after).square().mean() / before.var(correction=0)), rel=1e-4)
        assert row.sigma == pytest.approx(float(before.std(correction=0)), rel=1e-5)
    with torch.no_grad():
        said, says = model(*window), made(*window)
    assert told.drift.iloc[-1] == pytest.approx(float((says - said).abs().mean() / said.abs().mean()), rel=1e-5)
    exact, _ = sequence.walk(clone(model), turns, lambda w: (torch.arange(w.numel()).reshape(w.shape), w.flatten()),
                             window, correct=True)  # fmt: skip
    assert exact.drift.max() < 1e-6 and exact.error.max() == 0


# ---- with training

class Watch(training.Rule):
    """How many weights of each parameter are quantised, step by step, and what a look sees."""

    def __init__(self, rule):
        self.rule, self.shares, self.looked = rule, [], []

    def prepare(self, model):
        self.model = model

    def after_step(self, share):
        self.shares.append({name: float(rows.float().mean()) for name, rows in self.rule.rows.items()})

    def loss(self, loss, window, y, yhat):
        swapped = self.rule.weights(self.model)
        for name, values in swapped.items():
            rows = self.rule.rows[name]
            assert len(values[rows].unique()) <= 4
            assert torch.equal(values[~rows], self.model.get_parameter(name)[~rows])
        return loss


def test_pieces_are_quantised_at_equal_shares_of_the_training(data):
    model = models.build("lstm", 4, data)
    rule = sequence.InTurn(sequence.pieces(model, "forward"), coarse, 6)
    watch = Watch(rule)
    training.fit(model, data, Budget(20, 16, 1e-2), 0, rule, watch)
    done = [sum(shares.values()) for shares in watch.shares]
    assert done[0] == 0.25 and done[1] == 0.5 and done[-1] == 4  # ten pieces in twenty steps, eight of them gates
    assert all(later >= sooner for sooner, later in zip(done, done[1:], strict=False))
    assert watch.shares[7]["lstm.weight_ih_l0"] == 1 and watch.shares[7]["lstm.weight_hh_l0"] == 0.25


@pytest.mark.parametrize("moves", [False, True])
def test_what_was_judged_best_is_what_comes_out(data, moves):
    model = models.build("lstm", 4, data)
    rule = sequence.InTurn(sequence.pieces(model, "random"), coarse, 6, moves=moves)
    fitted = training.fit(model, data, Budget(24, 16, 2e-2), 0, rule)
    for name, quantiser in rule.quantisers.items():
        table = quantiser.table.detach()
        assert len(table) == 4 and torch.equal(table, table.half().float())
        assert torch.equal(model.get_parameter(name), torch.from_numpy(quantiser.held().values()))
    series, origins = training.windows.pairs(data, "val", None, torch.Generator())
    window = training.Windows(data).inputs(series, origins)
    y, _ = training.Windows(data).targets(series, origins)
    with torch.no_grad():
        judged = float((model(*window) - y).abs().mean())
    assert judged == pytest.approx(fitted.log.val_loss.min(), rel=2e-3)  # tables are rounded since


@pytest.mark.parametrize("best", [0, 3, 7, 12])
def test_codes_younger_than_the_best_weights_are_made_again(data, best, monkeypatch):
    model = models.build("lstm", 4, data)
    rule, steps, kept = sequence.InTurn(sequence.pieces(model, "forward"), coarse, 6), iter(range(99)), []
    look = training.loop._look

    def chosen(model, *rest):
        value, step, *copies = look(model, *rest)
        kept.append(value) if step == best else None
        return (0.0 if next(steps) == best else 1.0), step, *copies

    monkeypatch.setattr(training.loop, "_look", chosen)
    training.fit(model, data, Budget(12, 16, 2e-2), 0, rule)
    val = training.windows.pairs(data, "val", training.windows.LOOK_WINDOWS, torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = training.loop._error(model, training.Windows(data), *val, "mae").item()
    assert seen == pytest.approx(kept[0], rel=1e-3)


def test_all_together_have_their_codes_from_the_first_step_and_keep_them(data):
    model = models.build("nbeats", 4, data)
    before = {name: coarse(weight)[0] for name, weight in matrices.of(model).items()}
    rule = sequence.InTurn(sequence.pieces(model, "forward"), coarse, 4, together=True)
    training.fit(model, data, Budget(12, 16, 1e-2), 0, rule)
    assert all(torch.equal(quantiser.codes, before[name]) for name, quantiser in rule.quantisers.items())
    assert any(not torch.equal(q.table, coarse(torch.zeros(1))[1]) for q in rule.quantisers.values())
