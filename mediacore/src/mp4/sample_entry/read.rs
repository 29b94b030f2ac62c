/// Reads big-endian fields and boxes one after the other; every read is `None` beyond the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)
            .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// The next box's type and payload. Boxes with 64-bit sizes don't occur in sample entries.
    pub(super) fn next_box(&mut self) -> Option<([u8; 4], &'a [u8])> {
        let mut probe = *self;
        let size = usize::try_from(probe.u32()?).ok()?;
        let name = probe.take(4)?;
        let payload = probe.take(size.checked_sub(8)?)?;
        *self = probe;
        Some(([name[0], name[1], name[2], name[3]], payload))
    }

    /// The payload of the first box called `name` from here on.
    pub(super) fn find(&self, name: &[u8; 4]) -> Option<&'a [u8]> {
        let mut probe = *self;
        while let Some((found, payload)) = probe.next_box() {
            if found == *name {
                return Some(payload);
            }
        }
        None
    }
}
