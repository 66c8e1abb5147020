"""The shape of the embedded detector's network, as its config.json states it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# As in pixelsmile.networks, which needs torch.
_Width = Annotated[int, Field(ge=1, le=4096)]
_NumBlocks = Annotated[int, Field(ge=0, le=64)]


class DrawnFaceConfig(BaseModel):
    """What config.json says: channels at strides 2, 4, 8, 16 and 32, residual blocks at the last three."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: tuple[_Width, _Width, _Width, _Width, _Width] = (16, 32, 64, 96, 128)
    num_blocks: _NumBlocks = 2
    close_width: _Width = 32  # of the maps at stride 4 that the close look is made from
    note: str = "It was trained on portraits that pixelsmile draws and knows nothing else."
