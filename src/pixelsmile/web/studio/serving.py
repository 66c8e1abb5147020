"""The process around the page: it listens, asks for passwords where that is wanted, and cleans up."""

import io
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import getproxies_environment

from pixelsmile.editing.edit_files import OutputFormat
from pixelsmile.errors import InputError
from pixelsmile.limits import read_text
from pixelsmile.web.address import listen
from pixelsmile.web.models import MAX_LOADED, Served
from pixelsmile.web.studio.studio import Studio

_FONT = ("system-ui", "sans-serif")  # of the machine: none is fetched
_MAX_PASSWORDS_BYTES = 2**20


@dataclass(frozen=True)
class Door:
    """Where the studio is reached. port 0: any that is free. passwords: by name; none: nobody is asked.

    share: through a public address. opens_browser: on this machine. max_mb: of an uploaded file.
    """

    host: str = "127.0.0.1"
    port: int = 0
    share: bool = False
    passwords: Mapping[str, str] = field(default_factory=dict)
    opens_browser: bool = False
    max_mb: float = 64.0


def read_passwords(path: Path) -> dict[str, str]:
    """NAME:PASSWORD, one a line; lines that begin with # do not count.

    InputError for a file that has none, or has others.
    """
    passwords: dict[str, str] = {}
    for number, line in enumerate(read_text(path, max_bytes=_MAX_PASSWORDS_BYTES).splitlines(), 1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        name, colon, password = line.strip().partition(":")
        if not (name and colon and password) or name in passwords:
            raise InputError(f"line {number} of {str(path)!r} is no NAME:PASSWORD, or names somebody twice")
        passwords[name] = password
    if not passwords:
        raise InputError(f"{str(path)!r} has no passwords: write NAME:PASSWORD, one person a line")
    return passwords


def serve(
    models: Served,
    form: OutputFormat,
    door: Door,
    say: Callable[[str], None],
    *,
    max_loaded: int = MAX_LOADED,
) -> None:
    """Show the page until SIGINT, SIGTERM, or the end of its terminal; then everything that was uploaded or
    made there is gone.

    say: is told where it is. InputError where it cannot listen there, or cannot be shared.
    """
    ends = threading.Event()
    before = {sig: signal.signal(sig, lambda *_: ends.set()) for sig in _signals()}
    try:
        with showing(models, form, door, max_loaded=max_loaded) as (url, shared):
            say(f"the studio is at {url}: it ends with Ctrl-C, and its uploads with it")
            if shared:
                say(f"and for everybody at {shared}")
            ends.wait()
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def _signals() -> Iterator[signal.Signals]:
    yield from (signal.SIGINT, signal.SIGTERM)
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none, and nohup ignores it
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        yield hang_up


@contextmanager
def showing(
    models: Served, form: OutputFormat, door: Door, *, max_loaded: int = MAX_LOADED
) -> Iterator[tuple[str, str | None]]:
    """The page, served in threads of its own while the block runs: its address, and its public one."""
    with tempfile.TemporaryDirectory(prefix="pixelsmile-studio-") as name, _gradio_in(Path(name), door.host):
        from pixelsmile.web.studio.page import build
        from pixelsmile.web.studio.script import FILES

        with listen(door.host, door.port) as free:  # refuses in our words; a port of 0 gets a number
            port = free.getsockname()[1]
        studio = Studio(models, Path(name), form, max_loaded=max_loaded)
        page = build(studio)
        try:
            with redirect_stdout(io.StringIO()):  # of --share Gradio says more than is asked
                _, url, shared = page.launch(
                    **_at(door, port),
                    quiet=True,
                    prevent_thread_lock=True,
                    theme=_theme(),
                    css_paths=[FILES / "studio.css"],
                    allowed_paths=[name],
                    footer_links=[],
                    run_history=False,
                    enable_monitoring=False,
                    ssr_mode=False,
                    mcp_server=False,
                    pwa=False,
                )
            if door.share and not shared:
                raise InputError(
                    "no public address could be made, Gradio's tunnel was not reached: leave --share out, or "
                    "check the connection and what may block it"
                )
            yield url.rstrip("/"), shared
        finally:
            page.close(verbose=False)
            studio.close()


def _at(door: Door, port: int) -> dict[str, Any]:
    return {
        "server_name": f"[{door.host}]" if ":" in door.host else door.host,
        "server_port": port,
        "share": door.share,
        "auth": list(door.passwords.items()) or None,
        "inbrowser": door.opens_browser,
        "max_file_size": round(door.max_mb * 2**20),
    }


def _theme() -> Any:
    import gradio as gr

    theme = gr.themes.Default(
        primary_hue="blue", secondary_hue="blue", neutral_hue="slate", font=_FONT, font_mono=("monospace",)
    )
    # Gradio's own are too faint to be read by everybody (WCAG: 4.5 to 1).
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        button_cancel_background_fill="#b91c1c",
        button_cancel_background_fill_dark="#b91c1c",
    )


@contextmanager
def _gradio_in(folder: Path, host: str) -> Iterator[None]:
    """Gradio keeps its files in there, and says nothing to anybody; it reads both when it is loaded.

    When it starts it asks its own page whether it is there: no proxy is to be asked for that.
    """
    if proxies := getproxies_environment():
        direct = filter(None, (proxies.get("no"), "localhost", "127.0.0.1", host))
        os.environ["no_proxy"] = ",".join(direct)
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    logging.getLogger("httpx").setLevel(logging.WARNING)
    yield
