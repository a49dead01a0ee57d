from __future__ import annotations

from tests.fakeaws.client import aws, aws_server, nobody
from tests.rehearsal.conftest import small

__all__ = ["aws", "aws_server", "nobody", "small"]
