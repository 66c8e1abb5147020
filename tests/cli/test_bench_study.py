"""`pixelsmile bench study page` and `rank`, as a user types them, and as a rater ranks in a browser."""

import base64
import csv
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from benchmarks.run_examples import write_run

from pixelsmile.benchmarks.study.page import QUESTIONS, read_key
from pixelsmile.cli import main

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# A rater who ranks by the codes' alphabet, pressing digits; what is downloaded ends up in the page.
DRIVER = """
(async () => {
  const wait = () => new Promise((done) => setTimeout(done, 5));
  URL.createObjectURL = (blob) => { blob.text().then((text) => {
    document.body.append(Object.assign(document.createElement("pre"), { id: "csv", textContent: text }));
  }); return "blob:none"; };
  HTMLAnchorElement.prototype.click = () => {};
  document.getElementById("rater").value = "anna";
  document.querySelector("form").requestSubmit();
  for (let i = 0; i < 200 && document.querySelector("section.sweep"); i++) {
    const rows = [...document.querySelectorAll("section.sweep")];
    const codes = rows.map((row) => row.dataset.code).sort();
    for (const row of rows.slice(1)) {
      const key = String(codes.indexOf(row.dataset.code) + 1);
      row.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    }
    document.querySelector("form").requestSubmit();
    await wait();
  }
  [...document.querySelectorAll("button")].find((b) => b.textContent.startsWith("Download")).click();
})();
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("runs")
    return [str(write_run(folder / name, editor=name).path) for name in ("truth", "copy", "noise")]


def study(*arguments: str) -> int:
    return main(["bench", "study", *arguments])


def write_csv(path: str, rater: str, key_file: str = "study.key.json") -> str:
    """A rater for whom truth is best, then copy, then noise."""
    key = read_key(Path(key_file))
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("study", "rater", "task", "question", "code", "rank"))
        for task, found in key.tasks.items():
            for code, editor in found.sweeps.items():
                rank = ("truth", "copy", "noise").index(editor) + 1
                for question in QUESTIONS:
                    writer.writerow((key.study, rater, task, question, code, rank))
    return path


def test_from_runs_to_ranks(runs, capsys):
    assert study("page", *runs, "-o", "study.html", "--samples", "4", "--seed", "1") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("study.html  for the raters: 4 tasks, 40 pictures, ")
    assert out[1].startswith("study.key.json  for you alone")
    assert (
        study("rank", write_csv("a.csv", "anna"), write_csv("b.csv", "ben"), "--key", "study.key.json") == 0
    )
    out = capsys.readouterr().out
    assert re.search(r"^truth +1\.00 +– +5\.00 +8$", out, re.MULTILINE)
    assert "Kendall's W 1.00 (mean of 4 tasks; chance 0.50), Krippendorff's alpha 1.00" in out
    assert "2 raters, 4 tasks: 16 of 16 questions answered, 0 incomplete and 0 missing" in out
    assert "published (PixelSmile, section 5.5" in out
    assert study("rank", "a.csv", "--key", "study.key.json", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["n_complete"] == 8
    assert record["questions"][0]["editors"][0]["rank"]["value"] == 1


def test_fewer_tasks_than_asked_for_are_said(runs, capsys):
    assert study("page", *runs, "-o", "study.html") == 0
    captured = capsys.readouterr()
    assert captured.err == "pixelsmile: the runs share 7 whole sweeps, not 20\n"
    assert "7 tasks" in captured.out


def test_nothing_is_replaced_without_force(runs, capsys):
    Path("study.key.json").write_text("precious")
    assert study("page", *runs, "-o", "study.html") == 2
    assert "already there" in capsys.readouterr().err
    assert Path("study.key.json").read_text() == "precious"
    assert not Path("study.html").exists()
    assert study("page", *runs, "-o", "study.html", "--force") == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["page", "none", "other", "-o", "s.html"], "holds no run"),
        (["page", "none", "-o", "s.pdf"], "use a name that ends in .html"),
        (["page", "none", "-o", "s.html", "--samples", "0"], "samples 0 is out of range"),
        (["page", "none"], "required: -o"),
        (["rank", "a.csv", "--key", "none.json"], "there is no file"),
        (["rank", "--key", "none.json"], "required: CSV"),
    ],
)
def test_slips_get_one_line(arguments, line, capsys):
    assert study(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert line in captured.err


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no browser is installed")
def test_a_rater_in_a_browser(runs, capsys):
    assert study("page", *runs, "-o", "study.html", "--samples", "3") == 0
    page = Path("study.html").read_text(encoding="utf-8")
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]
    driven = script + DRIVER
    digest = base64.b64encode(hashlib.sha256(driven.encode()).digest()).decode()
    page = page.replace(script, driven)
    Path("driven.html").write_text(re.sub(r"'sha256-[^']+'", f"'sha256-{digest}'", page), "utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]
    command += [f"--user-data-dir={Path('profile').absolute()}", "--dump-dom"]
    dom = subprocess.run(
        [*command, Path("driven.html").absolute().as_uri()], capture_output=True, text=True, timeout=120
    ).stdout
    answers = html.unescape(re.search(r'<pre id="csv">(.*?)</pre>', dom, re.DOTALL)[1])
    Path("anna.csv").write_text(answers)
    capsys.readouterr()
    assert study("rank", "anna.csv", "--key", "study.key.json", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["raters"], record["n_complete"], record["n_missing"]) == (["anna"], 6, 0)
    rows = list(csv.DictReader(answers.splitlines()))
    for task in {row["task"] for row in rows}:
        ranked = [row["code"] for row in sorted(rows, key=lambda row: row["rank"]) if row["task"] == task]
        assert ranked == sorted(ranked)  # the ranks are those that were pressed, and the last was settled
