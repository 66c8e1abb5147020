"""What the studio does for its pages: opens pictures, shows previews, renders, copies, packs files.

Nothing here knows how the page is drawn. Previews have a worker of their own, so that nobody who renders
holds up somebody else's sliders.
"""

import asyncio
import base64
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from pixelsmile.editing.edit_files import EditFiles, EditResult, OutputFormat
from pixelsmile.editing.engine import Progress
from pixelsmile.editing.folders import EMBEDDED, GEOMETRIC
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editing.options import MAX_SEED
from pixelsmile.editing.pictures import Source, read_source_bytes
from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.expressions import DOMAINS, NEUTRAL, Domain
from pixelsmile.faces.choice import face_records
from pixelsmile.limits import read_bytes, validated
from pixelsmile.portraits import Identity, blend_units, draw_portrait, sample_identity
from pixelsmile.results import portrait_png
from pixelsmile.web.answers import own_fault
from pixelsmile.web.following import ClientGoneError, Following
from pixelsmile.web.forms import open_picture
from pixelsmile.web.models import Desk, Served
from pixelsmile.web.orders import MAX_PIXELS_OUT
from pixelsmile.web.studio.asked import Asked, Mix, Preset, command_line
from pixelsmile.web.studio.files import Packed, names_apart, packed, zipped_batch
from pixelsmile.web.studio.visits import PREVIEW_PX, Opened, Rendered, Stop, Visit, Visits
from pixelsmile.web.studio.work import (
    Copied,
    FoundFaces,
    Look,
    Note,
    batch_work,
    faces_work,
    jpeg,
    preview_work,
    render_work,
    scores_of_reference_work,
    units_of_reference_work,
)
from pixelsmile.web.worker import Started, Work, Worker

_log = logging.getLogger(__name__)

MAX_BATCH = 200
SHOWN_PX = 1280  # the longer side of the picture on the page
RESULT_PX = 640
_PREVIEW_S, _RENDER_S = 60.0, 3600.0
_DRAWN_PX = 512

T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """How far something is. share: 0..1; None where that is not known. error: whether it ended by one."""

    text: str
    share: float | None = None
    error: bool = False


class Studio:
    """models: those that may be chosen. form: how files are marked and signed. folder: of uploads and files,
    which go with it.
    """

    def __init__(
        self,
        models: Served,
        folder: Path,
        form: OutputFormat | None = None,
        *,
        max_loaded: int = 2,
        max_pixels: int = 50_000_000,
    ) -> None:
        self.models, self.folder, self.form = models, folder, form or OutputFormat()
        self.max_pixels = max_pixels
        self.visits = Visits(folder / "pages")
        quick = {name: ModelChoice(name) for name in (GEOMETRIC, EMBEDDED)}
        self._worker = Worker([Desk(models, max_loaded)])
        self._previews = Worker([Desk(Served(quick, GEOMETRIC, EMBEDDED))])

    def close(self) -> None:
        """Take no more work; what was begun ends."""
        self._worker.stop()
        self._previews.stop()

    async def open_upload(self, visit: str, path: str, name: str) -> dict[str, Any]:
        """The page's picture is from now on this uploaded file. ImageError, InputError."""
        found = self.visits.find(visit)
        data = await asyncio.to_thread(self._uploaded, path)
        source = await asyncio.to_thread(open_picture, data, self.max_pixels)
        return await self._opened(found, source, Path(name).name or "photo")

    async def draw(self, visit: str, seed: int, domain: str) -> dict[str, Any]:
        """Somebody who does not exist is drawn, as `pixelsmile portrait` does. InputError."""
        found = self.visits.find(visit)
        chosen = next((known for known in get_args(Domain) if known == domain), None)
        if chosen is None or type(seed) is not int or not 0 <= seed <= MAX_SEED:
            raise InputError(
                f"seed {seed!r} as {domain!r}: give a whole number from 0, and {' or '.join(DOMAINS)}"
            )

        def drawn() -> Source:
            identity = sample_identity(seed)
            portrait = draw_portrait(identity, blend_units({}), chosen, _DRAWN_PX)
            settings = {
                "seed": seed,
                "style": domain,
                "expression": NEUTRAL,
                "variant": 0,
                "size_px": _DRAWN_PX,
            }
            return read_source_bytes(portrait_png(portrait.image, settings), f"portrait-{seed}.png")

        return await self._opened(found, await asyncio.to_thread(drawn), f"portrait-{seed}.png")

    async def preview(self, asked: Asked) -> dict[str, Any]:
        """A look at what the sliders say: the picture's changed part, where it lies in percent of the whole,
        what made it, and the command that makes the edit. Without a wish no picture. PixelSmileError.
        """
        opened = self.visits.find(asked.visit).opened()
        if not asked.mix.is_set:
            return {"picture": None, "command": self._command(asked, opened)}
        command = self._command(asked, opened)
        width, height = opened.source.image.size
        if opened.identity is not None and not asked.face:
            picture = await asyncio.to_thread(_drawn_anew, asked, opened.identity, opened.source.domain)
            return {"picture": data_url(picture), "box": [0, 0, 100, 100], "by": "drawn", "command": command}
        view = await asyncio.to_thread(opened.view, asked.face)
        model = EMBEDDED if opened.source.is_drawn else GEOMETRIC
        look = await self._one(self._previews, model, preview_work(asked, view), Look)
        x0, y0, x1, y1 = view.box
        box = [100 * x0 / width, 100 * y0 / height, 100 * (x1 - x0) / width, 100 * (y1 - y0) / height]
        return {"picture": data_url(look.data), "box": box, "by": model, "command": command}

    async def copy(self, visit: str, path: str, units: bool) -> dict[str, Any]:
        """The expression of an uploaded reference, as weights of expressions or as action units."""
        self.visits.find(visit)
        data = await asyncio.to_thread(self._uploaded, path)
        source = await asyncio.to_thread(open_picture, data, self.max_pixels)
        work = units_of_reference_work(source) if units else scores_of_reference_work(source)
        copied = await self._one(self._previews, None, work, Copied)
        return {"weights": dict(copied.weights), "units": dict(copied.units), "remark": copied.remark}

    async def render(self, asked: Asked, num: int) -> AsyncIterator[Told | Rendered]:
        """The edit at full size with the chosen model: how far it is, then what was made.

        num: 1 for one picture, more for a sweep. PixelSmileError; a cancelled one ends with a Told.
        """
        visit = self.visits.find(asked.visit)
        opened = visit.opened()
        model = self._model(asked, opened)
        source = opened.source
        width, height = source.image.size
        if num * width * height > MAX_PIXELS_OUT:
            raise InputError(
                f"{num} pictures of {width} x {height} px need more memory than the studio gives one page: "
                f"ask for {max(1, MAX_PIXELS_OUT // (width * height))} at most"
            )
        edit = asked.edit(
            moves_units=self._moves_units(model), num=num, form=replace(self.form, grid=num > 1)
        )
        results: list[EditResult] = []
        notes: list[str] = []
        with visit.at_work() as stop:
            async for event in self._followed(stop, model, render_work(asked, source, num)):
                if isinstance(event, EditResult):
                    results.append(event)
                elif isinstance(event, Note):
                    notes.append(event.text)
                elif isinstance(event, Told):
                    yield event
        if results:
            visit.rendered = Rendered(opened.name, model, edit, results)
            yield visit.rendered
            yield Told("; ".join(["done", *notes]), 1.0)
        else:
            yield Told("cancelled: nothing was made")

    async def batch(
        self, asked: Asked, paths: Sequence[str], num: int, form: OutputFormat
    ) -> AsyncIterator[Told | Packed]:
        """What the sliders say, made of each of the uploaded pictures: how far it is, then a zip.

        asked: with one mix, for a face that every picture has, such as `largest`. What cannot be edited, for
        whatever reason, is named in the zip with it; names are those of `names_apart`. InputError where none
        can.
        """
        visit = self.visits.find(asked.visit)
        if not 1 <= len(paths) <= MAX_BATCH:
            raise InputError(f"{len(paths)} pictures: choose 1 to {MAX_BATCH}, or a folder of them")
        folder, failed, done = visit.new_folder(), {}, 0
        with visit.at_work() as stop:
            for place, (path, name) in enumerate(zip(paths, names_apart(paths), strict=True)):
                yield Told(f"picture {place + 1} of {len(paths)}: {name}", place / len(paths))
                try:
                    done += await self._one_of_batch(stop, asked, path, num, form, folder / Path(name).stem)
                except Exception as error:  # the others' edits are not lost with it
                    failed[name] = refusal(error)
                if stop.is_set:
                    break
        if not done:
            reason = next((f"{name}: {why}" for name, why in failed.items()), "cancelled")
            raise InputError(f"none of the pictures was edited ({reason})")
        yield await asyncio.to_thread(zipped_batch, folder, failed)
        why = ": not-edited.txt says why the others were not" if failed else ""
        yield Told(f"{done} of {len(paths)} pictures edited{why}", 1.0)

    async def _one_of_batch(
        self, stop: Stop, asked: Asked, path: str, num: int, form: OutputFormat, target: Path
    ) -> bool:
        """Whether it was made. PixelSmileError."""
        data = await asyncio.to_thread(self._uploaded, path)
        source = await asyncio.to_thread(open_picture, data, self.max_pixels)
        model = self.models.name(asked.model, drawn=source.is_drawn)
        work = batch_work(asked, source, num, form, target)
        events = [event async for event in self._followed(stop, model, work)]
        return any(isinstance(event, EditFiles) for event in events)

    def cancel(self, visit: str) -> None:
        """End what the page has under way, with the step at hand."""
        stop = self.visits.find(visit).stop
        if stop is not None:
            stop.set()

    async def pack(self, visit: str, form: OutputFormat) -> Packed | None:
        """The files of what was rendered last, in this form; None where nothing was.

        InputError, OutputError where the form cannot hold it.
        """
        found = self.visits.find(visit)
        if found.rendered is None:
            return None
        return await asyncio.to_thread(packed, found.rendered, form, found.new_folder())

    def command_of_batch(self, asked: Asked, num: int, form: OutputFormat) -> str:
        """The command that does the same to the pictures of a folder."""
        model = self.models.name(asked.model, drawn=False)
        edit = asked.edit(moves_units=self._moves_units(model), num=num, form=form)
        return command_line("FOLDER/*", edit, self.models.choices[model]).replace("'FOLDER/*'", "FOLDER/*")

    def _model(self, asked: Asked, opened: Opened) -> str:
        return self.models.name(asked.model, drawn=opened.source.is_drawn)

    def _command(self, asked: Asked, opened: Opened) -> str:
        """Nothing where nothing is asked for; what stands in its way where the edit cannot be made."""
        try:
            model = self._model(asked, opened)
            edit = asked.edit(moves_units=self._moves_units(model), form=self.form)
            return command_line(opened.name, edit, self.models.choices[model])
        except InputError:
            return ""

    def _moves_units(self, model: str) -> bool:
        return self.models.choices[model].model == GEOMETRIC

    async def _opened(self, visit: Visit, source: Source, name: str) -> dict[str, Any]:
        found = await self._one(self._previews, None, faces_work(source), FoundFaces)
        visit.picture, visit.rendered = Opened(source, name, found.faces), None
        if found.faces:  # so that the first slider need not wait for the mesh
            wish = Asked(visit="", mixes={"": Mix(neutral=True)})
            self._previews.submit(GEOMETRIC, preview_work(wish, visit.picture.view("1")), lambda _: None)
        width, height = source.image.size
        shown = await asyncio.to_thread(jpeg, source.image, SHOWN_PX)
        return {
            "picture": data_url(shown),
            "name": name,
            "width": width,
            "height": height,
            "drawn": source.is_drawn,
            "faces": [
                {"number": face["number"], "box": face["box"]}
                for face in face_records(found.faces, source.image.size)
            ],
            "remark": _remark(source, found, name),
        }

    def _uploaded(self, path: str) -> bytes:
        """An uploaded file, and no other of this machine. InputError."""
        try:
            file = Path(path).resolve()
            is_ours = file.is_relative_to(self.folder.resolve()) and file.is_file()
        except (OSError, ValueError):  # what no disk takes as a name
            is_ours = False
        if not is_ours:
            raise InputError("this is no picture that was uploaded here: choose it again")
        return read_bytes(file)

    async def _one(self, worker: Worker, model: str | None, work: Work, kind: type[T]) -> T:
        """The one event of that kind that some work gives. PixelSmileError."""
        with Following(worker, time.monotonic() + _PREVIEW_S, None) as following:
            following.submit(model, [work])
            async for _, event in following.events():
                if isinstance(event, kind):
                    return event
        raise InputError("nothing came of it: try again")

    async def _followed(self, stop: Stop, model: str, work: Work) -> AsyncIterator[object]:
        """Its events, with Told in place of Progress; ends early where `stop` is set."""
        ahead = self._worker.num_waiting + self._worker.num_running
        if ahead:
            yield Told(f"waiting: {ahead} before you, about {self._worker.expected_s():.0f} s")
        try:
            with Following(self._worker, time.monotonic() + _RENDER_S, stop.receive) as following:
                following.submit(model, [work])
                async for _, event in following.events():
                    yield _told(event, model)
        except ClientGoneError:
            return


def refusal(error: Exception) -> str:
    """What a person is told of an error; what is the studio's own fault stands in its log."""
    if not isinstance(error, PixelSmileError):
        _log.error("the studio failed", exc_info=error)
        error = own_fault(error)
    return str(error).replace("the server", "the studio")


def data_url(data: bytes) -> str:
    """A JPEG as a page holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def read_asked(value: object) -> Asked:
    """What the page said. InputError."""
    return validated(Asked, value, "the page's wish")


def preset_text(asked: Asked, name: str) -> str:
    """The file of a preset: the sliders of one face. InputError, ExpressionError, StrengthError."""
    mix = asked.mix
    if not mix.is_set:
        raise InputError("nothing to keep yet: move a slider first")
    preset = Preset(
        name=name[:80],
        weights=mix.weights,
        units=mix.units,
        strength=asked.strength,
        neutralise=asked.neutralise,
    )
    return preset.checked().model_dump_json(indent=2) + "\n"


def read_preset(text: str) -> Preset:
    """A preset from its file. InputError, ExpressionError, StrengthError for what is none."""
    return validated(Preset, text, "the preset").checked()


def _told(event: object, model: str) -> object:
    if isinstance(event, Started):
        return Told(f"{model} begins")
    if isinstance(event, Progress):
        return Told(f"{model}: {_STAGES[event.stage]}", event.done / max(1, event.total))
    return event


_STAGES = {"encode": "looking at the picture", "denoise": "editing", "decode": "painting"}


def _remark(source: Source, found: FoundFaces, name: str) -> str:
    if source.is_drawn:
        return f"{name}: drawn by pixelsmile; previews are drawn anew, Render asks the model"
    if not found.faces:
        return f"{name}: no face was found; mark one by hand"
    number = len(found.faces)
    faces = "one face" if number == 1 else f"{number} faces, choose one"
    return "; ".join([f"{name}: {faces}", *found.notes])


def _drawn_anew(asked: Asked, identity: Identity, domain: Domain) -> bytes:
    units = asked.mix.action_units(asked.strength)
    return jpeg(draw_portrait(identity, units, domain, PREVIEW_PX).image)
