"""The example workflows on ComfyUI's own page, in headless Chromium: a picture of each, and what is wrong.

    pip install playwright                                                   # and Debian's package chromium
    python perf/comfyui_page.py --comfyui /tmp/ComfyUI --libraries /tmp/libraries -o shots

ComfyUI is set up and started as by `comfyui_nodes.py`. A JSON line each: kinds of nodes that the page does
not know, nodes that lie over one another, and nodes lower than what they hold; the exit code is 1 where there
are any. Whether names can be read is for people to see.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from comfyui_nodes import START_S, WORKFLOWS, Server, running

SIZE = {"width": 2600, "height": 1400}  # names are not drawn where much has to be made small
_SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False}  # else they lie over it
SHOW = """async (workflow) => {
  await app.loadGraphData(workflow);
  await new Promise((done) => setTimeout(done, 1500));
  const nodes = app.graph.nodes;
  const named = (node) => `${node.id} ${node.title}`;
  const boxes = nodes.map((node) => [named(node), ...node.boundingRect]);
  const overlap = [];
  for (const [one, x, y, w, h] of boxes)
    for (const [other, x2, y2, w2, h2] of boxes)
      if (one < other && x < x2 + w2 && x2 < x + w && y < y2 + h2 && y2 < y + h) overlap.push([one, other]);
  const left = Math.min(...boxes.map((box) => box[1])), top = Math.min(...boxes.map((box) => box[2]));
  const right = Math.max(...boxes.map((box) => box[1] + box[3]));
  const bottom = Math.max(...boxes.map((box) => box[2] + box[4]));
  const space = app.canvas.ds, area = app.canvas.canvas.getBoundingClientRect();
  space.scale = Math.min(1, (area.width - 160) / (right - left), (area.height - 160) / (bottom - top));
  space.offset = [80 / space.scale - left, 80 / space.scale - top];
  app.canvas.setDirty(true, true);
  await new Promise((done) => setTimeout(done, 1500));
  return {
    nodes: nodes.length,
    unknown: workflow.nodes.map((node) => node.type).filter((type) => !LiteGraph.registered_node_types[type]),
    overlap,
    cut: nodes.filter((node) => node.size[1] + 1 < node.computeSize()[1])
      .map((node) => [named(node), node.size[1], node.computeSize()[1]]),
  };
}"""


def looked_at(server: Server, output: Path, browser: str) -> list[dict[str, Any]]:
    """What the page says of each workflow; pictures go to `output`."""
    from playwright.sync_api import sync_playwright

    settings = server.base / "user" / "default" / "comfy.settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(_SETTINGS), encoding="utf-8")
    found = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport=SIZE)
        page.set_default_timeout(START_S * 1000)
        page.goto(server.url, wait_until="domcontentloaded")
        page.wait_for_function("() => window.app?.graph && window.LiteGraph?.registered_node_types.LoadImage")
        for path in sorted(WORKFLOWS.glob("*.json")):
            seen = page.evaluate(SHOW, json.loads(path.read_text(encoding="utf-8")))
            page.screenshot(path=output / f"{path.stem}.png")
            found.append({"workflow": path.stem, **seen})
        chromium.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--comfyui", type=Path, required=True, metavar="FOLDER", help="its checkout")
    parser.add_argument("--libraries", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep what ComfyUI says")
    parser.add_argument("--browser", default=shutil.which("chromium"), help="the program")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="for pictures")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with running(options) as server:
        found = looked_at(server, options.output, options.browser)
    for one in found:
        print(json.dumps(one))
    return int(any(one["unknown"] or one["overlap"] or one["cut"] for one in found))


if __name__ == "__main__":
    sys.exit(main())
