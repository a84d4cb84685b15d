//! Medians and percentiles.

/// The value below or at which `percent` of the samples lie, by the nearest-rank method.
///
/// `sorted` ascends. `None` when it is empty.
///
/// # Panics
/// When `percent` is not in `1..=100`.
#[must_use]
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    assert!((1..=100).contains(&percent), "a percentile lies in 1..=100");
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// The middle value, or the mean of the two middle values; `None` when there is none.
#[must_use]
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(sorted[sorted.len() / 2 - 1], upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&sorted, 50), Some(100));
        assert_eq!(percentile(&sorted, 99), Some(198));
        assert_eq!(percentile(&sorted, 100), Some(200));
    }

    #[test]
    fn one_sample_is_every_percentile() {
        for percent in [1, 50, 99, 100] {
            assert_eq!(percentile(&[7], percent), Some(7));
        }
    }

    #[test]
    fn nothing_measured_has_no_percentile_and_no_median() {
        assert_eq!(percentile(&[], 99), None);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_slowest_of_few_samples_is_their_p99() {
        assert_eq!(percentile(&[1, 2, 900], 99), Some(900));
    }

    #[test]
    fn median_does_not_depend_on_order_or_on_one_outlier() {
        assert_eq!(median(&[900.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
