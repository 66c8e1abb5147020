"""What the studio does for its pages: asked, previewed, rendered, packed; without a browser or Gradio."""

import asyncio
import base64
import io
import json
import shlex
import shutil
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("starlette", reason="the studio needs the extra `studio`")

from pixelsmile.cli.edit import parser as edit_parser
from pixelsmile.cli.edit import read_edit
from pixelsmile.cli.main import main
from pixelsmile.editing.edit_files import OutputFormat
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editing.pictures import open_source
from pixelsmile.errors import ExpressionError, InputError, PixelSmileError, StrengthError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.face import Face
from pixelsmile.portraits.action_units import UNITS
from pixelsmile.provenance.findings import inspect
from pixelsmile.results import PictureFormat
from pixelsmile.web.models import LoadingError, served
from pixelsmile.web.studio.asked import Asked, Mix, Preset, command_line
from pixelsmile.web.studio.files import Packed, names_apart
from pixelsmile.web.studio.script import server_functions
from pixelsmile.web.studio.studio import Studio, Told, preset_text, read_asked, read_preset
from pixelsmile.web.studio.visits import PREVIEW_PX, Rendered, Visits, view_of

PHOTO = Path(__file__).parents[2] / "docs" / "astronaut.jpg"
HAPPY = {"": Mix(weights={"happy": 0.6, "surprised": 0.4})}
GEOMETRIC = ModelChoice("geometric")


def asked(visit: str = "", **given: Any) -> Asked:
    return Asked(visit=visit, **{"mixes": HAPPY, **given})


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    one = Studio(served(["geometric"], ModelChoice()), tmp_path)
    yield one
    one.close()


async def opened(studio: Studio, photo: Path = PHOTO) -> tuple[str, dict[str, Any]]:
    """A page with a picture on it."""
    upload = studio.folder / "uploads" / photo.name
    upload.parent.mkdir(exist_ok=True)
    shutil.copy(photo, upload)
    visit = studio.visits.begin()
    return visit, await studio.open_upload(visit, str(upload), photo.name)


async def all_of(events: AsyncIterator[Any]) -> list[Any]:
    return [event async for event in events]


def pixels(data: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))))


def shown(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


# What the page asks for.


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ({}, "--blend happy=0.6,surprised=0.4 -s 1 --model geometric"),
        (
            {"mixes": {"": Mix(weights={"sad": 1.0, "happy": 0.0})}, "strength": 0.8},
            "-e sad -s 0.8 --model geometric",
        ),
        (
            {"mixes": {"2": Mix(units={"smirk": -0.5})}, "neutralise": 0.5},
            "--units smirk=-0.5 --face 2 -s 1 --model geometric --neutralise 0.5",
        ),
        (
            {"mixes": {"all": Mix(neutral=True)}, "strength": 0.0},
            "-e neutral --face all -s 0 --model geometric",
        ),
        (
            {"mixes": {"1": Mix(weights={"happy": 1.0}), "3": HAPPY[""], "2": Mix()}, "face": "2"},
            "--face 1=happy --face 3=happy=0.6,surprised=0.4 -s 1 --model geometric",
        ),
    ],
)
def test_the_command_says_what_the_sliders_say(given: dict[str, Any], typed: str) -> None:
    edit = asked(**given).edit(moves_units=True)
    assert command_line("a.jpg", edit, GEOMETRIC) == f"pixelsmile edit a.jpg {typed}"


def test_a_name_is_not_typed_as_an_option() -> None:
    words = shlex.split(command_line("-e.jpg", asked().edit(moves_units=True), GEOMETRIC))
    assert edit_parser().parse_args(words[2:]).photos == ["./-e.jpg"]


WEIGHTS = st.dictionaries(st.sampled_from(EXPRESSIONS), st.integers(0, 40).map(lambda n: n / 20), max_size=4)
MOVED = st.dictionaries(st.sampled_from(UNITS), st.integers(0, 40).map(lambda n: n / 20), max_size=3)


@given(weights=WEIGHTS, units=MOVED, strength=st.integers(1, 40), num=st.integers(1, 9), gif=st.booleans())
def test_the_command_is_understood_as_the_same_edit(
    weights: dict[str, float], units: dict[str, float], strength: int, num: int, gif: bool
) -> None:
    mix = Mix(weights=weights, units=units, neutral=True)
    form = OutputFormat(
        PictureFormat("jpeg", 80), grid=num > 1, animations=("gif",) if gif and num > 1 else (), mark=False
    )
    edit = asked(mixes={"1": mix}, strength=strength / 20).edit(moves_units=True, num=num, form=form)
    words = shlex.split(command_line("it's.jpg", edit, GEOMETRIC))
    assert words[:3] == ["pixelsmile", "edit", "it's.jpg"]
    read = read_edit(edit_parser().parse_args(words[2:]))
    assert [one.checked() for one in read.requests] == [one.checked() for one in edit.requests]
    assert (list(read.strengths), read.faces) == (list(edit.strengths), edit.faces)
    assert read.form == edit.form
    assert (read.options["neutralise"] or 1.0) == edit.options["neutralise"]


def test_units_go_on_top_of_what_expressions_move() -> None:
    mix = Mix(weights={"happy": 1.0}, units={"jaw_drop": 0.5, "lip_corner_pull": -2.0})
    request = mix.request()
    assert request.units is not None
    assert request.units["jaw_drop"] == pytest.approx(0.72)  # 0.22 of happy
    assert "lip_corner_pull" not in request.units  # cut at 0: nothing pulls the other way
    assert Mix(weights={"happy": 1.0}).request().expression == "happy"


@pytest.mark.parametrize(
    ("given", "num", "error", "words"),
    [
        ({"mixes": {}}, 1, InputError, "move a slider"),
        ({"mixes": {"": Mix(weights={"hapy": 1.0})}}, 1, ExpressionError, "happy"),
        ({"mixes": {"": Mix(weights={"happy": 3.0})}}, 1, StrengthError, "3"),
        ({"mixes": {"": Mix(units={"jaw": 1.0})}}, 1, ExpressionError, "jaw_drop"),
        ({"strength": 0.0}, 5, StrengthError, "raise it"),
        ({}, 99, StrengthError, "99"),
        ({"mixes": {"all": HAPPY[""], "1": HAPPY[""]}}, 1, InputError, "reset one"),
        ({"mixes": {"2": Mix(units={"smirk": 1.0}), "1": HAPPY[""]}}, 1, InputError, "one face at a time"),
    ],
)
def test_what_cannot_be_made_is_refused(
    given: dict[str, Any], num: int, error: type[InputError], words: str
) -> None:
    with pytest.raises(error, match=words):
        asked(**given).edit(moves_units=True, num=num)


ANYTHING = st.recursive(
    st.none() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner),
)


@settings(max_examples=40)
@given(ANYTHING)
def test_nonsense_from_a_page_is_refused_in_one_line(value: Any) -> None:
    with pytest.raises(InputError) as refused:
        read_asked(value)
    assert len(str(refused.value)) <= 300


def test_a_preset_comes_back_as_it_was_kept() -> None:
    one = asked(mixes={"1": Mix(weights={"sad": 0.4}, units={"smirk": -0.2})}, face="1", strength=1.2)
    preset = read_preset(preset_text(one, "blue"))
    assert (preset.name, preset.strength) == ("blue", 1.2)
    assert (preset.weights, preset.units) == ({"sad": 0.4}, {"smirk": -0.2})
    for text, error in (
        ("{", InputError),
        ("[]", InputError),
        ('{"weights": {"hapy": 1}}', ExpressionError),
        ('{"pixelsmile_preset": 2}', InputError),
        ('{"strength": NaN}', InputError),
    ):
        with pytest.raises(error):
            read_preset(text)
    with pytest.raises(InputError, match="nothing to keep"):
        preset_text(asked(mixes={}), "x")
    assert read_preset(Preset().model_dump_json()) == Preset()


# What is previewed and held.


def test_a_view_is_the_part_around_the_face() -> None:
    source = open_source(Image.new("RGB", (3000, 2000)))
    view = view_of(source, [Face((1000.0, 500.0, 1600.0, 1300.0), None, 1.0, "manual")])
    assert view.box == (580, 180, 2020, 1620)  # 1.8 times the longer side, about the middle
    assert view.source.image.size == (PREVIEW_PX, PREVIEW_PX)
    ((face, _),) = view.faces
    scale = PREVIEW_PX / 1440
    assert face.box == pytest.approx((420 * scale, 320 * scale, 1020 * scale, 1120 * scale))
    assert view_of(source, []).box == (0, 0, 3000, 2000)


def test_a_fault_of_the_studio_is_told_as_one_and_logged(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And not as one of the page: only what the page did not send, or sent in another kind, is its own."""

    def broken(*_: object) -> None:
        raise KeyError("visit")  # as from a line of the studio itself

    functions = {function.__name__: function for function in server_functions(studio)}
    monkeypatch.setattr(studio, "draw", broken)
    sent: dict[str, Any] = {"visit": "somebody", "seed": 7, "domain": "human"}
    told = asyncio.run(functions["draw"](sent))
    assert told == {"error": "the studio failed at this request: its log says why"}
    assert [record.exc_info is not None for record in caplog.records] == [True]
    unknown = {"error": "the page asked for something unknown: load it again"}
    for wrong in ({}, {**sent, "visit": 5}, [], None):
        assert asyncio.run(functions["draw"](wrong)) == unknown
    assert asyncio.run(functions["keep"]({"asked": [], "name": "x"})) == unknown
    assert len(caplog.records) == 1
    monkeypatch.setattr(studio, "copy", refusing)
    told = asyncio.run(functions["copy"]({"visit": "somebody", "path": "x", "units": True}))
    assert told == {"error": "the model m cannot be loaded here: the studio's log says why"}


def refusing(*_: object) -> None:
    raise LoadingError("the model m cannot be loaded here: the server's log says why")


def test_pages_that_were_quiet_longest_go_first(tmp_path: Path) -> None:
    visits = Visits(tmp_path, max_visits=2)
    first, second = visits.begin(), visits.begin()
    visits.find(first)
    third = visits.begin()
    assert visits.find(first).folder.is_dir()
    assert visits.find(third) is not visits.find(first)
    with pytest.raises(InputError, match="load the page again"):
        visits.find(second)
    visits.end(first)
    visits.end(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == [third]


def test_a_preview_shows_the_edit_where_it_lies(studio: Studio) -> None:
    async def run() -> None:
        visit, told = await opened(studio)
        assert (told["width"], told["height"], len(told["faces"])) == (300, 300, 1)
        nothing = await studio.preview(asked(visit, mixes={}))
        assert nothing == {"picture": None, "command": ""}
        look = await studio.preview(asked(visit))
        assert look["by"] == "geometric"
        assert look["command"].startswith("pixelsmile edit astronaut.jpg --blend happy=0.6,surprised=0.4")
        left, top, width, height = (share / 100 * 300 for share in look["box"])
        before = shown(PHOTO)[round(top) : round(top + height), round(left) : round(left + width)].astype(int)
        difference = np.abs(pixels(look["picture"]).astype(int) - before).mean(2)
        assert difference[:8].mean() < 6  # JPEG alone, at the edge
        assert difference[90:130, 60:120].mean() > 10  # the mouth

    asyncio.run(run())


def test_only_uploads_are_opened(studio: Studio, tmp_path: Path) -> None:
    async def run() -> None:
        visit, _ = await opened(studio)
        for path in ("/etc/hostname", str(PHOTO), "../" * 9 + "etc/hostname", str(tmp_path), "a\0b"):
            with pytest.raises(InputError, match="uploaded here"):
                await studio.open_upload(visit, path, "x.jpg")
        bad = studio.folder / "uploads" / "bad.jpg"
        bad.write_bytes(b"nothing")
        with pytest.raises(PixelSmileError):
            await studio.open_upload(visit, str(bad), "bad.jpg")
        with pytest.raises(InputError, match="no picture yet"):
            await studio.preview(asked(studio.visits.begin()))

    asyncio.run(run())


# What is made.


def test_a_render_is_the_picture_that_its_command_makes(studio: Studio, tmp_path: Path) -> None:
    async def run() -> tuple[str, Packed]:
        visit, _ = await opened(studio)
        command = (await studio.preview(asked(visit)))["command"]
        events = await all_of(studio.render(asked(visit), 1))
        told = [event.text for event in events if isinstance(event, Told)][-1]
        assert told == "done; a face mesh moved by action units: not the paper's method"
        packed = await studio.pack(visit, OutputFormat())
        assert packed is not None
        return command, packed

    command, packed = asyncio.run(run())
    words = shlex.split(command)[1:]
    words[1] = str(PHOTO)
    assert main([*words, "-o", str(tmp_path / "typed"), "-q"]) == 0
    (typed,) = (tmp_path / "typed").glob("*.png")
    assert packed.main.name == typed.name
    assert np.array_equal(shown(packed.main), shown(typed))
    found = inspect(packed.main)
    assert found.mark is not None
    assert found.mark.is_found
    assert found.settings is not None
    with zipfile.ZipFile(packed.everything) as archive:
        assert sorted(archive.namelist()) == sorted([packed.main.name, "manifest.json"])


def test_it_is_said_that_a_model_knows_no_photographs(tmp_path: Path) -> None:
    async def run() -> None:
        studio = Studio(served(["geometric", "embedded"], ModelChoice()), tmp_path)
        visit, _ = await opened(studio)
        wish = asked(visit).model_copy(update={"model": "embedded", "steps": 1})
        (*_, told) = [event for event in await all_of(studio.render(wish, 1)) if isinstance(event, Told)]
        assert "knows nothing else" in told.text
        studio.close()

    asyncio.run(run())


def test_a_sweep_is_taken_in_every_form(studio: Studio) -> None:
    async def run() -> None:
        visit, _ = await opened(studio)
        assert await studio.pack(visit, OutputFormat()) is None
        events = await all_of(studio.render(asked(visit), 3))
        (rendered,) = (event for event in events if isinstance(event, Rendered))
        assert [result.strengths for result in rendered.results] == [(0.0, 0.5, 1.0)]
        shares = [event.share for event in events if isinstance(event, Told) and event.share is not None]
        assert shares[-1] == 1.0
        for name, suffix in (("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")):
            packed = await studio.pack(visit, OutputFormat(PictureFormat(name)))
            with zipfile.ZipFile(packed.everything) as archive:
                names = archive.namelist()
                assert sum(one.endswith(suffix) for one in names) == 4  # three and the sheet
                assert json.loads(archive.read("manifest.json"))["kind"] == "edit"
        for name in ("gif", "webp"):
            packed = await studio.pack(visit, OutputFormat(animations=(name,)))
            assert packed.main.suffix == f".{name}"
            with Image.open(packed.main) as moving:
                assert moving.n_frames == 4  # there and back
        await all_of(studio.render(asked(visit), 1))
        with pytest.raises(InputError, match="render a sweep"):
            await studio.pack(visit, OutputFormat(animations=("gif",)))
        with pytest.raises(InputError, match="memory"):
            await all_of(studio.render(asked(visit, strength=1.0), 2000))

    asyncio.run(run())


def test_what_runs_can_be_cancelled_and_the_page_goes_on(studio: Studio) -> None:
    """The worker is held up by a job of somebody else, so that the render has to wait."""
    hold = threading.Event()

    def busy(_: object) -> Iterator[object]:
        hold.wait(30)
        yield None

    async def run() -> None:
        visit, _ = await opened(studio)
        studio._worker.submit(None, busy, lambda _: None)
        told = []
        async for event in studio.render(asked(visit), 1):
            told.append(event)
            if len(told) == 1:
                assert "1 before you" in event.text
                with pytest.raises(InputError, match="at work already"):
                    await all_of(studio.render(asked(visit), 1))
                studio.cancel(visit)
        assert told[-1].text.startswith("cancelled")
        hold.set()
        assert any(isinstance(event, Rendered) for event in await all_of(studio.render(asked(visit), 1)))

    try:
        asyncio.run(run())
    finally:
        hold.set()


def test_a_batch_makes_a_folder_of_each_and_names_what_it_could_not(studio: Studio) -> None:
    async def run() -> None:
        visit, _ = await opened(studio)
        uploads = studio.folder / "uploads"
        shutil.copy(PHOTO, uploads / "b.jpg")
        (uploads / "c.jpg").write_bytes(b"nothing")
        Image.new("RGB", (90, 90)).save(uploads / "d.png")
        paths = [str(uploads / name) for name in ("astronaut.jpg", "b.jpg", "c.jpg", "d.png")]
        wish = asked(visit, face="largest", mixes={"largest": HAPPY[""]})
        form = OutputFormat(PictureFormat("webp"))
        events = await all_of(studio.batch(wish, paths, 1, form))
        (packed,) = (event for event in events if isinstance(event, Packed))
        with zipfile.ZipFile(packed.main) as archive:
            names = archive.namelist()
            reasons = archive.read("not-edited.txt").decode()
        assert {name.partition("/")[0] for name in names} == {"astronaut", "b", "not-edited.txt"}
        assert reasons.count("\n") == 2
        assert "c.jpg: " in reasons
        assert "d.png: no face" in reasons
        assert events[-1].text.startswith("2 of 4 pictures edited")
        assert studio.command_of_batch(wish, 1, form) == (
            "pixelsmile edit FOLDER/* --blend happy=0.6,surprised=0.4 --face largest -s 1 --model geometric "
            "--format webp"
        )
        with pytest.raises(InputError, match="none of the pictures"):
            await all_of(studio.batch(wish, paths[2:], 1, form))

    asyncio.run(run())


def test_a_batch_goes_on_after_a_fault_and_keeps_equal_names_apart(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        visit, _ = await opened(studio)
        paths = []
        for folder, is_photograph in (("x", True), ("y", False), ("z", True), ("w", False), ("v", True)):
            path = studio.folder / "uploads" / folder / "a.jpg"
            path.parent.mkdir()
            path.write_bytes(PHOTO.read_bytes() if is_photograph else b"nothing")
            paths.append(str(path))
        uploaded = studio._uploaded

        def failing(path: str) -> bytes:
            if path == paths[2]:
                raise RuntimeError("secret of the machine")  # no error of ours
            return uploaded(path)

        monkeypatch.setattr(studio, "_uploaded", failing)
        wish = asked(visit, face="largest", mixes={"largest": HAPPY[""]})
        events = await all_of(studio.batch(wish, paths, 1, OutputFormat()))
        (packed,) = (event for event in events if isinstance(event, Packed))
        with zipfile.ZipFile(packed.main) as archive:
            names = archive.namelist()
            reasons = archive.read("not-edited.txt").decode().splitlines()
        assert {name.partition("/")[0] for name in names} == {"a", "a-5", "not-edited.txt"}
        assert [reason.partition(":")[0] for reason in reasons] == ["a-2.jpg", "a-3.jpg", "a-4.jpg"]
        assert reasons[1] == "a-3.jpg: the studio failed at this request: its log says why"
        assert events[-1].text.startswith("2 of 5 pictures edited")

    asyncio.run(run())


def test_no_two_pictures_of_a_batch_share_a_folder() -> None:
    paths = ["x/a.jpg", "y/a.png", "y/A.webp", "a-2.jpg", "not-edited.txt.png", "...png", "b.jpg"]
    assert names_apart(paths) == [
        *("a.jpg", "a-2.png", "A-3.webp", "a-2-2.jpg", "not-edited.txt-2.png", "..-2.png", "b.jpg")
    ]


def test_an_expression_is_copied_from_a_reference(studio: Studio, tmp_path: Path) -> None:
    assert main(["edit", str(PHOTO), "-e", "surprised", "-s", "1.2", "-o", str(tmp_path / "made"), "-q"]) == 0
    (made,) = (tmp_path / "made").glob("*.png")

    async def run() -> None:
        visit, _ = await opened(studio)
        upload = studio.folder / "uploads" / "reference.png"
        shutil.copy(made, upload)
        by_units = await studio.copy(visit, str(upload), True)
        assert by_units["units"]["jaw_drop"] > 0.3
        assert not by_units["weights"]
        by_scores = await studio.copy(visit, str(upload), False)
        assert max(by_scores["weights"], key=by_scores["weights"].get) == "surprised"
        for copied in (by_units, by_scores):  # they are a mix that can be made
            mix = Mix(weights=copied["weights"], units=copied["units"])
            assert (await studio.preview(asked(visit, mixes={"": mix})))["picture"]

    asyncio.run(run())
