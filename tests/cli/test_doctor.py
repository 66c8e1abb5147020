"""`pixelsmile doctor`."""

import json
from dataclasses import replace

import pytest

from pixelsmile.cli import doctor, main
from pixelsmile.cli.doctor import Gpu, Machine, look_at_machine
from pixelsmile.editing.folders import FULL_MODEL


@pytest.fixture(scope="module")
def here() -> Machine:
    return look_at_machine()


@pytest.fixture
def whole(here: Machine) -> Machine:
    """This machine, with everything installed and no GPU."""
    return replace(here, libraries=dict.fromkeys(here.libraries, "1.0"), embedded_ready=True, gpus=())


def test_what_it_prints_here(here, capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert f"torch {here.libraries['torch']}" in out
    assert "embedded: ready, with adapters for human and anime\n" in out
    assert "pixelsmile edit face.png -e happy" in out


def test_json(here, capsys):
    assert main(["doctor", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["ready"] is True
    assert record["python"] == here.python
    assert record["embedded_adapters"] == ["human", "anime"]
    assert set(record) >= {"libraries", "extras", "gpus", "disk_free_gb", "embedded_ready", "advice"}


def test_the_table_of_cards(capsys):
    assert main(["doctor", "--cards", "--json"]) == 0
    rows = {row["card_gb"]: row for row in json.loads(capsys.readouterr().out)["cards"]}
    assert rows[24]["options"] == "--offload model --quantization fp8"
    assert rows[80]["options"] == "none needed"
    assert (rows[80]["training_base"], rows[80]["training_batch_size"]) == ("16 bits", 4)
    assert (rows[24]["training_base"], rows[24]["training_batch_size"]) == ("no training", 0)
    assert (rows[24]["training_checkpointed"], rows[141]["training_checkpointed"]) == (None, 0)
    assert main(["doctor", "--cards"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{row['card_gb']} GB  {row['options']}" in printed for row in rows.values())


def advice(machine: Machine) -> str:
    return "\n".join(doctor.advice(machine))


def test_without_a_gpu(whole):
    assert "photographs run here, by the geometric model: pixelsmile edit photo.jpg" in advice(whole)
    assert f"the paper's model, {FULL_MODEL}, needs a CUDA GPU" in advice(whole)


def test_faces_need_their_extra(whole):
    without = replace(whole, extras={**whole.extras, "scikit-image": None})
    assert 'scikit-image missing): pip install -c constraints.txt -e ".[faces]"' in advice(without)
    installed = replace(whole, extras=dict.fromkeys(whole.extras, "1.0"))
    assert "weights of other detectors and encoders of faces: pixelsmile models list" in advice(installed)


def test_an_extra_counts_whichever_distribution_brings_it(tmp_path, monkeypatch):
    extras = {"forked": "forked_module", "built-by-hand": "hand_module", "removed": "removed_module"}
    monkeypatch.setattr(doctor, "_EXTRAS", extras)
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("forked_module", "hand_module"):
        (tmp_path / f"{module}.py").write_text("")
    for distribution, module in (("forked_gpu", "forked_module"), ("removed", "removed_module")):
        info = tmp_path / f"{distribution}-7.8.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 7.8\n")
        (info / "top_level.txt").write_text(module)
    seen = look_at_machine().extras
    assert seen == {"forked": "7.8", "built-by-hand": "of unknown version", "removed": None}


def test_with_a_small_gpu(whole):
    small = replace(whole, gpus=(Gpu("small", 16.0),), disk_free_gb=10.0, full_model_downloaded=False)
    said = advice(small)
    assert f"--model {FULL_MODEL} --offload model --quantization 4bit" in said
    assert "pixelsmile models fetch qwen-image-edit-2511" in said
    assert "HF_HOME" in said
    assert "[quantization]" in said


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"libraries": {"torch": None}}, "torch missing or broken: pip install"),
        ({"embedded_ready": False}, "embedded model is missing"),
    ],
)
def test_a_broken_installation(change, line, whole, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "look_at_machine", lambda: replace(whole, **change))
    assert main(["doctor"]) == 1
    assert line in capsys.readouterr().out
