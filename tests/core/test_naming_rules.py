"""Rules for names: valid ones are returned, invalid ones are refused with a reason."""

from __future__ import annotations

import pytest

from swarmer.core import naming_rules
from swarmer.core.validation import InvalidValue


@pytest.mark.parametrize("domain", ["swarmer", "swarmer.internal", "a-1.b-2.example.net"])
def test_a_domain_of_ones_own_is_taken(domain: str) -> None:
    assert naming_rules.domain(domain) == domain


@pytest.mark.parametrize(
    ("domain", "complaint"),
    [
        pytest.param("local", "by each machine itself", id="mDNS"),
        pytest.param("swarmer.local", "by each machine itself", id="below mDNS"),
        pytest.param("localhost", "by each machine itself", id="loopback"),
        pytest.param("com", "would hide amazonaws.com", id="top-level domain"),
        pytest.param("internal", "would hide compute.internal", id="EC2's own names"),
        pytest.param("docker.io", "would hide docker.io", id="Docker Hub"),
        pytest.param("de", "a country's names", id="country"),
        pytest.param("swarmer.", "a dot too many", id="trailing dot"),
        pytest.param("a..b", "a dot too many", id="empty label"),
        pytest.param("Swarmer", "for example swarmer", id="upper case"),
        pytest.param("xn--bcher-kva", "no valid name", id="punycode"),
        pytest.param("a" * 64, "64 characters", id="label too long"),
        pytest.param(".".join(["a" * 60] * 4), "243 characters", id="too long altogether"),
        pytest.param(3, "not text", id="number"),
    ],
)
def test_a_domain_that_nodes_could_not_use_is_refused(domain: object, complaint: str) -> None:
    with pytest.raises(InvalidValue, match=complaint):
        naming_rules.domain(domain)


@pytest.mark.parametrize(
    "bucket",
    ["ab", "A-bucket", "my.bucket", "-a-b", "xn--a", "sthree-a", "a-s3alias", "a--ol-s3", "a" * 64, 3],
)
def test_a_bucket_name_that_s3_or_tls_refuses_is_refused(bucket: object) -> None:
    with pytest.raises(InvalidValue):
        naming_rules.bucket(bucket)
