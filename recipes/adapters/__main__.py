"""Train the adapter of one domain; the same command goes on where it was stopped."""

import argparse
import logging
import os
from pathlib import Path

from pixelsmile.editing.folders import check_folder
from pixelsmile.expressions import DOMAINS
from pixelsmile.training.run_folder import ADAPTER_NAME
from recipes.adapters.stages import STAGES, adapter_name, commands, install, log_name
from recipes.command_line import refusing, start_log, whole
from recipes.commands import run_command
from recipes.work_folder import held, require_same_plan

log = logging.getLogger("recipe")


@refusing()
def main() -> None:
    """Run every stage and say where the adapter is."""
    parser = argparse.ArgumentParser(prog="python -m recipes.adapters", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/adapters"))
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    parser.add_argument("--threads", type=whole(), default=os.cpu_count() or 1, help="that it may use")
    parser.add_argument(
        "--into", type=Path, metavar="MODEL", help="a folder like the embedded one, to be given it"
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="MODEL",
        help="a folder with an adapter: on from it, by the last stage alone",
    )
    arguments = parser.parse_args()
    if arguments.into is not None:
        check_folder(arguments.into)
    start_log()
    work = arguments.work / arguments.domain
    model = "embedded" if arguments.into is None else str(arguments.into)
    stages, start, before = STAGES, None, ""
    if arguments.start is not None:
        stages, start = STAGES[-1:], arguments.start / adapter_name(arguments.domain)
        if not start.is_file():
            parser.error(f"--start: no adapter at {str(start)!r}: give a model folder that has one")
        file = arguments.start / log_name(arguments.domain)
        before = file.read_text() if file.is_file() else ""
    require_same_plan(work, {"stages": [stage.name for stage in stages]}, "stages")
    with held(work):
        for command in commands(stages, arguments.domain, work, model, start):
            log.info("pixelsmile %s", " ".join(command))
            run_command(command, work / "log.txt", arguments.threads)
        adapter = work / STAGES[-1].name / ADAPTER_NAME
        if arguments.into is not None:
            adapter = install(stages, arguments.domain, work, arguments.into, before)
    log.info("done: %s", adapter)


if __name__ == "__main__":
    main()
