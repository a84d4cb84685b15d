//! S3 and the APIs beside it behind the listeners, and who may use them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use coffer_audit::AuditedRootKeys;
use coffer_iam::{ApiConnection, Iam, IamSettings, is_api_request, is_kms_request};
use coffer_keyring::{KeyAudit, RootKeys};
use coffer_kms::{Kms, KmsSettings};
use coffer_replication::Targets;
use coffer_s3::body::Received;
use coffer_s3::log::{Action, BucketLogSettings, BucketLogs, RequestRecord, Requester};
use coffer_s3::ops::{OperationSettings, S3Operations};
use coffer_s3::request::ConnectionInfo;
use coffer_s3::response::ResponseBody;
use coffer_s3::service::{S3Service, ServiceSettings};
use coffer_s3::website::Websites;
use coffer_store::{Clock as _, ObjectOwnership, SystemClock};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::access_log::AccessLog;
use crate::config::{Network, Settings};
use crate::credentials::Root;
use crate::data::Data;
use crate::documents::HttpsDocuments;
use crate::forwarded::{client_address, says_https};
use crate::identities::IamIdentities;
use crate::kms::ForS3;
use crate::listen::{Answer, Client, Handler};
use crate::logs::{Entry, Logs};
use crate::metrics::Metrics;
use crate::notification::EventTargets;
use crate::replication;

/// The first account.
pub(crate) const ACCOUNT_ID: &str = "000000000000";
/// The most bytes of a request to the APIs: a policy document of the largest kind, percent-encoded, several times over.
const MAX_API_BODY_LEN: usize = 1 << 20;

/// S3 over HTTP, and IAM and its siblings, for the listeners.
pub(crate) struct S3 {
    service: S3Service<S3Operations>,
    iam: Iam,
    kms: Kms,
    trusted_proxies: Vec<Network>,
    idle: Duration,
    logs: Logs,
}

impl S3 {
    /// S3 over the store of `data`.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn new(
        settings: &Settings,
        data: &Data,
        root: &Root,
        access_log: Option<Arc<AccessLog>>,
        metrics: &Metrics,
        targets: &Arc<Targets>,
        event_targets: Arc<EventTargets>,
    ) -> Result<Self> {
        let store = data.store.clone();
        let (iam, kms) = accounts_and_keys(settings, data, matches!(root, Root::Given))?;
        iam.establish(SystemClock.now_ms()).await.map_err(|error| anyhow!("the first account: {}", error.message()))?;
        let operations = OperationSettings {
            region: settings.region.clone(),
            account_id: ACCOUNT_ID.to_owned(),
            new_bucket_object_ownership: ObjectOwnership::from_name(&settings.new_bucket_object_ownership)
                .expect("the settings are checked when they are loaded"),
            new_bucket_block_public_access: settings.new_bucket_block_public_access,
        };
        let service = ServiceSettings {
            region: settings.region.clone(),
            domains: settings.domain.clone(),
            websites: Websites { domains: settings.website_domain.clone(), hosts: settings.website_host.clone() },
            idle: Duration::from_secs(settings.request_idle_seconds),
        };
        let identities = Arc::new(IamIdentities { iam: iam.clone(), root_may_use_s3: settings.root_may_use_s3 });
        let bucket_logs = BucketLogSettings {
            account_id: ACCOUNT_ID.to_owned(),
            interval: Duration::from_secs(settings.server_access_log_seconds),
            dropped: Arc::clone(&metrics.bucket_log_dropped),
        };
        let bucket_logs = BucketLogs::new(store.clone(), identities.clone(), bucket_logs, Arc::new(SystemClock));
        let operations = S3Operations::new(store, identities.clone(), operations)
            .with_event_targets(event_targets)
            .with_kms(Arc::new(ForS3::new(kms.clone(), &settings.region)))
            .with_replication(Arc::new(replication::Asked(Arc::clone(targets))));
        Ok(Self {
            service: S3Service::new(operations, identities, service, Arc::new(SystemClock)),
            iam,
            kms,
            trusted_proxies: settings.trusted_proxies.clone(),
            idle: Duration::from_secs(settings.request_idle_seconds),
            logs: Logs { access: access_log, buckets: Arc::new(bucket_logs) },
        })
    }

    /// Everybody there is.
    pub(crate) fn iam(&self) -> &Iam {
        &self.iam
    }

    /// The keys of the KMS.
    pub(crate) fn kms(&self) -> &Kms {
        &self.kms
    }

    /// Where requests are logged.
    pub(crate) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Answers a request to IAM or one of its siblings.
    async fn api(
        &self,
        parts: Parts,
        body: Incoming,
        record: &RequestRecord,
    ) -> (&'static str, Response<ResponseBody>) {
        record.note_head(&parts);
        let body = match tokio::time::timeout(self.idle, Limited::new(body, MAX_API_BODY_LEN).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return ("Unknown", refused(StatusCode::PAYLOAD_TOO_LARGE, record)),
            Err(_) => return ("Unknown", refused(StatusCode::REQUEST_TIMEOUT, record)),
        };
        record.note_body(Received::whole(body.len()));
        let ConnectionInfo { client, secure, .. } = record.connection;
        let connection = ApiConnection { peer: client, secure };
        let (request_id, now_ms) = (record.request_id.as_str(), record.received_ms);
        let answer = if is_kms_request(&parts) {
            self.iam.handle_service(&self.kms, &parts, &body, connection, request_id, now_ms).await
        } else {
            self.iam.handle(&parts, &body, connection, request_id, now_ms).await
        };
        record.note_action(Action { service: answer.service, name: answer.operation });
        if let (Some(caller), Some(access_key)) = (answer.caller, answer.access_key) {
            record.note_requester(Requester { caller, access_key });
        }
        let response = answer.response.map(ResponseBody::Full);
        record.note_answer(&response, answer.error_code);
        (answer.operation, response)
    }
}

impl Handler for S3 {
    type Body = ResponseBody;

    async fn handle(&self, request: Request<Incoming>, client: Client) -> Answer<ResponseBody> {
        let Client { peer, tls } = client;
        let address = client_address(peer.ip(), request.headers(), &self.trusted_proxies);
        let by_proxy = self.trusted_proxies.iter().any(|network| network.contains(peer.ip()));
        let secure = tls.is_some() || (by_proxy && says_https(request.headers()));
        let connection = ConnectionInfo { peer, client: address, tls, secure };
        let record = self.service.record(connection);
        // Before the answer is awaited: a client that goes away meanwhile is logged too.
        let entry = Some(Entry::new(Arc::clone(&record), self.logs.clone()));
        let (parts, body) = request.into_parts();
        let is_website = self.service.website_bucket(&parts).is_some();
        let (operation, response) = if !is_website && is_api_request(&parts) {
            self.api(parts, body, &record).await
        } else {
            let answer = self.service.handle(Request::from_parts(parts, body), &record).await;
            (answer.operation, answer.response)
        };
        Answer { operation, response, entry }
    }
}

/// Everybody there is, and the keys of the KMS, in the store of `data`.
///
/// # Errors
/// When the authorities of identity providers cannot be read.
pub(crate) fn accounts_and_keys(settings: &Settings, data: &Data, root_key_is_given: bool) -> Result<(Iam, Kms)> {
    let documents = HttpsDocuments::new(settings.oidc_private_networks.clone(), settings.oidc_ca_file.as_deref())?;
    let iam = IamSettings { account_id: ACCOUNT_ID.to_owned(), region: settings.region.clone(), root_key_is_given };
    let iam = Iam::new(data.store.clone(), iam, Arc::new(documents));
    let audited = |keys| {
        let audit = Arc::clone(&data.audit) as Arc<dyn KeyAudit>;
        Arc::new(AuditedRootKeys::new(keys, audit)) as Arc<dyn RootKeys>
    };
    let key_stores = data.providers.key_stores().into_iter().map(|(id, keys)| (id, audited(keys))).collect();
    let kms = KmsSettings { region: settings.region.clone(), key_stores, day_ms: settings.kms_day_ms };
    let audit = Arc::clone(&data.audit) as Arc<dyn KeyAudit>;
    let root = Arc::clone(&data.root);
    let kms = Kms::new(data.store.clone(), iam.clone(), root, kms, audit, Arc::new(SystemClock));
    Ok((iam, kms))
}

/// A body that is not taken: the connection ends with it.
fn refused(status: StatusCode, record: &RequestRecord) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Full(Bytes::new()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    record.note_answer(&response, None);
    response
}
