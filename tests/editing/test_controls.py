"""The equations of the methods of control, by hand; and what they refuse."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pixelsmile.editing.conditioning import Aim, Prompt
from pixelsmile.editing.controls.attribute_control import AttributeControl
from pixelsmile.editing.controls.concept_slider import ConceptSlider
from pixelsmile.editing.controls.control import load_control, make_control
from pixelsmile.editing.controls.files import ControlFile, ControlRecord, find_control
from pixelsmile.editing.controls.k_slider import KSlider
from pixelsmile.editing.controls.low_rank import LowRank
from pixelsmile.editing.controls.saedit import SAEdit
from pixelsmile.editing.controls.settings import METHODS
from pixelsmile.editing.controls.slideredit import SliderEdit
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.model_choice import ModelChoice, choose_model
from pixelsmile.errors import (
    MAX_MESSAGE,
    AdapterError,
    ExpressionError,
    InputError,
    ModelError,
    StrengthError,
)

WIDTH, CHANNELS = 4, 2  # of the transformer, and of a prompt's token
NEUTRAL = Prompt(
    "the person neutral", (1, 2, 3, 9), torch.tensor([[3.0, 4.0], [6.0, 8.0], [1.0, 0.0], [0.0, 2.0]])
)
HAPPY = Prompt(
    "the person happy", (1, 2, 4, 9), NEUTRAL.embedding + torch.tensor([[0.0], [0.0], [1.0], [0.5]])
)
SAD = Prompt("the person sad", (1, 2, 5, 9), NEUTRAL.embedding - torch.tensor([[0.0], [0.0], [1.0], [0.5]]))
LAYERS = ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")


class Transformer(nn.Module):
    """One block with the layers that controls hang on to, and no forward."""

    def __init__(self) -> None:
        super().__init__()
        self.inner_dim, self.config = WIDTH, {"joint_attention_dim": CHANNELS}
        block = nn.Module()
        block.attn = nn.ModuleDict({name: nn.Linear(WIDTH, WIDTH) for name in LAYERS})
        block.attn["to_out"] = nn.Sequential(nn.Linear(WIDTH, WIDTH))
        for stream in ("img_mlp", "txt_mlp"):
            first = nn.ModuleDict({"proj": nn.Linear(WIDTH, WIDTH)})
            setattr(
                block,
                stream,
                nn.ModuleDict({"net": nn.ModuleList([first, nn.Identity(), nn.Linear(WIDTH, WIDTH)])}),
            )
        block.txt_mod = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 6 * WIDTH))
        self.transformer_blocks = nn.ModuleList([block])


@pytest.fixture
def transformer() -> Transformer:
    torch.manual_seed(0)
    return Transformer()


def record(method: str, **settings: object) -> ControlRecord:
    return ControlRecord.model_validate(
        {
            "settings": {"method": method, **settings},
            "model": "tiny",
            "base": "abc",
            "domain": "human",
            "expressions": ("happy", "sad"),
            "neutral": NEUTRAL.text,
            "subject": (3, 2),  # the second of four tokens
            "steps": 3,
        }
    )


def aim(*targets: Prompt, expressions: tuple[str, ...] = ("happy",), domain: str = "human") -> Aim:
    return Aim(NEUTRAL, targets or (HAPPY,), expressions, domain)


def test_low_rank_changes_are_gated_by_row_and_by_token(transformer: Transformer) -> None:
    """y = W x + (alpha / r) B diag(g) A x, with two changes of rank 1 and alpha 3."""
    changes = LowRank(transformer, ("attn.to_q",), 2, 1, 3.0, seed=0)
    (key,) = changes.A
    changes.A[key].data = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    changes.B[key].data = torch.tensor([[1.0, 0], [0, 0], [0, 2.0], [0, 0]])
    layer = transformer.transformer_blocks[0].attn["to_q"]
    x_RND = torch.tensor([[[5.0, 7, 0, 0], [1, 1, 0, 0]], [[2.0, 3, 0, 0], [1, 1, 0, 0]]])
    base_RND = layer(x_RND)

    changes.gates = torch.tensor([[[1.0, 0.0]], [[0.5, -1.0]]])  # of the rows
    by_row = layer(x_RND) - base_RND
    assert torch.allclose(by_row[0, 0], torch.tensor([15.0, 0, 0, 0]), atol=1e-5)
    assert torch.allclose(by_row[1, 0], torch.tensor([3.0, 0, -18, 0]), atol=1e-5)

    changes.gates = torch.tensor([[[1.0, 0], [0, 0]], [[0.0, 0], [0, 1.0]]])  # of the tokens
    by_token = layer(x_RND) - base_RND
    assert torch.allclose(by_token[0], torch.tensor([[15.0, 0, 0, 0], [0, 0, 0, 0]]), atol=1e-5)
    assert torch.allclose(by_token[1], torch.tensor([[0.0, 0, 0, 0], [0, 0, 6, 0]]), atol=1e-5)

    changes.gates = None
    assert torch.equal(layer(x_RND), base_RND)
    with pytest.raises(ModelError, match=r"no layer transformer_blocks\.0\.attn\.to_x"):
        LowRank(transformer, ("attn.to_x",), 1, 1, 1.0, seed=0)


def test_a_concept_sliders_scales_are_the_strengths(transformer: Transformer) -> None:
    slider = make_control(record("concept-slider"), transformer)
    assert isinstance(slider, ConceptSlider)
    (term,) = slider.terms("concept-slider", aim(), (0.7,))
    assert torch.equal(term.embedding, NEUTRAL.embedding)
    assert torch.allclose(term.steer, torch.tensor([0.7, 0.0]))
    (blend,) = slider.terms("concept-slider", aim(SAD, HAPPY, expressions=("sad", "happy")), (0.2, 0.6))
    assert torch.allclose(blend.steer, torch.tensor([0.6, 0.2]))


@pytest.mark.parametrize(
    ("tokens", "sizes"),
    [("instruction", {2: math.sqrt(0.5), 3: math.sqrt(2)}), ("subject", {1: math.sqrt(50)})],
)
def test_attribute_control_moves_its_tokens_alone(
    transformer: Transformer, tokens: str, sizes: dict[int, float]
) -> None:
    """Half of a direction (2, 0) moves each token by its own size: (6, 8), the subject, by sqrt(50)."""
    control = make_control(record("attribute-control", tokens=tokens), transformer)
    assert isinstance(control, AttributeControl)
    control.directions.data = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    (term,) = control.terms("attribute-control", aim(), (0.5,))
    wanted = NEUTRAL.embedding.clone()
    for place, size in sizes.items():
        wanted[place, 0] += size
    assert torch.allclose(term.embedding, wanted)
    (neither,) = control.terms("attribute-control", aim(), (0.0,))
    assert torch.equal(neither.embedding, NEUTRAL.embedding)
    padded = torch.cat([NEUTRAL.embedding, torch.ones(2, 2)])[None]
    shifted = control.shifted(padded, torch.tensor([4]), torch.tensor([2]), torch.tensor([[0.5, 0.0]]))
    assert torch.allclose(shifted[0, :4], wanted)  # counted from the end of the prompt, not of the padding
    assert torch.equal(shifted[0, 4:], torch.ones(2, 2))


def test_saedit_keeps_the_largest_latents_and_loses_nothing_of_a_token(transformer: Transformer) -> None:
    control = make_control(record("saedit", num_latents=3, num_active=1, kept_share=0.34), transformer)
    assert isinstance(control, SAEdit)
    control.encoder.data = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    control.decoder.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    # activations 1, 1.2 and 2.2, of which the last stays; it decodes to (1.1, 1.1)
    latents = control.latents(torch.tensor([[1.0, 1.2]]))
    assert torch.allclose(latents, torch.tensor([[0.0, 0.0, 2.2]]))
    assert torch.allclose(control.decoded(latents), torch.tensor([[1.1, 1.1]]))

    control.directions[0] = torch.tensor([0.0, 3.0, 0.0])
    (still,) = control.terms("saedit", aim(), (0.0,))
    assert torch.allclose(still.embedding, NEUTRAL.embedding, atol=1e-6)
    (moved,) = control.terms("saedit", aim(), (0.5,))
    change = (
        moved.embedding - NEUTRAL.embedding
    )  # of the instruction's tokens, of size sqrt(1 / 2) and sqrt(2)
    assert torch.allclose(change[2], torch.tensor([0.0, 1.5 * math.sqrt(0.5)]), atol=1e-6)
    assert torch.allclose(change[3], torch.tensor([0.0, 1.5 * math.sqrt(2.0)]), atol=1e-6)
    assert torch.equal(change[:2], torch.zeros(2, 2))
    longer = Prompt("the person very happy", (1, 2, 6, 4, 9), torch.zeros(5, 2))
    (same,) = control.terms("saedit", aim(longer), (0.5,))  # the neutral prompt is what is edited
    assert torch.equal(same.embedding, moved.embedding)


def test_saedits_direction_is_what_the_target_alone_has(transformer: Transformer) -> None:
    control = make_control(record("saedit", num_latents=3, num_active=2, kept_share=0.34), transformer)
    assert isinstance(control, SAEdit)
    control.encoder.data = torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    source = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])  # latents 0 and 2 at its first token
    target = torch.tensor([[[1.0, 1.0], [-1.0, 1.0]]])  # and latent 1 at its second
    direction = control.directions_of(source.repeat(2, 1, 1), target.repeat(2, 1, 1))
    assert torch.allclose(direction, torch.tensor([0.0, 1.0, 0.0]), atol=1e-5)


def test_saedits_loss_is_of_nested_groups(transformer: Transformer) -> None:
    control = make_control(record("saedit", num_latents=2, num_active=2, num_groups=2), transformer)
    assert isinstance(control, SAEdit)
    control.encoder.data = control.decoder.data = torch.eye(2)
    # (1, 1): both latents rebuild it, the first alone leaves an error of 1 at one of two numbers
    assert control.loss(torch.tensor([[2.0, 2.0]])).item() == pytest.approx((0 + 0.5) / 2)


def test_k_sliders_offsets_are_on_shift_and_scale_of_the_texts_mlp(transformer: Transformer) -> None:
    control = make_control(record("k-slider", num_layers=2), transformer)
    assert isinstance(control, KSlider)
    control.strength.weight.data, control.strength.bias.data = torch.eye(2), torch.zeros(2)
    first, _, last = control.projector
    first.weight.data = torch.zeros_like(first.weight)
    first.weight.data[0] = torch.tensor([2.0, 0.0, 1.0, 0.0])  # 2 sin(pi s) + the first pooled number
    first.bias.data.zero_()
    last.weight.data[:, 0] = torch.arange(1.0, 2 * WIDTH + 1)
    # of HAPPY's last two tokens, (2, 1) and (0.5, 2.5), the mean begins with 1.25; sin(pi / 2) is 1
    (term,) = control.terms("k-slider", aim(), (0.5,))
    assert torch.equal(term.embedding, HAPPY.embedding)
    assert torch.allclose(term.steer, 3.25 * torch.arange(1.0, 2 * WIDTH + 1), atol=1e-5)

    modulation, x = transformer.transformer_blocks[0].txt_mod, torch.ones(1, WIDTH)
    base = modulation(x)
    control.steer(term.steer[None])
    parts = (modulation(x) - base).chunk(6, dim=-1)
    assert [bool(part.any()) for part in parts] == [False, False, False, True, True, False]
    assert torch.allclose(torch.cat(parts[3:5], -1), term.steer[None], atol=1e-5)
    control.steer(None)
    assert torch.equal(modulation(x), base)


def test_slideredit_suppresses_the_tokens_after_the_neutral_prompt_ends_to_agree(
    transformer: Transformer,
) -> None:
    control = make_control(record("slideredit"), transformer)
    assert isinstance(control, SliderEdit)
    gates = {s: control.terms("slideredit", aim(), (s,))[0].steer.tolist() for s in (0.0, 0.25, 1.0, 1.5)}
    assert gates == {0.0: [0, 0, 1, 1], 0.25: [0, 0, 0.75, 0.75], 1.0: [0, 0, 0, 0], 1.5: [0, 0, -0.5, -0.5]}
    assert torch.equal(control.terms("slideredit", aim(), (1.0,))[0].embedding, HAPPY.embedding)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_control_does_not_take_is_refused(transformer: Transformer, method: str) -> None:
    control = make_control(record(method), transformer)
    assert control.form("auto", aim()) == method
    with pytest.raises(InputError, match="a form of interpolation"):
        control.form("all", aim())
    with pytest.raises(AdapterError, match="trained on human pictures, the picture is anime"):
        control.form("auto", aim(domain="anime"))
    other = Aim(HAPPY, (SAD,), ("sad",))
    with pytest.raises(AdapterError, match="the neutral prompt 'the person neutral'"):
        control.form("auto", other)
    if method in ("k-slider", "slideredit"):
        assert control.form("auto", aim(expressions=())) == method  # any instruction
        with pytest.raises(ExpressionError, match="no blend"):
            control.form("auto", aim(HAPPY, SAD, expressions=("happy", "sad")))
    else:
        with pytest.raises(ExpressionError, match="takes no prompt: name one of happy, sad"):
            control.form("auto", aim(expressions=()))
        with pytest.raises(ExpressionError, match="does not know fear: it was trained on happy, sad"):
            control.form("auto", aim(expressions=("fear",)))


def test_strengths_that_were_never_coded(transformer: Transformer) -> None:
    with pytest.raises(StrengthError, match=r"from 0 to 1, not 1\.5"):
        make_control(record("k-slider"), transformer).terms("k-slider", aim(), (1.5,))


@pytest.fixture
def folder(transformer: Transformer, tmp_path: Path) -> Path:
    """An attribute-control on disk."""
    made = record("attribute-control")
    (tmp_path / "control.json").write_bytes(made.to_bytes())
    save_file(make_control(made, transformer).state_dict(), tmp_path / "control.safetensors")
    return tmp_path


def test_a_control_is_read_as_it_was_written(transformer: Transformer, folder: Path) -> None:
    file = find_control(folder)
    assert file == ControlFile(folder, record("attribute-control"))
    control = load_control(file, transformer, "cpu")
    assert not any(parameter.requires_grad for parameter in control.parameters())
    assert file.as_dict()["settings"] == {
        "method": "attribute-control",
        "tokens": "subject",
        "max_scale": 1.5,
    }
    assert file.as_dict()["source"] == folder.name


def test_nobodys_choice_is_the_model_that_a_control_was_trained_on(folder: Path) -> None:
    for drawn in (True, False):
        choice = choose_model(ModelChoice(control=str(folder), device="cpu"), drawn=drawn)
        assert (choice.model, choice.reason) == ("tiny", "using tiny, which the control was trained on")


def refusal(folder: Path, transformer: Transformer) -> str:
    with pytest.raises(AdapterError) as caught:
        load_control(find_control(folder), transformer, "cpu")
    assert len(str(caught.value)) <= MAX_MESSAGE
    return str(caught.value)


def test_a_folder_that_holds_no_whole_control_is_refused(transformer: Transformer, folder: Path) -> None:
    assert "`pixelsmile train` makes one of concept-slider," in refusal(folder / "gone", transformer)
    tensors = load_file(folder / "control.safetensors")
    save_file({"directions": torch.full((2, 2), torch.nan)}, folder / "control.safetensors")
    assert "not finite (directions)" in refusal(folder, transformer)
    save_file({"directions": torch.zeros(3, 2), "more": torch.zeros(1)}, folder / "control.safetensors")
    assert "2 tensors are not those of its record, the first is directions" in refusal(folder, transformer)
    save_file(tensors, folder / "control.safetensors")
    known = json.loads((folder / "control.json").read_text())
    (folder / "control.json").write_text(json.dumps({**known, "settings": {"method": "magic"}}))
    assert "'magic'" in refusal(folder, transformer)
    (folder / "control.json").write_text(json.dumps({**known, "secret": 1}))
    assert "unknown key secret" in refusal(folder, transformer)
    (folder / "control.json").unlink()
    assert "holds no control.json: name the run's folder" in refusal(folder, transformer)
    (folder / "config.yaml").touch()
    assert "its training has not ended" in refusal(folder, transformer)


def test_a_control_goes_with_its_own_bare_base(folder: Path, model_folder: Path) -> None:
    with pytest.raises(AdapterError, match="and the model is another: give --model"):
        Editor.from_pretrained(model_folder, control=folder, device="cpu")
    with pytest.raises(AdapterError, match="steers the bare model: leave the adapter out"):
        Editor.from_pretrained(model_folder, control=folder, adapter="some.safetensors", device="cpu")
    with pytest.raises(InputError, match="the model geometric does not use control: leave it out"):
        Editor.from_pretrained("geometric", control=folder)
