"""PatchTST, wide and with overlapping patches: the large extreme, and a teacher."""

from dataclasses import dataclass

from litecast.models import patchtst

KIND = "deep"
CAN = ("width", "units", "blocks", "attention")
WIDTHS = (32, 64, 96, 128)
LAYERS = 3
DROPOUT = 0.1


@dataclass(frozen=True, kw_only=True)
class Config(patchtst.Config):
    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        half = shared["patch"] // 2
        return cls(width=width, feed=(2 * width,) * LAYERS, overlap=half, dropout=DROPOUT, **{**shared, "F": 0})


class Model(patchtst.Model):
    """Three layers over patches that overlap by half (Nie et al. 2023)."""
