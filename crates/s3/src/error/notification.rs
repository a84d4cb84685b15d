//! Refusals of notification configurations.

use coffer_configuration::{DestinationKind, MAX_NOTIFICATION_RULES, NotificationConflict};
use http::StatusCode;

use super::S3Error;

impl S3Error {
    /// Rules that cannot stand beside each other.
    #[must_use]
    pub fn conflicting_notifications(conflict: &NotificationConflict) -> Self {
        match conflict {
            NotificationConflict::TooMany => {
                let message = format!(
                    "Too many configurations submitted. The maximum number of configurations is {MAX_NOTIFICATION_RULES}"
                );
                Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
            }
            NotificationConflict::SameId => {
                let message = "Same ID used for multiple configurations. IDs must be unique.";
                Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
            }
            NotificationConflict::SharedEvents(event, other) => {
                let message =
                    "Configurations overlap. Configurations on the same bucket cannot share a common event type.";
                Self::invalid_argument(message, "Event", Some(&format!("{}, {}", event.name(), other.name())))
            }
            NotificationConflict::OverlappingFilters => {
                let message = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if \
                               the prefixes are overlapping for the same event type.";
                Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
            }
        }
    }

    /// Destinations that events cannot be sent to: their ARNs, and why.
    #[must_use]
    pub fn invalid_destinations(destinations: &[(String, String)]) -> Self {
        let message = "Unable to validate the following destination configurations";
        let error = Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message);
        (1..).zip(destinations).fold(error, |error, (number, (arn, why))| {
            error.with(format!("ArgumentName{number}"), arn).with(format!("ArgumentValue{number}"), why)
        })
    }

    /// The destination is in another region than the bucket.
    #[must_use]
    pub fn foreign_destination_region(element: &str, arn: &str) -> Self {
        let message = "The notification destination service region is not valid for the bucket location constraint";
        Self::invalid_argument(message, element, Some(arn))
    }
}

/// What S3 calls a destination of this kind.
#[must_use]
pub fn destination_name(kind: DestinationKind) -> &'static str {
    match kind {
        DestinationKind::Topic => "destination topic",
        DestinationKind::Queue => "destination queue",
        DestinationKind::Function => "destination Lambda",
    }
}
