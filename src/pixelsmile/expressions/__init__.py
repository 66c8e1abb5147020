"""Expressions: names, prompts, strengths and blends."""

from pixelsmile.expressions.parsing import format_blend, parse_blend, parse_expression
from pixelsmile.expressions.prompts import neutral_prompt, target_prompt
from pixelsmile.expressions.strengths import MAX_STRENGTH, check_strength, check_strengths, parse_strength
from pixelsmile.expressions.taxonomy import (
    BASIC_SIX,
    CONFUSING_PAIRS,
    DOMAINS,
    EXPRESSIONS,
    FED_BENCH_CLASSES,
    JUDGE_LABELS,
    NEUTRAL,
    SYNONYMS,
    TAXONOMY,
    Domain,
    Expression,
    confusing_partner,
)

__all__ = [
    "BASIC_SIX",
    "CONFUSING_PAIRS",
    "DOMAINS",
    "EXPRESSIONS",
    "FED_BENCH_CLASSES",
    "JUDGE_LABELS",
    "MAX_STRENGTH",
    "NEUTRAL",
    "SYNONYMS",
    "TAXONOMY",
    "Domain",
    "Expression",
    "check_strength",
    "check_strengths",
    "confusing_partner",
    "format_blend",
    "neutral_prompt",
    "parse_blend",
    "parse_expression",
    "parse_strength",
    "target_prompt",
]
