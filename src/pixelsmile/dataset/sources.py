"""Where pictures come from: folders, archives, drawn people, hub data sets, WebDataset.

A source lists its pictures in one order without reading them; the process that looks at one reads it. Nothing
is unpacked: a member of an archive has a name, and that leads nowhere.
"""

import hashlib
import io
import json
import os
import random
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from pixelsmile.dataset.config import (
    ArchiveSource,
    CollectSettings,
    DrawnSource,
    FolderSource,
    HubSource,
    Source,
    WebDatasetSource,
    is_drawn,
)
from pixelsmile.dataset.folder import MAX_PICTURE_BYTES
from pixelsmile.errors import ImageError, InputError, install
from pixelsmile.expressions import NEUTRAL, Domain
from pixelsmile.limits import parse_json, path_within, read_bytes
from pixelsmile.portraits import NUM_VARIANTS, action_units, draw_portrait, sample_identity
from pixelsmile.store.json_lines import escaped

_MAX_FACTS_BYTES = 2**20  # of a KEY.json of WebDataset
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif")
)
_UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class FileBytes:
    """A file in a folder; a link that leads out of it is not followed."""

    folder: Path
    name: str

    def read(self) -> bytes:
        path = path_within(self.folder, self.name, error=ImageError)
        return read_bytes(path, max_bytes=MAX_PICTURE_BYTES, error=ImageError)


@dataclass(frozen=True)
class ZipBytes:
    """A member of a zip file."""

    archive: Path
    name: str
    size: int

    def read(self) -> bytes:
        try:
            with _open_zip(self.archive).open(self.name) as file:
                return _bounded(file.read(MAX_PICTURE_BYTES + 1), self.name)
        except (*_UNREADABLE, OSError, KeyError) as error:
            raise ImageError(f"{self.name!r} cannot be unpacked ({error})") from error


@dataclass(frozen=True)
class TarBytes:
    """A member of a tar file that is not compressed: where its bytes lie."""

    archive: Path
    name: str
    offset: int
    size: int

    def read(self) -> bytes:
        if self.size > MAX_PICTURE_BYTES:
            raise ImageError(f"{self.name!r} is longer than {MAX_PICTURE_BYTES:,} bytes")
        with open(self.archive, "rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


@dataclass(frozen=True)
class HeldBytes:
    """What can only be read in its order, and is in memory; or the reason why it is not."""

    data: bytes
    fault: str = ""

    def read(self) -> bytes:
        if self.fault:
            raise ImageError(self.fault)
        return self.data


@dataclass(frozen=True)
class DrawnBytes:
    """A portrait, drawn when it is read."""

    identity_seed: int
    expression: str
    strength: float
    variant: int
    domain: Domain
    size_px: int

    def read(self) -> bytes:
        units = action_units(self.expression, self.strength, self.variant)
        drawn = draw_portrait(sample_identity(self.identity_seed), units, self.domain, self.size_px)
        file = io.BytesIO()
        drawn.image.save(file, "PNG")
        return file.getvalue()


Content = FileBytes | ZipBytes | TarBytes | HeldBytes | DrawnBytes


@dataclass(frozen=True)
class Item:
    """A picture of a source before anybody has looked at it. facts: fields of its row that are known."""

    source: str
    key: str
    content: Content
    facts: Mapping[str, Any] = field(default_factory=dict)


def items(settings: CollectSettings, start: int = 0) -> Iterator[Item]:
    """The pictures of all sources from number `start` on. InputError where a source cannot be read."""
    number = 0
    for name, source in settings.sources.items():
        common = source.model_dump(include={"domain", "licence", "origin"}) | {"is_drawn": is_drawn(source)}
        for key, content, facts in _listed(source, start - number):
            if number >= start:
                yield Item(name, key, content, common | facts)
            number += 1


def listing(settings: CollectSettings) -> tuple[int, str]:
    """How many pictures there are, and a hash of what can be said of them without reading them.

    InputError where a source has none, or cannot be read.
    """
    digest, total = hashlib.sha256(), 0
    for name, source in settings.sources.items():
        num = 0
        for key, content, _ in _listed(source, total=True):
            size = getattr(content, "size", None)
            if isinstance(content, FileBytes):
                size = _size(content.folder / content.name)
            digest.update(json.dumps([name, escaped(key), size]).encode() + b"\n")
            num += 1
        if num == 0:
            raise InputError(f"source {name} ({_where(source)}) holds no pictures: check its path")
        total += num
    return total, digest.hexdigest()


_Listed = Iterator[tuple[str, Content, dict[str, Any]]]


def _listed(source: Source, skip: int = 0, *, total: bool = False) -> _Listed:
    """Key, content and facts of each picture. skip: of so many no bytes are needed; total: of none."""
    match source:
        case FolderSource():
            yield from _of_folder(source)
        case ArchiveSource():
            yield from _of_archive(source, skip, total)
        case DrawnSource():
            yield from _of_people(source)
        case HubSource():
            yield from _of_hub(source, skip, total)
        case WebDatasetSource():
            yield from _of_webdataset(source)


def _of_folder(source: FolderSource) -> _Listed:
    folder = Path(source.path).expanduser()
    if not folder.is_dir():
        raise InputError(f"there is no folder {source.path!r}: check the path")
    for name in _files(folder, ""):
        if _is_picture(name):
            yield name, FileBytes(folder, name), _folder_facts(source.identity, name)


def _files(folder: Path, prefix: str) -> Iterator[str]:
    """Every file below, by its path from there, in one order, one folder's names in memory at a time."""
    try:
        entries = sorted(os.scandir(folder / prefix), key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise InputError(f"cannot read {str(folder / prefix)!r} ({error.strerror}): check it") from error
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith("."):
                yield from _files(folder, f"{name}/")
        else:
            yield name


def _of_archive(source: ArchiveSource, skip: int, total: bool) -> _Listed:
    path = Path(source.path).expanduser()
    if not path.is_file():
        raise InputError(f"there is no file {source.path!r}: check the path")
    if zipfile.is_zipfile(path):
        members = (
            (info.filename, ZipBytes(path, info.filename, info.file_size))
            for info in _open_zip(path).infolist()
        )
        names: Iterator[tuple[str, Content]] = members
    else:
        names = _tar_members(path, skip, total)
    for name, content in names:
        if _is_picture(name):
            yield name, content, _folder_facts(source.identity, name)


def _tar_members(path: Path, skip: int = 0, total: bool = False) -> Iterator[tuple[str, Content]]:
    """Regular files of a tar. A compressed one is read in its order, `skip` pictures passed over."""
    try:
        with tarfile.open(path, "r:*") as archive:
            is_plain = isinstance(archive.fileobj, io.BufferedReader)
            num = 0
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # a list of millions otherwise
                if not member.isreg():
                    continue
                if is_plain:
                    yield member.name, TarBytes(path, member.name, member.offset_data, member.size)
                    continue
                is_wanted = _is_picture(member.name) and not total and num >= skip
                yield member.name, _held(archive, member) if is_wanted else HeldBytes(b"")
                num += _is_picture(member.name)
    except (*_UNREADABLE, OSError) as error:
        raise InputError(f"{str(path)!r} is no whole zip or tar file ({error}): fetch it again") from error


def _held(archive: tarfile.TarFile, member: tarfile.TarInfo) -> HeldBytes:
    if member.size > MAX_PICTURE_BYTES:
        return HeldBytes(b"", f"{member.name!r} is longer than {MAX_PICTURE_BYTES:,} bytes")
    file = archive.extractfile(member)
    return HeldBytes(file.read() if file is not None else b"")


def _of_people(source: DrawnSource) -> _Listed:
    for seed in range(source.first_seed, source.first_seed + source.num_people):
        for expression in source.expressions:
            strength = 0.0 if expression == NEUTRAL else _drawn_strength(source.strength, seed, expression)
            variant = seed % NUM_VARIANTS
            content = DrawnBytes(seed, expression, strength, variant, source.domain, source.size_px)
            facts = {
                "identity_seed": seed,
                "expression": expression,
                "strength": strength,
                "variant": variant,
            }
            yield f"{seed}-{expression}", content, facts | {"identity": str(seed)}


def _drawn_strength(strength: float | tuple[float, float], seed: int, expression: str) -> float:
    if isinstance(strength, float):
        return strength
    return round(random.Random(f"strength of {expression} of {seed}").uniform(*strength), 2)


def _of_hub(source: HubSource, skip: int, total: bool) -> _Listed:
    table = _open_hub(source)
    facts = {"identity": source.identity_column, "licence": source.licence_column}
    wanted = {fact: column for fact, column in facts.items() if column is not None}
    for column in (source.image, *wanted.values()):
        if column not in table.column_names:
            have = ", ".join(table.column_names)
            raise InputError(f"{source.path!r} has no column {column!r}: choose from {have}")
    for number in range(len(table)):
        if total or number < skip:
            yield f"{number:08}", HeldBytes(b""), {}
            continue
        record = table[number]
        known = {fact: str(record[column]) for fact, column in wanted.items() if record[column] is not None}
        yield f"{number:08}", _hub_bytes(record[source.image]), known


def _open_hub(source: HubSource) -> Any:
    """The table, its pictures as bytes. InputError where it cannot be had."""
    try:
        import datasets
    except ImportError as error:
        raise InputError(f"hub data sets need the package datasets: {install('data')}") from error
    datasets.disable_progress_bars()
    folder = Path(source.path).expanduser()
    try:
        if (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file():
            found = datasets.load_from_disk(str(folder))
            found = found[source.split] if isinstance(found, dict) else found
        else:
            found = datasets.load_dataset(
                source.path, source.name, split=source.split, revision=source.revision
            )
        if isinstance(found.features.get(source.image), datasets.Image):
            found = found.cast_column(source.image, datasets.Image(decode=False))
    except Exception as error:  # the hub, its files and their builders raise anything
        raise InputError(f"the data set {source.path!r} cannot be read ({error}): check its name") from error
    return found


def _hub_bytes(value: Any) -> HeldBytes:
    if isinstance(value, bytes):
        return HeldBytes(value)
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return HeldBytes(value["bytes"])
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        try:
            return HeldBytes(read_bytes(value["path"], max_bytes=MAX_PICTURE_BYTES, error=ImageError))
        except ImageError as error:
            return HeldBytes(b"", str(error))
    return HeldBytes(b"", "the row holds no picture")


def _of_webdataset(source: WebDatasetSource) -> _Listed:
    """Members that follow one another and are called alike up to the first dot are one sample."""
    path = Path(source.path).expanduser()
    archives = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    if not path.exists():
        raise InputError(f"there is no file or folder {source.path!r}: check the path")
    for archive in archives:
        sample = ""
        facts: dict[str, Any] = {}
        pictures: list[tuple[str, Content]] = []
        for name, content in _tar_members(archive):
            stem = (
                name[: len(name) - len(PurePosixPath(name).name)] + PurePosixPath(name).name.partition(".")[0]
            )
            if stem != sample:
                yield from ((key, data, facts) for key, data in pictures)
                sample, facts, pictures = stem, {}, []
            if name.lower().endswith(".json") and isinstance(content, TarBytes):
                facts = _sample_facts(content)
            elif _is_picture(name):
                pictures.append((f"{archive.name}/{name}", content))
        yield from ((key, data, facts) for key, data in pictures)


def _sample_facts(content: TarBytes) -> dict[str, Any]:
    """Identity, licence, origin and expression of a KEY.json, where they are texts."""
    if content.size > _MAX_FACTS_BYTES:
        return {}
    try:
        found = parse_json(content.read(), repr(content.name))
    except InputError:
        return {}
    names = ("identity", "licence", "origin", "expression")
    named = {name: found.get(name) for name in names} if isinstance(found, dict) else {}
    return {name: value for name, value in named.items() if isinstance(value, str)}


def _folder_facts(identity: str, name: str) -> dict[str, Any]:
    parent = str(PurePosixPath(name).parent)
    return {"identity": parent} if identity == "folder" and parent != "." else {}


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and "__MACOSX" not in path.parts


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MAX_PICTURE_BYTES:
        raise ImageError(f"{name!r} is longer than {MAX_PICTURE_BYTES:,} bytes")
    return data


@lru_cache(maxsize=8)
def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (*_UNREADABLE, OSError) as error:
        raise InputError(f"{str(path)!r} is no whole zip file ({error}): fetch it again") from error


def _size(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except OSError:
        return None


def _where(source: Source) -> str:
    return "drawn people" if isinstance(source, DrawnSource) else repr(source.path)
