"""A small run on disk for the tests: drawn people, edits drawn too, verdicts and likenesses made up.

    folder = write_run(tmp_path / "run")               all of it: 4 sources, 2 targets each, 3 strengths
    folder = begin_run(tmp_path / "run"); make_edits(folder); judge_run(folder); measure_run(folder)

Three edits go wrong on the way: UNMADE has no picture, REFUSED no verdict, FACELESS no likeness.
"""

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from PIL import Image

from pixelsmile.benchmarks.run_folder import (
    EditKey,
    EditRecord,
    RunFolder,
    Spec,
    TaskRecord,
)
from pixelsmile.benchmarks.scorers.identity import IdentitySettings
from pixelsmile.benchmarks.scorers.judged import JudgeSettings, judge_stem
from pixelsmile.benchmarks.scorers.scorer import ScoreRecord, keep_record
from pixelsmile.benchmarks.scores import IDENTITY, NO_FACE, Score, score_of
from pixelsmile.hashing import sha256_bytes
from pixelsmile.judges import (
    JudgeIdentity,
    NoVerdict,
    Outcome,
    Verdict,
)
from pixelsmile.portraits import Portrait, action_units, draw_portrait, sample_identity, scores
from pixelsmile.store.json_lines import LineWriter
from pixelsmile.store.manifests import current_code
from pixelsmile.store.publication import write_file

STRENGTHS = (0.0, 0.5, 1.0)
# By source: style, and its targets.
SOURCES = {
    "human-0": ("human", ("happy", "fear")),
    "human-1": ("human", ("angry", "surprised")),
    "anime-0": ("anime", ("happy", "disgust")),
    "anime-1": ("anime", ("confused", "surprised")),
}
ENCODERS = ("arcface", "adaface", "facenet")
SIZE_PX = 64

UNMADE: EditKey = ("human-1", "angry", 0.5)
REFUSED: EditKey = ("human-0", "happy", 1.0)
FACELESS: EditKey = ("anime-1", "confused", 1.0)
FAILURE = "the process ended with code 1"


def write_run(path: Path, **settings) -> RunFolder:
    """A run with edits, one judge's verdicts, and likenesses; `settings` are those of `example_spec`."""
    folder = begin_run(path, **settings)
    make_edits(folder)
    judge_run(folder)
    measure_run(folder)
    return folder


def example_spec(
    strengths: Sequence[float] = STRENGTHS, editor: str = "truth", seed: int = 42, created: int = 0
) -> Spec:
    """A specification of a run on the people of SOURCES; `created` in seconds after 1 January 2026."""
    return Spec(
        created=datetime(2026, 1, 1, 0, 0, created, tzinfo=UTC),
        hardware={"device": "cpu", "num_cores": 2},
        code=current_code(),
        benchmark={"name": "drawn-ffe-example", "sha256": "0" * 64},
        editor={"name": editor},
        setting="linear" if len(strengths) > 1 else "general",
        strengths=tuple(strengths),
        seed=seed,
        tasks=tuple(
            TaskRecord(
                source=source,
                target=target,
                domain=domain,
                prompt=f"make this face {target}",
                face_box=drawn((source, "neutral", 0.0)).truth.face_box,
            )
            for source, (domain, targets) in SOURCES.items()
            for target in targets
        ),
    )


def begin_run(path: Path, **settings) -> RunFolder:
    """The specification and the sources."""
    folder = RunFolder(path)
    spec = folder.begin(example_spec(**settings))
    for source in dict.fromkeys(task.source for task in spec.tasks):
        write_file(folder.source_file(source), png_of(drawn((source, "neutral", 0.0)).image))
    return folder


def make_edits(folder: RunFolder, keys: Iterable[EditKey] | None = None) -> None:
    """Draw the edits of `keys` (None: all), as an editor without a fault would; all but UNMADE."""
    with LineWriter(folder.edits_file) as lines:
        for key in folder.spec().edit_keys() if keys is None else keys:
            if key == UNMADE:
                lines.write(edit_record(key, failure=FAILURE))
                continue
            png = png_of(drawn(key).image)
            write_file(folder.path / folder.edit_name(key), png, force=True)
            lines.write(edit_record(key, file=folder.edit_name(key), sha256=sha256_bytes(png), seconds=0.1))


def judge_run(folder: RunFolder, name: str = "drawing", share: float = 1.0) -> JudgeIdentity:
    """The verdicts of a judge who sees `share` of what was drawn; REFUSED alone it does not judge."""
    identity = example_identity(name)
    keep_judge(folder, identity)
    with LineWriter(scores_file(folder, judge_stem(identity.id))) as lines:
        for key, record in folder.edits().items():
            if record.sha256 is not None:
                lines.write(verdict_record(record, outcome_of(key, identity, share)))
    return identity


def measure_run(folder: RunFolder) -> None:
    """Likenesses that fall with the strength, from 1 by 0.2; FACELESS has none."""
    settings = IdentitySettings(
        detector="drawn",
        detector_sha256="1" * 64,
        encoders={name: f"{place}" * 64 for place, name in enumerate(ENCODERS)},
    )
    keep_record(folder.path / "identity.json", settings)
    with LineWriter(scores_file(folder, IDENTITY)) as lines:
        for key, record in folder.edits().items():
            if record.sha256 is not None:
                lines.write(identity_record(record, None if key == FACELESS else 1 - 0.2 * key[2]))


def keep_judge(folder: RunFolder, identity: JudgeIdentity) -> None:
    """Note who judges, as a scorer does before its first score."""
    keep_record(folder.path / f"{judge_stem(identity.id)}.json", JudgeSettings.of(identity))


@cache
def drawn(key: EditKey) -> Portrait:
    """The truth of an edit: the person with the expression at that strength."""
    source, target, strength = key
    domain, number = source.split("-")
    return draw_portrait(sample_identity(int(number)), units_of(target, strength), domain, SIZE_PX)


def units_of(target: str, strength: float):
    return action_units("neutral") if target == "neutral" else action_units(target, strength)


def outcome_of(key: EditKey, identity: JudgeIdentity, share: float = 1.0) -> Outcome:
    if key == REFUSED:
        return NoVerdict(identity.id, "refused", "a face that it will not judge")
    found = {name: share * score for name, score in scores(units_of(key[1], key[2])).items()}
    dominant = max(found, key=found.__getitem__) if max(found.values()) > 0 else "neutral"
    return Verdict(identity.id, found, dominant, ("an answer",))


def example_identity(name: str) -> JudgeIdentity:
    return JudgeIdentity("example", name, "expression-scores/1", "2" * 64, {})


def edit_record(key: EditKey, **rest) -> EditRecord:
    return EditRecord(source=key[0], target=key[1], strength=key[2], **rest)


def verdict_record(record: EditRecord, outcome: Outcome) -> ScoreRecord:
    return score_record(record, score_of(outcome))


def identity_record(record: EditRecord, cosine: float | None) -> ScoreRecord:
    cosines = dict.fromkeys(ENCODERS, cosine)
    return score_record(record, Score(values=cosines, unscored=NO_FACE if cosine is None else None))


def score_record(record: EditRecord, score: Score) -> ScoreRecord:
    named = {"source": record.source, "target": record.target, "strength": record.strength}
    return ScoreRecord(**named, edit_sha256=record.sha256 or "", score=score)


def scores_file(folder: RunFolder, place: str) -> Path:
    return folder.path / f"{place}.jsonl"


def png_of(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
