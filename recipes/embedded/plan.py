"""Every number of the recipe, in one place."""

from dataclasses import dataclass, field

from recipes.optimisation import Optimisation


@dataclass(frozen=True)
class PicturePlan:
    """Which portraits are drawn. Identities are seeds; the ranges of training and testing do not meet."""

    size: int = 256  # px
    num_identities: int = 2_400  # in each domain; many people teach more than many pictures of few
    num_canonical: int = 3  # of each: the one drawing that a plain prompt stands for, at full strength
    num_combinations: int = 1  # of each: drawings that take the library's attributes to say
    strengths: tuple[float, ...] = (0.4, 0.67, 1.0)  # of combinations: slight, clear, strong
    first_training_seed: int = 0
    first_test_seed: int = 1_000_000

    @property
    def pictures_per_identity(self) -> int:
        """With the neutral one, which is the first."""
        return 1 + self.num_canonical + self.num_combinations


@dataclass(frozen=True)
class AutoencoderPhase:
    """A part of the training: first much noise in the latents, so that they are smooth, then little."""

    name: str
    optimisation: Optimisation
    latent_noise: float


AUTOENCODER_PHASES = (
    AutoencoderPhase("coarse", Optimisation(6_000, 7e-4, 100, 0.998), latent_noise=0.08),
    AutoencoderPhase("fine", Optimisation(5_500, 5e-4, 100, 0.998), latent_noise=0.02),
)


@dataclass(frozen=True)
class AutoencoderPlan:
    """AutoencoderKLQwenImage, small. Trained on crops; the last part on larger ones, for what borders do."""

    base_dim: int = 16
    dim_mult: tuple[int, ...] = (1, 2, 4, 8)
    num_res_blocks: int = 1
    z_dim: int = 16
    num_identities: int = 600  # in each domain: the crops of these are enough
    crop_px: int = 64
    batch_size: int = 16
    final_crop_px: int = 128
    final_batch_size: int = 4
    final_share: float = 0.15  # of the steps of each phase
    face_share: float = 0.7  # of the crops lie around the face
    latent_decay: float = 1e-4  # weight of the latents' mean square: keeps noise from being outgrown
    square_weight: float = 2.0  # of the mean square error, beside the L1 error
    chroma_weight: float = 1.0  # of the L1 error of the colours without their mean
    gradient_weight: float = 0.25  # of the gradients' L1 error: keeps hair, wrinkles, freckles
    phases: tuple[AutoencoderPhase, ...] = AUTOENCODER_PHASES


@dataclass(frozen=True)
class EditorPhase:
    """A part of the editor's training, with its own optimiser, noise levels and view of the picture.

    A step sees every token of the core (a window of the 16 x 16 tokens around the face) and some tokens
    elsewhere, other ones each time: they cost as much as those that matter, and mostly stay as they are.
    """

    name: str
    optimisation: Optimisation
    batch_size: int
    shift: float  # of the noise levels
    focus: float  # share of the loss in which tokens weigh by how much expressions change them on average
    core_rows: tuple[int, int]
    core_columns: tuple[int, int]
    num_elsewhere: int
    muon: bool = False  # for the matrices of the blocks; AdamW for all else


EDITOR_PHASES = (
    EditorPhase(
        "copy",
        Optimisation(800, 1.2e-3, 100, 0.99, decay_share=0.1, checkpoint_every=100),
        batch_size=32, shift=2.0, focus=0.0, core_rows=(5, 14), core_columns=(4, 12), num_elsewhere=8,
    ),
    EditorPhase(
        "edit",
        Optimisation(1_600, 1.2e-3, 25, 0.995, decay_share=0.7, checkpoint_every=100, log_every=25),
        batch_size=48, shift=5.0, focus=0.75, core_rows=(5, 14), core_columns=(4, 12), num_elsewhere=8,
        muon=True,
    ),
    EditorPhase(
        "whole",
        Optimisation(100, 6e-4, 10, 0.99, checkpoint_every=50, log_every=25),
        batch_size=12, shift=5.0, focus=0.75, core_rows=(0, 16), core_columns=(0, 16), num_elsewhere=0,
        muon=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class EditorPlan:
    """The text encoder (Qwen2.5-VL, small) and the transformer, trained together on the flow."""

    num_layers: int = 4
    num_attention_heads: int = 4
    attention_head_dim: int = 64
    axes_dims_rope: tuple[int, int, int] = (8, 28, 28)
    text_dim: int = 128
    text_layers: int = 2
    condition_px: int = 64  # the pipeline rounds to 32s, the processor then to 28s: 4 tokens
    shift: float = 3.0  # of the noise levels in sampling
    num_sampling_steps: int = 2  # more add to the error: words leave little to chance
    dual_share: float = 0.28  # of the steps: category and attributes of a combination
    dense_share: float = 0.12  # of the steps: FED-Bench's dense instruction for any drawing
    neutral_share: float = 0.12  # of the targets
    neutral_source_share: float = 0.65  # of the sources of all others; the rest is any other picture
    phases: tuple[EditorPhase, ...] = EDITOR_PHASES


@dataclass(frozen=True)
class Plan:
    """The whole recipe. `seed` starts every random stream: step N draws from (seed, N)."""

    seed: int = 0
    pictures: PicturePlan = field(default_factory=PicturePlan)
    autoencoder: AutoencoderPlan = field(default_factory=AutoencoderPlan)
    editor: EditorPlan = field(default_factory=EditorPlan)
