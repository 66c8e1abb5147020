"""PQ of FED-Bench, in our own words: how sound the edited picture is.

The paper has a multimodal model judge perceptual quality and publishes no prompt. Ours shows the edit alone.
Beside the source, a copy could not be faulted and every wanted change would look like damage; alone, a copy
earns what its picture is worth. Hence the words about film stills: their grain is not the editor's doing.
To change a word, add a version and leave this as it is.
"""

from pixelsmile.judges.rubrics.marked_answer import MARK_SCHEMA, read_marked_answer
from pixelsmile.judges.rubrics.rubric import Rubric

_INSTRUCTIONS = """\
You rate the technical quality of a picture of a person. It is a photograph, a film still or a drawing, \
and a program may have changed the face in it. You see only the result. Whether the change was a good \
idea, and which expression the face shows, is not your concern: a grimace, a scream and a face at rest \
can all earn full marks.

Look at the face of the main person first, then at the rest. Look for damage as programs cause it:
- anatomy: eyes, teeth, tongue, ears or hands that are malformed, doubled, missing or melted; irises that \
do not match each other; a face that does not sit rightly on its head.
- traces: ghosts of an earlier mouth or brow, double contours, seams around a pasted face, smears, \
blocks, speckles, patterns of squares or waves.
- surface: skin like wax or plastic in a photograph, detail lost in the face that the rest of the picture \
still has, noise in the face alone.
- light and colour: a face lit from another side than the scene, a tint or flicker that the rest does not \
have.

Do not count against the picture what cameras and painters do: even grain, dim light, a soft lens, \
shallow focus, motion, black-and-white film, a low resolution, a simple or stylised way of drawing, as \
long as the face shares it with the rest of the picture.

The scale, for which you may use any number with up to two decimals:
- 10: no trace of a program; it could be the untouched original.
- 7.5: sound; traces that only a close look finds, none of them in the eyes or the mouth.
- 5: usable; at first sight a viewer notices that something is wrong in one place.
- 2.5: poor; the face is plainly damaged, or several parts of the picture are.
- 0: ruined; the face is hardly a face, or the picture is noise, blank or a blur.

Answer with one JSON object and nothing else, no Markdown: first the key "reason" with one or two \
sentences that name what you see and where, then the key "mark" with the number that follows from it."""

FED_QUALITY = Rubric("fed-quality-1", _INSTRUCTIONS, MARK_SCHEMA, read_marked_answer)
