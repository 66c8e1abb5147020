"""`pixelsmile adapters ...`: what adapter files of any tool hold, and the same adapters for another tool."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.display import print_json, remark
from pixelsmile.cli.options import add_force, add_json
from pixelsmile.cli.parsing import CommandParser, one_of
from pixelsmile.editing.options import ADAPTER_FORMATS
from pixelsmile.errors import AdapterError, one_line

if TYPE_CHECKING:
    from pixelsmile.editing.adapters.files import AdapterFile
    from pixelsmile.editing.adapters.updates import Numbers

_LARGEST_TRAINED = 1e4  # factors are near 1, DoRA magnitudes in the tens
_SHOW_EPILOG = """examples:
  pixelsmile adapters show smile.safetensors
  pixelsmile adapters show runs/first owner/repository other.safetensors --json

Any adapter file, folder with one, or hub id. All its numbers are read, and found finite or not; whether it
fits a model is seen where it is used. The exit code is 2 where a file cannot be used.
"""
_CONVERT_EPILOG = """formats:
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


def show(options: argparse.Namespace) -> int:
    """Describe every adapter on stdout, its faults on stderr; exit code 2 where there are any."""
    records = [_record(source) for source in options.adapters]
    if options.json:
        print_json({"adapters": records})
    for number, record in enumerate(records):
        if not options.json and "format" in record:
            print("\n".join([""] * (number > 0) + list(_lines(record))))
        if "fault" in record:
            remark(record["fault"])
    return AdapterError.exit_code if any("fault" in record for record in records) else 0


def _record(source: str) -> dict[str, Any]:
    from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter
    from pixelsmile.editing.adapters.updates import check_numbers

    try:
        file = find_adapter(AdapterSpec(source))
    except AdapterError as error:
        return {"adapter": source, "fault": str(error)}
    record = {"adapter": source, **_described(file)}
    try:
        numbers = check_numbers(file)
    except AdapterError as error:
        return {**record, "fault": str(error)}
    if numbers.largest > _LARGEST_TRAINED:
        record["notes"] = [*record["notes"], _too_large(numbers)]
    return {**record, "scalings": sorted(set(numbers.scalings.values()))}


def _too_large(numbers: "Numbers") -> str:
    return (
        f"its numbers go up to {numbers.largest:.3g} ({numbers.layer}), which no training gives: edits "
        "with it are likely to be refused"
    )


def _described(file: "AdapterFile") -> dict[str, Any]:
    """What the header says."""
    from pixelsmile.hashing import sha256_file

    layers = file.contents.layers
    return {
        "file": str(file.path),
        "bytes": file.path.stat().st_size,
        "sha256": sha256_file(file.path),
        "method": file.contents.method,
        "format": file.contents.tool,
        "layers": sorted(layers),
        "ranks": sorted({layer.rank for layer in layers.values() if layer.rank is not None}),
        "alpha": file.alphas.source,
        "dtypes": list(file.contents.dtypes),
        "base": file.base,
        "notes": list(file.notes),
    }


def _lines(record: dict[str, Any]) -> Iterator[str]:
    first, last = record["layers"][0], record["layers"][-1]
    rows = {
        "adapter": record["adapter"],
        "file": f"{record['file']} ({record['bytes'] / 1e6:.1f} MB, SHA-256 {record['sha256'][:12]}...)",
        "format": f"{record['method']}, {_naming(record['format'])}",
        "layers": f"{len(record['layers'])}, from {first} to {last}",
        "rank": ", ".join(map(str, record["ranks"])) or "none: whole factors",
        "alpha": record["alpha"] or "not stated",
        "numbers": ", ".join(record["dtypes"]) + (", all finite" if "scalings" in record else ""),
        "base": record["base"] or "not stated",
    }
    if "scalings" in record:
        rows["scale"] = ", ".join(f"{scaling:g}" for scaling in record["scalings"][:6]) + (
            ", ..." if len(record["scalings"]) > 6 else ""
        )
    yield from (f"{name:<8} {one_line(text)}" for name, text in rows.items())
    yield from (f"note     {one_line(note)}" for note in record["notes"])


def _naming(tool: str) -> str:
    from pixelsmile.editing.adapters.formats import BARE

    return tool if tool == BARE else f"names of {tool}"


def show_parser() -> CommandParser:
    parser = CommandParser("adapters show", "Say what adapter files hold.", show, _SHOW_EPILOG)
    parser.add_argument("adapters", nargs="+", metavar="ADAPTER", help="file, folder or hub id")
    add_json(parser)
    return parser


def convert(options: argparse.Namespace) -> int:
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
        print_json({**record, "notes": list(file.notes)})
    else:
        print(f"{target}: {exported.num_layers} layers in {exported.dtype}, alpha folded in (scale 1)")
        for note in file.notes:
            print(f"note: of {file.path.name}, {note}")
    return 0


def convert_parser() -> CommandParser:
    parser = CommandParser("adapters convert", "Write an adapter for another tool.", convert, _CONVERT_EPILOG)
    parser.add_argument("adapter", metavar="ADAPTER", help="file, folder or hub id, in any format")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="file (peft: folder) to write")
    parser.add_argument(
        "--format",
        type=one_of("format", ADAPTER_FORMATS),
        default="diffusers",
        metavar="FORMAT",
        help=f"one of {', '.join(ADAPTER_FORMATS)} (default: diffusers)",
    )
    add_force(parser, "what is there")
    add_json(parser)
    return parser
