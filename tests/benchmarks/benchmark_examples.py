"""What the tests of benchmarks ask of one: its pictures by the names of their sources."""

from PIL import Image

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.editors.editor import Task


def task_of(benchmark: Benchmark, source: str) -> Task:
    """The first task with that source."""
    return next(task for task in benchmark.tasks if task.source == source)


def picture(benchmark: Benchmark, source: str) -> Image.Image:
    return task_of(benchmark, source).picture.load()


def truth(benchmark: Benchmark, source: str) -> Image.Image:
    found = task_of(benchmark, source).truth
    assert found is not None
    return found.load()


def triplet_names(benchmark: Benchmark) -> list[str]:
    """In their order, each once."""
    return list(dict.fromkeys(task.sample for task in (*benchmark.tasks, *benchmark.unasked)))
