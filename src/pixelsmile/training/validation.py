"""Looking at a training while it runs: sweeps of portraits as sheets, and numbers that somebody measures.

Who measures is handed in: a benchmark is nothing that training may import.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.requests import Request
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import load_image
from pixelsmile.results import Sweep, check_grid, draw_grid, edited_picture
from pixelsmile.store.publication import write_file
from pixelsmile.training.adapter import adapter_parameters
from pixelsmile.training.config import ValidationSettings
from pixelsmile.training.distribution import whole
from pixelsmile.training.statistics import ValidationRecord, rounded

# Numbers by name, of an editor, the steps behind it, the hash of its adapter's file as it would be now, and a
# folder for what is to stay (None: this process only takes its part in the forwards of a model that is spread
# over several, which must all do the same). It may draw random numbers: every step has its own seed.
Measure = Callable[[Editor, int, str, Path | None], Mapping[str, float]]


class Validator:
    """Sweeps portraits and measures. Made before the training, so that slips in its settings stop it then.

    engine: with the adapter on its transformer, which is put into evaluation mode meanwhile. export: the
    adapter's tensors as the file that they become. folder: None
    where this process keeps nothing (see `Measure`). ImageError for portraits that cannot be read,
    ExpressionError and StrengthError for what cannot be asked.
    """

    def __init__(
        self,
        engine: QwenEngine,
        export: Callable[[Mapping[str, Tensor]], bytes],
        settings: ValidationSettings,
        portraits: Sequence[Path],
        domain: str,
        size_px: int,
        folder: Path | None,
        measure: Measure | None = None,
    ) -> None:
        self._editor, self._transformer, self._export = Editor(engine), engine.parts.transformer, export
        self._settings, self._domain, self._size_px = settings, domain, size_px
        self._folder, self._measure = folder, measure
        self._portraits = {_unique(path, portraits): load_image(path) for path in portraits}
        self._requests = [
            Request(expression=name, strengths=settings.strengths).checked() for name in settings.expressions
        ]
        check_grid(max(1, len(self._requests)), len(settings.strengths))

    def __call__(self, step: int) -> ValidationRecord:
        """Write one sheet for each portrait, and measure; what came of it. OutputError."""
        self._transformer.eval()
        try:
            sha256 = self._adapter_sha256()
            swept = self._portraits if self._requests else {}
            pictures = [self._sheet(name, image, step, sha256) for name, image in swept.items()]
            numbers = self._measure(self._editor, step, sha256, self._folder) if self._measure else {}
        finally:
            self._transformer.train()
        return ValidationRecord(
            step=step,
            numbers={name: rounded(value) for name, value in numbers.items()},
            pictures=tuple(pictures),
        )

    def _adapter_sha256(self) -> str:
        tensors = whole(adapter_parameters(self._transformer), keep=True)
        return sha256_bytes(self._export(tensors))

    def _sheet(self, name: str, image: Image.Image, step: int, adapter_sha256: str) -> str:
        results = self._editor.edit_many(
            image,
            self._requests,
            seed=self._settings.seed,
            steps=self._settings.num_sampling_steps,
            size=self._size_px,
            domain=self._domain,
        )
        file = f"step-{step:08d}-{name}.png"
        if self._folder is not None:
            sweeps = [Sweep(result.label, result.images, result.strengths) for result in results]
            sheet = draw_grid(image, sweeps, f"{name}, after {step} steps")
            settings = _settings(results, step, adapter_sha256)
            write_file(self._folder / file, edited_picture(sheet, settings), force=True)
        return file


def _settings(results: Sequence[EditResult], step: int, adapter_sha256: str) -> dict[str, object]:
    requests = [result.settings for result in results]
    return {"training_step": step, "adapter_sha256": adapter_sha256, "requests": requests}


def _unique(path: Path, portraits: Sequence[Path]) -> str:
    """The file's name, with its place before it where another has the same name."""
    alike = [other for other in portraits if other.stem == path.stem]
    return path.stem if len(alike) == 1 else f"{list(portraits).index(path) + 1}-{path.stem}"
