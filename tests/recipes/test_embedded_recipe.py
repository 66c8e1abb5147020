import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from diffusers.models.transformers.transformer_qwenimage import QwenEmbedRope
from PIL import Image
from torch import nn
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from pixelsmile import Editor
from pixelsmile.editing.prompts import PICTURE, PREFIX, SUFFIX
from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, SYNONYMS, confusing_partner, target_prompt
from pixelsmile.portraits import ActionUnits, render, sample_identity
from pixelsmile.portraits.prototypes import action_units
from pixelsmile.training.window import ChosenPositions
from recipes.embedded import __main__ as program
from recipes.embedded import quality, sheet
from recipes.embedded.__main__ import stages
from recipes.embedded.drawings import combinations_of, planned_drawings
from recipes.embedded.editor import EmbeddedEditor, RealRotaryAttention, load_networks
from recipes.embedded.pairs import Pairs, confused_label
from recipes.embedded.plan import (
    AutoencoderPhase,
    AutoencoderPlan,
    EditorPhase,
    EditorPlan,
    PicturePlan,
    Plan,
)
from recipes.embedded.quality import Errors, Tally, Ways, measure
from recipes.embedded.text import PROMPTS, build_tokenizer, dense_prompt, dual_prompt, known_words, phrased
from recipes.optimisation import RMS, Muon, Optimisation, learning_rate, orthogonalised, train
from recipes.pictures import load_autoencoder

SHORT = Optimisation(4, 1e-3, 2, 0.9, checkpoint_every=2, log_every=2)
TINY = Plan(
    pictures=PicturePlan(size=64, num_identities=2, num_canonical=1, num_combinations=1),
    autoencoder=AutoencoderPlan(
        base_dim=4, dim_mult=(1, 1, 2, 2), num_identities=2, crop_px=32, batch_size=2, final_crop_px=64,
        final_batch_size=1, final_share=0.5,
        phases=(AutoencoderPhase("first", SHORT, 0.1), AutoencoderPhase("second", SHORT, 0.05)),
    ),
    editor=EditorPlan(
        num_layers=1, num_attention_heads=1, attention_head_dim=16, axes_dims_rope=(4, 6, 6), text_dim=32,
        text_layers=1, num_sampling_steps=2,
        phases=(
            EditorPhase("first", SHORT, 2, 2.0, 0.0, (1, 3), (1, 3), 2),
            EditorPhase("second", SHORT, 2, 3.0, 0.75, (0, 4), (0, 4), 0, muon=True),
        ),
    ),
)  # fmt: skip


def run(folder, plan=TINY):
    """All records of a run."""
    all_stages = stages(plan, folder, folder / "model", 1, torch.device("cpu"), compile_network=False)
    return [record for _, progress in all_stages for record in progress]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    for record in run(folder):
        assert json.loads(json.dumps(record)) == record
    return folder / "model"


def test_the_recipe_ends_in_a_folder_that_edits(model):
    editor = Editor.from_pretrained(model)
    picture = Image.fromarray(render(sample_identity(3), action_units(NEUTRAL), "human", 64))
    result = editor.edit(picture, "happy", strengths=(0, 1))
    assert [image.size for image in result.images] == [(64, 64), (64, 64)]
    assert {"Make", "look", "tired", "character"} < set(editor.engine.info.words)


def test_every_log_is_beside_the_weights(model):
    for name, expected in (("autoencoder", [2, 4, 2, 4]), ("editor", [2, 4, 2, 4])):
        lines = (model / f"training-{name}.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == expected


@pytest.mark.parametrize("saved", [AutoencoderKLQwenImage, QwenImageTransformer2DModel])
def test_a_kill_while_weights_are_written_is_made_good(model, saved, tmp_path, monkeypatch):
    work = tmp_path / "work"
    shutil.copytree(model.parent, work)
    part = "autoencoder/vae" if saved is AutoencoderKLQwenImage else "editor/transformer"
    shutil.rmtree(work / part)

    def killed(network, folder):
        (Path(folder) / "config.json").write_text("{}")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(saved, "save_pretrained", killed)
        with pytest.raises(KeyboardInterrupt):
            run(work)
    run(work)
    weights = f"{part.split('/')[1]}/diffusion_pytorch_model.safetensors"
    assert (work / "model" / weights).read_bytes() == (model / weights).read_bytes()


@pytest.mark.parametrize("kept", [False, True])
def test_training_goes_on_from_a_finished_model(model, tmp_path, kept):
    again = tmp_path / "model"
    for _, progress in stages(
        TINY, tmp_path, again, 1, torch.device("cpu"),
        compile_network=False, start=model, keep_autoencoder=kept,
    ):  # fmt: skip
        list(progress)
    for log, steps in (("editor", [2, 4] * 3), ("autoencoder", [2, 4] * (2 if kept else 3))):
        lines = (again / f"training-{log}.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == steps
        assert not (tmp_path / log / "first").exists()
    name = "vae/diffusion_pytorch_model.safetensors"
    assert ((again / name).read_bytes() == (model / name).read_bytes()) == kept
    mine, before = load_autoencoder(again / "vae"), load_autoencoder(model / "vae")
    for parameter, other in zip(mine.parameters(), before.parameters(), strict=True):
        assert (parameter - other).abs().max() < 0.02  # four steps on from there, not from the start


def test_a_work_folder_goes_on_from_what_it_began_with(model, tmp_path):
    first = stages(TINY, tmp_path, tmp_path / "model", 1, torch.device("cpu"), compile_network=False)
    assert next(first)[0] == "pictures"
    other = stages(
        TINY, tmp_path, tmp_path / "model", 1, torch.device("cpu"), compile_network=False, start=model
    )
    with pytest.raises(InputError, match="was begun with weights = None, not"):
        next(other)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("transformer", {"editor": replace(TINY.editor, num_layers=2)}),
        ("text_encoder", {"editor": replace(TINY.editor, text_layers=2)}),
        ("vae", {"autoencoder": replace(TINY.autoencoder, base_dim=8)}),
    ],
)
def test_a_start_of_another_shape_is_refused_before_anything_is_drawn(part, change, model, tmp_path):
    work, plan = tmp_path / "work", replace(TINY, **change)
    begun = stages(plan, work, work / "model", 1, torch.device("cpu"), compile_network=False, start=model)
    with pytest.raises(InputError, match=f"{part}' is of another shape than the plan's"):
        next(begun)
    assert not work.exists()


def test_a_recipe_stops_after_the_stage_that_is_named_also_where_it_is_done(model, tmp_path, monkeypatch):
    work = tmp_path / "work"
    shutil.copytree(model.parent, work)
    shutil.rmtree(work / "latents")
    monkeypatch.setattr(program, "Plan", lambda: TINY)
    words = ["--work", str(work), "--device", "cpu", "--no-compile", "--until", "autoencoder"]
    monkeypatch.setattr(sys, "argv", ["embedded", *words])
    program.main()
    assert not (work / "latents").exists()


@pytest.mark.parametrize("start", ["nothing", "."])
def test_a_start_that_is_no_model_is_refused_before_anything_is_drawn(start, tmp_path, monkeypatch, capsys):
    words = ["--work", str(tmp_path / "work"), "--start", str(tmp_path / start)]
    monkeypatch.setattr(sys, "argv", ["embedded", *words])
    with pytest.raises(SystemExit, match="2"):
        program.main()
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "work").exists()


def test_a_finished_recipe_does_nothing_again(model):
    before = (model / "transformer" / "diffusion_pytorch_model.safetensors").read_bytes()
    (model / "quality.json").write_text("{}")
    assert run(model.parent) == []
    assert (model / "transformer" / "diffusion_pytorch_model.safetensors").read_bytes() == before
    assert (model / "quality.json").is_file()


def test_another_plan_does_not_use_these_pictures(model):
    before = (model.parent / "plan.json").read_bytes()
    with pytest.raises(InputError, match=r"num_canonical = 1, not 2"):
        run(model.parent, replace(TINY, pictures=replace(TINY.pictures, num_canonical=2)))
    assert (model.parent / "plan.json").read_bytes() == before


def quadratic(folder, num_steps):
    """Train a small network on noise that depends on the step alone; how far it got, and its weights."""
    torch.manual_seed(0)
    network = nn.Linear(3, 1)

    def losses_of_step(step):
        inputs = torch.from_numpy(np.random.default_rng((7, step)).standard_normal((4, 3), np.float32))
        return {"loss": (network(inputs) - inputs.sum(1, keepdim=True)).square().mean()}

    plan = Optimisation(12, 1e-2, 2, 0.9, checkpoint_every=3, log_every=1)
    for record in train(network, losses_of_step, plan, folder, [network.weight]):
        if record["step"] == num_steps:
            break
    return network.state_dict()


def test_a_killed_training_goes_on_as_if_it_never_was(tmp_path):
    whole = quadratic(tmp_path / "whole", 99)
    quadratic(tmp_path / "killed", 7)
    with (tmp_path / "killed" / "stats.jsonl").open("a") as log:
        log.write('{"step": 8, "lo')
    resumed = quadratic(tmp_path / "killed", 99)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "killed" / "stats.jsonl").read_text().splitlines()
    ]
    assert steps == list(range(1, 13))


def test_a_loss_that_is_not_a_number_stops_before_the_update(tmp_path):
    network = nn.Linear(1, 1)
    before = network.weight.clone()
    with pytest.raises(PixelSmileError, match="loss is nan at step 0"):
        list(train(network, lambda step: {"loss": network.weight.sum() * torch.nan}, SHORT, tmp_path))
    assert torch.equal(network.weight, before)


def test_learning_rate_warms_up_and_ends_at_zero():
    plan = Optimisation(100, 1.0, 10, 0.9)
    rates = [learning_rate(step, plan) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == max(rates) == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)


def test_pictures_are_planned_in_pairs_of_styles_and_start_neutral():
    plan = PicturePlan(num_identities=3)
    pictures = planned_drawings(plan, seed=0)
    assert len(pictures) == 3 * 2 * plan.pictures_per_identity
    assert pictures == planned_drawings(plan, seed=0)
    for start in range(0, len(pictures), plan.pictures_per_identity):
        neutral, *others = pictures[start : start + plan.pictures_per_identity]
        assert (neutral.expression, neutral.units) == (NEUTRAL, action_units(NEUTRAL))
        canonical, combined = others[: plan.num_canonical], others[plan.num_canonical :]
        assert [one.units for one in canonical] == [action_units(one.expression) for one in canonical]
        for one in combined:
            units = combinations_of(one.expression)[one.combination].units
            assert one.units == ActionUnits(**units).scaled(one.strength)
            assert one.strength in plan.strengths
        assert len({(one.identity_seed, one.domain) for one in (neutral, *others)}) == 1
        assert neutral.identity_seed < plan.first_test_seed


def test_pairs_stay_within_an_identity_and_a_style():
    pictures = planned_drawings(PicturePlan(num_identities=4), seed=0)
    for pair in Pairs(pictures, EditorPlan()).draw(200, np.random.default_rng(0)):
        source, target = pictures[pair.source], pictures[pair.target]
        assert pair.source != pair.target
        assert (source.identity_seed, source.domain) == (target.identity_seed, target.domain)
        assert ("person" if target.domain == "human" else "character") in pair.prompt


def test_labels_are_confused_of_people_with_glasses_and_only_within_pairs():
    people = {glasses: _person(glasses) for glasses in (True, False)}
    for name in EXPRESSIONS:
        assert confused_label(name, people[False]) == name
        assert confused_label(name, people[True]) == (confusing_partner(name) or name)
    share = np.mean([sample_identity(seed).glasses != "none" for seed in range(1000)])
    assert share == pytest.approx(0.25, abs=0.04)


def _person(glasses: bool) -> int:
    return next(seed for seed in range(100) if (sample_identity(seed).glasses != "none") == glasses)


def test_prompts_of_a_step_have_one_length_and_say_what_is_drawn():
    pictures, tokenizer = planned_drawings(PicturePlan(num_identities=20), seed=0), build_tokenizer()
    pairs = Pairs(pictures, EditorPlan())
    kinds = set()
    for seed in range(30):
        some = pairs.draw(8, np.random.default_rng(seed))
        assert len({len(tokenizer(pair.prompt)["input_ids"]) for pair in some}) == 1
        for pair in some:
            source, target = pictures[pair.source], pictures[pair.target]
            if pair.prompt == dense_prompt(source, target):
                kinds.add("dense")
            elif target.combination is not None:
                kinds.add("dual")
                assert pair.prompt == dual_prompt(target)
            else:
                kinds.add("plain")
                words = {word for word, name in SYNONYMS.items() if name == _meant(target)}
                assert words & set(pair.prompt.rstrip(".").split())
    assert kinds == {"dense", "dual", "plain"}


def _meant(target):
    return confused_label(target.expression, target.identity_seed)


def test_every_word_of_every_prompt_is_known():
    words = set(known_words())
    pictures = planned_drawings(PicturePlan(num_identities=6), seed=1)
    pairs = Pairs(pictures, EditorPlan())
    for some in (*pairs.dual, *pairs.dense):
        assert {word for pair in some for word in re.findall(r"\w+", pair.prompt)} <= words


def test_words_that_a_model_had_keep_their_embeddings(model, tmp_path):
    known = Qwen2Tokenizer.from_pretrained(model / "tokenizer").get_vocab()
    fewer = {word: number for word, number in known.items() if word != "\u0120smirk"}
    assert len(fewer) == len(known) - 1
    shutil.copytree(model, tmp_path / "model")
    editor = EmbeddedEditor(TINY.editor, 16, seed=1)
    before = editor.text_encoder.get_input_embeddings().weight.detach().clone()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Qwen2Tokenizer, "get_vocab", lambda self: fewer if self is not editor.tokenizer else known
        )
        load_networks(editor, model)
    after = editor.text_encoder.get_input_embeddings().weight
    trained = Qwen2_5_VLForConditionalGeneration.from_pretrained(model / "text_encoder", dtype=torch.float32)
    rows = torch.tensor([number for word, number in known.items() if word in fewer])
    assert torch.equal(after[rows], trained.get_input_embeddings().weight[rows])
    assert torch.equal(after[known["\u0120smirk"]], before[known["\u0120smirk"]])


def test_every_word_of_the_prompts_is_one_token():
    tokenizer = build_tokenizer()
    for wording in range(len(PROMPTS)):
        lengths = {len(tokenizer(phrased(word, "anime", wording))["input_ids"]) for word in SYNONYMS}
        assert lengths == {len(re.findall(r"\w+|\.", PROMPTS[wording].format(subject="s", word="w")))}
    assert phrased("happy", "human", 0) == target_prompt("happy", "human")
    whole = tokenizer(PREFIX + PICTURE + "Make the person look sad" + SUFFIX)["input_ids"]
    assert tokenizer.decode(whole) == PREFIX + PICTURE + "Make the person look sad" + SUFFIX


def test_real_rotary_attention_is_the_stock_attention():
    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel(
        num_layers=2, num_attention_heads=2, attention_head_dim=16, joint_attention_dim=8, in_channels=16,
        out_channels=4, axes_dims_rope=(4, 6, 6), zero_cond_t=True,
    )  # fmt: skip
    inputs = {
        "hidden_states": torch.randn(2, 18, 16),
        "encoder_hidden_states": torch.randn(2, 5, 8),
        "timestep": torch.tensor([0.2, 0.9]),
        "img_shapes": [[(1, 3, 3), (1, 3, 3)]] * 2,
    }
    with torch.inference_mode():
        stock = transformer(**inputs).sample
        transformer.set_attn_processor(RealRotaryAttention())
        torch.testing.assert_close(transformer(**inputs).sample, stock, atol=1e-5, rtol=1e-4)


def test_chosen_tokens_keep_the_positions_of_the_whole_picture():
    stock = QwenEmbedRope(theta=10000, axes_dim=[4, 6, 6], scale_rope=True)
    positions = ChosenPositions(stock, (4, 4), torch.arange(16))
    shapes = [[(1, 4, 4), (1, 4, 4)]]
    image, text = stock(shapes, max_txt_seq_len=5, device=torch.device("cpu"))
    whole = positions(shapes, max_txt_seq_len=5, device=torch.device("cpu"))
    assert torch.equal(whole[0], image)
    positions.tokens = torch.tensor([6, 7, 10, 11])
    window, text_beside = positions([[(1, 1, 4)] * 2], max_txt_seq_len=5, device=torch.device("cpu"))
    assert torch.equal(window, image[[6, 7, 10, 11, 22, 23, 26, 27]])
    assert torch.equal(text_beside, text)


def test_muon_makes_the_momentum_orthogonal():
    torch.manual_seed(0)
    for shape in ((6, 6), (4, 9), (9, 4)):
        matrix = torch.randn(shape, dtype=torch.float64)
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        updated = orthogonalised(matrix)
        singular = torch.linalg.svdvals(updated)
        assert singular.min() > 0.6
        assert singular.max() < 1.3
        direction = (left @ right * updated).sum() / (updated.norm() * (left @ right).norm())
        assert direction > 0.95


def test_muon_steps_as_far_as_adamw_would():
    matrix = nn.Parameter(torch.zeros(8, 32))
    matrix.grad = torch.randn(8, 32, generator=torch.Generator().manual_seed(0))
    Muon([matrix], lr=0.1).step()
    assert matrix.detach().square().mean().sqrt().item() == pytest.approx(0.1 * RMS, rel=0.3)


def test_quality_separates_changed_from_unchanged_pixels():
    source, truth = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    truth[0] = 255
    edit = np.full((2, 2, 3), 51, np.uint8)
    errors = Errors()
    errors.add(edit, truth, (truth != source).any(-1))
    assert errors.psnr() == {
        "changed_db": pytest.approx(20 * np.log10(255 / 204), abs=1e-3),
        "unchanged_db": pytest.approx(20 * np.log10(255 / 51), abs=1e-3),
        "all_db": pytest.approx(10 * np.log10(255**2 / ((204**2 + 51**2) / 2)), abs=1e-3),
        "mean_of_pictures_db": pytest.approx(10 * np.log10(255**2 / ((204**2 + 51**2) / 2)), abs=1e-3),
    }


def test_quality_measures_every_edit_once(model):
    first, last = measure(str(model), 2, [1.0, 0.0, 1.0], processes=1)
    assert (first["num_identities"], last["num_identities"]) == (1, 2)
    at = {(each["domain"], each["strength"]): each for each in last["results"]}
    assert [found["num_edits"] for found in first["results"]] == [0, 12, 0, 12]  # at 0 all drawings are one
    assert at["human", 1.0]["num_edits"] == 24
    assert first["results"][0]["edit"]["changed_db"] > 0
    assert at["human", 0.0]["copying_the_source"]["changed_db"] is None  # the source is the truth there
    assert at["human", 1.0]["copying_the_source"]["changed_db"] < 25
    assert at["anime", 1.0]["damage"] is None
    control = last["control"]["human"]
    assert (control["evenness"], control["moving_share"]) == (None, None)
    assert list(control["moved"]) == ["1"]


def test_with_adapters_everybody_is_to_be_drawn_as_asked_for():
    (report,) = measure("embedded", 1, [1.0], processes=1, adapters=True)
    assert report["compared_with"] == "the canonical drawing of what was asked for"
    for domain in ("human", "anime"):
        found = next(each for each in report["results"] if each["domain"] == domain)
        assert found["nearest_own"] > 0.6
        assert found["nearest_partner_with_glasses"] is None


def test_quality_of_control_by_hand():
    ways = Ways((0.0, 0.5, 1.0, 1.5), [(0.1, 0.5, 0.9, 1.5), (0.0, 0.4, 0.4, 0.4)])
    assert ways.evenness() == {
        "evenness": pytest.approx((0.8 + 0.4 / 2) / 1.2, abs=1e-4),
        "moving_share": pytest.approx((0.8 + 0.4 / 2) / 1.2, abs=1e-4),
    }
    source, full = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    full[0] = 200
    half = full // 2
    half[1] = 77  # what lies across the way is not on it
    assert quality._share(half, source, full) == pytest.approx(0.5)
    beyond = (full * 1.25).astype(np.uint8)
    moving = Ways((0.0, 1.0, 1.5))
    moving.add([source, half, half], [source, full, beyond], (source, full))
    assert moving.gone == [(0.0, 0.5, 0.5)]
    moving.merge(moving)
    assert moving.summary()["moved"] == {"1": 0.5, "1.5": 0.0}
    moving = Ways((0.0, 0.001))
    moving.add([source, half], [source, source], (source, full))
    assert moving.summary()["moved"] == {"0.001": None}


def test_quality_is_written_beside_the_model_that_is_measured(model, monkeypatch):
    (model / "quality.json").unlink(missing_ok=True)
    monkeypatch.setattr(quality, "measure", lambda *_, **__: [{"num_identities": 1}])
    monkeypatch.setattr(sys, "argv", ["quality", "--model", str(model)])
    quality.main()
    assert json.loads((model / "quality.json").read_text()) == {"num_identities": 1}


def test_quality_that_is_stopped_leaves_the_report_of_before(model, tmp_path, monkeypatch):
    def stopped(*_, **__):
        yield {"num_identities": 1}
        raise KeyboardInterrupt

    report = tmp_path / "report.json"
    report.write_text("before")
    monkeypatch.setattr(quality, "measure", stopped)
    monkeypatch.setattr(sys, "argv", ["quality", "--model", str(model), "--out", str(report)])
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        quality.main()
    assert report.read_text() == "before"
    assert json.loads((tmp_path / "report-so-far.json").read_text()) == {"num_identities": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "none-here"], "no model folder 'none-here'"),
        (["--model", "none-here", "--out", "report.json"], "no model folder 'none-here'"),
        (["--model", "geometric", "--out", "report.json"], "'geometric' has no weights of this kind"),
        (["--trained"], "--trained and --adapters want --out"),
        (["--model", "{model}", "--adapters", "--out", "report.json"], "has no adapter of its own for human"),
        (["--out", "file/report.json"], "'file' is a file, not a folder"),
    ],
)
def test_what_quality_cannot_do_is_one_line(options, message, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    monkeypatch.setattr(
        sys, "argv", ["quality", "--processes", "1", *(word.format(model=model) for word in options)]
    )
    with pytest.raises(SystemExit, match="2"):
        quality.main()
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not Path("report.json").exists()


def test_a_sheet_by_an_adapter_that_the_model_lacks_is_refused(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--model", str(model), "--adapter", "own", "--domain", "anime"]
    monkeypatch.setattr(sys, "argv", ["sheet", *words])
    with pytest.raises(SystemExit, match="2"):
        sheet.main()
    assert "has no adapter of its own for anime" in capsys.readouterr().err
    assert not Path("sheets").exists()


def test_a_sheet_is_a_page_a_person(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--model", str(model), "--domain", "human", "--people", "1", "--strengths", "0", "1"]
    monkeypatch.setattr(sys, "argv", ["sheet", *words])
    sheet.main()
    assert capsys.readouterr().out == "sheets/human-01.png\n"
    with Image.open("sheets/human-01.png") as page:
        assert page.size == (76 + 2 * 308, 34 + 12 * 150)


def test_quality_counts_confusions_by_hand():
    tally = Tally()
    for name in EXPRESSIONS:
        tally.chosen[name] = [name, name]
    tally.chosen["happy"] = ["happy", "sad"]
    tally.chosen["fear"] = ["surprised", "happy"]
    tally.chosen_by_confused = {"fear": ["surprised", "surprised"], "angry": ["disgust", "angry"]}
    tally.damages = [4.0, 8.0, 12.0]
    merged = Tally()
    merged.merge(tally)
    summary = merged.summary()
    assert summary["num_edits"] == 24 + 4
    assert summary["nearest_own"] == pytest.approx(15 / 16, abs=1e-4)
    assert summary["nearest_own_in_confusing_pairs"] == pytest.approx(6 / 8)
    assert summary["nearest_partner_with_glasses"] == pytest.approx(3 / 4)
    assert summary["nearest_own_by_expression"]["fear"] == 0.0
    assert summary["damage"] == [6, 8, 10]
    assert Tally().summary()["nearest_partner_with_glasses"] is None


def test_quality_on_trained_identities_takes_those_of_the_plan():
    planned = {(one.domain, one.identity_seed) for one in planned_drawings(PicturePlan(num_identities=3), 0)}
    assert {(domain, seed) for i in range(3) for domain, seed in quality._seeds(i, True).items()} == planned
    tested = {(domain, seed) for i in range(3) for domain, seed in quality._seeds(i, False).items()}
    assert len(tested) == 6
    assert not tested & {(one.domain, one.identity_seed) for one in planned_drawings(PicturePlan(), 0)}
