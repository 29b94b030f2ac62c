use super::bits::BitReader;

/// What the numbers of a picture mean as light (ITU-T H.273; `colr` of type `nclx`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Colour {
    /// `colour_primaries`; 2 when unknown.
    pub primaries: u8,
    /// `transfer_characteristics`; 2 when unknown.
    pub transfer: u8,
    /// `matrix_coefficients`; 2 when unknown.
    pub matrix: u8,
    /// Whether the whole range of numbers is used.
    pub full_range: bool,
}

impl Colour {
    /// The fields after `video_signal_type_present_flag` of a VUI (ITU-T H.264, E.1.1; the same in H.265): outer `None`
    /// when the bits end, inner `None` when colours are not told.
    pub(super) fn read_signal_type(reader: &mut BitReader<'_>) -> Option<Option<Self>> {
        reader.skip(3)?; // video_format
        let full_range = reader.bit()?;
        if !reader.bit()? {
            return Some(None);
        }
        Some(Some(Self {
            primaries: reader.byte(8)?,
            transfer: reader.byte(8)?,
            matrix: reader.byte(8)?,
            full_range,
        }))
    }
}
