//! PutBucketNotificationConfiguration, GetBucketNotificationConfiguration.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_configuration::{DestinationKind, NotificationConfiguration, NotificationEvent, NotificationRule};
use coffer_crypto::random_array;
use coffer_store::{Bucket, StoreError};
use futures_util::future::join_all;
use http::StatusCode;

use super::S3Operations;
use super::store_error::Subject;
use crate::error::{S3Error, destination_name};
use crate::notification::{TargetAdmission, test_message};
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{
    DestinationDocument, arn_element, parse_notification_configuration, write_notification_configuration,
};

impl S3Operations {
    pub(super) async fn put_bucket_notification(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let skip_validation = match request.headers.text(SKIP_VALIDATION)? {
            None => false,
            Some(text) => text.parse().map_err(|_| {
                S3Error::invalid_argument("The header must be true or false.", SKIP_VALIDATION, Some(text))
            })?,
        };
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let document = parse_notification_configuration(&document)?;
        if document.event_bridge {
            return Err(S3Error::not_implemented());
        }
        let rules = document.destinations.into_iter().map(|destination| self.rule(&bucket, destination));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        let configuration =
            NotificationConfiguration::new(rules).map_err(|conflict| S3Error::conflicting_notifications(&conflict))?;
        self.check_admission(&bucket, &configuration)?;
        if !skip_validation {
            self.test_targets(request, &configuration).await?;
        }
        let configuration = Some(configuration).filter(|configuration| !configuration.rules().is_empty());
        let put = self.store.configure_bucket(bucket.name(), |_, settings| {
            settings.notification.clone_from(&configuration);
            Ok::<_, StoreError>(())
        });
        let subject = Subject { bucket: request.bucket_name(), ..Subject::default() };
        put.await.map_err(|error| subject.error(error))?;
        Ok(S3Response::new(StatusCode::OK))
    }

    pub(super) async fn get_bucket_notification(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let configuration = bucket.settings().and_then(|settings| settings.notification.as_ref());
        Ok(S3Response::xml(write_notification_configuration(configuration)))
    }

    fn rule(&self, bucket: &Bucket, sent: DestinationDocument) -> Result<NotificationRule, S3Error> {
        if sent.id.as_ref().is_some_and(|id| id.len() > MAX_ID_LEN) {
            let message = format!("ID length exceeded allowed limit of {MAX_ID_LEN}");
            return Err(S3Error::new(StatusCode::BAD_REQUEST, "InvalidArgument", message));
        }
        let target = self.target_of(bucket, sent.kind, &sent.arn)?;
        // Nobody tells of replication.
        let events = sent.events.iter().map(|name| {
            let message = "The event is not supported for notifications";
            let told =
                NotificationEvent::from_name(name).filter(|event| !NotificationEvent::ReplicationAny.includes(*event));
            told.ok_or_else(|| S3Error::invalid_argument(message, "Event", Some(name)))
        });
        let events = events.collect::<Result<Vec<_>, _>>()?;
        let (mut prefix, mut suffix) = (None, None);
        for (name, value) in sent.filter_rules {
            let (filter, again) = match name.to_ascii_lowercase().as_str() {
                "prefix" => (&mut prefix, "Cannot specify more than one prefix rule in a filter."),
                "suffix" => (&mut suffix, "Cannot specify more than one suffix rule in a filter."),
                _ => {
                    let message = "filter rule name must be either prefix or suffix";
                    return Err(S3Error::invalid_argument(message, "FilterRule.Name", Some(&name)));
                }
            };
            if filter.is_some() {
                return Err(S3Error::invalid_argument(again, "FilterRule.Name", Some(&name)));
            }
            if value.len() > MAX_FILTER_LEN {
                let message = "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation";
                return Err(S3Error::invalid_argument(message, "FilterRule.Value", Some(&value)));
            }
            *filter = Some(value);
        }
        let id = sent.id.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(random_array::<24>()));
        Ok(NotificationRule { id, kind: sent.kind, arn: sent.arn, target, events, prefix, suffix })
    }

    /// The name of the target in an ARN. Targets are the first account's, whoever may use them.
    fn target_of(&self, bucket: &Bucket, kind: DestinationKind, arn: &str) -> Result<String, S3Error> {
        let element = arn_element(kind);
        let unreadable = || S3Error::invalid_argument("The ARN could not be parsed", element, Some(arn));
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", "aws", service, region, account, resource] = fields.as_slice() else { return Err(unreadable()) };
        let (expected, name) = match kind {
            DestinationKind::Topic => ("sns", Some(*resource)),
            DestinationKind::Queue => ("sqs", Some(*resource)),
            DestinationKind::Function => ("lambda", resource.strip_prefix("function:")),
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let name = name.filter(|name| *service == expected && is_account && is_target_name(name));
        let name = name.ok_or_else(unreadable)?;
        if *region != bucket.region() {
            return Err(S3Error::foreign_destination_region(element, arn));
        }
        Ok(name.to_owned())
    }

    fn check_admission(&self, bucket: &Bucket, configuration: &NotificationConfiguration) -> Result<(), S3Error> {
        let owner = self.authorizer.owner(bucket);
        let refused = configuration.rules().iter().filter_map(|rule| {
            let name = destination_name(rule.kind);
            let is_ours = rule.arn.split(':').nth(4) == Some(&self.settings.account_id);
            let admission =
                if is_ours { self.event_targets.admission(&rule.target, owner) } else { TargetAdmission::Missing };
            let why = match admission {
                TargetAdmission::Admitted => return None,
                TargetAdmission::Missing => format!("The {name} does not exist"),
                TargetAdmission::Forbidden => {
                    format!("Permissions on the {name} do not allow S3 to publish notifications from this bucket")
                }
            };
            Some((rule.arn.clone(), why))
        });
        let refused: Vec<_> = refused.collect();
        if refused.is_empty() { Ok(()) } else { Err(S3Error::invalid_destinations(&refused)) }
    }

    /// Sends each target the test event, which it must take.
    async fn test_targets(
        &self,
        request: &S3Request,
        configuration: &NotificationConfiguration,
    ) -> Result<(), S3Error> {
        let (request_id, host_id) = (&request.record.request_id, &request.record.host_id);
        let message = test_message(request.bucket_name(), request.now_ms, request_id, host_id);
        let rules = configuration.rules();
        let targets: BTreeSet<&str> = rules.iter().map(|rule| rule.target.as_str()).collect();
        let tests = targets.into_iter().map(|target| {
            let message = message.clone();
            async move { (!self.event_targets.deliver(target, message).await).then_some(target) }
        });
        let silent: Vec<&str> = join_all(tests).await.into_iter().flatten().collect();
        if silent.is_empty() {
            return Ok(());
        }
        let refused = rules.iter().filter(|rule| silent.contains(&rule.target.as_str())).map(|rule| {
            (rule.arn.clone(), format!("The {} did not accept the test message", destination_name(rule.kind)))
        });
        Err(S3Error::invalid_destinations(&refused.collect::<Vec<_>>()))
    }
}

/// Whether a target can have this name: that of a queue on AWS.
#[must_use]
pub fn is_target_name(name: &str) -> bool {
    (1..=80).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Keeps a configuration from being tested.
const SKIP_VALIDATION: &str = "x-amz-skip-destination-validation";
const MAX_DOCUMENT_LEN: usize = 1 << 20;
const MAX_ID_LEN: usize = 255;
const MAX_FILTER_LEN: usize = 1024;
