//! Ticks, time bases and timescales as types, and the only code that converts between them.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// Seconds per tick, as a fraction of two non-zero integers (90 kHz is `1/90000`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TimeBase {
    num: NonZeroU32,
    den: NonZeroU32,
}

impl TimeBase {
    /// One millisecond per tick: FLV, RTMP, Matroska.
    pub const MILLIS: Self = Self::from_timescale(Timescale::MILLIS);
    /// One 90 000th of a second per tick: MPEG-TS and video over RTP.
    pub const MPEG: Self = Self::from_timescale(Timescale::MPEG);
    /// One nanosecond per tick.
    pub const NANOS: Self = Self::from_timescale(Timescale::NANOS);

    /// A time base of `num / den` seconds per tick; `None` when either is zero or negative.
    pub fn new(num: i64, den: i64) -> Option<Self> {
        Some(Self {
            num: NonZeroU32::new(u32::try_from(num).ok()?)?,
            den: NonZeroU32::new(u32::try_from(den).ok()?)?,
        })
    }

    /// The time base of a track with `scale` ticks per second.
    pub const fn from_timescale(scale: Timescale) -> Self {
        Self {
            num: NonZeroU32::MIN,
            den: scale.0,
        }
    }

    /// Seconds per tick, numerator.
    pub const fn num(self) -> u32 {
        self.num.get()
    }

    /// Seconds per tick, denominator.
    pub const fn den(self) -> u32 {
        self.den.get()
    }
}

impl fmt::Display for TimeBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

/// Ticks per second of an MP4 track or movie (ISO/IEC 14496-12, `mdhd` and `mvhd`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// 1 000 ticks per second, the movie timescale of every file we write.
    pub const MILLIS: Self = Self::constant(1_000);
    /// 90 000 ticks per second, our video tracks.
    pub const MPEG: Self = Self::constant(90_000);
    /// 10⁹ ticks per second.
    pub const NANOS: Self = Self::constant(1_000_000_000);

    /// `None` when `per_second` is zero.
    pub const fn new(per_second: u32) -> Option<Self> {
        match NonZeroU32::new(per_second) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    const fn constant(per_second: u32) -> Self {
        match Self::new(per_second) {
            Some(value) => value,
            None => panic!("a timescale is never zero"),
        }
    }

    /// Ticks per second.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Seconds per tick.
    pub const fn base(self) -> TimeBase {
        TimeBase::from_timescale(self)
    }
}

impl fmt::Display for Timescale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position or a length in whole milliseconds: the unit of playlists, mappings and their URLs.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Millis(pub u64);

impl Millis {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// The last tick at or before this moment, pinned to the end of the range.
    pub fn floor_ticks(self, scale: Timescale) -> Ticks {
        let ticks = u128::from(self.0) * u128::from(scale.get()) / 1000;
        Ticks(i64::try_from(ticks).unwrap_or(i64::MAX))
    }

    /// The sum, pinned to the end of the range.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, not below zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A position or a length on one timeline, in that timeline's ticks.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticks(pub i64);

impl Ticks {
    /// No ticks.
    pub const ZERO: Self = Self(0);

    /// Converts to another time base, rounding to nearest (halves up); `None` on overflow.
    pub fn rescale(self, from: TimeBase, to: TimeBase) -> Option<Self> {
        if from == to {
            return Some(self);
        }
        let num = u64::from(from.num.get()) * u64::from(to.den.get());
        let den = u64::from(from.den.get()) * u64::from(to.num.get());
        // What a stream says rarely leaves 64 bits on the way, and a division of those is several times as fast.
        self.rescale_narrow(num, den)
            .or_else(|| self.rescale_wide(num, den))
    }

    /// Times `num`, by `den`, where 64 bits hold twice the product.
    fn rescale_narrow(self, num: u64, den: u64) -> Option<Self> {
        let (num, den) = (i64::try_from(num).ok()?, i64::try_from(den).ok()?);
        let twice = self.0.checked_mul(num)?.checked_mul(2)?.checked_add(den)?;
        Some(Self(twice.div_euclid(den.checked_mul(2)?)))
    }

    /// Times `num`, by `den`; the product is less than 2^127.
    fn rescale_wide(self, num: u64, den: u64) -> Option<Self> {
        let (product, den) = (i128::from(self.0) * i128::from(num), i128::from(den));
        let up = product.rem_euclid(den) * 2 >= den;
        i64::try_from(product.div_euclid(den) + i128::from(up))
            .ok()
            .map(Self)
    }

    /// As [`Ticks::rescale`], but pinned to the ends of the range.
    pub fn saturating_rescale(self, from: TimeBase, to: TimeBase) -> Self {
        self.rescale(from, to).unwrap_or(if self.0 < 0 {
            Self(i64::MIN)
        } else {
            Self(i64::MAX)
        })
    }

    /// The sum, pinned to the ends of the range.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, pinned to the ends of the range.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum; `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference; `None` on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Seconds, for people to read; not for arithmetic.
    pub fn as_seconds(self, base: TimeBase) -> f64 {
        self.0 as f64 * f64::from(base.num.get()) / f64::from(base.den.get())
    }

    /// As a std duration; negative lengths become zero.
    pub fn to_duration(self, base: TimeBase) -> Duration {
        let nanos = self.saturating_rescale(base, TimeBase::NANOS).0;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// From a std duration, pinned to the end of the range.
    pub fn from_duration(length: Duration, base: TimeBase) -> Self {
        let nanos = i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
        Self(nanos).saturating_rescale(TimeBase::NANOS, base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescale_rounds_to_nearest_and_reports_overflow() {
        let flv = TimeBase::MILLIS;
        let mpeg = TimeBase::MPEG;
        assert_eq!(Ticks(1001).rescale(flv, mpeg), Some(Ticks(90_090)));
        assert_eq!(Ticks(-1001).rescale(mpeg, flv), Some(Ticks(-11)));
        assert_eq!(Ticks(i64::MAX).rescale(flv, mpeg), None);
        assert_eq!(Ticks(i64::MIN).saturating_rescale(flv, mpeg), Ticks(i64::MIN));
    }

    proptest::proptest! {
        #[test]
        fn times_of_64_bits_are_those_of_128(
            ticks: i64,
            shift in 0_u32..64,
            from in (1..=u32::MAX, 1..=u32::MAX),
            to in (1..=u32::MAX, 1..=u32::MAX),
        ) {
            let small = Ticks(ticks >> shift);
            let base = |(num, den): (u32, u32)| TimeBase::new(num.into(), den.into()).unwrap();
            for (from, to) in [
                (base(from), base(to)),
                (TimeBase::MPEG, TimeBase::NANOS),
                (TimeBase::NANOS, TimeBase::MILLIS),
            ] {
                let num = u64::from(from.num()) * u64::from(to.den());
                let den = u64::from(from.den()) * u64::from(to.num());
                let wide = small.rescale_wide(num, den);
                proptest::prop_assert_eq!(small.rescale(from, to), wide);
                if let (Some(narrow), Some(wide)) = (small.rescale_narrow(num, den), wide) {
                    proptest::prop_assert_eq!(narrow, wide);
                }
            }
        }
    }

    #[test]
    fn the_furthest_time_in_the_coarsest_base_has_no_ticks_of_the_finest() {
        let (coarse, fine) = (
            TimeBase::new(u32::MAX.into(), 1),
            TimeBase::new(1, u32::MAX.into()),
        );
        let (coarse, fine) = (coarse.unwrap(), fine.unwrap());
        for time in [i64::MIN, i64::MAX] {
            assert_eq!(Ticks(time).rescale(coarse, fine), None);
            assert_eq!(Ticks(time).rescale(fine, coarse), Some(Ticks(time.signum())));
        }
    }

    #[test]
    fn a_time_base_has_no_zero() {
        assert_eq!(TimeBase::new(0, 1), None);
        assert_eq!(TimeBase::new(1, 0), None);
        assert_eq!(TimeBase::new(-1, 25), None);
        assert_eq!(TimeBase::new(1, 25).map(TimeBase::den), Some(25));
    }
}
