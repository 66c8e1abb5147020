"""What is run: the rows of table 2 on one base, each with several seeds, as commands that one would type."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pixelsmile.benchmarks.runner import distinct_strengths
from pixelsmile.editing.controls.files import WEIGHTS_NAME
from pixelsmile.editing.controls.settings import METHODS
from pixelsmile.editing.folders import find_model
from pixelsmile.store.configuration import read_configuration
from pixelsmile.store.weight_hashes import fingerprint
from pixelsmile.training import preset_path
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.run_folder import ADAPTER_NAME
from recipes.ablations.jobs import SETTING, Job
from recipes.commands import ON_FACES, train_command
from recipes.work_folder import require_same_plan

UNTRAINED, PIXELSMILE = "untrained", "pixelsmile"
TRAINED = (*METHODS, PIXELSMILE)
ROWS = (UNTRAINED, *TRAINED)
PUBLISHED_NAMES = {
    UNTRAINED: "PixelSmile w/o training",
    "concept-slider": "ConceptSlider",
    "attribute-control": "AttributeControl",
    "saedit": "SAEdit",
    "k-slider": "K-Slider",
    "slideredit": "SliderEdit",
    PIXELSMILE: "PixelSmile",
}
TRIPLETS_A_STEP = 4

Kind = Literal["ends", "all"]


@dataclass(frozen=True)
class Setting:
    """What all rows of a domain share, in a folder of its own.

    budget_s: CPU seconds of every training. num_steps: in place of it, of every training. settings: `--set`
    of every training. strengths: of the benchmark's sweeps.
    """

    work: Path
    model: str
    domain: str
    num_triplets: int
    num_samples: int
    seeds: tuple[int, ...]
    budget_s: float
    num_steps: int | None
    settings: tuple[str, ...]
    strengths: tuple[str, ...]

    def triplets(self, kind: Kind) -> Path:
        """The lines of triplets: of targets in full, or of all strengths; of the same people and pairs."""
        return self.work / f"triplets-{kind}" / "triplets.jsonl"


def require_same_setting(setting: Setting, trained: Iterable[str] = ()) -> None:
    """Keep in the work folder what its jobs are made with; InputError where that was something else.

    Seeds may be added, a folder may be moved; a model is known by its weights. InputError also for what
    the training of these rows cannot be set to, and no sweep.
    """
    distinct_strengths([float(strength) for strength in setting.strengths])
    for row in trained:
        read_configuration(preset_path(preset_of(row)), TrainingConfig, training_settings(setting, row))
    kept: dict[str, Any] = {
        "base": fingerprint(find_model(setting.model) / "transformer"),
        "domain": setting.domain,
        "num_triplets": setting.num_triplets,
        "num_samples": setting.num_samples,
        "budget_s": setting.budget_s,
        "num_steps": setting.num_steps,
        "settings": list(setting.settings),
        "strengths": list(setting.strengths),
    }
    require_same_plan(setting.work, kept, SETTING)


def kind_of(row: str) -> Kind:
    """What a method learns from: K-Slider and PixelSmile see all strengths, the others none in between."""
    return "all" if row in ("k-slider", PIXELSMILE) else "ends"


def drawing_commands(setting: Setting) -> tuple[tuple[str, ...], ...]:
    """The two sets of triplets, which differ in their targets' strengths alone."""
    shared = ("triplets", "draw", "--domain", setting.domain, "-n", str(setting.num_triplets))
    strengths: Mapping[Kind, tuple[str, str]] = {"ends": ("1", "1"), "all": ("0", "1")}
    return tuple(
        (*shared, "--strengths", *ends, "-o", str(setting.triplets(kind).parent))
        for kind, ends in strengths.items()
    )


def training_settings(setting: Setting, row: str, seed: int = 0, num_steps: int = 100) -> tuple[str, ...]:
    """`--set` of the training of a row, beyond its recipe; so many optimiser steps."""
    return (
        ON_FACES,
        f"model.name={setting.model}",
        f"data.triplets={setting.triplets(kind_of(row))}",
        f"data.domain={setting.domain}",
        f"data.cache={setting.work / 'cache'}",
        f"run.num_steps={num_steps}",
        f"run.batch_size={TRIPLETS_A_STEP}",
        f"run.seed={seed}",
        f"optimiser.num_warmup_steps={min(30, num_steps // 10)}",
        "validation.every=null",
        *setting.settings,
    )


def preset_of(row: str) -> str:
    """The product's recipe that a row is trained by."""
    return "embedded" if row == PIXELSMILE else row


def job_of(setting: Setting, row: str, seed: int, num_steps: int) -> Job:
    """A row with a seed: its training, if it has one, and its measurement."""
    folder = setting.work / (UNTRAINED if row == UNTRAINED else f"{row}-{seed}")
    training = folder / "training"
    commands: tuple[tuple[str, ...], ...] = ()
    if row != UNTRAINED:
        settings = training_settings(setting, row, seed, num_steps)
        commands = (train_command(settings, training, preset_of(row)),)
    steering = {UNTRAINED: ("--adapter", "none"), PIXELSMILE: ("--adapter", str(training / ADAPTER_NAME))}
    which = steering.get(row, ("--control", str(training)))
    bench = str(folder / "bench")
    swept = ("--domain", setting.domain, "--samples", str(setting.num_samples), "-s", *setting.strengths)
    measuring = (
        ("bench", "ffe", "run", "--model", setting.model, *which, *swept, "-o", bench),
        ("bench", "ffe", "judge", bench),
        ("bench", "ffe", "report", bench),
    )
    return Job(row, seed, folder, (*commands, *measuring))


def weights_of(job: Job) -> Path:
    """The file that its training ends in."""
    name = ADAPTER_NAME if job.name == PIXELSMILE else WEIGHTS_NAME
    return job.folder / "training" / name
