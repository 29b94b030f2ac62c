//! The log that `tests/shim/power.c` writes.

/// One operation that succeeded, in the order in which they happened. Names are those inside the watched folder, which itself
/// has the name "".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A file or the folder was opened.
    Open {
        /// The descriptor.
        fd: u64,
        /// What was opened.
        name: String,
        /// With `O_CREAT`.
        create: bool,
        /// With `O_TRUNC`.
        truncate: bool,
    },
    /// A descriptor was closed.
    Close {
        /// The descriptor.
        fd: u64,
    },
    /// A second descriptor for what the first one stands for.
    Duplicate {
        /// The first.
        from: u64,
        /// The second.
        to: u64,
    },
    /// Bytes were written, whichever call did it.
    Write {
        /// The descriptor.
        fd: u64,
        /// Where in the file.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// The length was set.
    Truncate {
        /// The descriptor.
        fd: u64,
        /// The length.
        len: u64,
    },
    /// `fallocate`.
    Allocate {
        /// The descriptor.
        fd: u64,
        /// `FALLOC_FL_…`.
        mode: u64,
        /// From where.
        offset: u64,
        /// How much.
        len: u64,
    },
    /// A sync of a file, of the folder, or of the whole file system begins.
    SyncBegin {
        /// The descriptor.
        fd: u64,
        /// Which sync this is.
        number: u64,
        /// `syncfs`.
        everything: bool,
    },
    /// The sync with that number has succeeded.
    SyncEnd {
        /// Which.
        number: u64,
    },
    /// A file took another name, and the place of what had that name.
    Rename {
        /// The old name.
        from: String,
        /// The new one.
        to: String,
    },
    /// A name was removed.
    Unlink {
        /// The name.
        name: String,
    },
    /// A file got a second name.
    Link {
        /// The first.
        from: String,
        /// The second.
        to: String,
    },
}

/// All operations of one run.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// In order.
    pub operations: Vec<Operation>,
}

impl Log {
    /// Reads a log.
    ///
    /// # Panics
    /// When it is torn, or holds an operation that the model of a disk doesn't know.
    pub fn parse(bytes: &[u8]) -> Log {
        Log::parse_with_offsets(bytes).0
    }

    /// As [`Log::parse`], and where the record of each operation ends in the log.
    ///
    /// # Panics
    /// As [`Log::parse`].
    pub fn parse_with_offsets(bytes: &[u8]) -> (Log, Vec<usize>) {
        let (mut operations, mut offsets) = (Vec::new(), Vec::new());
        let mut rest = bytes;
        while !rest.is_empty() {
            operations.push(parse_one(&mut rest).expect("the log's last record is whole"));
            offsets.push(bytes.len() - rest.len());
        }
        (Log { operations }, offsets)
    }

    /// Short words for operation `index`, for a panic message.
    pub fn describe(&self, index: usize) -> String {
        match self.operations.get(index) {
            Some(Operation::Write { fd, offset, bytes }) => {
                format!(
                    "{index}: Write {{ fd: {fd}, offset: {offset}, {} bytes }}",
                    bytes.len()
                )
            }
            Some(other) => format!("{index}: {other:?}"),
            None => format!("{index}: the end"),
        }
    }
}

fn parse_one(bytes: &mut &[u8]) -> Option<Operation> {
    let kind = take(bytes, 1)?[0];
    let mut number = || Some(u64::from_ne_bytes(take(bytes, 8)?.try_into().ok()?));
    let (a, b, c, d) = (number()?, number()?, number()?, number()?);
    let mut length = || Some(u32::from_ne_bytes(take(bytes, 4)?.try_into().ok()?) as usize);
    let (first, second) = (length()?, length()?);
    let (first, second) = (take(bytes, first)?, take(bytes, second)?);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("names in tests are UTF-8");
    Some(match kind {
        1 => Operation::Open {
            fd: a,
            name: text(first),
            create: b & 1 != 0,
            truncate: b & 2 != 0,
        },
        2 => Operation::Close { fd: a },
        3 => Operation::Duplicate { from: a, to: b },
        4 => Operation::Write {
            fd: a,
            offset: b,
            bytes: first.to_vec(),
        },
        5 => Operation::Truncate { fd: a, len: b },
        6 => Operation::Allocate {
            fd: a,
            mode: b,
            offset: c,
            len: d,
        },
        7 => Operation::SyncBegin {
            fd: a,
            number: b,
            everything: c != 0,
        },
        8 => Operation::SyncEnd { number: a },
        9 => Operation::Rename {
            from: text(first),
            to: text(second),
        },
        10 => Operation::Unlink { name: text(first) },
        11 => Operation::Link {
            from: text(first),
            to: text(second),
        },
        other => panic!(
            "operation {other} is not in the model of a disk: {:?} {:?}",
            text(first),
            text(second)
        ),
    })
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}
