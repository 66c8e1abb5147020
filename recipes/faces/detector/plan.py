"""Every number of the recipe, in one place."""

from dataclasses import dataclass, field

from pixelsmile.networks.face_detector import DrawnFaceConfig
from recipes.optimisation import Optimisation


@dataclass(frozen=True)
class PoolPlan:
    """The portraits that scenes are made of. Their identities meet those of no other recipe or test."""

    size: int = 256  # px
    num_identities: int = 600  # in each domain; of each a neutral picture and one with an expression
    first_training_seed: int = 4_000_000
    first_test_seed: int = 5_000_000


@dataclass(frozen=True)
class ScenePlan:
    """What a scene shows. Sizes of faces: the root of the area of the box, in pixels; uniform in the log."""

    size: int = 192  # px, a multiple of 32
    empty_share: float = 0.15
    single_share: float = 0.3
    zoomed_share: float = 0.05  # one face larger than the picture: only parts of it show
    max_num_faces: int = 6  # in the other scenes, from two on
    single_px: tuple[float, float] = (14, 230)
    crowd_px: tuple[float, float] = (11, 90)
    zoomed_px: tuple[float, float] = (260, 600)
    max_angle_deg: float = 20.0
    occluded_share: float = 0.25  # of the scenes with faces: something covers a part of one
    framed_share: float = 0.2  # the picture ends before the input does; the rest is grey


@dataclass(frozen=True)
class TruthPlan:
    """Which faces of a scene must be found. Others count neither way; hidden ones are not there."""

    min_px: float = 10.0
    max_share: float = 1.25  # of the scene's longer side
    min_visible: float = 0.35  # share of the mask that shows
    hidden: float = 0.05  # with less of it visible, there is no face


@dataclass(frozen=True)
class ClosePlan:
    """How far the first look may be off where the close look begins: what its crops are jittered by."""

    max_shift: float = 0.12  # of the face's longer side
    max_log_scale: float = 0.22
    max_angle_deg: float = 25.0
    num_neighbours: int = 2  # at most, behind the face
    bordered_share: float = 0.2  # the picture ends within the crop
    occluded_share: float = 0.15
    blurred_share: float = 0.5  # as if a small face had been enlarged
    min_face_px: float = 12.0  # how small it may have been


@dataclass(frozen=True)
class LossPlan:
    """Weights of the losses, and how wide a centre is."""

    sigma: float = 0.12  # of a centre's bell, in sizes of the face
    min_sigma_px: float = 4.0
    taught_from: float = 0.5  # height of the bell from which on a cell learns box and landmarks
    box: float = 5.0
    points: float = 2.0
    mask: float = 1.0
    marks: float = 0.5  # cross-entropy of the landmarks' cells
    marks_px: float = 0.5  # distance of the landmarks, in pixels of the close look
    mark_sigma_cells: float = 1.0


OPTIMISATION = Optimisation(
    4_000, 1.5e-3, 100, 0.995, weight_decay=1e-4, max_grad_norm=5.0, checkpoint_every=100, log_every=25
)


@dataclass(frozen=True)
class Plan:
    """The whole recipe. `seed` starts every random stream: step N draws from (seed, N)."""

    seed: int = 0
    pool: PoolPlan = field(default_factory=PoolPlan)
    scene: ScenePlan = field(default_factory=ScenePlan)
    truth: TruthPlan = field(default_factory=TruthPlan)
    close: ClosePlan = field(default_factory=ClosePlan)
    loss: LossPlan = field(default_factory=LossPlan)
    network: DrawnFaceConfig = field(default_factory=DrawnFaceConfig)
    num_scenes: int = 8  # a step
    num_close: int = 12  # a step
    optimisation: Optimisation = OPTIMISATION
