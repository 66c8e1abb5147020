"""Triplets as JSON lines, in the reference's format: one triplet a line, paths relative to a folder.

{"src": {"image": "s.png", "boxes": [80, 60, 300, 310]},
 "dst": [{"image": "a.png", "category": "fear", "scores": {"fear": 0.8, "surprised": 0.4}},
         {"image": "b.png", "category": "surprised", "scores": {"surprised": 0.9}}]}      (in one line)

Boxes may be left out. What only we write, the reference does not look at: "landmarks" beside "boxes", and
"domain" and "identity" beside "src".
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain
from pixelsmile.json_lines import read_numbered
from pixelsmile.limits import validated
from pixelsmile.publication import write_file
from pixelsmile.training.lines import Category, Line, PictureLine, Scores, check_files, relative_path
from pixelsmile.training.triplets import SourceImage, Target, Triplet


class TargetLine(PictureLine):
    """A target. Expressions may go by any of their names, the judge's labels too."""

    category: Category
    scores: Scores


class TripletLine(Line):
    """One line."""

    src: PictureLine
    dst: tuple[TargetLine, TargetLine]
    identity: str | None = None
    domain: Domain | None = None

    @classmethod
    def of(cls, triplet: Triplet, root: Path) -> Self:
        """The line of a triplet; pictures below `root` are named relative to it."""
        a, b = (
            TargetLine(
                image=relative_path(target.image, root),
                category=target.expression,
                scores=dict(target.scores),
                boxes=target.face_box,
                landmarks=target.landmarks_5,
            )
            for target in (triplet.a, triplet.b)
        )
        source = PictureLine(
            image=relative_path(triplet.source.image, root),
            boxes=triplet.source.face_box,
            landmarks=triplet.source.landmarks_5,
        )
        return cls(src=source, dst=(a, b), identity=triplet.identity, domain=triplet.domain)

    def triplet(self, root: Path, domain: Domain) -> Triplet:
        """The triplet of this line; `domain` where the line names none. InputError if it is no triplet."""
        a, b = (
            Target(root / line.image, line.category, line.scores, line.boxes, line.landmarks)
            for line in self.dst
        )
        source = SourceImage(root / self.src.image, self.src.boxes, self.src.landmarks)
        return Triplet(source, a, b, self.domain or domain, self.identity)


def read_triplets(
    path: Path, *, root: Path | None = None, domain: Domain = "human", need_files: bool = True
) -> tuple[Triplet, ...]:
    """The triplets in the file.

    root: what their paths are relative to; the file's folder if None. domain: of lines that name none.
    need_files: refuse pictures that do not exist. InputError that names the line, the key and the value.
    """
    numbered = read_numbered_triplets(path, root=root, domain=domain)
    if need_files:
        check_files(path, ((number, image) for number, triplet in numbered for image in triplet.images))
    return tuple(triplet for _, triplet in numbered)


def read_numbered_triplets(
    path: Path, *, root: Path | None = None, domain: Domain = "human"
) -> list[tuple[int, Triplet]]:
    """As `read_triplets`, each with the number of its line, whether its pictures exist or not."""
    folder = path.parent if root is None else root
    return read_numbered(path, lambda text: validated(TripletLine, text).triplet(folder, domain))


def write_triplets(
    path: Path, triplets: Sequence[Triplet], *, root: Path | None = None, force: bool = False
) -> None:
    """Write the file in one step. root: as in `read_triplets`; pictures elsewhere get absolute paths.

    InputError for no triplets, or a name that is not UTF-8; OutputError where `path` exists (unless `force`)
    or cannot be written.
    """
    if not triplets:
        raise InputError(f"no triplets to write to {str(path)!r}: give at least one")
    write_file(path, triplets_bytes(triplets, path.parent if root is None else root), force=force)


def triplets_bytes(triplets: Sequence[Triplet], root: Path) -> bytes:
    """The file of these triplets, paths relative to `root`. InputError for a name that is not UTF-8."""
    return "".join(f"{TripletLine.of(triplet, root).model_dump_json()}\n" for triplet in triplets).encode()
