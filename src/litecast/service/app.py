"""Routes: what is served besides /forecast (`forecasts`), and the words of OpenAPI for all."""

from __future__ import annotations

import contextlib
import html
import json
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from ..errors import DataError
from . import inference
from .forecasts import PATH, Choice, Forecasts, Reader, Rows, checked, media, words, written
from .guard import Guard
from .history import History, of_columns, parsed, read_sheet
from .limits import Limits, Refused
from .metrics import Metrics
from .served import Served, Shelf, quiet

PAGE = Path(__file__).parent / "page"
ABOUT = """Forecasts of demand by files of a few kB. A forecast takes the last rows of its series, raw, and gives the
next steps with bands. Errors of models are WAPE. What is refused says why: `{"error": "..."}`."""


class Forecast(BaseModel):
    """times (H) or null where none were given; series -> forecast, lower_80, upper_80, lower_95, upper_95, each (H)."""

    model: str
    unit: str
    frequency: str
    times: list[str] | None
    series: dict[str, dict[str, list[float]]]
    notes: list[str]


class Problem(BaseModel):
    error: str


class Model(BaseModel):
    """A file that is served. bytes: of the model file; errors: WAPE on validation and test; history: rows that a
    forecast may depend on, L of which it must have."""

    model_config = ConfigDict(extra="allow")
    name: str
    unit: str
    frequency: str
    L: int
    H: int
    history: int
    series: list[str]


class JSON(JSONResponse):
    def render(self, content) -> bytes:
        return written(content).encode()


def _errors(*statuses: int) -> dict:
    return {status: {"model": Problem} for status in (*statuses, 408, 503)}


def _taken(schema: type[BaseModel], *others: str) -> dict:
    """OpenAPI's words for a body that a route reads itself."""
    content = {"application/json": {"schema": schema.model_json_schema(ref_template="#/components/schemas/{model}")}}
    defined = content["application/json"]["schema"].pop("$defs", {})
    content |= {kind: {"schema": {"type": "string"}} for kind in others}
    for name in defined:  # inlined: FastAPI collects the schemas of its own parameters only
        content = json.loads(json.dumps(content).replace(f'{{"$ref": "#/components/schemas/{name}"}}',
                                                         json.dumps(defined[name])))  # fmt: skip
    return {"requestBody": {"required": True, "content": content}}


def _asked(schema: type[BaseModel]) -> dict:
    """OpenAPI's words for a query that a route reads itself: FastAPI takes longer for one than a model forecasts."""
    return {"parameters": [{"name": name, "in": "query", "required": False, "schema": kind}
                           for name, kind in schema.model_json_schema()["properties"].items()]}  # fmt: skip


def create(folder: Path, limits: Limits = Limits(), hosts: frozenset[str] = frozenset()) -> FastAPI:  # noqa: B008
    """The service over a folder of bundles. Raises LitecastError where there is none."""
    shelf, metrics, reader = Shelf(folder), Metrics(), Reader(limits.reading)
    forecasts = Forecasts(shelf, metrics, reader, limits)

    @contextlib.asynccontextmanager
    async def life(app):
        quiet()
        yield
        reader.pool.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(title="litecast", version=version("litecast"), description=ABOUT, docs_url=None, redoc_url=None,
                  lifespan=life, redirect_slashes=False, default_response_class=JSON)  # fmt: skip
    guard = Guard(None, limits, metrics, hosts)

    def around(inner):
        async def parted(scope, receive, send):
            asked = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == PATH
            await (forecasts if asked else inner)(scope, receive, send)

        guard.app = parted
        return guard

    app.add_middleware(around)
    app.state.metrics = metrics
    _failures(app)
    _health(app, shelf, metrics, guard, reader)
    _models(app, shelf)
    _forecasts(app, forecasts)
    _protocol(app, shelf, metrics, reader, limits)
    _pages(app)
    return app


def _failures(app: FastAPI) -> None:
    """Every error in the same words and shape."""

    @app.exception_handler(Refused)
    async def refused(request, error):
        return JSON({"error": str(error)}, error.status, error.headers)

    @app.exception_handler(DataError)
    async def unread(request, error):
        return JSON({"error": str(error)}, 422)

    @app.exception_handler(HTTPException)
    async def elsewhere(request, error):
        return JSON({"error": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request, error):
        return JSON({"error": words(error.errors()[0])}, 422)


def _health(app: FastAPI, shelf: Shelf, metrics: Metrics, guard: Guard, reader: Reader) -> None:
    @app.get("/health/live", tags=["health"], summary="Is the process there?")
    async def live() -> dict[str, bool]:
        return JSON({"live": True})

    @app.get("/health/ready", tags=["health"], summary="Are its models there?")
    async def ready() -> dict[str, bool]:
        return JSON({"ready": bool(shelf.models)})

    @app.get("/metrics", tags=["health"], summary="Counts and times, for Prometheus", response_class=PlainTextResponse)
    async def counted():
        return PlainTextResponse(metrics.text(guard.working, reader.waiting),
                                 media_type="text/plain; version=0.0.4; charset=utf-8")


def _models(app: FastAPI, shelf: Shelf) -> None:
    @app.get("/models", tags=["models"], summary="What is served: size, errors, series, history", response_model=None,
             responses={200: {"model": list[Model]}})
    async def models():
        return JSON([served.words() for served in shelf.models.values()])

    @app.get("/models/{name}", tags=["models"], summary="One of them", response_model=None,
             responses={200: {"model": Model}} | _errors(404))
    async def model(name: str):
        return JSON(shelf.named(name).words())

    @app.get("/models/{name}/{file}", tags=["models"], summary="A file of its bundle", response_class=FileResponse,
             response_model=None, responses={200: {"content": {"application/octet-stream": {}}}} | _errors(404))
    async def file(name: str, file: str):
        files = shelf.named(name).files
        if file not in files:
            raise Refused(404, f"no such file; there are {', '.join(files)}")
        return FileResponse(files[file])


def _forecasts(app: FastAPI, forecasts: Forecasts) -> None:
    """Its words in OpenAPI, and the methods that it does not take."""

    @app.post(PATH, tags=["forecast"], summary="History of some series to their next H steps", response_model=None,
              openapi_extra=_taken(Rows, "text/csv") | _asked(Choice),
              responses={200: {"model": Forecast}} | _errors(400, 404, 413, 415, 422))
    async def forecast():
        raise NotImplementedError("it has been answered before")

    forecasts.route = app.routes[-1]


def _protocol(app: FastAPI, shelf: Shelf, metrics: Metrics, reader: Reader, limits: Limits) -> None:
    told = {"tags": ["Open Inference Protocol"], "response_model": None}
    versions = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")

    def named(name: str, version: str = inference.VERSION) -> Served:
        if version != inference.VERSION:
            raise Refused(404, f"there is version {inference.VERSION} only")
        return shelf.named(name)

    @app.get("/v2/health/live", **told)
    async def server_live():
        return JSON({"live": True})

    @app.get("/v2/health/ready", **told)
    async def server_ready():
        return JSON({"ready": True})

    @app.get("/v2", **told)
    async def server():
        return JSON(inference.server())

    async def ready(name: str, version: str = inference.VERSION):
        return JSON({"name": named(name, version).name, "ready": True})

    async def about(name: str, version: str = inference.VERSION):
        return JSON(inference.model(named(name, version)))

    async def infer(request: Request, name: str, version: str = inference.VERSION):
        served = named(name, version)
        kind = media(request.headers.get("content-type", ""))
        if kind != "application/json" or "inference-header-content-length" in request.headers:
            raise Refused(415, "tensors are taken as JSON, without the binary extension")
        asked = checked(inference.Request, parsed(await request.body()))
        found = of_columns(*inference.columns(asked, served), served.card, limits)
        history = found if isinstance(found, History) else await reader(read_sheet, found, served.card)
        forecast, _ = served.forecast(history)
        metrics.forecasts[served.name] += len(history.series)
        return JSON(inference.response(asked, served, forecast))

    for path in versions:
        kind = path.count("{")
        app.add_api_route(path, about, operation_id=f"model_{kind}", responses=_errors(404), **told)
        app.add_api_route(f"{path}/ready", ready, operation_id=f"ready_{kind}", responses=_errors(404), **told)
        app.add_api_route(f"{path}/infer", infer, methods=["POST"], operation_id=f"infer_{kind}",
                          openapi_extra=_taken(inference.Request),
                          responses={200: {"model": inference.Response}} | _errors(404, 413, 415, 422), **told)


def _pages(app: FastAPI) -> None:
    """The page, where there is one, and the routes as plain HTML: nothing is loaded from elsewhere."""

    @app.get("/docs", include_in_schema=False)
    async def docs():
        return HTMLResponse(_listing(app.openapi()))

    if PAGE.is_dir():
        app.mount("/", StaticFiles(directory=PAGE, html=True))
    else:
        app.add_api_route("/", docs, include_in_schema=False)


def _listing(schema: dict) -> str:
    """OpenAPI as one plain page."""
    rows = [f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
            f"<td>{html.escape(route.get('summary', ''))}</td></tr>"
            for path, routes in schema["paths"].items() for method, route in routes.items()]  # fmt: skip
    return ("<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<title>litecast</title><h1>litecast {schema['info']['version']}</h1><p>{html.escape(ABOUT)}</p>"
            f"<p><a href=/openapi.json>openapi.json</a> · <a href=/models>models</a> · <a href=/metrics>metrics</a></p>"
            f"<table>{''.join(rows)}</table></html>")
