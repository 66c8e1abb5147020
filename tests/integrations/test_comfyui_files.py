"""The ComfyUI nodes as files: what is published, what the workflows name, without ComfyUI.

`perf/comfyui_nodes.py` runs them in the real one.
"""

import ast
import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pixelsmile.version import __version__

ROOT = Path(__file__).parents[2]
NODES = ROOT / "integrations" / "comfyui"
WORKFLOWS = sorted((NODES / "example_workflows").glob("*.json"))
GRAPHS = sorted((NODES / "example_workflows" / "api").glob("*.json"))
# Of ComfyUI itself, all of which it has had since the V3 schema.
STOCK = {
    "CLIPLoader",
    "ConditioningZeroOut",
    "EmptySD3LatentImage",
    "KSampler",
    "LoadImage",
    "LoraLoaderModelOnly",
    "ModelSamplingAuraFlow",
    "PreviewAny",
    "PreviewImage",
    "SaveImage",
    "TextEncodeQwenImageEditPlus",
    "UNETLoader",
    "VAEDecode",
    "VAELoader",
}


def schemas() -> dict[str, ast.Call]:
    """Every `io.Schema(...)` in the files, by its node_id."""
    found = {}
    for path in sorted(NODES.glob("*_nodes.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "io.Schema":
                found[str(_keyword(call, "node_id"))] = call
    return found


def _keyword(call: ast.Call, name: str) -> Any:
    value = next(keyword.value for keyword in call.keywords if keyword.arg == name)
    return ast.literal_eval(value)


def _text_arguments(call: ast.Call) -> list[str]:
    """The names of the inputs that a schema spells out."""
    inputs = next(keyword.value for keyword in call.keywords if keyword.arg == "inputs")
    return [
        str(inner.args[0].value)
        for inner in ast.walk(inputs)
        if isinstance(inner, ast.Call)
        and inner.args
        and isinstance(inner.args[0], ast.Constant)
        and ast.unparse(inner.func).endswith(".Input")
    ]


def test_the_nodes_have_names_and_words():
    found = schemas()
    assert len(found) == 13
    for name, call in found.items():
        assert name.startswith("PixelSmile")
        assert _keyword(call, "display_name").endswith("(PixelSmile)")
        assert len(_keyword(call, "description")) > 25
        arguments = _text_arguments(call)
        assert len(set(arguments)) == len(arguments)


def test_no_output_has_the_id_of_an_input():
    """ComfyUI 0.3.60 to 0.3.64 would load none of the nodes."""
    for name, call in schemas().items():
        outputs = next(keyword.value for keyword in call.keywords if keyword.arg == "outputs")
        ids = re.findall(r"\.Output\(['\"](\w+)", ast.unparse(outputs))
        assert ids or "_edit_outputs" in ast.unparse(outputs)
        assert not set(ids) & set(_text_arguments(call)), name


def test_every_node_is_handed_out():
    """The classes that NODES of each file name are those that have a schema."""
    handed_out, defined = set(), set()
    for path in NODES.glob("*_nodes.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                defined.add(node.name)
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NODES":
                assert isinstance(node.value, ast.Tuple)
                handed_out |= {ast.unparse(one) for one in node.value.elts}
    assert handed_out == defined
    assert len(defined) == 13


def test_the_package_loads_without_comfyui():
    module = importlib.import_module("integrations.comfyui")
    assert callable(module.comfy_entrypoint)


def test_what_is_published():
    project = tomllib.loads((NODES / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dependencies"] == ["pixelsmile"]
    assert project["project"]["version"] == __version__
    assert project["project"]["requires-python"] == ">=3.11"
    assert {"PublisherId", "DisplayName"} <= project["tool"]["comfy"].keys()


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_a_workflow_names_nodes_that_are_there(path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    known = schemas().keys() | STOCK
    for number, node in graph.items():
        assert node["class_type"] in known, node["class_type"]
        for value in node["inputs"].values():
            if isinstance(value, list):
                source, slot = value
                assert source in graph, f"{number} is linked to {source}"
                assert isinstance(slot, int)
    assert any(node["class_type"].startswith("PixelSmile") for node in graph.values())


def test_workflows_name_the_inputs_of_our_nodes():
    """Those that a schema spells out; what it builds by functions, the real ComfyUI checks."""
    found = schemas()
    seen = set()
    for path in GRAPHS:
        for node in json.loads(path.read_text(encoding="utf-8")).values():
            if call := found.get(node["class_type"]):
                seen.add(node["class_type"])
                missing = set(_text_arguments(call)) - node["inputs"].keys() - {"onto", "second_target"}
                assert not missing, f"{path.name}: {node['class_type']} lacks {missing}"
    assert len(seen) >= 11


def test_each_workflow_has_both_forms():
    assert [path.name for path in WORKFLOWS] == [path.name for path in GRAPHS]
    assert len(GRAPHS) == 4


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_both_forms_are_the_same_graph(path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    graph = json.loads((path.parent / "api" / path.name).read_text(encoding="utf-8"))
    assert {str(node["id"]): node["type"] for node in workflow["nodes"]} == {
        number: node["class_type"] for number, node in graph.items()
    }
    nodes = {node["id"]: node for node in workflow["nodes"]}
    links = {
        (str(target), nodes[target]["inputs"][place]["name"], str(source), slot)
        for _, source, slot, target, place, _ in workflow["links"]
    }
    assert links == {
        (number, name, *value)
        for number, node in graph.items()
        for name, value in node["inputs"].items()
        if isinstance(value, list)
    }
