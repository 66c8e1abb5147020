"""Single metrics as others use them, for each edit of a run: features as CLIP's, SSIM, PSNR."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from pixelsmile.benchmarks.measuring import SettingsFile, edits_to_measure
from pixelsmile.benchmarks.metrics.structure import psnr, ssim
from pixelsmile.benchmarks.metrics.table import FloatArray
from pixelsmile.benchmarks.run_folder import EditKey, EditLine, EditRecord, RunFolder, latest
from pixelsmile.images import load_image
from pixelsmile.store.json_lines import LineWriter, Record, read_lines

if TYPE_CHECKING:
    from pixelsmile.features.encoder import ImageEncoder

SINGLES: tuple[str, ...] = ("clip_truth", "clip_source", "ssim_truth", "ssim_source", "psnr_truth")
OTHER_SIZE = "the edit's size is not that of source and ground truth"


class SinglesSettings(Record):
    """What the numbers depend on beside the pictures."""

    schema_version: Literal[1] = 1
    encoder: str
    encoder_sha256: str
    ssim: Literal["Wang et al. 2004, grey, 11 x 11 Gaussian 1.5"] = (
        "Wang et al. 2004, grey, 11 x 11 Gaussian 1.5"
    )


class SinglesRecord(EditLine):
    """values: of SINGLES: cosines, SSIM (-1..1), PSNR in dB; none of them with the reason in no_values."""

    edit_sha256: str
    values: dict[str, Annotated[float, Field(ge=-1000, le=1000)]]
    no_values: str | None = None


def singles(folder: RunFolder) -> dict[EditKey, SinglesRecord]:
    """What is measured, by edit."""
    return latest(read_lines(_lines_file(folder), SinglesRecord))


def measure_singles(
    folder: RunFolder, encoder: "ImageEncoder", *, force: bool = False
) -> Iterator[tuple[int, int]]:
    """Measure the edits of a run that were not measured, or were made anew since; gives (done, of how many).

    InputError where this run was measured with another encoder, unless `force` says to begin again, and where
    a picture is not the one that was made.
    """
    settings = SinglesSettings(encoder=encoder.name, encoder_sha256=encoder.sha256)
    path = folder.path / "singles.json"
    SettingsFile(path, _lines_file(folder), SinglesSettings, "single metrics", _words).keep(
        settings, force=force
    )
    waiting = edits_to_measure(folder, {key: each.edit_sha256 for key, each in singles(folder).items()})
    triplets = {task.source: task.triplet for task in folder.spec().fed_tasks}

    @lru_cache(maxsize=8)  # dense and simple, which follow each other, share their pictures
    def looked(path: Path) -> _Look:
        return _Look(load_image(path), encoder)

    known: dict[tuple[str, str], Mapping[str, float] | str] = {}  # of the last picture: the next may be equal
    yield 0, len(waiting)
    with LineWriter(_lines_file(folder)) as lines:
        for num_done, edit in enumerate(waiting, 1):
            triplet = triplets[edit.source]
            same = triplet, edit.sha256 or ""
            if same not in known:
                shown = folder.source_file(edit.source), folder.truth_file(triplet)
                known = {same: _compared(looked(folder.picture_of(edit)), *map(looked, shown))}
            lines.write(_record(edit, known[same]))
            yield num_done, len(waiting)


class _Look:
    """A picture as the metrics see it: grey (H, W), RGB (H, W, 3), features (D,)."""

    def __init__(self, image: Image.Image, encoder: "ImageEncoder") -> None:
        import torch

        self.rgb: FloatArray = np.asarray(image, np.float64)
        self.grey: FloatArray = np.asarray(image.convert("L"), np.float64)
        pixels_HWC = torch.from_numpy(self.rgb.astype(np.float32)) / 127.5 - 1
        with torch.inference_mode():
            features_BD = encoder.features(pixels_HWC.permute(2, 0, 1)[None])
        self.features: FloatArray = features_BD[0].double().cpu().numpy()


def _compared(edit: _Look, source: _Look, truth: _Look) -> Mapping[str, float] | str:
    """SINGLES, or why there are none."""
    if not edit.grey.shape == source.grey.shape == truth.grey.shape:
        return OTHER_SIZE
    return {
        "clip_truth": float(edit.features @ truth.features),
        "clip_source": float(edit.features @ source.features),
        "ssim_truth": ssim(edit.grey, truth.grey),
        "ssim_source": ssim(edit.grey, source.grey),
        "psnr_truth": psnr(edit.rgb, truth.rgb),
    }


def _record(edit: EditRecord, found: Mapping[str, float] | str) -> SinglesRecord:
    return SinglesRecord(
        source=edit.source,
        target=edit.target,
        strength=edit.strength,
        edit_sha256=edit.sha256 or "",
        values={} if isinstance(found, str) else dict(found),
        no_values=found if isinstance(found, str) else None,
    )


def _lines_file(folder: RunFolder) -> Path:
    return folder.path / "singles.jsonl"


def _words(settings: SinglesSettings) -> str:
    return f"{settings.encoder} {settings.encoder_sha256[:8]}"
