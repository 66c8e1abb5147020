"""Onto a hub: an export that is whole on disk goes up as it is, into a data set of its own."""

import os
from pathlib import Path
from typing import Any

from pixelsmile.errors import InputError, OutputError, install, one_line


def check_login(repo: str) -> None:
    """InputError where nothing could be pushed to `repo`, before any work for it."""
    hub = _hub()
    try:
        hub.utils.validate_repo_id(repo)
    except hub.utils.HFValidationError as error:
        raise InputError(f"{repo!r} names no data set of a hub ({error}): write OWNER/NAME") from error
    if "/" not in repo:
        raise InputError(f"{repo!r} names no owner: write OWNER/NAME")
    if hub.get_token() is None:
        raise InputError("--push needs a login: `hf auth login`, or a token in HF_TOKEN")


def push(out: Path, repo: str) -> str:
    """Upload an export to the data set `repo`, which is made, private, where there is none; its address.

    OutputError where the hub refuses or cannot be reached; the export stays on disk.
    """
    hub = _hub()
    check_login(repo)
    api = hub.HfApi(library_name="pixelsmile")
    try:
        address = api.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            repo_id=repo, repo_type="dataset", folder_path=str(out), commit_message="Export with pixelsmile"
        )
    except Exception as error:  # whatever a server and what lies on the way to it can do
        raise OutputError(
            f"{repo} was not pushed ({one_line(error, 120)}): {str(out)!r} is whole; "
            f"try again with `hf upload {repo} {out} --repo-type dataset`"
        ) from error
    return str(address)


def _hub() -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        import huggingface_hub
        import huggingface_hub.utils  # which the package itself loads late
    except ImportError as error:
        raise InputError(f"--push needs huggingface_hub: {install('data')}") from error
    return huggingface_hub
