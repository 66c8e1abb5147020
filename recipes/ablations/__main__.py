"""Train the rows of table 3 with several seeds, measure them, and see which of the paper's claims hold."""

import argparse
import json
import logging
from pathlib import Path

from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scores import ScoredEdit
from pixelsmile.errors import InputError
from pixelsmile.store.publication import write_file
from recipes.ablations.jobs import (
    FULL,
    SETTING,
    Job,
    Setting,
    all_jobs,
    drawing_commands,
    require_same_setting,
    run_all,
)
from recipes.ablations.table import Edits, ablation_table, as_json, as_markdown, by_strength
from recipes.command_line import refusing, start_log, strength, whole
from recipes.commands import run_command
from recipes.work_folder import held

log = logging.getLogger("recipe")


def main() -> None:
    """Run what is not done yet, then write table.json and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m recipes.ablations", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--domain", choices=("human", "anime"), default="human")
    parser.add_argument("--triplets", type=whole(), default=1200, help="that are drawn")
    parser.add_argument("--samples", type=whole(), default=64, help="of the benchmark")
    parser.add_argument(
        "--strengths",
        nargs="+",
        type=strength,
        default=["0.25", "0.5", "1"],
        metavar="S",
        help="of its sweeps",
    )
    parser.add_argument("--seeds", type=whole(), default=3, help="trainings of each variant")
    parser.add_argument(
        "--set", action="append", default=[], help="of every training, like run.num_steps=600"
    )
    parser.add_argument("--parallel", type=whole(), default=2, help="trainings at a time")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    arguments = parser.parse_args()
    start_log()
    setting = Setting(
        work=arguments.work,
        domain=arguments.domain,
        num_triplets=arguments.triplets,
        num_samples=arguments.samples,
        seeds=tuple(range(arguments.seeds)),
        settings=tuple(arguments.set),
        strengths=tuple(arguments.strengths),
    )
    if (setting.work / f"{SETTING}.json").is_file() or not arguments.table:
        try:
            require_same_setting(setting)
        except InputError as error:
            parser.error(str(error))
    jobs = all_jobs(setting)
    if not arguments.table:
        with refusing(parser), held(setting.work):
            _work(setting, jobs, arguments.parallel)
    edits = _edits(jobs)
    if FULL not in edits:
        parser.error(f"{str(setting.work)!r} has no seed yet that all variants are trained with")
    table = ablation_table(edits)
    content = json.dumps(as_json(table), indent=1) + "\n"
    write_file(setting.work / "table.json", content.encode(), force=True)
    print(as_markdown(table), by_strength(edits), sep="\n\n")


def _work(setting: Setting, jobs: list[Job], num_parallel: int) -> None:
    for command in drawing_commands(setting):
        run_command(command, setting.work / "drawing.txt", num_parallel)
    for job in run_all(jobs, num_parallel):
        log.info("%s, seed %d is done", job.name, job.seed)


def _edits(jobs: list[Job]) -> Edits:
    """The judged edits of what is done, of seeds that all variants have."""
    seeds = {job.seed for job in jobs} - {job.seed for job in jobs if not job.is_done}
    found: dict[str, dict[int, list[ScoredEdit]]] = {}
    for job in jobs:
        if job.is_done and job.seed in seeds:
            found.setdefault(job.name, {})[job.seed] = list(load_results(RunFolder(job.bench)).edits)
    return found


if __name__ == "__main__":
    main()
