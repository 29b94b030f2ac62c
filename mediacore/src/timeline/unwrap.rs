//! Undoes the wrap of timestamps that have fewer than 64 bits.

/// Source times are pinned to this, so that no sum of a few of them overflows.
pub(super) const LIMIT: i64 = 1 << 60;

/// The time congruent to `raw` (modulo 2 to the power `bits`) that is nearest to `near`.
///
/// A difference of more than half the period is a wrap; exactly half counts as forward. Without a wrap (`bits` 0 or more
/// than 60) or without a reference the value stays.
pub(super) fn unwrap(raw: i64, near: Option<i64>, bits: u32) -> i64 {
    let Some(near) = near.filter(|_| (1..=60).contains(&bits)) else {
        return raw.clamp(-LIMIT, LIMIT);
    };
    let period = 1_i64 << bits;
    let ahead = raw.wrapping_sub(near).rem_euclid(period);
    let step = if ahead > period / 2 { ahead - period } else { ahead };
    near.saturating_add(step).clamp(-LIMIT, LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_over_half_the_period_is_a_wrap() {
        let period = 1_i64 << 33;
        assert_eq!(unwrap(5, Some(period - 10), 33), period + 5);
        assert_eq!(unwrap(period - 10, Some(period + 5), 33), period - 10);
        assert_eq!(unwrap(0, Some(period / 2 - 1), 33), 0);
        assert_eq!(unwrap(7, Some(3 * period), 33), 3 * period + 7);
        assert_eq!(unwrap(-3_600, None, 33), -3_600);
        assert_eq!(unwrap(-3_600, Some(0), 33), -3_600);
    }

    #[test]
    fn extremes_are_pinned() {
        assert_eq!(unwrap(i64::MIN, None, 0), -LIMIT);
        assert_eq!(unwrap(i64::MAX, Some(-LIMIT), 0), LIMIT);
        assert!(unwrap(i64::MIN, Some(LIMIT), 60) <= LIMIT);
        assert!(unwrap(i64::MAX, Some(0), 64) == LIMIT);
    }
}
