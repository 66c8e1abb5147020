"""The folder of one training: its configuration, states, statistics, pictures and adapter."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from pixelsmile.editing.controls.files import RECORD_NAME, WEIGHTS_NAME
from pixelsmile.errors import InputError
from pixelsmile.store.configuration import read_configuration, write_configuration
from pixelsmile.store.manifests import record_file
from pixelsmile.store.run_folder import WorkFolder, require_same
from pixelsmile.training.checkpoint import Checkpoints
from pixelsmile.training.config import CONFIG_NAME, TrainingConfig, first_difference

ADAPTER_NAME = "adapter.safetensors"


def product_name(config: TrainingConfig) -> str:
    """The file that a training ends in: an adapter, or the weights of a control."""
    return ADAPTER_NAME if config.control is None else WEIGHTS_NAME


class RunFolder(WorkFolder):
    """Names in the folder of a run. The same layout on every process; the main one alone writes."""

    PLAN = CONFIG_NAME
    WORK = "training in"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.config = path / CONFIG_NAME
        self.stats = path / "stats.jsonl"
        self.checkpoints = path / "checkpoints"
        self.validation = path / "validation"
        self.validations = path / "validation.jsonl"
        self.adapter = path / ADAPTER_NAME

    def saved_config(self) -> TrainingConfig:
        """What the run was started with. InputError where this is no run."""
        if not self.config.is_file():
            raise InputError(f"{str(self.path)!r} is no run (it has no {CONFIG_NAME}): check the path")
        return read_configuration(self.config, TrainingConfig)

    def begin(self, config: TrainingConfig) -> None:
        """Write the configuration of a new run, or of one that goes on with changes that it may make.

        InputError, with the first difference, where it may not. Until there is a checkpoint, there is nothing
        to go on from, and every change is fine.
        """
        saved = self.saved_config() if self.config.exists() else None
        if saved is not None and Checkpoints(self.checkpoints, 1).newest_step() is not None:
            difference = first_difference(saved, config)
            if difference is not None:
                key, before, now = difference
                advice = "set it back to go on, or start another run with -o"
                require_same(self.path, {key: before}, {key: now}, advice)
        if saved != config:
            write_configuration(config, self.config)

    def write_manifest(self, config: TrainingConfig, networks: Mapping[str, JsonValue]) -> None:
        """Say what was trained, from which triplets, by which code, into which file. OutputError.

        networks: the frozen ones, with their hashes.
        """
        beside = [] if config.control is None else [RECORD_NAME]
        self.finish(
            "training",
            [product_name(config), *beside],
            settings={**config.model_dump(mode="json"), "networks": dict(networks)},
            seeds=[config.run.seed],
            inputs=[record_file(config.data.triplets)],
        )
