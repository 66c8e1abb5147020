"""The shape of the embedded detector's network, as its config.json states it."""

from pydantic import BaseModel, ConfigDict


class DrawnFaceConfig(BaseModel):
    """What config.json says: channels at strides 2, 4, 8, 16 and 32, residual blocks at the last three."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: tuple[int, int, int, int, int] = (16, 32, 64, 96, 128)
    num_blocks: int = 2
    close_width: int = 32  # of the maps at stride 4 that the close look is made from
    note: str = "It was trained on portraits that pixelsmile draws and knows nothing else."
