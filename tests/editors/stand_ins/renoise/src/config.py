"""Stands in for garibida/ReNoise-Inversion: src/config.py."""

from dataclasses import dataclass

from src.eunms import Model_Type, Scheduler_Type


@dataclass
class RunConfig:
    model_type: Model_Type = Model_Type.SDXL_Turbo
    scheduler_type: Scheduler_Type = Scheduler_Type.EULER
    seed: int = 7865
    num_inference_steps: int = 4
    num_inversion_steps: int = 4
    guidance_scale: float = 0.0
    inversion_max_step: float = 1.0
    noise_regularization_lambda_kl: float = 0.065
