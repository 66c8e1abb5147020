"""Small data sets of drawn people, and what of one has to be the same."""

import json
from pathlib import Path

from pixelsmile.dataset.config import BuildConfig

SIZE_PX = 128
FACES = {"min_px": 40}


def people(num: int = 5, **sections: object) -> BuildConfig:
    """Drawn people in shards of two."""
    drawn = {"us": {"num_people": num, "size_px": SIZE_PX}}
    collect = {"drawn": drawn, "min_side_px": SIZE_PX, "shard_rows": 2}
    defaults = {"faces": FACES, "duplicates": {"max_distance": None}}
    return BuildConfig.model_validate({"collect": collect, **defaults, **sections})


def everything(num: int = 6) -> BuildConfig:
    """Drawn people through all steps: every edit is the drawn truth."""
    return people(
        num,
        compose={"expressions": {"targets": ["happy", "sad"], "strengths": [0.5, 1.0]}},
        generate={"editor": "truth"},
        annotate={},
        screen={},
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its name; of manifests what is not the time of day."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".lock":
            data = path.read_bytes()
            if path.name == "manifest.json":
                record = json.loads(data)
                del record["created"]
                data = json.dumps(record).encode()
            found[path.relative_to(folder).as_posix()] = data
    return found
