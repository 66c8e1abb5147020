"""The last step: a finished adapter as part of a model folder, where it acts unless others are named."""

import json
from pathlib import Path

from pixelsmile.editing.folders import OPTIONS_FILE, read_options
from pixelsmile.expressions import Domain
from pixelsmile.store.publication import write_file
from pixelsmile.training.run_folder import RunFolder
from recipes.adapters.stages import Stage


def install(stages: tuple[Stage, ...], domain: Domain, work: Path, model: Path) -> Path:
    """Copy the last stage's adapter and the log of all stages to `model`, and name it in its options.

    Where the adapter lies then. What was there for the style is replaced. OutputError.
    """
    name = f"adapters/{domain}.safetensors"
    log = ""
    for stage in stages:
        for line in RunFolder(work / stage.name).stats.read_text().splitlines():
            log += json.dumps({"stage": stage.name, **json.loads(line)}) + "\n"
    options = read_options(model)
    options = options.model_copy(update={"adapters": {**options.adapters, domain: name}})
    said = options.model_dump_json(indent=2, exclude_unset=True) + "\n"
    adapter = RunFolder(work / stages[-1].name).adapter.read_bytes()
    write_file(model / f"adapters/{domain}-training.jsonl", log.encode(), force=True)
    write_file(model / name, adapter, force=True)
    write_file(model / OPTIONS_FILE, said.encode(), force=True)
    return model / name
