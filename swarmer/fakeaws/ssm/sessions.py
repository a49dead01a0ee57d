"""Session Manager: sessions begin, are listed and end, but no data passes through them.

A session's URL is not served. Bare moto has none of these actions.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.ssm.exceptions import SSMException
from moto.ssm.responses import SimpleSystemManagerResponse

from swarmer.fakeaws.base import clock, journal
from swarmer.fakeaws.iam import authorization, resources
from swarmer.fakeaws.iam.resources import SHELL_DOCUMENT
from swarmer.fakeaws.ssm import state
from swarmer.fakeaws.ssm.run_command import paged
from swarmer.fakeaws.ssm.state import Session

DOCUMENTS: Final = frozenset(
    {
        SHELL_DOCUMENT,
        "AWS-StartInteractiveCommand",
        "AWS-StartNonInteractiveCommand",
        "AWS-StartPortForwardingSession",
        "AWS-StartPortForwardingSessionToRemoteHost",
        "AWS-StartSSHSession",
    }
)
"""Documents of sessions that every account has."""
MAX_PAGE: Final = 200
URL: Final = "wss://ssmmessages.{region}.amazonaws.com/v1/data-channel/{session}?role=publish_subscribe"
FILTERS: Final = ("Target", "Owner", "Status", "SessionId")
"""Keys of filters, also members of an entry."""


def extend() -> None:
    for action in (_start_session, _resume_session, _terminate_session, _describe_sessions):
        setattr(SimpleSystemManagerResponse, action.__name__.removeprefix("_"), action)
    resources.read_session_tags = _tags


def _tags(region: str, session_id: str) -> Mapping[str, str]:
    """Session Manager's tags of a session, for conditions of policies."""
    session = state.of(region).sessions.get(session_id)
    if session is None:
        return {}
    return {
        "aws:ssmmessages:session-id": session.owner_id,
        "aws:ssmmessages:target-id": session.target,
    }


def tick() -> None:
    """End the sessions whose instance is gone."""
    for region in state.regions():
        found = state.of(region)
        with state.changed:
            for session in found.sessions.values():
                if session.ended_s is None and found.instance(session.target) is None:
                    session.ended_s = clock.now_s()


def _start_session(self: Any) -> ActionResult:
    found, target = state.of(self.region), self._get_param("Target")
    document = str(self._get_param("DocumentName") or SHELL_DOCUMENT).rpartition("/")[2]
    if document not in DOCUMENTS and document not in self.ssm_backend._documents:
        raise SSMException("InvalidDocument", f"Document with name {document} does not exist.")
    with state.changed:
        if not found.is_connected(target):
            raise SSMException("TargetNotConnected", f"{target} is not connected.")
        owner, owner_id, name = authorization.caller(self)
        session = Session(
            id=f"{name}-{secrets.token_hex(9)[:17]}",
            target=target,
            document=document,
            reason=self._get_param("Reason") or "",
            owner=owner,
            owner_id=owner_id,
            began_s=clock.now_s(),
        )
        found.sessions[session.id] = session
    started = {"session": session.id, "target": target, "document": document, "owner": owner}
    journal.record_call("ssm", "StartSession", started)
    return ActionResult(_opened(self.region, session))


def _opened(region: str, session: Session) -> dict[str, str]:
    url = URL.format(region=region, session=session.id)
    return {"SessionId": session.id, "TokenValue": secrets.token_urlsafe(64), "StreamUrl": url}


def _resume_session(self: Any) -> ActionResult:
    session = state.of(self.region).sessions.get(self._get_param("SessionId"))
    if session is None or session.ended_s is not None:
        raise SSMException("DoesNotExistException", "the session does not exist or has ended")
    return ActionResult(_opened(self.region, session))


def _terminate_session(self: Any) -> ActionResult:
    """AWS returns no error for an unknown or ended session."""
    session_id = self._get_param("SessionId")
    with state.changed:
        session = state.of(self.region).sessions.get(session_id)
        if session is not None and session.ended_s is None:
            session.ended_s = clock.now_s()
            journal.record_call("ssm", "TerminateSession", {"session": session_id, "target": session.target})
    return ActionResult({"SessionId": session_id})


def _describe_sessions(self: Any) -> ActionResult:
    is_active = self._get_param("State") == "Active"
    with state.changed:
        sessions = list(reversed(state.of(self.region).sessions.values()))
        entries = [_entry(each) for each in sessions if (each.ended_s is None) == is_active]
    for asked in self._get_param("Filters") or ():
        if asked["key"] not in FILTERS:
            raise SSMException("InvalidFilterKey", f"the rehearsal knows no filter by {asked['key']}")
        entries = [each for each in entries if each[asked["key"]] == asked["value"]]
    page, token = paged(self, entries, MAX_PAGE, MAX_PAGE)
    return ActionResult({"Sessions": page, "NextToken": token})


def _entry(session: Session) -> dict[str, Any]:
    ended = {} if session.ended_s is None else {"EndDate": datetime.fromtimestamp(session.ended_s, UTC)}
    return {
        "SessionId": session.id,
        "Target": session.target,
        "Status": "Connected" if session.ended_s is None else "Terminated",
        "StartDate": datetime.fromtimestamp(session.began_s, UTC),
        "DocumentName": session.document,
        "Owner": session.owner,
        **({"Reason": session.reason} if session.reason else {}),
        **ended,
    }
