"""One of several processes that train together. Run by test_two_processes.py, which sets their environment.

    python training_of_two.py FOLDER TRAINING ...

Each TRAINING is done in a folder of its name: `plain`, `poisoned` (one process alone meets a loss that is
no number; its message is printed), `full` (the disk of the main process refuses a checkpoint). From `sharded`
on, weights are spread by FSDP 2; `sharded-resumed` stops after 20 steps, then goes on; `sharded-bfloat16` has
a frozen layer in 16 bits.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from small_job import SmallModule, small_config, small_job
from two_processes import spread_weights

from pixelsmile.errors import OutputError, PixelSmileError
from pixelsmile.training.checkpoint import Checkpoints
from pixelsmile.training.distribution import leave, on_main, start_accelerator
from pixelsmile.training.loop import Trainer
from pixelsmile.training.run_folder import RunFolder

ON_TWO = ("run.batch_size=2",)  # 4 triplets a step, as on one process


class _FullCheckpoints(Checkpoints):
    def save(self, state: Any) -> Path:
        raise OutputError("no space left")


def train(folder: Path, module: SmallModule, *changes: str) -> None:
    config = small_config(*ON_TWO, *changes)
    run = RunFolder(folder)
    on_main(accelerator, lambda: folder.mkdir(exist_ok=True) or run.begin(config))
    trainer = Trainer(small_job(module), config, run, accelerator)
    if folder.name == "full" and accelerator.is_main_process:
        trainer._checkpoints = _FullCheckpoints(run.checkpoints, 1)
    for _ in trainer.run():
        pass


def main(folder: Path, name: str) -> None:
    if name == "sharded":
        spread_weights(accelerator)
    if name == "sharded-resumed":
        train(folder / name, SmallModule(), "run.num_steps=20", "optimiser.num_warmup_steps=4")
    poisoned = name == "poisoned" and accelerator.process_index == 1
    module = SmallModule(poison_after=7 if poisoned else None)
    if name == "sharded-bfloat16":
        module.frozen.to(torch.bfloat16)
    try:
        train(folder / name, module)
    except PixelSmileError as error:
        print(f"{name}: {error}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    accelerator = start_accelerator("cpu")
    for each in sys.argv[2:]:
        main(Path(sys.argv[1]), each)
    leave(accelerator)
    sys.stdout.flush()
    os._exit(0)  # all is closed and said by now; once in some runs gloo's own threads still abort the exit
