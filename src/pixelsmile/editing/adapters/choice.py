"""Which adapters act on a model, and whether one of them is PixelSmile's. Loads no torch.

What the text encoder is shown depends on the latter: PixelSmile is trained on sources that it sees as they
are, other adapters (few steps, styles) on what the stock pipeline shows.
"""

from collections.abc import Sequence
from pathlib import Path

from pixelsmile.editing.acceleration import Acceleration, is_of_a_preset
from pixelsmile.editing.adapters.files import TRAINED_BY, AdapterSpec, find_adapter
from pixelsmile.editing.family import EDIT, Family
from pixelsmile.editing.folders import PUBLISHED_ADAPTER, ModelOptions
from pixelsmile.store.hub import REPOSITORIES
from pixelsmile.store.weight_hashes import remembered_sha256

_NAME = "pixelsmile"
_PUBLISHED = {
    file.sha256
    for entry in REPOSITORIES.values()
    if entry.repository == PUBLISHED_ADAPTER
    for file in entry.files
}


def acting_adapters(
    model: str,
    folder: Path,
    options: ModelOptions,
    asked: Sequence[AdapterSpec] | None,
    acceleration: Acceleration,
    *,
    steered: bool = False,
) -> tuple[AdapterSpec, ...]:
    """Those asked for (None: the model folder's own, each for its domain), then that of the preset.

    steered: by a control, which was trained on the bare model: then none of its own.
    """
    if asked is None:
        asked = () if steered else _own_adapters(model, folder, options)
    return acceleration.with_preset(asked)


def _own_adapters(model: str, folder: Path, options: ModelOptions) -> list[AdapterSpec]:
    """Recorded by the model's name: pictures travel, and folders name people."""
    return [
        AdapterSpec(str(folder / name), domain=domain, recorded_as=f"{model}/{name}")
        for domain, name in options.adapters.items()
    ]


def any_is_pixelsmiles(specs: Sequence[AdapterSpec]) -> bool:
    """Whether the text encoder sees what PixelSmile's is shown: see `is_pixelsmiles`."""
    return any(map(is_pixelsmiles, specs))


def is_pixelsmiles(spec: AdapterSpec) -> bool:
    """Whether an adapter is PixelSmile's, by what it says of itself. AdapterError where it cannot be read.

    It comes with a model folder that says so; its header says that pixelsmile trained it; its file, its hub
    id, or the file that it was converted from is named so; or it is the published file under another name.
    """
    if spec.recorded_as is not None:
        return True
    file = find_adapter(spec)
    metadata = file.header.metadata
    names = [file.path.name, metadata.get("converted_from", ""), metadata.get(TRAINED_BY, "")]
    if not Path(spec.source).exists():  # a hub id
        names.append(spec.source)
    return any(_NAME in name.lower() for name in names) or remembered_sha256(file.path) in _PUBLISHED


def adapter_remarks(
    model: str,
    asked: Sequence[AdapterSpec] | None,
    options: ModelOptions,
    family: Family = EDIT,
    *,
    steered: bool = False,
) -> list[str]:
    """What a person should know of the choice: that no adapter acts and nobody said that none is wanted, or
    that none of those given is known to be PixelSmile's.
    """
    if asked is None and not options.adapters and not steered:
        give = f"--adapter {PUBLISHED_ADAPTER} (for people) or your own"
        if family is not EDIT:
            give = "one of yours as --adapter (PixelSmile published none for it)"
        return [
            f"no adapter: {model} edits alone, without PixelSmile's training; give {give}, or "
            "--adapter none to have it so"
        ]
    others = [spec for spec in asked or () if not is_of_a_preset(spec.source)]
    shows_the_same = options.condition_size is not None or family.sees_working_picture
    if shows_the_same or not others or any_is_pixelsmiles(others):
        return []
    names = ", ".join(repr(Path(spec.source).name) for spec in others)
    return [
        f"nothing says that adapter {names} is PixelSmile's: the text encoder sees the source as it does for "
        "the base alone; if it is, put pixelsmile into the file's name"
    ]
