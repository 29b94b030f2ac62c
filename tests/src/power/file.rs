//! One file on a disk: what of it is durable, and what is not yet.

use std::collections::HashMap;

use super::random::Random;

#[derive(Debug, Clone, Default)]
pub(super) struct File {
    /// What is safe.
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
    /// How many changes are in `durable`.
    pub(super) settled: usize,
}

/// One change of a file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate(usize),
    /// Allocated up to here.
    Grow(usize),
    Insert {
        offset: usize,
        len: usize,
    },
}

const BLOCK: usize = 4096;
const SECTOR: usize = 512;

impl File {
    pub(super) fn settle(&mut self, count: usize) {
        for change in self.pending.drain(..count.saturating_sub(self.settled)) {
            change.apply(&mut self.durable);
            self.settled += 1;
        }
    }

    pub(super) fn cached(&self) -> Vec<u8> {
        let mut content = self.durable.clone();
        for change in &self.pending {
            change.apply(&mut content);
        }
        content
    }

    pub(super) fn cached_len(&self) -> usize {
        let len = self.durable.len();
        self.pending
            .iter()
            .fold(len, |len, change| change.length_after(len))
    }

    /// Some of what was not synced survived.
    pub(super) fn torn(&self, random: &mut Random) -> Vec<u8> {
        let changes = self.pending.len();
        let allocations = self.pending.iter().filter(|change| !change.is_write()).count();
        let mut allocations_left = random.below(allocations + 1);
        let share = random.below(5);
        let mut content = self.durable.clone();
        // Without any bytes written since, and with all of them.
        let (mut least, mut full) = (content.len(), content.len());
        let mut lost_room: Vec<(usize, usize)> = Vec::new();
        let mut blocks: HashMap<(usize, usize), Block> = HashMap::new();
        let mut inserted = 0;
        for (index, change) in self.pending.iter().enumerate() {
            let Change::Write { offset, bytes } = change else {
                if allocations_left == 0 {
                    if let Change::Insert { offset, len } = change {
                        lost_room.push((*offset, *len));
                    }
                    continue;
                }
                allocations_left -= 1;
                inserted += usize::from(matches!(change, Change::Insert { .. }));
                change.apply(&mut content);
                (least, full) = (change.length_after(least), change.length_after(full));
                continue;
            };
            for (at, piece) in sectors(*offset, bytes) {
                let Some(at) = place_without(&lost_room, at) else {
                    continue;
                };
                let block = blocks
                    .entry((inserted, at / BLOCK))
                    .or_insert_with(|| Block::random(random, changes, share));
                full = full.max(at + piece.len());
                if index < block.written_back(at % BLOCK / SECTOR) {
                    put(&mut content, at, piece);
                }
            }
        }
        match random.below(3) {
            // The length was written back and not all of the bytes.
            0 => content.resize(content.len().max(full), 0),
            // The bytes were written back and not the length.
            1 => {
                let longer = content.len().saturating_sub(least);
                content.truncate(least + random.below(longer + 1));
            }
            _ => {}
        }
        content
    }
}

/// Up to which of the changes a block was written back: its first sectors to one, the others to another.
struct Block {
    first: usize,
    second: usize,
    torn_at: usize,
}

impl Block {
    /// `share` (0 to 4) of four blocks are written back with all of the changes.
    fn random(random: &mut Random, changes: usize, share: usize) -> Block {
        let mut upto = || match random.below(4) < share {
            true => changes,
            false => random.below(changes + 1),
        };
        let (first, second) = (upto(), upto());
        match random.below(4) {
            0 => Block {
                first,
                second,
                torn_at: 1 + random.below(BLOCK / SECTOR - 1),
            },
            _ => Block {
                first,
                second: first,
                torn_at: 0,
            },
        }
    }

    fn written_back(&self, sector: usize) -> usize {
        if sector < self.torn_at {
            self.first
        } else {
            self.second
        }
    }
}

impl Change {
    fn is_write(&self) -> bool {
        matches!(self, Change::Write { .. })
    }

    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => put(content, *offset, bytes),
            Change::Truncate(len) => content.resize(*len, 0),
            Change::Grow(len) => content.resize(content.len().max(*len), 0),
            Change::Insert { offset, len } => {
                content.splice(offset..offset, std::iter::repeat_n(0, *len));
            }
        }
    }

    fn length_after(&self, before: usize) -> usize {
        match self {
            Change::Write { offset, bytes } => before.max(offset + bytes.len()),
            Change::Truncate(len) => *len,
            Change::Grow(len) => before.max(*len),
            Change::Insert { len, .. } => before + len,
        }
    }
}

/// Where bytes for `at` are found when some room was not inserted after all; `None` when they were for that room.
fn place_without(lost_room: &[(usize, usize)], at: usize) -> Option<usize> {
    lost_room.iter().rev().try_fold(at, |at, (offset, len)| {
        if at < *offset {
            Some(at)
        } else {
            at.checked_sub(*len).filter(|before| before >= offset)
        }
    })
}

/// Pieces that lie within one sector each.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let (mut at, mut rest) = (offset, bytes);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
        let found = (at, piece);
        (at, rest) = (at + piece.len(), after);
        Some(found)
    })
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}
