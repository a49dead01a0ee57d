"""What counts as proof that two leases served at once."""

from __future__ import annotations

from tests.faults.evidence import Answer, interleavings, two_nodes_under_one_lease


def test_leases_one_after_the_other_are_no_interleaving() -> None:
    assert interleavings([Answer(0, 1, 1), Answer(1, 2, 1), Answer(2, 3, 2), Answer(3, 4, 2)]) == []


def test_an_old_answer_to_an_old_question_proves_nothing() -> None:
    assert interleavings([Answer(0, 9, 1), Answer(2, 3, 2)]) == []


def test_an_old_lease_that_answers_a_new_question_is_found() -> None:
    newer, late = Answer(2, 3, 2), Answer(4, 5, 1)
    assert interleavings([Answer(0, 1, 1), newer, late]) == [(newer, late)]


def test_the_first_newer_answer_is_what_counts() -> None:
    assert len(interleavings([Answer(0, 1, 3), Answer(0, 9, 2), Answer(5, 6, 2)])) == 1


def test_a_lease_belongs_to_one_node() -> None:
    answers = [Answer(0, 1, 1, "a"), Answer(1, 2, 1, "a"), Answer(2, 3, 2, "a"), Answer(3, 4, 2, "b")]
    assert two_nodes_under_one_lease(answers) == {2: {"a", "b"}}
