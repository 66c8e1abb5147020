"""The routes: edits and sweeps of pictures, faces, scores, models; in the form of OpenAI's image API.

A request passes the gate, takes a slot, is read into memory, decoded beside the event loop, and waits for the
worker; its pictures are encoded beside the loop again. All that is done to a picture is the session's.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from pixelsmile.editing.edit_files import OutputFormat
from pixelsmile.editing.pictures import Source
from pixelsmile.errors import PixelSmileError
from pixelsmile.version import __version__
from pixelsmile.web import openapi
from pixelsmile.web.answers import ApiError, as_text
from pixelsmile.web.following import ClientGoneError, Following
from pixelsmile.web.forms import Form, open_picture, read_form
from pixelsmile.web.gate import GONE, Gate, Keys, Slots, told_of, too_large
from pixelsmile.web.looks import Found, faces_work, scores_work
from pixelsmile.web.making import OPENAI_EVENTS, SWEEP_EVENTS, EventNames, EventStream, Making, edit_work
from pixelsmile.web.metrics import CONTENT_TYPE_LATEST, Metrics
from pixelsmile.web.models import Served
from pixelsmile.web.orders import Order, WhichPicture, read_fields, read_order
from pixelsmile.web.page import api_page
from pixelsmile.web.worker import Work, Worker

_READING_S = 60.0  # for a request to arrive: who sends slower holds a place that others want


@dataclass(frozen=True)
class Limits:
    """max_queue: requests taken in at once. max_bytes: of a request. max_pixels: of a picture. timeout_s: of
    a request, from its beginning to the end of its answer.
    """

    max_queue: int = 16
    max_bytes: int = 32 * 2**20
    max_pixels: int = 24_000_000
    timeout_s: float = 300.0


class Server:
    """The state behind the routes. app: what serves them."""

    def __init__(
        self,
        models: Served,
        worker: Worker,
        metrics: Metrics,
        limits: Limits | None = None,
        keys: Keys | None = None,
        form: OutputFormat | None = None,
    ) -> None:
        """form: how the files of edits are marked and signed."""
        self.form = form or OutputFormat()
        self.models, self.worker, self.metrics = models, worker, metrics
        self.limits = limits or Limits()
        self.slots = Slots(self.limits.max_queue)
        # One thread decodes: what strangers send costs memory for one picture at a time.
        self.decoding = ThreadPoolExecutor(1, "decode")
        self.encoding = ThreadPoolExecutor(2, "encode")
        metrics.watch("waiting", "Edits that wait for a device", lambda: worker.num_waiting)
        metrics.watch("running", "Edits on a device", lambda: worker.num_running)
        metrics.watch("taken", "Requests that are taken in", lambda: self.slots.taken)
        self.gate = Gate(_routes(self), metrics, keys, self.limits.max_bytes)

    def close(self) -> None:
        """Let the threads go, after the last request."""
        self.worker.stop()
        self.decoding.shutdown(wait=False)
        self.encoding.shutdown(wait=False)

    async def read(self, request: Request, ends_at: float) -> tuple[Form, Source]:
        """The form and its picture. ApiError, ImageError."""
        body = bytearray()
        try:
            async with asyncio.timeout(min(_READING_S, ends_at - time.monotonic())):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self.limits.max_bytes:
                        raise too_large(self.limits.max_bytes)
        except TimeoutError:
            raise ApiError(408, "the request came too slowly: send it again", "slow_request") from None
        form = await read_form(request.headers, bytes(body))
        del body
        loop = asyncio.get_running_loop()
        source = await loop.run_in_executor(self.decoding, open_picture, form.picture, self.limits.max_pixels)
        return replace(form, picture=b""), source

    async def encoded(self, encode: Callable[[], bytes]) -> str:
        """A file that is made beside the event loop, as JSON carries it."""
        return as_text(await asyncio.get_running_loop().run_in_executor(self.encoding, encode))


Handler = Callable[[Server, Request, float], Awaitable[Response]]


def _routes(server: Server) -> FastAPI:
    app = FastAPI(
        title="pixelsmile",
        version=__version__,
        summary="Edits the facial expression of a portrait, with a continuous strength.",
        description=openapi.DESCRIPTION,
        redirect_slashes=False,
        docs_url=None,  # which would load a script from elsewhere
        redoc_url=None,
    )

    async def refused(_: Request, error: Exception) -> Response:
        told = told_of(error)
        return JSONResponse(told.body(), told.status, told.headers)

    async def no_route(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        told = ApiError(error.status_code, f"{error.detail}: GET /openapi.json lists the paths", "not_found")
        return JSONResponse(told.body(), told.status, error.headers)

    app.add_exception_handler(PixelSmileError, refused)
    app.add_exception_handler(HTTPException, no_route)
    app.add_exception_handler(Exception, refused)
    _add_pictures(app, server)
    _add_rest(app, server)
    return app


def _add_pictures(app: FastAPI, server: Server) -> None:
    """The routes that take a picture."""

    def taking(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def take(request: Request) -> Response:
            server.slots.take(request.scope, server.worker.expected_s())
            try:
                return await handler(server, request, time.monotonic() + server.limits.timeout_s)
            except ClientGoneError:
                return Response(status_code=GONE)

        return take

    for path, handler, documented in (
        ("/v1/images/edits", _edit, openapi.EDITS),
        ("/v1/images/sweeps", _sweep, openapi.SWEEPS),
        ("/v1/faces", _faces, openapi.FACES),
        ("/v1/scores", _scores, openapi.SCORES),
    ):
        app.add_api_route(
            path,
            taking(handler),
            methods=["POST"],
            response_class=JSONResponse,
            response_model=None,
            name=documented["summary"],
            openapi_extra=documented,
        )


def _add_rest(app: FastAPI, server: Server) -> None:
    @app.get("/v1/models", summary="The models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(server, name) for name in server.models.choices]}

    @app.get("/v1/models/{name:path}", summary="One model")
    async def model(name: str) -> dict[str, Any]:
        if name not in server.models.choices:
            raise ApiError(404, f"there is no model {name[:80]!r} here", "model_not_found", param="model")
        return _model(server, name)

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return RedirectResponse("docs")  # beside this one, also below a proxy's path

    @app.get("/docs", include_in_schema=False)
    async def page(request: Request) -> Response:
        models = {name: ", ".join(_uses(server, name)) for name in server.models.choices}
        address = str(request.base_url).rstrip("/")
        return HTMLResponse(api_page(app.openapi(), address, models))

    @app.get("/healthz", summary="Whether the server takes requests", response_model=None)
    async def healthz() -> Response:
        state = "stopping" if server.gate.is_stopping else "ok"
        worker = server.worker
        record = {"status": state, "waiting": worker.num_waiting, "running": worker.num_running}
        return JSONResponse(record, 503 if server.gate.is_stopping else 200)

    @app.get("/metrics", summary="Counters for Prometheus", response_model=None)
    async def metrics() -> Response:
        return Response(server.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _model(server: Server, name: str) -> dict[str, Any]:
    uses = _uses(server, name)
    return {"id": name, "object": "model", "created": 0, "owned_by": "pixelsmile", "default_for": uses}


def _uses(server: Server, name: str) -> list[str]:
    """For which pictures it is taken where a client names none."""
    uses = (("photographs", server.models.default), ("drawn portraits", server.models.drawn_default))
    return [use for use, default in uses if default == name]


async def _edit(server: Server, request: Request, ends_at: float) -> Response:
    form, source = await server.read(request, ends_at)
    return await _made(server, request, ends_at, read_order(form.fields), source, OPENAI_EVENTS)


async def _sweep(server: Server, request: Request, ends_at: float) -> Response:
    form, source = await server.read(request, ends_at)
    order = read_order(form.fields, sweep=True)
    return await _made(server, request, ends_at, order, source, SWEEP_EVENTS)


async def _made(
    server: Server,
    request: Request,
    ends_at: float,
    order: Order,
    source: Source,
    names: "EventNames",
) -> Response:
    """The answer to an order: whole, or as events."""
    try:
        model = server.models.name(order.model, drawn=source.is_drawn)
    except PixelSmileError as error:
        raise ApiError(404, str(error), "model_not_found", param="model") from error
    order.check_picture(source)
    following = Following(server.worker, ends_at, request.receive)
    try:
        following.submit(model, [edit_work(order, source, seed) for seed in order.seeds])
        making = Making(server, following, order, model)
        first = await making.next()  # most refusals come before it, with their own status
        if order.stream:
            following.watch(None)  # the response itself sees that its client leaves
            return EventStream(making.as_events(first, names), following)
        answer = JSONResponse(await making.whole(first))
    except BaseException:
        following.close()
        raise
    following.close()
    return answer


async def _faces(server: Server, request: Request, ends_at: float) -> Response:
    form, source = await server.read(request, ends_at)
    read_fields(WhichPicture, form.fields)
    return JSONResponse(await _found(server, request, ends_at, faces_work(source)))


async def _scores(server: Server, request: Request, ends_at: float) -> Response:
    form, source = await server.read(request, ends_at)
    asked, _ = read_fields(WhichPicture, form.fields)
    return JSONResponse(await _found(server, request, ends_at, scores_work(asked, source)))


async def _found(server: Server, request: Request, ends_at: float, work: Work) -> Mapping[str, Any]:
    record: Mapping[str, Any] = {}
    with Following(server.worker, ends_at, request.receive) as following:
        following.submit(None, [work])
        async for _, event in following.events():
            if isinstance(event, Found):
                record = event.record
    return record
