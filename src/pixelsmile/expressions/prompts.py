"""The prompts of the published adapter (PixelSmile): one neutral and one target prompt a domain."""

from pixelsmile.errors import ExpressionError
from pixelsmile.expressions.taxonomy import DOMAINS, NEUTRAL, Domain

_SUBJECTS: dict[Domain, str] = {"human": "person", "anime": "character"}


def target_prompt(expression: str, domain: Domain = "human") -> str:
    """`Edit the person to show a happy expression`; `character` takes the place of `person` for anime."""
    if domain not in _SUBJECTS:
        raise ExpressionError(f"unknown domain {domain!r}: choose from {', '.join(DOMAINS)}")
    return f"Edit the {_SUBJECTS[domain]} to show a {expression} expression"


def neutral_prompt(domain: Domain = "human") -> str:
    """The prompt at strength 0: where every direction starts (paper, equation 4)."""
    return target_prompt(NEUTRAL, domain)
