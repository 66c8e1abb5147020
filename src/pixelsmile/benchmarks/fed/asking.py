"""What a run of FED-Bench writes down of its benchmark, so that judging needs the run's folder alone."""

from pixelsmile.benchmarks.fed.triplets import FedBenchmark, FedTriplet, Granularity
from pixelsmile.benchmarks.run_folder import FedTaskRecord, RunFolder, png_bytes
from pixelsmile.store.publication import write_file


def asked(benchmark: FedBenchmark) -> tuple[FedTaskRecord, ...]:
    """The tasks, each with its triplet and granularity."""
    return tuple(
        _record(benchmark.triplet_of(task.source), benchmark.granularity_of(task.source), task.prompt)
        for task in benchmark.tasks
    )


def unasked(benchmark: FedBenchmark) -> tuple[FedTaskRecord, ...]:
    """What would be tasks if there were words for them."""
    by_name = {triplet.name: triplet for triplet in benchmark.triplets}
    return tuple(
        _record(by_name[name], granularity, "")
        for granularity, names in benchmark.without_instruction().items()
        for name in names
    )


def keep_truth(benchmark: FedBenchmark, folder: RunFolder, source: str) -> None:
    """Put the ground truth of a task into the run's folder. ImageError where it cannot be read."""
    path = folder.truth_file(benchmark.triplet_of(source).name)
    if not path.exists():
        write_file(path, png_bytes(benchmark.truth(source)))


def _record(triplet: FedTriplet, granularity: Granularity, prompt: str) -> FedTaskRecord:
    return FedTaskRecord(
        source=f"{triplet.name}-{granularity}",
        target=triplet.expression,
        domain=triplet.domain,
        prompt=prompt,
        face_box=triplet.face_box,
        triplet=triplet.name,
        granularity=granularity,
        asked_strength=triplet.asked_strength(granularity),
    )
