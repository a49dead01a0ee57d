"""Machine images that AWS's public parameters name."""

from __future__ import annotations

import re
from typing import Any, Final

from moto.core.utils import utcnow
from moto.ec2 import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ssm import models as ssm_models

PARAMETER_PREFIX: Final = "/aws/service/canonical/ubuntu/server/"
PARAMETER_NAME: Final = re.compile(
    PARAMETER_PREFIX
    + r"(?P<release>[\w.]+)/stable/current/(?P<arch>amd64|arm64)/hvm/ebs-(?P<disk>gp[23])/ami-id"
)
ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "arm64"}
"""Architecture of an image, by Canonical's name for it."""
CANONICAL_OWNER_ID: Final = "099720109477"
"""ID of Canonical's AWS account."""


def extend() -> None:
    _publish_canonical_parameters()


def _publish_canonical_parameters() -> None:
    """AWS publishes Canonical's images as SSM parameters; bare moto has only Amazon's.

    A parameter and its image are created when the parameter is first read.
    """
    real = ssm_models.ParameterDict._check_loading_status

    def check_loading_status(self: Any, key: str) -> None:
        real(self, key)
        match = PARAMETER_NAME.fullmatch(str(key or ""))
        if match and not dict.__contains__(self, key):
            image = _ensure_image(self.account_id, self.region_name, match)
            dict.__setitem__(self, key, [_parameter(self.account_id, key, image)])

    ssm_models.ParameterDict._check_loading_status = check_loading_status


def _ensure_image(account: str, region: str, name: re.Match[str]) -> str:
    release, arch, disk = name["release"], name["arch"], name["disk"]
    digits = re.sub(r"\D", "", release)[:4].zfill(4)
    image_id = f"ami-0{digits}{'a' if arch == 'amd64' else 'b'}{disk[-1]}{0:010d}"
    backend = ec2_backends[account][region]
    if image_id not in backend.amis:
        backend.amis[image_id] = Ami(
            backend,
            image_id,
            name=f"ubuntu/images/hvm-ssd-{disk}/ubuntu-{release}-{arch}-server-rehearsal",
            owner_id=CANONICAL_OWNER_ID,
            public=True,
            virtualization_type="hvm",
            architecture=ARCHITECTURES[arch],
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
