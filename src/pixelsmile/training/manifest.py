"""The manifest of a finished training, beside its adapter."""

from pathlib import Path

from pixelsmile.errors import InputError
from pixelsmile.records import MANIFEST_NAME, FileRecord, make_manifest, read_manifest, record_file
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.replacing import replace_file
from pixelsmile.training.run_folder import RunFolder


def write_manifest(folder: RunFolder, config: TrainingConfig) -> None:
    """Say what was trained, from which triplets, by which code, into which file. OutputError.

    A manifest of this very adapter is left alone: it knows the code that trained.
    """
    path = folder.path / MANIFEST_NAME
    adapter = record_file(folder.adapter).model_copy(update={"path": folder.adapter.name})
    if _outputs(path) == (adapter,):
        return
    manifest = make_manifest(
        "training",
        settings=config.model_dump(mode="json"),
        seeds=(config.run.seed,),
        inputs=(record_file(Path(config.data.triplets)),),
        outputs=(adapter,),
    )
    replace_file(path, manifest.to_json())


def _outputs(manifest: Path) -> tuple[FileRecord, ...]:
    """What a manifest speaks of; nothing where it is missing or damaged."""
    try:
        return read_manifest(manifest).outputs
    except InputError:
        return ()
