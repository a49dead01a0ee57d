from __future__ import annotations

from swarmer.core.stack_progress import STACK, StackEvent, StackProgress, failure, progress


def events(*rows: tuple[str, str] | tuple[str, str, str]) -> list[StackEvent]:
    """Events of resource (`s` is the stack itself), status, and reason."""
    return [
        StackEvent(
            id=str(number),
            logical_id=row[0],
            kind=STACK if row[0] == "s" else "AWS::EC2::VPC",
            status=row[1],
            reason=row[2] if len(row) > 2 else "",
        )
        for number, row in enumerate(rows)
    ]


def test_a_stack_to_which_nothing_happened_waits() -> None:
    assert progress("s", []).phase == "waits for the others"


def test_a_stack_at_work_tells_what_is_done_and_what_takes_time() -> None:
    found = progress(
        "s",
        events(
            ("s", "CREATE_IN_PROGRESS"),
            ("A", "CREATE_IN_PROGRESS"),
            ("A", "CREATE_COMPLETE"),
            ("B", "CREATE_IN_PROGRESS"),
            ("B", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
            ("C", "CREATE_IN_PROGRESS"),
        ),
    )
    assert found.phase == "1 resources done, at work on EC2::VPC B and 1 more"
    assert not found.is_settled


def test_a_stack_is_done_when_its_operation_succeeded() -> None:
    for status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"):
        assert progress("s", events(("s", status))).phase == "done"
    for status in ("ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"):
        assert not progress("s", events(("s", status))).is_settled


def test_the_first_resource_that_failed_is_the_reason_and_not_those_that_were_cancelled() -> None:
    found = progress(
        "s",
        events(
            ("s", "CREATE_IN_PROGRESS"),
            ("A", "CREATE_FAILED", "Resource creation cancelled"),
            ("B", "CREATE_FAILED", "limit\nexceeded"),
            ("C", "CREATE_FAILED", "another reason"),
            ("s", "ROLLBACK_IN_PROGRESS"),
        ),
    )
    assert found.failure == "B (AWS::EC2::VPC): limit exceeded"
    assert found.phase == "failed: B (AWS::EC2::VPC): limit exceeded"
    assert failure([StackProgress(name="t"), found]) == "s: B (AWS::EC2::VPC): limit exceeded"
    assert failure([StackProgress(name="t")]) == ""


def test_a_stack_that_is_made_again_begins_anew() -> None:
    found = progress(
        "s",
        events(
            ("s", "DELETE_IN_PROGRESS"),
            ("A", "DELETE_FAILED", "in use"),
            ("A", "DELETE_COMPLETE"),
            ("s", "DELETE_COMPLETE"),
            ("s", "CREATE_IN_PROGRESS"),
        ),
    )
    assert (found.done, found.failure) == (0, "")


def test_a_resource_that_is_retained_needs_no_more_work() -> None:
    found = progress("s", events(("s", "DELETE_IN_PROGRESS"), ("A", "DELETE_SKIPPED")))
    assert found.phase == "1 resources done"
