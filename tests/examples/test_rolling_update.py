"""Updates during which a caller outside sees nothing."""

from __future__ import annotations

import re

import pytest

from tests.examples.page import Page

pytestmark = pytest.mark.cluster


def test_versions_change_and_no_call_fails(page: Page) -> None:
    page.type("Build and push")
    page.type("Deploy", 1)
    page.wait_for_tasks("docker stack services rolling", "3/3")
    named = "curl -s http://$manager:8500/v1/health/service/rolling-update?passing"
    page.wait(named, lambda printed: "ServicePort" in printed or '"Port"' in printed)
    page.type("Deploy", 2)
    page.type("Update", 1)
    page.type_until("Update", 2, lambda printed: printed == "completed", within_s=180)
    page.type("A version that does not work", 1)

    def is_back(printed: str) -> bool:
        return printed.startswith("rollback_completed ") and "rolling-update:2" in printed

    page.type_until("A version that does not work", 2, is_back, within_s=180)
    seen = re.fullmatch(
        r"(\d+) calls, 0 failed; version 1: (\d+), version 2: (\d+)", page.type("What the probe saw")
    )
    assert seen, page.type("What the probe saw")
    calls, old, new = (int(number) for number in seen.groups())
    assert calls == old + new
    assert calls > 100
    page.type("Remove")
