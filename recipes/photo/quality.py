"""`python -m recipes.photo.quality FACES SWEEPS`: how often the judge of photographs is right.

And how evenly its scores rise along sweeps.

FACES is a folder of photographs with labels.jsonl, lines of {"image": "a.jpg", "label": "happy"}; what they
are is said with --on. SWEEPS has the pictures of sweeps and index.json, a list of {"file", "domain",
"expression", "step"}: files of one sweep differ in their last part. Pictures are never part of the project;
what was measured on them is written beside the judge's networks, and the judge says it wherever it judges.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pixelsmile.embedded import photo_path
from pixelsmile.images import load_image
from pixelsmile.judges.judge import NoVerdict
from pixelsmile.judges.photo.judge import FILE, PhotoJudge, Quality
from pixelsmile.judges.photo.scores import CLASSES, load_fitted


def main() -> None:
    """Measure, print, write embedded/photo/judge_quality.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("sweeps", type=Path)
    parser.add_argument("--on", default="photographs labelled by volunteers", help="what the faces are")
    parser.add_argument("--into", type=Path, default=photo_path() / FILE)
    options = parser.parse_args()
    judge = PhotoJudge()
    seen, num_without, ms_per_face = labelled(judge, options.faces)
    confusion = {label: Counter(saw for is_, saw in seen if is_ == label) for label in CLASSES}
    by_class = {
        label: round(found[label] / found.total(), 3) for label, found in confusion.items() if found.total()
    }
    quality = Quality(
        fitted_sha256=load_fitted().sha256,
        on=options.on,
        num_faces=len(seen),
        num_without=num_without,
        accuracy=round(sum(is_ == saw for is_, saw in seen) / len(seen), 3),
        balanced_accuracy=round(float(np.mean(list(by_class.values()))), 3),
        by_class=by_class,
        confusion={label: dict(found) for label, found in confusion.items()},
        pearson=rises(judge, options.sweeps),
        ms_per_face=round(ms_per_face, 1),
    )
    print_confusion(quality)
    options.into.write_text(json.dumps(quality.model_dump(), indent=1) + "\n")


def labelled(judge: PhotoJudge, folder: Path) -> tuple[list[tuple[str, str]], int, float]:
    """Label and dominant expression of each face, how many got no verdict, and milliseconds a face."""
    seen, num_without, spent_s = [], 0, []
    for line in (folder / "labels.jsonl").read_text().splitlines():
        record = json.loads(line)
        image = load_image(folder / record["image"])
        start_s = time.process_time()
        look = judge.look(image)
        spent_s.append(time.process_time() - start_s)
        if isinstance(look, NoVerdict):
            num_without += 1
            print(f"{record['image']}: {look.detail}")
        else:
            seen.append((record["label"], look.evidence.dominant))
    return seen, num_without, float(np.median(spent_s)) * 1000


def rises(judge: PhotoJudge, folder: Path) -> dict[str, float]:
    """Pearson of the asked expression's score and the step, by sweep; printed with the largest step."""
    sweeps: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for one in json.loads((folder / "index.json").read_text()):
        if one["domain"] == "human":
            sweeps[one["file"].rpartition("-")[0]].append((one["step"], one["file"], one["expression"]))
    found = {}
    for name, pictures in sorted(sweeps.items()):
        steps, scores = [], []
        for step, file, expression in sorted(pictures):
            look = judge.look(load_image(folder / file))
            if not isinstance(look, NoVerdict):
                steps.append(step)
                scores.append(look.evidence.scores[expression])
        found[name] = round(float(np.corrcoef(steps, scores)[0, 1]), 3)
        print(name, " ".join(f"{score:.2f}" for score in scores), f"pearson {found[name]}", evenness(scores))
    return found


def evenness(scores: Sequence[float]) -> str:
    """The largest step, as a share of the whole rise, and what it would be in an even one."""
    steps = np.diff(scores)
    return f"largest step {steps.max() / (scores[-1] - scores[0]):.2f} (even: {1 / len(steps):.2f})"


def print_confusion(quality: Quality) -> None:
    """Rows: labels; columns: what was seen."""
    print(" " * 10 + " ".join(f"{name[:8]:>8}" for name in CLASSES))
    for label in CLASSES:
        row = quality.confusion[label]
        counts = " ".join(f"{row.get(name, 0):>8}" for name in CLASSES)
        print(f"{label:<10}{counts}  {quality.by_class.get(label, 'none')}")
    print(
        f"accuracy {quality.accuracy}, balanced {quality.balanced_accuracy}, {quality.num_faces} faces, "
        f"{quality.num_without} without a verdict, {quality.ms_per_face} ms of CPU a face"
    )


if __name__ == "__main__":
    main()
