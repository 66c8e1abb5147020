"""How quick FED-Bench is: its components by the embedded parts, and 747 samples with a slow judge.

    python perf/fed.py components [--triplets 40] [--threads 1 2]
    python perf/fed.py server [--triplets 747] [--max-concurrency 32] [--latency 0.2]

`components` has pictures half-way to the ground truths judged as edits, and says of each component how many a
second; PQ without damage. `server` does all of a run: the same edits, what is measured, marks and scores by a
server in a process of its own, and the results. Ideal is questions / in flight x latency, for the questions
alone.
"""

import argparse
import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from counts import real, whole

os.environ |= {"OPENAI_API_KEY": "a-key-for-nobody"}
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import torch
from judges import PATIENCE, TIMEOUT_S, serve
from model_server import JudgeServer, OpenAI

from pixelsmile.benchmarks.fed.drawn import drawn_fed_benchmark
from pixelsmile.benchmarks.fed.results import load_fed_results
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import GENERAL_STRENGTHS, run_edits
from pixelsmile.benchmarks.scorers.background import BackgroundScorer
from pixelsmile.benchmarks.scorers.change import ChangeScorer
from pixelsmile.benchmarks.scorers.identity import IdentityScorer
from pixelsmile.benchmarks.scorers.judged import (
    MarkersRecord,
    MarkScorer,
    judges_by_component,
    keep_markers,
)
from pixelsmile.benchmarks.scorers.representations import ScoreRepresentation
from pixelsmile.benchmarks.scorers.scorer import Scorer, Scoring
from pixelsmile.editors.sanity import SanityEditor
from pixelsmile.faces.likeness import open_meter
from pixelsmile.judges import (
    Asker,
    Judge,
    ModelJudge,
    OpenAIProvider,
    VerdictCache,
)
from pixelsmile.judges.judge import Markers
from pixelsmile.judges.names import parse_judge, parse_markers
from pixelsmile.judges.rubrics import (
    EXPRESSION_SCORES,
    FED_CONSISTENCY,
    FED_QUALITY,
    FED_TRUTH_ALIGNMENT,
)
from pixelsmile.judges.rubrics.rubric import Rubric
from pixelsmile.remote import Limits

Stage = Callable[[], int]  # does its work, and says how much


class MarkingOpenAI(OpenAI):
    """Gives a mark where one is asked for, and scores elsewhere."""

    def picture(self, request: dict[str, Any]) -> bytes:
        self._marks = '\\"mark\\"' in str(request) or '"mark"' in str(request)
        return super().picture(request)

    def text(self, digest: str, fault: str | None) -> str:
        if not self._marks:
            return super().text(digest, fault)
        return f'{{"reason": "one of the server\'s", "mark": {int(digest[:4], 16) % 101 / 10}}}'


class MarkingServer(JudgeServer):
    """A `JudgeServer` for FED-Bench."""

    openai = MarkingOpenAI


def begin(path: Path, num_triplets: int) -> RunFolder:
    """A run of dense instructions, whose edits are half of the ground truths: new pictures to all judges."""
    benchmark = drawn_fed_benchmark(num_triplets, granularities=("dense",))
    with RunFolder.claimed(path) as folder:
        for _ in run_edits(benchmark, SanityEditor("half"), folder, "general", GENERAL_STRENGTHS):
            pass
    return folder


def stages(
    folder: RunFolder, markers: Markers, judge: Judge, cache: VerdictCache, max_concurrency: int
) -> Iterator[tuple[str, Stage]]:
    """The six components, in the order of the command."""
    meter, representation = open_meter(["embedded"], drawn=True), ScoreRepresentation(Asker(judge, cache))
    keep_markers(folder, MarkersRecord.of(markers, representation.settings.id))
    marks = (
        MarkScorer(component, Asker(marker, cache), max_concurrency)
        for component, marker in judges_by_component(markers).items()
    )
    scorers: tuple[Scorer, ...] = (
        IdentityScorer(meter),
        BackgroundScorer(meter.detector, meter.detector_sha256),
        *marks,
        ChangeScorer(representation, max_concurrency),
    )
    for name, scorer in zip(("ID", "BG", "PQ", "SC", "GTA", "REG"), scorers, strict=True):
        yield name, partial(_score_all, folder, scorer)


def _score_all(folder: RunFolder, scorer: Scorer) -> int:
    """How many edits were scored."""
    return sum(1 for _ in Scoring(folder, scorer))


def components(options: argparse.Namespace) -> None:
    """Print, for each number of threads, how many of each component a second."""
    with tempfile.TemporaryDirectory() as top:
        made = begin(Path(top) / "run", options.triplets)
        begun = {file.name for file in made.path.iterdir()}
        for threads in dict.fromkeys(options.threads):  # a second time all would be known
            torch.set_num_threads(threads)
            markers, scorer = parse_markers("embedded"), parse_judge("embedded")  # remembering no picture
            with VerdictCache(Path(top) / f"{threads}.sqlite") as cache:
                timed = []
                for name, work in stages(made, markers, scorer, cache, 1):
                    start = time.perf_counter()
                    timed.append((name, work(), time.perf_counter() - start))
            all_s = sum(seconds for _, _, seconds in timed)
            rates = ", ".join(f"{name} {number / seconds:.1f}" for name, number, seconds in timed)
            print(f"{threads} threads: {rates} a second; all six {options.triplets / all_s:.2f} edits/s")
            for path in made.path.iterdir():  # the next number of threads begins again
                if path.name not in begun:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def server_at(latency_s: float) -> Iterator[str]:
    """The address of a server in another process."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(there, 0.0, latency_s, MarkingServer))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("count")
        here.recv()
        process.join()


def server(options: argparse.Namespace) -> None:
    """Print what a whole run needs, and the part that waits for the judge over its ideal."""
    importlib.import_module("openai")  # takes seconds, once
    with tempfile.TemporaryDirectory() as path, server_at(options.latency) as url:
        begun = time.perf_counter()
        folder = begin(Path(path) / "run", options.triplets)
        print(f"edits: {time.perf_counter() - begun:.2f} s")

        def judge(rubric: Rubric) -> ModelJudge:
            limits = Limits(timeout_s=TIMEOUT_S)
            provider = OpenAIProvider("m", base_url=f"{url}/v1", key_env="OPENAI_API_KEY", limits=limits)
            return ModelJudge(provider, rubric=rubric, retry=PATIENCE)

        markers = Markers(*map(judge, (FED_QUALITY, FED_CONSISTENCY, FED_TRUTH_ALIGNMENT)))
        asked_s = num_asked = 0.0
        with VerdictCache(folder.path / "verdicts.sqlite") as cache:
            for name, work in stages(
                folder, markers, judge(EXPRESSION_SCORES), cache, options.max_concurrency
            ):
                start = time.perf_counter()
                number = work()
                seconds = time.perf_counter() - start
                print(f"{name}: {number} in {seconds:.2f} s")
                if name in ("PQ", "SC", "GTA", "REG"):
                    num_questions = 3 * number if name == "REG" else number  # of source, truth and edit
                    asked_s, num_asked = asked_s + seconds, num_asked + num_questions
        start = time.perf_counter()
        results = load_fed_results(folder)
        print(f"results: {time.perf_counter() - start:.2f} s")
        scored = results.summary.overall["fed_score"].coverage.num_scored
        ideal_s = num_asked / options.max_concurrency * options.latency
        print(
            f"{scored} of {options.triplets} scored; {num_asked:.0f} questions in {asked_s:.2f} s, "
            f"{asked_s / ideal_s:.2f} times the ideal of {ideal_s:.2f} s; all in all "
            f"{time.perf_counter() - begun:.2f} s"
        )


def main() -> None:
    """Print a line for each thing that is timed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("components", "server"))
    parser.add_argument("--triplets", type=whole())
    parser.add_argument("--threads", type=whole(), nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--max-concurrency", type=whole(), default=32)
    parser.add_argument("--latency", type=real(0.001), default=0.2, help="seconds that the server waits")
    options = parser.parse_args()
    if options.what == "components":
        options.triplets = options.triplets or 40
        components(options)
    else:
        options.triplets = options.triplets or 747
        server(options)


if __name__ == "__main__":
    main()
