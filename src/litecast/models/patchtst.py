"""PatchTST: attention over patches of one series; reads no calendar, as published."""

from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base

KIND = "deep"
CAN = ("width", "units", "blocks", "attention")
WIDTHS = (8, 16, 32, 64)
HEADS = 4
LAYERS = 2
PUBLISHED = {"L": 336, "width": 16, "lr": 0.0005, "steps": 3000,
             "config": {"patch": 16, "overlap": 8, "feed": (128, 128, 128), "dropout": 0.3}}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    width: int
    feed: tuple[int, ...]  # feed-forward width of each layer
    overlap: int = 0  # steps that neighbouring patches share
    dropout: float = 0.0

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(width=width, feed=(2 * width,) * LAYERS, **{**shared, "F": 0})

    @property
    def tokens(self) -> int:
        stride = self.patch - self.overlap
        return (self.L + (stride if self.overlap else 0) - self.patch) // stride + 1


class Attention(nn.Module):
    """Multi-head self-attention: (N, P, D) -> (N, P, D); of HEADS heads some may be gone."""

    def __init__(self, width: int, heads: int = HEADS):
        super().__init__()
        self.heads, inner = heads, heads * (width // HEADS)
        self.qkv = nn.Linear(width, 3 * inner)
        self.out = nn.Linear(inner, width)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        n, tokens, _ = h.shape
        q, k, v = self.qkv(h).reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).reshape(n, tokens, self.out.in_features))

    def own_macs(self, h: torch.Tensor) -> int:
        """Multiply-accumulates of the two products without weights: scores and mixing, 2 P^2 a channel of all heads."""
        n, tokens, _ = h.shape
        return 2 * n * tokens * tokens * self.out.in_features


class Layer(nn.Module):
    """Pre-norm encoder layer: attention, then a feed-forward net of its own width."""

    def __init__(self, width: int, feed: int, dropout: float, heads: int = HEADS):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_feed = nn.LayerNorm(width)
        self.up = nn.Linear(width, feed)
        self.down = nn.Linear(feed, width)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        h = h + self.dropout(self.attention(self.norm_attention(h)))
        return h + self.dropout(self.down(self.dropout(nn.functional.gelu(self.up(self.norm_feed(h))))))


class Model(base.Forecaster):
    """Channel-independent patches, learned positions, flatten head (Nie et al. 2023).

    Patches are a day and do not overlap, unless the config says so; then the last value fills one more stride.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        self.embed = nn.Linear(config.patch, config.width)
        self.position = nn.Parameter(torch.zeros(config.tokens, config.width))
        heads = [config.size(f"layers.{i}.heads", HEADS) for i in range(len(config.feed))]
        sizes = zip(config.feed, heads, strict=True)
        self.layers = nn.ModuleList(Layer(config.width, feed, config.dropout, some) for feed, some in sizes)
        self.head = nn.Linear(config.tokens * config.width, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        h = self.embed(self._patches(rows)) + self.position
        for layer in self.layers:
            h = layer(h)
        return self.head(h.flatten(1))

    def _patches(self, rows: torch.Tensor) -> torch.Tensor:
        """(N, L) -> (N, tokens, patch), the newest step in the last."""
        tokens, patch, stride = self.config.tokens, self.config.patch, self.config.patch - self.config.overlap
        if not self.config.overlap:
            return rows[:, -tokens * patch :].reshape(-1, tokens, patch)
        padded = torch.cat([rows, rows[:, -1:].expand(-1, stride)], 1)
        starts = range(0, tokens * stride, stride)  # slices, since exporters do not know unfold
        return torch.stack([padded[:, start : start + patch] for start in starts], 1)

    def stack(self) -> base.Stack:
        return base.Stack("feed", "layers", ("attention.out", "down"))

    def units(self) -> list[base.Units]:
        """The heads and the feed-forward units of each layer; the width of a token stays."""
        found, each = [], self.config.width // HEADS
        for i, feed in enumerate(self.config.feed):
            qkv, out, up, down = (f"layers.{i}.{layer}" for layer in ("attention.qkv", "attention.out", "up", "down"))
            heads = base.made(qkv, runs=3, each=each), base.read(out, each=each)
            found.append(base.left(f"layers.{i}.heads", self.layers[i].attention.heads, *heads))
            found.append(base.Units(("feed", i), feed, (*base.made(up), *base.read(down))))
        return found
