"""Train the adapter of one domain; the same command goes on where it was stopped."""

import argparse
import logging
import os
from pathlib import Path

from pixelsmile.editing.folders import check_folder
from pixelsmile.errors import ModelError
from pixelsmile.expressions import DOMAINS
from pixelsmile.training.run_folder import ADAPTER_NAME
from recipes.adapters.stages import STAGES, commands, install
from recipes.command_line import start_log, whole
from recipes.commands import run_command

log = logging.getLogger("recipe")


def main() -> None:
    """Run every stage and say where the adapter is."""
    parser = argparse.ArgumentParser(prog="python -m recipes.adapters", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/adapters"))
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    parser.add_argument("--threads", type=whole(), default=os.cpu_count() or 1, help="that it may use")
    parser.add_argument(
        "--into", type=Path, metavar="MODEL", help="a folder like the embedded one, to be given it"
    )
    arguments = parser.parse_args()
    if arguments.into is not None:
        try:
            check_folder(arguments.into)
        except ModelError as error:
            parser.error(str(error))
    start_log()
    work = arguments.work / arguments.domain
    model = "embedded" if arguments.into is None else str(arguments.into)
    for command in commands(STAGES, arguments.domain, work, model):
        log.info("pixelsmile %s", " ".join(command))
        run_command(command, work / "log.txt", arguments.threads)
    adapter = work / STAGES[-1].name / ADAPTER_NAME
    if arguments.into is not None:
        adapter = install(STAGES, arguments.domain, work, arguments.into)
    log.info("done: %s", adapter)


if __name__ == "__main__":
    main()
