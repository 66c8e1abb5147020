"""A small finished data set: drawn people of both domains, the edits of each, scored by the drawn truth."""

from collections.abc import Iterator
from pathlib import Path

from dataset.dataset_examples import FACES, SIZE_PX

from pixelsmile.dataset.build import build
from pixelsmile.dataset.config import BuildConfig
from pixelsmile.dataset.folder import PICTURES
from pixelsmile.dataset.rows import Row, row_id
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.expressions import EXPRESSIONS, target_prompt
from pixelsmile.hashing import sha256_file
from pixelsmile.portraits import Portrait, action_units, draw_portrait, sample_identity
from pixelsmile.store.manifests import FileRecord

NUM_PEOPLE = {"human": 4, "anime": 2}
ASKED = (("happy", 1.0), ("happy", 0.5), ("fear", 1.0), ("surprised", 1.0))  # of each base
NUM_KEPT = sum(NUM_PEOPLE.values()) * (1 + len(ASKED))


def finished(folder: Path) -> Path:
    """In shards of two groups. Each base has a near miss among what the screen rejected."""
    drawn = {
        domain: {
            "domain": domain,
            "num_people": num,
            "first_seed": 20_000_000 + 100 * place,
            "size_px": SIZE_PX,
        }
        | {"licence": "Apache-2.0", "origin": "drawn for a test"}
        for place, (domain, num) in enumerate(NUM_PEOPLE.items())
    }
    collect = {"drawn": drawn, "min_side_px": SIZE_PX, "shard_rows": 2}
    config = {"collect": collect, "faces": FACES, "duplicates": {"max_distance": None}}
    for _ in build(folder, BuildConfig.model_validate(config)):
        pass
    before, step_folder = StepFolder(folder / "identities"), StepFolder(folder / "screen")
    manifest = before.manifest()
    step_folder.begin({}, {"rows": manifest.digest})
    for shard in range(manifest.num_shards):
        step_folder.write(shard, [row for base in before.rows(shard) for row in _group(folder, base)])
    source = FileRecord(path=manifest.kind, sha256=manifest.digest, size_bytes=0)
    step_folder.finish({}, source, [], manifest.num_shards)
    return folder


def _group(folder: Path, base: Row) -> Iterator[Row]:
    yield base.updated(**_annotated(_drawn(base, "neutral", 0.0)))
    for expression, strength in ASKED:
        yield _edit(folder, base, expression, strength)
    miss = _edit(folder, base, "fear", 0.2).updated(faults="too weak")
    yield miss.rejected("screen", "too weak", 0.2, 0.4)


def _drawn(base: Row, expression: str, strength: float) -> Portrait:
    units = action_units(expression, strength, base.variant)
    return draw_portrait(sample_identity(base.identity_seed), units, base.domain, SIZE_PX)


def _edit(folder: Path, base: Row, expression: str, strength: float) -> Row:
    drawn = _drawn(base, expression, strength)
    drawn.image.save(folder / "edit.png")
    sha256 = sha256_file(folder / "edit.png")
    name = f"{PICTURES}/{sha256[:2]}/{sha256}.png"
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / "edit.png").rename(folder / name)
    return base.updated(
        id=row_id(base.id, f"{expression} {strength}", sha256),
        sha256=sha256,
        picture=name,
        base=base.id,
        base_picture=base.picture,
        base_expression=base.expression,
        base_strength=base.strength,
        expression=expression,
        strength=strength,
        prompt=target_prompt(expression, base.domain),
        granularity="simple",
        editor="truth",
        **_annotated(drawn),
    )


def _annotated(drawn: Portrait) -> dict[str, object]:
    scores = tuple(round(drawn.truth.scores[name], 4) for name in EXPRESSIONS)
    return {"judge": "truth", "scores": scores}
