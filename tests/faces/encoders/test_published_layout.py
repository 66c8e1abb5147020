"""The three encoders of the paper as `--encoders arcface adaface facenet` takes them from the models folder.

Small networks, in files of the published names and layout, in the places where `models fetch` puts them.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_examples import exported, iresnet
from safetensors.torch import save_file
from test_safetensors_encoders import SMALL, AdaFaceNetwork, network_of

from pixelsmile.cli import main
from pixelsmile.errors import ModelError
from pixelsmile.faces.encoders.encoder import PREPROCESSING, identity_similarity
from pixelsmile.faces.likeness import load_encoders
from pixelsmile.faces.weights import WEIGHTS
from pixelsmile.hashing import sha256_file

# As the hub has it at the commit of the table, without what transformers alone reads.
ADAFACE_CONFIG = {
    "architectures": ["CVLFaceRecognitionModel"],
    "auto_map": {"AutoConfig": "wrapper.ModelConfig", "AutoModel": "wrapper.CVLFaceRecognitionModel"},
    "conf": {
        **{"color_space": "RGB", "freeze": False, "input_size": [3, 112, 112], "name": "ir101"},
        **{"output_dim": 512, "start_from": "", "yaml_path": "models/iresnet/configs/v1_ir101.yaml"},
    },
    "torch_dtype": "float32",
}


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.nn.Module]:
    """The networks; their files lie in the models folder, and are the published ones to the catalogue."""
    folder = tmp_path / "models"
    monkeypatch.setenv("PIXELSMILE_MODELS", str(folder))
    for name in ("adaface", "facenet"):
        (folder / name).mkdir(parents=True)
    torch.manual_seed(3)
    networks = {
        "arcface": iresnet(),
        "adaface": AdaFaceNetwork().eval(),
        "facenet": network_of(SMALL["inception"], 160),
    }
    exported(folder / WEIGHTS["arcface"].file, networks["arcface"])
    wrapped = {f"model.net.{name}": tensor for name, tensor in networks["adaface"].state_dict().items()}
    save_file(wrapped, folder / WEIGHTS["adaface"].file)
    (folder / "adaface" / "config.json").write_text(json.dumps(ADAFACE_CONFIG))
    save_file(networks["facenet"].state_dict(), folder / WEIGHTS["facenet"].file)
    for name in networks:
        path = folder / WEIGHTS[name].file
        published = replace(WEIGHTS[name], size_bytes=path.stat().st_size, sha256=sha256_file(path))
        monkeypatch.setitem(WEIGHTS, name, published)
    return networks


def test_all_three_load_by_their_names(fetched, crops):
    encoders = [known.encoder for known in load_encoders(["arcface", "adaface", "facenet"], "cpu")]
    assert [encoder.name for encoder in encoders] == ["arcface", "adaface", "facenet"]
    for encoder in encoders:
        pictures = crops(2, encoder.size_px)
        prepared = PREPROCESSING[encoder.name].apply(torch.from_numpy(pictures))
        if encoder.name == "adaface":  # RGB, as its config says, where AdaFace's older files take BGR
            prepared = prepared.flip(1)
        with torch.no_grad():
            wanted = torch.nn.functional.normalize(fetched[encoder.name](prepared)).numpy()
        np.testing.assert_allclose(encoder.embed(pictures), wanted, atol=1e-5)
    by_size = {size: crops(1, size) for size in (112, 160)}
    assert identity_similarity(by_size, by_size, encoders) == pytest.approx(1, abs=1e-5)


def test_likeness_takes_them_as_they_are_typed(fetched, tmp_path, capsys):
    assert main(["portrait", "--seed", "5900007", "-o", str(tmp_path / "face.png")]) == 0
    capsys.readouterr()
    words = ["likeness", str(tmp_path / "face.png"), str(tmp_path / "face.png"), "--json"]
    assert main([*words, "--encoders", "arcface", "adaface", "facenet"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["edits"]
    assert found["similarities"] == {name: pytest.approx(1, abs=1e-5) for name in fetched}


def test_adaface_without_its_config_says_how_to_get_it(fetched, tmp_path):
    (tmp_path / "models" / "adaface" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"adaface needs its weights: pixelsmile models fetch adaface"):
        load_encoders(["adaface"], "cpu")
