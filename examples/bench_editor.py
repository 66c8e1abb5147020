"""An editor for `pixelsmile bench ffe run --editor command:"python examples/bench_editor.py"`.

Each line of stdin is a job; each is answered with a line on stdout. Put your own editor in place of `edit`.
"""

import json
import sys

from PIL import Image, ImageEnhance


def edit(picture: Image.Image, prompt: str, strength: float, seed: int) -> Image.Image:
    """Load your model once, above, and call it here. This one only makes the picture warmer."""
    return ImageEnhance.Color(picture).enhance(1 + strength)


answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not stand among the answers
for line in sys.stdin:
    job = json.loads(line)
    try:
        picture = Image.open(job["source_path"]).convert("RGB")
        edit(picture, job["prompt"], job["strength"], job["seed"]).save(job["out_path"])
        answer = {"job": job["job"], "ok": True}
    except Exception as error:  # one picture that fails is no reason to stop
        answer = {"job": job["job"], "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), file=answers, flush=True)
