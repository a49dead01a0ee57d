"""Failed boots in a row, as Auto Scaling remembers them."""

from __future__ import annotations

from dataclasses import replace

from swarmer.core.healing.boots import Activity, failed_in_a_row

LAUNCH = "Launching a new EC2 instance: i-0123456789abcdef0"
GOOD = Activity(description=LAUNCH, status="Successful")
UNDER_WAY = Activity(description=LAUNCH, status="MidLifecycleAction")
ABANDONED = Activity(
    description=LAUNCH,
    status="Cancelled",
    message="Instance failed to complete user's Lifecycle Action: Lifecycle Action with token "
    "0fc62a4b-153b-4dba-9bf4-9f233e72a697 was abandoned: Lifecycle Action Completed with ABANDON Result",
)
NO_CAPACITY = Activity(
    description="Launching a new EC2 instance.  Status Reason: no capacity",
    status="Failed",
    message="We currently do not have sufficient t3.small capacity. Launching EC2 instance failed.",
)
END = Activity(description="Terminating EC2 instance: i-0123456789abcdef0", status="Successful")


def test_a_group_without_a_past_has_failed_never() -> None:
    assert failed_in_a_row([]) == 0


def test_launches_count_back_to_the_last_good_one() -> None:
    assert failed_in_a_row([UNDER_WAY, ABANDONED, END, ABANDONED, GOOD, ABANDONED]) == 2


def test_an_instance_that_another_function_has_just_given_up_is_not_counted_twice() -> None:
    before = replace(ABANDONED, description="Launching a new EC2 instance: i-0fedcba9876543210")
    assert failed_in_a_row([ABANDONED, before, GOOD], but="i-0123456789abcdef0") == 1


def test_what_failed_before_a_person_resumed_launching_still_counts() -> None:
    """Only a successful launch resets the count, as the alarm states."""
    resumed = (UNDER_WAY, END)
    assert failed_in_a_row([*resumed, ABANDONED, ABANDONED, ABANDONED]) == 3
    assert failed_in_a_row([*resumed, GOOD, ABANDONED, ABANDONED, ABANDONED]) == 0


def test_what_made_no_instance_cost_nothing() -> None:
    assert failed_in_a_row([NO_CAPACITY, ABANDONED, NO_CAPACITY]) == 1
