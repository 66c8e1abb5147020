"""One of two processes that train a configuration with its weights spread by FSDP 2, as a test starts them.

    python sharded_training.py CONFIG FOLDER POLICY

Torch can do that on a CPU; Accelerate would ask for a GPU, so its state is set by hand.
"""

import sys
from pathlib import Path

from accelerate import DistributedType
from accelerate.utils import FullyShardedDataParallelPlugin

from pixelsmile.training.assembly import assemble
from pixelsmile.training.config_file import read_config
from pixelsmile.training.distribution import is_spread, leave, on_main, settled, start_accelerator
from pixelsmile.training.loop import Trainer
from pixelsmile.training.run_folder import RunFolder
from pixelsmile.training.trained import trainable


def main(config_file: Path, folder: RunFolder, policy: str) -> None:
    accelerator = start_accelerator("cpu")
    blocks = {"transformer_cls_names_to_wrap": ["QwenImageTransformerBlock"]} if policy != "no_wrap" else {}
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy=policy, cpu_ram_efficient_loading=False, **blocks
    )
    accelerator.state.distributed_type = DistributedType.FSDP
    config = settled(read_config(config_file), accelerator.device)
    on_main(accelerator, lambda: folder.path.mkdir(exist_ok=True) or folder.begin(config))
    job = assemble(config, folder, accelerator)
    list(Trainer(job, config, folder, accelerator).run())
    assert is_spread(trainable(job.module))
    leave(accelerator)


if __name__ == "__main__":
    main(Path(sys.argv[1]), RunFolder(Path(sys.argv[2])), sys.argv[3])
