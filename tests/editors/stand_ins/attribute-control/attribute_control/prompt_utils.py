"""Stands in for CompVis/attribute-control: attribute_control/prompt_utils.py."""

import re


def get_mask_regex(prompt, pattern_target, verbose=True):
    start, end = re.search(pattern_target, prompt).span()
    return [start <= index < end for index in range(len(prompt))]
