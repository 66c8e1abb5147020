"""Triplets in JSON lines, and the pictures that they name.

    train.jsonl                a triplet a line, in the reference's form, which `pixelsmile train` reads
    train-instructions.jsonl   a source, a target and an instruction a line, where edits have instructions
    provenance.csv             where each picture is from, and under which licence
    pictures/ab/ab12....png    under its hash

People are paired in blocks, so that no more rows than those of one are in memory.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pixelsmile.dataset.export.form import (
    SCRATCH,
    ExportPictures,
    Group,
    Written,
    base_of,
    counted_reasons,
    edits_of,
    kept_name,
)
from pixelsmile.dataset.export.provenance import PROVENANCE, Provenance
from pixelsmile.dataset.rows import LABELS, Row
from pixelsmile.expressions import NEUTRAL
from pixelsmile.hashing import sha256_bytes
from pixelsmile.limits import validated
from pixelsmile.store.publication import remove_folder
from pixelsmile.triplets.annotated import AnnotatedPicture
from pixelsmile.triplets.pairing import build_triplets
from pixelsmile.triplets.triplet import Landmarks, SourceImage, Target, Triplet, triplets_bytes

INSTRUCTIONS = "-instructions"  # behind the name of a split
BLOCK_ROWS = 20_000  # about; of whole people


class TripletForm:
    """Pairs of confusing targets, as `triplets build` makes them; and edits with their instructions."""

    def __init__(self, pictures: ExportPictures, splits: tuple[str, ...], seed: int, num_rows: int) -> None:
        self._pictures, self._splits, self._seed = pictures, splits, seed
        self._num_blocks = -(-num_rows // BLOCK_ROWS)
        self._scratch = pictures.out / SCRATCH
        self._scratch.mkdir()
        self._left_out: Counter[str] = Counter()
        self._provenance = Provenance(pictures.out / PROVENANCE)
        self._counts = {f"{split}{kind}": 0 for kind in ("", INSTRUCTIONS) for split in splits}

    def add(self, split: str, group: Group) -> None:
        if (base := base_of(group)) is not None:
            for edit in edits_of(group):
                self._instruct(split, base, edit)
        for row in group:
            if not row.judged:
                self._left_out["pictures that no judge has scored"] += 1
            elif row.person is None or row.expression not in LABELS:
                self._left_out["pictures of nobody, or of no known expression"] += 1
            elif row.expression not in (NEUTRAL, *row.judged):
                self._left_out["pictures whose judge does not judge their expression"] += 1
            else:
                with self._block(split, _block_of(row.person, self._num_blocks)).open("a") as file:
                    file.write(row.model_dump_json(exclude_none=True) + "\n")

    def finish(self) -> Written:
        for split in self._splits:
            for rows in self._blocks(split):
                self._write(split, self._paired(rows))
        self._provenance.close()
        remove_folder(self._scratch)
        counts = {name: number for name, number in self._counts.items() if number}
        return Written(
            files={name: f"{name}.jsonl" for name in counts},
            unit="triplet",
            counts=counts,
            left_out=counted_reasons(self._left_out),
        )

    def _instruct(self, split: str, base: Row, edit: Row) -> None:
        """A line for each way in which an edit is instructed."""
        if edit.expression not in LABELS:
            return
        words = [text for text in (edit.dense, edit.simple) if text is not None]
        for instruction in words:
            image, found = (self._pictures.out / self._copied(row) for row in (base, edit))
            source = SourceImage(image, base.face_box, _landmarks(base))
            target = Target(found, edit.expression, target_scores(edit), edit.face_box, _landmarks(edit))
            triplet = Triplet(source, target, None, base.domain, base.person, instruction)
            self._write(f"{split}{INSTRUCTIONS}", [triplet])

    def _write(self, name: str, triplets: Sequence[Triplet]) -> None:
        self._counts[name] += len(triplets)
        with (self._pictures.out / f"{name}.jsonl").open("ab") as file:
            file.write(triplets_bytes(triplets, self._pictures.out))

    def _copied(self, row: Row) -> str:
        """The picture's name in the export, where it is now."""
        name = self._pictures.keep(row)
        self._provenance.add(name, row)
        return name

    def _block(self, split: str, number: int) -> Path:
        return self._scratch / f"{split}-{number:05}.jsonl"

    def _blocks(self, split: str) -> Iterator[list[Row]]:
        for number in range(self._num_blocks):
            path = self._block(split, number)
            if path.exists():
                with path.open() as file:
                    yield [validated(Row, line) for line in file]

    def _paired(self, rows: Sequence[Row]) -> Sequence[Triplet]:
        """The triplets of a block; the pictures in them are copied."""
        out, by_image = self._pictures.out, dict[Path, Row]()
        for row in rows:
            image = out / kept_name(row)
            if by_image.setdefault(image, row) is not row:
                self._left_out["pictures that are there twice"] += 1
        pairing = build_triplets([_annotated(*item) for item in by_image.items()], seed=self._seed)
        for reason, number in pairing.reasons.items():
            self._left_out[f"pictures each of which {reason}"] += number
        used = {image for triplet in pairing.triplets for image in triplet.images}
        for image, row in by_image.items():
            if image in used:
                self._copied(row)
        return pairing.triplets


def _block_of(person: str, num_blocks: int) -> int:
    return int(sha256_bytes(person.encode())[:12], 16) % num_blocks


def _annotated(image: Path, row: Row) -> AnnotatedPicture:
    assert row.person is not None
    return AnnotatedPicture(
        image,
        row.person,
        row.expression or "",
        row.judged,
        row.domain,
        row.face_box,
        _landmarks(row),
        row.judge or "",
    )


def target_scores(edit: Row) -> dict[str, float]:
    """What a judge says of an edit; where none has judged its own expression, the strength asked for."""
    if edit.expression in (NEUTRAL, *edit.judged):
        return edit.judged
    return {edit.expression or "": 1.0 if edit.strength is None else edit.strength}


def _landmarks(row: Row) -> Landmarks | None:
    if row.landmarks is None:
        return None
    a, b, c, d, e = ((float(x), float(y)) for x, y in row.landmarks_5)
    return a, b, c, d, e
