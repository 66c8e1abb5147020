"""Quality of pictures by a metric of pyiqa: what is said where it cannot be had, and that limits count."""

import sys
from importlib import metadata
from types import SimpleNamespace

import pytest
from dataset.dataset_examples import FACES, people
from PIL import Image

from pixelsmile.dataset.build import build
from pixelsmile.dataset.picture_quality import load_metric, metric_record, quality_of
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import InputError, ModelError


@pytest.fixture(autouse=True)
def loaded_anew():
    load_metric.cache_clear()
    yield
    load_metric.cache_clear()


def has_pyiqa() -> bool:
    try:
        metadata.version("pyiqa")
    except metadata.PackageNotFoundError:
        return False
    return True


def test_what_cannot_be_had_is_one_line_before_any_work(tmp_path, monkeypatch):
    def fetch(name: str, device: str) -> object:
        raise OSError("Name or service not known\nsecond line")

    config = people(1, faces={**FACES, "quality": {"metric": "musiq", "least": 40}})
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ModelError, match=r'pip install -c constraints\.txt -e "\.\[quality\]"'):
        list(build(tmp_path / "set", config))
    stand_in = SimpleNamespace(list_models=lambda mode: ["musiq"], create_metric=fetch)
    monkeypatch.setitem(sys.modules, "pyiqa", stand_in)
    with pytest.raises(ModelError, match=r"musiq cannot be loaded \(Name or service not known second line\)"):
        list(build(tmp_path / "set", config))
    with pytest.raises(InputError, match="no metric 'musik'"):
        load_metric("musik")
    assert StepFolder(tmp_path / "set/faces").has(0) is False


def test_a_limit_has_to_be_given():
    with pytest.raises(ValueError, match="give least"):
        people(1, faces={"quality": {"metric": "piqe"}})


@pytest.mark.skipif(not has_pyiqa(), reason="without pyiqa")
@pytest.mark.filterwarnings("ignore")
def test_a_metric_without_weights_measures_pictures(tmp_path):
    limits = {"metric": "entropy", "least": 1.0, "most": 6.0}
    list(build(tmp_path / "set", people(3, faces={**FACES, "quality": limits})))
    rows = [
        row
        for rejected in (False, True)
        for row in StepFolder(tmp_path / "set/faces").all_rows(rejected=rejected)
    ]
    assert len(rows) == 3
    for row in rows:
        assert 0 < row.quality <= 8
        assert (row.reason == "poor quality") == (row.quality > 6)
    assert metric_record("entropy")["metric"] == "entropy"
    flat = quality_of(Image.new("RGB", (128, 128)), "entropy")
    assert flat == pytest.approx(0, abs=1e-3)
