"""Export: the rows that the last finished step has left, in a form that others read, whole or not at all.

    OUT/README.md          the card: what is in it, from where, how it was made
    OUT/figures/           its figures
    OUT/croissant.json     the same for machines
    OUT/manifest.json      what was asked for, and hashes of all files but pictures, called by theirs

The rows are read twice: to count them and to put people into splits, and to write them.
"""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from pixelsmile.dataset.export import Format
from pixelsmile.dataset.export.benchmark_layouts import FedForm, FfeForm
from pixelsmile.dataset.export.card import Facts, card
from pixelsmile.dataset.export.croissant import CROISSANT, croissant
from pixelsmile.dataset.export.distributions import Distributions
from pixelsmile.dataset.export.figures import figures
from pixelsmile.dataset.export.form import MAX_SHARD_BYTES, ExportPictures, Form, Written, groups
from pixelsmile.dataset.export.parquet import ParquetForm
from pixelsmile.dataset.export.preferences import preferences, write_preferences
from pixelsmile.dataset.export.splits import WHOLE, People, Shares, Splits
from pixelsmile.dataset.export.table_columns import columns_of
from pixelsmile.dataset.export.triplets import TripletForm
from pixelsmile.dataset.export.webdataset import WebDatasetForm
from pixelsmile.dataset.folder import last_finished
from pixelsmile.dataset.step_folder import StepFolder, StepManifest
from pixelsmile.errors import InputError, OutputError
from pixelsmile.store.manifests import (
    MANIFEST_NAME,
    FileRecord,
    Manifest,
    make_manifest,
    read_manifest,
    record_file,
)
from pixelsmile.store.publication import check_place, whole_folder

KIND = "dataset-export"
README, FIGURES = "README.md", "figures"
_PUBLISHED = (".parquet", ".tar", ".jsonl", ".csv")  # named one by one in the metadata


@dataclass(frozen=True)
class ExportSettings:
    """splits: shares by name; None: one for all. seed: of who is in which. name: in the card."""

    format: Format
    splits: Shares | None = None
    seed: int = 0
    name: str | None = None
    shard_bytes: int = MAX_SHARD_BYTES

    @property
    def shares(self) -> Shares:
        """A benchmark is all of it test."""
        if self.splits is not None:
            return self.splits
        return {"test": 1.0} if self.format in ("ffe", "fed") else WHOLE


@dataclass(frozen=True)
class Exported:
    """What an export came to."""

    out: Path
    written: Written
    num_people: Mapping[str, int]
    num_rows: int


@dataclass(frozen=True)
class ExportProgress:
    """In rows. exported: at the end."""

    what: str
    done: int
    total: int
    exported: Exported | None = None


def export(
    folder: Path, out: Path, settings: ExportSettings, *, force: bool = False
) -> Iterator[ExportProgress]:
    """Write the data set of `folder` to `out`; the same rows and settings give the same files.

    force: an export that is there is replaced; anything else never is. InputError before anything is written
    where there is no finished step, a package is missing, or the splits cannot be; OutputError for the place.
    """
    step_folder, manifest = _exported_step(folder, settings)
    check_target(folder, out, force=force)
    total, counted = manifest.num_kept, _Counted()
    for done, row in enumerate(step_folder.all_rows(), 1):
        counted.numbers.add(row)
        counted.people.add(row)
        yield ExportProgress("counting", done, total)
    splits = Splits(counted.people, settings.shares, settings.seed)
    with _output_errors(out), whole_folder(out) as new:
        pictures = ExportPictures(folder, new)
        if settings.format == "preferences":
            written = write_preferences(pictures, splits, preferences(step_folder))
        else:
            form, done = _form(settings, pictures, splits, counted.numbers), 0
            for group in groups(step_folder.all_rows()):
                form.add(splits[group[0]], group)
                done += len(group)
                yield ExportProgress("writing", done, total)
            written = form.finish()
        if not any(written.counts.values()):
            reasons = ", ".join(f"{number:,} {reason}" for reason, number in written.left_out.items())
            rows = "1 row" if total == 1 else f"{total:,} rows"
            raise InputError(f"no {written.unit} comes of {rows}: {reasons}")
        exported = Exported(out, written, splits.num_people(counted.people), total)
        _Description(new, settings, step_folder, manifest, counted.numbers, exported).write()
    yield ExportProgress("writing", total, total, exported)


def _exported_step(folder: Path, settings: ExportSettings) -> tuple[StepFolder, StepManifest]:
    """The step whose rows are written. InputError where there is none, or not the one that is needed."""
    step_folder = last_finished(folder)
    manifest = step_folder.manifest()
    assert manifest is not None
    if settings.format == "preferences" and step_folder.name != "screen":
        raise InputError(
            f"preferences are edits that screen has kept or rejected, and {step_folder.name} is the last "
            f"step that {str(folder)!r} has finished: build to screen"
        )
    if manifest.num_kept == 0:
        raise InputError(f"{step_folder.name} has left no row of {str(folder)!r}: `dataset stats` says why")
    return step_folder, manifest


@dataclass
class _Counted:
    """Of all rows."""

    numbers: Distributions = field(default_factory=Distributions)
    people: People = field(default_factory=People)


def _form(settings: ExportSettings, pictures: ExportPictures, splits: Splits, numbers: Distributions) -> Form:
    match settings.format:
        case "parquet":
            return ParquetForm(pictures, splits.names, columns_of(numbers.known), settings.shard_bytes)
        case "webdataset":
            return WebDatasetForm(pictures, splits.names, settings.shard_bytes)
        case "triplets":
            return TripletForm(pictures, splits.names, settings.seed, numbers.num_rows)
        case "ffe":
            return FfeForm(pictures, splits.names, has_edits=numbers.num_edits > 0)
        case "fed":
            return FedForm(pictures, splits.names)
        case other:
            raise ValueError(f"no form {other}")


@dataclass(frozen=True)
class _Description:
    """What is told of an export: card, figures, metadata, manifest. new: its folder, with the data in it."""

    new: Path
    settings: ExportSettings
    step_folder: StepFolder
    source: StepManifest
    numbers: Distributions
    exported: Exported

    def write(self) -> None:
        manifest, shown = self._manifest(), self._write_figures()
        name, written = self.settings.name or self.exported.out.resolve().name, self.exported.written
        facts = Facts(
            name,
            self.settings.format,
            self.numbers,
            written,
            self.exported.num_people,
            shown,
            self.step_folder.path.parent,
            manifest.code,
        )
        records = _records(self.new)
        (self.new / README).write_text(card(facts), encoding="utf-8")
        metadata = croissant(
            name=name,
            description=facts.summary,
            licences=self.numbers.licences(),
            created=manifest.created,
            files=[each for each in records if each.path.endswith(_PUBLISHED)],
            patterns=written.files,
            columns=written.columns,
            url=f"https://huggingface.co/datasets/{name}" if "/" in name else None,
        )
        (self.new / CROISSANT).write_bytes(metadata)
        whole = manifest.model_copy(update={"outputs": tuple(_records(self.new))})
        (self.new / MANIFEST_NAME).write_bytes(whole.to_json())

    def _write_figures(self) -> dict[str, str]:
        """Words by the name of the file."""
        shown = {}
        for file, (svg, words) in figures(self.numbers).items():
            (self.new / FIGURES).mkdir(exist_ok=True)
            (self.new / FIGURES / file).write_text(svg, encoding="utf-8")
            shown[f"{FIGURES}/{file}"] = words
        return shown

    def _manifest(self) -> Manifest:
        """Without the files."""
        settings, written = self.settings, self.exported.written
        made: dict[str, JsonValue] = {
            "format": settings.format,
            "splits": dict(settings.shares),
            "seed": settings.seed,
            "shard_bytes": settings.shard_bytes,
            "step": self.step_folder.name,
            "unit": written.unit,
            "counts": dict(written.counts),
            "people": dict(self.exported.num_people),
            "left_out": dict(written.left_out),
        }
        took = FileRecord(path=self.step_folder.name, sha256=self.source.digest, size_bytes=0)
        return make_manifest(KIND, settings=made, seeds=[settings.seed], inputs=[took], outputs=[])


def _records(new: Path) -> list[FileRecord]:
    """Every file but pictures."""
    found = []
    for path in new.rglob("*"):
        if not is_picture(path) and path.is_file():
            name = path.relative_to(new).as_posix()
            found.append(record_file(path).model_copy(update={"path": name}))
    return sorted(found, key=lambda each: each.path)


def is_picture(path: Path) -> bool:
    """Whether it is one that is called by its hash."""
    return len(path.stem) == 64 and set(path.stem) <= set("0123456789abcdef")


def read_export(out: Path) -> Manifest:
    """The manifest of an export. InputError where there is none."""
    manifest = read_manifest(out / MANIFEST_NAME)
    if manifest.kind != KIND:
        raise InputError(f"{str(out)!r} is no exported data set, but {manifest.kind}: check the path")
    return manifest


def check_target(folder: Path, out: Path, *, force: bool) -> None:
    """OutputError where an export may not go to `out`."""
    check_place(out.parent, [])
    inside = folder.resolve() in (out.resolve(), *out.resolve().parents)
    if inside or out.resolve() in folder.resolve().parents:
        raise OutputError(
            f"{str(out)!r} and the data set {str(folder)!r} lie in one another: choose another -o"
        )
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not force:
        raise OutputError(f"{str(out)!r} is already there: replace with --force, or choose another place")
    try:
        read_export(out)
    except InputError as error:
        raise OutputError(
            f"{str(out)!r} is there and no export, so it stays: choose another place"
        ) from error


@contextmanager
def _output_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "free some space, or choose another disk with -o" if full else "choose another place with -o"
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"cannot write {str(out)!r} ({reason}): {advice}") from error
