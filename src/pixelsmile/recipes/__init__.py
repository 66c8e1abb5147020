"""How the weights that ship were made: from portraits that this package draws, and nothing else.

The judge alone also sees twelve photographs of scikit-image, as examples of what is not drawn.
"""
