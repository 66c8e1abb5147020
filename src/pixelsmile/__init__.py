"""Edit facial expressions in portraits with a continuous strength.

from pixelsmile import Editor
editor = Editor.from_pretrained()
result = editor.edit("portrait.png", expression="happy", strengths=(0, 0.5, 1))
result.images[-1].save("happy.png")
"""

from typing import TYPE_CHECKING

from pixelsmile.version import __version__

if TYPE_CHECKING:
    from pixelsmile.editing.edit_files import EditResult
    from pixelsmile.editing.editor import Editor


__all__ = ["EditResult", "Editor", "__version__"]


def __getattr__(name: str) -> object:
    """Load the editor (and torch with it) when it is asked for, not at import."""
    if name == "Editor":
        from pixelsmile.editing.editor import Editor

        return Editor
    if name == "EditResult":
        from pixelsmile.editing.edit_files import EditResult

        return EditResult
    raise AttributeError(f"module 'pixelsmile' has no attribute {name!r}")
