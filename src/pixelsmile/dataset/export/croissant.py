"""Croissant metadata (MLCommons, version 1.0): files with their hashes, and the columns of tables."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pixelsmile.dataset.export.table_columns import IMAGE, SCORES, Columns, croissant_type
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.store.manifests import FileRecord

CROISSANT = "croissant.json"
_ENCODINGS = {
    ".parquet": "application/x-parquet",
    ".tar": "application/x-tar",
    ".jsonl": "application/jsonlines",
    ".csv": "text/csv",
}
_SAME = (  # terms that are called in `cr:` as they are here
    *("citeAs", "column", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes"),
    *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{name: f"cr:{name}" for name in _SAME},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}


def croissant(
    *,
    name: str,
    description: str,
    licences: Iterable[str],
    created: datetime,
    files: Iterable[FileRecord],
    patterns: Mapping[str, str],
    columns: Columns,
    url: str | None,
) -> bytes:
    """The file. files: those that are published as such. patterns: of the files of each split's table."""
    record: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "license": sorted(licences),
        "datePublished": created.date().isoformat(),
        "version": "1.0.0",
        **({} if url is None else {"url": url}),
        "distribution": [_file(each) for each in files],
    }
    if columns:
        record["distribution"] += [_file_set(split, pattern) for split, pattern in patterns.items()]
        record["recordSet"] = [_records(split, columns) for split in patterns]
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


def _file(file: FileRecord) -> dict[str, Any]:
    ending = file.path[file.path.rfind(".") :]
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": _ENCODINGS[ending],
        "sha256": file.sha256,
    }


def _file_set(split: str, pattern: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"files-{split}",
        "name": f"files-{split}",
        "encodingFormat": _ENCODINGS[".parquet"],
        "includes": pattern,
    }


def _records(split: str, columns: Columns) -> dict[str, Any]:
    fields: list[dict[str, Any]] = []
    for name, kind in columns.items():
        if name == SCORES:
            for each in EXPRESSIONS:
                more = {"transform": {"jsonPath": each}}
                fields.append(_field(split, f"score_{each}", SCORES, "sc:Float", more))
            continue
        more = {"transform": {"jsonPath": "bytes"}} if name == IMAGE else {}
        found = _field(split, name, name, croissant_type(kind), more)
        if kind.startswith("list"):
            found["repeated"] = True
        fields.append(found)
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields}


def _field(split: str, name: str, column: str, kind: str, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{split}/{name}",
        "name": f"{split}/{name}",
        "dataType": kind,
        "source": {"fileSet": {"@id": f"files-{split}"}, "extract": {"column": column}, **more},
    }
