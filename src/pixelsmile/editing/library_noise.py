"""Keeps the bars and remarks of the libraries away from whoever loads a model in Python."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """For the block: no bars of diffusers, transformers and the hub, and nothing below their errors.

    Afterwards everything is as the caller had it.
    """
    import diffusers.utils.logging
    import transformers.utils.logging
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    with ExitStack() as stack:
        if not are_progress_bars_disabled():  # first: transformers switches these too
            disable_progress_bars()
            stack.callback(enable_progress_bars)
        for logging in (diffusers.utils.logging, transformers.utils.logging):
            _quieten(logging, stack)
        yield


def _quieten(logging: ModuleType, stack: ExitStack) -> None:
    stack.callback(logging.set_verbosity, logging.get_verbosity())
    logging.set_verbosity_error()
    if logging.is_progress_bar_enabled():
        stack.callback(logging.enable_progress_bar)
        logging.disable_progress_bar()
