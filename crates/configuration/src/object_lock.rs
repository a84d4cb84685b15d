//! Object Lock: what keeps a version from being removed.

use minicbor::{Decode, Encode};

/// Object Lock of a bucket that has it.
#[derive(Encode, Decode, Debug, Clone, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct ObjectLockConfiguration {
    /// What new versions that say nothing else get.
    #[n(0)]
    pub default_retention: Option<DefaultRetention>,
}

/// The retention of new versions that say nothing else.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub struct DefaultRetention {
    /// The mode.
    #[n(0)]
    pub mode: RetentionMode,
    /// For how long.
    #[n(1)]
    pub period: RetentionPeriod,
}

/// A period as it was given.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionPeriod {
    /// Days of 24 hours.
    #[n(0)]
    Days(#[n(0)] u32),
    /// Years of 365 days.
    #[n(1)]
    Years(#[n(0)] u32),
}

/// How strictly a retention holds.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub enum RetentionMode {
    /// Whoever may bypass governance can shorten or remove it.
    #[n(0)]
    Governance,
    /// Nobody can.
    #[n(1)]
    Compliance,
}

impl RetentionPeriod {
    /// How many days it has.
    #[must_use]
    pub fn days(self) -> u64 {
        match self {
            Self::Days(days) => u64::from(days),
            Self::Years(years) => u64::from(years) * 365,
        }
    }
}

impl RetentionMode {
    /// S3's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// The mode with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|mode| mode.name() == name)
    }
}

/// Until when a version is kept.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(map)]
pub struct Retention {
    /// How strictly.
    #[n(0)]
    pub mode: RetentionMode,
    /// The time it ends, in milliseconds since 1970.
    #[n(1)]
    pub until_ms: u64,
}

/// What keeps one version from being removed.
#[derive(Encode, Decode, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cbor(map)]
pub struct ObjectLock {
    /// Its retention.
    #[n(0)]
    pub retention: Option<Retention>,
    /// Its legal hold; `None`: never set, which means the same as `Some(false)`.
    #[n(1)]
    pub legal_hold: Option<bool>,
}

impl DefaultRetention {
    /// The retention of a version made at `now_ms`.
    #[must_use]
    pub fn from(&self, now_ms: u64) -> Retention {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        let period_ms = self.period.days().saturating_mul(DAY_MS);
        Retention { mode: self.mode, until_ms: now_ms.saturating_add(period_ms) }
    }
}

impl Retention {
    /// Whether it holds at `now_ms`.
    #[must_use]
    pub fn holds(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms
    }

    /// Whether `next` can take its place at `now_ms`: a retention that holds can only be prolonged, unless it is one of
    /// `GOVERNANCE` and bypassed.
    #[must_use]
    pub fn may_become(&self, next: Option<&Self>, now_ms: u64, bypass_governance: bool) -> bool {
        if !self.holds(now_ms) || (self.mode == RetentionMode::Governance && bypass_governance) {
            return true;
        }
        next.is_some_and(|next| next.mode == self.mode && next.until_ms >= self.until_ms)
    }
}

impl ObjectLock {
    /// Whether the version may be removed at `now_ms`.
    #[must_use]
    pub fn permits_removal(&self, now_ms: u64, bypass_governance: bool) -> bool {
        let held = self.legal_hold == Some(true);
        !held && self.retention.is_none_or(|retention| retention.may_become(None, now_ms, bypass_governance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(mode: RetentionMode, until_ms: u64) -> Retention {
        Retention { mode, until_ms }
    }

    #[test]
    fn nothing_shortens_compliance() {
        let kept = until(RetentionMode::Compliance, 100);
        for bypass in [false, true] {
            assert!(!kept.may_become(None, 99, bypass));
            assert!(!kept.may_become(Some(&until(RetentionMode::Compliance, 99)), 50, bypass));
            assert!(!kept.may_become(Some(&until(RetentionMode::Governance, 1000)), 50, bypass));
            assert!(kept.may_become(Some(&until(RetentionMode::Compliance, 101)), 50, bypass));
            assert!(kept.may_become(None, 100, bypass), "it has ended");
        }
    }

    #[test]
    fn governance_gives_way_to_who_bypasses_it() {
        let kept = until(RetentionMode::Governance, 100);
        assert!(kept.may_become(None, 50, true) && !kept.may_become(None, 50, false));
        assert!(!kept.may_become(Some(&until(RetentionMode::Governance, 99)), 50, false));
        assert!(kept.may_become(Some(&until(RetentionMode::Governance, 99)), 50, true));
        assert!(!kept.may_become(Some(&until(RetentionMode::Compliance, 100)), 50, false));
        assert!(kept.may_become(Some(&until(RetentionMode::Compliance, 100)), 50, true));
        assert!(kept.may_become(Some(&until(RetentionMode::Governance, 101)), 50, false));
    }

    #[test]
    fn a_legal_hold_has_no_end_and_no_bypass() {
        let held = ObjectLock { retention: None, legal_hold: Some(true) };
        assert!(!held.permits_removal(u64::MAX, true));
        assert!(ObjectLock { legal_hold: Some(false), ..held }.permits_removal(0, false));
        assert!(ObjectLock::default().permits_removal(0, false));
    }

    #[test]
    fn a_default_is_counted_in_days_of_24_hours() {
        let days = DefaultRetention { mode: RetentionMode::Governance, period: RetentionPeriod::Days(2) };
        assert_eq!(days.from(1000).until_ms, 1000 + 2 * 86_400_000);
        let years = DefaultRetention { period: RetentionPeriod::Years(1), ..days };
        assert_eq!(years.from(0).until_ms, 365 * 86_400_000);
    }
}
