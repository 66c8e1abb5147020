"""ONNX Runtime within limits: an ONNX file is a program, and a stranger's may never end or fill the memory.

What is not limited: the time of opening a file, and of one single operator, which ends before a run can be
stopped; and the memory of a GPU.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pixelsmile.errors import ModelError

MAX_SECONDS = 8.0  # for one picture on a processor: the largest encoders take one
MAX_MEMORY_BYTES = 4 * 2**30  # of weights and values, all open files together
MAX_OUTPUT_NUMBERS = 2**26
_MAX_SECONDS_GPU = 60.0  # the first run loads the kernels
_MAX_FOLDED_BYTES = 2**26  # of a constant that is computed at opening
_CPU: Sequence[Any] = ("CPUExecutionProvider",)
_SILENT = 4  # what goes wrong comes as an exception
_NUMBERS = "fiu"  # kinds of NumPy types


def open_session(path: Path, providers: Sequence[Any] = _CPU, num_threads: int | None = None) -> Any:
    """An InferenceSession for a file, its memory on the processor limited; ONNX Runtime's own errors.

    num_threads: on the processor; None takes all cores. ImportError where ONNX Runtime is not installed.
    """
    import onnxruntime

    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry(
        "optimization.constant_folding_max_output_size_in_bytes", str(_MAX_FOLDED_BYTES)
    )
    if num_threads is not None:
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=providers)


def run_session(
    session: Any, path: Path, outputs: Sequence[str] | None, inputs: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """The outputs of these names (None: all) for a batch of pictures; what ONNX Runtime raises.

    ModelError where it takes longer than MAX_SECONDS a picture, more memory than MAX_MEMORY_BYTES, or gives
    anything but arrays of at most MAX_OUTPUT_NUMBERS numbers.
    """
    import onnxruntime

    on_cpu = session.get_providers()[0] == _CPU[0]
    limit_s = MAX_SECONDS * max(map(len, inputs.values())) if on_cpu else _MAX_SECONDS_GPU
    options = onnxruntime.RunOptions()
    options.log_severity_level = _SILENT
    ended = threading.Event()

    def stop() -> None:
        if not ended.wait(limit_s):
            options.terminate = True

    watch = threading.Thread(target=stop, daemon=True)
    watch.start()
    try:
        found = session.run(outputs, dict(inputs), options)
    except Exception as error:
        if options.terminate:
            raise ModelError(f"{path} did not end within {limit_s:g} s: take another file") from None
        if "Available memory" in str(error):
            raise ModelError(
                f"{path} asks for more than {MAX_MEMORY_BYTES / 2**30:g} GB of memory: take another file"
            ) from None
        raise
    finally:
        ended.set()
    for output in found:
        _check_output(path, output)
    return list(found)


def _check_output(path: Path, output: object) -> None:
    if not isinstance(output, np.ndarray) or output.dtype.kind not in _NUMBERS:
        kind = output.dtype if isinstance(output, np.ndarray) else type(output).__name__
        raise ModelError(f"{path} gives {kind} where an array of numbers is needed: take another file")
    if output.size > MAX_OUTPUT_NUMBERS:
        shape = " x ".join(map(str, output.shape))
        raise ModelError(f"{path} gives {shape} numbers for a picture: it is no network of this kind")


@cache
def _limit_memory() -> None:
    """One arena for all sessions of this process that ask for it; it grows up to the limit."""
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_asked = 1  # its other way doubles what it holds
    arena = onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY_BYTES, "arena_extend_strategy": as_asked})
    with suppress(RuntimeError):  # the process around us has registered its own, which holds then
        onnxruntime.create_and_register_allocator(memory, arena)
