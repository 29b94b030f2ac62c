//! Whole segments by AES-128 in CBC mode with PKCS#7 padding (RFC 8216, 5.2).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aes::Aes128;
use aes::cipher::KeyInit;

use super::chain::{self, BLOCK};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{Filled, Layout, Make, Producer, Reader, Wait};

/// How much is encrypted at a time where nothing of it is sent.
const SKIP: usize = 64 << 10;

/// How much may be passed over where waiting is not allowed: a matter of some 100 µs.
const SKIP_AT_ONCE: u64 = 256 << 10;

/// `layout` encrypted: one to sixteen bytes longer.
///
/// Each block depends on all before it, so that a range costs what everything before its end costs.
pub fn encrypt(layout: Layout, key: [u8; 16], iv: [u8; 16]) -> Layout {
    let mut out = Layout::new();
    out.push_made(Arc::new(Encrypted { layout, key, iv }));
    out
}

struct Encrypted {
    layout: Layout,
    key: [u8; 16],
    iv: [u8; 16],
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encrypted({:?})", self.layout)
    }
}

impl Make for Encrypted {
    fn length(&self) -> u64 {
        (self.layout.length() / BLOCK as u64 + 1) * BLOCK as u64
    }

    fn open(self: Arc<Self>, range: Range<u64>) -> Box<dyn Producer> {
        Box::new(Encrypting {
            cipher: Aes128::new(&self.key.into()),
            last: self.iv,
            reader: self.layout.reader(),
            plain_left: self.layout.length(),
            skip: range.start,
            left: range.end.saturating_sub(range.start),
            rest: Vec::with_capacity(BLOCK),
            ready: Vec::new(),
            given: 0,
        })
    }
}

struct Encrypting {
    cipher: Aes128,
    /// The IV, then the last encrypted block.
    last: [u8; BLOCK],
    reader: Reader,
    /// Bytes that the reader has yet to give.
    plain_left: u64,
    /// Encrypted bytes before the range.
    skip: u64,
    /// Encrypted bytes of the range.
    left: u64,
    /// The start of a plain block that is not whole yet.
    rest: Vec<u8>,
    /// An encrypted block that is given in parts, or what is passed over.
    ready: Vec<u8>,
    /// How much of that is given.
    given: usize,
}

impl Encrypting {
    /// Encrypts whole blocks that stand before the range; false when the plain bytes are not in memory, or when there are
    /// so many that it would take long.
    fn pass_over(&mut self, wait: Wait) -> Result<bool> {
        if wait == Wait::No && self.skip > SKIP_AT_ONCE {
            return Ok(false);
        }
        while self.skip >= BLOCK as u64 {
            let count = usize::try_from(self.skip).unwrap_or(SKIP).min(SKIP) / BLOCK * BLOCK;
            let mut passed = std::mem::take(&mut self.ready);
            passed.clear();
            let some = self.blocks(&mut passed, count, wait);
            self.skip -= passed.len() as u64;
            self.given = passed.len();
            self.ready = passed;
            if !some? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Appends whole encrypted blocks, at most `room` bytes and at least one block; false when the plain bytes are not in
    /// memory. `room` is a multiple of a block, and there is something left.
    fn blocks(&mut self, out: &mut Vec<u8>, room: usize, wait: Wait) -> Result<bool> {
        let from = out.len();
        out.extend_from_slice(&self.rest);
        self.rest.clear();
        let target = from + room;
        while out.len() < target && self.plain_left > 0 {
            let before = out.len();
            match self.reader.fill(out, target - before, wait)? {
                Filled::More => {
                    let count = (out.len() - before) as u64;
                    let left = self.plain_left.checked_sub(count);
                    self.plain_left = left.ok_or_else(|| differs("longer"))?;
                }
                Filled::Cold => break,
                Filled::End => return Err(differs("shorter")),
            }
        }
        if self.plain_left == 0 && out.len() < target {
            let padding = BLOCK - (out.len() - from) % BLOCK;
            out.resize(out.len() + padding, u8::try_from(padding).unwrap_or(0));
        }
        let whole = (out.len() - from) / BLOCK * BLOCK;
        self.rest
            .extend_from_slice(out.get(from + whole..).unwrap_or_default());
        out.truncate(from + whole);
        let (blocks, _) = out.get_mut(from..).unwrap_or_default().as_chunks_mut();
        chain::encrypt(&self.cipher, &mut self.last, blocks);
        Ok(whole > 0)
    }
}

impl Producer for Encrypting {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize, wait: Wait) -> Result<Filled> {
        if self.left == 0 {
            return Ok(Filled::End);
        }
        if !self.pass_over(wait)? {
            return Ok(Filled::Cold);
        }
        let from = out.len();
        let end = from + usize::try_from(self.left).unwrap_or(usize::MAX).min(room);
        while out.len() < end {
            let ready = self.ready.get(self.given..).unwrap_or_default();
            if !ready.is_empty() {
                let count = ready.len().min(end - out.len());
                out.extend(ready.iter().take(count));
                self.given += count;
                continue;
            }
            let whole = (end - out.len()) / BLOCK * BLOCK;
            if whole > 0 && self.skip == 0 {
                if !self.blocks(out, whole, wait)? {
                    break;
                }
                continue;
            }
            let mut ready = std::mem::take(&mut self.ready);
            ready.clear();
            let some = self.blocks(&mut ready, BLOCK, wait);
            self.ready = ready;
            if !some? {
                break;
            }
            self.given = usize::try_from(self.skip).unwrap_or(BLOCK);
            self.skip = 0;
        }
        self.left -= (out.len() - from) as u64;
        Ok(if out.len() > from || room == 0 {
            Filled::More
        } else {
            Filled::Cold
        })
    }
}

fn differs(how: &str) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a body is {how} than its length says"),
    )
}
