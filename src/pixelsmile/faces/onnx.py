"""Networks in ONNX files, run within limits: such a file is a program, and a stranger's may never end.

What is not limited: the time of opening a file, and of one single operator, which ends before a run can be
stopped; and the memory of a GPU. Shapes: BCHW the input, float32; HWC a picture.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pixelsmile.errors import ModelError, install

MAX_SECONDS = 8.0  # for one picture on a processor: the largest encoders take one
MAX_MEMORY_BYTES = 4 * 2**30  # of weights and values, all open files together
MAX_OUTPUT_NUMBERS = 2**26
MAX_SIDE_PX = 4096  # of what a network takes
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


class OnnxFile:
    """A network that takes one picture. Its outputs come as they are; who reads them checks them."""

    def __init__(self, path: Path, what: str = "face detector") -> None:
        """what: it is meant to be. ModelError: no file, not ONNX, cut short, it does not take one picture."""
        self.path = path
        self._what = what
        self._session = _open(path, what)
        inputs = self._session.get_inputs()
        self._check_inputs(inputs)
        self.input_name: str = inputs[0].name
        self._input_shape = inputs[0].shape
        self.output_shapes: tuple[tuple[Any, ...], ...] = tuple(
            tuple(output.shape or ()) for output in self._session.get_outputs()
        )
        self.output_names: tuple[str, ...] = tuple(output.name for output in self._session.get_outputs())

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The only (width, height) that the network takes; None where it takes any."""
        height, width = self._input_shape[2:]
        return (width, height) if isinstance(height, int) and isinstance(width, int) else None

    @property
    def metadata(self) -> dict[str, str]:
        """What the exporter wrote into the file."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def input_size(self, size_px: int | None, default_px: int) -> tuple[int, int]:
        """The (width, height) to run at. ModelError where the network takes another than `size_px`."""
        fixed = self.fixed_size
        if fixed is None:
            return (size_px or default_px,) * 2
        if size_px is not None and fixed != (size_px, size_px):
            raise ModelError(
                f"{self.path} takes {fixed[0]} x {fixed[1]} px only, not {size_px}: leave the size to it"
            )
        return fixed

    def run(self, input_BCHW: np.ndarray) -> list[np.ndarray]:
        """Every output for the picture. ModelError where the network refuses it."""
        try:
            return run_session(self._session, self.path, None, {self.input_name: input_BCHW})
        except ModelError:
            raise
        except Exception as error:  # ONNX Runtime has no common error
            shape = " x ".join(map(str, input_BCHW.shape))
            raise ModelError(f"{self.path} cannot run on {shape} ({_first_line(error)})") from error

    def _check_inputs(self, inputs: Sequence[Any]) -> None:
        shapes = [tuple(entry.shape or ()) for entry in inputs]
        good = (
            len(inputs) == 1
            and inputs[0].type == "tensor(float)"
            and len(shapes[0]) == 4
            and (shapes[0][1] == 3 or not isinstance(shapes[0][1], int))
            and (shapes[0][0] == 1 or not isinstance(shapes[0][0], int))
            and all(not isinstance(side, int) or 0 < side <= MAX_SIDE_PX for side in shapes[0][2:])
        )
        if not good:
            seen = ", ".join(
                f"{entry.name} {shape} {entry.type}" for entry, shape in zip(inputs, shapes, strict=True)
            )
            raise ModelError(
                f"{self.path} takes {seen or 'nothing'}: a {self._what} takes one picture, "
                f"1 x 3 x height x width in float32, of at most {MAX_SIDE_PX} px"
            )


def network_input(picture_HWC: np.ndarray, mean: float, scale: float) -> np.ndarray:
    """(picture - mean) / scale as a batch of one, BCHW in float32."""
    return np.ascontiguousarray(((picture_HWC.astype(np.float32) - mean) / scale).transpose(2, 0, 1)[None])


def _open(path: Path, what: str) -> Any:
    if not path.is_file():
        raise ModelError(f"there is no {what} {str(path)!r}: check the path")
    try:
        return open_session(path)
    except ImportError as error:
        raise ModelError(
            f"a {what} in an ONNX file needs onnxruntime, which is not installed: {install('faces')}"
        ) from error
    except Exception as error:  # ONNX Runtime has no common error
        raise ModelError(
            f"{str(path)!r} is no ONNX file, or cut short ({_first_line(error)}): fetch it again"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
