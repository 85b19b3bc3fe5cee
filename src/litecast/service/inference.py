"""The Open Inference Protocol, version 2: the seven routes that Triton, OpenVINO Model Server and KServe speak.

Inputs `values` (T, C), FP64, null = missing, in the order of the model's series, and `times` (T,), BYTES, as text; the
outputs are `forecast` (H, C) and its bands. Data may be flat or nested. https://kserve.github.io/website, "V2 protocol"
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .history import unprocessable
from .served import Served

VERSION = "1"  # a name has one version: another file is another study's folder
NUMBERS = ("FP64", "FP32", "INT64", "INT32")


class Tensor(BaseModel):
    """One input. shape as the protocol has it; data row-major, flat or nested."""

    model_config = ConfigDict(strict=True)
    name: Literal["values", "times"]
    shape: list[Annotated[int, Field(strict=False, ge=0)]] = Field(min_length=1, max_length=2)
    datatype: Literal["FP64", "FP32", "INT64", "INT32", "BYTES"]
    data: list[float | str | None] | list[list[float | None]]


class Output(BaseModel):
    """A wish for one output."""

    name: Literal["forecast", "lower_80", "upper_80", "lower_95", "upper_95"]


class Request(BaseModel):
    """An inference request; `parameters` are read by nobody here."""

    id: str | None = Field(None, max_length=200)
    inputs: list[Tensor] = Field(min_length=1, max_length=2)
    outputs: list[Output] | None = None


class Made(BaseModel):
    """One output."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Response(BaseModel):
    """The answer to an inference request."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Made]


def server() -> dict:
    return {"name": "litecast", "version": version("litecast"), "extensions": []}


def model(served: Served) -> dict:
    """Metadata of a model."""
    horizon, count = served.card["H"], len(served.card["series"])
    return {"name": served.name, "versions": [VERSION], "platform": "litecast_bundle",
            "inputs": [{"name": "values", "datatype": "FP64", "shape": [-1, count]},
                       {"name": "times", "datatype": "BYTES", "shape": [-1]}],
            "outputs": [{"name": name, "datatype": "FP64", "shape": [horizon, count]} for name in served.outputs]}


def columns(request: Request, served: Served) -> tuple[list[str] | None, dict[str, list]]:
    """Times and values by series of a request. Raises Refused (422) where tensors do not fit their shapes."""
    given, series = {tensor.name: tensor for tensor in request.inputs}, served.card["series"]
    if "values" not in given or len(given) < len(request.inputs):
        raise unprocessable("give one input called values, and at most one called times")
    values, times = given["values"], given.get("times")
    flat = [cell for row in values.data for cell in (row if isinstance(row, list) else [row])]
    if values.datatype not in NUMBERS or any(isinstance(cell, str) for cell in flat):
        raise unprocessable(f"values are numbers: {', '.join(NUMBERS)}")
    if len(values.shape) != 2 or values.shape[1] != len(series) or values.shape[0] * len(series) != len(flat):
        raise unprocessable(f"values have the shape [T, {len(series)}], and as many numbers")
    if times is not None and (times.datatype != "BYTES" or not all(isinstance(text, str) for text in times.data)):
        raise unprocessable("times are text: BYTES, 2024-01-31T13:00")
    if times is not None and times.shape != [len(times.data)]:
        raise unprocessable("times have the shape [T], and as many texts")
    return None if times is None else times.data, {name: flat[k :: len(series)] for k, name in enumerate(series)}


def response(request: Request, served: Served, found) -> dict:
    """Outputs that were asked for, all without a wish; found: as `Served.forecast` makes them."""
    made = dict(zip(served.outputs, found, strict=True))
    names = list(dict.fromkeys(output.name for output in request.outputs)) if request.outputs else list(made)
    return {"model_name": served.name, "model_version": VERSION, "id": request.id,
            "outputs": [{"name": name, "shape": list(made[name].shape), "datatype": "FP64",
                         "data": made[name].ravel().tolist()} for name in names if name in made]}  # fmt: skip
