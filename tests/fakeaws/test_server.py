from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from swarmer.fakeaws.base.errors import ListenError
from swarmer.fakeaws.daemon.offline import is_on_this_machine
from swarmer.fakeaws.daemon.server import Server
from swarmer.fakeaws.daemon.sockets import Address, bind
from tests.fakeaws.client import Aws
from tests.fakeaws.template import cluster

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_bucket_is_found_by_path_under_any_endpoint(aws: Aws, host: str) -> None:
    s3 = aws.client("s3", url=f"http://{host}:{aws.server.addresses[0].port}")
    s3.create_bucket(Bucket="some-bucket")
    s3.put_object(Bucket="some-bucket", Key="a/b", Body=b"x" * 100_000)
    assert s3.get_object(Bucket="some-bucket", Key="a/b")["Body"].read() == b"x" * 100_000
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["some-bucket"]


def test_bucket_of_a_template_has_its_configuration(aws: Aws) -> None:
    aws.create("t", cluster())
    s3, bucket = aws.client("s3"), aws.resource("t", "Bucket")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rule = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_policy_that_demands_tls_does_not_lock_the_bucket(aws: Aws) -> None:
    aws.create("t", cluster())
    s3, bucket = aws.client("s3"), aws.resource("t", "Bucket")
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    assert "SecureTransport" in s3.get_bucket_policy(Bucket=bucket)["Policy"]


def folders(s3: Any, prefix: str) -> list[str]:
    """Common prefixes in the answers of both versions of the API, which have to agree."""
    wanted = {"Bucket": "deleting", "Prefix": prefix, "Delimiter": "/"}
    found = [
        [each["Prefix"] for each in answer.get("CommonPrefixes", [])]
        for answer in (s3.list_objects(**wanted), s3.list_objects_v2(**wanted))
    ]
    assert found[0] == found[1]
    return found[0]


def test_a_folder_of_deleted_objects_is_not_listed(aws: Aws) -> None:
    """The registry lists a repository's tags so."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="deleting")
    s3.put_bucket_versioning(Bucket="deleting", VersioningConfiguration={"Status": "Enabled"})
    for key in ("tags/one/link", "tags/two/link", "tags/two/index/a"):
        s3.put_object(Bucket="deleting", Key=key, Body=b"x")
    assert folders(s3, "tags/") == ["tags/one/", "tags/two/"]
    for key in ("tags/one/link", "tags/two/link"):
        s3.delete_object(Bucket="deleting", Key=key)
    assert folders(s3, "tags/") == ["tags/two/"]
    assert folders(s3, "") == ["tags/"]
    s3.put_object(Bucket="deleting", Key="tags/one/link", Body=b"x")
    assert folders(s3, "tags/") == ["tags/one/", "tags/two/"]


def test_action_that_moto_does_not_know_is_refused_without_retries(aws: Aws) -> None:
    with pytest.raises(ClientError, match="not rehearsed") as refused:
        aws.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName="t")
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_all_addresses_show_the_same_aws(aws: Aws) -> None:
    with Server(["127.0.0.1:0", "127.0.0.2:0"]) as second:
        for number, address in enumerate(second.addresses):
            aws.client("s3", url=f"http://{address}").create_bucket(Bucket=f"bucket-{number}")
    assert len(aws.client("s3").list_buckets()["Buckets"]) == 2


def test_address_that_is_taken_is_named() -> None:
    with bind(Address("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port} is taken"):
            bind(Address("127.0.0.1", port))


@pytest.mark.parametrize("text", ["4566", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_address_without_host_or_port_is_refused(text: str) -> None:
    with pytest.raises(ListenError, match="no address to listen at"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("address", "local"),
    [(("127.0.0.1", 80), True), ("/run/x.sock", True), (("8.8.8.8", 443), False), (("10.42.0.9", 80), False)],
)
def test_only_the_machine_itself_is_reached(address: object, local: bool) -> None:
    assert is_on_this_machine(address) is local


class Daemon:
    def __init__(self, folder: Path, *listen: str) -> None:
        self.ready, self.pid = folder / "ready", folder / "pid"
        self._command = [
            sys.executable,
            "-m",
            "swarmer.providers.rehearsal.daemon",
            "--ready-file",
            str(self.ready),
        ]
        self._command += ["--pid-file", str(self.pid)]
        self._command += [word for address in listen for word in ("--listen", address)]
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_until_ready(self) -> dict[str, object]:
        deadline = time.monotonic() + 60
        while not self.ready.exists():
            assert self.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        told: dict[str, object] = json.loads(self.ready.read_text())
        return told


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path, "127.0.0.1:0")
    yield running
    running.process.kill()
    running.process.communicate()


def test_daemon_says_that_it_is_ready_and_ends_cleanly(daemon: Daemon) -> None:
    told = daemon.wait_until_ready()
    assert daemon.pid.read_text() == f"{daemon.process.pid}\n" == f"{told['pid']}\n"
    os.kill(daemon.process.pid, signal.SIGTERM)
    out, err = daemon.process.communicate(timeout=10)
    assert (daemon.process.returncode, err) == (0, "")
    assert out == f"ready {told['url']}\n"
    assert not daemon.pid.exists() and not daemon.ready.exists()


def test_daemon_tells_a_taken_port_in_one_line(tmp_path: Path) -> None:
    with bind(Address("127.0.0.1", 0)) as taken:
        second = Daemon(tmp_path, f"127.0.0.1:{taken.getsockname()[1]}")
        _, err = second.process.communicate(timeout=30)
    assert second.process.returncode == 2
    assert len(err.splitlines()) == 1 and "is taken" in err
