"""The site of this checkout, made once for each test process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.make import ensure_virtualenv, run


@pytest.fixture(scope="session")
def mkdocs() -> None:
    """MkDocs, in its own virtualenv."""
    ensure_virtualenv("site")


@pytest.fixture(scope="session")
def site(mkdocs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the site."""
    folder = tmp_path_factory.mktemp("site")
    done = run(ROOT, "site", f"ARGS=--site-dir {folder}")
    assert done.returncode == 0, done.stderr
    return folder
