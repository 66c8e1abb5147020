"""An edit as it is kept: one sweep of pictures, and the files that sweeps become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from pixelsmile.editing.folders import GEOMETRIC
from pixelsmile.editing.pictures import Source
from pixelsmile.errors import OutputError, StrengthError
from pixelsmile.images import load_image
from pixelsmile.results import (
    PNG,
    PictureFormat,
    Sweep,
    animated,
    draw_grid,
    edited_picture,
    file_slug,
    format_strength,
)
from pixelsmile.store.manifests import MANIFEST_NAME, FileRecord, make_manifest, record_bytes
from pixelsmile.store.publication import Stage, staged
from pixelsmile.version import __version__

_PER_PICTURE = ("strengths", "weights", "corrections")  # settings with an entry for each picture


@dataclass(frozen=True)
class OutputFormat:
    """What the files of an edit are. animations: gif, webp, mp4, of each sweep.

    frames: the strengths that animations show; those that no picture shows are edited for them.
    """

    picture: PictureFormat = PNG
    grid: bool = False
    animations: tuple[str, ...] = ()
    frames: tuple[float, ...] = ()

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
        self, folder: str | Path, *, format: str = "png", quality: int | None = None, force: bool = False
    ) -> list[Path]:
        """Write a picture for each strength, and a manifest, as `pixelsmile edit` does; their paths.

        folder: made if it is not there; files of other names in it stay. format: png (lossless), jpeg or
        webp, all with the settings and a note that software changed the picture. quality: of jpeg and webp,
        1 to 100 (None: 95). force: replace files of the same names.

        All of the files appear, or none. Raises OutputError where one exists (unless `force`), where `folder`
        cannot be written or the format cannot hold the pictures, StrengthError where a strength occurs twice,
        InputError for an unknown format or quality.
        """
        if not isinstance(folder, str | Path) or "\0" in str(folder):
            raise OutputError(f"a folder to save to is a path, not {folder!r}: give its name")
        form = OutputFormat(PictureFormat(format, quality))
        slug = file_slug(self.label)
        with staged(Path(folder), file_names([slug], self.strengths, form), force=force) as stage:
            return write_files(stage, {slug: self.label}, [self], self.strengths, form).paths()


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
            keep(name, picture_file(result, index, form))
            pictures.append((name, labels[slug], strength))
    for slug, result in zip(labels, results, strict=True) if form.animations else ():
        frames = _seen(result.at(form.frames))
        for moving in form.animations:
            keep(_animation_name(slug, moving), animated(frames, moving))
            animations.append((_animation_name(slug, moving), labels[slug]))
    grid = _grid_name(form) if form.grid else None
    if grid:
        rows = [Sweep(labels[slug], _seen(result), result.strengths) for slug, result in shown.items()]
        keep(grid, _sheet(rows, list(shown.values()), form.picture))
    stage.write(MANIFEST_NAME, _manifest(results, form, outputs))
    return EditFiles(stage.folder, tuple(pictures), tuple(animations), grid, results[0].settings)


def _picture_name(slug: str, strength: float, form: OutputFormat) -> str:
    return f"{slug}-{format_strength(strength)}{form.picture.suffix}"


def _animation_name(slug: str, moving: str) -> str:
    return f"{slug}.{moving}"


def _grid_name(form: OutputFormat) -> str:
    return f"grid{form.picture.suffix}"


def picture_file(result: EditResult, index: int, form: OutputFormat) -> bytes:
    """The file of one edit as people get it, with the settings of its sweep narrowed to it. OutputError."""
    settings = _settings_at(result.settings, [index])
    settings["strength"] = settings.pop("strengths")[0]
    settings["weights"] = settings["weights"][0]
    if result.source.record is not None:
        settings["source_sha256"] = result.source.record.sha256
    portrait = result.source.portrait
    text = None if portrait is None else portrait.text
    return edited_picture(result.images[index], settings, text, form.picture)


def _seen(result: EditResult) -> list[Image.Image]:
    """The edits as RGB, transparency over white."""
    return [load_image(image) for image in result.images]


def _sheet(rows: Sequence[Sweep], results: Sequence[EditResult], form: PictureFormat) -> bytes:
    first = results[0]
    sheet = draw_grid(first.source.image, rows, _caption(first.settings))
    return edited_picture(sheet, {"sweeps": [result.settings for result in results]}, form=form)


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
        settings={"sweeps": [result.settings for result in results], "frames": list(form.frames)},
        seeds=[results[0].settings["seed"]],
        inputs=[] if record is None else [record],
        outputs=outputs,
    )
    return manifest.to_json()
