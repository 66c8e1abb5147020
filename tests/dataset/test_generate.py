"""Generating: what editors are asked, what becomes of what they make, and that nothing is paid for twice."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from dataset.dataset_examples import SIZE_PX, contents, people
from model_examples import OPENAI_KEY
from model_server import Images, JudgeServer, SayingServer, at_random, refusal
from PIL import Image
from pydantic import ValidationError

from pixelsmile.dataset.build import build
from pixelsmile.dataset.config import BuildConfig
from pixelsmile.dataset.dry_run import outlook
from pixelsmile.dataset.edit_config import GenerateSettings
from pixelsmile.dataset.explain import explain, explanation
from pixelsmile.dataset.generate import Generate, price_words
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.editors.editor import Capabilities
from pixelsmile.errors import InputError
from pixelsmile.portraits import ActionUnits, action_units, draw_portrait, sample_identity
from pixelsmile.portraits.action_units import parse_units
from pixelsmile.remote import RemoteError

SWEEPS = {"expressions": {"targets": ["happy", "fear"], "strengths": [0.5, 1]}}
TOLD = {"instructions": {"num_targets": 2}}


def run(folder: Path, config: BuildConfig, **options) -> StepFolder:
    for _ in build(folder, config, **options):
        pass
    return StepFolder(folder / "generate")


def edits(step_folder: StepFolder, *, rejected: bool = False) -> list[Row]:
    return [row for row in step_folder.all_rows(rejected=rejected) if row.base is not None]


def pixels(folder: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(folder / name))


def drawn(row: Row, units: ActionUnits) -> np.ndarray:
    return np.asarray(draw_portrait(sample_identity(row.identity_seed), units, row.domain, SIZE_PX).image)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generate") / "truth"
    run(folder, people(3, compose=SWEEPS, generate={"editor": "truth"}), num_workers=1)
    return folder


def test_the_truth_draws_the_units_at_their_strength(truth):
    found = edits(StepFolder(truth / "generate"))
    assert len(found) == 3 * 2 * 2
    for row in found:
        units = ActionUnits(**parse_units(row.units)).scaled(row.strength)
        assert np.array_equal(pixels(truth, row.picture), drawn(row, units))
        assert (row.editor, row.width_px, row.height_px) == ("truth", SIZE_PX, SIZE_PX)
        assert row.picture == f"pictures/{row.sha256[:2]}/{row.sha256}.png"


def test_the_same_with_processes(truth, tmp_path):
    config = people(3, compose=SWEEPS, generate={"editor": "truth"})
    run(tmp_path / "again", config, num_workers=2)
    assert contents(tmp_path / "again") == contents(truth)


def test_from_a_base_with_an_expression(tmp_path):
    """A sweep goes from what is shown to the target; an instruction asks for the target at its strength."""
    source = {"num_people": 1, "size_px": SIZE_PX, "expressions": ["happy"], "strength": 0.8}
    config = people(
        1,
        collect={"drawn": {"us": source}, "min_side_px": SIZE_PX},
        compose={
            "expressions": {"bases": ["happy"], "targets": ["sad"], "strengths": [0.25]},
            "instructions": {"targets": ["sad", "neutral"]},
        },
        generate={"editor": "truth"},
    )
    folder = tmp_path / "set"
    sweep, told, rest = sorted(
        edits(run(folder, config)), key=lambda row: (row.expression != "sad", row.granularity or "")
    )
    start = action_units("happy", 0.8, sweep.variant).as_tuple()
    end = ActionUnits(**parse_units(sweep.units)).as_tuple()
    on_the_way = ActionUnits(*(a + 0.25 * (b - a) for a, b in zip(start, end, strict=True)))
    assert np.array_equal(pixels(folder, sweep.picture), drawn(sweep, on_the_way))
    units = ActionUnits(**parse_units(told.units)).scaled(told.strength)
    assert np.array_equal(pixels(folder, told.picture), drawn(told, units))
    assert np.array_equal(pixels(folder, rest.picture), drawn(rest, ActionUnits()))


def in_a_folder(folder: Path, rows: list[Row], size: tuple[int, int]) -> Path:
    for row in rows:
        place = folder / row.base
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "red").save(place / f"{row.expression}_{row.strength:g}.png")
    return folder


@pytest.mark.parametrize(
    ("size", "other_size", "becomes"),
    [
        ((256, 256), "resize", SIZE_PX),
        ((256, 256), "keep", 256),
        ((256, 256), "reject", "other size"),
        ((256, 200), "resize", "other size"),
        ((SIZE_PX, SIZE_PX), "reject", SIZE_PX),
    ],
)
def test_edits_of_another_size(truth, tmp_path, size, other_size, becomes):
    rows = [row for row in StepFolder(truth / "generate").rows(0) if row.base is None or row.strength == 1]
    made = in_a_folder(tmp_path / "made", [row for row in rows if row.base], size)
    asked = [row.updated(picture=None, sha256=None) if row.base else row for row in rows]
    step = Generate(truth, GenerateSettings(editor=f"folder:{made}", other_size=other_size))
    found = [row for row in step(asked) if row.base is not None]
    step.close()
    assert [row.reason or row.width_px for row in found] == [becomes] * len(found)
    if becomes == "other size":
        assert found[0].detail == f"{size[0]} x {size[1]} px of a base of {SIZE_PX} x {SIZE_PX}"


def test_what_an_editor_does_not_make(truth, tmp_path):
    rows = list(StepFolder(truth / "compose").rows(0))
    made = in_a_folder(tmp_path / "made", [row for row in rows if row.base][:1], (SIZE_PX, SIZE_PX))
    step = Generate(truth, GenerateSettings(editor=f"folder:{made}"))
    found = step(rows)
    step.close()
    assert [row.reason for row in found[:3]] == [None, None, "no edit"]
    assert found[2].detail == "the folder has no picture at this strength, only at 0.5"
    assert [row.id for row in found] == [row.id for row in rows]


def at(url: str, **settings) -> dict[str, object]:
    return {"editor": f"openai-images:m@{url}/v1", "key_env": "OPENAI_API_KEY", **settings}


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)


def test_a_server_is_asked_each_edit_in_its_own_words_and_once(key, tmp_path):
    compose = {"expressions": {"targets": ["happy"], "strengths": [0.25, 1], "prompt": "dual"}}
    folder = tmp_path / "set"
    with JudgeServer(at_random(0.3, ("429", "500", "closed"))) as server:
        config = people(4, compose=compose, generate=at(server.url, price=0.04, max_requests=5))
        with pytest.raises(RemoteError, match=r"budget is spent.* with the same command"):
            run(folder, config)
        good = sum(server.answered.values())
        assert 0 < good <= 5
        more = config.model_copy(
            update={"generate": config.generate.model_copy(update={"max_requests": None})}
        )
        notes = [event.note for event in build(folder, more)]
        assert sum(server.answered.values()) == 8
        step_folder = StepFolder(folder / "generate")
        assert len(edits(step_folder)) == 8
        assert (
            len({row.sha256 for row in edits(step_folder)}) == 4
        )  # the server makes the negative, whatever it is told
        assert any(note.startswith("at most 8 edits, $0.32 to $1.28 at $0.04 a call") for note in notes)
        run(folder, more, redo="generate")
        assert sum(server.answered.values()) == 8  # all from the cache
    told = {row.prompt for row in edits(step_folder)}
    assert len(told) == len({row.combination for row in edits(step_folder)}) * 2
    assert all(", barely noticeable: " in words or ", strong: " in words for words in told)


def test_what_a_server_refuses_is_rejected(key, tmp_path):
    def say(request, number):
        if number == 2:
            return refusal(400, "safety", code="moderation_blocked")
        protocol = Images()
        protocol.picture(request)
        return protocol.answer("", None)

    compose = {"expressions": {"targets": ["happy"], "strengths": [1]}}
    with SayingServer(say) as server:
        config = people(3, compose=compose, generate=at(server.url, max_concurrency=1))
        step_folder = run(tmp_path / "set", config)
    assert [row.reason for row in edits(step_folder, rejected=True)] == ["refused"]
    assert len(edits(step_folder)) == 2


def test_a_server_that_is_not_there_ends_the_build_and_nothing_is_rejected(key, tmp_path):
    compose = {"expressions": {"targets": ["happy"], "strengths": [1]}}
    config = people(2, compose=compose, generate=at("http://127.0.0.1:9"))
    with pytest.raises(InputError):
        run(tmp_path / "set", config)
    assert edits(StepFolder(tmp_path / "set/generate"), rejected=True) == []


def test_explain_tells_of_an_edit(truth):
    row = edits(StepFolder(truth / "generate"))[0]
    found = dict(explain(truth, row.id))
    assert list(found) == ["compose", "generate"]
    words = explanation(truth, "compose", found["compose"])
    assert words[0] == f"edit of {row.base}, which shows neutral at 0"
    assert words[1] == f"asked for happy at 0.5, {row.combination}"
    assert explanation(truth, "generate", row)[0] == "editor truth"


def test_what_a_build_would_do(truth, tmp_path):
    config = people(3, compose={**SWEEPS, **TOLD}, generate={"editor": "truth"})
    lines = list(outlook(tmp_path / "none", config))
    assert lines[0] == "collect: 3 pictures"
    assert "compose: at most 18 edits of at most 3 bases" in lines
    assert lines[-1] == "generate: at most 18 edits by truth"
    assert not (tmp_path / "none").exists()
    done = list(outlook(truth, people(3, compose=SWEEPS, generate={"editor": "truth"})))
    assert done[-1] == "generate: done, 15 pictures"


def test_what_a_service_lacks_is_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for generate, line in (
        ({"editor": "gpt-image-1.5"}, "OPENAI_API_KEY"),
        ({"editor": "gpt-image-1.5", "max_cost": 3}, "give the most that one may cost as price"),
        ({"editor": "openai-images:m@localhost:1"}, "write MODEL@http://localhost:1"),
    ):
        config = people(1, compose=TOLD, generate=generate)
        with pytest.raises(InputError, match=line):
            run(tmp_path / "set", config)
        assert not (tmp_path / "set").exists()


def test_a_finished_step_needs_no_key(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("pixelsmile.dataset.build.check_editor", asked.append)
    config = people(1, compose=SWEEPS, generate={"editor": "truth"})
    for redo, num_asked in ((None, 1), (None, 1), ("generate", 2), ("compose", 3)):
        run(tmp_path / "set", config, num_workers=0, redo=redo)
        assert len(asked) == num_asked


def test_prices():
    asked = GenerateSettings(editor="openai-images:m", price=Decimal("0.04"), max_cost=Decimal(5))
    said = "at most 1,000 edits, $40.00 to $160.00 at $0.04 a call; this run ends at $5"
    assert price_words(asked, 1000) == said
    assert "price is not known" in price_words(GenerateSettings(editor="openai-images:m"), 5)
    assert price_words(GenerateSettings(editor="truth"), 5) == ""


@pytest.mark.parametrize(
    ("generate", "problem"),
    [
        ({"editor": "pixelsmile"}, "give the model: geometric"),
        ({"editor": "trut"}, "did you mean truth"),
        ({}, "editor"),
    ],
)
def test_settings_that_cannot_be(generate, problem):
    with pytest.raises(ValidationError, match=problem):
        people(compose=SWEEPS, generate=generate)


def test_editors_that_know_too_little():
    photographs = {"folders": {"a": {"path": "x"}}}
    with pytest.raises(ValidationError, match="draws people by their seeds, and source a has none"):
        people(collect=photographs, compose=SWEEPS, generate={"editor": "truth"})
    with pytest.raises(ValidationError, match="knows strengths by their words alone"):
        people(compose=SWEEPS, generate={"editor": "openai-images:m"})
    looks = {"strengths": [1.0], "prompt": "expression", "num_combinations": 3}
    with pytest.raises(
        ValidationError, match=r"3 looks of a target .* give compose.expressions prompt: dual, or"
    ):
        people(compose={"expressions": looks}, generate={"editor": "openai-images:m"})
    simple = {"instructions": {"tell": "simple", "num_combinations": 2}}
    with pytest.raises(ValidationError, match=r"2 looks of a target .* compose.instructions tell: dense, or"):
        people(compose=simple, generate={"editor": "openai-images:m"})
    people(compose=simple, generate={"editor": "truth"})
    with pytest.raises(ValidationError, match="known by their base, target and strength"):
        people(compose={**SWEEPS, **TOLD}, generate={"editor": "folder:x"})


@pytest.mark.parametrize(
    ("prompt", "asked"), [("expression", [[0.5, 1.0]]), ("dual", [[1.0], [1.0]])], ids=["expression", "dual"]
)
def test_editors_that_are_told_degrees_are_told_those_of_a_prompt_once(prompt, asked, tmp_path):
    plan = {"expressions": {"targets": ["happy"], "strengths": [0.5, 1], "prompt": prompt}}
    for _ in build(tmp_path / "set", people(1, compose=plan, generate={"editor": "truth"})):
        pass
    rows = list(StepFolder(tmp_path / "set" / "compose").all_rows())
    step = Generate(tmp_path / "set", GenerateSettings(editor="seedream-4.5"))
    sweeps = list(step._sweeps(rows, Capabilities(degrees=True)))
    assert [sorted(sweep.rows) for sweep in sweeps] == asked


def test_editors_of_the_table_in_a_configuration():
    people(compose=SWEEPS, generate={"editor": "seedream-4.5"})
    people(compose=SWEEPS, generate={"editor": "uniworld-v2"})
    people(compose=SWEEPS, generate={"editor": "flux-kontext-dev", "model": "somewhere", "steps": 8})
    with pytest.raises(ValidationError, match="instruct-pix2pix knows strengths by their words alone"):
        people(compose=SWEEPS, generate={"editor": "instruct-pix2pix"})
    with pytest.raises(ValidationError, match="did you mean seedream-4"):
        people(compose=SWEEPS, generate={"editor": "sedream"})
    paid = price_words(GenerateSettings(editor="nano-banana-pro"), 100)
    assert paid == "at most 100 edits, $13.60 to $54.40 at $0.136 a call"
    assert "the price is not known" in price_words(GenerateSettings(editor="gpt-image-1.5"), 100)
    assert not price_words(GenerateSettings(editor="flux-kontext-dev"), 100)
