"""An edit as it is kept: its source, one sweep of pictures, and the files that they become."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pixelsmile import __version__
from pixelsmile.errors import StrengthError
from pixelsmile.expressions import Domain
from pixelsmile.images import load_image, load_original
from pixelsmile.originals import Original
from pixelsmile.publication import Stage, staged
from pixelsmile.records import MANIFEST_NAME, FileRecord, make_manifest, record_bytes, record_file
from pixelsmile.results import (
    DrawnPortrait,
    Sweep,
    animation_gif,
    draw_grid,
    edited_png,
    file_slug,
    read_portrait,
)
from pixelsmile.results.sweep import format_strength

GRID_NAME = "grid.png"


@dataclass(frozen=True)
class Source:
    """The picture to edit; `portrait` says what was drawn, where it is one of our drawn portraits.

    image: as editors see it, RGB. path, record: of its file; None where a picture or an array was given.
    original: what editors do not see of it.
    """

    path: Path | None
    image: Image.Image
    record: FileRecord | None = None
    portrait: DrawnPortrait | None = None
    original: Original | None = None

    @property
    def is_drawn(self) -> bool:
        return self.portrait is not None

    @property
    def domain(self) -> Domain:
        """A drawn portrait's own style; human for everything else."""
        return "human" if self.portrait is None else self.portrait.style

    @property
    def notes(self) -> tuple[str, ...]:
        """What editing takes from the picture, in a line each."""
        return () if self.original is None else self.original.notes

    def restored(self, edit: Image.Image) -> Image.Image:
        """An edit of `image`, RGB and of its size, as transparent, grey and deep as the original."""
        return edit if self.original is None else self.original.restored(edit)


def read_source(path: Path) -> Source:
    """The picture with its hash and, for a drawn portrait, its description; ImageError if unreadable."""
    original = load_original(path)
    return Source(path, original.rgb, record_file(path), read_portrait(path), original)


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

    def save(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write a PNG for each strength, and a manifest, as `pixelsmile edit` does; their paths.

        All of the files appear, or none. OutputError where one of them exists (unless `force`) or `folder`
        cannot be written, StrengthError where a strength occurs twice.
        """
        sweep = NamedSweep(self.label, file_slug(self.label), self)
        names = file_names([sweep.slug], self.strengths, grid=False, gif=False)
        with staged(Path(folder), names, force=force) as stage:
            return write_files(stage, [sweep], grid=False, gif=False).paths()


@dataclass(frozen=True)
class NamedSweep:
    """A result with what it is called beside its pictures, and how the names of its files begin."""

    label: str
    slug: str
    result: EditResult


@dataclass(frozen=True)
class EditFiles:
    """The names of what was written into `folder`."""

    folder: Path
    pictures: tuple[tuple[str, str, float], ...]  # name, label, strength
    animations: tuple[tuple[str, str], ...]  # name, label
    grid: str | None

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


def file_names(slugs: Sequence[str], strengths: Sequence[float], *, grid: bool, gif: bool) -> list[str]:
    """Every file that the edit will write; StrengthError for a strength given twice."""
    repeated = [strength for index, strength in enumerate(strengths) if strength in strengths[:index]]
    if repeated:
        raise StrengthError(f"strength {repeated[0]:g} is given twice: give each once")
    names = [_picture_name(slug, strength) for slug in slugs for strength in strengths]
    if gif:
        names += [_animation_name(slug) for slug in slugs]
    if grid:
        names.append(GRID_NAME)
    return [*names, MANIFEST_NAME]


def write_files(stage: Stage, sweeps: Sequence[NamedSweep], *, grid: bool, gif: bool) -> EditFiles:
    """Put everything that was asked for on the stage, whose names are those of `file_names`."""
    pictures, animations = [], []
    data: dict[str, bytes] = {}
    for sweep in sweeps:
        for index, strength in enumerate(sweep.result.strengths):
            name = _picture_name(sweep.slug, strength)
            data[name] = _picture(sweep.result, index)
            pictures.append((name, sweep.label, strength))
        if gif:
            data[_animation_name(sweep.slug)] = animation_gif(_seen(sweep.result))
            animations.append((_animation_name(sweep.slug), sweep.label))
    if grid:
        data[GRID_NAME] = _sheet(sweeps)
    data[MANIFEST_NAME] = _manifest([sweep.result for sweep in sweeps], data)
    for name, content in data.items():
        stage.write(name, content)
    return EditFiles(stage.folder, tuple(pictures), tuple(animations), GRID_NAME if grid else None)


def _picture_name(slug: str, strength: float) -> str:
    return f"{slug}-{format_strength(strength)}.png"


def _animation_name(slug: str) -> str:
    return f"{slug}.gif"


def _picture(result: EditResult, index: int) -> bytes:
    """One edit, with the settings of its sweep narrowed to it."""
    settings = {key: value for key, value in result.settings.items() if key not in ("strengths", "weights")}
    settings["strength"] = result.strengths[index]
    settings["weights"] = result.settings["weights"][index]
    if result.source.record is not None:
        settings["source_sha256"] = result.source.record.sha256
    portrait = result.source.portrait
    return edited_png(result.images[index], settings, None if portrait is None else portrait.text)


def _seen(result: EditResult) -> list[Image.Image]:
    """The edits as RGB, transparency over white."""
    return [load_image(image) for image in result.images]


def _sheet(sweeps: Sequence[NamedSweep]) -> bytes:
    first = sweeps[0].result
    rows = [Sweep(sweep.label, _seen(sweep.result), sweep.result.strengths) for sweep in sweeps]
    sheet = draw_grid(first.source.image, rows, _caption(first.settings))
    return edited_png(sheet, {"sweeps": [sweep.result.settings for sweep in sweeps]})


def _caption(settings: dict[str, Any]) -> str:
    parts = [f"edited by software: pixelsmile {__version__}", f"model {Path(settings['model']).name}"]
    parts += [f"adapter {Path(adapter['source']).name}" for adapter in settings["adapters"]]
    return "  ·  ".join([*parts, f"{settings['steps']} steps", f"seed {settings['seed']}"])


def _manifest(results: Sequence[EditResult], data: dict[str, bytes]) -> bytes:
    record = results[0].source.record
    manifest = make_manifest(
        "edit",
        settings={"sweeps": [result.settings for result in results]},
        seeds=[results[0].settings["seed"]],
        inputs=[] if record is None else [record],
        outputs=[record_bytes(name, content) for name, content in data.items()],
    )
    return manifest.to_json()
