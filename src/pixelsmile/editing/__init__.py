"""Editing: conditioning, the flow schedule, the sampler and the engines. Its modules import torch."""
