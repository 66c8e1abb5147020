"""Ways to control how strongly an editor edits, other than textual interpolation; each trained on one base.

    concept_slider     a low-rank adapter an expression, whose scale is the strength
    attribute_control  a direction an expression, added to the instruction's tokens
    saedit             a direction an expression in the latents of a sparse autoencoder of tokens
    k_slider           offsets of the text stream's modulation, from strength and instruction
    slideredit         one low-rank adapter on the instruction's tokens, which suppresses it

`control` is what they have in common, `files` how one lies on disk. How each is trained is told by
`training/control_step.py`; what became of them on the way from their papers, by docs/controls.md.
"""
