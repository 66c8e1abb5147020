"""`pixelsmile adapters ...`: look into adapter files of any tool, and write them for another."""

from collections.abc import Sequence

from pixelsmile.cli.commands import Command, CommandGroup

COMMANDS = {
    "show": Command("adapters_show", "say what an adapter file holds: format, layers, rank, alpha, faults"),
    "convert": Command("adapters_convert", "write an adapter for another tool, with alpha folded in"),
}
_GROUP = CommandGroup(
    "adapters",
    "Adapters (LoRA, DoRA, LoHa, LoKr) of PEFT, diffusers, kohya, musubi, LyCORIS, ComfyUI and others.",
    COMMANDS,
    (
        "pixelsmile adapters show smile.safetensors",
        "pixelsmile adapters convert smile.safetensors -o smile-kohya.safetensors --format kohya",
    ),
)


def run(arguments: Sequence[str]) -> int:
    """Find the command, and run it."""
    return _GROUP.run(arguments)
