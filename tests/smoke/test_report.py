"""The report of the smoke test has every step, and nothing that belongs to one account or person."""

from __future__ import annotations

import pytest

from tests.smoke.report import Report, Result, Verdict, redacted

PRIVATE = (
    *("123456789012", "arn:aws:iam::123456789012:role/smoke-x", "arn:aws-cn:s3:::smoke", "10.66.0.23"),
    *("10.66.0.23:8300", "10.66.0.0/16", "fe80::1c2d:3eff:fe4a:5b6c", "2001:db8:0:1:1:1:1:1", "::1"),
    *(
        "i-0123456789abcdef0",
        "core-i-0123456789abcdef0",
        "i-1a638299444642bcd",
        "vpc-0123456789abcdef0",
        "eipalloc-0123abcd",
    ),
    *("AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    *("SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx", "a@b.example"),
    *("https://sqs.us-east-1.amazonaws.com/123456789012/q", "s3://smoke-registry-bucket83908e77-4k/x"),
    *("smoke-registry-bucket83908e77-4kxz", "cdk-hnb659fds-assets-123456789012-us-east-1"),
    *("ip-10-66-0-23.ec2.internal", "/home/somebody/swarmer", "/root/.aws/config"),
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
)
KEPT = (
    *(
        "2026-11-30 22:10",
        "22:10:33",
        "2.8.3+ds1-4",
        "6.12.43-amd64",
        "us-east-1a",
        "3.3.3050.0",
        "26.1.5+dfsg1",
    ),
    *("smoke-cluster", "AWS::EC2::NatGateway", "registry.service.swarmer:5000/smoke", "swarmer exec"),
)


def report(*verdicts: Verdict) -> Report:
    results = [
        Result(name=f"step{number}", promise="It works.", verdict=verdict, seconds=1.4)
        for number, verdict in enumerate(verdicts)
    ]
    return Report(place="AWS, us-east-1", release="0.2.0", began="2026-11-30 22:10", results=results)


@pytest.mark.parametrize("word", PRIVATE)
def test_what_belongs_to_an_account_or_a_person_is_removed(word: str) -> None:
    for text in (f"it says {word}.", f"({word})", f'"{word}", and', f"{word}\n", f"password: {word}"):
        assert word not in redacted(text), redacted(text)


def test_a_node_keeps_its_group_and_a_password_its_name() -> None:
    assert redacted("core-i-0123456789abcdef0 is lost") == "core-i-ID is lost"
    assert redacted("core-i-1a638299444642bcd is lost") == "core-i-ID is lost", "it has twelve digits"
    assert redacted("password=hunter2 Token: x") == "password=SECRET Token: SECRET"


@pytest.mark.parametrize("word", KEPT)
def test_what_belongs_to_nobody_stays(word: str) -> None:
    assert redacted(f"it says {word}, and") == f"it says {word}, and"


def test_a_secret_of_this_run_is_removed_though_it_looks_like_any_word() -> None:
    found = report(Verdict.PASSED)
    found.left.append("AWS::S3::Bucket my-images (is meant to stay)")
    found.secrets = ("my-images",)
    assert "my-images" not in found.markdown()
    assert "- AWS::S3::Bucket REMOVED (is meant to stay)" in found.markdown()


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ((Verdict.PASSED, Verdict.PASSED), Verdict.PASSED),
        ((Verdict.PASSED, Verdict.FAILED, Verdict.NOT_RUN), Verdict.FAILED),
        ((Verdict.PASSED, Verdict.INTERRUPTED, Verdict.NOT_RUN), Verdict.INTERRUPTED),
        ((Verdict.PASSED, Verdict.NOT_RUN), Verdict.NOT_RUN),
    ],
)
def test_the_verdict_of_the_run_is_the_worst_of_its_steps(
    verdicts: tuple[Verdict, ...], whole: Verdict
) -> None:
    found = report(*verdicts)
    assert found.verdict is whole
    assert found.markdown().startswith(f"# Smoke test: {whole}\n")


def test_the_report_has_steps_with_seconds_versions_and_what_is_left() -> None:
    found = report(Verdict.PASSED, Verdict.FAILED)
    found.results[1].finding = "it | broke\non two lines"
    found.versions["Docker"] = "26.1.5"
    found.log = ["the last line"]
    text = found.markdown()
    assert "| step0 | It works. | 1 | passed |  |" in text
    assert "| step1 | It works. | 1 | failed | it \\| broke on two lines |" in text
    assert "| Docker | 26.1.5 |" in text
    assert "Nothing." in text
    assert text.rstrip().endswith("the last line\n```")
