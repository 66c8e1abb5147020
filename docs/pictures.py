"""The pictures of this folder: `python docs/pictures.py` makes them again.

The people edited here are test identities: the embedded editor was never trained on them.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.cli import main
from pixelsmile.expressions import DOMAINS, EXPRESSIONS
from pixelsmile.portraits import action_units, render, sample_identity

DOCS = Path(__file__).parent
HUMAN_SEED, ANIME_SEED = 1_000_010, 1_000_004


def portraits() -> None:
    """Drawn people, not edits: each expression once in each style, each on another person."""
    rows = []
    for domain in DOMAINS:
        drawn = [
            render(sample_identity(100 + index), action_units(name), domain, 224)
            for index, name in enumerate(EXPRESSIONS)
        ]
        rows += [np.concatenate(drawn[:6], axis=1), np.concatenate(drawn[6:], axis=1)]
    Image.fromarray(np.concatenate(rows)).save(DOCS / "portraits.png", optimize=True)


def photograph() -> None:
    """The astronaut Eileen Collins (NASA, public domain; from scikit-image), and the sheet of her edits."""
    from skimage import data

    whole = Image.fromarray(data.astronaut())
    whole.crop((80, 0, 380, 300)).save(DOCS / "astronaut.jpg", quality=95)
    with tempfile.TemporaryDirectory() as out:
        asked = ["-e", "surprised,angry,sleepy", "-s", "0,0.5,1,1.5"]
        command = ["edit", str(DOCS / "astronaut.jpg"), *asked, "--grid", "-o", out, "-q", "--force"]
        if main(command) != 0:
            raise SystemExit(f"pixelsmile {json.dumps(command)} failed")
        Image.open(f"{out}/grid.png").convert("RGB").save(DOCS / "photograph.jpg", quality=88)


def edits(domain: str, seed: int, expressions: list[str], name: str) -> None:
    """The sheet of `pixelsmile edit` on a drawn portrait."""
    with tempfile.TemporaryDirectory() as folder:
        face, out = f"{folder}/face.png", f"{folder}/out"
        asked = [word for expression in expressions for word in ("-e", expression)]
        for command in (
            ["portrait", "--seed", str(seed), "--domain", domain, "-o", face],
            ["edit", face, *asked, "-s", "0", "0.5", "1", "1.5", "--grid", "-o", out, "-q"],
        ):
            if main(command) != 0:
                raise SystemExit(f"pixelsmile {json.dumps(command)} failed")
        Image.open(f"{out}/grid.png").convert("RGB").save(DOCS / name, quality=88)


if __name__ == "__main__":
    portraits()
    photograph()
    edits("human", HUMAN_SEED, ["happy", "surprised", "angry", "sad"], "human.jpg")
    edits("anime", ANIME_SEED, ["happy", "surprised", "shy", "disgust"], "anime.jpg")
