"""What `pixelsmile edit` reads and writes: source, pictures, sheet, animations, manifest."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pixelsmile import __version__
from pixelsmile.cli.edit_orders import GRID_NAME, Order, animation_name, picture_name
from pixelsmile.images import load_image, png_texts
from pixelsmile.publication import Stage
from pixelsmile.records import MANIFEST_NAME, FileRecord, make_manifest, record_bytes, record_file
from pixelsmile.results import PORTRAIT_KEY, Sweep, animation_gif, draw_grid, edited_png

if TYPE_CHECKING:
    from pixelsmile.editing.editor import EditResult


@dataclass(frozen=True)
class Source:
    """The picture to edit; `portrait` says what was drawn, where it is one of our drawn portraits."""

    path: Path
    image: Image.Image
    record: FileRecord
    portrait: str | None

    @property
    def is_drawn(self) -> bool:
        return self.portrait is not None

    @property
    def domain(self) -> str:
        """A drawn portrait's own style; human for everything else."""
        try:
            style = json.loads(self.portrait or "{}")["style"]
        except (ValueError, KeyError, TypeError):
            return "human"
        return "anime" if style == "anime" else "human"


def read_source(path: Path) -> Source:
    """The picture with its hash and, for a drawn portrait, its description; ImageError if unreadable."""
    image = load_image(path)
    return Source(path, image, record_file(path), png_texts(path).get(PORTRAIT_KEY))


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


def write_files(
    stage: Stage,
    source: Source,
    orders: Sequence[Order],
    results: Sequence["EditResult"],
    *,
    grid: bool,
    gif: bool,
) -> EditFiles:
    """Put everything that was asked for on the stage; orders and results go in pairs."""
    pairs = list(zip(orders, results, strict=True))
    pictures, animations = [], []
    data: dict[str, bytes] = {}
    for order, result in pairs:
        for index, strength in enumerate(result.strengths):
            name = picture_name(order, strength)
            data[name] = _picture(source, result, index)
            pictures.append((name, order.label, strength))
        if gif:
            data[animation_name(order)] = animation_gif(result.images)
            animations.append((animation_name(order), order.label))
    if grid:
        data[GRID_NAME] = _sheet(source, pairs)
    data[MANIFEST_NAME] = _manifest(source, results, data)
    for name, content in data.items():
        stage.write(name, content)
    return EditFiles(stage.folder, tuple(pictures), tuple(animations), GRID_NAME if grid else None)


def _picture(source: Source, result: "EditResult", index: int) -> bytes:
    """One edit, with the settings of its sweep narrowed to it."""
    settings = {key: value for key, value in result.settings.items() if key not in ("strengths", "weights")}
    settings["strength"] = result.strengths[index]
    settings["weights"] = result.settings["weights"][index]
    settings["source_sha256"] = source.record.sha256
    return edited_png(result.images[index], settings, source.portrait)


def _sheet(source: Source, pairs: Sequence[tuple[Order, "EditResult"]]) -> bytes:
    sweeps = [Sweep(order.label, result.images, result.strengths) for order, result in pairs]
    sheet = draw_grid(source.image, sweeps, _caption(pairs[0][1].settings))
    return edited_png(sheet, {"sweeps": [result.settings for _, result in pairs]})


def _caption(settings: dict[str, Any]) -> str:
    parts = [f"edited by software: pixelsmile {__version__}", f"model {Path(settings['model']).name}"]
    parts += [f"adapter {Path(adapter['source']).name}" for adapter in settings["adapters"]]
    return "  ·  ".join([*parts, f"{settings['steps']} steps", f"seed {settings['seed']}"])


def _manifest(source: Source, results: Sequence["EditResult"], data: dict[str, bytes]) -> bytes:
    manifest = make_manifest(
        "edit",
        settings={"sweeps": [result.settings for result in results]},
        seeds=[results[0].settings["seed"]],
        inputs=[source.record],
        outputs=[record_bytes(name, content) for name, content in data.items()],
    )
    return manifest.to_json()
