//! Refusals of lifecycle rules.

use super::S3Error;

impl S3Error {
    /// The ID of a rule has more than 255 characters.
    #[must_use]
    pub fn lifecycle_rule_id_too_long(id: &str) -> Self {
        Self::invalid_argument("ID length should not exceed allowed limit of 255", "ID", Some(id))
    }

    /// Two rules have one ID.
    #[must_use]
    pub fn lifecycle_rule_id_repeated(id: &str) -> Self {
        Self::invalid_argument("Rule ID must be unique. Found same ID for more than one rule", "ID", Some(id))
    }

    /// A rule does nothing.
    #[must_use]
    pub fn lifecycle_rule_without_action() -> Self {
        Self::invalid_request("At least one action needs to be specified in a rule")
    }

    /// The rules before this one have a prefix of their own; that form knows no such element.
    #[must_use]
    pub fn lifecycle_element_needs_filters(element: &str) -> Self {
        Self::invalid_request(format!("{element} element can only be used in Lifecycle V2."))
    }

    /// The rules before this one have filters.
    #[must_use]
    pub fn lifecycle_prefix_among_filters() -> Self {
        let message = "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.";
        Self::invalid_request(message)
    }

    /// Two rules without filters do the same to the same keys.
    #[must_use]
    pub fn lifecycle_prefixes_overlap(one: &str, other: &str, action: &str) -> Self {
        if one == other {
            return Self::invalid_request(format!("Found two rules with same prefix '{one}'"));
        }
        let message = format!("Found overlapping prefixes '{one}' and '{other}' for same action type '{action}'");
        Self::invalid_request(message)
    }

    /// The prefix of a rule is longer than any key.
    #[must_use]
    pub fn lifecycle_prefix_too_long(max: usize) -> Self {
        Self::invalid_request(format!("The maximum size of a prefix is {max}."))
    }

    /// A filter names a tag twice.
    #[must_use]
    pub fn lifecycle_tag_repeated() -> Self {
        Self::invalid_request("Duplicate Tag Keys are not allowed.")
    }

    /// A size in a filter is none that an object can have.
    #[must_use]
    pub fn lifecycle_size_out_of_range(element: &str, min: u64, max: u64) -> Self {
        Self::invalid_request(format!("'{element}' should be between {min} and {max}."))
    }

    /// A filter leaves no size.
    #[must_use]
    pub fn lifecycle_size_range_empty() -> Self {
        let message = "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.";
        Self::invalid_request(message)
    }

    /// An action cannot be in a rule that filters by `Tags` or by `Object Size`.
    #[must_use]
    pub fn lifecycle_action_not_by(action: &str, condition: &str) -> Self {
        Self::invalid_request(format!("{action} cannot be specified with {condition}."))
    }

    /// A number of days or versions is less than 1.
    #[must_use]
    pub fn lifecycle_number_not_positive(element: &str, action: &str, value: i32) -> Self {
        let message = format!("'{element}' for {action} action must be a positive integer");
        Self::invalid_argument(message, element, Some(&value.to_string()))
    }

    /// A number of days is less than 0.
    #[must_use]
    pub fn lifecycle_days_negative(element: &str, action: &str, value: i32) -> Self {
        let message = format!("'{element}' in {action} action must be nonnegative");
        Self::invalid_argument(message, element, Some(&value.to_string()))
    }

    /// A date is not midnight UTC.
    #[must_use]
    pub fn lifecycle_date_not_midnight(date: &str) -> Self {
        Self::invalid_argument("'Date' must be at midnight GMT", "Date", Some(date))
    }

    /// An object must be older for this class.
    #[must_use]
    pub fn lifecycle_transition_too_early(element: &str, action: &str, class: &str, days: u32) -> Self {
        let message =
            format!("'{element}' in {action} action must be greater than or equal to 30 for storageClass '{class}'");
        Self::invalid_argument(message, element, Some(&days.to_string()))
    }

    /// A rule changes objects to one class twice.
    #[must_use]
    pub fn lifecycle_storage_class_repeated(action: &str, prefix: &str) -> Self {
        let message = format!(
            "'StorageClass' must be different for '{action}' actions in same 'Rule' with filter '(prefix={prefix})'"
        );
        Self::invalid_request(message)
    }

    /// A rule counts in days and in dates. `actions` names what it does.
    #[must_use]
    pub fn lifecycle_days_and_dates(actions: &str, prefix: &str) -> Self {
        let message = format!(
            "Found mixed 'Date' and 'Days' based {actions} actions in lifecycle rule for filter '(prefix={prefix})'"
        );
        Self::invalid_request(message)
    }

    /// A rule changes objects to a class before it changes them to one that comes first.
    #[must_use]
    pub fn lifecycle_transitions_out_of_order(
        element: &str,
        action: &str,
        prefix: &str,
        (later, earlier): (&str, &str),
    ) -> Self {
        let of = |class| {
            format!("'{element}' in the {action} action for StorageClass '{class}' for filter '(prefix={prefix})'")
        };
        let message = format!("{} must be greater than {}", of(later), of(earlier));
        Self::invalid_argument(message, element, None)
    }

    /// A rule removes objects before it changes their class.
    #[must_use]
    pub fn lifecycle_expires_before_transition(
        element: &str,
        (expiration, transition): (&str, &str),
        prefix: &str,
    ) -> Self {
        let message = format!(
            "'{element}' in the {expiration} action for filter '(prefix={prefix})' must be greater than '{element}' in \
             the {transition} action"
        );
        Self::invalid_argument(message, element, None)
    }

    /// `x-amz-transition-default-minimum-object-size` names nothing that there is.
    #[must_use]
    pub fn invalid_transition_default_minimum_object_size(value: &str) -> Self {
        Self::invalid_request(format!("Invalid TransitionDefaultMinimumObjectSize found: {value}"))
    }
}
