"""The studio in a browser: walked as a person would, with pictures of every step; timed; checked for access.

    python perf/studio.py -o shots [--moves 60] [--browser /usr/bin/chromium]

Starts `pixelsmile studio` and walks its page in headless Chromium: a group, a face chosen by a click, sliders
by the keyboard, the wheel, undo, a render, a sweep, a download, a drawn portrait, a phone. Prints one JSON
object: milliseconds from a slider's event to the decoded preview (median, p95), and of both processes' CPU,
which hardly depends on what else the machine does; what the page asked of other machines; and axe-core's
findings. Exit code 1 where a step fails, another machine was asked, or axe-core found something serious.

Needs the packages playwright and axe-playwright-python, and a Chromium: that of Debian, or
`playwright install chromium`.
"""

import argparse
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from counts import whole
from PIL import Image, ImageOps

PHOTO = Path(__file__).parent.parent / "docs" / "astronaut.jpg"
TIMEOUT_MS = 600_000  # a machine that others work on, too
SERIOUS = ("serious", "critical")
_SET = """([id, value]) => {
  const slider = document.getElementById(id);
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
}"""
_SETTLED = "() => window.pixelsmileHub.timings.length >= {} && window.pixelsmileHub.isQuiet()"


@contextmanager
def running(*options: str) -> Iterator[tuple[str, int]]:
    """The studio's address, and its process."""
    words = [sys.executable, "-m", "pixelsmile", "studio", "--port", "0", *options]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"the studio is at (http://\S+):", line):
                yield found[1], process.pid
                return
        raise SystemExit("the studio did not start")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def group() -> bytes:
    """Two faces: the astronaut, and her mirror image."""
    one = Image.open(PHOTO).convert("RGB").resize((600, 600), Image.Resampling.LANCZOS)
    both = Image.new("RGB", (1200, 600))
    both.paste(one, (0, 0))
    both.paste(ImageOps.mirror(one), (600, 0))
    buffer = io.BytesIO()
    both.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


class Walk:
    """The steps, each with a picture of the page after it."""

    def __init__(self, page: Any, folder: Path, url: str) -> None:
        self.page, self.folder = page, folder
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.steps: list[str] = []
        page.set_default_timeout(TIMEOUT_MS)
        known = (url, "data:", "blob:", "about:")

        def asked(request: Any) -> None:
            if not request.url.startswith(known):
                self.outside.append(request.url)

        page.on("request", asked)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def shot(self, step: str, *, full: bool = True) -> None:
        self.steps.append(step)
        self.page.screenshot(path=self.folder / f"{len(self.steps):02}-{step}.png", full_page=full)

    def num_previews(self) -> int:
        return int(self.page.evaluate("window.pixelsmileHub.timings.length"))

    def previewed(self, before: int) -> None:
        """Wait until there is one more preview than `before`."""
        self.page.wait_for_function(_SETTLED.format(before + 1))

    def open(self, data: bytes, name: str) -> None:
        self.page.set_input_files("#ps-file", {"name": name, "mimeType": "image/jpeg", "buffer": data})
        self.page.wait_for_function(f"() => window.pixelsmileHub.state.picture?.name === {name!r}")

    def slide(self, name: str, value: float) -> None:
        before = self.num_previews()
        self.page.evaluate(_SET, [f"ps-{name}", value])
        self.page.dispatch_event(f"#ps-{name}", "change")
        self.previewed(before)

    def group(self) -> None:
        """A face is chosen by a click, changed; then the other one."""
        self.open(group(), "group.jpg")
        self.page.wait_for_selector(".ps-face >> nth=1")
        self.shot("group-opened")
        self.page.click(".ps-face[data-face='2']")
        self.slide("surprised", 1.0)
        self.page.click(".ps-face[data-face='1']")
        self.slide("happy", 0.8)
        self.shot("two-faces-changed")
        command = self.page.text_content(".ps-command")
        assert "--face 2=surprised" in command, command
        assert "--face 1=happy=0.8" in command, command

    def one_face(self) -> None:
        """The keyboard moves a slider and the wheel; undo takes it back; before and after."""
        self.open(PHOTO.read_bytes(), "astronaut.jpg")
        before = self.num_previews()
        self.page.focus("#ps-happy")
        for _ in range(10):
            self.page.keyboard.press("ArrowRight")
        self.previewed(before)
        assert self.page.input_value("#ps-happy") == "0.5"
        self.page.click("summary:has-text('Blend wheel')")
        before = self.num_previews()
        self.page.focus(".ps-puck")
        for _ in range(3):
            self.page.keyboard.press("ArrowUp")
        self.previewed(before)
        self.shot("wheel")
        assert self.page.evaluate("window.pixelsmileHub.mix().weights.happy") == 0.65
        self.page.keyboard.press("Control+z")
        assert self.page.evaluate("window.pixelsmileHub.mix().weights.happy") == 0.5
        self.page.click("#ps-redo")
        self.page.evaluate(_SET, ["ps-divider", 50])
        self.slide("surprised", 0.6)
        assert self.page.text_content(".ps-by") == "preview: geometric model"
        self.shot("before-and-after")
        self.page.evaluate(_SET, ["ps-divider", 0])
        for title in ("Action units", "Presets", "Copy from a reference"):
            self.page.click(f"summary:has-text('{title}')")
        before = self.num_previews()
        self.page.click("button:has-text('worn out')")
        self.previewed(before)
        self.shot("units-and-presets")

    def render(self) -> dict[str, str]:
        """A picture and a sweep, taken away."""
        self.page.click("#render")
        self.page.wait_for_selector(".ps-result")
        self.page.wait_for_selector("#take:has-text('.png')")
        self.page.wait_for_selector(".ps-by:has-text('rendered: geometric')")
        self.shot("rendered")
        taken = {"picture": self._take("#take")}
        self.page.click("#sweep")
        self.page.wait_for_selector(".ps-result >> nth=4")
        self.page.wait_for_selector("#take:has-text('.zip')")
        self.shot("sweep")
        taken["sweep"] = self._take("#take-all")
        return taken

    def _take(self, button: str) -> str:
        with self.page.expect_download() as coming:
            self.page.click(button)
        download = coming.value
        download.save_as(self.folder / download.suggested_filename)
        return str(download.suggested_filename)

    def reference(self) -> None:
        """The expression of another photograph becomes the sliders."""
        before = self.num_previews()
        self.page.set_input_files("#ps-reference", PHOTO)
        self.page.click("button:has-text('Copy the action units')")
        self.previewed(before)
        assert self.page.evaluate("Object.keys(window.pixelsmileHub.mix().units).length") > 0
        self.shot("copied")

    def batch(self) -> str:
        """Two pictures and what is none, into a zip."""
        self.page.click("#batch button:has-text('Many pictures')")
        some = [("a.jpg", PHOTO.read_bytes()), ("b.jpg", PHOTO.read_bytes()), ("c.jpg", b"nothing")]
        files = [{"name": name, "mimeType": "image/jpeg", "buffer": data} for name, data in some]
        self.page.set_input_files("#batch .ps-own-drop input[type=file]", files)
        self.page.wait_for_function(
            "() => document.querySelector('#batch').innerText.split('.jpg').length > 3"
        )
        self.page.click("#batch-go")
        self.page.wait_for_selector("#batch :text('2 of 3 pictures edited')")
        self.shot("batch")
        return self._take("#batch-take")

    def drawn(self) -> None:
        """Somebody is drawn, and looks sad."""
        self.page.click("button:has-text('Draw somebody')")
        self.page.wait_for_function("() => window.pixelsmileHub.state.picture?.drawn")
        self.slide("sad", 1.0)
        self.shot("drawn")

    def timed(self, moves: int) -> list[float]:
        """Milliseconds from a slider's event to the decoded preview, one after the other."""
        self.open(PHOTO.read_bytes(), "astronaut.jpg")
        self.slide("happy", 0.5)
        start = self.num_previews()
        for number in range(moves):
            self.page.evaluate(_SET, ["ps-happy", 0.1 + 0.05 * (number % 17)])
            self.previewed(start + number)
        return [float(ms) for ms in self.page.evaluate("window.pixelsmileHub.timings")[start:]]

    def phone(self) -> None:
        """Nothing may be wider than the screen; the picture and Render stay in sight."""
        self.page.set_viewport_size({"width": 390, "height": 844})
        self.page.wait_for_timeout(800)
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"the page is {width} px wide on a phone of 390"
        self.page.evaluate("window.scrollTo(0, 0)")
        self.shot("phone", full=False)
        self.page.locator("#ps-happy").scroll_into_view_if_needed()
        self.page.mouse.wheel(0, 250)
        self.page.wait_for_timeout(400)
        for part in (".ps-frame", "#render", "#told"):
            place = self.page.locator(part).bounding_box()
            assert place["y"] >= 0, f"{part} is out of sight on a phone: {place}"
            assert place["y"] + place["height"] <= 844, f"{part} is out of sight on a phone: {place}"
        self.shot("phone-sliders", full=False)
        self.shot("phone-whole")


def cpu_s(pid: int, but: int | None = None) -> float:
    """CPU seconds of a process and all below it, but one and what is below that. Linux."""
    parents, spent = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        process = int(file.parent.name)
        parents[process], spent[process] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_below(process: int) -> bool:
        while process > 1 and process != but:
            if process == pid:
                return True
            process = parents.get(process, 0)
        return False

    return sum(ticks for process, ticks in spent.items() if is_below(process)) / os.sysconf("SC_CLK_TCK")


def findings(page: Any, when: str) -> list[dict[str, Any]]:
    """What axe-core finds, with the first place of each."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.origin is not None
    page.evaluate((Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        {
            "when": when,
            "rule": one["id"],
            "impact": one["impact"],
            "places": len(one["nodes"]),
            "first": one["nodes"][0]["html"][:160],
            "why": one["nodes"][0]["failureSummary"].split("\n")[1].strip()[:160],
        }
        for one in found
    ]


def walk(options: argparse.Namespace) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    with running("--model", "geometric") as (url, pid), sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=options.browser,
            args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        one = Walk(page, options.output, url)
        page.goto(url)
        page.wait_for_function("() => window.pixelsmileHub?.state.visit")
        one.shot("empty")
        found = findings(page, "empty")
        one.group()
        one.one_face()
        found += findings(page, "everything open")
        taken = one.render()
        found += findings(page, "rendered")
        one.reference()
        taken["batch"] = one.batch()
        one.drawn()
        before = cpu_s(pid), cpu_s(os.getpid(), but=pid)
        times = one.timed(options.moves)
        studio_s, browser_s = cpu_s(pid) - before[0], cpu_s(os.getpid(), but=pid) - before[1]
        one.phone()
        found += findings(page, "phone")
        page.emulate_media(color_scheme="dark")
        page.goto(f"{url}/?__theme=dark")
        page.wait_for_function("() => window.pixelsmileHub?.state.visit")
        one.shot("dark")
        found += findings(page, "dark")
        browser.close()
    cuts = quantiles(times, n=20)
    return {
        "steps": one.steps,
        "downloads": taken,
        "previews": len(times),
        "preview_ms_median": round(median(times)),
        "preview_ms_p95": round(cuts[18]),
        "studio_cpu_ms_each": round(1000 * studio_s / len(times)),
        "browser_cpu_ms_each": round(1000 * browser_s / len(times)),
        "asked_of_other_machines": one.outside,
        "errors_of_scripts": one.errors,
        "axe": found,
    }


def main() -> int:
    """Walk, print, and say whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "-o", "--output", type=Path, help="the folder for pictures (default: they are dropped)"
    )
    parser.add_argument("--moves", type=whole(2), default=60, help="previews that are timed")
    parser.add_argument("--browser", default=shutil.which("chromium"), help="the program")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        options.output = options.output or Path(scratch)
        options.output.mkdir(parents=True, exist_ok=True)
        seen = walk(options)
    print(json.dumps(seen, indent=1))
    serious = [one for one in seen["axe"] if one["impact"] in SERIOUS]
    return int(bool(serious or seen["asked_of_other_machines"] or seen["errors_of_scripts"]))


if __name__ == "__main__":
    sys.exit(main())
