//! S3 behind the listeners: the operations over the store, and who may use them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coffer_crypto::sha256;
use coffer_s3::auth::{Credentials, Identity};
use coffer_s3::error::S3Error;
use coffer_s3::ops::{OperationSettings, S3Operations};
use coffer_s3::request::ConnectionInfo;
use coffer_s3::response::ResponseBody;
use coffer_s3::service::{S3Service, ServiceSettings};
use coffer_sigv4::SecretKey;
use coffer_store::SystemClock;
use http::Request;
use hyper::body::Incoming;

use crate::config::{Network, Settings};
use crate::credentials::Root;
use crate::data::Data;
use crate::listen::{Answer, Client, Handler};

/// The account that everything belongs to: there is one. It is what `x-amz-expected-bucket-owner` must name.
const ACCOUNT_ID: &str = "000000000000";

/// S3 over HTTP, for the listeners.
pub(crate) struct S3 {
    service: S3Service<S3Operations>,
    trusted_proxies: Vec<Network>,
}

impl S3 {
    /// S3 over the store of `data`, for its root credentials.
    pub(crate) fn new(settings: &Settings, data: &Data, root: &Root) -> Self {
        let store = data.store.clone();
        let operations = OperationSettings {
            region: settings.region.clone(),
            owner_id: owner_id(store.id()),
            account_id: ACCOUNT_ID.to_owned(),
        };
        let service = ServiceSettings {
            region: settings.region.clone(),
            domains: settings.domain.clone(),
            idle: Duration::from_secs(settings.request_idle_seconds),
        };
        let secret = SecretKey::new(root.credentials.expose_secret().to_owned());
        let identity = Identity::new(root.credentials.access_key.clone(), root_arn(), secret);
        let credentials = Arc::new(RootOnly(Arc::new(identity)));
        let operations = S3Operations::new(store, operations);
        Self {
            service: S3Service::new(operations, credentials, service, Arc::new(SystemClock)),
            trusted_proxies: settings.trusted_proxies.clone(),
        }
    }
}

impl Handler for S3 {
    type Body = ResponseBody;

    async fn handle(&self, request: Request<Incoming>, client: Client) -> Answer<ResponseBody> {
        let trusted_proxy = self.trusted_proxies.iter().any(|network| network.contains(client.peer.ip()));
        let connection = ConnectionInfo { peer: client.peer, tls: client.tls, trusted_proxy };
        let answer = self.service.handle(request, connection).await;
        Answer { operation: answer.operation, response: answer.response }
    }
}

/// Who the root access key belongs to, as error messages name it.
fn root_arn() -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:root")
}

/// The canonical user ID of the owner: one for each store, and telling nothing.
fn owner_id(store_id: &[u8; 16]) -> String {
    let hash = sha256(&[b"canonical user", &store_id[..]].concat());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Knows the root access key and no other.
struct RootOnly(Arc<Identity>);

#[async_trait]
impl Credentials for RootOnly {
    async fn identity(&self, access_key: &str) -> Result<Option<Arc<Identity>>, S3Error> {
        Ok((access_key == self.0.access_key()).then(|| Arc::clone(&self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_root_access_key_is_known() {
        let identity = Identity::new("ROOT".to_owned(), root_arn(), SecretKey::new("secret"));
        let root_only = RootOnly(Arc::new(identity));
        for (access_key, known) in [("ROOT", true), ("root", false), ("ROOT ", false), ("", false)] {
            let identity = root_only.identity(access_key).await.ok().unwrap();
            assert_eq!(identity.is_some(), known, "{access_key:?}");
        }
    }

    #[test]
    fn an_owner_id_is_64_digits_and_differs_by_store() {
        let id = owner_id(&[1; 16]);
        assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(id, owner_id(&[2; 16]));
    }
}
