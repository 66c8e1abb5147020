"""`pixelsmile adapters convert`: an adapter as another tool wants it."""

import argparse
import json
from pathlib import Path

from pixelsmile.cli.parsing import CommandParser, one_of
from pixelsmile.errors import AdapterError

# The `Format`s of editing/adapters/export.py, here so that help loads nothing heavy.
_FORMATS = ("diffusers", "kohya", "peft", "comfyui")
_EPILOG = """formats:
  diffusers  transformer.[...].lora_A.weight, and lora_adapter_metadata in the header (default)
  kohya      lora_unet_[...].lora_down.weight with alpha tensors, for kohya, musubi and ComfyUI
  peft       a folder with adapter_model.safetensors and adapter_config.json
  comfyui    diffusion_model.[...].lora_A.weight

examples:
  pixelsmile adapters convert runs/first/adapter.safetensors -o smile.safetensors
  pixelsmile adapters convert smile.safetensors -o smile-kohya.safetensors --format kohya
  pixelsmile adapters convert other.safetensors -o other-peft --format peft

Alpha is folded in: what is written has scale 1 also for tools that read no alpha. DoRA stays DoRA, LoHa
becomes a LoRA of its exact rank; a LoKr is no LoRA and is refused, as is what else the format cannot hold.
"""


def run(options: argparse.Namespace) -> int:
    """Write the adapter in another format, and print where it is."""
    from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter

    target = Path(options.output)
    is_folder = options.format == "peft"
    if is_folder == (target.suffix == ".safetensors"):
        wanted = "a folder" if is_folder else "a file name that ends in .safetensors"
        raise AdapterError(f"-o {options.output!r}: the format {options.format} needs {wanted}")
    file = find_adapter(AdapterSpec(options.adapter))
    from pixelsmile.editing.adapters.export import PEFT_FILES, export
    from pixelsmile.store.publication import staged

    folder = target if is_folder else target.parent
    names: tuple[str, ...] = PEFT_FILES if is_folder else (target.name,)
    with staged(folder, names, force=options.force) as stage:
        exported = export(file, options.format)
        stage.write(names[0], exported.weights)
        if exported.config is not None:
            stage.write(names[1], exported.config)
    if options.json:
        record = {"path": str(target), "layers": exported.num_layers, "dtype": exported.dtype}
        print(json.dumps({**record, "notes": list(file.notes)}))
    else:
        print(f"{target}: {exported.num_layers} layers in {exported.dtype}, alpha folded in (scale 1)")
        for note in file.notes:
            print(f"note: of {file.path.name}, {note}")
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("adapters convert", "Write an adapter for another tool.", run, _EPILOG)
    parser.add_argument("adapter", metavar="ADAPTER", help="file, folder or hub id, in any format")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="file (peft: folder) to write")
    parser.add_argument(
        "--format",
        type=one_of("format", _FORMATS),
        default="diffusers",
        metavar="FORMAT",
        help=f"one of {', '.join(_FORMATS)} (default: diffusers)",
    )
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser
