//! What is public.

use super::*;

fn is_public(condition: &str) -> bool {
    bucket(&to(EVERYONE).replace('}', &format!(r#","Condition":{condition}}}"#))).is_public()
}

#[test]
fn everybody_is_public() {
    assert!(bucket(&to(EVERYONE)).is_public());
    assert!(bucket(&to(r#"{"AWS":"*"}"#)).is_public());
    assert!(bucket(&to(r#"{"AWS":["111122223333","*"]}"#)).is_public());
    assert!(bucket(&format!("{},{}", to(ANN), to(EVERYONE))).is_public());
}

#[test]
fn somebody_is_not_public() {
    for principal in [ANN, ACCOUNT, r#"{"Service":"logging.s3.amazonaws.com"}"#] {
        assert!(!bucket(&to(principal)).is_public());
    }
    let deny = r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}"#;
    assert!(!bucket(deny).is_public());
    assert!(!bucket(&deny.replace("Principal\":\"*\"", &format!("NotPrincipal\":{ACCOUNT}"))).is_public());
}

#[test]
fn fixed_values_are_not_public() {
    for condition in [
        r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"203.0.113.7"}}"#,
        r#"{"StringEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}"#,
        r#"{"StringEquals":{"AWS:sourcevpc":["vpc-1","vpc-2"]}}"#,
        r#"{"StringLike":{"aws:SourceVpc":"vpc-91237329"}}"#,
        r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:111122223333:t"}}"#,
        r#"{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}"#,
        r#"{"ForAnyValue:StringEquals":{"aws:PrincipalOrgPaths":"o-1/r-1/ou-1/"}}"#,
        r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#,
        r#"{"StringLike":{"aws:userid":"AROAEXAMPLE:*"}}"#,
        r#"{"ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:111122223333:accesspoint/*"}}"#,
        r#"{"StringEquals":{"s3:DataAccessPointAccount":"111122223333"}}"#,
        r#"{"Bool":{"aws:PrincipalIsAWSService":"true"}}"#,
        r#"{"StringEquals":{"aws:SourceVpc":"vpc-1","s3:authType":"POST"}}"#,
    ] {
        assert!(!is_public(condition), "{condition}");
    }
}

#[test]
fn anything_wider_is_public() {
    for condition in [
        r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"128.0.0.0/7"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"::/0"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"2001::/31"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","0.0.0.0/1"]}}"#,
        r#"{"IpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}}"#,
        r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
        r#"{"IpAddressIfExists":{"aws:SourceIp":"203.0.113.0/24"}}"#,
        r#"{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#,
        r#"{"StringLike":{"aws:SourceVpc":"vpc-?"}}"#,
        r#"{"StringEquals":{"aws:SourceVpc":"${aws:username}"}}"#,
        r#"{"StringEquals":{"aws:SourceVpc":["vpc-1","*"]}}"#,
        r#"{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}"#,
        r#"{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}"#,
        r#"{"ForAllValues:StringEquals":{"aws:PrincipalOrgPaths":"o-1/r-1/ou-1/"}}"#,
        r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/r"}}"#,
        r#"{"StringLike":{"aws:userid":"*"}}"#,
        r#"{"StringLike":{"aws:userid":"AROA*"}}"#,
        r#"{"StringLike":{"aws:userid":"*:s"}}"#,
        r#"{"ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:*:accesspoint/*"}}"#,
        r#"{"Bool":{"aws:PrincipalIsAWSService":"false"}}"#,
        r#"{"Bool":{"aws:SecureTransport":"true"}}"#,
        r#"{"StringLike":{"aws:Referer":"https://example.com/"}}"#,
        r#"{"Null":{"aws:SourceVpc":"false"}}"#,
        r#"{"StringEquals":{"s3:ExistingObjectTag/public":"yes"}}"#,
        "{}",
    ] {
        assert!(is_public(condition), "{condition}");
    }
}
