"""`pixelsmile bench fed run`: see bench_run."""

from pixelsmile.cli.bench_run import run_fed as run

__all__ = ["run"]
