"""One of two processes that train a configuration with its weights spread by FSDP 2: `CONFIG FOLDER`."""

import sys
from pathlib import Path

from two_processes import spread_weights

from pixelsmile.store.configuration import read_configuration
from pixelsmile.training.assembly import assemble
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.distribution import is_spread, leave, on_main, settled, start_accelerator
from pixelsmile.training.loop import Trainer
from pixelsmile.training.optimiser import trainable
from pixelsmile.training.run_folder import RunFolder


def main(config_file: Path, folder: RunFolder) -> None:
    accelerator = start_accelerator("cpu")
    spread_weights(accelerator, "QwenImageTransformerBlock")
    config = settled(read_configuration(config_file, TrainingConfig), accelerator.device)
    on_main(accelerator, lambda: folder.path.mkdir(exist_ok=True) or folder.begin(config))
    job = assemble(config, folder, accelerator)
    list(Trainer(job, config, folder, accelerator).run())
    assert is_spread(trainable(job.module))
    leave(accelerator)


if __name__ == "__main__":
    main(Path(sys.argv[1]), RunFolder(Path(sys.argv[2])))
