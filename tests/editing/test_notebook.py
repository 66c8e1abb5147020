"""How results show themselves in notebooks, and the example notebook."""

import base64
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from editing.test_edit_files import result_of
from PIL import Image

from pixelsmile.editing import notebook
from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.pictures import open_source

EXAMPLE = Path(__file__).parents[2] / "examples" / "edit.ipynb"


@pytest.fixture
def result() -> EditResult:
    return result_of(open_source(Image.new("RGB", (48, 48))))


def pictures(html: str) -> list[Image.Image]:
    found = re.findall(r"base64,([\w+/=]+)", html)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_a_strip(result):
    html = replace(result, label='"happy" <b>')._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<script" not in html
    assert 'alt="&quot;happy&quot; &lt;b&gt; at strength 0.5"' in html
    first, second = pictures(html)
    assert first.size == (48, 48)
    assert abs(second.getpixel((20, 20))[0] - 50) < 4


def test_a_strip_is_bounded():
    images = [Image.new("RGBA", (3000, 1000)) for _ in range(40)]
    strengths = tuple(index / 20 for index in range(40))
    result = replace(result_of(open_source(images[0])), images=images, strengths=strengths)
    html = result._repr_html_()
    shown = pictures(html)
    assert {picture.size for picture in shown} == {(192, 64)}
    assert "9 of 40 strengths" in html
    assert "<figcaption>0</figcaption>" in html
    assert "<figcaption>1.95</figcaption>" in html
    assert len(html) < 100_000
    assert shown[0].getpixel((0, 0)) == (255, 255, 255)  # transparency over white


def test_without_widgets_there_is_the_strip(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert set(result._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert (
        result._repr_mimebundle_()["text/plain"] == "EditResult('happy', strengths=(0.0, 0.5), (48, 48) px)"
    )


def test_a_slider_shows_the_strength_that_is_chosen(result):
    pytest.importorskip("ipywidgets")
    assert "application/vnd.jupyter.widget-view+json" in result._repr_mimebundle_()
    _, picture, chooser = notebook.slider("happy", result.images, result.strengths).children
    assert [text for text, _ in chooser.options] == ["0", "0.5"]
    for index, red in ((0, 0), (1, 50)):
        chooser.value = index
        pixel = Image.open(io.BytesIO(picture.value)).getpixel((20, 20))
        assert abs(pixel[0] - red) < 4


def cells() -> list[str]:
    example = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    code = [cell for cell in example["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in code] == [[]] * len(code)
    return ["".join(cell["source"]) for cell in code]


def test_the_code_of_the_example(monkeypatch, capsys):
    monkeypatch.chdir(EXAMPLE.parent)
    names: dict[str, object] = {}
    for cell in cells():
        exec(compile(cell, EXAMPLE.name, "exec"), names)
    assert isinstance(names["result"], EditResult)
    assert "mark - found: edited by pixelsmile" in capsys.readouterr().out


@pytest.mark.slow  # a kernel of its own, which loads every library anew
def test_the_example_in_a_kernel(monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    example = nbformat.read(EXAMPLE, as_version=4)
    done = nbclient.NotebookClient(
        example, timeout=300, resources={"metadata": {"path": EXAMPLE.parent}}
    ).execute()
    shown = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    assert "text/html" in shown[0].data
    assert "found: edited by pixelsmile" in shown[-1].text
