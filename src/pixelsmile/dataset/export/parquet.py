"""Parquet as the `datasets` library reads it: data/train-00000-of-00003.parquet, a row a picture.

Of a shard no more is in memory than a group of rows.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.dataset.export.form import ExportPictures, Group, Written, suffix
from pixelsmile.dataset.export.table_columns import IMAGE, Columns, Kind, features, published
from pixelsmile.errors import InputError, install
from pixelsmile.expressions import EXPRESSIONS

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet

_GROUP_ROWS, _GROUP_BYTES = 100, 32 * 2**20  # of a Parquet file, which readers take whole into memory
DATA = "data"


class ParquetForm:
    """Parquet in the hub's layout."""

    def __init__(
        self, pictures: ExportPictures, splits: tuple[str, ...], columns: Columns, shard_bytes: int
    ) -> None:
        """InputError where pyarrow is not installed."""
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise InputError(f"Parquet needs the package pyarrow: {install('data')}") from error
        self._pictures, self._columns = pictures, columns
        folder = pictures.out / DATA
        self._files = {split: _ParquetShards(folder, split, columns, shard_bytes) for split in splits}

    def add(self, split: str, group: Group) -> None:
        for row in group:
            data = self._pictures.read(row)
            picture = {"bytes": data, "path": f"{row.id}{suffix(row)}"}
            self._files[split].add({IMAGE: picture, **published(row)}, len(data))

    def finish(self) -> Written:
        return Written(
            files={split: f"{DATA}/{split}-*.parquet" for split in self._files},
            unit="picture",
            counts={split: shards.finish() for split, shards in self._files.items()},
            columns=self._columns,
            num_bytes={split: shards.num_bytes for split, shards in self._files.items()},
            loader="parquet",
        )


class _ParquetShards:
    """The files of one split, one open at a time; their number is in their names, so these come last."""

    def __init__(self, folder: Path, split: str, columns: Columns, max_bytes: int) -> None:
        self._folder, self._split, self._max_bytes = folder, split, max_bytes
        self._schema = _schema(columns)
        self._writer: parquet.ParquetWriter | None = None
        self._records: list[dict[str, Any]] = []
        self._group_bytes = self._shard_bytes = 0
        self._num_rows = self._num_shards = 0
        self.num_bytes = 0  # of all tables in memory

    def add(self, record: dict[str, Any], num_bytes: int) -> None:
        if self._shard_bytes and self._shard_bytes + num_bytes > self._max_bytes:
            self._close()
        self._records.append(record)
        self._group_bytes += num_bytes
        self._shard_bytes += num_bytes
        self._num_rows += 1
        if len(self._records) >= _GROUP_ROWS or self._group_bytes >= _GROUP_BYTES:
            self._write()

    def finish(self) -> int:
        """How many rows there are."""
        if self._records or self._writer is not None or self._num_shards == 0:
            self._close()
        for number in range(self._num_shards):
            name = f"{self._split}-{number:05}-of-{self._num_shards:05}.parquet"
            self._unnamed(number).rename(self._folder / name)
        return self._num_rows

    def _write(self) -> None:
        import pyarrow
        from pyarrow import parquet

        if self._writer is None:
            self._folder.mkdir(exist_ok=True)
            path = self._unnamed(self._num_shards)
            self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        table = pyarrow.Table.from_pylist(self._records, self._schema)
        self._writer.write_table(table)
        self.num_bytes += table.nbytes
        self._records, self._group_bytes = [], 0

    def _close(self) -> None:
        self._write()
        assert self._writer is not None
        self._writer.close()
        self._writer, self._shard_bytes = None, 0
        self._num_shards += 1

    def _unnamed(self, number: int) -> Path:
        return self._folder / f"{self._split}-{number:05}.parquet"


def _schema(columns: Columns) -> "pyarrow.Schema":
    import pyarrow

    about = json.dumps({"info": {"features": features(columns)}}).encode()
    fields = [(name, _arrow_type(kind)) for name, kind in columns.items()]
    return pyarrow.schema(fields, metadata={b"huggingface": about})


def _arrow_type(kind: Kind) -> "pyarrow.DataType":
    import pyarrow

    match kind:
        case "image":
            return pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
        case "scores":
            return pyarrow.struct([(name, pyarrow.float64()) for name in EXPRESSIONS])
        case "list<float64>":
            return pyarrow.list_(pyarrow.float64())
        case "list<string>":
            return pyarrow.list_(pyarrow.string())
        case "bool":
            return pyarrow.bool_()
        case plain:
            return pyarrow.type_for_alias(plain)
