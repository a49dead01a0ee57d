"""Follower of stacks: reads their events from CloudFormation repeatedly."""

from __future__ import annotations

from collections.abc import Sequence

from swarmer.adapters.stacks import Stacks, StackState
from swarmer.core.stack_progress import StackEvent, StackProgress, progress


class Follower:
    """Progress of some stacks since the creation of the follower, also of stacks that did not exist then."""

    def __init__(self, stacks: Stacks, wanted: Sequence[str]) -> None:
        """Remember the last events of existing stacks. Raises aws.Unavailable."""
        self._stacks, self._wanted = stacks, wanted
        existing = stacks.described(wanted)
        self._known: dict[str, list[StackState]] = {name: [] for name in wanted}
        self._last: dict[str, str] = {}
        self._events: dict[str, list[StackEvent]] = {name: [] for name in wanted}
        for state in existing.values():
            self._last[state.id] = stacks.last_event(state.id)
            self._known[state.name].append(state)

    def look(self) -> list[StackProgress]:
        """Return the progress of each stack, in their order. Raises aws.Unavailable."""
        for state in self._stacks.described(self._wanted).values():
            # A stack that was created again has another ID.
            if state.id not in self._last:
                self._last[state.id] = ""
                self._known[state.name].append(state)
        for name in self._wanted:
            for state in self._known[name]:
                self._read(state)
        return [progress(name, self._events[name]) for name in self._wanted]

    def _read(self, state: StackState) -> None:
        """Read the new events by the stack's ID, because a deleted stack keeps its ID."""
        new = self._stacks.events(state.id, self._last[state.id])
        if new:
            self._last[state.id] = new[-1].id
            self._events[state.name] += new
