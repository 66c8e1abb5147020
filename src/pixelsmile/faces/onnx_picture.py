"""The ONNX file of a network that looks at one picture: opened, asked what it takes and gives, and run.

Shapes: BCHW the input, float32; HWC a picture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pixelsmile.errors import ModelError
from pixelsmile.faces.onnx_session import open_session, run_session

MAX_SIDE_PX = 4096  # of what a network takes
EXTRA = 'pip install -c constraints.txt -e ".[faces]"'


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
            f"a {what} in an ONNX file needs onnxruntime, which is not installed: {EXTRA}"
        ) from error
    except Exception as error:  # ONNX Runtime has no common error
        raise ModelError(
            f"{str(path)!r} is no ONNX file, or cut short ({_first_line(error)}): fetch it again"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
