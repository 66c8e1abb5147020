"""An edit on its way from the worker to its client: as one answer, or as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pixelsmile.editing.edit_files import EditResult, OutputFormat
from pixelsmile.editing.engine import Preview, Progress
from pixelsmile.editing.options import EditOptions
from pixelsmile.editing.pictures import Source
from pixelsmile.editing.session import stream_edit
from pixelsmile.web import answers
from pixelsmile.web.answers import ApiError
from pixelsmile.web.following import ClientGoneError, Following
from pixelsmile.web.gate import told_of
from pixelsmile.web.metrics import Metrics
from pixelsmile.web.orders import Order
from pixelsmile.web.worker import Started, Tools, Work

_KEEP_ALIVE_S = 10.0


class Serving(Protocol):
    """What is needed of the server."""

    @property
    def metrics(self) -> Metrics: ...

    @property
    def form(self) -> OutputFormat: ...

    async def encoded(self, encode: Callable[[], bytes]) -> str:
        """A file that is made beside the event loop, as JSON carries it."""
        ...


@dataclass(frozen=True)
class Remark:
    """What a person should know."""

    text: str


def edit_work(order: Order, source: Source, seed: int) -> Work:
    """The session, on the worker's thread."""

    def work(tools: Tools) -> Iterator[object]:
        editor = tools.editor(order.previews)
        if len(order.seeds) > 1 and editor.engine.info.moves_units:
            raise ApiError(
                400, "this model makes the same picture from every seed: leave n at 1, or ask for strengths",
                "same_picture", param="n",
            )  # fmt: skip
        remarks: list[str] = []
        faces = tools.finder(remarks.append).choose(source, order.faces, order.paste.context)
        yield from map(Remark, remarks)
        options: EditOptions = {**order.options, "seed": seed}
        yield from stream_edit(editor, source, faces, order.requests, order.paste, **options)

    return work


@dataclass(frozen=True)
class EventNames:
    """What the events of a stream are called. progress: None where they are not told."""

    preview: str
    picture: str
    progress: str | None = None
    end: str | None = None


OPENAI_EVENTS = EventNames("image_edit.partial_image", "image_edit.completed")
SWEEP_EVENTS = EventNames("sweep.preview", "sweep.picture", "sweep.progress", "sweep.completed")


class Making:
    """An order on its way."""

    def __init__(self, server: Serving, following: Following, order: Order, model: str) -> None:
        self._server, self._order, self._model = server, order, model
        self._events = following.events()
        self._following = following
        self._notes = dict.fromkeys(order.notes)
        self._pictures: list[dict[str, Any]] = []
        self._num_previews: dict[tuple[int, int, int], int] = {}

    async def next(self) -> tuple[int, object] | None:
        """The next event but for beginnings and remarks; None at the end."""
        async for number, event in self._events:
            if isinstance(event, Remark):
                self._notes[event.text] = None
            elif not isinstance(event, Started):
                return number, event
        return None

    async def whole(self, coming: tuple[int, object] | None) -> dict[str, Any]:
        """The answer in OpenAI's form, with what is ours under `pixelsmile`."""
        files: list[str] = []
        size = ""
        while coming is not None:
            number, event = coming
            if isinstance(event, EditResult):
                for index in range(len(event.images)):
                    files.append(await self._file(number, event, index))
                    size = self._pictures[-1]["size"]
            coming = await self.next()
        self._server.metrics.made(self._model, len(files))
        return {
            "created": answers.now(),
            "data": [{"b64_json": file} for file in files],
            "output_format": self._order.form.format,
            "size": size,
            "pixelsmile": self._record(),
        }

    async def as_events(self, coming: tuple[int, object] | None, names: EventNames) -> AsyncIterator[bytes]:
        """The same as server-sent events. An error is the last of them."""
        num_pictures = 0
        try:
            while coming is not None:
                number, event = coming
                if isinstance(event, EditResult):
                    for index in range(len(event.images)):
                        file = await self._file(number, event, index)
                        record = {**self._pictures[-1], "index": num_pictures}
                        num_pictures += 1
                        yield self._event(names.picture, file, self._order.form.format, record)
                elif isinstance(event, Preview):
                    yield await self._preview(names.preview, number, event)
                if isinstance(event, Progress) and names.progress is not None:
                    yield answers.event(names.progress, _progress(names.progress, event))
                coming = await self.next()
            self._server.metrics.made(self._model, num_pictures)
            if names.end is not None:
                yield answers.event(names.end, {"type": names.end, **self._record()})
        except ClientGoneError:
            return
        except Exception as error:
            yield answers.event("error", {"type": "error", **told_of(error).body()})

    async def _file(self, number: int, result: EditResult, index: int) -> str:
        order, image = self._order, result.images[index]
        width, height = order.size or image.size
        self._notes |= dict.fromkeys(result.settings.get("notes", ()))
        self._pictures.append(
            {
                "label": result.label,
                "strength": result.strengths[index],
                "seed": order.seeds[number],
                "size": f"{width}x{height}",
            }
        )
        form = replace(self._server.form, picture=order.form)
        return await self._server.encoded(lambda: answers.person_file(result, index, form, order.size))

    async def _preview(self, name: str, number: int, preview: Preview) -> bytes:
        place = number, preview.target, preview.index
        looks = self._num_previews[place] = self._num_previews.get(place, -1) + 1
        order = self._order
        strength = order.strengths[preview.index] if preview.index < len(order.strengths) else None
        record: dict[str, Any] = {
            "strength": strength,
            "target": preview.target,
            "partial_image_index": looks,
        }
        record["size"] = f"{preview.image.width}x{preview.image.height}"
        file = await self._server.encoded(lambda: answers.preview_file(preview))
        return self._event(name, file, "jpeg", record)

    def _event(self, name: str, file: str, form: str, record: Mapping[str, Any]) -> bytes:
        usual = {"background": "auto", "quality": "auto", "created_at": answers.now(), "output_format": form}
        return answers.event(name, {"type": name, "b64_json": file, **usual, **record})

    def _record(self) -> dict[str, Any]:
        return {"model": self._model, "pictures": self._pictures, "notes": list(self._notes)}


def _progress(name: str, progress: Progress) -> dict[str, Any]:
    return {"type": name, "stage": progress.stage, "done": progress.done, "total": progress.total}


class EventStream(StreamingResponse):
    """Server-sent events that cancel what is left, however they end."""

    def __init__(self, events: AsyncIterator[bytes], following: Following) -> None:
        super().__init__(
            _kept_alive(events), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )
        self._following = following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._following.close()


async def _kept_alive(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events, with a comment where none comes for long: proxies close connections that are silent."""
    coming: asyncio.Future[bytes] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({coming}, timeout=_KEEP_ALIVE_S)
            if not done:
                yield b": waiting\n\n"
                continue
            try:
                yield coming.result()
            except StopAsyncIteration:
                return
            coming = None
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
