"""A training from its configuration: triplets, frozen networks, filled cache, adapter, objective."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from pixelsmile.editing.adapters.files import WORDS
from pixelsmile.editing.devices import DTYPES
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.folders import ModelOptions
from pixelsmile.editing.requests import words_of
from pixelsmile.features.drawn import DrawnEncoder
from pixelsmile.features.encoder import ImageEncoder
from pixelsmile.hashing import sha256_file, sha256_json
from pixelsmile.store.weight_hashes import fingerprint, remembered_sha256
from pixelsmile.training.adapter import adapter_bytes, add_adapter, load_adapter, started
from pixelsmile.training.cache import TripletCache
from pixelsmile.training.cache_filling import CacheProgress, fill
from pixelsmile.training.config import TrainingConfig, start_file
from pixelsmile.training.control_job import control_job, record_of
from pixelsmile.training.distribution import on_main, shared
from pixelsmile.training.loop import Job
from pixelsmile.training.networks import Networks, load_networks
from pixelsmile.training.objective import Objective
from pixelsmile.training.optimiser import check_optimiser
from pixelsmile.training.order import Order
from pixelsmile.training.run_folder import RunFolder
from pixelsmile.training.step import WHOLE, LatentDecoder, TrainingStep, checkpoint_blocks
from pixelsmile.training.validation import Measure, Validator
from pixelsmile.training.window import Shares, TokenWindow
from pixelsmile.triplets.triplet import Triplet, read_triplets

_log = logging.getLogger(__name__)
NUM_PORTRAITS = 2  # that are swept where none are named

OnProgress = Callable[[CacheProgress], None]


def assemble(
    config: TrainingConfig,
    folder: RunFolder,
    accelerator: Any,
    *,
    measure: Measure | None = None,
    on_progress: OnProgress | None = None,
    limit: int | None = None,
) -> Job:
    """The job that `loop.Trainer` trains.

    config: with its precision settled (see `settled`). measure: see `Measure`. on_progress: hears how the
    cache is filled. limit: only so many triplets. Raises what the parts raise for data, models and settings
    that do not fit.
    """
    path = Path(config.data.triplets)
    triplets = read_triplets(path, domain=config.data.domain)[:limit]
    config.num_steps(len(triplets), accelerator.num_processes)
    check_optimiser(config.optimiser, accelerator.device)
    start = start_file(config)
    networks = load_networks(config, triplets, accelerator.device)
    if config.control is not None:
        num_steps = config.num_steps(len(triplets), accelerator.num_processes)
        seen = _seen(config, triplets, accelerator.num_processes)
        record = record_of(config, config.control, networks, triplets, seen, num_steps)
        cache = _filled_cache(config, networks, triplets, accelerator, on_progress)
        content = on_main(accelerator, lambda: cache.sha256(triplets))
        data = _data_hash(path, start, networks, shared(accelerator, content), limit)
        job = control_job(config, record, networks, cache, triplets, seen, data)
        return replace(job, networks=networks.to_record())
    config = config.model_copy(update={"adapter": started(networks.components.transformer, config.adapter)})
    notes = _notes(triplets, networks.options)
    export = partial(adapter_bytes, settings=config.adapter, notes=notes)
    validate = None
    if config.validation.every is not None:
        kept_in = folder.validation if accelerator.is_main_process else None
        validate = _validator(config, networks, triplets, export, kept_in, measure)
    cache = _filled_cache(config, networks, triplets, accelerator, on_progress)
    content = on_main(accelerator, lambda: cache.sha256(triplets))
    return Job(
        module=_module(config, networks, cache, triplets),
        num_triplets=len(triplets),
        data=_data_hash(path, start, networks, shared(accelerator, content), limit),
        export=export,
        validate=validate,
        networks=networks.to_record(),
    )


def _notes(triplets: Sequence[Triplet], options: ModelOptions) -> dict[str, str]:
    """What the adapter's file says of itself: the words that it was taught, where its model knows few."""
    words = {word for triplet in triplets for word in words_of(triplet.instruction or "")}
    return {WORDS: " ".join(sorted(words))} if words and options.words is not None else {}


def _filled_cache(
    config: TrainingConfig,
    networks: Networks,
    triplets: Sequence[Triplet],
    accelerator: Any,
    on_progress: OnProgress | None,
) -> TripletCache:
    """The cache with those of `triplets` in it that the run will see: the main process reads and fills it,
    then the others map the same files."""
    seen = _seen(config, triplets, accelerator.num_processes)
    grid, shares = _latent_grid(config, networks), config.data.window
    window = None if shares is None else TokenWindow.of(shares, grid)

    def opened(*, verify: bool) -> TripletCache:
        folder, patch = Path(config.data.cache), networks.components.family.patch
        return TripletCache(folder, config.data.size_px, networks.hashes, window, patch, verify=verify)

    def filled() -> TripletCache:
        cache = opened(verify=True)
        for progress in fill(cache, seen, networks):
            if on_progress is not None:
                on_progress(progress)
        if num_faceless := cache.num_faceless(seen):
            _log.warning(
                "no face was found in %d targets of %d pictures: the identity term leaves them out",
                num_faceless,
                len({image for triplet in seen for image in triplet.images}),
            )
        return cache

    return on_main(accelerator, filled) or opened(verify=False)


def _seen(config: TrainingConfig, triplets: Sequence[Triplet], num_processes: int) -> list[Triplet]:
    """Those of the triplets that the run trains on."""
    num_steps = config.num_steps(len(triplets), num_processes)
    num_positions = num_steps * config.run.global_batch(num_processes)
    return [triplets[number] for number in Order(len(triplets), config.run.seed).triplets(num_positions)]


def _module(
    config: TrainingConfig, networks: Networks, cache: TripletCache, triplets: Sequence[Triplet]
) -> TrainingStep:
    """The transformer with the adapter to be trained, and the objective with the networks of its terms."""
    transformer, window = networks.components.transformer, cache.window
    add_adapter(transformer, config.adapter, config.run.seed)
    if config.adapter.start is not None:
        load_adapter(transformer, config.adapter.start, config.adapter)
    if window is not None:
        transformer.pos_embed = window.positions(transformer.pos_embed)
    checkpoint_blocks(transformer, config.model.gradient_checkpointing)
    checkpointing = bool(config.model.gradient_checkpointing)
    grid = _latent_grid(config, networks) if window is None else window.latent_grid
    objective = Objective(
        settings=config.objective,
        decode=LatentDecoder(
            networks.components.vae, grid, checkpointing, window, looked_at(networks.image_encoder)
        ),
        image_encoder=networks.image_encoder,
        identity_encoder=networks.identity_encoder,
    )
    return TrainingStep(
        transformer,
        objective,
        lambda numbers: cache.batch([triplets[number] for number in numbers]),
        precision=DTYPES[config.model.precision],
        backbone=networks.backbone,
    )


def looked_at(encoder: ImageEncoder | None) -> Shares | None:
    """The part of each picture that the contrastive term sees; None where it is off."""
    if encoder is None:
        return None
    return encoder.looked_at if isinstance(encoder, DrawnEncoder) else WHOLE


def _latent_grid(config: TrainingConfig, networks: Networks) -> tuple[int, int]:
    side = config.data.size_px // networks.components.vae.spatial_compression_ratio
    return side, side


def _data_hash(path: Path, start: Path | None, networks: Networks, content: str, limit: int | None) -> str:
    """Of the lines and pictures of the triplets, every network that the losses see, the adapter at the start.

    content: of what was cached (`TripletCache.sha256`).
    """
    return sha256_json(
        {
            "start": None if start is None else remembered_sha256(start),
            "triplets": sha256_file(path),
            "limit": limit,
            "transformer": fingerprint(networks.folder / "transformer"),
            "cached": content,
        }
    )


def _validator(
    config: TrainingConfig,
    networks: Networks,
    triplets: Sequence[Triplet],
    export: Callable[[Mapping[str, Tensor]], bytes],
    folder: Path | None,
    measure: Measure | None,
) -> Validator:
    settings = config.validation
    engine = QwenEngine(
        config.model.name, networks.components, networks.placement, networks.options, adapted=True
    )
    sources = list(dict.fromkeys(triplet.source.image for triplet in triplets))
    return Validator(
        engine,
        export,
        settings,
        [Path(name) for name in settings.portraits] or sources[:NUM_PORTRAITS],
        config.data.domain,
        config.data.size_px,
        folder,
        measure,
    )
