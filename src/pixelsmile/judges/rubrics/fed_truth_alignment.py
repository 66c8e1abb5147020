"""GTA of FED-Bench, in our own words: how alike the expressions of ground truth and edit are.

The paper "directly compares the target with the reference Ground Truth expression" and publishes no prompt.
To change a word, add a version and leave this as it is.
"""

from pixelsmile.judges.rubrics.marked_answer import MARK_SCHEMA, read_marked_answer
from pixelsmile.judges.rubrics.rubric import Rubric

_INSTRUCTIONS = """\
You compare the facial expressions in two pictures. The first picture is the reference, the second is to \
be rated. They are photographs, film stills or drawings; read the conventions of drawings (lines for a \
blush, drops of sweat, stylised eyes) as the signs that they stand for.

The question is only this: does the face in the second picture make the same expression as the face in \
the reference, equally strong? Go through both faces part by part:
- brows: raised or lowered, inner and outer ends, drawn together, one higher than the other.
- eyes: wide, narrowed, heavy or closed; where they look.
- nose and cheeks: wrinkles beside the nose, raised cheeks, a blush.
- mouth and jaw: open or shut and how far, corners up, down or back, lips pressed, pursed or stretched, \
teeth.
Then take the face as a whole: the emotion that it shows, and how strongly.

Rate the expression alone. The two faces may belong to different people, or one may be better drawn, lit \
or focused than the other: identity, age, hair, clothes, pose, background, colour and the quality of \
either picture count neither for nor against. Take the shape of each face into account: thick brows are \
not lowered brows, and a wide mouth is not a smile. Likeness in anything but the expression earns \
nothing.

The scale, for which you may use any number with up to two decimals:
- 10: the same expression at the same strength; no part of the face differs in what it does.
- 7.5: the same emotion at nearly the same strength; one part differs slightly.
- 5: the same emotion, but plainly weaker or stronger, or made with another mouth or other brows.
- 2.5: a related expression, or a mere trace of the right one.
- 0: another expression, or a face at rest where the reference is not, or the reverse.

Answer with one JSON object and nothing else, no Markdown: first the key "reason" with one or two \
sentences that name what agrees and what differs, then the key "mark" with the number that follows from \
it."""

FED_TRUTH_ALIGNMENT = Rubric("fed-truth-alignment-1", _INSTRUCTIONS, MARK_SCHEMA, read_marked_answer)
