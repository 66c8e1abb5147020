"""An edit as it is kept: one sweep of pictures, and the files that sweeps become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from pixelsmile.editing.folders import GEOMETRIC
from pixelsmile.editing.notebook import slider, strip
from pixelsmile.editing.pictures import Source
from pixelsmile.errors import OutputError, StrengthError
from pixelsmile.images import load_image
from pixelsmile.provenance.certificates import Signer
from pixelsmile.provenance.credentials import Claim, parent_of, signed
from pixelsmile.provenance.watermark import marked
from pixelsmile.results import (
    EDITED,
    PNG,
    TRAINED,
    UNTRAINED,
    PictureFormat,
    Sweep,
    animated,
    draw_grid,
    edited_picture,
    file_slug,
    fitted,
    format_strength,
)
from pixelsmile.store.manifests import MANIFEST_NAME, FileRecord, make_manifest, record_bytes
from pixelsmile.store.publication import Stage, staged
from pixelsmile.version import __version__

_BAND_PX = 256
_PER_PICTURE = ("strengths", "weights", "corrections")  # settings with an entry for each picture


@dataclass(frozen=True)
class OutputFormat:
    """What the files of an edit are. animations: gif, webp, mp4, of each sweep.

    frames: the strengths that animations show; those that no picture shows are edited for them. mark: whether
    the pixels of what was edited carry the imperceptible mark. signer: who signs every file, if anybody does.
    """

    picture: PictureFormat = PNG
    grid: bool = False
    animations: tuple[str, ...] = ()
    frames: tuple[float, ...] = ()
    mark: bool = True
    signer: Signer | None = None

    def all_strengths(self, strengths: Sequence[float]) -> tuple[float, ...]:
        """What to edit: the strengths of the pictures, then those of the frames in between."""
        return tuple(dict.fromkeys((*strengths, *self.frames)))


@dataclass(frozen=True)
class EditResult:
    """One sweep: `images[i]` shows the request at `strengths[i]`.

    settings: how it was made, ready for JSON. source: what was edited.
    """

    label: str
    images: list[Image.Image]
    strengths: tuple[float, ...]
    settings: dict[str, Any]
    source: Source

    def at(self, strengths: Sequence[float]) -> "EditResult":
        """The sweep at some of its strengths, in the order that is given. ValueError for one it has not."""
        indices = [self.strengths.index(strength) for strength in strengths]
        images = [self.images[index] for index in indices]
        settings = _settings_at(self.settings, indices)
        return replace(self, images=images, strengths=tuple(strengths), settings=settings)

    def save(
        self,
        folder: str | Path,
        *,
        format: str = "png",
        quality: int | None = None,
        force: bool = False,
        mark: bool = True,
        signer: Signer | None = None,
    ) -> list[Path]:
        """Write a picture for each strength, and a manifest, as `pixelsmile edit` does; their paths.

        folder: made if it is not there; files of other names in it stay. format: png (lossless), jpeg or
        webp, all with the settings and a note that software changed the picture. quality: of jpeg and webp,
        1 to 100 (None: 95). force: replace files of the same names. mark: put the imperceptible mark into the
        pixels (`images` are without it). signer: who signs, as `open_signer` gives one.

        All of the files appear, or none. Raises OutputError where one exists (unless `force`), where `folder`
        cannot be written or the format cannot hold the pictures, StrengthError where a strength occurs twice,
        InputError for an unknown format or quality.
        """
        if not isinstance(folder, str | Path) or "\0" in str(folder):
            raise OutputError(f"a folder to save to is a path, not {folder!r}: give its name")
        form = OutputFormat(PictureFormat(format, quality), mark=mark, signer=signer)
        slug = file_slug(self.label)
        with staged(Path(folder), file_names([slug], self.strengths, form), force=force) as stage:
            return write_files(stage, {slug: self.label}, [self], self.strengths, form).paths()

    def _repr_html_(self) -> str:
        """What a notebook shows: the pictures in a row."""
        return strip(self.label, _seen(self), self.strengths)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """The same with a slider, for notebooks that have widgets."""
        widget = slider(self.label, _seen(self), self.strengths)
        bundle: dict[str, Any] = {} if widget is None else widget._repr_mimebundle_()
        return {**bundle, "text/plain": repr(self), "text/html": self._repr_html_()}

    def __repr__(self) -> str:
        return f"EditResult({self.label!r}, strengths={self.strengths}, {self.images[0].size} px)"


def _settings_at(settings: Mapping[str, Any], indices: Sequence[int]) -> dict[str, Any]:
    """The settings of a sweep, and those of its faces, narrowed to some of its pictures."""
    narrowed = dict(settings)
    for key in _PER_PICTURE:
        if key in narrowed:
            narrowed[key] = [narrowed[key][index] for index in indices]
    if "face" in narrowed:
        narrowed["face"] = _settings_at(narrowed["face"], indices)
    if "faces" in narrowed:
        narrowed["faces"] = [_settings_at(face, indices) for face in narrowed["faces"]]
    return narrowed


@dataclass(frozen=True)
class EditFiles:
    """The names of what was written into `folder`. settings: how the first sweep was made."""

    folder: Path
    pictures: tuple[tuple[str, str, float], ...]  # name, label, strength
    animations: tuple[tuple[str, str], ...]  # name, label
    grid: str | None
    settings: Mapping[str, Any]

    def paths(self) -> list[Path]:
        """Every file, the pictures first, the manifest last."""
        names = [name for name, _, _ in self.pictures] + [name for name, _ in self.animations]
        names += [self.grid, MANIFEST_NAME] if self.grid else [MANIFEST_NAME]
        return [self.folder / name for name in names]

    def as_dict(self) -> dict[str, Any]:
        """The files as JSON holds them."""
        return {
            "folder": str(self.folder),
            "pictures": [
                {"path": str(self.folder / name), "label": label, "strength": strength}
                for name, label, strength in self.pictures
            ],
            "animations": [
                {"path": str(self.folder / name), "label": label} for name, label in self.animations
            ],
            "grid": str(self.folder / self.grid) if self.grid else None,
            "manifest": str(self.folder / MANIFEST_NAME),
        }


def file_names(slugs: Sequence[str], strengths: Sequence[float], form: OutputFormat) -> list[str]:
    """Every file that the edit will write; StrengthError for a strength given twice."""
    repeated = [strength for index, strength in enumerate(strengths) if strength in strengths[:index]]
    if repeated:
        raise StrengthError(f"strength {repeated[0]:g} is given twice: give each once")
    names = [_picture_name(slug, strength, form) for slug in slugs for strength in strengths]
    names += [_animation_name(slug, moving) for slug in slugs for moving in form.animations]
    if form.grid:
        names.append(_grid_name(form))
    return [*names, MANIFEST_NAME]


def write_files(
    stage: Stage,
    labels: Mapping[str, str],
    results: Sequence[EditResult],
    strengths: Sequence[float],
    form: OutputFormat,
) -> EditFiles:
    """Put everything that was asked for on the stage, whose names are those of `file_names`.

    labels: what each sweep is called beside its pictures, by how its files' names begin. results: in the same
    order, each at `form.all_strengths(strengths)`. OutputError where the format cannot hold the pictures.
    """
    shown = {slug: result.at(strengths) for slug, result in zip(labels, results, strict=True)}
    pictures, animations = [], []
    outputs: list[FileRecord] = []

    def keep(name: str, data: bytes) -> None:  # at once: a sweep of a large photograph fills the memory
        stage.write(name, data)
        outputs.append(record_bytes(name, data))

    for slug, result in shown.items():
        for index, strength in enumerate(strengths):
            name = _picture_name(slug, strength, form)
            keep(name, picture_file(result, index, form, name))
            pictures.append((name, labels[slug], strength))
    for slug, result in zip(labels, results, strict=True) if form.animations else ():
        frames = [fitted(frame) for frame in _seen(result.at(form.frames))]
        if form.mark:
            frames = [marked(frame) for frame in frames]
        for moving in form.animations:
            name = _animation_name(slug, moving)
            keep(name, _signed(animated(frames, moving), name, result, form))
            animations.append((name, labels[slug]))
    grid = _grid_name(form) if form.grid else None
    if grid:
        rows = [Sweep(labels[slug], _seen(result), result.strengths) for slug, result in shown.items()]
        keep(grid, _signed(_sheet(rows, list(shown.values()), form), grid, results[0], form))
    stage.write(MANIFEST_NAME, _manifest(results, form, outputs))
    return EditFiles(stage.folder, tuple(pictures), tuple(animations), grid, results[0].settings)


def _picture_name(slug: str, strength: float, form: OutputFormat) -> str:
    return f"{slug}-{format_strength(strength)}{form.picture.suffix}"


def _animation_name(slug: str, moving: str) -> str:
    return f"{slug}.{moving}"


def _grid_name(form: OutputFormat) -> str:
    return f"grid{form.picture.suffix}"


def picture_file(result: EditResult, index: int, form: OutputFormat, name: str | None = None) -> bytes:
    """The file of one edit as people get it: with its settings, marked and signed as `form` says.

    name: its title in a signature, which ends as its format's names do (None: edit.png and so on). A picture
    that is its source, pixel for pixel, gets no mark, and its signature says of no edit. OutputError where
    the format cannot hold it.
    """
    settings = _settings_at(result.settings, [index])
    settings["strength"] = settings.pop("strengths")[0]
    settings["weights"] = settings["weights"][0]
    if result.source.record is not None:
        settings["source_sha256"] = result.source.record.sha256
    edited = is_edited(result, index)
    image = marked(result.images[index]) if form.mark and edited else result.images[index]
    portrait = result.source.portrait
    text = None if portrait is None else portrait.text
    data = edited_picture(image, settings, text, form.picture, _source_type(result))
    return _signed(data, name or f"edit{form.picture.suffix}", result, form, edited)


def _signed(data: bytes, name: str, result: EditResult, form: OutputFormat, is_edited: bool = True) -> bytes:
    """The file with what a signature says of it, if somebody signs."""
    if form.signer is None:
        return data
    source = result.source
    sha256 = None if source.record is None else source.record.sha256
    parent = parent_of(source.path, source.image, sha256)
    claim = Claim(name, _source_type(result), EDITED, parent, is_edited=is_edited, is_marked=form.mark)
    return signed(data, claim, form.signer)


def _source_type(result: EditResult) -> str:
    """In the words of the IPTC: the geometric model was not trained to make pictures, and makes none."""
    return UNTRAINED if result.settings.get("model") == GEOMETRIC else TRAINED


def is_edited(result: EditResult, index: int) -> bool:
    """Whether a picture differs from its source in any pixel."""
    source, image = result.source, result.images[index]
    original = source.original.restored(source.image)
    if (image.mode, image.size) != (original.mode, original.size):
        return True
    bands = range(0, image.height, _BAND_PX)
    boxes = [(0, top, image.width, min(top + _BAND_PX, image.height)) for top in bands]
    return any(image.crop(box).tobytes() != original.crop(box).tobytes() for box in boxes)


def _seen(result: EditResult) -> list[Image.Image]:
    """The edits as RGB, transparency over white."""
    return [load_image(image) for image in result.images]


def _sheet(rows: Sequence[Sweep], results: Sequence[EditResult], form: OutputFormat) -> bytes:
    first = results[0]
    sheet = draw_grid(first.source.image, rows, _caption(first.settings))
    settings = {"sweeps": [result.settings for result in results]}
    if form.mark:
        sheet = _marked_on_paper(sheet)
    return edited_picture(sheet, settings, form=form.picture, source_type=_source_type(first))


def _marked_on_paper(sheet: Image.Image) -> Image.Image:
    """The sheet with the mark in its pictures: on paper of one colour the eye finds the faintest."""
    paper = Image.new(sheet.mode, sheet.size, sheet.getpixel((0, 0)))
    differs = ImageChops.difference(sheet, paper).convert("L").point(lambda level: 255 if level else 0)
    return Image.composite(marked(sheet), sheet, differs)


def _caption(settings: dict[str, Any]) -> str:
    parts = [f"edited by software: pixelsmile {__version__}", f"model {Path(settings['model']).name}"]
    parts += [f"adapter {Path(adapter['source']).name}" for adapter in settings["adapters"]]
    if settings["model"] != GEOMETRIC:  # which takes no steps and draws no noise
        parts += [f"{settings['steps']} steps", f"seed {settings['seed']}"]
    return "  ·  ".join(parts)


def _manifest(results: Sequence[EditResult], form: OutputFormat, outputs: list[FileRecord]) -> bytes:
    record = results[0].source.record
    manifest = make_manifest(
        "edit",
        settings={
            "sweeps": [result.settings for result in results],
            "frames": list(form.frames),
            "mark": form.mark,
            "signer": None if form.signer is None else form.signer.name,
        },
        seeds=[results[0].settings["seed"]],
        inputs=[] if record is None else [record],
        outputs=outputs,
    )
    return manifest.to_json()
