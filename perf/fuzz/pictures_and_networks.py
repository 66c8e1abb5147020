"""Binary kinds: pictures, adapters, model folders, the networks of faces."""

import io
import json
import math
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kind import Kind, file_named, quiet
from PIL import Image, PngImagePlugin

_INDEX = "diffusion_pytorch_model.safetensors.index.json"


def picture_kinds(shop: Path) -> dict[str, Kind]:
    """Pictures of every format, and the text of drawn portraits."""
    from pixelsmile.editing.pictures import read_source
    from pixelsmile.images import load_image

    square = Image.effect_mandelbrot((64, 48), (-2, -1.2, 1, 1.2), 20).convert("RGB")
    valid = [_encoded(square, name) for name in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")]
    valid += [_encoded(square.convert(mode), "PNG") for mode in ("RGBA", "L", "LA", "P", "1", "I;16")]
    valid += [_encoded(square.convert("CMYK"), "JPEG"), _encoded(square, "JPEG", progressive=True)]
    texts = [json.dumps({"style": "anime", "seed": 7, "size": 64, "expression": {"happy": 1.0}}).encode()]

    def place_text(data: bytes, folder: Path) -> Path:
        if data[:4] == b"\x89PNG":
            return file_named("x.png")(data, folder)
        info = PngImagePlugin.PngInfo()
        info.add_text("pixelsmile:portrait", data.decode("latin-1")[:900_000])
        square.save(folder / "x.png", pnginfo=info)
        return folder / "x.png"

    def read_text(path: Path) -> None:
        source = read_source(path)
        source.domain  # noqa: B018  (it is read from the text)

    return {
        "img": Kind(valid, file_named("x.png"), quiet(load_image)),
        "portrait": Kind(texts, place_text, quiet(read_text)),
    }


def adapter_kinds(shop: Path) -> dict[str, Kind]:
    """LoRA files: their header's metadata, the configuration beside them, and their bytes."""
    import torch
    from safetensors.torch import save

    from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter
    from pixelsmile.editing.adapters.transformer import fitting_updates

    model = _embedded_transformer()
    names = [name for name, _ in model.named_modules() if name.endswith(("to_q", "to_k"))][:2]
    sizes = {name: model.get_submodule(name).in_features for name in names}

    def weights(
        first: str = "lora_A.weight", second: str = "lora_B.weight", prefix: str = "transformer."
    ) -> dict[str, Any]:
        made = {}
        for name, size in sizes.items():
            made[f"{prefix}{name}.{first}"] = torch.ones(2, size)
            made[f"{prefix}{name}.{second}"] = torch.ones(size, 2)
        return made

    config = {"lora_alpha": 4, "r": 2, "alpha_pattern": {f".*{names[0]}": 2}, "use_rslora": False}
    files = [
        save(weights(), {"format": "pt"}),
        save(weights("lora.down.weight", "lora.up.weight")),
        save(weights("lora_down.weight", "lora_up.weight", "diffusion_model.")),
    ]

    def place_config(data: bytes, folder: Path) -> Path:
        text = data.decode("latin-1")
        if random.Random(len(data)).random() < 0.5:
            (folder / "adapter_config.json").write_bytes(data)
            (folder / "x.safetensors").write_bytes(files[0])
        else:
            (folder / "x.safetensors").write_bytes(save(weights(), {"lora_adapter_metadata": text}))
        return folder / "x.safetensors"

    def place_header(data: bytes, folder: Path) -> Path:
        (folder / "x.safetensors").write_bytes(
            struct.pack("<Q", len(data)) + data + files[0][-_tail(files[0]) :]
        )
        return folder / "x.safetensors"

    read = quiet(lambda path: fitting_updates(model, find_adapter(AdapterSpec(str(path)))))
    headers = [file[8 : 8 + struct.unpack("<Q", file[:8])[0]] for file in files]
    return {
        "lora": Kind([json.dumps(config).encode()], place_config, read),
        "loraheader": Kind(headers, place_header, read),
        "lorafile": Kind(files, file_named("x.safetensors"), read),
    }


def network_kinds(shop: Path) -> dict[str, Kind]:
    """JSON of model folders, and the ONNX and safetensors files of face networks."""
    from pixelsmile.editing.folders import find_model, read_options
    from pixelsmile.editors.own import _model_hash
    from pixelsmile.embedded import model_path
    from pixelsmile.faces.detectors import load_detector
    from pixelsmile.faces.encoders.loading import load_encoder

    home = Path(model_path())
    encoder = home.parent / "faces" / "arcface"
    part = home / "transformer"
    index = {"weight_map": {"a": next(part.glob("*.safetensors")).name}}
    options = home / "pixelsmile.json"
    grey = Image.new("RGB", (64, 64), "grey")

    def copy_of(folder: Path, source: Path, file: str, data: bytes) -> Path:
        copy = folder / source.name
        shutil.copytree(source, copy, copy_function=lambda a, b: Path(b).symlink_to(a))
        (copy / file).unlink(missing_ok=True)
        (copy / file).write_bytes(data)
        return copy

    def read_model(path: Path) -> None:
        read_options(find_model(str(path)))
        _model_hash(path)

    def place_model(file: str) -> Callable[[bytes, Path], Path]:
        return lambda data, folder: copy_of(folder, home, file, data)

    model = quiet(read_model)
    return {
        "index": Kind(
            [json.dumps(index).encode()],
            place_model(f"transformer/{_INDEX}"),
            model,
        ),
        "modelindex": Kind(
            [(home / "model_index.json").read_bytes()], place_model("model_index.json"), model
        ),
        "options": Kind([options.read_bytes()], place_model("pixelsmile.json"), model),
        "transformerconfig": Kind(
            [(part / "config.json").read_bytes()], place_model("transformer/config.json"), model
        ),
        "enccfg": Kind(
            [(encoder / "config.json").read_bytes()],
            lambda data, folder: copy_of(folder, encoder, "config.json", data),
            quiet(load_encoder),
        ),
        "det": Kind(
            _detectors(), file_named("x.onnx"), quiet(lambda path: load_detector(str(path)).detect(grey))
        ),
        "opdiff": Kind(
            _encoders(),
            file_named("x.onnx"),
            quiet(lambda path: load_encoder(path, "arcface", differentiable=True)),
        ),
    }


def _encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _tail(file: bytes) -> int:
    return len(file) - 8 - struct.unpack("<Q", file[:8])[0]


def _embedded_transformer() -> Any:
    from diffusers import QwenImageTransformer2DModel

    from pixelsmile.embedded import model_path

    return QwenImageTransformer2DModel.from_pretrained(str(model_path()), subfolder="transformer")


def _detectors() -> list[bytes]:
    """A detector with the stated interface: one fixed box."""
    from onnx import TensorProto, helper

    def graph(op: str, inputs: list[str], **attributes: Any) -> bytes:
        box = helper.make_tensor("box", TensorProto.FLOAT, [1, 5], [8.0, 8.0, 40.0, 40.0, 0.9])
        nodes = [
            helper.make_node("Constant", [], ["rows"], value=box),
            helper.make_node(op, inputs, ["s"], **attributes),
            helper.make_node("Mul", ["s", "zero"], ["z"]),
            helper.make_node("Add", ["rows", "z"], ["boxes"]),
        ]
        zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])
        made = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])],
            [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 5])],
            [zero],
        )
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return bytes(model.SerializeToString())

    return [graph("ReduceSum", ["image"], keepdims=0), graph("ReduceMax", ["image"], keepdims=0)]


def _encoders() -> list[bytes]:
    """An identity encoder: one small linear map of the mean colour."""
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 8], [math.sin(1 + i) for i in range(24)])
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"], axis=1),
        helper.make_node("MatMul", ["f", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["embedding"]),
    ]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 8])],
        [weights, helper.make_tensor("b", TensorProto.FLOAT, [8], [float(i) for i in range(8)])],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return [bytes(model.SerializeToString())]
