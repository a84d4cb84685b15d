//! Who may do what, as the store keeps it: policies, Block Public Access, ownership, access control lists.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::sync::Arc;

use coffer_access::{AclPermission, Grant, Grantee};
use coffer_store::{
    BucketAccessChange, BucketChanged, BucketName, BucketPolicy, Encryption, NewBucket, ObjectAccess, ObjectOwnership,
    Origin, PublicAccessBlock, StoreError,
};
use common::{World, customer_key, key, plain_put, plain_upload};

fn public_read() -> Vec<Grant> {
    vec![Grant { grantee: Grantee::AllUsers, permission: AclPermission::Read }]
}

fn somebody_elses() -> ObjectAccess {
    ObjectAccess { owner: Some("111122223333".to_owned()), grants: Some(public_read()) }
}

impl World {
    async fn change(&self, change: BucketAccessChange) {
        let bucket = self.store.bucket(self.bucket.name()).await.unwrap();
        assert!(matches!(self.store.change_bucket_access(&bucket, &change).await, Ok(BucketChanged::Yes)));
    }
}

#[tokio::test]
async fn a_bucket_has_what_it_was_made_with() {
    let world = World::new().await;
    let name = BucketName::for_creation("another").unwrap();
    let new = NewBucket {
        region: "here".to_owned(),
        owner: "111122223333".to_owned(),
        public_access_block: Some(PublicAccessBlock::ALL),
        ownership: ObjectOwnership::ObjectWriter,
        acl: Some(public_read()),
        ..NewBucket::default()
    };
    world.store.create_bucket(&name, &new).await.unwrap();
    let bucket = world.restarted().bucket(&name).await.unwrap();
    assert_eq!(bucket.public_access_block(), Some(PublicAccessBlock::ALL));
    assert_eq!(bucket.ownership(), Some(ObjectOwnership::ObjectWriter));
    assert!(bucket.acls_enabled());
    assert_eq!(bucket.acl(), Some(public_read().as_slice()));
    assert!(bucket.policy().is_none());
}

/// A policy that names one ARN, of whom with this ID; none if there is no ID.
fn policy(document: &str, id: &str) -> BucketAccessChange {
    let principals = [("arn".to_owned(), id.to_owned())].into_iter().filter(|(_, id)| !id.is_empty()).collect();
    BucketAccessChange::Policy(Some(BucketPolicy { document: document.to_owned(), principals }))
}

#[tokio::test]
async fn settings_of_a_bucket_read_back_and_go() {
    let world = World::new().await;
    let block = PublicAccessBlock { ignore_public_acls: true, ..PublicAccessBlock::default() };
    world.change(policy("{ }", "AIDA1")).await;
    world.change(BucketAccessChange::PublicAccessBlock(Some(block))).await;
    world.change(BucketAccessChange::Ownership(Some(ObjectOwnership::BucketOwnerPreferred))).await;
    world.change(BucketAccessChange::Acl(Some(public_read()))).await;
    let bucket = world.restarted().bucket(world.bucket.name()).await.unwrap();
    assert_eq!(bucket.policy().map(|text| &**text), Some("{ }"));
    assert_eq!(bucket.policy_principals(), Some(&[("arn".to_owned(), "AIDA1".to_owned())].into()));
    assert_eq!(bucket.public_access_block(), Some(block));
    assert_eq!(bucket.ownership(), Some(ObjectOwnership::BucketOwnerPreferred));
    assert_eq!(bucket.acl(), Some(public_read().as_slice()));
    world.change(BucketAccessChange::Policy(None)).await;
    world.change(BucketAccessChange::PublicAccessBlock(None)).await;
    world.change(BucketAccessChange::Ownership(None)).await;
    world.change(BucketAccessChange::Acl(None)).await;
    let bucket = world.restarted().bucket(world.bucket.name()).await.unwrap();
    assert!(
        bucket.policy().is_none() && bucket.policy_principals().is_none() && bucket.public_access_block().is_none()
    );
    assert!(bucket.ownership().is_none() && bucket.acls_enabled() && bucket.acl().is_none());
}

#[tokio::test]
async fn the_same_policy_is_the_same_allocation() {
    let world = World::new().await;
    world.change(policy("{}", "")).await;
    let first = world.store.bucket(world.bucket.name()).await.unwrap();
    world.change(BucketAccessChange::Ownership(None)).await;
    let second = world.store.bucket(world.bucket.name()).await.unwrap();
    assert!(Arc::ptr_eq(first.policy().unwrap(), second.policy().unwrap()));
    world.change(policy("{ }", "")).await;
    let third = world.store.bucket(world.bucket.name()).await.unwrap();
    assert!(!Arc::ptr_eq(first.policy().unwrap(), third.policy().unwrap()));
    // The same words about somebody else are another policy.
    world.change(policy("{ }", "AIDA1")).await;
    let fourth = world.store.bucket(world.bucket.name()).await.unwrap();
    world.change(policy("{ }", "AIDA2")).await;
    let fifth = world.store.bucket(world.bucket.name()).await.unwrap();
    assert!(!Arc::ptr_eq(third.policy().unwrap(), fourth.policy().unwrap()));
    assert!(!Arc::ptr_eq(fourth.policy().unwrap(), fifth.policy().unwrap()));
}

#[tokio::test]
async fn a_change_that_was_decided_on_an_older_bucket_is_not_made() {
    let world = World::new().await;
    world.change(BucketAccessChange::Ownership(Some(ObjectOwnership::BucketOwnerPreferred))).await;
    let stale = BucketAccessChange::Acl(Some(public_read()));
    let Ok(BucketChanged::Meanwhile(now)) = world.store.change_bucket_access(&world.bucket, &stale).await else {
        panic!("the bucket has changed");
    };
    assert_eq!(now.ownership(), Some(ObjectOwnership::BucketOwnerPreferred));
    assert_eq!(now.acl(), None);
}

#[tokio::test]
async fn a_change_does_not_reach_another_bucket_of_the_same_name() {
    let world = World::new().await;
    world.store.delete_bucket(world.bucket.name()).await.unwrap();
    world.store.create_bucket(world.bucket.name(), &NewBucket::default()).await.unwrap();
    let change = policy("{}", "");
    let refused = world.store.change_bucket_access(&world.bucket, &change).await;
    assert!(matches!(refused, Err(StoreError::NoSuchBucket)));
    assert!(world.store.bucket(world.bucket.name()).await.unwrap().policy().is_none());
}

#[tokio::test]
async fn an_object_keeps_its_owner_and_its_list() {
    let world = World::new().await;
    let mut put = plain_put(Encryption::SseS3);
    put.access = somebody_elses();
    world.try_put("a", b"x", put).await.unwrap();
    assert_eq!(world.store.object_info(&world.bucket, &key("a")).await.unwrap().access, somebody_elses());
    let reader = world.store.get_object(&world.bucket, &key("a"), world.keys(None)).await.unwrap();
    assert_eq!(reader.info().access, somebody_elses());
}

#[tokio::test]
async fn an_overwrite_and_a_copy_inherit_nothing() {
    let world = World::new().await;
    let mut put = plain_put(Encryption::SseS3);
    put.access = somebody_elses();
    world.try_put("a", &common::pattern(5000), put).await.unwrap();
    world.copy(("a", None), "b", Encryption::SseS3).await.unwrap();
    world.put("a", b"y", Encryption::SseS3).await;
    for name in ["a", "b"] {
        let info = world.store.object_info(&world.bucket, &key(name)).await.unwrap();
        assert_eq!(info.access, ObjectAccess::default(), "{name}");
    }
}

#[tokio::test]
async fn an_upload_hands_its_owner_and_its_list_to_its_object() {
    let world = World::new().await;
    let mut create = plain_upload(Encryption::SseS3);
    create.access = somebody_elses();
    let upload = world.store.create_upload(&world.bucket, &key("a"), create).await.unwrap();
    assert_eq!(upload.access, somebody_elses());
    let etag = world.part("a", upload.upload_id, 1, b"x", None).await.unwrap();
    world.complete("a", upload.upload_id, &[(1, &etag)], None).await.unwrap();
    assert_eq!(world.store.object_info(&world.bucket, &key("a")).await.unwrap().access, somebody_elses());
}

#[tokio::test]
async fn a_list_changes_without_a_key_and_nothing_else_does() {
    let world = World::new().await;
    let customer_key = customer_key(7);
    let mut put = plain_put(Encryption::SseC(&customer_key));
    put.access.owner = Some("111122223333".to_owned());
    world.try_put("a", b"sealed", put).await.unwrap();
    let before = world.store.object_info(&world.bucket, &key("a")).await.unwrap();
    world.clock.advance_ms(5000);
    assert!(
        world
            .store
            .put_object_acl(&world.bucket, &key("a"), before.instance_id, &public_read(), &Origin::default())
            .await
            .unwrap()
    );
    let after = world.store.object_info(&world.bucket, &key("a")).await.unwrap();
    assert_eq!(after.access, somebody_elses());
    assert_eq!((after.etag, after.last_modified_ms), (before.etag, before.last_modified_ms));
    assert_eq!(world.try_get("a", Some(&customer_key)).await.unwrap(), b"sealed");
}

#[tokio::test]
async fn a_list_for_a_version_that_is_gone_is_not_given_to_the_next() {
    let world = World::new().await;
    world.put("a", b"x", Encryption::SseS3).await;
    let old = world.store.object_info(&world.bucket, &key("a")).await.unwrap().instance_id;
    world.put("a", b"y", Encryption::SseS3).await;
    assert!(
        !world.store.put_object_acl(&world.bucket, &key("a"), old, &public_read(), &Origin::default()).await.unwrap()
    );
    let info = world.store.object_info(&world.bucket, &key("a")).await.unwrap();
    assert_eq!(info.access, ObjectAccess::default());
    world.delete("a").await;
    let gone = world.store.put_object_acl(&world.bucket, &key("a"), old, &public_read(), &Origin::default()).await;
    assert!(matches!(gone, Err(StoreError::NoSuchKey)));
}

#[tokio::test]
async fn accounts_block_apart_from_each_other() {
    let world = World::new().await;
    let (first, second) = ("000000000000", "111122223333");
    assert_eq!(world.store.account_public_access_block(first).await.unwrap(), None);
    world.store.put_account_public_access_block(first, Some(PublicAccessBlock::ALL)).await.unwrap();
    assert_eq!(world.restarted().account_public_access_block(first).await.unwrap(), Some(PublicAccessBlock::ALL));
    assert_eq!(world.store.account_public_access_block(second).await.unwrap(), None);
    world.store.put_account_public_access_block(first, None).await.unwrap();
    assert_eq!(world.store.account_public_access_block(first).await.unwrap(), None);
}
