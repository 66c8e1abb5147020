"""The manifest of a finished training, beside its adapter."""

from pathlib import Path

from pixelsmile.records import MANIFEST_NAME, make_manifest, record_file
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.replacing import replace_file
from pixelsmile.training.run_folder import RunFolder


def write_manifest(folder: RunFolder, config: TrainingConfig) -> None:
    """Say what was trained, from which triplets, by which code, into which file. OutputError."""
    adapter = record_file(folder.adapter).model_copy(update={"path": folder.adapter.name})
    manifest = make_manifest(
        "training",
        settings=config.model_dump(mode="json"),
        seeds=(config.run.seed,),
        inputs=(record_file(Path(config.data.triplets)),),
        outputs=(adapter,),
    )
    replace_file(folder.path / MANIFEST_NAME, manifest.to_json())
