"""A finished data set for all tests of what becomes of one."""

from pathlib import Path

import pytest
from dataset.export_examples import finished


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("export") / "people")
