"""The table of editors: whole, true to the code that it names, and asked in its words."""

import inspect
import re
from pathlib import Path

import diffusers
import pytest
from benchmarks.quick_benchmark import TASKS
from editors.editor_examples import a_task, sweep
from PIL import Image

from pixelsmile import remote
from pixelsmile.benchmarks.published import published_table
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editors.choice import (
    EditorChoice,
    own_model,
    own_settings,
    parse_editor,
    remote_settings,
)
from pixelsmile.editors.editor import Capabilities, EditOutcome, check_tasks
from pixelsmile.editors.named import NamedEditor, nearest_degree, told
from pixelsmile.editors.own import OwnSettings
from pixelsmile.editors.remote import RemoteSettings
from pixelsmile.editors.services import provider_of
from pixelsmile.editors.table import (
    CommandRun,
    NobodyRun,
    PipelineRun,
    ServiceRun,
    Table,
    find_row,
    image_services,
    read_table,
    rows,
)
from pixelsmile.errors import InputError

ROOT = Path(__file__).parents[2]
GREY = Image.new("RGB", (40, 40), (90, 90, 90))
HAPPY = "Edit the person to show a happy expression"
PIPELINES = [row for row in rows().values() if isinstance(row.run, PipelineRun)]
SERVED = [row for row in rows().values() if isinstance(row.run, ServiceRun)]


class Recorder:
    """An editor that notes what it is asked, and paints its answer."""

    max_concurrency = 2
    capabilities = Capabilities(continuous=False)

    def __init__(self) -> None:
        self.asked: list[tuple[str, float, int]] = []

    def to_record(self):
        return {"name": "recorder"}

    async def edit(self, task, picture, strengths, seed):
        for strength in strengths:
            self.asked.append((task.prompt, strength, seed))
            yield EditOutcome(strength, Image.new("RGB", picture.size, (len(self.asked), 0, 0)))

    async def close(self) -> None:
        self.asked.clear()


def test_every_row_of_the_papers_has_an_editor_and_the_other_way_round():
    in_papers = {
        (paper, row.model)
        for paper, tables in {"ffe": ("ffe_general", "ffe_linear"), "fed": ("fed",)}.items()
        for table in tables
        for row in published_table(table).rows
    }
    ours = [(paper, name) for row in rows().values() for paper, name in row.papers.items()]
    assert sorted(ours) == sorted(in_papers)


@pytest.mark.parametrize("row", PIPELINES, ids=lambda row: row.name)
def test_arguments_are_those_of_the_pipeline(row):
    taken = inspect.signature(getattr(diffusers, row.run.pipeline).__call__).parameters
    told = {"width", "height"} if row.run.fit.tell else set()
    masked = {"mask_image"} if row.run.masks_face else set()
    assert {*row.run.arguments, *told, *masked, "image", "prompt", "generator", "output_type"} <= set(taken)


@pytest.mark.parametrize("row", SERVED, ids=lambda row: row.name)
def test_services_speak_the_protocol_that_the_table_names(row, tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "BFL_API_KEY", "ARK_API_KEY", "REPLICATE_API_TOKEN"):
        monkeypatch.setenv(name, "a-secret-of-somebody-0123456789")
    choice = parse_editor(row.name)
    provider = provider_of(
        choice.service, choice.argument, remote_settings(choice, RemoteSettings()), tmp_path
    )
    assert isinstance(provider, getattr(remote, image_services()[row.run.service].provider))
    assert provider.limits.price == (row.price or 0)
    assert {**row.run.extra, **provider.parameters} == dict(provider.parameters)


@pytest.mark.parametrize("row", rows().values(), ids=lambda row: row.name)
def test_every_name_can_be_chosen_or_says_why_not(row):
    if isinstance(row.run, NobodyRun):
        with pytest.raises(InputError, match=f"{row.name} cannot be run: {row.run.why}"):
            parse_editor(row.name)
    elif isinstance(row.run, CommandRun):
        with pytest.raises(InputError, match=f"{row.name} (needs an environment|runs by examples/editors/)"):
            parse_editor(row.name)
    else:
        assert parse_editor(row.name.upper()).row in (row, None if row.name == "pixelsmile" else row)
    for other in row.also:
        assert parse_editor(other).kind == "service"


def test_a_wrapper_runs_in_an_environment_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in ("examples/editors/bagel/edit.py", "envs/bagel/bin/python"):
        with pytest.raises(InputError, match=file.partition(".")[0]):
            parse_editor("bagel")
        Path(file).parent.mkdir(parents=True)
        Path(file).write_text("")
    command = (
        "envs/bagel/bin/python examples/editors/bagel/edit.py --repository Bagel --model-path weights/bagel"
    )
    assert parse_editor("bagel") == EditorChoice("command", command, name="bagel")


@pytest.mark.parametrize(
    "row", [row for row in rows().values() if isinstance(row.run, CommandRun)], ids=lambda row: row.name
)
def test_a_wrapper_is_started_as_its_readme_and_the_page_of_all_say(row):
    wanted = f'command:"{row.run.command}"'
    assert wanted in (ROOT / row.run.readme).read_text(encoding="utf-8")
    page = (ROOT / "docs" / "foreign-editors.md").read_text(encoding="utf-8")
    typed = re.findall(rf'command:"{re.escape(row.run.python)}[^"]*"', page)
    assert set(typed) <= {wanted}


def test_people_know_better_than_the_table():
    banana = parse_editor("nano-banana-pro")
    assert remote_settings(banana, RemoteSettings()).size == "1K"
    asked = remote_settings(banana, RemoteSettings(size="4K", price=2))
    assert (asked.size, asked.price) == ("4K", 2)
    seededit = remote_settings(parse_editor("seededit-3.0"), RemoteSettings(extra={"guidance_scale": 7}))
    assert dict(seededit.extra) == {"guidance_scale": 7}
    uniworld = parse_editor("uniworld-v2")
    assert own_settings(uniworld, OwnSettings()) == OwnSettings(steps=40, wording="instruction")
    assert own_settings(uniworld, OwnSettings(steps=8)).steps == 8
    run = uniworld.row.run
    chosen = own_model(uniworld, ModelChoice(device="cpu"))
    assert (chosen.model, chosen.adapter, chosen.device) == (
        f"Qwen/Qwen-Image-Edit-2509@{run.revision}",
        run.adapters,
        "cpu",
    )
    assert own_model(uniworld, ModelChoice("mine", ("other",))) == ModelChoice("mine", ("other",))
    assert own_model(parse_editor("pixelsmile-untrained"), ModelChoice()).adapter == ()
    assert own_model(parse_editor("pixelsmile"), ModelChoice()) == ModelChoice()


def test_a_budget_of_money_needs_a_price_where_the_table_has_none(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret-of-somebody-0123456789")
    choice = parse_editor("gpt-image-1.5")
    with pytest.raises(InputError, match="give the most that one may cost as price"):
        provider_of(
            choice.service, choice.argument, remote_settings(choice, RemoteSettings(max_cost=1)), tmp_path
        )


def test_rows_say_what_they_do_not_know():
    for row in rows().values():
        if isinstance(row.run, ServiceRun) and row.price is None:
            assert any("price" in what for what in row.unsure), row.name
    bad = read_table().model_dump(mode="json")
    bad["editors"][-1]["colour"] = "red"
    with pytest.raises(ValueError, match="colour"):
        Table.model_validate(bad)


@pytest.mark.parametrize(
    ("prompt", "target", "strength", "words"),
    [
        (HAPPY, "happy", 1.0, HAPPY),
        (HAPPY, "happy", 0.25, "Edit the person to show a slightly happy expression"),
        (HAPPY, "happy", 0.1, "Edit the person to show a slightly happy expression"),
        (HAPPY, "happy", 1.5, "Edit the person to show a very happy expression"),
        (HAPPY, "happy", 2.0, "Edit the person to show an extremely happy expression"),
        (HAPPY, "happy", 0.0, "Edit the person to show a neutral expression"),
        ("Show an angry expression.", "angry", 0.5, "Show a moderately angry expression."),
        ("smile", "happy", 0.25, "smile. Make the change slight."),
        ("Smile!", "happy", 1.75, "Smile! Make the change very strong."),
        ("smile", "happy", 1.0, "smile"),
    ],
)
def test_strengths_are_told_in_words(prompt, target, strength, words):
    assert told(a_task(target, prompt), strength) == words


def test_of_two_degrees_as_near_the_weaker_is_told():
    assert nearest_degree(0.375).word == "slightly"
    assert [degree.strength for degree in read_table().words] == sorted(
        {degree.strength for degree in read_table().words}
    )


def test_an_editor_is_asked_in_words_and_once_for_each():
    inner = Recorder()
    editor = NamedEditor(find_row("seedream-4.5"), inner)
    assert (editor.max_concurrency, editor.capabilities.continuous) == (2, True)
    outcomes = sweep(editor, a_task("happy", HAPPY), GREY, (0.0, 0.2, 0.25, 1.0), 7)
    assert [outcome.strength for outcome in outcomes] == [0.0, 0.2, 0.25, 1.0]
    assert inner.asked == [
        ("Edit the person to show a neutral expression", 1.0, 7),
        ("Edit the person to show a slightly happy expression", 1.0, 7),
        (HAPPY, 1.0, 7),
    ]
    assert outcomes[1].image is outcomes[2].image
    assert editor.to_record()["editor"] == "seedream-4.5"
    assert editor.to_record()["words"][0]["word"] == "slightly"


def test_an_editor_that_takes_a_number_gets_it():
    inner = Recorder()
    outcomes = sweep(NamedEditor(find_row("k-slider"), inner), a_task("happy", HAPPY), GREY, (0.25, 1.0))
    assert [outcome.strength for outcome in outcomes] == [0.25, 1.0]
    assert inner.asked == [(HAPPY, 0.25, 0), (HAPPY, 1.0, 0)]


def test_an_editor_that_takes_none_is_asked_for_full_edits_alone():
    editor = NamedEditor(find_row("instruct-pix2pix"), Recorder())
    assert not editor.capabilities.continuous
    with pytest.raises(InputError, match="takes no strength"):
        check_tasks(editor.capabilities, TASKS, (0.0, 1.0))


def test_an_editor_that_knows_two_expressions_says_so():
    inner = Recorder()
    editor = NamedEditor(find_row("concept-slider"), inner)
    (outcome,) = sweep(editor, a_task("angry", "x"), GREY, (1.0,))
    assert (outcome.image, outcome.failure) == (None, "concept-slider knows happy, surprised alone")
    assert not inner.asked
    (outcome,) = sweep(editor, a_task("happy", "x"), GREY, (1.0,))
    assert outcome.image is not None
