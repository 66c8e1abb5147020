"""Every format of adapters against its own formula in float64, on a tiny transformer: the largest errors.

    python perf/adapter_formats.py

An error is relative to the largest number of a layer's update; what is loaded acts in float32.
"""

import logging
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "editing"))

from adapter_examples import FORMATS, largest_error, tiny_transformer

from pixelsmile.editing.adapters.files import AdapterSpec
from pixelsmile.editing.adapters.transformer import activate, load_adapters


def main() -> None:
    logging.disable(logging.WARNING)
    print(f"{'format':<36} {'read as':<36} {'alpha':<32} largest error")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, make) in enumerate(FORMATS.items()):
            transformer = tiny_transformer()
            example = make(transformer)
            file = example.save(Path(folder) / str(number))
            loaded = load_adapters(transformer, [AdapterSpec(str(file))])
            activate(transformer, loaded, "human")
            error = largest_error(transformer, example)
            print(f"{name:<36} {loaded[0]['format']:<36} {loaded[0]['alpha']:<32} {error:.1e}")


if __name__ == "__main__":
    main()
