"""What a training is refused for before torch is loaded: the files that it names, and their sizes."""

from pathlib import Path

from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter
from pixelsmile.editing.folders import find_model, is_hub_id
from pixelsmile.errors import AdapterError
from pixelsmile.images import load_image
from pixelsmile.training.config import TrainingConfig
from pixelsmile.triplets.triplet import read_triplets


def check_training(config: TrainingConfig, num_processes: int) -> None:
    """InputError for triplets, a model, an adapter to start from or portraits that are not there or not
    whole, and for a warm-up that takes all the steps that the triplets give.

    Nothing is fetched. What only the networks can tell is refused when they are loaded.
    """
    triplets = read_triplets(Path(config.data.triplets), domain=config.data.domain)
    config.num_steps(len(triplets), num_processes)
    if not is_hub_id(config.model.name):
        find_model(config.model.name)
    start_file(config)
    if config.validation.every is not None:
        for portrait in config.validation.portraits:
            load_image(portrait)


def start_file(config: TrainingConfig) -> Path | None:
    """The adapter that the training goes on from, if any: its file. AdapterError for one that is none."""
    source = config.adapter.start
    if source is None:
        return None
    try:
        return find_adapter(AdapterSpec(source)).path
    except AdapterError as error:
        raise AdapterError(f"adapter.start: {error}") from error
