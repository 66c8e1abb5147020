"""Workflows of ComfyUI: from the API form to that of its page, and back.

infos: what `/object_info` of a running ComfyUI says of the nodes.
"""

from typing import Any

Graph = dict[str, Any]  # the API form: node id -> class_type, inputs
Infos = dict[str, Any]
_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
_WIDTH, _ROW, _GAP = 400, 26, 60  # file names of models have room beside the word that says what they are
_PICTURED = ("LoadImage", "SaveImage", "PreviewImage", "PreviewAny", "PixelSmilePreview")
_PICTURE = 320  # px, below the widgets of those


def inputs_of(info: dict[str, Any]) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Type (or choices) and options of each input, in the order of the page."""
    found = {}
    for kind in ("required", "optional"):
        for name in info["input_order"].get(kind, []):
            given = info["input"][kind][name]
            found[name] = (given[0], given[1] if len(given) > 1 else {})
    return found


def page_form(graph: Graph, infos: Infos) -> dict[str, Any]:
    """The workflow as the page saves it, laid out in columns from left to right."""
    links: list[list[Any]] = []
    nodes = [_node(number, node, infos[node["class_type"]], links) for number, node in graph.items()]
    by_id = {node["id"]: node for node in nodes}
    for link, source, slot, *_ in links:
        by_id[source]["outputs"][slot]["links"].append(link)
    _lay_out(nodes, graph)
    return {
        "last_node_id": max(by_id),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def api_form(page: dict[str, Any], infos: Infos) -> Graph:
    """The API form of what the page saved, as the page makes it of a workflow without muted nodes."""
    sources = {link[0]: [str(link[1]), link[2]] for link in page["links"]}
    graph = {}
    for node in page["nodes"]:
        values, inputs = iter(node["widgets_values"]), {}
        for name, (kind, options) in inputs_of(infos[node["type"]]).items():
            if _is_widget(kind):
                inputs[name] = next(values)
                for _ in _companions(name, options):
                    next(values)
        for given in node["inputs"]:
            if given["link"] is not None:
                inputs[given["name"]] = sources[given["link"]]
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return graph


def _node(number: str, node: dict[str, Any], info: dict[str, Any], links: list[list[Any]]) -> dict[str, Any]:
    slots: list[dict[str, Any]] = []
    values: list[Any] = []
    for name, (kind, options) in inputs_of(info).items():
        given, is_widget = node["inputs"].get(name), _is_widget(kind)
        linked = isinstance(given, list)
        if is_widget:
            values += [options.get("default", "") if linked or given is None else given]
            values += _companions(name, options)
        if not is_widget or linked:
            slot = {"name": name, "type": "COMBO" if isinstance(kind, list) else kind, "link": None}
            if is_widget:
                slot["widget"] = {"name": name}
            if linked:
                links.append([len(links) + 1, int(given[0]), given[1], int(number), len(slots), slot["type"]])
                slot["link"] = len(links)
            slots.append(slot)
    outputs = [
        {"name": name, "type": kind, "links": []}
        for name, kind in zip(info["output_name"], info["output"], strict=True)
    ]
    made = {
        "id": int(number),
        "type": node["class_type"],
        "pos": [0, 0],
        "size": [_WIDTH, _height(node["class_type"], len(slots), len(outputs), len(values))],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": slots,
        "outputs": outputs,
        "properties": {"Node name for S&R": node["class_type"]},
        "widgets_values": values,
    }
    title = node.get("_meta", {}).get("title")
    return made if title is None else {**made, "title": title}


def _height(kind: str, num_inputs: int, num_outputs: int, num_widgets: int) -> int:
    rows = max(num_inputs, num_outputs) + num_widgets + 1
    return rows * _ROW + (_PICTURE if kind in _PICTURED else 0)


def _companions(name: str, options: dict[str, Any]) -> list[str]:
    """Values of the widgets that the page adds to one: what becomes of a seed, the button to upload."""
    if options.get("image_upload"):
        return ["image"]
    controlled = options.get("control_after_generate")
    if controlled or (controlled is None and name in ("seed", "noise_seed")):
        return ["fixed"]
    return []


def _is_widget(kind: Any) -> bool:
    return isinstance(kind, list) or kind in _WIDGETS


def _lay_out(nodes: list[dict[str, Any]], graph: Graph) -> None:
    """A column for each number of nodes that lie before one; the order is that of the columns."""
    columns: dict[int, int] = {}

    def column(number: int) -> int:
        if number not in columns:
            sources = [int(v[0]) for v in graph[str(number)]["inputs"].values() if isinstance(v, list)]
            columns[number] = 1 + max(map(column, sources)) if sources else 0
        return columns[number]

    below: dict[int, int] = {}
    for order, node in enumerate(sorted(nodes, key=lambda node: (column(node["id"]), node["id"]))):
        at = column(node["id"])
        node["order"] = order
        node["pos"] = [at * (_WIDTH + _GAP), below.get(at, 0)]
        below[at] = below.get(at, 0) + node["size"][1] + _GAP
