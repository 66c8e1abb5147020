"""What a training is told: read from YAML, changed by --set, refused with the line, saved and compared."""

import time
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixelsmile.errors import DeviceError, InputError
from pixelsmile.limits import known_keys
from pixelsmile.store.configuration import (
    configuration_text,
    parse_configuration,
    read_configuration,
    write_configuration,
)
from pixelsmile.training import PRESETS, preset_path
from pixelsmile.training.config import TrainingConfig, config_hash, first_difference, flattened
from pixelsmile.training.distribution import settled
from pixelsmile.training.networks import load_networks

MINIMAL = """data:
  triplets: a.jsonl
run:
  num_steps: 10
"""


def refusal(text: str, *changes: str) -> str:
    with pytest.raises(InputError) as refused:
        parse_configuration(text, "my.yaml", TrainingConfig, changes)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_defaults_are_those_of_the_paper():
    config = parse_configuration(MINIMAL, "my.yaml", TrainingConfig)
    assert (config.adapter.rank, config.adapter.lora_alpha, config.adapter.dropout) == (64, 128, 0)
    optimiser = config.optimiser
    assert (optimiser.learning_rate, optimiser.num_warmup_steps, optimiser.betas) == (1e-4, 500, (0.9, 0.999))
    assert (optimiser.weight_decay, optimiser.epsilon) == (0.001, 1e-8)
    contrastive, identity = config.objective.contrastive, config.objective.identity
    assert (contrastive.weight, contrastive.form, contrastive.temperature) == (1.0, "infonce", 0.07)
    assert (contrastive.symmetric, contrastive.margin, contrastive.epsilon) == (True, 0.2, 1e-6)
    assert (identity.weight, identity.max_sigma) == (0.1, 0.6)
    assert (config.run.batch_size, config.run.accumulation) == (4, 1)


def test_the_layers_of_an_adapter_are_a_set_or_a_list():
    def layers(change: str) -> tuple[str, ...]:
        return parse_configuration(MINIMAL, "my.yaml", TrainingConfig, [change]).adapter.layers

    assert layers("adapter.targets=null") == layers("adapter.targets=reference")
    assert layers("adapter.targets=[to_q, to_k]") == ("to_q", "to_k")
    wrong = refusal(MINIMAL, "adapter.targets=all")
    assert "targets: 'all' is none: use reference, modulation, qwen-image-2.1, a" in wrong
    assert "adapter.targets" in refusal(MINIMAL, "adapter.targets=[]")


@pytest.mark.parametrize("name", PRESETS)
def test_recipes_lack_nothing_but_their_triplets(name):
    config = read_configuration(preset_path(name), TrainingConfig, ["data.triplets=a.jsonl"])
    assert config.data.domain == ("anime" if name == "anime" else "human")
    with pytest.raises(InputError, match=r"data\.triplets is missing"):
        read_configuration(preset_path(name), TrainingConfig)


def test_the_papers_recipes_differ_where_the_reference_does():
    human, anime = (
        flattened(read_configuration(preset_path(n), TrainingConfig, ["data.triplets=a"]))
        for n in ("human", "anime")
    )
    assert {key for key in human if human[key] != anime[key]} == {"data.domain", "objective.identity.weight"}
    assert human["run.num_epochs"] == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "data:\n  tripletts: a",
            "my.yaml, line 2: unknown key data.tripletts: did you mean 'data.triplets'?",
        ),
        (
            MINIMAL + "learning_rate: 3",
            "my.yaml, line 5: unknown key learning_rate: did you mean 'optimiser",
        ),
        (MINIMAL + "foo: {bar: 3}", "line 5: unknown key foo.bar: known here are model, adapter,"),
        (MINIMAL + "foo: 3", "line 5: unknown key foo: known here are model, adapter, control, data,"),
        (MINIMAL + "adapter:\n  rank: many", "line 6: adapter.rank is 'many': input should be a valid int"),
        (MINIMAL + "adapter:\n  rank: '64'", "line 6: adapter.rank is '64': input should be a valid int"),
        (MINIMAL + "adapter: {rank: true}", "line 5: adapter.rank is True: input should be a valid int"),
        (MINIMAL + "adapter: {rank: 0}", "adapter.rank is 0: input should be greater than or equal to 1"),
        (MINIMAL + "adapter: {lora_alpha: .nan}", "adapter.lora_alpha is nan: input should be a finite"),
        (MINIMAL + "adapter: 64", "line 5: adapter is 64: input should be an object"),
        (MINIMAL + "run: {num_steps: 3}", "my.yaml, line 5: 'run' is given twice"),
        (MINIMAL + "optimiser: {betas: [0.9]}", "optimiser.betas is a list of 1: it needs more values"),
        (
            MINIMAL + "objective: {flow_weight: 0, contrastive: {weight: 0}, identity: {weight: 0}}",
            "all weights",
        ),
        (MINIMAL + "validation:\n  strengths: [0, -1]", "line 6: validation.strengths.1 is -1: input should"),
        (
            "run: {num_steps: 3}",
            "my.yaml: data.triplets is missing: add it, or give it with --set data.triplets=",
        ),
        ("", "data.triplets is missing"),
        ("- 1", "my.yaml is a list of 1, not keys with values"),
        ("a: [", "my.yaml, line 1: not YAML"),
        ("1: 2", "my.yaml, line 1: '1' is no key"),
        ("a: &x 1\nb: *x", "uses YAML anchors"),
        ("a: !!python/object:os.system {}", "uses a YAML tag"),
        ("a: !!set {b}", "uses a YAML tag"),
    ],
)
def test_slips_are_named_with_their_line(text, message):
    assert message in refusal(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "optimiser.learning_rat=1",
            "--set optimiser.learning_rat=1: unknown key optimiser.learning_rat: did",
        ),
        ("optimiser.learning_rate=fast", "is 'fast': input should be a valid number"),
        ("optimizer.learning_rate=1", "did you mean 'optimiser.learning_rate'?"),
        ("a.b=1", "unknown key a.b: known here are model"),
        ("objective.contrastive.form=info", "input should be 'infonce', 'hinge' or 'log_ratio'"),
        ("data.triplets.x=1", "triplets is no section"),
        (
            "model.gradient_checkpointing=0",
            "model.gradient_checkpointing: 0 is none: use true, false, or how many",
        ),
        ("model.gradient_checkpointing=some", "model.gradient_checkpointing: 'some' is none: use true"),
        ("run.num_steps", "changes nothing: write it like"),
        ("=3", "changes nothing"),
        ("adapter.rank=", "adapter.rank is None"),
        ("adapter.rank=1\nx: 2", "more than one value"),
    ],
)
def test_set_slips(change, message):
    assert message in refusal(MINIMAL, change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("control.rank=4", "unknown key control.rank: saedit has no such setting, leave it out"),
        ("control.num_latent=4", "unknown key control.num_latent: did you mean 'control.num_latents'?"),
        ("control.num_active=few", "control.num_active is 'few': input should be a valid integer"),
    ],
)
def test_settings_of_one_method_of_control_are_named_as_they_are_set(change, message):
    assert refusal(MINIMAL, "control.method=saedit", change) == f"--set {change}: {message}"


def test_set_speaks_yaml():
    changes = ["optimiser.learning_rate=2e-4", "log.trackers=[wandb]", "model.device=", "adapter={rank: 3}"]
    config = parse_configuration(MINIMAL + "model: {device: cpu}", "my.yaml", TrainingConfig, changes)
    assert (config.optimiser.learning_rate, config.log.trackers) == (2e-4, ("wandb",))
    assert (config.model.device, config.adapter.rank) == (None, 3)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(InputError, match="check the path"):
        read_configuration(tmp_path / "none.yaml", TrainingConfig)
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no UTF-8 text"):
        read_configuration(tmp_path / "x.yaml", TrainingConfig)


def test_saved_and_read_again(tmp_path):
    config = parse_configuration(
        MINIMAL,
        "my.yaml",
        TrainingConfig,
        ["validation.every=5", "validation.portraits=['1e5', '2026-01-01']"],
    )
    write_configuration(config, tmp_path / "config.yaml")
    assert read_configuration(tmp_path / "config.yaml", TrainingConfig) == config
    assert set(flattened(config)) <= set(known_keys(TrainingConfig))


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=40), st.floats(1e-12, 1e12), st.integers(1, 10**9), st.booleans())
@example("a\x85b\u2028", 1.0, 1, True)
@example("\x85", 1.0, 1, False)
def test_any_setting_survives_the_file(text, rate, steps, symmetric):
    plain = parse_configuration(MINIMAL, "my.yaml", TrainingConfig).model_dump(mode="json")
    plain["data"]["triplets"] = text
    plain["run"]["num_steps"] = steps
    plain["optimiser"]["learning_rate"] = rate
    plain["objective"]["contrastive"]["symmetric"] = symmetric
    config = TrainingConfig.model_validate({**plain}, strict=False)
    assert parse_configuration(configuration_text(config), "again.yaml", TrainingConfig) == config


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.text(), st.text("{}[]:-,&*!|>'\"#%@ \n\t0a.1e~\\"), st.text("abdt:riplets \n-1")), st.text()
)
def test_any_text_is_read_or_refused_in_one_line(text, change):
    for changes in ((), (change,), (f"data.triplets={change}",)):
        message = ""
        try:
            parse_configuration(text, "my.yaml", TrainingConfig, changes)
        except InputError as error:
            message = str(error)
        assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("a: " + "[" * 5000 + "]" * 5000, [], "more than 32 lists and sections"),
        ("a: " + "{b: " * 5000, [], "more than 32 lists and sections"),
        ("a: " + "x" * 70_000, [], None),
        ("a: &b [1]", [], "anchors"),
        ("a: 0x_", [], "cannot be read"),
        ("a: " + "9" * 5000, [], "cannot be read"),
        ("a: " + "1" + ":1" * 1000 + ".5", [], "cannot be read"),
        ('a: !!float ""', [], "uses a YAML tag"),
        ("a: !!timestamp x", [], "uses a YAML tag"),
        ("a: =", [], "not YAML"),
        (MINIMAL, ["a." * 30_000 + "a=1"], "changes nothing"),
        (MINIMAL, ["run.seed=" + "[" * 5000], "changes nothing"),
        (MINIMAL, ["run.seed=" + "[" * 4000], "more than 32 lists and sections"),
        (MINIMAL, ["run.seed=" + "x" * 4000], "run.seed is 'xxx"),
        (MINIMAL, ["x" * 4000 + "=1"], "unknown key xxx"),
        (MINIMAL + "x" * 1000 + ": 1", [], "unknown key xxx"),
    ],
)
def test_hostile_texts_are_refused_at_once(tmp_path, text, changes, message):
    (tmp_path / "my.yaml").write_text(text)
    started = time.monotonic()
    with pytest.raises(InputError) as refused:
        read_configuration(tmp_path / "my.yaml", TrainingConfig, changes)
    assert time.monotonic() - started < 3
    assert (message or "is longer than 65,536 bytes") in str(refused.value)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("optimiser.weight_decay=2e-3", ("optimiser.weight_decay", 1e-3, 2e-3)),
        ("optimiser.learning_rate=2e-4", None),
        ("adapter.rank=8", ("adapter.rank", 64, 8)),
        ("run.seed=1", ("run.seed", 0, 1)),
        ("run.num_steps=9", ("run.num_steps", 10, 9)),
        ("run.num_steps=11", None),
        ("data.triplets=moved/a.jsonl", None),
        ("data.cache=/elsewhere", None),
        ("checkpoints={every: 7, keep: 9}", None),
        ("log.every=3", None),
        ("validation.every=3", None),
    ],
)
def test_what_may_change_when_a_run_goes_on(change, difference):
    before, now = (
        parse_configuration(MINIMAL, "a", TrainingConfig),
        parse_configuration(MINIMAL, "a", TrainingConfig, [change]),
    )
    assert first_difference(before, now) == difference
    if difference is None:
        assert config_hash(before) == config_hash(now)
    elif change != "run.num_steps=9":
        assert config_hash(before) != config_hash(now)


def test_a_step_count_in_place_of_epochs_is_a_change():
    before, now = (
        parse_configuration(MINIMAL, "a", TrainingConfig, ["run.num_steps="]),
        parse_configuration(MINIMAL, "a", TrainingConfig),
    )
    assert first_difference(before, now) == ("run.num_steps", None, 10)


def config_with(*changes: str) -> TrainingConfig:
    return parse_configuration(MINIMAL, "a", TrainingConfig, changes)


def test_steps_of_epochs():
    config = config_with("run={num_epochs: 3}", "optimiser.num_warmup_steps=0")
    assert config.num_steps(10, num_processes=1) == 8  # 30 triplets in batches of 4
    assert config.num_steps(10, num_processes=2) == 4
    assert config_with("optimiser.num_warmup_steps=9").num_steps(10, 1) == 10
    with pytest.raises(InputError, match="num_warmup_steps is 10 in a run of 10 steps"):
        config_with("optimiser.num_warmup_steps=10").num_steps(10, 1)


def test_a_run_of_before_says_quantise():
    assert config_with("model.quantise=4bit") == config_with("model.quantization=4bit")
    known = "9ec0b1dd03eedf259c01eb8464d2fd93d49c6f8c0aa3cb4959ce840c7d709ee8"  # in checkpoints of before
    changes = ["model.precision=float32", "adapter.rank=32", "adapter.lora_alpha=64.0", "data.size_px=256"]
    changes += ["optimiser.num_warmup_steps=1", "optimiser.ema_decay=0.99", "adapter.targets=modulation"]
    assert config_hash(config_with(*changes)) == known


def test_a_folder_is_no_config(tmp_path: Path):
    with pytest.raises(InputError, match="is a folder"):
        read_configuration(tmp_path, TrainingConfig)


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_a_base_in_few_bits_reaches_the_loading_and_wants_a_gpu(bits):
    config = parse_configuration(MINIMAL, "my.yaml", TrainingConfig, [f"model.quantization={bits}"])
    with pytest.raises(DeviceError, match=f"quantization '{bits}' needs a GPU, the device is cpu: leave it"):
        load_networks(settled(config, torch.device("cpu")), [], torch.device("cpu"))
