"""`pixelsmile train` with FFE-Bench looking on, on the embedded model: the smallest that gives numbers."""

import shutil
from pathlib import Path

import pytest
import yaml
from training.small_job import start

from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.cli import main
from pixelsmile.hashing import sha256_file
from pixelsmile.store.json_lines import read_lines
from pixelsmile.training.statistics import ValidationRecord
from pixelsmile.triplets.drawn import write_drawn

CONFIG = {
    "model": {"device": "cpu", "precision": "float32"},
    "adapter": {"rank": 2, "lora_alpha": 4.0},
    "data": {"triplets": "data/triplets.jsonl", "size_px": 256},
    "objective": {"contrastive": {"weight": 0.0}, "identity": {"weight": 0.0}},
    "optimiser": {"learning_rate": 0.01, "num_warmup_steps": 1},
    "run": {"num_steps": 2, "batch_size": 1},
    "checkpoints": {"every": 1},
    "validation": {
        "every": 1,
        "expressions": ["happy"],
        "strengths": [0.0, 1.0],
        "num_sampling_steps": 2,
        "benchmark": "embedded",
        "num_samples": 2,
    },
}


@pytest.fixture
def config(tmp_path) -> Path:
    """my.yaml and its two triplets in the current folder."""
    start(tmp_path)  # forgets the accelerator of other tests
    assert list(write_drawn(Path("data"), 2, num_processes=1))[-1] == 2
    Path("my.yaml").write_text(yaml.safe_dump(CONFIG))
    return Path("my.yaml")


def test_numbers_that_bench_can_show(config, capsys):
    assert main(["train", "my.yaml", "-o", "out"]) == 0
    looks = [Path(f"out/validation/step-0000000{step}-ffe") for step in (1, 2)]
    records = read_lines(Path("out/validation.jsonl"), ValidationRecord)
    assert [record.step for record in records] == [1, 2]
    for record, look in zip(records, looks, strict=True):
        metrics = load_results(RunFolder(look)).summary.metrics
        for name in ("acc_6", "acc_12", "id_sim", "hes"):  # of fear and happy, at strengths 0 and 1
            assert record.numbers[name] == pytest.approx(metrics[name].estimate.value, rel=1e-5)
        assert record.numbers["id_sim"] > 0.5
        assert "cls_6" not in record.numbers  # two points always lie on a line
        assert (record.numbers["unscored"], record.numbers["no_identity"]) == (0, 0)
    line = capsys.readouterr().err.splitlines()[-2]
    assert line.startswith("pixelsmile: validated after 2 steps: 2 sheets  ")
    assert f"  hes {records[1].numbers['hes']:g}  id_sim " in line
    assert line.endswith("  unscored 0  no_identity 0")

    adapters = [RunFolder(look).spec().editor["adapters"][0]["sha256"] for look in looks]
    assert adapters[0] != adapters[1] == sha256_file("out/adapter.safetensors")
    assert main(["bench", "compare", *map(str, looks)]) == 0
    assert "A embedded + step 1, B embedded + step 2; judged by embedded" in capsys.readouterr().out

    finished = {path: path.read_bytes() for path in looks[1].rglob("*") if path.is_file()}
    shutil.rmtree("out/checkpoints/step-00000002")  # as if it was killed before its last checkpoint
    Path("out/adapter.safetensors").unlink()
    assert main(["train", "my.yaml", "-o", "out", "-q"]) == 0
    assert {path: path.read_bytes() for path in looks[1].rglob("*") if path.is_file()} == finished
    assert read_lines(Path("out/validation.jsonl"), ValidationRecord) == records
