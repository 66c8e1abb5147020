"""The embedded detector with a network that is set by hand: it sees red squares."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from pixelsmile.errors import ModelError
from pixelsmile.faces.detectors import choose_detector, load_detector
from pixelsmile.faces.detectors import loading as detector_loading
from pixelsmile.faces.detectors.drawn import (
    CLOSE_PX,
    PADDING,
    CloseCrop,
    DrawnDetector,
    closer,
    peaks,
    to_tensor,
)
from pixelsmile.faces.face import Face
from pixelsmile.networks.face_detector import (
    FIND_PX,
    MARK_PX,
    CloseMaps,
    DrawnFaceConfig,
    DrawnFaceNetwork,
    FoundMaps,
)

POINTS = np.array([(0.25, 0.25), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0.75, 0.75)])  # in sides of the box


class RedSquares(nn.Module):
    """Each red block that stands alone is a face; a face's middle says so in the cell where it lies.

    It stands in for the trained network and gives maps of the same meaning: exact boxes and landmarks, to be
    scaled and moved by what is tested here.
    """

    def __init__(self, sure=6.0, smallest_px=6.0):
        super().__init__()
        self.sure, self.smallest_px = sure, smallest_px
        self.seen = []

    def forward(self, pictures):
        self.seen.append(tuple(pictures.shape))
        assert all(side % 32 == 0 for side in pictures.shape[2:])
        each = [self._maps(picture) for picture in pictures]
        return FoundMaps(*(torch.stack(maps) for maps in zip(*each, strict=True)))

    def look_closely(self, pictures):
        found = self(pictures)
        cells = CLOSE_PX // MARK_PX
        places = (torch.arange(cells) + 0.5) * MARK_PX
        marks = torch.zeros(len(pictures), 5, cells, cells)
        mask = torch.full((len(pictures), CLOSE_PX // 2, CLOSE_PX // 2), -20.0)
        for index, picture in enumerate(pictures):
            boxes = red_boxes(picture.numpy())
            middles = [abs((b[0] + b[2]) / 2 - 64) + abs((b[1] + b[3]) / 2 - 64) for b in boxes]
            if not boxes:
                continue
            x0, y0, x1, y1 = boxes[int(np.argmin(middles))]
            for which, (x, y) in enumerate(POINTS):
                squares = (places - x0 - x * (x1 - x0)) ** 2 + (places[:, None] - y0 - y * (y1 - y0)) ** 2
                marks[index, which] = -squares / (2 * MARK_PX**2)
            mask[index] = torch.where(nn.functional.avg_pool2d(picture[:1], 2)[0] > 0, 20.0, -20.0)
        return found, CloseMaps(marks, mask)

    def _maps(self, picture):
        rows, columns = (side // FIND_PX for side in picture.shape[1:])
        centre, boxes = torch.full((rows, columns), -6.0), torch.zeros(4, rows, columns)
        boxes[2:] = 1
        points = torch.zeros(5, 2, rows, columns)
        for x0, y0, x1, y1 in red_boxes(picture.numpy()):
            row, column = int((y0 + y1) / 2 // FIND_PX), int((x0 + x1) / 2 // FIND_PX)
            if min(x1 - x0, y1 - y0) < self.smallest_px or not (row < rows and column < columns):
                continue
            centre[row, column] = self.sure
            boxes[:, row, column] = torch.tensor([x0, y0, x1, y1])
            points[:, :, row, column] = torch.from_numpy(
                np.array([x0, y0]) + POINTS * (x1 - x0, y1 - y0)
            ).float()
        return centre, boxes, points


def red_boxes(picture_CHW):
    """Boxes of the runs of red: rows and columns are independent, as the blocks form a grid."""
    red_HW = picture_CHW[0] - picture_CHW[1]
    xs, ys = (runs(red_HW.max(axis)) for axis in (0, 1))
    return [
        (x0, y0, x1, y1)
        for y0, y1 in ys
        for x0, x1 in xs
        if red_HW[int((y0 + y1) / 2), min(int((x0 + x1) / 2), red_HW.shape[1] - 1)] > 1
    ]


def runs(values_N):
    """Where values of more than the half of 2 begin and end, between pixels."""
    levels = np.concatenate([[0], np.clip(values_N / 2, 0, 1), [0]])
    inside = levels > 0.5
    starts = np.nonzero(inside[1:] & ~inside[:-1])[0] + 1
    ends = np.nonzero(~inside[1:] & inside[:-1])[0] + 1
    return [
        (float(start - 1 - levels[start - 1]), float(end - 1 + levels[end]))
        for start, end in zip(starts, ends, strict=True)
    ]


def with_faces(size, *boxes):
    image = Image.new("RGB", size, (40, 40, 40))
    for box in boxes:
        image.paste((255, 0, 0), box)
    return image


def test_one_face():
    (face,) = DrawnDetector(RedSquares()).detect(with_faces((256, 256), (100, 60, 164, 140)))
    assert face.source == "embedded"
    assert face.box == pytest.approx((100, 60, 164, 140), abs=1.0)
    assert face.landmarks_5 == pytest.approx(np.array([100, 60]) + POINTS * (64, 80), abs=1.0)
    assert face.score == pytest.approx(1 / (1 + np.exp(-6)), abs=1e-4)


def test_close_looks_decide_with_the_first():
    class Doubting(RedSquares):
        def look_closely(self, pictures):
            found, details = super().look_closely(pictures)
            return found._replace(centre=torch.full_like(found.centre, np.log(0.25 / 0.75))), details

    image = with_faces((256, 256), (100, 60, 164, 140))
    network = Doubting(sure=float(np.log(0.64 / 0.36)))
    (face,) = DrawnDetector(network, threshold=0.3).detect(image)
    assert face.score == pytest.approx(0.8 * 0.5, abs=1e-4)
    assert DrawnDetector(network, threshold=0.41).detect(image) == []


def test_large_pictures_are_looked_at_in_several_sizes():
    network = RedSquares()
    (face,) = DrawnDetector(network, max_side_px=640).detect(with_faces((1600, 1200), (200, 200, 1100, 1000)))
    assert network.seen[:2] == [(1, 3, 480, 640), (1, 3, 256, 320)]
    assert network.seen[2][2:] == (160, 160) or network.seen[2] == (1, 3, 128, 160)
    assert face.box == pytest.approx((200, 200, 1100, 1000), abs=8)


def test_small_faces_are_found_at_full_size():
    boxes = [(x, y, x + 16, y + 16) for y in range(20, 1000, 49) for x in range(20, 1270, 50)]
    assert len(boxes) == 500
    faces = DrawnDetector(RedSquares()).detect(with_faces((1300, 1030), *boxes))
    assert len(faces) == 500
    found = np.array(sorted(tuple(np.round(face.box, 0)) for face in faces))
    assert np.abs(found - np.array(sorted(boxes))).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 1000), (31, 33), (256, 256)])
def test_no_face(size):
    assert DrawnDetector(RedSquares()).detect(with_faces(size)) == []


def test_a_face_of_5_px_is_not_found():
    assert DrawnDetector(RedSquares()).detect(with_faces((256, 256), (100, 100, 105, 105))) == []


def test_a_face_at_the_border():
    (face,) = DrawnDetector(RedSquares()).detect(with_faces((200, 120), (160, 0, 200, 50)))
    assert face.box == pytest.approx((160, 0, 200, 50), abs=1.0)


def test_a_trained_size_of_network_runs_on_any_picture():
    torch.manual_seed(0)
    network = DrawnFaceNetwork(DrawnFaceConfig(widths=(4, 4, 8, 8, 8), num_blocks=1, close_width=4)).eval()
    detector = DrawnDetector(network, threshold=0.12)
    for size in ((1, 1), (5, 300), (161, 97)):
        for image in (with_faces(size), Image.effect_noise(size, 80).convert("RGB")):
            for face in detector.detect(image):
                assert np.isfinite(face.box).all()
                assert detector.mask(image, face).shape == (size[1], size[0])


def test_numbers_that_are_not_finite_are_refused():
    network = RedSquares(sure=float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        DrawnDetector(network).detect(with_faces((64, 64), (20, 20, 40, 40)))


@pytest.mark.parametrize("box", [(40, 30, 90, 90), (-20, 10, 40, 90), (70, 60, 130, 120)])
def test_the_mask_is_where_the_face_is(box):
    size = (120, 100)
    image = with_faces(size, box)
    mask_HW = DrawnDetector(RedSquares()).mask(image, Face(box, None, 1.0, "manual"))
    red_HW = np.asarray(image)[..., 0] == 255
    assert mask_HW.dtype == np.float32
    assert mask_HW.shape == red_HW.shape
    assert mask_HW.min() >= 0
    assert mask_HW.max() <= 1
    assert np.mean((mask_HW > 0.5) != red_HW) < 0.015


def test_the_mask_of_a_face_outside_of_the_picture_is_empty():
    mask_HW = DrawnDetector(RedSquares()).mask(
        with_faces((60, 40)), Face((200.0, 10.0, 230.0, 40.0), None, 1.0, "m")
    )
    assert mask_HW.shape == (40, 60)
    assert not mask_HW.any()


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-50, 300),
    st.floats(-50, 300),
    st.floats(2, 200),
    st.floats(2, 200),
    st.tuples(st.integers(1, 250), st.integers(1, 250)),
)
def test_crops_lie_around_their_box_and_lead_back(x, y, width, height, size):
    crop = CloseCrop.around((x, y, x + width, y + height))
    longer = max(x + width - x, y + height - y)  # as the box keeps it: sums of floats are rounded
    assert crop.side_px == max(1, round(1.5 * longer))
    assert abs(crop.x + crop.side_px / 2 - x - width / 2) <= 0.51
    assert abs(crop.y + crop.side_px / 2 - y - height / 2) <= 0.51
    pixels = crop.cut(Image.new("RGB", size, (PADDING,) * 3))
    assert pixels.shape == (CLOSE_PX, CLOSE_PX, 3)
    assert (pixels == PADDING).all()
    assert crop.box_within((crop.x, crop.y, crop.x + crop.side_px, crop.y + crop.side_px)) == pytest.approx(
        (0, 0, CLOSE_PX, CLOSE_PX)
    )
    ones = crop.laid_out(np.ones((crop.side_px, crop.side_px), np.float32), size)
    rows, columns = np.nonzero(ones)
    across = max(0, min(crop.x + crop.side_px, size[0]) - max(crop.x, 0))
    down = max(0, min(crop.y + crop.side_px, size[1]) - max(crop.y, 0))
    assert len(rows) == across * down
    if len(rows):
        assert (columns.min(), rows.min()) == (max(crop.x, 0), max(crop.y, 0))


def test_peaks_stand_above_their_neighbours():
    centre = torch.full((1, 4, 5), -9.0)
    centre[0, 1, 1], centre[0, 1, 2], centre[0, 3, 4] = 2.0, 1.0, 0.0
    boxes = torch.arange(80.0).reshape(1, 4, 4, 5)
    points = torch.arange(200.0).reshape(1, 5, 2, 4, 5)
    found = peaks(FoundMaps(centre, boxes, points), 0.4)
    assert found.scores == pytest.approx([1 / (1 + np.exp(-2)), 0.5])
    assert found.boxes.tolist() == [[6, 26, 46, 66], [19, 39, 59, 79]]
    assert found.landmarks[1].tolist() == [[19, 39], [59, 79], [99, 119], [139, 159], [179, 199]]
    assert len(peaks(FoundMaps(centre, boxes, points), 0.6).scores) == 1


def test_a_close_look_takes_the_face_that_was_meant():
    cells = CLOSE_PX // FIND_PX
    centre = torch.full((1, cells, cells), -3.0)
    centre[0, 0, 0], centre[0, 7, 7], centre[0, 9, 7] = 5.0, 3.0, 2.0
    boxes = torch.zeros(1, 4, cells, cells)
    boxes[0, 2:] = 1
    boxes[0, :, 0, 0] = torch.tensor([0.0, 0.0, 20.0, 20.0])  # beside it
    boxes[0, :, 7, 7] = torch.tensor([50.0, 50.0, 70.0, 70.0])  # in front of it
    boxes[0, :, 9, 7] = torch.tensor([30.0, 40.0, 90.0, 110.0])
    marks = torch.full((1, 5, 32, 32), -50.0)
    marks[0, :, 3, 8] = 50.0
    seen = closer(
        FoundMaps(centre, boxes, torch.zeros(1, 5, 2, cells, cells)),
        CloseMaps(marks, torch.zeros(1, 64, 64)),
        np.array([[32.0, 22.0, 96.0, 106.0]]),
    )
    assert seen.boxes.tolist() == [[30, 40, 90, 110]]
    assert seen.scores == pytest.approx([1 / (1 + np.exp(-2))])
    assert seen.landmarks[0] == pytest.approx(np.tile([34.0, 14.0], (5, 1)))


def test_padding_is_zero_for_the_network():
    pixels = np.full((1, 2, 2, 3), PADDING, np.uint8)
    pixels[0, 0, 0] = (0, 64, 255)
    tensor = to_tensor(pixels)
    assert tensor[0, :, 0, 0].tolist() == [-1, -0.5, 255 / 128 - 1]
    assert tensor[0, :, 1, 1].tolist() == [0, 0, 0]


def test_which_pictures_auto_takes_it_for(monkeypatch, tmp_path, models):
    torch.manual_seed(0)
    DrawnFaceNetwork(DrawnFaceConfig(widths=(4, 4, 8, 8, 8), close_width=4)).save(tmp_path)
    monkeypatch.setattr(detector_loading, "detector_path", lambda: tmp_path)
    assert choose_detector(drawn=True).name == "embedded"
    assert choose_detector(drawn=True).reason == (
        "detector embedded: trained on drawn portraits, which this is"
    )
    assert isinstance(load_detector(drawn=True), DrawnDetector)
    assert choose_detector().name == "mesh"
    assert choose_detector("embedded", drawn=True).reason is None
    assert "knows portraits that pixelsmile draws only" in choose_detector("embedded").reason
    assert isinstance(load_detector("embedded"), DrawnDetector)


def test_where_it_is_not_installed(monkeypatch, models, tmp_path):
    monkeypatch.setattr("pixelsmile.embedded._FOLDER", tmp_path)
    with pytest.raises(ModelError, match="this installation lacks the embedded detector"):
        load_detector("embedded")
