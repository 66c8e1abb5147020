"""FFE-Bench of an adapter that is still trained: what the benchmark says of it after so many steps.

Each look leaves a run like those of `pixelsmile bench`, in step-00000500-ffe below a folder of the training,
for `bench ffe report` and `bench compare`. Verdicts are shared: none is paid for twice in a training.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.ffe.results import RunResults, load_results
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import run_edits, specification
from pixelsmile.benchmarks.scorers.identity import IdentityScorer
from pixelsmile.benchmarks.scorers.judged import VerdictScorer
from pixelsmile.benchmarks.scorers.scorer import Scoring
from pixelsmile.editing.editor import Editor
from pixelsmile.editors.own import OwnEditor, OwnSettings
from pixelsmile.errors import OutputError
from pixelsmile.faces.likeness import LikenessMeter
from pixelsmile.judges.judge import Judge
from pixelsmile.judges.run import Asker, VerdictCache
from pixelsmile.remote import RemoteError
from pixelsmile.store.publication import remove_folder

_TABLE = ("mscr", "acc_6", "acc_12", "cls_6", "cls_12", "hes", "id_sim")  # of the paper's tables 1 and 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FfeValidation:
    """A benchmark that looks at an editor again and again, with the same strengths, seed and settings.

    judge: None on a process that only makes its part of the edits. meter: None where identity is not
    measured. in_step: the model is spread over processes, which must make the same edits, so that none may
    be taken over from an earlier attempt.
    """

    benchmark: Benchmark
    settings: OwnSettings
    strengths: Sequence[float]  # each once
    seed: int
    judge: Judge | None
    meter: LikenessMeter | None = None
    in_step: bool = False

    def __call__(
        self, editor: Editor, step: int, adapter_sha256: str, folder: Path | None
    ) -> Mapping[str, float]:
        """The metrics of the paper's tables that are defined, by name; and how many edits lack a verdict
        (`unscored`) or, where it is measured, an identity (`no_identity`). OutputError.

        What an earlier attempt at this step left is taken over where weights and settings are the same, and
        deleted otherwise. folder: None where nothing is kept.
        """
        own = _EditorInTraining(editor, self.settings, self.strengths, step, adapter_sha256)
        if folder is None or self.judge is None:
            with TemporaryDirectory() as scratch, RunFolder.claimed(Path(scratch) / "run") as run:
                self._edit(own, run)
            return {}
        path = folder / f"step-{step:08d}-ffe"
        spec = specification(self.benchmark, own, "linear", self.strengths, self.seed)
        if self.in_step or not RunFolder(path).holds(spec):
            _delete(path)
        with RunFolder.claimed(path) as run:
            self._edit(own, run)
            self._score(run, self.judge, folder / "verdicts.sqlite")
            return _numbers(load_results(run, self.judge.identity.id))

    def _edit(self, own: OwnEditor, run: RunFolder) -> None:
        for _ in run_edits(self.benchmark, own, run, "linear", self.strengths, self.seed):
            pass

    def _score(self, run: RunFolder, judge: Judge, verdicts: Path) -> None:
        """What is not scored yet. A judge that cannot be asked does not stop a training of days."""
        if self.meter is not None:
            for _ in Scoring(run, IdentityScorer(self.meter), force=True):
                pass
        with VerdictCache(verdicts) as cache:
            judging = Scoring(run, VerdictScorer(Asker(judge, cache)))
            try:
                for _ in judging:
                    pass
            except RemoteError as error:
                _log.warning(
                    "%d edits in %s are not judged, the training goes on (%s)",
                    judging.num_left,
                    run.path,
                    error,
                )


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


def _numbers(results: RunResults) -> dict[str, float]:
    metrics, missing = results.summary.metrics, results.missing
    values = {name: metrics[name].estimate.value for name in _TABLE}
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
