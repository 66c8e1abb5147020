"""What is learnt, one stage after another, each as the commands that a person would type; and the last step.

Then a finished adapter is a part of a model folder, where it acts unless others are named.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from pixelsmile.editing.folders import OPTIONS_FILE, read_options
from pixelsmile.expressions import Domain
from pixelsmile.store.publication import write_file
from pixelsmile.training.run_folder import ADAPTER_NAME, RunFolder
from recipes.commands import ON_FACES, train_command

NUM_TRIPLETS = 1500
# Beyond 1 as well: the transformer brings embeddings to one length, so what is extrapolated is to be learnt.
DRAWING = ("-n", str(NUM_TRIPLETS), "--strengths", "0", "1.5", "--confusing-share", "0.25")


@dataclass(frozen=True)
class Stage:
    """One training. settings: beyond those of the recipe `embedded`."""

    name: str
    settings: tuple[str, ...]


STAGES: tuple[Stage, ...] = (
    # Four tenths of the tokens, and so two to three times the faces.
    Stage("faces", (ON_FACES, "run.num_steps=1200")),
    Stage("whole", ("optimiser.learning_rate=3e-4", "run.num_steps=150")),
    # What tells expressions apart overdoes them where they are slight: with less of it strength rises evenly.
    Stage(
        "even",
        (
            ON_FACES,
            "objective.contrastive.weight=0.2",
            "optimiser.learning_rate=5e-4",
            "run.num_steps=600",
        ),
    ),
)


def adapter_name(domain: str) -> str:
    """Where the adapter of a domain lies in a model folder."""
    return f"adapters/{domain}.safetensors"


def log_name(domain: str) -> str:
    """Where the log of its training lies."""
    return f"adapters/{domain}-training.jsonl"


def commands(
    stages: tuple[Stage, ...], domain: str, work: Path, model: str = "embedded", start: Path | None = None
) -> list[tuple[str, ...]]:
    """All of them in order, for the adapter of `model`; what was done before, `pixelsmile` leaves alone.

    start: the adapter that the first stage goes on from.
    """
    triplets = work / "triplets"
    found: list[tuple[str, ...]] = [("triplets", "draw", "--domain", domain, *DRAWING, "-o", str(triplets))]
    for stage in stages:
        settings = (
            f"model.name={model}",
            f"data.triplets={triplets / 'triplets.jsonl'}",
            f"data.domain={domain}",
            f"data.cache={work / 'cache'}",
            "validation.every=null",
            *stage.settings,
            *(() if start is None else (f"adapter.start={start}",)),
        )
        folder = work / stage.name
        found.append(train_command(settings, folder))
        start = folder / ADAPTER_NAME
    return found


def install(stages: tuple[Stage, ...], domain: Domain, work: Path, model: Path, before: str = "") -> Path:
    """Copy the last stage's adapter and the log of all stages to `model`, and name it in its options.

    before: the log of what the first stage went on from, which may be the model's own, also as it is after
    this. Where the adapter lies then. What was there for the domain is replaced. OutputError.
    """
    name = adapter_name(domain)
    log = ""
    for stage in stages:
        for line in RunFolder(work / stage.name).stats.read_text().splitlines():
            log += json.dumps({"stage": stage.name, **json.loads(line)}) + "\n"
    log = before if before.endswith(log) else before + log
    options = read_options(model)
    options = options.model_copy(update={"adapters": {**options.adapters, domain: name}})
    said = options.model_dump_json(indent=2, exclude_unset=True) + "\n"
    adapter = RunFolder(work / stages[-1].name).adapter.read_bytes()
    write_file(model / log_name(domain), log.encode(), force=True)
    write_file(model / name, adapter, force=True)
    write_file(model / OPTIONS_FILE, said.encode(), force=True)
    return model / name
