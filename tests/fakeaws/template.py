"""Template of a small cluster, which the tests of the simulated AWS create, change and break."""

from __future__ import annotations

import base64
from typing import Any

DEBIAN = "/aws/service/debian/release/13/latest/amd64"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def cluster(
    *, cidr: str = "127.42", user_data: str = "#cloud-config\n", group: str = "t-core", **sizes: str
) -> dict[str, Any]:
    """Template of the cluster. Its addresses are 127.x, so that a test can call from them."""
    resources = {**_network(cidr), **_node(user_data), **_storage()}
    resources["Group"] = _group(group, sizes or {"MinSize": "5", "MaxSize": "5"})
    return {
        "Parameters": {
            "Image": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "Default": DEBIAN},
            "Words": {"Type": "String", "Default": "as before"},
        },
        "Resources": resources,
        "Outputs": {"Group": {"Value": ref("Group"), "Export": {"Name": f"{group}:Group"}}},
    }


def _network(cidr: str) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": f"{cidr}.0.0/16"}},
        "Nodes": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "nodes",
                "VpcId": ref("Vpc"),
                "SecurityGroupIngress": [
                    {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "10.0.0.0/8"}
                ],
            },
        },
    }
    for index in range(3):
        resources[f"Subnet{index}"] = {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": ref("Vpc"),
                "CidrBlock": f"{cidr}.{index}.0/28",
                "AvailabilityZone": {"Fn::Select": [index, {"Fn::GetAZs": ""}]},
            },
        }
    return resources


def _node(user_data: str) -> dict[str, Any]:
    return {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [ref("Role")]}},
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {
                "LaunchTemplateData": {
                    "ImageId": ref("Image"),
                    "InstanceType": "t3.small",
                    "SecurityGroupIds": [att("Nodes", "GroupId")],
                    "IamInstanceProfile": {"Arn": att("Profile", "Arn")},
                    "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
                    "UserData": base64.b64encode(user_data.encode()).decode(),
                    "TagSpecifications": [
                        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "node"}]}
                    ],
                }
            },
        },
    }


def _group(name: str, sizes: dict[str, str]) -> dict[str, Any]:
    return {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "Properties": {
            **sizes,
            "AutoScalingGroupName": name,
            "VPCZoneIdentifier": [ref(f"Subnet{index}") for index in range(3)],
            "LaunchTemplate": {
                "LaunchTemplateId": ref("Template"),
                "Version": att("Template", "LatestVersionNumber"),
            },
            "Tags": [{"Key": "swarmer:cluster", "Value": "t", "PropagateAtLaunch": True}],
        },
        "UpdatePolicy": {"AutoScalingRollingUpdate": {"MaxBatchSize": 1}},
    }


def _storage() -> dict[str, Any]:
    only_tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "VersioningConfiguration": {"Status": "Enabled"},
                "LifecycleConfiguration": {
                    "Rules": [
                        {
                            "Id": "old",
                            "Status": "Enabled",
                            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                        }
                    ]
                },
            },
        },
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": ref("Bucket"),
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [only_tls]},
            },
        },
        "Vpn": {
            "Type": "AWS::EC2::ClientVpnEndpoint",
            "Properties": {"ServerCertificateArn": ref("Words"), "VpcId": ref("Vpc")},
        },
    }
