"""Machine images of AWS's public parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from moto.core.utils import utcnow
from moto.ec2 import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ssm import models as ssm_models


@dataclass(frozen=True)
class Publisher:
    """Publisher of images with public parameters for their IDs."""

    name: str
    parameter: re.Pattern[str]
    """Name of a parameter, with the groups `release` and `arch`."""
    owner: str
    """ID of the publisher's AWS account."""
    root_device: str
    """Name of the device with the root volume."""


PUBLISHERS: Final = (
    Publisher(
        "debian",
        re.compile(r"/aws/service/debian/release/(?P<release>\d+)/latest/(?P<arch>amd64|arm64)"),
        "136693071363",
        "/dev/xvda",
    ),
    # Clusters of version 0.1 were deployed with it, and must be upgraded.
    Publisher(
        "ubuntu",
        re.compile(
            r"/aws/service/canonical/ubuntu/server/(?P<release>[\d.]+)/stable/current/(?P<arch>amd64|arm64)"
            r"/hvm/ebs-gp3/ami-id"
        ),
        "099720109477",
        "/dev/sda1",
    ),
)
ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "arm64"}
"""Architecture of an image, by the publishers' name of it."""
ROOT_GIB: Final = 8
"""Size of the images' root volume, in GiB."""


def extend() -> None:
    _publish_parameters()


def block_devices(ec2: Any, image_id: str, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Block devices of a new instance. AWS adds the image's root volume unless `wanted` has its name.

    Bare moto takes every wanted device for the root volume.
    """
    image = ec2.amis.get(image_id)
    if image is None or any(each["DeviceName"] == image.root_device_name for each in wanted):
        return wanted
    root = {"VolumeSize": ROOT_GIB, "VolumeType": "gp3", "Encrypted": False, "DeleteOnTermination": True}
    return [{"DeviceName": image.root_device_name, "Ebs": root}, *wanted]


def _publish_parameters() -> None:
    """AWS has the images of publishers as SSM parameters; bare moto has only Amazon's.

    A parameter and its image are created when the parameter is first read.
    """
    real = ssm_models.ParameterDict._check_loading_status

    def check_loading_status(self: Any, key: str) -> None:
        real(self, key)
        if dict.__contains__(self, key):
            return
        for publisher in PUBLISHERS:
            if match := publisher.parameter.fullmatch(str(key or "")):
                image = _ensure_image(self.account_id, self.region_name, publisher, match)
                dict.__setitem__(self, key, [_parameter(self.account_id, key, image)])

    ssm_models.ParameterDict._check_loading_status = check_loading_status


def _ensure_image(account: str, region: str, publisher: Publisher, found: re.Match[str]) -> str:
    release, arch = found["release"], found["arch"]
    digits = re.sub(r"\D", "", release).zfill(4)
    image_id = f"ami-0{digits}{'a' if arch == 'amd64' else 'b'}{0:011d}"
    backend = ec2_backends[account][region]
    if image_id not in backend.amis:
        backend.amis[image_id] = Ami(
            backend,
            image_id,
            name=f"{publisher.name}-{release}-{arch}-rehearsal",
            owner_id=publisher.owner,
            public=True,
            virtualization_type="hvm",
            architecture=ARCHITECTURES[arch],
            root_device_name=publisher.root_device,
            root_device_type="ebs",
            region_name=f"{region}a",
        )
    return image_id


def _parameter(account: str, name: str, value: str) -> Any:
    return ssm_models.Parameter(
        account_id=account,
        name=name,
        value=value,
        parameter_type="String",
        description=None,
        allowed_pattern=None,
        keyid=None,
        last_modified_date=utcnow(),
        version=1,
        data_type="aws:ec2:image",
    )
