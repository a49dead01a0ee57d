"""Keys in Consul's KV store, by the rule that releases since 1.22 have for them."""

from __future__ import annotations

import re

import pytest

from swarmer.core import names

TAKEN = re.compile(r"[A-Za-z0-9,\-_./]+")
"""Characters that Consul takes (agent/kvs_endpoint.go, `validateKVKey`)."""
OWN = [value for name, value in vars(names).items() if name.startswith("KV_") and isinstance(value, str)]
NODE = names.node_name("a-group-of-nodes", "i-0123456789abcdef0")


@pytest.mark.parametrize("key", [f"{key}{NODE}" if key.endswith("/") else key for key in OWN])
def test_every_key_of_this_project_is_one_that_newer_releases_take(key: str) -> None:
    """Newer releases refuse other characters, paths that leave their folder, and names like a file's."""
    assert TAKEN.fullmatch(key)
    assert not key.startswith("/") and ".." not in key
    assert "." not in key.rpartition("/")[2], "nothing that looks like the extension of a file"
