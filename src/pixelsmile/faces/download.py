"""Fetching weight files from the hub: a file appears under its name whole and checked, or not at all."""

import os
from pathlib import Path

from pixelsmile.errors import InputError, ModelError, OutputError
from pixelsmile.faces.weights import WeightFile, models_folder
from pixelsmile.hashing import sha256_file
from pixelsmile.publication import scratch_folder


def check_licence(weights: WeightFile, accepted: bool) -> None:
    """InputError where the weights restrict their use and nobody has said that this is understood."""
    if not weights.licence.commercial and not accepted:
        raise InputError(
            f"{weights.name} ({weights.licence.name}) restricts its use ({weights.licence.terms}): read "
            f"{weights.licence.url}, then add --accept-licence"
        )


def fetch_weights(weights: WeightFile) -> Path:
    """Download one file into the models folder, in place of a damaged one; the path where it lies now.

    ModelError where the hub cannot be reached or sends other bytes than were published, OutputError where the
    folder cannot be written. Nothing is left behind then, and a file that was there stays.
    """
    folder = models_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder) as scratch:  # the same disk: one step to move
            partial = _download(weights, scratch)
            _check(weights, partial)
            os.replace(partial, folder / weights.file)
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(folder)!r} ({error.strerror}): set PIXELSMILE_MODELS to another folder"
        ) from error
    return folder / weights.file


def _download(weights: WeightFile, scratch: Path) -> Path:
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.hf_hub_download(
                weights.repository, weights.remote, revision=weights.revision, local_dir=scratch
            )
        )
    except Exception as error:  # the hub client raises errors of several libraries
        raise ModelError(
            f"cannot fetch {weights.name} ({type(error).__name__}): try again with a network, or put "
            f"{weights.url} at {models_folder() / weights.file}"
        ) from error


def _check(weights: WeightFile, partial: Path) -> None:
    size, digest = partial.stat().st_size, sha256_file(partial)
    if (size, digest) != (weights.size_bytes, weights.sha256):
        raise ModelError(
            f"what came for {weights.name} is not what was published: {size:,} bytes, SHA-256 {digest}, not "
            f"{weights.size_bytes:,}, {weights.sha256}; nothing was kept"
        )
