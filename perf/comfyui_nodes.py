"""The nodes in the real ComfyUI, headless on the CPU: its pictures against those of the command line.

    git clone https://github.com/Comfy-Org/ComfyUI /tmp/ComfyUI && git -C /tmp/ComfyUI checkout COMMIT
    pip install --target /tmp/libraries -r /tmp/ComfyUI/requirements.txt    # never into this project's own
    python perf/comfyui_nodes.py check --comfyui /tmp/ComfyUI --libraries /tmp/libraries
    python perf/comfyui_nodes.py workflows --comfyui ... --libraries ...      # writes their form for the page

COMMIT stands below. `check` starts ComfyUI with the nodes in a folder of its own, queues the example
workflows over its HTTP API, and compares: decoded pictures byte for byte with `pixelsmile edit`, the form of
each workflow for the page with that for the API; then ComfyUI's own Qwen-Image, LoRA loader and sampler with
ours (`comfyui_core.py`). A line each; exit code 1 where one fails.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comfyui_graphs import Graph, api_form, page_form
from PIL import Image, ImageChops

COMMIT, VERSION = "3cd7b32f1b7e7e90395cefe7d9f9b1f89276d8ce", "0.8.0"
ROOT = Path(__file__).parent.parent
NODES = ROOT / "integrations" / "comfyui"
WORKFLOWS = NODES / "example_workflows"
PHOTO = ROOT / "docs" / "astronaut.jpg"
START_S, RUN_S = 600.0, 1800.0  # on a busy machine


@dataclass(frozen=True)
class Server:
    """A ComfyUI that runs, with its folders below `base`."""

    url: str
    base: Path

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, record: Any) -> Any:
        body = urllib.request.Request(
            f"{self.url}{path}", json.dumps(record).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(body, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            return json.load(refused)

    def run(self, graph: Graph) -> dict[str, Any]:
        """What is in the history of a workflow once it ended: status, and outputs by node."""
        queued = self.post("/prompt", {"prompt": graph})
        if "prompt_id" not in queued or queued.get("node_errors"):
            return {"status": {"status_str": "refused", "messages": [queued]}, "outputs": {}}
        ends_at = time.monotonic() + RUN_S
        while time.monotonic() < ends_at:
            history = self.get(f"/history/{queued['prompt_id']}")
            if history:
                return dict(history[queued["prompt_id"]])
            time.sleep(0.5)
        raise SystemExit(f"a workflow took more than {RUN_S:.0f} s")

    def pictures(self, ran: dict[str, Any], node: str) -> list[Image.Image]:
        """The files that a node has written, decoded."""
        folders = {"output": self.base / "output", "temp": self.base / "temp"}
        return [
            Image.open(folders[one["type"]] / one["subfolder"] / one["filename"]).convert("RGB")
            for one in ran["outputs"].get(node, {}).get("images", [])
        ]


@contextmanager
def running(options: argparse.Namespace) -> Iterator[Server]:
    """ComfyUI in a process of its own, with a copy of the nodes and the photograph."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        base = Path(folder)
        for name in ("input", "output", "temp", "models/loras"):
            (base / name).mkdir(parents=True)
        shutil.copytree(NODES, base / "custom_nodes" / "pixelsmile")
        shutil.copy(PHOTO, base / "input" / "astronaut.jpg")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        log = (base / "comfyui.log").open("w")
        command = [sys.executable, "main.py", "--cpu", "--port", str(port), "--base-directory", folder]
        process = subprocess.Popen(
            [*command, "--temp-directory", folder, "--disable-api-nodes", "--disable-auto-launch"],
            cwd=options.comfyui,
            env=environment(options),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            server = Server(f"http://127.0.0.1:{port}", base)
            _wait(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(30)
            log.close()
            if options.log:
                shutil.copy(base / "comfyui.log", options.log)


def environment(options: argparse.Namespace) -> dict[str, str]:
    """That of this process, with our package and ComfyUI's libraries on Python's path."""
    path = [str(ROOT / "src"), *map(str, options.libraries), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in path if part)}


def _wait(server: Server, process: "subprocess.Popen[bytes]") -> None:
    ends_at = time.monotonic() + START_S
    while time.monotonic() < ends_at and process.poll() is None:
        try:
            server.get("/system_stats")
            return
        except OSError:
            time.sleep(1)
    print((server.base / "comfyui.log").read_text()[-3000:], file=sys.stderr)
    raise SystemExit("ComfyUI did not start")


def graph(name: str) -> Graph:
    """An example workflow in API form."""
    return dict(json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8")))


def changed(source: Graph, node: str, **inputs: Any) -> Graph:
    """The workflow with other inputs of a node."""
    return {**source, node: {**source[node], "inputs": {**source[node]["inputs"], **inputs}}}


def pixelsmile(options: argparse.Namespace, *arguments: str) -> None:
    command = [sys.executable, "-m", "pixelsmile", *arguments]
    subprocess.run(command, check=True, env=environment(options), stdout=subprocess.DEVNULL)


def same(made: list[Image.Image], wanted: list[Image.Image]) -> str:
    """Empty where all pictures are the same byte for byte, else what differs."""
    if len(made) != len(wanted):
        return f"{len(made)} pictures, {len(wanted)} wanted"
    for number, (one, other) in enumerate(zip(made, wanted, strict=True), 1):
        if one.size != other.size:
            return f"picture {number} has {one.size} px, {other.size} wanted"
        if box := ImageChops.difference(one, other).getbbox():
            return f"picture {number} differs in {box}"
    return ""


def written(folder: Path, *names: str) -> list[Image.Image]:
    return [Image.open(folder / name).convert("RGB") for name in names]


def failure(ran: dict[str, Any]) -> str:
    """Why a workflow failed; empty where it did not."""
    if ran["status"]["status_str"] == "success":
        return ""
    return json.dumps(ran["status"]["messages"][-1])[:400]


def photograph(server: Server, options: argparse.Namespace, scratch: Path) -> str:
    """One edit, of a photograph."""
    pixelsmile(options, "edit", str(PHOTO), "-e", "happy", "-s", "1", "-o", str(scratch), "-q")
    ran = server.run(graph("edit-a-photograph"))
    return failure(ran) or same(server.pictures(ran, "5"), written(scratch, "happy-1.00.png"))


def blend(server: Server, options: argparse.Namespace, scratch: Path) -> str:
    """The preview of a blend, then of action units."""
    asked = ("--face", "largest", "-s", "1", "-o", str(scratch), "-q")
    pixelsmile(options, "edit", str(PHOTO), "--blend", "happy=0.6,surprised=0.4", *asked)
    ran = server.run(graph("blend-with-live-preview"))
    name = next(scratch.glob("*.png")).name
    return failure(ran) or same(server.pictures(ran, "3"), written(scratch, name))


def sweep(server: Server, options: argparse.Namespace, scratch: Path) -> str:
    """A sweep, of a face that was detected."""
    asked = ("-e", "surprised", "-s", "1,0.5,0", "--face", "largest", "-o", str(scratch), "-q")
    pixelsmile(options, "edit", str(PHOTO), *asked)
    ran = server.run(graph("sweep-and-score"))
    names = [f"surprised-{strength}.png" for strength in ("1.00", "0.50", "0.00")]
    return failure(ran) or same(server.pictures(ran, "7"), written(scratch, *names))


def drawn(server: Server, options: argparse.Namespace, scratch: Path) -> str:
    """The embedded model: the paper's architecture, on a drawn portrait, with its adapter."""
    portrait = server.base / "input" / "portrait.png"
    pixelsmile(options, "portrait", "--seed", "7", "--domain", "human", "-o", str(portrait))
    pixelsmile(options, "edit", str(portrait), "-e", "happy", "-s", "0.5,1.5", "-o", str(scratch), "-q")
    asked = changed(graph("sweep-and-score"), "1", image="portrait.png")
    asked = changed(asked, "4", model="embedded")
    asked = changed(asked, "5", expression="happy")
    asked = changed(asked, "6", strengths="0.5, 1.5", face="whole")
    del asked["6"]["inputs"]["faces"]
    asked = {node: asked[node] for node in ("1", "4", "5", "6", "7")}
    ran = server.run(asked)
    return failure(ran) or same(
        server.pictures(ran, "7"), written(scratch, "happy-0.50.png", "happy-1.50.png")
    )


def pasted(server: Server, options: argparse.Namespace, scratch: Path) -> str:
    """A crop that nothing edited returns as the photograph, but for the mark, which is left out here."""
    source = graph("qwen-image-edit-with-strength")
    asked = {node: source[node] for node in ("1", "2", "16", "17")}
    asked = changed(asked, "1", image="astronaut.jpg")
    asked = changed(asked, "16", edited=["2", 0], mark=False)
    ran = server.run(asked)
    return failure(ran) or same(server.pictures(ran, "17"), [Image.open(PHOTO).convert("RGB")])


def refused(server: Server, options: argparse.Namespace, scratch: Path) -> str:
    """A wrong face is one clear line in the words of the nodes, and the server goes on."""
    ran = server.run(changed(graph("edit-a-photograph"), "4", face="9"))
    said = json.dumps(ran["status"]["messages"])
    if "there is no face 9" not in said or "the node Detect Faces shows them" not in said:
        return f"not said: {said[:300]}"
    return failure(server.run(graph("edit-a-photograph")))


def forms(server: Server, options: argparse.Namespace, scratch: Path) -> str:
    """The page's form of each workflow is the API's, by what this ComfyUI says of the nodes."""
    infos = server.get("/object_info")
    for path in sorted(WORKFLOWS.glob("*.json")):
        page, wanted = json.loads(path.read_text(encoding="utf-8")), graph(path.stem)
        for node in wanted.values():
            node.pop("_meta", None)
        if api_form(page, infos) != wanted:
            return f"{path.name} has another graph than api/{path.name}: write it again (workflows)"
    return ""


CHECKS: tuple[Callable[[Server, argparse.Namespace, Path], str], ...] = (
    photograph,
    blend,
    sweep,
    drawn,
    pasted,
    refused,
    forms,
)


def check(options: argparse.Namespace) -> int:
    failures = 0
    with running(options) as server:
        version = server.get("/system_stats")["system"]["comfyui_version"]
        print(f"ComfyUI {version}" + ("" if version == VERSION else f" (written against {VERSION})"))
        for one in CHECKS:
            if options.only and one.__name__ not in options.only.split(","):
                continue
            with tempfile.TemporaryDirectory() as scratch:
                began = time.monotonic()
                problem = one(server, options, Path(scratch))
            failures += bool(problem)
            print(f"{one.__name__}: {problem or 'same'} ({time.monotonic() - began:.1f} s)", flush=True)
    if not options.only or "core" in options.only.split(","):
        core = [sys.executable, str(Path(__file__).with_name("comfyui_core.py")), str(options.comfyui)]
        failures += bool(subprocess.run(core, env=environment(options)).returncode)
    return int(failures > 0)


def workflows(options: argparse.Namespace) -> int:
    """Write the example workflows as the page saves them, from their API form."""
    with running(options) as server:
        infos = server.get("/object_info")
    for path in sorted((WORKFLOWS / "api").glob("*.json")):
        page = page_form(graph(path.stem), infos)
        (WORKFLOWS / path.name).write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")
        print(WORKFLOWS / path.name)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["check", "workflows"])
    parser.add_argument("--comfyui", type=Path, required=True, metavar="FOLDER", help="its checkout")
    parser.add_argument("--libraries", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep what ComfyUI says")
    parser.add_argument("--only", default="", metavar="NAMES", help="of the checks, with commas")
    options = parser.parse_args()
    return check(options) if options.what == "check" else workflows(options)


if __name__ == "__main__":
    sys.exit(main())
