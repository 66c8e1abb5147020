"""The adapter: where it sits, how it starts, and that its file gives the same pictures everywhere."""

import json

import numpy as np
import pytest
import torch
from diffusers import QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load, load_file, save_file
from tiny_training import SIZE, load_tiny_model, save_tiny_model, write_picture

from pixelsmile.cli import main
from pixelsmile.editing.adapters.choice import is_pixelsmiles
from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.adapters.transformer import load_adapters
from pixelsmile.editing.devices import place
from pixelsmile.editing.engine import EditJob, Target
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.prompts import image_only_processor
from pixelsmile.errors import AdapterError, InputError
from pixelsmile.store.publication import write_file
from pixelsmile.training.adapter import (
    adapter_bytes,
    adapter_parameters,
    add_adapter,
    file_name,
    load_adapter,
    started,
)
from pixelsmile.training.checkpoint import Facts, State
from pixelsmile.training.config import TARGETS, AdapterSettings
from pixelsmile.training.optimiser import Trained

SETTINGS = AdapterSettings(rank=2, lora_alpha=6.0)
NEUTRAL, HAPPY = (f"Edit the person to show a {name} expression" for name in ("neutral", "happy"))


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def transformer(model_folder):
    return load_tiny_model(model_folder).transformer


def trained(transformer, settings=SETTINGS, seed=0):
    """With an adapter that does something."""
    add_adapter(transformer, settings, seed)
    generator = torch.Generator().manual_seed(1)
    for parameter in adapter_parameters(transformer).values():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return transformer.eval()


@torch.no_grad()
def output(transformer):
    generator = torch.Generator().manual_seed(2)
    return transformer(
        hidden_states=torch.randn(1, 32, 16, generator=generator),
        encoder_hidden_states=torch.randn(1, 5, 16, generator=generator),
        timestep=torch.tensor([0.4]),
        img_shapes=[[(1, 4, 4), (1, 4, 4)]],
        return_dict=False,
    )[0]


def test_it_sits_where_the_references_does(transformer):
    """Twelve layers of each block, two tensors each: 1440 in the 60 blocks of Qwen-Image-Edit. The names are
    those of the reference's example.yaml, which peft compares with the ends of the layers' names."""
    names = ["to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out"]
    names += ["img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2"]
    theirs = load_like_reference(transformer, names)
    add_adapter(transformer, SETTINGS, 0)
    found = adapter_parameters(transformer)
    assert set(found) == theirs
    assert len(TARGETS["reference"]) == len(TARGETS["modulation"]) == 12
    assert set(found) == {
        f"transformer.transformer_blocks.{block}.{module}.lora_{factor}.weight"
        for block in range(2)
        for module in TARGETS["reference"]
        for factor in "AB"
    }
    trainable = {id(parameter) for parameter in transformer.parameters() if parameter.requires_grad}
    assert trainable == {id(parameter) for parameter in found.values()}
    assert transformer.training


def load_like_reference(transformer, names):
    """The names of the tensors that the reference's configuration of peft gives."""
    transformer.add_adapter(LoraConfig(r=2, target_modules=names), adapter_name="default")
    found = set(adapter_parameters(transformer))
    load_like(transformer)
    return found


@pytest.mark.parametrize("targets", ["modulation", ["to_q", "img_mod.1"]])
def test_its_layers_are_a_setting(transformer, targets):
    settings = AdapterSettings.model_validate({"rank": 2, "targets": targets}, strict=False)
    add_adapter(transformer, settings, 0)
    changed = {name.split(".", 3)[3].rpartition(".lora_")[0] for name in adapter_parameters(transformer)}
    wanted = {"attn.to_q", "img_mod.1"} if targets != "modulation" else set(TARGETS["modulation"])
    assert changed == wanted


def test_layers_that_the_model_lacks_are_named(transformer):
    for wrong in ("to_x", "net.2"):  # the second is two of each block
        settings = SETTINGS.model_copy(update={"targets": ("to_q", wrong)})
        with pytest.raises(
            AdapterError, match=rf"adapter.targets: '{wrong}' is not one layer.*attn.to_k"
        ) as e:
            add_adapter(transformer, settings, 0)
        assert len(str(e.value)) <= 300


@pytest.mark.parametrize("layout", ["reference", "modulation"])
def test_a_training_takes_the_layers_of_its_start(transformer, model_folder, tmp_path, layout, caplog):
    """Of either layout, where adapter.targets is left open; a stated one must fit."""
    saved = SETTINGS.model_copy(update={"targets": TARGETS[layout]})
    parameters = adapter_parameters(trained(transformer, saved))
    file = tmp_path / "a.safetensors"
    write_file(file, adapter_bytes(parameters, saved))
    other = load_tiny_model(model_folder).transformer
    caplog.set_level("INFO", "pixelsmile")
    settings = started(other, SETTINGS.model_copy(update={"start": str(file)}))
    assert set(settings.layers) == set(TARGETS[layout])
    assert f"those of {file}: attn.to_q, " in caplog.text
    add_adapter(other, settings, 9)
    load_adapter(other, file, settings)
    for name, parameter in adapter_parameters(other).items():
        torch.testing.assert_close(parameter, parameters[name], rtol=1e-6, atol=0)


def test_stated_layers_that_the_start_lacks_are_named(transformer, model_folder, tmp_path):
    saved = SETTINGS.model_copy(update={"targets": TARGETS["modulation"]})
    file = tmp_path / "a.safetensors"
    write_file(file, adapter_bytes(adapter_parameters(trained(transformer, saved)), saved))
    other = load_tiny_model(model_folder).transformer
    settings = started(
        other, SETTINGS.model_copy(update={"start": str(file), "targets": TARGETS["reference"]})
    )
    add_adapter(other, settings, 9)
    with pytest.raises(
        AdapterError, match=r"has img_mod\.1, txt_mod\.1 and lacks img_mlp\.net\.0\.proj, txt"
    ):
        load_adapter(other, file, settings)


def test_a_training_starts_from_what_the_references_saver_writes(transformer, model_folder, tmp_path):
    """Half of its layers come out with other names than the rest, and stock loading drops those."""
    parameters = adapter_parameters(trained(transformer))
    state = convert_state_dict_to_diffusers(get_peft_model_state_dict(transformer, adapter_name="default"))
    QwenImageEditPlusPipeline.save_lora_weights(tmp_path, state)
    names = list(load_file(tmp_path / "pytorch_lora_weights.safetensors"))
    assert sum(name.endswith(".lora.down.weight") for name in names) == 2 * 4
    assert sum(name.endswith(".lora_A.weight") for name in names) == 2 * 8
    other = load_tiny_model(model_folder).transformer
    settings = started(other, SETTINGS.model_copy(update={"start": str(tmp_path), "lora_alpha": 2.0}))
    add_adapter(other, settings, 9)
    load_adapter(other, tmp_path, settings)
    for name, parameter in adapter_parameters(other).items():
        torch.testing.assert_close(parameter, parameters[name], rtol=1e-6, atol=0)


def test_at_first_it_changes_nothing(transformer):
    before = output(transformer)
    add_adapter(transformer, SETTINGS, 0)
    assert torch.equal(output(transformer), before)
    assert not torch.equal(output(trained(load_like(transformer))), before)


def load_like(transformer):
    transformer.delete_adapters("default")
    return transformer


def test_its_start_follows_from_the_seed_alone(model_folder):
    starts = []
    for seed, noise in ((5, 0), (5, 1), (6, 0)):
        transformer = load_tiny_model(model_folder).transformer
        torch.manual_seed(noise)
        add_adapter(transformer, AdapterSettings(rank=64), seed)
        starts.append(
            {name: value.detach().clone() for name, value in adapter_parameters(transformer).items()}
        )
    name = "transformer.transformer_blocks.1.img_mlp.net.0.proj.lora_A.weight"
    assert all(torch.equal(starts[0][key], starts[1][key]) for key in starts[0])
    assert not torch.equal(starts[0][name], starts[2][name])
    assert starts[0][name].std().item() == pytest.approx(1 / 64, rel=0.05)


def test_it_is_trained_in_float32_on_a_model_in_bfloat16(transformer):
    transformer.to(torch.bfloat16)
    add_adapter(transformer, SETTINGS, 0)
    assert {parameter.dtype for parameter in adapter_parameters(transformer).values()} == {torch.float32}


def test_the_file_states_alpha_and_rank_and_loads_in_our_editor(transformer, model_folder, tmp_path):
    wanted = output(trained(transformer))
    file = tmp_path / "a.safetensors"
    write_file(file, adapter_bytes(adapter_parameters(transformer), SETTINGS, notes={"domain": "human"}))
    with safe_open(file, framework="pt") as stream:
        metadata = stream.metadata()
    config = json.loads(metadata["lora_adapter_metadata"])
    assert (config["transformer.lora_alpha"], config["transformer.r"]) == (6.0, 2)
    assert metadata["domain"] == "human"
    assert is_pixelsmiles(AdapterSpec(str(file)))
    other = load_tiny_model(model_folder).transformer
    load_adapters(other, [AdapterSpec(str(file))])
    torch.testing.assert_close(output(other), wanted, rtol=0, atol=1e-5)


def test_the_same_pictures_come_out_of_stock_diffusers(model_folder, transformer, tmp_path, monkeypatch):
    """Our engine with our loader against the stock pipeline with `load_lora_weights`: 1 of 255 levels."""
    file = tmp_path / "pytorch_lora_weights.safetensors"
    write_file(file, adapter_bytes(adapter_parameters(trained(transformer)), SETTINGS))
    picture = Image.open(write_picture(tmp_path / "p.png", 3))
    engine = QwenEngine.load(str(model_folder), [AdapterSpec(str(file))], place("cpu"))
    job = EditJob(picture, NEUTRAL, (Target((HAPPY,), ((1.0,),)),), seed=5, num_steps=3)
    ours = np.asarray(list(engine.stream(job))[-1].images[0][0], int)
    monkeypatch.setattr(pipeline_qwenimage_edit_plus, "VAE_IMAGE_SIZE", SIZE * SIZE)
    pipeline = stock(model_folder, engine)
    embedding = engine.encoder.encode(picture, [HAPPY], torch.device("cpu"))[0].embedding.detach()[None]
    plain = run(pipeline, picture, embedding)
    pipeline.load_lora_weights(tmp_path)
    theirs = run(pipeline, picture, embedding)
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - plain).max() > 5


def stock(model_folder, engine):
    tokenizer = engine.parts.tokenizer
    processor = image_only_processor(engine.parts.image_processor, tokenizer)
    pipeline = QwenImageEditPlusPipeline.from_pretrained(
        model_folder, tokenizer=tokenizer, processor=processor, dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def run(pipeline, picture, embedding):
    found = pipeline(
        image=picture,
        height=SIZE,
        width=SIZE,
        num_inference_steps=3,
        generator=torch.Generator().manual_seed(5),
        true_cfg_scale=1.0,
        prompt_embeds=embedding,
        prompt_embeds_mask=torch.ones(embedding.shape[:2]),
    )
    return np.asarray(found.images[0], int)


def test_names_survive_what_a_trainer_wraps_around(transformer):
    add_adapter(transformer, SETTINGS, 0)
    bare = "transformer_blocks.0.attn.to_q.lora_A"
    for wrapper in ("", "module.", "transformer.", "module.transformer._fsdp_wrapped_module."):
        assert file_name(f"{wrapper}{bare}.default.weight") == f"transformer.{bare}.weight"
    parameters = adapter_parameters(transformer)
    named = {
        f"transformer.{name}": value for name, value in transformer.named_parameters() if "lora_" in name
    }
    assert adapter_bytes(named, SETTINGS) == adapter_bytes(parameters, SETTINGS)


def test_the_same_tensors_are_the_same_bytes_in_the_order_of_names(transformer):
    """safetensors itself writes the metadata in another order at every call."""
    parameters = adapter_parameters(trained(transformer))
    notes = {f"note {number}": "ünïcode" for number in range(5)}
    files = {adapter_bytes(parameters, SETTINGS, notes=notes) for _ in range(5)}
    files.add(
        adapter_bytes(dict(reversed(parameters.items())), SETTINGS, notes=dict(reversed(notes.items())))
    )
    (data,) = files
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0
    assert list(header) == sorted(header)
    assert list(header["__metadata__"]) == sorted([*notes, "format", "lora_adapter_metadata", "trained_by"])
    for name, tensor in load(data).items():
        assert torch.equal(tensor, parameters[name])


def test_a_smaller_number_format_halves_the_file(transformer, tmp_path):
    parameters = adapter_parameters(trained(transformer))
    write_file(tmp_path / "half.safetensors", adapter_bytes(parameters, SETTINGS, torch.bfloat16))
    half = load_file(tmp_path / "half.safetensors")
    assert {tensor.dtype for tensor in half.values()} == {torch.bfloat16}
    for name, parameter in parameters.items():
        torch.testing.assert_close(half[name].float(), parameter.data, rtol=2**-8, atol=0)


def test_what_was_saved_is_taken_up_again(transformer, model_folder, tmp_path):
    parameters = adapter_parameters(trained(transformer))
    write_file(tmp_path / "a.safetensors", adapter_bytes(parameters, SETTINGS))
    other = load_tiny_model(model_folder).transformer
    add_adapter(other, SETTINGS, 9)
    load_adapter(other, tmp_path / "a.safetensors", SETTINGS)
    for name, parameter in adapter_parameters(other).items():
        torch.testing.assert_close(parameter, parameters[name], rtol=1e-6, atol=0)


def test_a_file_that_peft_wrote_is_taken_up_too(transformer, model_folder, tmp_path):
    parameters = adapter_parameters(trained(transformer))
    named = {
        name.replace("transformer.", "base_model.model.", 1): tensor for name, tensor in parameters.items()
    }
    save_file(named, tmp_path / "adapter_model.safetensors")
    config = {"lora_alpha": SETTINGS.lora_alpha, "r": SETTINGS.rank}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    other = load_tiny_model(model_folder).transformer
    add_adapter(other, SETTINGS, 9)
    load_adapter(other, tmp_path / "adapter_model.safetensors", SETTINGS)
    for name, parameter in adapter_parameters(other).items():
        torch.testing.assert_close(parameter, parameters[name], rtol=1e-6, atol=0)


@pytest.mark.parametrize("stated", [True, False])
def test_another_alpha_is_made_up_for(transformer, model_folder, tmp_path, stated):
    """Alpha 2 at rank 2 is the scale 1, which a file without an alpha has too."""
    file = tmp_path / "a.safetensors"
    settings = AdapterSettings(rank=2, lora_alpha=2.0)
    wanted = output(trained(transformer, settings))
    data = adapter_bytes(adapter_parameters(transformer), settings)
    write_file(file, data if stated else data.replace(b"lora_adapter_metadata", b"lora_adapter_metadatx"))
    other = load_tiny_model(model_folder).transformer
    add_adapter(other, SETTINGS, 0)
    load_adapter(other, file, SETTINGS)
    torch.testing.assert_close(output(other.eval()), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["kohya", "folder"])
def test_a_training_starts_from_any_plain_lora(transformer, model_folder, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    parameters = adapter_parameters(trained(transformer))
    write_file(tmp_path / "first" / "a.safetensors", adapter_bytes(parameters, SETTINGS))
    convert = ["adapters", "convert", "first", "-o", "kohya.safetensors", "--format", "kohya"]
    assert main(convert) == 0
    other = load_tiny_model(model_folder).transformer
    add_adapter(other, SETTINGS, 9)
    load_adapter(other, "first" if name == "folder" else "kohya.safetensors", SETTINGS)
    for key, parameter in adapter_parameters(other).items():
        torch.testing.assert_close(parameter, parameters[key], rtol=1e-6, atol=0)


def test_a_training_does_not_start_from_more_than_a_lora(transformer, tmp_path):
    add_adapter(transformer, SETTINGS, 0)
    parameters = {name: tensor.detach() for name, tensor in adapter_parameters(transformer).items()}
    for name in [name for name in parameters if name.endswith("lora_B.weight")]:
        magnitude = torch.ones(len(parameters[name]))
        parameters[name.replace("lora_B.weight", "lora_magnitude_vector")] = magnitude
    save_file(parameters, tmp_path / "dora.safetensors")
    with pytest.raises(AdapterError, match="is a DoRA: a training starts from plain LoRA"):
        load_adapter(transformer, tmp_path / "dora.safetensors", SETTINGS)


def test_what_is_not_finite_is_not_written(transformer):
    parameters = adapter_parameters(trained(transformer))
    large = {name: 1e39 * parameter.double() for name, parameter in parameters.items()}
    with pytest.raises(AdapterError, match=r"not finite in float32 .* its training diverged"):
        adapter_bytes(large, SETTINGS)
    next(iter(parameters.values())).data[0, 0] = float("nan")
    with pytest.raises(AdapterError, match="and not written"):
        adapter_bytes(parameters, SETTINGS)


def test_a_state_that_is_not_finite_is_not_taken_up():
    facts = Facts(step=7, config="", data="", global_batch=1)
    tensors = {"weights": {"a": torch.ones(2)}, "average": {"a": torch.tensor([1.0, float("inf")])}}
    with pytest.raises(InputError, match=r"the state of step 7 is not finite \(average: a\)"):
        Trained({}, None, None).restore(State(facts, tensors))


def test_what_does_not_fit_is_refused(transformer, tmp_path):
    add_adapter(transformer, SETTINGS, 0)
    with pytest.raises(AdapterError, match="an adapter already"):
        add_adapter(transformer, SETTINGS, 0)
    parameters = adapter_parameters(transformer)
    few = [dict(list(parameters.items())[start:]) for start in (1, 2)]  # half a pair, a pair less
    (tmp_path / "cut.safetensors").write_bytes(b"\0" * 9)
    write_file(tmp_path / "half.safetensors", adapter_bytes(few[0], SETTINGS))
    write_file(tmp_path / "few.safetensors", adapter_bytes(few[1], SETTINGS))
    for name, words in (
        ("half", r"is not complete \(it has B\)"),
        ("few", r"2 tensors differ, the first is transformer\.transformer_blocks\.0"),
        ("cut", "no whole safetensors file"),
        ("none", "no adapter file"),
    ):
        with pytest.raises(AdapterError, match=words):
            load_adapter(transformer, tmp_path / f"{name}.safetensors", SETTINGS)
