"""FFE-Bench while a training runs: what the benchmark says of the adapter as it is after so many steps.

Each look leaves a run like those of `pixelsmile bench`, in step-00000500-ffe beside the sheets of that step,
for `bench ffe report` and `bench compare`. Verdicts are shared: none is paid for twice in a training.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import JsonValue

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.catalogue import EMBEDDED, load_ffe_benchmark
from pixelsmile.benchmarks.ffe.results import RunResults, load_results
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import run_edits, specification
from pixelsmile.benchmarks.scorers.identity import IdentityScorer
from pixelsmile.benchmarks.scorers.judged import VerdictScorer
from pixelsmile.benchmarks.scorers.scorer import Scoring
from pixelsmile.editing.editor import Editor
from pixelsmile.editors.own import OwnEditor, OwnSettings
from pixelsmile.errors import OutputError
from pixelsmile.faces.likeness import LikenessMeter, open_meter
from pixelsmile.judges.choosing import parse_judge
from pixelsmile.judges.judge import Judge
from pixelsmile.judges.run import Asker, VerdictCache
from pixelsmile.remote import RemoteError
from pixelsmile.store.publication import remove_folder
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.distribution import on_main

# The columns of the paper's tables 1 and 2.
SHOWN = ("mscr", "acc_6", "acc_12", "cls_6", "cls_12", "hes", "id_sim")

_log = logging.getLogger(__name__)


def make_measure(config: TrainingConfig, accelerator: Any) -> "FfeMeasure | None":
    """The benchmark that the configuration names, ready to look on; None where it names none.

    Judge and encoders are loaded on the main process alone, which is the one that judges. Raises what they
    and `load_ffe_benchmark` raise, on all processes.
    """
    settings = config.validation
    if settings.every is None or settings.benchmark is None:
        return None
    domain = config.data.domain
    benchmark = load_ffe_benchmark(settings.benchmark, num_samples=settings.num_samples, domains=(domain,))
    jury = on_main(accelerator, lambda: Jury.load(config))
    return FfeMeasure(config, benchmark, jury, in_step=accelerator.is_fsdp2)


@dataclass(frozen=True)
class Jury:
    """Who looks at the edits. meter: None where identity is not measured."""

    judge: Judge
    meter: LikenessMeter | None

    @classmethod
    def load(cls, config: TrainingConfig) -> "Jury":
        settings, is_drawn = config.validation, config.validation.benchmark == EMBEDDED
        settings.check_judges()
        meter = None
        if settings.encoders:
            meter = open_meter(
                settings.encoders, config.data.detector, drawn=is_drawn, device=config.model.device
            )
        return cls(parse_judge(settings.judge), meter)


class FfeMeasure:
    """A `training.validation.Measure`.

    jury: None on a process that does not judge. in_step: the model is spread over processes, which must make
    the same edits, so that none may be taken over from an earlier attempt.
    """

    def __init__(
        self, config: TrainingConfig, benchmark: Benchmark, jury: Jury | None, *, in_step: bool = False
    ) -> None:
        self._config, self._benchmark, self._jury, self._in_step = config, benchmark, jury, in_step
        self._strengths = tuple(dict.fromkeys(config.validation.strengths))  # a run has each once

    def __call__(
        self, editor: Editor, step: int, adapter_sha256: str, folder: Path | None
    ) -> Mapping[str, float]:
        """The metrics of SHOWN that are defined, by name; and how many edits lack a verdict (`unscored`) or,
        where it is measured, an identity (`no_identity`). OutputError.

        What an earlier attempt at this step left is taken over where weights, code and settings are the same,
        and deleted otherwise.
        """
        settings = OwnSettings(
            quantization=self._config.model.quantization,
            steps=self._config.validation.num_sampling_steps,
            size=self._config.data.size_px,
        )
        own = _EditorInTraining(editor, settings, self._strengths, step, adapter_sha256)
        if folder is None or self._jury is None:
            with TemporaryDirectory() as scratch, RunFolder.claimed(Path(scratch) / "run") as run:
                self._edit(own, run)
            return {}
        path = folder / f"step-{step:08d}-ffe"
        spec = specification(self._benchmark, own, "linear", self._strengths, self._config.validation.seed)
        if self._in_step or not RunFolder(path).holds(spec):
            _delete(path)
        with RunFolder.claimed(path) as run:
            self._edit(own, run)
            _look(run, self._jury, folder / "verdicts.sqlite")
            return _numbers(load_results(run, self._jury.judge.identity.id))

    def _edit(self, own: OwnEditor, run: RunFolder) -> None:
        seed = self._config.validation.seed
        for _ in run_edits(self._benchmark, own, run, "linear", self._strengths, seed):
            pass


class _EditorInTraining(OwnEditor):
    """Our editor with an adapter that is no file yet."""

    def __init__(
        self, editor: Editor, settings: OwnSettings, sweep: Sequence[float], step: int, adapter_sha256: str
    ) -> None:
        super().__init__(editor, settings, sweep)
        self._adapter: dict[str, JsonValue] = {
            "source": f"step {step}",
            "scale": 1.0,
            "sha256": adapter_sha256,
        }

    def to_record(self) -> dict[str, JsonValue]:
        record = super().to_record()
        name = f"{record['name']} + {self._adapter['source']}"
        return {**record, "name": name, "adapters": [self._adapter]}


def _look(run: RunFolder, jury: Jury, verdicts: Path) -> None:
    """Measure and judge what is not yet. A judge that cannot be asked does not stop a training of days."""
    if jury.meter is not None:
        for _ in Scoring(run, IdentityScorer(jury.meter), force=True):
            pass
    with VerdictCache(verdicts) as cache:
        judging = Scoring(run, VerdictScorer(Asker(jury.judge, cache)))
        try:
            for _ in judging:
                pass
        except RemoteError as error:
            _log.warning(
                "%d edits in %s are not judged, the training goes on (%s)", judging.num_left, run.path, error
            )


def _numbers(results: RunResults) -> dict[str, float]:
    metrics, missing = results.summary.metrics, results.missing
    values = {name: metrics[name].estimate.value for name in SHOWN}
    numbers = {name: value for name, value in values.items() if value is not None}
    numbers["unscored"] = sum(missing.not_made.values()) + sum(missing.not_judged.values())
    if results.identity is not None:
        numbers["no_identity"] = sum(missing.no_identity.values())
    return numbers


def _delete(run: Path) -> None:
    try:
        remove_folder(run)
    except OSError as error:
        raise OutputError(f"cannot delete {str(run)!r} ({error.strerror}): delete it yourself") from error
