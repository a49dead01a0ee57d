"""Settings of all tests: made-up input, and the order of the files.

Made-up input is the same in every run, so that what lands is what was seen. `make fuzz` looks further.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("fuzz", deadline=None, max_examples=10_000)
settings.load_profile("steady")

ROOT: Final = Path(__file__).parents[1]
LONG_FILES: Final = (
    "tests/node/registrator/test_containers.py",
    "tests/setup/test_setup.py",
    "tests/node/registrator/test_losses.py",
    "tests/rehearsal/test_help.py",
    "tests/rehearsal/test_cloud_init.py",
    "tests/node/daemons/test_registry.py",
    "tests/rehearsal/test_command.py",
    "tests/vagrant/test_vagrantfile.py",
)
"""Files of `make test-units` that take longest, which begin first. If one began last, it would run alone.

No file with the fixture `aws` may be here: it extends moto for the rest of the process, and tests/lambdas
needs bare moto. `testpaths` in pyproject.toml has the order of the others.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files of LONG_FILES to the front. Raises UsageError if one does not exist or extends moto."""
    if missing := [name for name in LONG_FILES if not (ROOT / name).exists()]:
        raise pytest.UsageError(f"tests/conftest.py: LONG_FILES: no such file: {', '.join(missing)}")
    places = {ROOT / name: place for place, name in enumerate(LONG_FILES)}
    extending = {item.path for item in items if "aws" in getattr(item, "fixturenames", ())}
    if wrong := sorted(str(path) for path in extending & places.keys()):
        raise pytest.UsageError(f"tests/conftest.py: LONG_FILES: it extends moto: {', '.join(wrong)}")
    items.sort(key=lambda item: places.get(item.path, len(places)))
