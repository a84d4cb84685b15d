//! Access control lists, ownership of objects, and Block Public Access.

use coffer_access::{AclPermission, Grantee};
use coffer_store::PublicAccessBlock;

use super::*;

fn grant(grantee: Grantee, permission: AclPermission) -> Grant {
    Grant { grantee, permission }
}

fn to(account: &str, permission: AclPermission) -> Grant {
    grant(Grantee::Account(account.to_owned()), permission)
}

/// A world in which lists count, with the object `cat`.
async fn world() -> World {
    let world = World::new().await;
    world.change("photos", BucketAccessChange::Ownership(Some(ObjectOwnership::ObjectWriter))).await;
    world.put("/photos/cat", &[]).await;
    world
}

async fn bucket_list(world: &World, grants: Vec<Grant>) {
    world.change("photos", BucketAccessChange::Acl(Some(grants))).await;
}

const GET: (&str, &str) = ("GET", "/photos/cat");
const LIST: (&str, &str) = ("GET", "/photos?list-type=2");
const PUT: (&str, &str) = ("PUT", "/photos/new");
const DELETE: (&str, &str) = ("DELETE", "/photos/cat");

async fn check(world: &World, who: &Principal, (method, target): (&str, &str), expected: (u16, &str)) {
    assert_eq!(world.answer(who, method, target, &[]).await, expected, "{method} {target}");
}

#[tokio::test]
async fn an_objects_list_grants_reading_it_and_no_more() {
    let world = world().await;
    world.grant_object("cat", &[grant(Grantee::AllUsers, AclPermission::Read)]).await;
    for who in [Principal::Anonymous, root(THEIRS), alice(OURS, "")] {
        check(&world, &who, GET, OK).await;
        for other in [LIST, PUT, DELETE, ("GET", "/photos/cat?versionId=null"), ("PUT", "/photos/cat")] {
            let expected = if other.1.contains("versionId") { OK } else { DENIED };
            check(&world, &who, other, expected).await;
        }
    }
    world.grant_object("cat", &[grant(Grantee::AuthenticatedUsers, AclPermission::Read)]).await;
    check(&world, &Principal::Anonymous, GET, DENIED).await;
    check(&world, &root(THEIRS), GET, OK).await;
}

#[tokio::test]
async fn what_an_account_is_granted_its_users_need_a_policy_for() {
    let world = world().await;
    world.grant_object("cat", &[to(THEIRS, AclPermission::Read)]).await;
    check(&world, &root(THEIRS), GET, OK).await;
    check(&world, &alice(THEIRS, ""), GET, DENIED).await;
    let reader = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#;
    check(&world, &alice(THEIRS, reader), GET, OK).await;
    check(&world, &root("777788889999"), GET, DENIED).await;
    // The bucket's own account has everything, and yet its users nothing.
    check(&world, &alice(OURS, ""), GET, DENIED).await;
}

#[tokio::test]
async fn a_buckets_list_grants_listing_and_writing() {
    let world = world().await;
    let stranger = Principal::Anonymous;
    bucket_list(&world, vec![grant(Grantee::AllUsers, AclPermission::Read)]).await;
    check(&world, &stranger, LIST, OK).await;
    check(&world, &stranger, ("GET", "/photos?versions"), OK).await;
    for other in [GET, PUT, DELETE, ("DELETE", "/photos"), ("GET", "/photos?policy"), ("PUT", "/photos?policy")] {
        check(&world, &stranger, other, DENIED).await;
    }
    bucket_list(&world, vec![grant(Grantee::AllUsers, AclPermission::Write)]).await;
    check(&world, &stranger, PUT, OK).await;
    check(&world, &stranger, LIST, DENIED).await;
    check(&world, &stranger, DELETE, DENIED).await;
}

#[tokio::test]
async fn lists_say_nothing_where_they_are_disabled() {
    let world = world().await;
    world.grant_object("cat", &[grant(Grantee::AllUsers, AclPermission::FullControl)]).await;
    bucket_list(&world, vec![grant(Grantee::AllUsers, AclPermission::FullControl)]).await;
    check(&world, &Principal::Anonymous, LIST, OK).await;
    world.change("photos", BucketAccessChange::Ownership(Some(ObjectOwnership::BucketOwnerEnforced))).await;
    for (method, target) in [GET, LIST, PUT, DELETE] {
        check(&world, &Principal::Anonymous, (method, target), DENIED).await;
        check(&world, &root(THEIRS), (method, target), DENIED).await;
    }
}

#[tokio::test]
async fn a_policy_denies_what_a_list_grants() {
    let world = world().await;
    world.grant_object("cat", &[grant(Grantee::AllUsers, AclPermission::Read)]).await;
    world
        .policy(r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/cat"}"#)
        .await;
    check(&world, &Principal::Anonymous, GET, DENIED).await;
    check(&world, &root(THEIRS), GET, DENIED).await;
}

/// Puts `cat` as an object of [`THEIRS`].
async fn foreign_object(world: &World) {
    use coffer_store::{FullBody, ObjectAccess, PutObject};
    let put = PutObject {
        access: ObjectAccess { owner: Some(THEIRS.into()), grants: None },
        ..PutObject::new(coffer_store::Encryption::SseS3)
    };
    let (bucket, key) = (world.bucket("photos").await, ObjectKey::new("cat").unwrap());
    world.store.put_object(&bucket, &key, put, &mut FullBody::new("text")).await.unwrap();
}

#[tokio::test]
async fn the_bucket_owners_policy_does_not_grant_what_is_another_accounts() {
    let world = world().await;
    foreign_object(&world).await;
    world.policy(r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/*"}"#).await;
    for who in [root(OURS), allowed(r#""s3:*""#), Principal::Anonymous, root("777788889999")] {
        check(&world, &who, GET, DENIED).await;
    }
    check(&world, &root(THEIRS), GET, OK).await;
    check(&world, &alice(THEIRS, r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#), GET, OK).await;
    check(&world, &alice(THEIRS, ""), GET, DENIED).await;
    world.grant_object("cat", &[to(OURS, AclPermission::Read)]).await;
    check(&world, &root(OURS), GET, OK).await;
    world
        .policy(r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#)
        .await;
    for who in [root(OURS), root(THEIRS)] {
        check(&world, &who, GET, DENIED).await;
    }
    check(&world, &root(OURS), DELETE, (204, "")).await;
}

#[tokio::test]
async fn who_may_write_says_who_may_what_with_what_will_be_theirs() {
    let world = world().await;
    let list = ("x-amz-acl", "bucket-owner-full-control");
    let put = async |who: &Principal| world.answer(who, "PUT", "/photos/new", &[list, ("x-amz-tagging", "a=b")]).await;
    let writer = |actions| alice(THEIRS, &format!(r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}"#));
    let setter = writer(r#""s3:PutObject","s3:PutObjectAcl","s3:PutObjectTagging""#);
    let opening = r#"{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*"}"#;
    assert_eq!(put(&setter).await, DENIED);
    world.policy(opening).await;
    assert_eq!(put(&setter).await, OK);
    assert_eq!(put(&root(THEIRS)).await, OK);
    assert_eq!(put(&Principal::Anonymous).await, OK);
    // Their own account has to let them, as the bucket's own users need a policy of theirs.
    assert_eq!(put(&writer(r#""s3:PutObject""#)).await, DENIED);
    assert_eq!(put(&alice(OURS, "")).await, DENIED);
    let setting = r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObjectAcl","Resource":"arn:aws:s3:::photos/*"}"#;
    world.policy(&format!("{opening},{setting}")).await;
    for who in [setter, root(THEIRS), Principal::Anonymous] {
        assert_eq!(put(&who).await, DENIED);
    }
    // What is there already is another matter.
    world.policy(opening).await;
    assert_eq!(world.answer(&root(THEIRS), "PUT", "/photos/cat?acl", &[list]).await, DENIED);
}

#[tokio::test]
async fn who_may_list_learns_that_an_object_is_not_there() {
    let world = world().await;
    let gone = ("GET", "/photos/gone");
    check(&world, &Principal::Anonymous, gone, DENIED).await;
    bucket_list(&world, vec![grant(Grantee::AllUsers, AclPermission::Read)]).await;
    check(&world, &Principal::Anonymous, gone, (404, "NoSuchKey")).await;
    check(&world, &Principal::Anonymous, GET, DENIED).await;
    let lister = alice(OURS, r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}"#);
    check(&world, &lister, gone, (404, "NoSuchKey")).await;
    check(&world, &lister, GET, DENIED).await;
    let prefix = r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*",
        "Condition":{"StringLike":{"s3:prefix":"public/*"}}}"#;
    bucket_list(&world, Vec::new()).await;
    check(&world, &alice(OURS, prefix), ("GET", "/photos/public/gone"), (404, "NoSuchKey")).await;
    check(&world, &alice(OURS, prefix), gone, DENIED).await;
    // Who is denied learns nothing.
    world
        .policy(r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#)
        .await;
    check(&world, &lister, gone, DENIED).await;
}

/// The target of a new upload.
async fn upload_of(world: &World, who: &Principal) -> String {
    let answer = world.ask(who, "POST", "/photos/new?uploads").await.ok().unwrap();
    let document = body(answer).await;
    let id = document.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once("</UploadId>")).unwrap().0;
    format!("/photos/new?uploadId={id}")
}

#[tokio::test]
async fn who_began_an_upload_may_end_it() {
    let world = world().await;
    bucket_list(&world, vec![grant(Grantee::AllUsers, AclPermission::Write)]).await;
    let upload = upload_of(&world, &root(THEIRS)).await;
    for who in [Principal::Anonymous, alice(THEIRS, ""), root("777788889999")] {
        check(&world, &who, ("GET", &upload), DENIED).await;
        check(&world, &who, ("DELETE", &upload), DENIED).await;
    }
    check(&world, &root(THEIRS), ("GET", &upload), OK).await;
    check(&world, &root(THEIRS), ("DELETE", &upload), (204, "")).await;
}

#[tokio::test]
async fn where_lists_are_disabled_everything_is_the_bucket_owners() {
    let world = world().await;
    foreign_object(&world).await;
    world.change("photos", BucketAccessChange::Ownership(Some(ObjectOwnership::BucketOwnerEnforced))).await;
    check(&world, &root(OURS), GET, OK).await;
    check(&world, &root(THEIRS), GET, DENIED).await;
}

#[tokio::test]
async fn who_may_write_to_a_bucket_may_delete_what_is_theirs() {
    let world = world().await;
    bucket_list(&world, vec![to(THEIRS, AclPermission::Write)]).await;
    check(&world, &root(THEIRS), DELETE, DENIED).await;
    foreign_object(&world).await;
    check(&world, &root("777788889999"), DELETE, DENIED).await;
    check(&world, &root(THEIRS), DELETE, (204, "")).await;
}

#[tokio::test]
async fn public_lists_can_be_ignored() {
    let ignore = PublicAccessBlock { ignore_public_acls: true, ..PublicAccessBlock::default() };
    for of_account in [false, true] {
        let world = world().await;
        let grants = [grant(Grantee::AllUsers, AclPermission::Read), to(THEIRS, AclPermission::Read)];
        world.grant_object("cat", &grants).await;
        bucket_list(&world, vec![grant(Grantee::AuthenticatedUsers, AclPermission::Read)]).await;
        check(&world, &Principal::Anonymous, GET, OK).await;
        check(&world, &root(THEIRS), LIST, OK).await;
        if of_account {
            world.store.put_account_public_access_block(OURS, Some(ignore)).await.unwrap();
        } else {
            world.change("photos", BucketAccessChange::PublicAccessBlock(Some(ignore))).await;
        }
        check(&world, &Principal::Anonymous, GET, DENIED).await;
        check(&world, &root(THEIRS), LIST, DENIED).await;
        check(&world, &root(THEIRS), GET, OK).await;
    }
}

#[tokio::test]
async fn public_policies_can_be_kept_to_the_account() {
    let restrict = PublicAccessBlock { restrict_public_buckets: true, ..PublicAccessBlock::default() };
    for of_account in [false, true] {
        let world = world().await;
        let open = r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#;
        let theirs = r#"{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#;
        world.policy(&format!("{open},{theirs}")).await;
        check(&world, &Principal::Anonymous, GET, OK).await;
        if of_account {
            world.store.put_account_public_access_block(OURS, Some(restrict)).await.unwrap();
        } else {
            world.change("photos", BucketAccessChange::PublicAccessBlock(Some(restrict))).await;
        }
        check(&world, &Principal::Anonymous, GET, DENIED).await;
        check(&world, &root(THEIRS), GET, DENIED).await;
        check(&world, &alice(OURS, ""), GET, OK).await;
        // What is not public is not restricted.
        world.policy(theirs).await;
        check(&world, &root(THEIRS), GET, OK).await;
    }
}
