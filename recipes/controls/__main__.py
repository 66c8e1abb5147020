"""Train seven ways to control one base at equal cost, measure them, see what of the paper's table 2 holds."""

import argparse
import json
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.cli.parsing import positive_number
from pixelsmile.expressions import DOMAINS
from pixelsmile.store.publication import write_file
from recipes.ablations.jobs import SETTING, Job, run_all
from recipes.command_line import checked, refusing, start_log, strength, whole
from recipes.commands import run_command
from recipes.controls.jobs import (
    ROWS,
    UNTRAINED,
    Setting,
    drawing_commands,
    job_of,
    require_same_setting,
)
from recipes.controls.pace import steps_of
from recipes.controls.table import as_json, as_markdown, control_table, cost_of, curves, paper_order, sheet
from recipes.work_folder import held

log = logging.getLogger("recipe")


def main() -> None:
    """Run what is not done yet, then write table.json and print the table, for each domain."""
    parser = _parser()
    arguments = parser.parse_args()
    start_log()
    if max(map(float, arguments.strengths)) > 1 and "k-slider" in (arguments.method or ROWS):
        parser.error("k-slider takes no strength beyond 1: lower --strengths, or name --method of the others")
    for domain in dict.fromkeys(arguments.domain or DOMAINS):
        setting = Setting(
            work=arguments.work / domain,
            model=arguments.model,
            domain=domain,
            num_triplets=arguments.triplets,
            num_samples=arguments.samples,
            seeds=tuple(dict.fromkeys(arguments.seed or (0, 1, 2))),
            budget_s=arguments.budget,
            num_steps=arguments.steps,
            settings=tuple(arguments.set),
            strengths=tuple(arguments.strengths),
        )
        with refusing(parser), nullcontext() if arguments.table else held(setting.work):
            _one_domain(setting, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recipes.controls", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/controls"))
    parser.add_argument("--model", default="embedded", help="the base: embedded, or a folder like it")
    parser.add_argument("--domain", action="append", choices=DOMAINS, help="default: both")
    parser.add_argument("--method", action="append", choices=ROWS, help="of the rows; default: all")
    parser.add_argument(
        "--seed", action="append", type=whole(0), help="of the trainings; default: 0, 1 and 2"
    )
    parser.add_argument("--triplets", type=whole(), default=1200, help="that are drawn, of each kind")
    parser.add_argument("--samples", type=whole(), default=64, help="of the benchmark")
    parser.add_argument(
        "--strengths",
        nargs="+",
        type=strength,
        default=["0", "0.25", "0.5", "0.75", "1"],
        metavar="S",
        help="of its sweeps",
    )
    parser.add_argument(
        "--budget",
        type=checked(positive_number("budget")),
        default=300.0,
        help="CPU seconds of a training (default 300)",
    )
    parser.add_argument("--steps", type=whole(), help="of every training, in place of an equal cost")
    parser.add_argument("--set", action="append", default=[], help="of every training, like model.device=cpu")
    parser.add_argument("--parallel", type=whole(), default=2, help="jobs at a time")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    return parser


def _one_domain(setting: Setting, arguments: argparse.Namespace) -> None:
    rows = [row for row in ROWS if row in (arguments.method or ROWS)]
    trained = [row for row in rows if row != UNTRAINED]
    if (setting.work / f"{SETTING}.json").is_file() or not arguments.table:
        require_same_setting(setting, trained)
    if not arguments.table:
        for command in drawing_commands(setting):
            run_command(command, setting.work / "drawing.txt", arguments.parallel)
    steps = steps_of(setting, trained, measure=not arguments.table)
    jobs = [job_of(setting, UNTRAINED, 0, 0)] if UNTRAINED in rows else []
    jobs += [job_of(setting, row, seed, steps[row]) for seed in setting.seeds for row in steps]
    if not arguments.table:
        for done in run_all(jobs, arguments.parallel):
            log.info("%s: %s, seed %d is done", setting.domain, done.name, done.seed)
    _tell(setting, jobs, steps)


def _tell(setting: Setting, jobs: Sequence[Job], steps: dict[str, int]) -> None:
    """Write and print the table of the rows that are done with all seeds; a page of their curves, a sheet."""
    by_row: dict[str, list[Job]] = {}
    for job in jobs:
        by_row.setdefault(job.name, []).append(job)
    whole = {row: some for row, some in by_row.items() if all(job.is_done for job in some)}
    if not whole:
        log.info("%s: no row in %s is done with all its seeds", setting.domain, setting.work)
        return
    results = {
        row: {job.seed: load_results(RunFolder(job.bench)) for job in some} for row, some in whole.items()
    }
    edits = {row: {seed: one.edits for seed, one in by.items()} for row, by in results.items()}
    table, order = control_table(edits), paper_order(edits)
    costs = {row: cost_of(some, steps.get(row, 0)) for row, some in whole.items()}
    points = {row: curves([one.summary for one in by.values()]) for row, by in results.items()}
    content = json.dumps(as_json(table, costs, order, points), indent=1) + "\n"
    write_file(setting.work / "table.json", content.encode(), force=True)
    page = ("bench", "ffe", "report", *(str(some[0].bench) for some in whole.values()))
    run_command((*page, "--force", "-o", str(setting.work / "curves.html")), setting.work / "page.txt", 1)
    sheet({row: RunFolder(some[0].bench) for row, some in whole.items()}).save(setting.work / "sheet.jpg")
    print(f"\n{setting.domain}\n\n{as_markdown(table, costs, order)}")


if __name__ == "__main__":
    main()
