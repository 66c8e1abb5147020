"""What several processes must agree on: who writes, what failed, and tensors that are spread over them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor

from pixelsmile.errors import DeviceError, PixelSmileError
from pixelsmile.training.config import TrainingConfig

T = TypeVar("T")
_PATIENCE = timedelta(hours=6)  # of the others, while one caches pictures or sweeps portraits


def start_accelerator(device: str | None, trackers: Sequence[str] = (), folder: str = ".") -> Any:
    """An Accelerator; how many processes there are, and FSDP, are what `accelerate launch` says.

    Its mixed precision is off: the trained module itself says what runs in fewer bits.
    DeviceError for a GPU that is not there; for DeepSpeed, which steps the optimiser inside of its backward
    pass, where a loss that is not finite could no longer be stopped; and for the first FSDP: the second
    shards as much.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("model.device is 'cuda' and this machine has no GPU: use cpu, or leave it out")
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

    accelerator = Accelerator(
        cpu=device == "cpu" or not torch.cuda.is_available(),  # Accelerate takes other devices by itself
        mixed_precision="no",
        log_with=list(trackers) or None,
        project_dir=folder,
        kwargs_handlers=[
            # The last block has layers whose output nobody uses: they get no gradient.
            DistributedDataParallelKwargs(find_unused_parameters=True, gradient_as_bucket_view=True),
            InitProcessGroupKwargs(timeout=_PATIENCE),
        ],
    )
    kind = str(accelerator.distributed_type).rpartition(".")[2]
    if kind in ("DEEPSPEED", "MEGATRON_LM", "TP") or (kind == "FSDP" and not accelerator.is_fsdp2):
        raise DeviceError(
            f"training does not run under {kind}: use fsdp_version: 2 in `accelerate config`, or no sharding"
        )
    return accelerator


def on_main(accelerator: Any, action: Callable[[], T]) -> T | None:
    """Run `action` on the main process alone; its value there, None elsewhere.

    Where it raises one of our errors, all processes raise it: none waits for one that has stopped.
    """
    value, failure = None, None
    if accelerator.is_main_process:
        try:
            value = action()
        except PixelSmileError as error:
            failure = error
    if accelerator.num_processes > 1:
        from accelerate.utils import broadcast_object_list

        messages = [str(failure) if failure else None]
        broadcast_object_list(messages)
        if messages[0] is not None and failure is None:
            failure = PixelSmileError(messages[0])
    if failure is not None:
        raise failure
    return value


def leave(accelerator: Any) -> None:
    """End together: nobody closes its connections while another still needs them, nor leaves them open."""
    accelerator.wait_for_everyone()
    accelerator.end_training()


def whole(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Copies on the CPU, gathered where they are spread (all processes must call). Empty unless `keep`."""
    found = {}
    for name, tensor in tensors.items():
        full = tensor.detach()
        full = full.full_tensor() if isinstance(full, DTensor) else full
        if keep:
            found[name] = full.cpu().clone()
    return found


def like(tensor: Tensor, reference: Tensor) -> Tensor:
    """`tensor` on the device of `reference`, spread as that is."""
    reference = reference.detach()
    if isinstance(reference, DTensor):
        return distribute_tensor(
            tensor.to(reference.device), reference.device_mesh, reference.placements, src_data_rank=None
        )
    return tensor.to(reference.device)


def is_spread(parameters: Mapping[str, Tensor]) -> bool:
    """Whether a forward needs all processes."""
    return any(isinstance(parameter, DTensor) for parameter in parameters.values())


@contextmanager
def gathered(module: nn.Module) -> Iterator[None]:
    """Until the block ends, what FSDP keeps with the whole module is there: its parts can be called alone."""
    if not isinstance(module, FSDPModule):
        yield
        return
    module.unshard()
    try:
        yield
    finally:
        module.reshard()


def mean_over_processes(accelerator: Any, values: Tensor) -> Tensor:
    """The mean of `values`, the same on all processes; NaN and infinity of any one stay."""
    reduced: Tensor = (
        accelerator.reduce(values, reduction="mean") if accelerator.num_processes > 1 else values
    )
    return reduced


def agree(accelerator: Any, number: int) -> bool:
    """Whether all processes have the same number."""
    if accelerator.num_processes == 1:
        return True
    numbers = accelerator.gather(torch.tensor([number], device=accelerator.device)).tolist()
    return len(set(numbers)) == 1


def shared(accelerator: Any, value: T | None) -> T:
    """What the main process has, on all of them."""
    if accelerator.num_processes == 1:
        assert value is not None
        return value
    from accelerate.utils import broadcast_object_list

    found: T = broadcast_object_list([value])[0]
    return found


def settled(config: TrainingConfig, device: torch.device) -> TrainingConfig:
    """The configuration with `auto` precision decided: bfloat16 where the device multiplies it."""
    if config.model.precision != "auto":
        return config
    able = torch.cpu.get_capabilities()
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported()
    else:
        has_bfloat16 = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    model = config.model.model_copy(update={"precision": "bfloat16" if has_bfloat16 else "float32"})
    return config.model_copy(update={"model": model})
