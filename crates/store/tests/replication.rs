//! What is queued to be replicated, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use coffer_configuration::{
    ReplicationConfiguration, ReplicationDestination, ReplicationFilter, ReplicationRule, VersioningStatus,
};
use coffer_store::{
    Bucket, ChangedBy, DeleteObject, Encryption, FullBody, ObjectVersion, Origin, ReplicationEnd, ReplicationStatus,
    ReplicationSubject, ReplicationTask, StoreError, VersionId,
};
use common::{World, key, plain_put};

const COPY: &str = "copy";

fn rule(priority: u32, prefix: &str, destination: &str) -> ReplicationRule {
    ReplicationRule {
        id: priority.to_string(),
        enabled: true,
        priority: Some(priority),
        filter: ReplicationFilter::Prefix(prefix.to_owned()),
        delete_markers: Some(true),
        existing_objects: None,
        source_selection: None,
        destination: ReplicationDestination { bucket: destination.to_owned(), ..ReplicationDestination::default() },
    }
}

async fn replicate(world: &World, rules: Vec<ReplicationRule>) -> Bucket {
    let name = world.bucket.name();
    let set = world.store.configure_bucket(name, |_, settings| -> Result<(), StoreError> {
        settings.versioning = Some(VersioningStatus::Enabled);
        let configuration = ReplicationConfiguration { role: "role".to_owned(), rules: rules.clone() };
        settings.replication = Some(configuration).filter(|configuration| !configuration.rules.is_empty());
        Ok(())
    });
    set.await.unwrap();
    world.store.bucket(name).await.unwrap()
}

async fn world_with(rules: Vec<ReplicationRule>) -> World {
    let world = World::new().await;
    let bucket = replicate(&world, rules).await;
    world.with_bucket(bucket)
}

async fn put(world: &World, name: &str, origin: Origin) -> VersionId {
    let put = coffer_store::PutObject { origin, ..plain_put(Encryption::SseS3) };
    let mut body = FullBody::new(name.as_bytes().to_vec());
    world.store.put_object(&world.bucket, &key(name), put, &mut body).await.unwrap().info.version
}

async fn tasks(world: &World) -> Vec<ReplicationTask> {
    let all = world.store.replication_tasks(None, 1000).await.unwrap();
    let mut again = Vec::new();
    while let Some(task) = world.store.replication_tasks(again.last(), 1).await.unwrap().pop() {
        again.push(task);
    }
    assert_eq!(again.len(), all.len(), "pages of one show the same");
    all
}

async fn status(world: &World, name: &str, version: VersionId) -> Option<ReplicationStatus> {
    let name = key(name);
    let target = ObjectVersion { key: &name, version: Some(version) };
    world.store.object_info(&world.bucket, target).await.unwrap().replication
}

async fn tag(world: &World, name: &str, version: VersionId, origin: &Origin) {
    let name = key(name);
    let target = ObjectVersion { key: &name, version: Some(version) };
    let tags = [("a".to_owned(), "b".to_owned())];
    world.store.put_object_tags(&world.bucket, target, &tags, origin).await.unwrap();
}

fn completed(version_id: &str) -> ReplicationEnd {
    ReplicationEnd::Completed(Some(version_id.to_owned()))
}

#[tokio::test]
async fn a_version_waits_for_each_destination_and_is_done_when_all_are() {
    let world = world_with(vec![rule(1, "", COPY), rule(2, "a", "other")]).await;
    let version = put(&world, "a", Origin::default()).await;
    put(&world, "b", Origin::default()).await;
    let all = tasks(&world).await;
    assert_eq!(all.iter().filter(|task| task.version == version).count(), 2);
    assert_eq!(all.len(), 3);
    for (at, task) in all.iter().filter(|task| task.version == version).enumerate() {
        assert_eq!(status(&world, "a", version).await, Some(ReplicationStatus::Pending), "{at} are done");
        world.store.end_replication(&world.bucket, task, &completed("v")).await.unwrap();
    }
    assert_eq!(status(&world, "a", version).await, Some(ReplicationStatus::Completed));
    assert_eq!(tasks(&world).await.len(), 1);
}

#[tokio::test]
async fn versions_of_a_key_wait_in_their_order_even_if_the_clock_goes_back() {
    let world = world_with(vec![rule(1, "", COPY)]).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(put(&world, "k", Origin::default()).await);
        world.clock.set_back_ms(1000);
    }
    assert_eq!(tasks(&world).await.iter().map(|task| task.version).collect::<Vec<_>>(), made);
}

#[tokio::test]
async fn what_no_rule_is_about_is_not_queued() {
    let disabled = ReplicationRule { enabled: false, ..rule(2, "", COPY) };
    let world = world_with(vec![rule(1, "logs/", COPY), disabled]).await;
    let version = put(&world, "k", Origin::default()).await;
    assert_eq!(status(&world, "k", version).await, None);
    let world = world_with(Vec::new()).await;
    put(&world, "k", Origin::default()).await;
    assert_eq!(world.row_keys('J').await.len(), 0);
}

#[tokio::test]
async fn a_replica_goes_no_further() {
    let world = world_with(vec![rule(1, "", COPY)]).await;
    let origin = Origin { is_replication: true, ..Origin::default() };
    let version = put(&world, "k", origin.clone()).await;
    tag(&world, "k", version, &origin).await;
    tag(&world, "k", version, &Origin::default()).await;
    let delete = DeleteObject { origin, ..DeleteObject::default() };
    world.store.delete_object(&world.bucket, &key("k"), &delete).await.unwrap();
    assert_eq!(status(&world, "k", version).await, Some(ReplicationStatus::Replica));
    assert_eq!(world.row_keys('J').await.len(), 0);
}

#[tokio::test]
async fn delete_markers_are_queued_but_not_those_of_lifecycle_rules_nor_against_the_rule() {
    let without = ReplicationRule { delete_markers: Some(false), ..rule(1, "stay", COPY) };
    let world = world_with(vec![without, rule(2, "go", COPY)]).await;
    let by = |by| DeleteObject { origin: Origin { by, ..Origin::default() }, ..DeleteObject::default() };
    for (name, by, expected) in
        [("stay", by(ChangedBy::Delete), 0), ("go", by(ChangedBy::Lifecycle), 0), ("go", by(ChangedBy::Delete), 1)]
    {
        world.store.delete_object(&world.bucket, &key(name), &by).await.unwrap();
        assert_eq!(tasks(&world).await.len(), expected, "{name}");
    }
    let task = tasks(&world).await.remove(0);
    let subject = world.store.replication_subject(&world.bucket, &task).await.unwrap();
    assert!(matches!(subject, ReplicationSubject::Marker(_)));
    world.store.end_replication(&world.bucket, &task, &completed("m")).await.unwrap();
    assert_eq!(world.row_keys('J').await.len(), 0);
}

#[tokio::test]
async fn a_change_of_tags_waits_for_the_replica_that_is_there() {
    let world = world_with(vec![rule(1, "", COPY)]).await;
    let version = put(&world, "k", Origin::default()).await;
    let task = tasks(&world).await.remove(0);
    world.store.end_replication(&world.bucket, &task, &completed("there")).await.unwrap();
    tag(&world, "k", version, &Origin::default()).await;
    assert_eq!(status(&world, "k", version).await, Some(ReplicationStatus::Pending));
    let task = tasks(&world).await.remove(0);
    match world.store.replication_subject(&world.bucket, &task).await.unwrap() {
        ReplicationSubject::Object { replica, info } => {
            assert_eq!((replica.as_deref(), info.tags.len()), (Some("there"), 1));
        }
        _ => panic!("it is an object"),
    }
}

#[tokio::test]
async fn a_change_while_a_version_is_brought_is_not_lost() {
    let world = world_with(vec![rule(1, "", COPY)]).await;
    let version = put(&world, "k", Origin::default()).await;
    let task = tasks(&world).await.remove(0);
    tag(&world, "k", version, &Origin::default()).await;
    world.store.end_replication(&world.bucket, &task, &completed("there")).await.unwrap();
    assert_eq!(status(&world, "k", version).await, Some(ReplicationStatus::Pending));
    let again = tasks(&world).await.remove(0);
    let subject = world.store.replication_subject(&world.bucket, &again).await.unwrap();
    assert!(matches!(subject, ReplicationSubject::Object { replica: Some(_), .. }), "it is known to be there");
    world.store.drop_replication(&task).await.unwrap();
    assert_eq!(tasks(&world).await.len(), 1, "what has changed is not dropped");
    world.store.end_replication(&world.bucket, &again, &completed("there")).await.unwrap();
    assert_eq!(status(&world, "k", version).await, Some(ReplicationStatus::Completed));
}

#[tokio::test]
async fn what_was_given_up_stays_so_until_there_is_a_new_version() {
    let world = world_with(vec![rule(1, "", COPY)]).await;
    let version = put(&world, "k", Origin::default()).await;
    let task = tasks(&world).await.remove(0);
    world.store.end_replication(&world.bucket, &task, &ReplicationEnd::Failed).await.unwrap();
    tag(&world, "k", version, &Origin::default()).await;
    assert_eq!(status(&world, "k", version).await, Some(ReplicationStatus::Failed));
    assert_eq!(tasks(&world).await.len(), 0);
}

#[tokio::test]
async fn a_task_knows_its_upload_and_a_version_that_is_gone_leaves_nothing_to_do() {
    let world = world_with(vec![rule(1, "", COPY)]).await;
    let version = put(&world, "k", Origin::default()).await;
    let mut task = tasks(&world).await.remove(0);
    assert!(world.store.note_replication_upload(&mut task, Some("upload".to_owned())).await.unwrap());
    let world = world.after_crash().await;
    assert_eq!(tasks(&world).await.remove(0).upload_id.as_deref(), Some("upload"));
    let name = key("k");
    let target = ObjectVersion { key: &name, version: Some(version) };
    world.store.delete_object(&world.bucket, target, &DeleteObject::default()).await.unwrap();
    let subject = world.store.replication_subject(&world.bucket, &task).await.unwrap();
    assert!(matches!(subject, ReplicationSubject::Nothing));
    world.store.drop_replication(&task).await.unwrap();
    world.assert_empty("a version that was to be replicated is gone").await;
}

#[tokio::test]
async fn a_bucket_of_the_same_name_is_another_one() {
    let world = world_with(vec![rule(1, "", COPY)]).await;
    let version = put(&world, "k", Origin::default()).await;
    let task = tasks(&world).await.remove(0);
    assert!(world.store.replication_source(&task).await.unwrap().is_some());
    let name = key("k");
    let target = ObjectVersion { key: &name, version: Some(version) };
    world.store.delete_object(&world.bucket, target, &DeleteObject::default()).await.unwrap();
    world.store.delete_bucket(world.bucket.name()).await.unwrap();
    assert!(world.store.replication_source(&task).await.unwrap().is_none());
    world.store.create_bucket(world.bucket.name(), &coffer_store::NewBucket::default()).await.unwrap();
    assert!(world.store.replication_source(&task).await.unwrap().is_none());
}

#[tokio::test]
async fn versions_from_before_are_queued_in_their_order_but_not_behind_a_replica() {
    let world = world_with(Vec::new()).await;
    let mut before = Vec::new();
    for _ in 0..3 {
        before.push(put(&world, "a", Origin::default()).await);
    }
    let overtaken = put(&world, "b", Origin::default()).await;
    let mut existing = rule(1, "", COPY);
    let bucket = replicate(&world, vec![existing.clone()]).await;
    let world = world.with_bucket(bucket);
    put(&world, "b", Origin::default()).await;
    let task = tasks(&world).await.remove(0);
    world.store.end_replication(&world.bucket, &task, &completed("there")).await.unwrap();
    existing.existing_objects = Some(true);
    let bucket = replicate(&world, vec![existing]).await;
    let world = world.with_bucket(bucket);
    world.store.begin_replication_scan(&world.bucket).await.unwrap();
    let world = world.after_crash().await;
    assert!(world.store.continue_replication_scans().await.unwrap().is_empty(), "one page is enough");
    assert_eq!(tasks(&world).await.iter().map(|task| task.version).collect::<Vec<_>>(), before);
    assert_eq!(status(&world, "a", before[0]).await, Some(ReplicationStatus::Pending));
    assert_eq!(status(&world, "b", overtaken).await, None);
}

#[tokio::test]
async fn a_search_waits_for_its_rules_and_no_longer() {
    let world = world_with(Vec::new()).await;
    put(&world, "a", Origin::default()).await;
    world.store.begin_replication_scan(&world.bucket).await.unwrap();
    assert_eq!(world.store.continue_replication_scans().await.unwrap(), [world.bucket.name().as_str()]);
    world.clock.advance_ms(60_000);
    assert!(world.store.continue_replication_scans().await.unwrap().is_empty());
    assert_eq!(world.row_keys('J').await.len(), 0);
}

#[tokio::test]
async fn a_search_goes_on_where_it_was() {
    let world = world_with(Vec::new()).await;
    for at in 0..250 {
        put(&world, &format!("k{at:03}"), Origin::default()).await;
    }
    let existing = ReplicationRule { existing_objects: Some(true), ..rule(1, "", COPY) };
    let bucket = replicate(&world, vec![existing]).await;
    let mut world = world.with_bucket(bucket);
    world.store.begin_replication_scan(&world.bucket).await.unwrap();
    for queued in [100, 200, 250] {
        let going_on = world.store.continue_replication_scans().await.unwrap();
        assert_eq!((tasks(&world).await.len(), going_on.is_empty()), (queued, queued == 250));
        world = world.after_crash().await;
    }
}

#[tokio::test]
async fn a_damaged_task_does_not_hold_up_the_others() {
    let world = world_with(vec![rule(1, "", COPY)]).await;
    for name in ["1", "2", "3"] {
        put(&world, name, Origin::default()).await;
    }
    let rows = world.row_keys('J').await;
    let value = world.engine.get(&rows[2]).await.unwrap().unwrap();
    let mut swapped = coffer_meta::Commit::new();
    swapped.put(rows[1].clone(), value);
    world.engine.commit(swapped).await.unwrap();
    let names: Vec<_> = tasks(&world).await.into_iter().map(|task| task.key.as_str().to_owned()).collect();
    assert_eq!(names, ["1", "3"]);
}

#[tokio::test]
async fn objects_under_a_kms_key_are_not_replicated() {
    let existing = ReplicationRule { existing_objects: Some(true), ..rule(1, "", COPY) };
    let world = world_with(vec![existing]).await;
    let kms = world.kms.draw(common::kms::KEY_1, "a");
    for encryption in [Encryption::SseKms(&kms), Encryption::DsseKms(&kms)] {
        let info = world.put("a", b"x", encryption).await.info;
        assert_eq!(info.replication, None);
    }
    world.store.begin_replication_scan(&world.bucket).await.unwrap();
    assert!(world.store.continue_replication_scans().await.unwrap().is_empty(), "one page is enough");
    assert!(tasks(&world).await.is_empty());

    // What has been replicated under the bucket's key stays where it was brought, and keeps its status.
    let before = put(&world, "b", Origin::default()).await;
    let (target, keys) = (key("b"), world.keys(None));
    let updated = world.store.update_object_encryption(&world.bucket, &target, keys, &kms, &Origin::default()).await;
    let updated = updated.unwrap();
    assert_eq!((updated.version, updated.replication), (before, Some(ReplicationStatus::Pending)));
    assert_eq!(tasks(&world).await.len(), 1);
}
