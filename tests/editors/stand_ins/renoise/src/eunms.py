"""Stands in for garibida/ReNoise-Inversion: src/eunms.py."""

from enum import Enum


class Scheduler_Type(Enum):  # noqa: N801
    EULER = 2


class Model_Type(Enum):  # noqa: N801
    SDXL_Turbo = 2
