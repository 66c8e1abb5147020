"""A command in two processes that train together, as `accelerate launch` starts them on two GPUs."""

import os
import socket
import subprocess
import sys
from typing import Any

from accelerate import DistributedType
from accelerate.utils import FullyShardedDataParallelPlugin


def run_on_two(*arguments: str) -> list[str]:
    """`python ARGUMENTS` twice, with gloo between them: what each has printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "ACCELERATE_USE_CPU": "true",
                "WORLD_SIZE": "2",
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            },
        )
        for rank in range(2)
    ]
    printed = []
    for process in processes:
        out, error = process.communicate(timeout=600)
        assert process.returncode == 0, error
        printed.append(out)
    return printed


def spread_weights(accelerator: Any, *blocks: str) -> None:
    """FSDP 2 on the CPU, by units of these classes. Torch can do that; Accelerate would ask for a GPU, so its
    state is set by hand."""
    policy = {"auto_wrap_policy": "no_wrap"}
    if blocks:
        policy = {"auto_wrap_policy": "transformer_based_wrap", "transformer_cls_names_to_wrap": list(blocks)}
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, cpu_ram_efficient_loading=False, **policy
    )
    accelerator.state.distributed_type = DistributedType.FSDP
    assert accelerator.is_fsdp2
