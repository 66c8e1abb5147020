"""Text kinds: benchmarks, studies, runs, training data, answers of judges, command lines."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from kind import Kind, command, file_named, quiet
from PIL import Image


def table_kinds(shop: Path) -> dict[str, Kind]:
    """Benchmarks of one's own, folders of edits, studies: JSON lines, lists, CSV, Parquet."""
    import pyarrow
    from pyarrow import parquet

    Image.new("RGB", (64, 64), "tan").save(shop / "a.png")
    picture = (shop / "a.png").read_bytes()
    (shop / "stills").mkdir()
    (shop / "stills" / "still.png").write_bytes(picture)
    mine = b'{"image": "a.png", "category": "happy", "face_box": [4, 4, 40, 40], "domain": "human"}\n'
    mine += b'{"image": "a.png", "category": "sad", "domain": "anime"}\n'
    fed = [
        {
            "id": "t1",
            "source": "still.png",
            "truth": "a.png",
            "class": "happy",
            "dense_instruction": "smile",
            "simple_instruction": "x",
        }
    ]
    edits = b"".join(
        b'{"source": "a", "target": "%s", "strength": 1.0, "file": "a.png"}\n' % name
        for name in (b"happy", b"sad")
    )
    table = pyarrow.table(
        {"image": [{"bytes": picture, "path": "a.png"}], "category": ["happy"], "domain": ["human"]}
    )
    stored = io.BytesIO()
    parquet.write_table(table, stored)
    key = {
        "schema_version": 1,
        "study": "abc",
        "seed": 0,
        "strengths": [0.0, 1.0],
        "editors": {"A": {}, "B": {}},
        "tasks": {"t": {"source": "s", "target": "happy", "sweeps": {"c1": "A", "c2": "B"}}},
    }
    (shop / "key.json").write_text(json.dumps(key))
    answers = b"study,rater,task,question,code,rank\r\n" + b"".join(
        b"abc,r,t,%s,%s,%d\r\n" % (question, code, rank)
        for question in (b"continuity", b"identity")
        for rank, code in enumerate((b"c1", b"c2"), 1)
    )
    (shop / "answers.csv").write_bytes(answers)

    def beside(name: str) -> Callable[[bytes, Path], Path]:
        def place(data: bytes, folder: Path) -> Path:
            path = file_named(name)(data, folder)
            path.with_name("a.png").write_bytes(picture)
            return path

        return place

    def ffe(path: Path, editor: str = "copy", benchmark: Path | None = None) -> str | None:
        return command(
            "bench",
            "ffe",
            "run",
            "--benchmark",
            str(benchmark or path),
            "--editor",
            editor,
            "--setting",
            "general",
            "-q",
            "-o",
            str(path.parent / "run"),
        )

    def fed_run(path: Path) -> str | None:
        return command(
            "bench",
            "fed",
            "run",
            "--benchmark",
            str(path.parent),
            "--sources",
            str(shop / "stills"),
            "--editor",
            "copy",
            "-q",
            "-o",
            str(path.parent.parent / "run"),
        )

    def rank(path: Path) -> str | None:
        return command("bench", "study", "rank", str(path), "--key", str(shop / "key.json"))

    (shop / "mine.jsonl").write_bytes(mine)
    return {
        "mine": Kind([mine], beside("mine.jsonl"), ffe),
        "ffehub": Kind(
            [json.dumps([json.loads(line) for line in mine.splitlines()]).encode()],
            beside("bench/metadata.json"),
            lambda path: ffe(path.parent),
        ),
        "parquet": Kind([stored.getvalue()], beside("bench/x.parquet"), lambda path: ffe(path.parent)),
        "fedhub": Kind([json.dumps(fed).encode()], beside("bench/metadata.json"), fed_run),
        "foldereditor": Kind(
            [edits],
            beside("edits/manifest.jsonl"),
            lambda path: ffe(path, f"folder:{path.parent}", shop / "mine.jsonl"),
        ),
        **dict.fromkeys(("answers", "csv"), Kind([answers], file_named("answers.csv"), rank)),
        "studykey": Kind(
            [json.dumps(key).encode()],
            file_named("key.json"),
            lambda path: command("bench", "study", "rank", str(shop / "answers.csv"), "--key", str(path)),
        ),
    }


def run_kinds(shop: Path) -> dict[str, Kind]:
    """Files of a run folder, edited by hand: the report reads them all."""
    whole = shop / "run"
    command("bench", "ffe", "run", "--samples", "2", "--editor", "truth", "-q", "-o", str(whole))
    command("bench", "ffe", "judge", str(whole), "-q", "--cache", str(shop / "cache.sqlite"))
    files = [path.relative_to(whole) for path in sorted(whole.rglob("*.json*"))]

    def kind(file: Path) -> Kind:
        def place(data: bytes, folder: Path) -> Path:
            shutil.copytree(whole, folder / "run")
            (folder / "run" / file).write_bytes(data)
            return folder / "run"

        def read(path: Path) -> str | None:
            return command("bench", "ffe", "report", str(path), "--force")

        return Kind([(whole / file).read_bytes()], place, read)

    found = {}
    for file in files:
        in_judges = "judge" if file.parent.name == "judges" else ""
        name = in_judges or file.stem
        found[
            "run_"
            + {"spec": "spec", "judge": "jr"}.get(name, name)
            + ("lines" if file.suffix == ".jsonl" else "")
        ] = kind(file)
    return found


def training_kinds(shop: Path) -> dict[str, Kind]:
    """Configurations, triplets, annotated pictures, plans of drawn triplets, checkpoints."""
    from pixelsmile.store.configuration import read_configuration
    from pixelsmile.training import preset_path
    from pixelsmile.training.checkpoint import Checkpoints
    from pixelsmile.training.config import TrainingConfig

    recipe = preset_path("embedded").read_bytes()
    scores = {
        name: 0.0
        for name in (
            "angry",
            "confused",
            "contempt",
            "confident",
            "disgust",
            "fear",
            "happy",
            "sad",
            "shy",
            "sleepy",
            "surprised",
            "anxious",
        )
    }
    annotated = b"\n".join(
        json.dumps(
            {
                "image": f"{who}{name}.png",
                "identity": f"p{who}",
                "category": name,
                "scores": scores if name == "neutral" else {**scores, name: 1.0},
            }
        ).encode()
        for who in range(2)
        for name in ("fear", "surprised", "neutral")
    )
    command("triplets", "draw", "-n", "1", "--size", "32", "-q", "-o", str(shop / "drawn"))
    drawn = shop / "drawn"
    facts = {"facts": {"step": 1, "config": "a", "data": "b", "global_batch": 1}, "files": {}}

    def place_drawn(file: str) -> Callable[[bytes, Path], Path]:
        def place(data: bytes, folder: Path) -> Path:
            shutil.copytree(drawn, folder / "drawn")
            (folder / "drawn" / file).write_bytes(data)
            return folder / "drawn"

        return place

    def place_annotated(data: bytes, folder: Path) -> Path:
        for who in range(2):
            for name in ("fear", "surprised", "neutral"):
                Image.new("RGB", (64, 64), "tan").save(folder / f"{who}{name}.png")
        return file_named("x.jsonl")(data, folder)

    def place_checkpoint(data: bytes, folder: Path) -> Path:
        step = folder / "checkpoints" / "step-00000001"
        step.mkdir(parents=True)
        (step / "facts.json").write_bytes(data)
        for path in step.parent.iterdir():
            (path / "state.json").write_bytes(data)
        return step.parent

    def change(path: Path) -> None:
        text = path.read_text("utf-8", "surrogateescape")
        read_configuration(shop / "ok.yaml", TrainingConfig, ["data.triplets=a.jsonl", text])

    (shop / "ok.yaml").write_bytes(recipe)
    return {
        "yaml": Kind(
            [recipe],
            file_named("x.yaml"),
            quiet(lambda path: read_configuration(path, TrainingConfig, ["data.triplets=a.jsonl"])),
        ),
        "set": Kind(
            [
                b"data.triplets=b.jsonl",
                b"run.num_steps=50",
                b"optimiser.learning_rate=1.0e-3",
                b"data.window=null",
            ],
            file_named("x.txt"),
            quiet(change),
        ),
        "annotated": Kind(
            [annotated],
            place_annotated,
            lambda path: command("triplets", "build", str(path), "-o", str(path.with_name("y.jsonl"))),
        ),
        "triplets": Kind(
            [(drawn / "triplets.jsonl").read_bytes()],
            place_drawn("triplets.jsonl"),
            lambda path: command("triplets", "check", "--open", str(path / "triplets.jsonl")),
        ),
        "plan": Kind(
            [(drawn / "plan.json").read_bytes()],
            place_drawn("plan.json"),
            lambda path: command("triplets", "draw", "-n", "1", "--size", "32", "-q", "-o", str(path)),
        ),
        "checkpoint": Kind(
            [json.dumps(facts).encode()],
            place_checkpoint,
            quiet(lambda path: Checkpoints(path, 1).latest()),
        ),
    }


def judge_kinds(shop: Path) -> dict[str, Kind]:
    """What a model answers to a judge's questions. An answer that is none is a UnusableReplyError."""
    from pixelsmile.judges.rubrics import EXPRESSION_SCORES, FED_QUALITY
    from pixelsmile.remote import ScriptedProvider, UnusableReplyError

    names = (
        "Happiness",
        "Sadness",
        "Anger",
        "Fear",
        "Surprise",
        "Disgust",
        "Embarrassment",
        "Confidence",
        "Confusion",
        "Drowsiness",
        "Contempt",
        "Nervousness",
    )
    answer = json.dumps({"scores": {name: 0.1 for name in names}, "dominant": "Happiness"})
    valid = [
        answer,
        f"<think>so {{}} far</think>\n```json\n{answer}\n```",
        '{"score": 7, "reason": "good"}',
        f"It is: {answer}.",
    ]

    def read(path: Path) -> None:
        text = path.read_bytes().decode("utf-8", "replace")
        for rubric in (EXPRESSION_SCORES, FED_QUALITY):
            try:
                rubric.read(text)
            except UnusableReplyError as error:
                if len(str(error)) > 2000:
                    raise AssertionError("a malformed answer fills pages") from error

    bodies = [_chat_body(answer), _content_body(answer), _IMAGES]
    return {
        "answer": Kind([text.encode() for text in valid], file_named("x.txt"), quiet(read)),
        "reply": Kind(bodies, file_named("x.json"), quiet(_read_body)),
        "cache": _cache_kind(shop),
        "script": Kind(
            [json.dumps({"picture": "0" * 64, "answer": json.loads(answer)}).encode()],
            file_named("x.jsonl"),
            quiet(ScriptedProvider.from_file),
        ),
    }


_IMAGES = json.dumps({"data": [{"b64_json": "iVBORw0KGgo" + "A" * 1100}], "usage": None}).encode()


def _chat_body(answer: str) -> bytes:
    choice = {"message": {"content": [{"type": "text", "text": answer}]}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": {"total_tokens": 9}, "error": None}).encode()


def _content_body(answer: str) -> bytes:
    candidate = {"content": {"parts": [{"text": "so", "thought": True}, {"text": answer}]}}
    return json.dumps({"candidates": [candidate], "usageMetadata": {"totalTokenCount": 9}}).encode()


def _read_body(path: Path) -> None:
    """What all providers do with what a server says, whatever its status is."""
    from pixelsmile.remote import openai_images
    from pixelsmile.remote.answers import Answer, error_of, without_pictures
    from pixelsmile.remote.gemini import read_content
    from pixelsmile.remote.openai_chat import read_completion

    body = path.read_bytes().decode(errors="replace")
    answer = Answer(200, {}, *without_pictures(body))
    for status in (200, 400, 500):
        error_of(Answer(status, {}, body))
    for reply in (read_completion(answer), read_content(answer), openai_images.read_images(answer)):
        reply.transcript.encode(), reply.text.encode()


def _cache_kind(shop: Path) -> Kind:
    """A cache of verdicts with one in it: the file of a database."""
    from pixelsmile.expressions import EXPRESSIONS
    from pixelsmile.judges import (
        JudgeIdentity,
        Question,
        Verdict,
        VerdictCache,
        cache_key,
    )

    judge = JudgeIdentity("p", "m", "r", "00", {})
    question = Question.read(Image.new("RGB", (32, 32)), "human")
    with VerdictCache(shop / "fuzzed.sqlite") as cache:
        cache.keep(judge, question, Verdict(judge.id, dict.fromkeys(EXPRESSIONS, 0.5), "happy", ("raw",)))

    def read(path: Path) -> None:
        with VerdictCache(path) as cache:
            cache.find(cache_key(judge, question))
            cache.has_verdicts(judge)

    return Kind([(shop / "fuzzed.sqlite").read_bytes()], file_named("x.sqlite"), quiet(read))


def argument_kind(shop: Path) -> Kind:
    """Command lines: a word a line."""
    valid = [
        "edit a.png -e happy -s 0 0.5",
        "edit a.png --face 1=happy --context 2 --steps 3",
        "edit a.png --blend happy=1,sad=2",
        "portrait --seed 7 --expression happy=0.8 --size 64",
        "faces a.png --detector cascade",
        "likeness a.png b.png",
        "bench ffe run --samples 2 --strengths 0 1 --editor truth",
        "bench fed bias --samples 1",
        "expressions",
        "train embedded --set run.num_steps=2 --dry-run",
        "triplets draw -n 2 --size 32",
        "models list",
        "help edit",
    ]

    def read(path: Path) -> str | None:
        words = path.read_text("utf-8", "surrogateescape").split("\n")
        words = [word.replace("\0", "") for word in words if word]
        if words[:1] != ["edit"]:
            words = [*words, "--no-such-option"]  # parse all, do nothing
        return command(*words, *(["--model", str(shop / "none")] if words[:1] == ["edit"] else []))

    return Kind(["\n".join(line.split()).encode() for line in valid], file_named("x.txt"), read)
