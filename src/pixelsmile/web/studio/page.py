"""The studio's page: what of it is Gradio's, where its own script draws, and what calls what."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from pixelsmile.editing.edit_files import OutputFormat
from pixelsmile.editing.options import MAX_STEPS
from pixelsmile.errors import InputError
from pixelsmile.results import PictureFormat, check_animation
from pixelsmile.version import __version__
from pixelsmile.web.studio.asked import MAX_SWEEP, Asked
from pixelsmile.web.studio.files import Packed
from pixelsmile.web.studio.script import script, server_functions
from pixelsmile.web.studio.studio import RESULT_PX, Studio, Told, data_url, read_asked, refusal
from pixelsmile.web.studio.visits import Rendered
from pixelsmile.web.studio.work import jpeg

AUTO = "what suits the picture"
FORMATS = {
    "PNG": ("png", None),
    "JPEG": ("jpeg", None),
    "WebP": ("webp", None),
    "GIF animation": ("png", "gif"),
    "WebP animation": ("png", "webp"),
    "MP4 film": ("png", "mp4"),
}
_OF_BATCH = {"the largest face": "largest", "all faces": "all", "the only face": ""}
_HEAD = (
    "<h1>pixelsmile studio</h1><p>Sliders change the face at once; Render makes the picture to keep. Every "
    f"picture says that it is an edit. pixelsmile {__version__}</p>"
)
_EMPTY = '<div class="ps-root"></div>'


def build(studio: Studio) -> gr.Blocks:
    """The page over a studio. Nothing is sent anywhere but to this studio: no analytics, no fonts."""
    with gr.Blocks(title="pixelsmile studio", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.HTML(_HEAD, js_on_load=None)
        with gr.Row(equal_height=False, elem_classes="ps-columns"):
            with gr.Column(scale=3, min_width=340) as left:
                stage = gr.HTML(
                    value={},
                    html_template=_EMPTY,
                    js_on_load=script("stage.js"),
                    server_functions=server_functions(studio),
                    apply_default_css=False,
                    elem_id="stage",
                )
            with gr.Column(scale=2, min_width=320) as right:
                gr.HTML(
                    html_template=_EMPTY,
                    js_on_load=script("mixer.js"),
                    apply_default_css=False,
                    elem_id="mixer",
                )
        rendering = _Rendering(studio, stage, left, right)
        _Batch(studio, stage, rendering)

        def forget(name: str | None) -> None:
            if name is not None:
                studio.visits.end(name)

        visit = gr.State(None, time_to_live=3600, delete_callback=forget)

        of_session: dict[str | None, str] = {}

        def begin(request: gr.Request) -> tuple[str, dict[str, str]]:
            name = of_session[request.session_hash] = studio.visits.begin()
            return name, {"visit": name}

        def leave(request: gr.Request) -> None:
            """The tab was closed: nobody waits any more for what it has under way."""
            if name := of_session.pop(request.session_hash, None):
                studio.cancel(name)

        page.unload(leave)
        page.load(begin, None, [visit, stage], show_progress="hidden", api_visibility="private")
    return page.queue(default_concurrency_limit=None)


class _Rendering:
    """The controls below the sliders: what is made at full size, in which form it is taken away."""

    def __init__(self, studio: Studio, stage: gr.HTML, left: gr.Column, right: gr.Column) -> None:
        """left, right: where what comes and what is set is shown."""
        self._studio = studio
        choices = [AUTO, *studio.models.choices]
        with left:
            with gr.Column(elem_classes="ps-go"):
                with gr.Row():
                    self.render = gr.Button("Render", variant="primary", elem_id="render")
                    self.sweep = gr.Button("Render a sweep", elem_id="sweep")
                    self.cancel = gr.Button("Cancel", variant="stop", elem_id="cancel", interactive=False)
                self.told = gr.HTML(_told(Told("")), js_on_load=None, elem_id="told")
            self.results = gr.HTML("", js_on_load=None, elem_id="results")
            with gr.Row():
                self.take = gr.DownloadButton("Download", interactive=False, elem_id="take")
                self.take_all = gr.DownloadButton(
                    "All files and settings (zip)", interactive=False, elem_id="take-all"
                )
        with right:
            self.model = gr.Dropdown(choices, value=AUTO, label="Model", elem_id="model")
            with gr.Row():
                self.format = gr.Dropdown(list(FORMATS), value="PNG", label="Format", elem_id="format")
                self.quality = gr.Slider(1, 100, 95, step=1, label="Quality of JPEG and WebP")
            with gr.Accordion("More", open=False):
                self.num = gr.Slider(2, MAX_SWEEP, 5, step=1, label="Pictures of a sweep")
                # No limits here: Gradio prints a traceback where they are passed. `with_model` refuses.
                self.seed = gr.Number(0, label="Seed (models that draw noise)", precision=0)
                self.steps = gr.Number(
                    0, label=f"Steps (0: the model's own; at most {MAX_STEPS})", precision=0
                )
        self.inputs = [stage, self.model, self.seed, self.steps, self.num, self.format, self.quality]
        self._wire(stage)

    def _wire(self, stage: gr.HTML) -> None:
        outputs = [self.told, self.results, self.take, self.take_all, self.cancel]
        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.render.click(self._one, self.inputs, outputs, concurrency_limit=None, **hidden)
        self.sweep.click(self._several, self.inputs, outputs, concurrency_limit=None, **hidden)
        self.cancel.click(self._stop, [stage], None, queue=False, **hidden)
        files = [self.told, self.take, self.take_all]
        for control in (self.format.change, self.quality.release):
            control(self._form_changed, [stage, self.format, self.quality], files, **hidden)
        stage.opened(_emptied, None, [self.told, self.results, self.take, self.take_all], **hidden)
        self.results.change(None, js="() => window.pixelsmileHub?.emit('rendered')")

    async def _one(self, value: Any, *controls: Any) -> AsyncIterator[list[Any]]:
        async for update in self._make(value, controls, sweep=False):
            yield update

    async def _several(self, value: Any, *controls: Any) -> AsyncIterator[list[Any]]:
        async for update in self._make(value, controls, sweep=True):
            yield update

    async def _make(self, value: Any, controls: tuple[Any, ...], *, sweep: bool) -> AsyncIterator[list[Any]]:
        """Updates of told, results, the two downloads, cancel."""
        skip = gr.skip()
        yield [_told(Told("asking")), skip, skip, skip, gr.update(interactive=True)]
        end = Told("")
        try:
            model, seed, steps, num, format_, quality = controls
            asked = with_model(value, model, seed, steps)
            form = form_of(self._studio.form, format_, quality)
            async for event in self._studio.render(asked, int(num) if sweep else 1):
                if isinstance(event, Told):
                    end = event
                    yield [_told(event), skip, skip, skip, skip]
                    continue
                yield [skip, await asyncio.to_thread(_results, event), skip, skip, skip]
                if form.animations and not sweep:
                    form = replace(form, animations=())
                packed = await self._studio.pack(asked.visit, form)
                yield [skip, skip, *_downloads(packed), skip]
        except Exception as error:
            end = Told(refusal(error), error=True)
        yield [_told(end), skip, skip, skip, gr.update(interactive=False)]

    def _stop(self, value: Any) -> None:
        try:
            self._studio.cancel(read_asked(value).visit)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error

    async def _form_changed(self, value: Any, format_: str, quality: float) -> list[Any]:
        skip = gr.skip()
        try:
            packed = await self._studio.pack(
                read_asked(value).visit, form_of(self._studio.form, format_, quality)
            )
        except Exception as error:
            return [_told(Told(refusal(error), error=True)), skip, skip]
        return [skip if packed is None else _told(Told(f"ready as {format_}")), *_downloads(packed)]


class _Batch:
    """The same sliders for many pictures, into one zip."""

    def __init__(self, studio: Studio, stage: gr.HTML, rendering: _Rendering) -> None:
        self._studio = studio
        with gr.Accordion("Many pictures", open=False, elem_id="batch"):
            gr.Markdown(
                "What the sliders say is done to each picture; the result is a zip with a folder for each."
            )
            with gr.Row():
                folder = gr.UploadButton("Choose a folder", file_count="directory", size="md")
                self.which = gr.Dropdown(list(_OF_BATCH), value="the largest face", label="Which face")
                self.several = gr.Checkbox(False, label="A sweep of each")
            pictures = gr.File(
                file_count="multiple", file_types=["image"], label="Pictures", elem_classes="ps-own-drop"
            )
            with gr.Row():
                go = gr.Button("Edit them all", variant="primary", elem_id="batch-go")
                stop = gr.Button("Cancel", variant="stop", interactive=False)
            told = gr.HTML(_told(Told("")), js_on_load=None)
            command = gr.HTML("", js_on_load=None, apply_default_css=False)
            take = gr.DownloadButton("Download the zip", interactive=False, elem_id="batch-take")
        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        folder.upload(_pictures_of, folder, pictures, **hidden)
        go.click(
            self._make,
            [*rendering.inputs, pictures, self.which, self.several],
            [told, command, take, stop],
            concurrency_limit=None,
            **hidden,
        )
        stop.click(rendering._stop, [stage], None, queue=False, **hidden)

    async def _make(self, value: Any, *controls: Any) -> AsyncIterator[list[Any]]:
        """Updates of told, the command, the download, cancel."""
        skip = gr.skip()
        yield [_told(Told("asking")), skip, gr.update(interactive=False), gr.update(interactive=True)]
        end = Told("")
        try:
            model, seed, steps, num, format_, quality, paths, which, several = controls
            asked = with_model(value, model, seed, steps)
            face = _OF_BATCH[which]
            asked = asked.model_copy(update={"face": face, "mixes": {face: asked.mix}})
            form, number = form_of(self._studio.form, format_, quality), int(num) if several else 1
            form = replace(form, grid=number > 1)
            yield [skip, _command(self._studio.command_of_batch(asked, number, form)), skip, skip]
            async for event in self._studio.batch(asked, paths or [], number, form):
                if isinstance(event, Packed):
                    yield [skip, skip, gr.update(value=str(event.main), interactive=True), skip]
                    continue
                end = event
                yield [_told(event), skip, skip, skip]
        except Exception as error:
            end = Told(refusal(error), error=True)
        yield [_told(end), skip, skip, gr.update(interactive=False)]


def with_model(value: Any, model: str, seed: float | None, steps: float | None) -> Asked:
    """What the page says, with the controls beside it. InputError."""
    chosen = {
        "model": None if model == AUTO else model,
        "seed": int(seed or 0),
        "steps": int(steps or 0) or None,
    }
    return read_asked({**(value if isinstance(value, dict) else {}), **chosen})


def form_of(form: OutputFormat, name: str, quality: float) -> OutputFormat:
    """How files are written. InputError where a library for it is missing."""
    picture, animation = FORMATS[name]
    if animation is not None:
        check_animation(animation)
    lossy = None if picture == "png" or quality == 95 else int(quality)
    return replace(form, picture=PictureFormat(picture, lossy), animations=(animation,) if animation else ())


def _pictures_of(paths: list[str] | None) -> list[str]:
    """Those of a folder's files whose names are pictures'."""
    known = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
    return [path for path in paths or [] if path.lower().endswith(known)]


def _emptied() -> list[Any]:
    """Nothing was rendered yet."""
    return [
        _told(Told("")),
        "",
        gr.update(value=None, interactive=False, label="Download"),
        gr.update(value=None, interactive=False),
    ]


def _downloads(packed: Packed | None) -> list[Any]:
    if packed is None:
        return [gr.skip(), gr.skip()]
    return [
        gr.update(value=str(packed.main), interactive=True, label=f"Download {packed.main.name}"),
        gr.update(value=str(packed.everything), interactive=True),
    ]


def _told(told: Told) -> str:
    bar = ""
    if told.share is not None:
        percent = round(100 * told.share)
        bar = f'<progress max="100" value="{percent}" aria-label="Progress">{percent} %</progress>'
    kind = ' class="ps-error"' if told.error else ""
    return f'<div class="ps-told" role="status"><span{kind}>{escape(told.text)}</span>{bar}</div>'


def _command(line: str) -> str:
    name = "The command that does the same to a folder"
    return (
        f'<div class="ps-root"><span>{name}</span>'
        f'<code class="ps-command" role="region" tabindex="0" aria-label="{name}">{escape(line)}</code></div>'
    )


def _results(rendered: Rendered) -> str:
    """The strip of what was made: buttons that show one on the stage."""
    buttons = []
    for title, result in zip(rendered.edit.titles.values(), rendered.results, strict=True):
        for strength, image in zip(result.strengths, result.images, strict=True):
            label = escape(f"{title} at strength {strength:g}", quote=True)
            buttons.append(
                f'<button type="button" class="ps-result" aria-pressed="false" '
                f'data-by="{escape(rendered.model, quote=True)}" aria-label="{label}">'
                f'<img alt="" src="{data_url(jpeg(image, RESULT_PX))}"><span>{strength:g}</span></button>'
            )
    return f'<div class="ps-results">{"".join(buttons)}</div>'
