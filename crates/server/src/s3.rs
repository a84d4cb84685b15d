//! S3 behind the listeners: the operations over the store, and who may use them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coffer_access::Caller;
use coffer_crypto::sha256;
use coffer_s3::auth::{Identified, Identities, Identity};
use coffer_s3::error::S3Error;
use coffer_s3::ops::{OperationSettings, S3Operations};
use coffer_s3::request::ConnectionInfo;
use coffer_s3::response::ResponseBody;
use coffer_s3::service::{S3Service, ServiceSettings};
use coffer_sigv4::{SecretKey, SigningKeys};
use coffer_store::SystemClock;
use http::Request;
use hyper::body::Incoming;

use crate::config::{Network, Settings};
use crate::credentials::Root;
use crate::data::Data;
use crate::forwarded::client_address;
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
        let keys = Arc::new(SigningKeys::new(secret));
        let identity = Identity::new(root.credentials.access_key.clone(), Arc::new(Caller::root(ACCOUNT_ID)), keys);
        let identities = Arc::new(RootOnly(Arc::new(identity)));
        let operations = S3Operations::new(store, operations);
        Self {
            service: S3Service::new(operations, identities, service, Arc::new(SystemClock)),
            trusted_proxies: settings.trusted_proxies.clone(),
        }
    }
}

impl Handler for S3 {
    type Body = ResponseBody;

    async fn handle(&self, request: Request<Incoming>, client: Client) -> Answer<ResponseBody> {
        let trusted_proxy = self.trusted_proxies.iter().any(|network| network.contains(client.peer.ip()));
        let address = client_address(client.peer.ip(), request.headers(), &self.trusted_proxies);
        let connection = ConnectionInfo { peer: client.peer, client: address, tls: client.tls, trusted_proxy };
        let answer = self.service.handle(request, connection).await;
        Answer { operation: answer.operation, response: answer.response }
    }
}

/// The canonical user ID of the owner: one for each store, and telling nothing.
fn owner_id(store_id: &[u8; 16]) -> String {
    let hash = sha256(&[b"canonical user", &store_id[..]].concat());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Knows the root access key and no other.
struct RootOnly(Arc<Identity>);

#[async_trait]
impl Identities for RootOnly {
    async fn identify(&self, access_key: &str, token: Option<&str>, _: u64) -> Result<Identified, S3Error> {
        Ok(match token {
            _ if access_key != self.0.access_key() => Identified::UnknownAccessKey,
            None => Identified::Known(Arc::clone(&self.0)),
            Some(_) => Identified::InvalidToken,
        })
    }

    fn canonical_id(&self, account: &str) -> String {
        account.to_owned()
    }

    async fn account_of_canonical_id(&self, _: &str) -> Result<Option<String>, S3Error> {
        Ok(None)
    }

    async fn account_of_email(&self, _: &str) -> Result<Option<String>, S3Error> {
        Ok(None)
    }

    async fn principal_exists(&self, _: &str) -> Result<bool, S3Error> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_id_is_64_digits_and_differs_by_store() {
        let id = owner_id(&[1; 16]);
        assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(id, owner_id(&[2; 16]));
    }
}
