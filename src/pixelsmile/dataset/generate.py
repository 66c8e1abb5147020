"""Generate: an editor makes what was asked for, a sweep at a time.

An editor that takes a strength makes all strengths of a look of one base together, told the words of the
strongest. One that takes none is asked for each by its own words. What it made is kept by its content
beside the pictures that were collected.
"""

import asyncio
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import JsonValue

from pixelsmile.dataset.edit_config import GenerateSettings
from pixelsmile.dataset.folder import keep_picture
from pixelsmile.dataset.rows import Reason, Row
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.folders import GEOMETRIC
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editors.choice import (
    EditorChoice,
    open_editor,
    own_model,
    own_settings,
    parse_editor,
    remote_settings,
)
from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.editors.editor import (
    Capabilities,
    EditorStoppedError,
    EditOutcome,
    Picture,
    PictureFile,
    Task,
    TaskEditor,
)
from pixelsmile.editors.named import NamedEditor
from pixelsmile.editors.own import OwnSettings
from pixelsmile.editors.pipelines import PipelineSettings
from pixelsmile.editors.remote import DEFAULT_CONCURRENCY, DEFAULT_TIMEOUT_S, RemoteEditor, RemoteSettings
from pixelsmile.editors.services import provider_of
from pixelsmile.errors import OutputError, PixelSmileError
from pixelsmile.expressions import NEUTRAL, target_prompt
from pixelsmile.hashing import sha256_bytes
from pixelsmile.portraits.action_units import parse_units
from pixelsmile.remote import Pool, RemoteError, RetryPolicy

_BATCH_ROWS = 16
_ROUNDS = 8  # so many times what an editor takes at once is a batch, or many would wait for its last ones
_MAX_SHAPE = 0.02  # by which share the ratio of two sides may differ, as sides are whole pixels


@dataclass(frozen=True)
class _Sweep:
    """What an editor is asked in one go. rows: by the strength under which it is asked for each."""

    base: Row
    rows: Mapping[float, Row]


class Generate:
    """The step's function. folder: of the data set.

    What a server or a command is asked goes through one editor from the first batch to `close`.
    """

    keeps_batches = True

    def __init__(self, folder: Path, settings: GenerateSettings) -> None:
        self._folder, self._settings = folder, settings
        self._choice = parse_editor(settings.editor)
        self.in_process = not _is_light(self._choice, settings)
        at_once = settings.max_concurrency or 1
        if self._choice.kind == "service":
            at_once = settings.max_concurrency or DEFAULT_CONCURRENCY
        self.batch_rows = max(_BATCH_ROWS, _ROUNDS * at_once)
        self._editor: TaskEditor | None = None
        self._runner: asyncio.Runner | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_editor": None, "_runner": None}

    def record(self) -> JsonValue:
        """What the editor says that its edits depend on."""
        try:
            return self._opened().to_record()
        finally:
            if not self.in_process:
                self.close()

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        """Raises what ends the build: a spent budget, or a server that nobody reaches."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            made = self._runner.run(self._made(rows))
        finally:
            if not self.in_process:
                self.close()
        return [made.get(row.id, row) for row in rows]

    def close(self) -> None:
        """Let go of connections, commands and models."""
        editor, runner = self._editor, self._runner
        self._editor = self._runner = None
        if editor is not None:
            runner = runner or asyncio.Runner()
            runner.run(editor.close())
        if runner is not None:
            runner.close()

    def spent(self) -> str:
        """What a server was asked so far, and what that cost, in a few words; nothing of other editors."""
        editor = self._editor.inner if isinstance(self._editor, NamedEditor) else self._editor
        if not isinstance(editor, RemoteEditor):
            return ""
        spending = editor.budget.spending
        cost = f", ${spending.used.cost:,.2f}" if spending.used.cost else ""
        return f"{spending.num_requests:,} calls{cost}"

    def _opened(self) -> TaskEditor:
        if self._editor is None:
            self._editor = _editor(self._folder, self._choice, self._settings)
        return self._editor

    async def _made(self, rows: Sequence[Row]) -> dict[str, Row]:
        editor = self._opened()
        left = list(self._sweeps(rows, editor.capabilities))
        made: dict[str, Row] = {}
        while left:
            unreached: list[_Sweep] = []
            pool = Pool(left, self._asked, _close_nothing, max_concurrency=editor.max_concurrency)
            async for sweep, done in pool:
                if done is None:
                    unreached.append(sweep)
                else:
                    made |= {row.id: row for row in done}
            if len(unreached) == len(left):
                raise RemoteError(
                    f"{self._settings.editor!r} is not reached: see that it runs, then the same command "
                    "goes on"
                )
            left = unreached
        return made

    def _sweeps(self, rows: Sequence[Row], can: Capabilities) -> Iterator[_Sweep]:
        """What is to be asked for the edits among `rows`; their bases are there, too.

        Who is told strengths in words is told those of a row that has its own by these alone.
        """
        bases = {row.id: row for row in rows if row.base is None}
        together: dict[tuple[str | None, ...], dict[float, Row]] = {}
        for row in rows:
            if row.base is None:
                continue
            if can.continuous and not (can.degrees and _tells_strength(row)):
                look = row.base, row.combination or row.expression, row.granularity
                together.setdefault(look, {})[self._strength(row)] = row
            else:
                together[(row.id,)] = {1.0: row}
        for asked in together.values():
            yield _Sweep(bases[next(iter(asked.values())).group], asked)

    def _strength(self, row: Row) -> float:
        """At which it is asked for: an instruction is to be followed as it is, by who reads or draws it."""
        if row.granularity is not None and not self._names_expressions:
            return 1.0
        return row.strength or 1.0  # neutral is asked for as a whole

    @property
    def _names_expressions(self) -> bool:
        wording = own_settings(self._choice, OwnSettings(wording=self._settings.wording)).wording
        return self._choice.kind == "own" and wording == "expression"

    async def _asked(self, sweep: _Sweep) -> list[Row] | None:
        """The rows of a sweep with their pictures, or with the reason why there is none.

        None where nobody was reached: that is no reason to be without them.
        """
        outcomes = await self._outcomes(sweep)
        if any(outcome.fault == "unreachable" for outcome in outcomes.values()):
            return None
        return [self._settled(row, sweep.base, outcomes[asked]) for asked, row in sweep.rows.items()]

    async def _outcomes(self, sweep: _Sweep) -> dict[float, EditOutcome]:
        found: dict[float, EditOutcome] = {}
        failure = "the editor gave neither an edit nor a reason"
        try:
            task = self._task(sweep)
            seed = next(iter(sweep.rows.values())).seed or 0
            async with aclosing(
                self._opened().edit(task, task.picture.load(), tuple(sweep.rows), seed)
            ) as outcomes:
                async for outcome in outcomes:
                    found[outcome.strength] = outcome
        except EditorStoppedError as stop:
            raise RemoteError(str(stop)) from stop  # a pool then takes in what is under way
        except (OutputError, RemoteError):
            raise
        except PixelSmileError as error:
            failure = str(error)
        except Exception as error:  # a mesh of strangers' pictures raises anything
            if self.in_process:
                raise
            failure = f"{type(error).__name__}: {error}"
        return {asked: found.get(asked, EditOutcome(asked, None, failure)) for asked in sweep.rows}

    def _task(self, sweep: _Sweep) -> Task:
        row = max(sweep.rows.values(), key=lambda row: row.strength or 0)
        return Task(
            sweep.base.id,
            row.expression or "",
            row.domain,
            row.prompt or "",
            sweep.base.face_box,
            granularity=row.granularity,
            units=self._units(row),
            picture=self._picture(sweep.base),
        )

    def _units(self, row: Row) -> dict[str, float] | None:
        """Of the face at the strength 1 that is asked for."""
        if row.units is None:  # neutral
            return {} if self._choice.kind == "sanity" else None
        if self._choice.kind == "own" and self._settings.moved_by == "expression":
            return None
        units = parse_units(row.units)
        if row.granularity is None or self._names_expressions:
            return units
        return {name: value * (row.strength or 0.0) for name, value in units.items()}

    def _picture(self, base: Row) -> Picture:
        if self._choice.kind == "sanity" and base.identity_seed is not None:
            expression, strength = base.expression or NEUTRAL, base.strength or 0.0
            size_px = base.width_px or 0
            return DrawnPortrait(
                base.identity_seed, base.domain, expression, strength, base.variant or 0, size_px
            )
        return PictureFile(self._folder / (base.picture or ""))

    def _settled(self, row: Row, base: Row, outcome: EditOutcome) -> Row:
        """The row with its picture, which is written, or with the reason why it has none."""
        row = row.updated(editor=self._settings.editor)
        if outcome.image is None:
            reason: Reason = "refused" if outcome.fault == "refused" else "no edit"
            return row.rejected("generate", reason, detail=outcome.failure)
        image, size = outcome.image.convert("RGB"), (base.width_px or 0, base.height_px or 0)
        if image.size != size and self._settings.other_size != "keep":
            is_alike = abs(image.width * size[1] / (image.height * size[0]) - 1) <= _MAX_SHAPE
            if self._settings.other_size == "reject" or not is_alike:
                came = f"{image.width} x {image.height} px of a base of {size[0]} x {size[1]}"
                return row.rejected("generate", "other size", detail=came)
            image = image.resize(size, Image.Resampling.LANCZOS)
        file = io.BytesIO()
        image.save(file, "PNG")
        data = file.getvalue()
        sha256 = sha256_bytes(data)
        picture = keep_picture(self._folder, data, sha256, ".png")
        return row.updated(picture=picture, sha256=sha256, width_px=image.width, height_px=image.height)


def check_editor(settings: GenerateSettings) -> None:
    """RemoteError, InputError where a service lacks its key, an address, or the price that a budget needs;
    nothing is asked.
    """
    choice = parse_editor(settings.editor)
    if choice.kind == "service":
        provider_of(choice.service, choice.argument, remote_settings(choice, _remote(settings)), Path())


def price_words(settings: GenerateSettings, num_edits: int) -> str:
    """What the edits will cost, before any is made; nothing where an editor costs none.

    As a plan of a benchmark: each answered once, up to each as often as is paid for before one is given up.
    """
    choice = parse_editor(settings.editor)
    if choice.kind != "service":
        return ""
    price = settings.price or choice.price
    cost = "the price is not known (generate.price tells it)"
    if price:
        least, most = price * num_edits, price * num_edits * RetryPolicy().max_answers
        cost = f"${least:,.2f} to ${most:,.2f} at ${price} a call"
    limits = [f"${settings.max_cost}" if settings.max_cost is not None else ""]
    limits.append(f"{settings.max_requests:,} calls" if settings.max_requests is not None else "")
    ends = " or ".join(filter(None, limits))
    return f"at most {num_edits:,} edits, {cost}" + (f"; this run ends at {ends}" if ends else "")


def _tells_strength(row: Row) -> bool:
    return row.prompt != target_prompt(row.expression or NEUTRAL, row.domain)


def _is_light(choice: EditorChoice, settings: GenerateSettings) -> bool:
    """Whether each of many processes may have one of its own."""
    return choice.kind == "sanity" or (choice.kind == "own" and settings.model == GEOMETRIC)


def _editor(folder: Path, choice: EditorChoice, settings: GenerateSettings) -> TaskEditor:
    own = OwnSettings(
        steps=settings.steps,
        shift=settings.shift,
        size=settings.size,
        region=settings.region,
        wording=settings.wording,
        restore=True,
        guidance=settings.guidance,
    )
    return open_editor(
        choice,
        (),
        folder,
        (),
        load=lambda: _model(choice, settings),
        own=own,
        pipeline=PipelineSettings(
            settings.model, settings.steps, settings.device, quantization=settings.quantization
        ),
        remote=_remote(settings),
        timeout_s=settings.timeout_s,
        max_concurrency=settings.max_concurrency,
    )


def _remote(settings: GenerateSettings) -> RemoteSettings:
    return RemoteSettings(
        size=settings.server_size,
        key_env=settings.key_env,
        extra=settings.extra,
        timeout_s=settings.timeout_s or DEFAULT_TIMEOUT_S,
        price=settings.price,
        max_requests=settings.max_requests,
        max_cost=settings.max_cost,
    )


def _model(choice: EditorChoice, settings: GenerateSettings) -> Editor:
    asked = ModelChoice(settings.model, settings.adapters, settings.device)
    asked = replace(own_model(choice, asked), quantization=settings.quantization)
    adapter = None if asked.adapter is None else tuple(asked.adapter)
    return _loaded(asked.model, adapter, asked.device, asked.quantization)


@cache
def _loaded(
    model: str | None, adapters: tuple[str, ...] | None, device: str | None, quantization: str | None
) -> Editor:
    """Loaded once a process."""
    return Editor.from_pretrained(model, adapters, device, quantization=quantization)


async def _close_nothing() -> None:
    """An editor goes on with the next batch."""
