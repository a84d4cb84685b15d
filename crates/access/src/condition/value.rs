//! The types of condition values. All of them are text in a policy, and text in a request.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Reads a decimal number: no exponent, no infinity.
pub(super) fn number(text: &str) -> Option<f64> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    is_decimal.then(|| text.parse().ok()).flatten()
}

/// Reads `true` or `false`, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

/// Reads base64.
pub(super) fn binary(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A network, such as `203.0.113.0/24`; a single address has as many bits as it can have.
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

/// Reads a network in CIDR notation, or an address.
pub(super) fn network(text: &str) -> Option<Network> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => most,
        Some(bits) if !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
        Some(_) => return None,
    };
    (bits <= most).then_some(Network { address, bits })
}

impl Network {
    /// Whether an address lies in the network. One that maps IPv4 into IPv6 is the IPv4 address.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - self.bits;
                u32::from(network).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - self.bits;
                u128::from(network).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            _ => false,
        }
    }

    /// The number of leading bits that are fixed, and of how many.
    pub(super) fn width(&self) -> (u32, u32) {
        (self.bits, if self.address.is_ipv4() { 32 } else { 128 })
    }
}

/// Reads a point in time, as nanoseconds since 1970: ISO 8601 from a year on, or whole seconds since 1970.
///
/// Four digits are seconds, as they are for AWS. A time without a zone is UTC.
pub(super) fn date(text: &str) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    if let Some(seconds) = digits(text, 1..=18) {
        return Some(i128::from(seconds) * SECOND);
    }
    let (day, time) = text.split_once(['T', 't']).map_or((text, None), |(day, time)| (day, Some(time)));
    let mut parts = day.splitn(3, '-');
    let year = digits(parts.next()?, 4..=4)?;
    let month = parts.next().map_or(Some(1), |month| digits(month, 2..=2))?;
    let day = parts.next().map_or(Some(1), |day| digits(day, 2..=2))?;
    let mut seconds = days_since_1970(year, month, day)? * 86_400;
    let mut nanos = 0;
    if let Some(time) = time {
        let (time, offset) = split_zone(time)?;
        let (whole, fraction) = time.split_once('.').map_or((time, None), |(time, part)| (time, Some(part)));
        seconds += time_of_day(whole)? - offset;
        if let Some(fraction) = fraction {
            digits(fraction, 1..=9)?;
            nanos = digits(&format!("{fraction:0<9}"), 9..=9)?;
        }
    }
    Some(i128::from(seconds) * SECOND + i128::from(nanos))
}

/// Reads `hh:mm` or `hh:mm:ss`, as seconds.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let mut part = |most: i64| parts.next().and_then(|part| digits(part, 2..=2)).filter(|value| *value <= most);
    let (hour, minute) = (part(23)?, part(59)?);
    let second = match text.len() {
        5 => 0,
        8 => part(59)?,
        _ => return None,
    };
    Some(hour * 3600 + minute * 60 + second)
}

/// Takes the zone off a time, and reads it as seconds east of Greenwich.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (time, zone) = time.split_at_checked(at)?;
    let (sign, zone) = (if zone.starts_with('-') { -1 } else { 1 }, zone.get(1..)?);
    let (hours, minutes) = zone.split_once(':').or_else(|| zone.split_at_checked(2))?;
    let (hours, minutes) = (digits(hours, 2..=2)?, digits(minutes, 2..=2)?);
    (hours <= 23 && minutes <= 59).then_some((time, sign * (hours * 3600 + minutes * 60)))
}

/// The number of days from 1970-01-01 to a day of the Gregorian calendar. Years are those with four digits.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lens = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month_index = usize::try_from(month).ok()?.checked_sub(1)?;
    if !(1..=*lens.get(month_index)?).contains(&day) {
        return None;
    }
    let days_before_year = |year: i64| year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let days_before_month: i64 = lens.iter().take(month_index).sum();
    Some(days_before_year(year) - days_before_year(1970) + days_before_month + day - 1)
}

/// Reads a text of decimal digits, as many as `len` admits.
fn digits(text: &str, len: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let are_digits = len.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| text.parse().ok()).flatten()
}
