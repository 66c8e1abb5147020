"""WebDataset: tar files with ID.png, and ID.json with what is known of the picture."""

import io
import json
import tarfile
from pathlib import Path

from pixelsmile.dataset.export.form import ExportPictures, Group, Written, suffix
from pixelsmile.dataset.export.table_columns import published
from pixelsmile.dataset.rows import Row


class WebDatasetForm:
    """Tar files; `collect` reads them, with the person as identity."""

    def __init__(self, pictures: ExportPictures, splits: tuple[str, ...], shard_bytes: int) -> None:
        self._pictures = pictures
        self._files = {split: _TarShards(pictures.out, split, shard_bytes) for split in splits}

    def add(self, split: str, group: Group) -> None:
        for row in group:
            self._files[split].add(row, self._pictures.read(row))

    def finish(self) -> Written:
        return Written(
            files={split: f"{split}-*.tar" for split in self._files},
            unit="picture",
            counts={split: shards.finish() for split, shards in self._files.items()},
            loader="webdataset",
        )


class _TarShards:
    """The files of one split."""

    def __init__(self, folder: Path, split: str, max_bytes: int) -> None:
        self._folder, self._split, self._max_bytes = folder, split, max_bytes
        self._archive: tarfile.TarFile | None = None
        self._shard_bytes = self._num_rows = self._num_shards = 0

    def add(self, row: Row, data: bytes) -> None:
        if self._archive is not None and self._shard_bytes + len(data) > self._max_bytes:
            self._close()
        if self._archive is None:
            path = self._folder / f"{self._split}-{self._num_shards:05}.tar"
            self._archive = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        known = published(row) | {"identity": row.person or row.identity}
        text = json.dumps(known, ensure_ascii=False, allow_nan=False).encode()
        for name, content in ((f"{row.id}{suffix(row)}", data), (f"{row.id}.json", text)):
            member = tarfile.TarInfo(name)  # of no time and nobody: the same rows give the same bytes
            member.size = len(content)
            self._archive.addfile(member, io.BytesIO(content))
        self._shard_bytes += len(data)
        self._num_rows += 1

    def finish(self) -> int:
        """How many pictures there are."""
        self._close()
        return self._num_rows

    def _close(self) -> None:
        if self._archive is not None:
            self._archive.close()
            self._num_shards += 1
        self._archive, self._shard_bytes = None, 0
