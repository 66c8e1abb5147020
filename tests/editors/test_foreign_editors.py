"""examples/editors: each wrapper runs as a process against a stand-in of its repository's interface.

The stand-ins take what the real classes take and nothing else, check it, and write it down;
stand_ins/compare.py says whether they still do, given a checkout.
"""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from editors.editor_examples import a_task
from editors.editor_examples import sweep as outcomes_of
from editors.stand_ins.compare import HERE as STAND_INS
from editors.stand_ins.compare import differences
from editors.stand_ins.libraries.calls import colour_of
from PIL import Image

from pixelsmile.cli import main
from pixelsmile.editors.command import CommandEditor
from pixelsmile.editors.editor import EditOutcome

EXAMPLES = Path(__file__).parents[2] / "examples" / "editors"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/edit.py"))
WIDE = Image.radial_gradient("L").resize((96, 64)).convert("RGB")
SEED = 7


class Bench:
    """A wrapper as a benchmark runs it, and what its stand-in has written down."""

    def __init__(self, name: str, options: str, folder: Path, runner: asyncio.Runner) -> None:
        command = f"{sys.executable} {EXAMPLES / name / 'edit.py'} {options}"
        self.calls_path, self.runner = folder / "calls.jsonl", runner
        self.editor = CommandEditor(command, folder, timeout_s=600)

    def sweep(self, strengths, target="happy", prompt="", source="s", picture=WIDE) -> list[EditOutcome]:
        task = a_task(target, prompt or f"Edit the person to show a {target} expression", source=source)
        return outcomes_of(self.editor, task, picture, strengths, SEED, self.runner)

    def pictures(self, *arguments, **named) -> list[Image.Image]:
        made = self.sweep(*arguments, **named)
        assert [one.failure for one in made] == [None] * len(made)
        return [one.image for one in made]

    def failure(self, *arguments, **named) -> str:
        (made,) = self.sweep(*arguments, **named)
        assert made.failure is not None
        return made.failure.removeprefix("the editor said: ")

    def lines(self) -> list[str]:
        return self.calls_path.read_text().splitlines() if self.calls_path.exists() else []

    def calls(self, name: str) -> list[dict]:
        return [call for call in map(json.loads, self.lines()) if call["call"] == name]

    def edits(self, pictures: list[Image.Image]) -> list[dict]:
        """The calls that the pictures come from."""
        by_colour = {colour_of(line): json.loads(line) for line in self.lines()}
        calls = [by_colour[picture.getpixel((0, 0))] for picture in pictures]
        assert all(len(picture.getcolors()) == 1 for picture in pictures)
        return calls


Start = Callable[..., Bench]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a wrapper with its stand-in in place of the packages; PATH in its options is a folder."""
    benches = []
    with asyncio.Runner() as runner:

        def make(name: str, options: str = "", torch: bool = False) -> Bench:
            places = [STAND_INS / "libraries", *([] if torch else [STAND_INS / "torch_alone"])]
            if name in ("slideredit", "step1x-v1p2"):  # which are installed
                places += [path.parent for path in (STAND_INS / name).rglob("slideredit")]
                places += [path.parent for path in (STAND_INS / name).rglob("pipeline_*.py")]
            else:
                options = f"--repository {STAND_INS / name} {options}"
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, places)))
            monkeypatch.setenv("OMP_NUM_THREADS", "1")
            monkeypatch.setenv("STAND_IN_CALLS", str(tmp_path / "calls.jsonl"))
            benches.append(Bench(name, options.replace("PATH", str(tmp_path)), tmp_path, runner))
            return benches[-1]

        yield make
        for bench in benches:
            runner.run(bench.editor.close())


OPTIONS = {
    "bagel": "--model-path PATH",
    "dreamomni2": "--models PATH",
    "k-slider": "--weights PATH",
    "omnigen2": "--model-path PATH",
    "saedit": "",
    "slideredit": "--gstlora PATH/slider.safetensors",
    "step1x-edit": "--model-path PATH",
    "step1x-v1p2": "",
}


def started(start: Start, name: str, options: str = "") -> Bench:
    return start(name, f"{OPTIONS[name]} {options}")


# What each is asked for in one edit, and the size of what it gives for 96 x 64.
FULL_EDITS = {
    "bagel": ((96, 64), {"cfg": [4.0, 2.0], "steps": 50, "interval": [0.0, 1.0], "renorm": "text_channel"}),
    "dreamomni2": ((1248, 832), {"steps": 30, "guidance": 3.5, "seed": SEED}),
    "omnigen2": ((96, 64), {"steps": 50, "guidance": [5.0, 2.0], "seed": SEED}),
    "step1x-edit": ((96, 64), {"steps": 28, "cfg": 6.0, "level": 512, "seed": SEED}),
    "step1x-v1p2": ((96, 64), {"steps": 50, "cfg": 6.0, "level": 1024, "seed": SEED, "modes": [True, True]}),
}


@pytest.mark.parametrize("name", FULL_EDITS)
def test_editors_without_a_strength(start, name):
    bench = started(start, name)
    size, asked = FULL_EDITS[name]
    pictures = bench.pictures([1.0]) + bench.pictures([1.0], target="sad", source="another")
    assert [picture.size for picture in pictures] == [size] * 2
    edits = bench.edits(pictures)
    assert [edit["prompt"].split(",")[0] for edit in edits] == [
        "Edit the person to show a happy expression",
        "Edit the person to show a sad expression",
    ]
    assert asked.items() <= edits[0].items()
    assert "draft" not in edits[0]
    loads = [line for line in bench.lines() if "from_pretrained" in line or "Generator" in line]
    assert len(loads) == len(set(loads))  # once, however many jobs there are
    assert bench.failure([0.5]).startswith("takes no strength, and was asked for 0.5: ask for full edits")
    assert (
        bench.failure([1.0], prompt="happy: out of memory")
        == "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB"
    )
    assert len(bench.calls("empty_cache")) == 1
    assert bench.pictures([1.0])[0].size == size  # and it goes on


def test_bagel_is_seeded_and_spread_as_its_app_does(start, tmp_path):
    bench = started(start, "bagel")
    bench.pictures([1.0])
    assert bench.calls("torch.manual_seed") == [{"call": "torch.manual_seed", "seed": SEED}]
    (load,) = bench.calls("bagel.load")
    assert (load["connector"], load["others"], load["dtype"]) == (0, "cuda:0", "bfloat16")
    assert load["checkpoint"] == str(tmp_path / "ema.safetensors")


def test_dreamomni2_writes_its_prompts(start):
    bench = started(start, "dreamomni2")
    (edit,) = bench.edits(bench.pictures([1.0]))
    assert edit["prompt"] == "Edit the person to show a happy expression, it says"
    assert bench.failure([1.0], prompt="untagged").startswith("ValueError: the model wrote no prompt")


def test_k_slider_is_never_given_0(start):
    bench = started(start, "k-slider")
    source, *pictures = bench.pictures([0.0, 0.25, 1.0])
    assert source.tobytes() == WIDE.tobytes()
    assert [picture.size for picture in pictures] == [WIDE.size] * 2  # of 1024 x 1024
    assert [edit["slider"] for edit in bench.edits(pictures)] == [0.25, 1.0]
    assert {edit["seed"] for edit in bench.edits(pictures)} == {SEED}
    assert bench.failure([1.5]).startswith("K-Slider was trained on strengths up to 1")
    assert len(bench.calls("FluxKontextSliderPipeline.from_pretrained")) == 1
    (weights,) = bench.calls("torch.load")
    assert weights["file"].endswith("slider_projector.pth")


@pytest.mark.parametrize("kind", ["gstlora", "stlora"])
def test_slideredit_strengthens_below_0(start, tmp_path, kind):
    (tmp_path / "slider").touch()
    bench = start("slideredit", f"--{kind} PATH/slider --alpha-at-1 -2")
    pictures = bench.pictures([0.0, 1 / 3, 1.0])
    alphas = [edit["adapters"] for edit in bench.edits(pictures)]
    alphas = [alpha if kind == "gstlora" else alpha[0] for alpha in alphas]
    assert alphas == pytest.approx([1.0, 0.0, -2.0])
    assert {picture.size for picture in pictures} == {(1248, 832)}  # a megapixel of the source's form
    assert len(bench.calls(f"load_{kind}")) == 1


def test_slideredit_takes_no_torch_that_runs_pickles():
    path = EXAMPLES / "slideredit" / "edit.py"
    code = f"import runpy; runpy.run_path({str(path)!r})['check_unpickling']('2.5.1')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "torch 2.5.1 would run code" in done.stderr


def test_saedit_draws_words(start, tmp_path):
    (tmp_path / "words.json").write_text(json.dumps({"old": ["a portrait of an old woman", "woman"]}))
    bench = started(start, "saedit", "--prompts PATH/words.json")
    pictures = bench.pictures([0.0, 1.0]) + bench.pictures([0.5], target="angry", source="old")
    pictures += bench.pictures([1.0])  # with the direction that is there, after another sentence was seen
    edits = bench.edits(pictures)
    assert [edit["last"] for edit in edits] == pytest.approx([0.0, 0.8, 0.4, 0.8])
    assert [edit["prompt"] for edit in edits] == [
        *["a portrait of a person"] * 2,
        "a portrait of an old woman",
        "a portrait of a person",
    ]
    assert {picture.size for picture in pictures} == {(1024, 1024)}
    assert [call["target"] for call in bench.calls("SAEditCallback")] == [
        "A picture of a smiling man at a lake",
        "A picture of an angry man at a lake",
    ]
    assert bench.failure([1.0], target="neutral") == "SAEdit has no direction for 'neutral'"


def test_saedit_does_not_edit_nothing_in_silence(start):
    words = '--prompt "a portrait of extraordinaries" --token extraordinaries'
    assert "more than one token" in started(start, "saedit", words).failure([1.0])
    assert "no word of the prompt" in started(start, "saedit", "--token man").failure([1.0])


def test_concept_sliders_invert_once(start, tmp_path):
    import torch

    for name, shift in (("smile", 0.02), ("surprise", -0.02)):
        torch.save({"shift": torch.tensor([shift])}, tmp_path / f"{name}.pt")
    options = "--slider happy=PATH/smile.pt --slider surprised=PATH/surprise.pt --device cpu"
    bench = start("concept-slider", options, torch=True)
    plain, half, full = bench.pictures([0.0, 0.5, 1.0])
    (opposite,) = bench.pictures([1.0], target="surprised")
    again = bench.pictures([0.0])[0]
    middle = WIDE.crop((16, 0, 80, 64)).resize((512, 512))
    assert mean_difference(plain, middle) < 6  # the autoencoder of the stand-in keeps every eighth pixel
    assert again.tobytes() == plain.tobytes()
    levels = [mean_level(picture) for picture in (opposite, plain, half, full)]
    assert levels == sorted(levels) or levels == sorted(levels, reverse=True)
    assert len({round(level) for level in levels}) == 4
    assert [(call["rank"], call["method"]) for call in bench.calls("LoRANetwork")] == [(4, "noxattn")] * 2
    assert bench.calls("LoRANetwork")[1]["on"] == ["Attention", "ResnetBlock2D"]
    assert len(bench.calls("StableDiffusionPipeline")) == 1
    assert bench.failure([1.0], target="sad") == "there is no slider for 'sad': name its file with --slider"


def mean_level(picture: Image.Image) -> float:
    levels = picture.convert("L").histogram()
    return sum(level * count for level, count in enumerate(levels)) / sum(levels)


def mean_difference(a: Image.Image, b: Image.Image) -> float:
    from PIL import ImageChops

    return mean_level(ImageChops.difference(a, b))


def test_attribute_control_inverts_once(start, tmp_path):
    deltas = STAND_INS / "attribute-control" / "pretrained_deltas"
    (tmp_path / "tired.pt").touch()
    bench = start(
        "attribute-control", f"--renoise {STAND_INS / 'renoise'} --delta sleepy=PATH/tired.pt --full-scale 5"
    )
    pictures = bench.pictures([0.0, 0.5, 1.0]) + bench.pictures([1.0], target="sleepy")
    assert [edit["scale"] for edit in bench.edits(pictures)] == [0.0, 2.5, 5.0, 5.0]
    assert {picture.size for picture in pictures} == {(512, 512)}
    assert [call["seed"] for call in bench.calls("invert")] == [SEED]
    bench.pictures([1.0], picture=Image.new("RGB", (64, 64)))  # another, though of the same name
    assert len(bench.calls("invert")) == 2
    assert [Path(call["file"]) for call in bench.calls("torch.load")] == [
        deltas / "person_smile.pt",
        deltas / "person_surprised.pt",
        tmp_path / "tired.pt",
    ]
    assert bench.failure([1.0], target="sad") == "there is no delta for 'sad': name its file with --delta"
    assert len(bench.calls("get_pipes")) == len(bench.calls("SDXL")) == 1


def test_a_lost_card_costs_one_edit_and_a_start(start):
    bench = started(start, "step1x-edit")
    bench.pictures([1.0])
    failure = bench.failure([1.0], prompt="lost card")
    assert failure.startswith("the command ended before it had answered (exit code 1); its last words: ")
    assert failure.endswith("RuntimeError: CUDA error: an illegal memory access was encountered")
    bench.pictures([1.0])
    assert len(bench.calls("ImageGenerator")) == 2


def test_what_is_no_picture_is_said(start):
    bench = started(start, "step1x-edit")
    assert bench.failure([1.0], prompt="odd") == "TypeError: the editor gave NoneType, not a picture"
    assert not list(bench.calls_path.parent.rglob("*.part"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (f"--repository {EXAMPLES} --model-path .", "is no checkout of it: there is no inference.py in it"),
        (f"--repository {STAND_INS / 'step1x-edit'} --model-path nowhere", "there is no folder 'nowhere'"),
        (f"--repository {STAND_INS / 'step1x-edit'}", "the following arguments are required: --model-path"),
        (
            f"--repository {STAND_INS / 'step1x-edit'} --model-path . --steps -1",
            "'-1' is no whole number",
        ),
        (f"--repository {STAND_INS / 'step1x-edit'} --model-path . --cfg inf", "'inf' is not finite"),
    ],
)
def test_wrong_options_are_said_in_the_reason(start, tmp_path, options, words):
    bench = Bench("step1x-edit", options, tmp_path, start("step1x-edit").runner)
    assert words in bench.failure([1.0])


def test_a_model_that_cannot_be_loaded_is_said_in_the_reason(start, monkeypatch):
    bench = started(start, "step1x-edit")
    monkeypatch.setenv("PYTHONPATH", str(STAND_INS / "torch_alone"))  # which lacks a module
    assert bench.failure([1.0]).endswith(
        "the model cannot be loaded: ModuleNotFoundError: No module named 'calls'"
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_has_what_it_needs(name, capsys):
    environment = (EXAMPLES / name / "environment.yml").read_text()
    assert "python=3." in environment
    assert "torch==" in environment
    page = (EXAMPLES / name / "README.md").read_text()
    for head in ("## Install", "## Run", "## How it was checked"):
        assert head in page
    for word in ("icence", "emory", "trength", "ize", f"examples/editors/{name}/edit.py", "compare.py"):
        assert word in page
    assert (STAND_INS / name).is_dir()
    (command,) = (line for line in page.splitlines() if line.startswith("pixelsmile "))
    words = shlex.split(command)
    assert main([*words[1:], "--no-such-option"]) == 2
    assert "'--no-such-option'" in capsys.readouterr().err
    code = (EXAMPLES / name / "edit.py").read_text() + (EXAMPLES / "protocol.py").read_text()
    for option in re.findall(r" (--[a-z-]+)", words[words.index("--editor") + 1]):
        assert f'"{option}"' in code


def test_the_comparison_finds_what_differs(tmp_path):
    stand_in, checkout = tmp_path / "stand_in", tmp_path / "checkout"
    stand_in.mkdir()
    checkout.mkdir()
    (stand_in / "a.py").write_text(
        "class A:\n x: int\n def f(self, a, b): ...\n def g(self, a): ...\ndef h(b, a): ...\ndef i(): ...\n"
    )
    (stand_in / "b.py").write_text("def j(): ...\n")
    (checkout / "a.py").write_text(
        "class A:\n y: int\n def f(self, a): ...\n def g(self, a, c, d=1): ...\ndef h(a, b): ...\n"
    )
    assert [line.removeprefix("a.py: ") for line in differences(stand_in, checkout)] == [
        "A has the field x, which theirs has not",
        "A.f takes b, which theirs does not",
        "A.g lacks c, which theirs needs",
        "h takes its arguments in another order",
        f"i is not in {checkout / 'a.py'}",
        f"{checkout / 'b.py'} is not there",
    ]
    assert differences(checkout, checkout) == []
