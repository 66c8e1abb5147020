"""Are the converted networks the originals? Both run on the same random input, each in its own runtime."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

_TIMEOUT_S = 600


def run_onnx(data: bytes, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """All outputs of an ONNX file with one input."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: inputs}), strict=True))


def tflite_difference(
    original: bytes, converted: bytes, names: Mapping[str, str], inputs: np.ndarray
) -> float:
    """The largest difference of any output, over its largest value, between LiteRT and ONNX Runtime."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=original, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
    interpreter.invoke()
    ours = run_onnx(converted, inputs)
    differences = []
    for detail in interpreter.get_output_details():
        if (name := names.get(detail["name"])) is not None:
            theirs = interpreter.get_tensor(detail["index"]).ravel()
            differences.append(np.abs(theirs - ours[name].ravel()).max() / max(1e-6, np.abs(theirs).max()))
    return float(max(differences))


_SCRIPT = """
globalThis.window = globalThis;
globalThis.document = { createElement: () => ({ getContext: () => null }) };
const fs = await import("node:fs");
const faceapi = await import(process.argv[2] + "/package/dist/face-api.esm.mjs");
const tf = faceapi.tf;
await tf.setBackend("cpu");
const { kind, weights, manifest, shape, values } = JSON.parse(fs.readFileSync(process.argv[3]));
const net = kind === "identity" ? new faceapi.FaceRecognitionNet() : new faceapi.FaceExpressionNet();
const data = fs.readFileSync(process.argv[2] + "/" + weights);
const groups = JSON.parse(fs.readFileSync(process.argv[2] + "/" + manifest));
const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
net.loadFromWeightMap(tf.io.decodeWeights(bytes, groups.flatMap((group) => group.weights)));
const input = tf.tensor(values, shape);
const batch = { toBatchTensor: () => input, batchSize: 1, isBatchInput: true };
const output = kind === "identity"
  ? await net.forward(input)
  : tf.softmax(net.runNet(await net.faceFeatureExtractor.forwardInput(batch)));
fs.writeFileSync(process.argv[4], JSON.stringify(Array.from(await output.data())));
"""


def face_api_difference(
    kind: str, archive: bytes, weights: str, manifest: str, converted: bytes, size_px: int
) -> float:
    """As `tflite_difference`, against the package's own code in node.

    kind: identity or expressions. weights, manifest: files in the archive.
    """
    import io
    import tarfile

    values = np.random.default_rng(0).integers(0, 256, (size_px, size_px, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
            opened.extractall(folder, filter="data")
        bundle = folder / "package" / "dist" / "face-api.esm.js"
        bundle.rename(bundle.with_suffix(".mjs"))
        (folder / "run.mjs").write_text(_SCRIPT)
        order = {"kind": kind, "weights": weights, "manifest": manifest, "shape": [1, *values.shape]}
        (folder / "order.json").write_text(json.dumps({**order, "values": values.ravel().tolist()}))
        command = ["node", "run.mjs", str(folder), "order.json", "answer.json"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_TIMEOUT_S)
        theirs = np.asarray(json.loads((folder / "answer.json").read_text()), np.float32)
    (ours,) = run_onnx(converted, values.transpose(2, 0, 1)[None]).values()
    return float(np.abs(theirs - ours.ravel()).max() / np.abs(theirs).max())
