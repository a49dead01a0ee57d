"""The registry's bucket, and who may do what with it."""

from __future__ import annotations

from tests.stacks.assembly import Assembly

DOCUMENTED = {
    # distribution.github.io/distribution/storage-drivers/s3, "S3 permission scopes"
    "s3:ListBucket",
    "s3:GetBucketLocation",
    "s3:ListBucketMultipartUploads",
    "s3:PutObject",
    "s3:GetObject",
    "s3:DeleteObject",
    "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload",
    # The driver sends an ACL with every object, which takes a permission of its own.
    "s3:PutObjectAcl",
}


def test_the_bucket_is_private_and_encrypted(assembly: Assembly) -> None:
    (bucket,) = assembly.of_type("AWS::S3::Bucket").values()
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "BucketEncryption" in bucket
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


def test_the_bucket_refuses_what_is_not_tls(assembly: Assembly) -> None:
    (policy,) = assembly.of_type("AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_images_outlive_the_stack(assembly: Assembly) -> None:
    resources = assembly.templates[f"{assembly.cluster.name}-registry"]["Resources"].values()
    (bucket,) = (it for it in resources if it["Type"] == "AWS::S3::Bucket")
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"


def test_leftovers_do_not_pile_up(assembly: Assembly) -> None:
    (bucket,) = assembly.of_type("AWS::S3::Bucket").values()
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 14}
    assert "ExpirationInDays" not in rule  # an image in use may be as old as it likes


def test_the_bucket_has_the_name_asked_for_or_none(shipped: Assembly, variant: Assembly) -> None:
    (made_up,) = shipped.of_type("AWS::S3::Bucket").values()
    (named,) = variant.of_type("AWS::S3::Bucket").values()
    assert "BucketName" not in made_up
    assert named["BucketName"] == "images-of-variant"


def test_only_managers_may_write_the_registry_bucket(assembly: Assembly) -> None:
    for group in assembly.cluster.groups:
        may = {
            action
            for statement in assembly.statements_of(group.name)
            if statement["Sid"].startswith("Registry")
            for action in statement["Action"]
        }
        assert may == (DOCUMENTED if "swarm-manager" in group.roles else set()), group.name
