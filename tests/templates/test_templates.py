"""Six descriptions for six regions: cfn-lint and checkov find nothing, or each finding is explained.

cdk-nag runs in each synthesis and stops it. `make test` has the analyser of IAM, and cfn-lint for two
descriptions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from cfnlint import ManualArgs
from cfnlint import lint as cfn_lint

from tests.stacks import explained
from tests.stacks.assembly import Assembly

CHECKOV = Path(__file__).parents[2] / ".venv/checkov/bin/checkov"
CARELESS = {"Resources": {"Open": {"Type": "AWS::S3::Bucket", "Properties": {"AccessControl": "PublicRead"}}}}
"""Template with a finding, beside the six."""
Linted = set[tuple[str, str, str]]


def explanation(rule: str, message: str) -> tuple[str, str] | None:
    """Key of the finding's explanation."""
    return next(
        (key for key in explained.CFN_LINT if key[0] == rule and fnmatchcase(message, f"*{key[1]}*")), None
    )


@pytest.fixture(scope="module")
def linted(six: dict[str, Assembly]) -> Linted:
    """Findings of cfn-lint: region, rule, message. Each template is checked for its own region."""
    return {
        (region, match.rule.id, match.message)
        for region, each in six.items()
        for path in each.directory.glob("*.template.json")
        for match in cfn_lint(path.read_text(), config=ManualArgs(regions=[region]))
    }


@pytest.fixture(scope="module")
def checked(six: dict[str, Assembly], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Failed checks of checkov."""
    folder = tmp_path_factory.mktemp("checked")
    for region, each in six.items():
        for path in each.directory.glob("*.template.json"):
            shutil.copy(path, folder / f"{region}-{path.name}")
    (folder / "careless.template.json").write_text(json.dumps(CARELESS))
    options = ("--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "-o", "json")
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(CHECKOV), "-d", str(folder), *options], env=own, capture_output=True, text=True, check=False
    )
    answer = json.loads(done.stdout)
    assert answer["summary"]["parsing_errors"] == 0
    failed: list[dict[str, Any]] = answer["results"]["failed_checks"]
    return failed


def is_careless(check: dict[str, Any]) -> bool:
    return bool(check["file_path"].endswith("careless.template.json"))


def test_cfn_lint_finds_nothing_that_is_not_explained(linted: Linted) -> None:
    assert [each for each in sorted(linted) if not explanation(*each[1:])] == []


def test_no_explanation_for_cfn_lint_outlives_its_finding(linted: Linted) -> None:
    assert set(explained.CFN_LINT) == {explanation(*each[1:]) for each in linted}


def test_cfn_lint_finds_an_instance_type_that_the_region_lacks(six: dict[str, Assembly]) -> None:
    template = next(each for name, each in six["mx-central-1"].templates.items() if name.endswith("-cluster"))
    text = json.dumps(template).replace('"m6i.large"', '"a1.medium"')
    found = cfn_lint(text, config=ManualArgs(regions=["mx-central-1"]))
    assert [match for match in found if "a1.medium" in match.message]


def test_checkov_finds_nothing_that_is_not_explained(checked: list[dict[str, Any]]) -> None:
    found = {(each["check_id"], each["resource"]) for each in checked if not is_careless(each)}
    assert sorted(each for each in found if each[0] not in explained.CHECKOV) == []


def test_no_explanation_for_checkov_outlives_its_finding(checked: list[dict[str, Any]]) -> None:
    assert set(explained.CHECKOV) == {each["check_id"] for each in checked if not is_careless(each)}


def test_checkov_finds_a_bucket_that_anybody_may_read(checked: list[dict[str, Any]]) -> None:
    assert "CKV_AWS_20" in {each["check_id"] for each in checked if is_careless(each)}
