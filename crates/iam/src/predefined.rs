//! AWS's own managed policies, as far as they mean something here: the services that there are, and nothing of others.

/// A managed policy that every account has.
pub(crate) struct Predefined {
    /// `arn:aws:iam::aws:policy/NAME`
    pub(crate) arn: &'static str,
    /// The name.
    pub(crate) name: &'static str,
    /// The unique ID.
    pub(crate) id: &'static str,
    /// One sentence.
    pub(crate) description: &'static str,
    /// The number of the version: 1 is `v1`.
    pub(crate) version: u32,
    /// When AWS made the policy, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// When AWS made this version.
    pub(crate) updated_ms: u64,
    /// The document.
    pub(crate) document: &'static str,
}

/// Every predefined policy, by name.
pub(crate) const PREDEFINED: &[Predefined] = &[
    Predefined {
        arn: "arn:aws:iam::aws:policy/AdministratorAccess",
        name: "AdministratorAccess",
        id: "ANPAIWMBCKSKIEE64ZLYK",
        description: "Provides full access to AWS services and resources.",
        version: 1,
        created_ms: 1_423_247_986_000,
        updated_ms: 1_423_247_986_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "*",
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/AmazonS3FullAccess",
        name: "AmazonS3FullAccess",
        id: "ANPAIFIR6V6BVTRAHWINE",
        description: "Provides full access to all buckets via the AWS Management Console.",
        version: 2,
        created_ms: 1_423_248_058_000,
        updated_ms: 1_632_773_797_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "s3:*",
                "s3-object-lambda:*"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        name: "AmazonS3ReadOnlyAccess",
        id: "ANPAIZTJ4DXE7G6AGAE6M",
        description: "Provides read only access to all buckets via the AWS Management Console.",
        version: 3,
        created_ms: 1_423_248_059_000,
        updated_ms: 1_691_703_099_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "s3:Get*",
                "s3:List*",
                "s3:Describe*",
                "s3-object-lambda:Get*",
                "s3-object-lambda:List*"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser",
        name: "AWSKeyManagementServicePowerUser",
        id: "ANPAJNPP7PPPPMJRV2SA4",
        description: "Provides access to AWS Key Management Service (KMS).",
        version: 2,
        created_ms: 1_423_248_040_000,
        updated_ms: 1_488_848_111_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "kms:CreateAlias",
                "kms:CreateKey",
                "kms:DeleteAlias",
                "kms:Describe*",
                "kms:GenerateRandom",
                "kms:Get*",
                "kms:List*",
                "kms:TagResource",
                "kms:UntagResource",
                "iam:ListGroups",
                "iam:ListRoles",
                "iam:ListUsers"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/AWSOrganizationsFullAccess",
        name: "AWSOrganizationsFullAccess",
        id: "ANPAJZXBNRCJKNLQHSB5M",
        description: "Provides full access to AWS Organizations.",
        version: 1,
        created_ms: 1_541_536_317_000,
        updated_ms: 1_541_536_317_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "organizations:*",
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/AWSOrganizationsReadOnlyAccess",
        name: "AWSOrganizationsReadOnlyAccess",
        id: "ANPAJY5RQATUV77PEPVOM",
        description: "Provides read-only access to AWS Organizations.",
        version: 1,
        created_ms: 1_541_536_358_000,
        updated_ms: 1_541_536_358_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "organizations:Describe*",
                "organizations:List*"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/IAMFullAccess",
        name: "IAMFullAccess",
        id: "ANPAI7XKCFMBPM3QQRRVQ",
        description: "Provides full access to IAM via the AWS Management Console.",
        version: 2,
        created_ms: 1_423_248_038_000,
        updated_ms: 1_561_146_000_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:*",
                "organizations:DescribeAccount",
                "organizations:DescribeOrganization",
                "organizations:DescribeOrganizationalUnit",
                "organizations:DescribePolicy",
                "organizations:ListChildren",
                "organizations:ListParents",
                "organizations:ListPoliciesForTarget",
                "organizations:ListRoots",
                "organizations:ListPolicies",
                "organizations:ListTargetsForPolicy"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/IAMReadOnlyAccess",
        name: "IAMReadOnlyAccess",
        id: "ANPAJKSO7NDY4T57MWDSQ",
        description: "Provides read only access to IAM via the AWS Management Console.",
        version: 4,
        created_ms: 1_423_248_039_000,
        updated_ms: 1_516_907_487_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/PowerUserAccess",
        name: "PowerUserAccess",
        id: "ANPAJYRXTHIB4FOVS3ZXS",
        description: "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
        version: 5,
        created_ms: 1_423_247_987_000,
        updated_ms: 1_688_681_040_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "NotAction": [
                "iam:*",
                "organizations:*",
                "account:*"
            ],
            "Resource": "*"
        },
        {
            "Effect": "Allow",
            "Action": [
                "iam:ListRoles",
                "organizations:DescribeOrganization",
                "account:ListRegions",
                "account:GetAccountInformation"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/ReadOnlyAccess",
        name: "ReadOnlyAccess",
        id: "ANPAILL3HVNFSB6DCOWYQ",
        description: "Provides read-only access to AWS services and resources.",
        version: 1,
        created_ms: 1_423_247_988_000,
        updated_ms: 1_423_247_988_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy",
                "kms:Describe*",
                "kms:Get*",
                "kms:List*",
                "organizations:Describe*",
                "organizations:List*",
                "s3:Get*",
                "s3:List*",
                "s3:Describe*",
                "sts:GetAccessKeyInfo",
                "sts:GetCallerIdentity",
                "sts:GetSessionToken"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/SecurityAudit",
        name: "SecurityAudit",
        id: "ANPAIX2T3QCXHR2OGGCTO",
        description: "The security audit template grants access to read security configuration metadata. It is useful for software that audits the configuration of an AWS account.",
        version: 1,
        created_ms: 1_423_248_061_000,
        updated_ms: 1_423_248_061_000,
        document: r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy",
                "kms:Describe*",
                "kms:Get*",
                "kms:List*",
                "organizations:Describe*",
                "organizations:List*",
                "s3:GetAccountPublicAccessBlock",
                "s3:GetBucketAcl",
                "s3:GetBucketCORS",
                "s3:GetBucketLocation",
                "s3:GetBucketLogging",
                "s3:GetBucketNotification",
                "s3:GetBucketObjectLockConfiguration",
                "s3:GetBucketOwnershipControls",
                "s3:GetBucketPolicy",
                "s3:GetBucketPolicyStatus",
                "s3:GetBucketPublicAccessBlock",
                "s3:GetBucketTagging",
                "s3:GetBucketVersioning",
                "s3:GetBucketWebsite",
                "s3:GetEncryptionConfiguration",
                "s3:GetLifecycleConfiguration",
                "s3:GetObjectAcl",
                "s3:GetObjectVersionAcl",
                "s3:GetReplicationConfiguration",
                "s3:ListAllMyBuckets"
            ],
            "Resource": "*"
        }
    ]
}"#,
    },
];

/// The predefined policy with this ARN.
pub(crate) fn find(arn: &str) -> Option<&'static Predefined> {
    PREDEFINED.iter().find(|policy| policy.arn == arn)
}

#[cfg(test)]
mod tests {
    use coffer_access::{Policy, PolicyKind};

    use super::*;

    #[test]
    fn every_predefined_policy_is_valid_and_has_its_own_id() {
        for (index, policy) in PREDEFINED.iter().enumerate() {
            let parsed = Policy::parse(policy.document, PolicyKind::Identity, 10_000);
            assert!(parsed.is_ok(), "{}: {parsed:?}", policy.name);
            assert_eq!(policy.arn, format!("arn:aws:iam::aws:policy/{}", policy.name));
            assert!(policy.id.len() == 21 && policy.id.starts_with("ANPA"), "{}", policy.name);
            assert!(PREDEFINED.iter().skip(index + 1).all(|other| other.id != policy.id), "{}", policy.name);
        }
    }
}
