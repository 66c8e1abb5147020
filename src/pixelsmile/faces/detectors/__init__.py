"""What finds faces: SCRFD, YuNet, the cascade of scikit-image, and any ONNX file of a stated interface."""

from pixelsmile.faces.detectors.loading import DETECTORS, DetectorChoice, choose_detector, load_detector

__all__ = ["DETECTORS", "DetectorChoice", "choose_detector", "load_detector"]
