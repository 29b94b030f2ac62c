//! What is wrong with a box, and where it stands.

use std::fmt;

use super::FourCc;
use crate::error::{Error, ErrorKind};
use crate::mp4::limits;

/// The way to a box from the top of the file: `moov/trak[1]/mdia/minf/stbl/stts`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct BoxPath {
    steps: [(FourCc, u16); limits::DEPTH],
    len: u8,
}

impl BoxPath {
    const UNNUMBERED: u16 = u16::MAX;

    /// A top-level box.
    pub fn root(kind: FourCc) -> Self {
        let mut steps = [(FourCc([0; 4]), Self::UNNUMBERED); limits::DEPTH];
        steps[0].0 = kind;
        Self { steps, len: 1 }
    }

    /// A box inside this one; `None` when that is deeper than [`limits::DEPTH`].
    pub fn child(mut self, kind: FourCc) -> Option<Self> {
        let step = self.steps.get_mut(usize::from(self.len))?;
        *step = (kind, Self::UNNUMBERED);
        self.len += 1;
        Some(self)
    }

    /// The same path with a number on its last step.
    #[must_use]
    pub fn numbered(mut self, number: usize) -> Self {
        if let Some(step) = self.steps.get_mut(usize::from(self.len).saturating_sub(1)) {
            step.1 = u16::try_from(number).unwrap_or(Self::UNNUMBERED);
        }
        self
    }

    /// The type of the box itself.
    pub fn last(&self) -> FourCc {
        let last = usize::from(self.len).saturating_sub(1);
        self.steps.get(last).map_or(FourCc([0; 4]), |step| step.0)
    }
}

impl fmt::Display for BoxPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (kind, number)) in self.steps.iter().take(usize::from(self.len)).enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            kind.fmt(f)?;
            if *number != Self::UNNUMBERED {
                write!(f, "[{number}]")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for BoxPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A box that can't be read: which, where in the file, and why.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path} at byte {offset}: {problem}")]
pub struct BoxError {
    /// The box; behind a pointer, for results are passed around more often than errors.
    pub path: Box<BoxPath>,
    /// The absolute byte offset at which the problem was found.
    pub offset: u64,
    /// Why.
    pub problem: BoxProblem,
}

/// Why a box can't be read.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BoxProblem {
    /// The bytes end too early.
    #[error("{need} bytes are needed, {left} are left")]
    Truncated {
        /// Bytes needed.
        need: u64,
        /// Bytes left.
        left: u64,
    },
    /// A table says that it has more entries than bytes for them.
    #[error("{count} entries need {need} bytes, {left} are left")]
    ShortTable {
        /// Entries claimed.
        count: u32,
        /// Bytes needed for them.
        need: u64,
        /// Bytes left.
        left: u64,
    },
    /// A box says that it is smaller than its own header.
    #[error("box '{kind}' says that it has {size} bytes, its header alone has {header}")]
    BadSize {
        /// The box's type.
        kind: FourCc,
        /// Its size as it says.
        size: u64,
        /// Bytes of its header.
        header: u64,
    },
    /// A box reaches beyond the end of what holds it.
    #[error("box '{kind}' says that it has {size} bytes, {left} are left")]
    Outside {
        /// The box's type.
        kind: FourCc,
        /// Its size as it says.
        size: u64,
        /// Bytes left in the parent or in the file.
        left: u64,
    },
    /// Boxes inside boxes beyond [`limits::DEPTH`].
    #[error("boxes are nested deeper than {}", limits::DEPTH)]
    TooDeep,
    /// More of something than [`limits`] allows.
    #[error("{what}: {found}, the limit is {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many we accept.
        limit: u64,
    },
    /// A value that the standard does not allow, in words.
    #[error("{0}")]
    Invalid(String),
    /// A box that must be there is not.
    #[error("box '{0}' is missing")]
    Missing(FourCc),
}

impl From<BoxError> for Error {
    fn from(error: BoxError) -> Self {
        let kind = match error.problem {
            BoxProblem::Limit { .. } | BoxProblem::TooDeep => ErrorKind::LimitExceeded,
            _ => ErrorKind::Malformed,
        };
        Self::new(kind, error.to_string())
    }
}
