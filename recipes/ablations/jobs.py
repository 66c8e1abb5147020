"""What is run: the rows of table 3, each as what it changes in the full recipe, with several seeds.

For each variant and seed these are the commands that a person would type, each in its own process.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

from pixelsmile.benchmarks.runner import distinct_strengths
from pixelsmile.store.configuration import read_configuration
from pixelsmile.store.json_lines import LineWriter, Record
from pixelsmile.training import preset_path
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.run_folder import ADAPTER_NAME
from recipes.commands import ON_FACES, PRESET, run_command, train_command
from recipes.work_folder import require_same_plan

_BENCH = "bench"  # the folder of the edits below that of a training
SETTING = "setting"  # the name of the file in which a work folder keeps its own, without .json
CPU_FILE = "cpu.jsonl"  # of a job: what each of its commands took, also where it went on

FULL = "full"
UNTRAINED = "untrained"  # interpolation alone
DISCRETE = "discrete"


class CommandCost(Record):
    """A line of CPU_FILE: the first words of a command, and its CPU seconds."""

    command: str
    cpu_s: float


SHARED_SETTINGS = (ON_FACES, "run.num_steps=300")  # of all rows: the steps are equal, and few


@dataclass(frozen=True)
class Variant:
    """settings: `pixelsmile train --set` beyond the full recipe. published: the row's name in table 3."""

    name: str
    published: str
    settings: tuple[str, ...] = ()


VARIANTS: tuple[Variant, ...] = (
    Variant(FULL, "full setting (InfoNCE)"),
    Variant("no-contrastive", "w/o contrastive loss", ("objective.contrastive.weight=0",)),
    Variant("no-identity", "w/o ID loss", ("objective.identity.weight=0",)),
    Variant("asymmetric", "w/o symmetric framework", ("objective.contrastive.symmetric=false",)),
    Variant("log-ratio", "log-ratio constraint", ("objective.contrastive.form=log_ratio",)),
    Variant("hinge", "hinge constraint", ("objective.contrastive.form=hinge",)),
    Variant(DISCRETE, "MEAD data"),  # trained on triplets whose strengths are MEAD's three levels
)

PUBLISHED_NAMES = {UNTRAINED: "w/o training", **{variant.name: variant.published for variant in VARIANTS}}


@dataclass(frozen=True)
class Setting:
    """What all variants share.

    settings: `--set` of every training, after SHARED_SETTINGS; strengths: of the benchmark's sweeps.
    """

    work: Path
    domain: str
    num_triplets: int
    num_samples: int
    seeds: tuple[int, ...]
    settings: tuple[str, ...]
    strengths: tuple[str, ...]

    @property
    def triplets(self) -> Path:
        return self.work / "triplets"

    @property
    def discrete_triplets(self) -> Path:
        return self.work / "triplets-discrete"


def require_same_setting(setting: Setting) -> None:
    """Keep in the work folder what its jobs are made with; InputError where that was something else.

    Seeds may be added, and a folder may be moved. InputError also for what no training can be set to, and no
    sweep.
    """
    distinct_strengths([float(strength) for strength in setting.strengths])
    changes = (*SHARED_SETTINGS, *setting.settings, "data.triplets=triplets.jsonl")
    read_configuration(preset_path(PRESET), TrainingConfig, changes)
    kept = {name: value for name, value in asdict(setting).items() if name not in ("work", "seeds")}
    require_same_plan(setting.work, kept, SETTING)


@dataclass(frozen=True)
class Job:
    """One variant with one seed; `untrained` has no training."""

    name: str
    seed: int
    folder: Path
    commands: tuple[tuple[str, ...], ...]

    @property
    def bench(self) -> Path:
        """The run of the benchmark that the job ends in."""
        return self.folder / _BENCH

    @property
    def is_done(self) -> bool:
        return (self.bench / "report.json").is_file()


def drawing_commands(setting: Setting) -> tuple[tuple[str, ...], ...]:
    """The two sets of triplets: of the same people and pairs, with free strengths and with MEAD's levels."""
    shared = ("triplets", "draw", "--domain", setting.domain, "-n", str(setting.num_triplets))
    return (
        (*shared, "-o", str(setting.triplets)),
        (*shared, "--levels", "-o", str(setting.discrete_triplets)),
    )


def all_jobs(setting: Setting) -> list[Job]:
    """Seed by seed, so that an interrupted experiment has whole rows; the untrained model first."""
    untrained = setting.work / UNTRAINED
    jobs = [Job(UNTRAINED, 0, untrained, _measuring(setting, untrained, "none"))]
    return jobs + [_job(setting, variant, seed) for seed in setting.seeds for variant in VARIANTS]


def _job(setting: Setting, variant: Variant, seed: int) -> Job:
    folder = setting.work / f"{variant.name}-{seed}"
    triplets = setting.discrete_triplets if variant.name == DISCRETE else setting.triplets
    settings = (
        *SHARED_SETTINGS,
        *setting.settings,
        *variant.settings,
        f"data.triplets={triplets / 'triplets.jsonl'}",
        f"data.cache={setting.work / 'cache'}",
        f"run.seed={seed}",
        "validation.every=null",
    )
    train = train_command(settings, folder / "training")
    adapter = str(folder / "training" / ADAPTER_NAME)
    return Job(variant.name, seed, folder, (train, *_measuring(setting, folder, adapter)))


def _measuring(setting: Setting, folder: Path, adapter: str) -> tuple[tuple[str, ...], ...]:
    bench = str(folder / _BENCH)
    which = ("--domain", setting.domain, "--samples", str(setting.num_samples), "-s", *setting.strengths)
    return (
        ("bench", "ffe", "run", "--model", "embedded", "--adapter", adapter, *which, "-o", bench),
        ("bench", "ffe", "judge", bench),
        ("bench", "ffe", "report", bench),
    )


def run_all(jobs: Sequence[Job], num_parallel: int) -> Iterator[Job]:
    """Run what is not done, so many at a time with their share of the cores; each job when it is done.

    What was stopped goes on where it was. CommandError where a command fails, naming its log; after that, and
    after Ctrl-C, no further command is begun.
    """
    threads, stopped = ThreadPoolExecutor(num_parallel), Event()
    waiting = [threads.submit(_run, job, num_parallel, stopped) for job in jobs if not job.is_done]
    try:
        for done in as_completed(waiting):
            if (job := done.result()) is not None:
                yield job
    finally:
        stopped.set()
        threads.shutdown(wait=False, cancel_futures=True)


def _run(job: Job, num_parallel: int, stopped: Event) -> Job | None:
    """The job when it is done; None where all was stopped before that."""
    job.folder.mkdir(parents=True, exist_ok=True)
    num_threads = max(1, (os.cpu_count() or 1) // num_parallel)
    try:
        for command in job.commands:
            if stopped.is_set():
                return None
            seconds = run_command(command, job.folder / "log.txt", num_threads)
            with LineWriter(job.folder / CPU_FILE) as lines:
                lines.write(CommandCost(command=" ".join(command[:3]), cpu_s=seconds))
    except BaseException:
        stopped.set()
        raise
    return job
