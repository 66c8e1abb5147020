"""A training from its configuration: triplets, frozen networks, filled cache, adapter, objective."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pixelsmile.editing.devices import DTYPES
from pixelsmile.editing.engine import EngineInfo
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.hashing import sha256_file, sha256_json
from pixelsmile.store.weight_hashes import remembered_sha256
from pixelsmile.training.adapter import adapter_bytes, add_adapter, load_adapter
from pixelsmile.training.batch import TrainingBatch, collate
from pixelsmile.training.cache import CacheProgress, TripletCache
from pixelsmile.training.checks import start_file
from pixelsmile.training.config import ObjectiveConfig, TrainingConfig
from pixelsmile.training.decoding import LatentDecoder
from pixelsmile.training.distribution import on_main, shared
from pixelsmile.training.loop import Job, plan
from pixelsmile.training.losses.contrastive import ContrastiveSettings
from pixelsmile.training.losses.objective import Objective, ObjectiveSettings
from pixelsmile.training.networks import Networks, load_networks, transformer_hash
from pixelsmile.training.run_folder import RunFolder
from pixelsmile.training.step import TrainingStep
from pixelsmile.training.validation import Measure, Validator
from pixelsmile.training.window import TokenWindow
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
    plan(config, len(triplets), accelerator)
    start = start_file(config)
    networks = load_networks(config, triplets, accelerator.device)
    kept_in = folder.validation if accelerator.is_main_process else None
    validate = _validator(config, networks, triplets, kept_in, measure)
    window = token_window(config, networks)
    cache = _filled_cache(config, networks, triplets, accelerator, on_progress, window)
    content = on_main(accelerator, lambda: cache.sha256(triplets))
    transformer = networks.components.transformer
    add_adapter(transformer, config.adapter, config.run.seed)
    if config.adapter.start is not None:
        load_adapter(transformer, config.adapter.start, config.adapter)
    if window is not None:
        transformer.pos_embed = window.positions(transformer.pos_embed)
    if config.model.gradient_checkpointing:
        transformer.enable_gradient_checkpointing()
    module = TrainingStep(
        transformer,
        make_objective(config, networks),
        _Batches(cache, triplets, window),
        precision=DTYPES[config.model.precision],
    )
    return Job(
        module=module,
        num_triplets=len(triplets),
        data=_data_hash(path, start, networks, shared(accelerator, content), limit),
        export=_Export(config),
        validate=validate,
    )


@dataclass(frozen=True)
class _Batches:
    """The triplets of these numbers, from the cache; what lies inside of the window."""

    cache: TripletCache
    triplets: Sequence[Triplet]
    window: TokenWindow | None

    def __call__(self, numbers: Sequence[int]) -> TrainingBatch:
        batch = collate([self.cache.read(self.triplets[number]) for number in numbers])
        return batch if self.window is None else batch.within(self.window)


@dataclass(frozen=True)
class _Export:
    """The adapter's file, from the trained tensors."""

    config: TrainingConfig

    def __call__(self, tensors: Mapping[str, Tensor]) -> bytes:
        return adapter_bytes(tensors, self.config.adapter)


def make_objective(config: TrainingConfig, networks: Networks) -> Objective:
    """The objective with the networks of the terms that are on."""
    window = token_window(config, networks)
    grid = _latent_grid(config, networks) if window is None else window.latent_grid
    checkpointing = config.model.gradient_checkpointing
    return Objective(
        settings=objective_settings(config.objective),
        decode=LatentDecoder(networks.components.vae, grid, checkpointing, window),
        image_encoder=networks.image_encoder,
        identity_encoder=networks.identity_encoder,
    )


def token_window(config: TrainingConfig, networks: Networks) -> TokenWindow | None:
    """What of each picture is seen; None: all of it."""
    shares = config.data.window
    return None if shares is None else TokenWindow.of(shares, _latent_grid(config, networks))


def _latent_grid(config: TrainingConfig, networks: Networks) -> tuple[int, int]:
    side = config.data.size_px // networks.components.vae.spatial_compression_ratio
    return side, side


def objective_settings(config: ObjectiveConfig) -> ObjectiveSettings:
    """The same settings, as the objective takes them."""
    contrastive, identity = config.contrastive, config.identity
    return ObjectiveSettings(
        flow_weight=config.flow_weight,
        contrastive_weight=contrastive.weight,
        identity_weight=identity.weight,
        contrastive=ContrastiveSettings(
            form=contrastive.form,
            symmetric=contrastive.symmetric,
            temperature=contrastive.temperature,
            margin=contrastive.margin,
            epsilon=contrastive.epsilon,
        ),
        identity_max_sigma=identity.max_sigma,
    )


def _filled_cache(
    config: TrainingConfig,
    networks: Networks,
    triplets: Sequence[Triplet],
    accelerator: Any,
    on_progress: OnProgress | None,
    window: TokenWindow | None,
) -> TripletCache:
    """The cache with all of `triplets` in it: the main process fills it, the others wait."""
    parts = networks.cache_parts()

    def opened() -> TripletCache:
        return TripletCache(Path(config.data.cache), config.data.size_px, parts.hashes, window)

    def filled() -> TripletCache:
        cache = opened()
        for progress in cache.fill(triplets, parts):
            if on_progress is not None:
                on_progress(progress)
        report = cache.report(triplets)
        if report.num_faceless:
            _log.warning(
                "no face was found in %d targets of %d pictures: the identity term leaves them out",
                report.num_faceless,
                report.num_pictures,
            )

        return cache

    # Whoever opens the cache reads what is new in it: one process, then the others remember its hashes.
    return on_main(accelerator, filled) or opened()


def _data_hash(path: Path, start: Path | None, networks: Networks, content: str, limit: int | None) -> str:
    """Of the lines and pictures of the triplets, every network that the losses see, the adapter at the start.

    content: of what was cached (`TripletCache.sha256`).
    """
    return sha256_json(
        {
            "start": None if start is None else remembered_sha256(start),
            "triplets": sha256_file(path),
            "limit": limit,
            "transformer": transformer_hash(networks.folder),
            "cached": content,
        }
    )


def _validator(
    config: TrainingConfig,
    networks: Networks,
    triplets: Sequence[Triplet],
    folder: Path | None,
    measure: Measure | None,
) -> Validator | None:
    """None where nobody wants to look."""
    settings, parts, options = config.validation, networks.components, networks.options
    if settings.every is None:
        return None
    info = EngineInfo(
        model=config.model.name,
        device=str(networks.placement.device),
        dtype=str(networks.placement.dtype).removeprefix("torch."),
        size=options.size,
        steps=options.steps,
        square=options.square,
        words=options.words,
        domains=options.domains,
        prompts=options.prompts or {},
        note=options.note,
        quantization=config.model.quantization,
    )
    engine = QwenEngine(parts, networks.placement, info, options.condition_size)
    sources = list(dict.fromkeys(triplet.source.image for triplet in triplets))
    return Validator(
        engine,
        config.adapter,
        settings,
        [Path(name) for name in settings.portraits] or sources[:NUM_PORTRAITS],
        config.data.domain,
        config.data.size_px,
        folder,
        measure,
    )
