//! AWS's own managed policies, as far as they mean something here.

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
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/AmazonS3FullAccess",
        name: "AmazonS3FullAccess",
        id: "ANPAIFIR6V6BVTRAHWINE",
        description: "Provides full access to all buckets via the AWS Management Console.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}"#,
    },
    Predefined {
        arn: "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        name: "AmazonS3ReadOnlyAccess",
        id: "ANPAIZTJ4DXE7G6AGAE6M",
        description: "Provides read only access to all buckets via the AWS Management Console.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}"#,
    },
];

/// The predefined policy with this ARN.
pub(crate) fn find(arn: &str) -> Option<&'static Predefined> {
    PREDEFINED.iter().find(|policy| policy.arn == arn)
}
