//! What a disk holds after a power cut.
//!
//! Assumed of it, from the strictest reading of POSIX to what ext4 and XFS do:
//!
//! - Bytes, length and allocation of a file are safe when a sync of the file (or of its file system) has ended that began after
//!   they changed. Of what changed later, [`Unsynced::Lost`] keeps nothing and [`Unsynced::Kept`] everything, and
//!   [`Unsynced::Torn`] any part that a page cache may have written back: each block of 4 KiB is as it was after some of the
//!   writes to it, in their order, and may be torn between two sectors of 512 bytes; the length is that of any moment since.
//!   A sector is written whole or not at all.
//! - Changes of a file's length and its allocation (`ftruncate`, `fallocate`) go through the file system's journal: of those after the last sync some
//!   first ones survive, whatever becomes of the bytes written after them. Inserting room is one such change, and atomic: it
//!   survived or it did not. Where it did not, bytes that were written after it and hit a block that was there before are found
//!   at the place which that block had before; those for the new room are gone.
//! - Names are safe when a sync of the folder has ended ([`Names::ByFolder`]); with [`Names::WithFile`] a file's sync makes
//!   its creation safe too, and what happened to names before it, as ext4, XFS and Btrfs do. Of later changes to
//!   names [`Unsynced::Torn`] keeps some: with [`Names::WithFile`] some first ones, in the order that a journalling file system
//!   keeps, with [`Names::ByFolder`] any.

use std::collections::{BTreeMap, HashMap};

use super::file::{Change, File};
use super::log::Operation;
use super::random::Random;

/// A folder's files: name and content. Folders in it are part of the names; a sync of any of them makes all names safe, as the journal of
/// ext4, XFS and Btrfs does.
pub type Folder = BTreeMap<String, Vec<u8>>;

/// What makes a name durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// A sync of the folder alone.
    ByFolder,
    /// Also a sync of the file, for its creation and what was done to names before it.
    WithFile,
}

/// What becomes of bytes and names that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// They are lost.
    Lost,
    /// They had all been written back by chance: what the death of the process alone would leave.
    Kept,
    /// Some had been, as this seed decides.
    Torn(u64),
}

/// A disk with one folder, and the cache in front of it.
#[derive(Debug, Clone)]
pub struct Disk {
    rule: Names,
    files: Vec<File>,
    /// As a running program sees them.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    /// How many changes of names are durable.
    settled_names: usize,
    open: HashMap<u64, Opened>,
    syncs: HashMap<u64, Sync>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Add(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Debug, Clone, Copy)]
enum Opened {
    Folder,
    File(usize),
}

/// What a sync that has begun covers: changes by their count.
#[derive(Debug, Clone)]
struct Sync {
    files: Vec<(usize, usize)>,
    names: Option<usize>,
}

const KEEP_SIZE: u64 = 1;
const INSERT_RANGE: u64 = 0x20;

impl Disk {
    /// A disk that holds `folder`, all of it durable.
    pub fn new(rule: Names, folder: &Folder) -> Disk {
        let names: BTreeMap<_, _> = folder.keys().cloned().zip(0..).collect();
        let files = folder.values().map(|content| File {
            durable: content.clone(),
            ..File::default()
        });
        Disk {
            rule,
            files: files.collect(),
            durable_names: names.clone(),
            names,
            pending_names: Vec::new(),
            settled_names: 0,
            open: HashMap::new(),
            syncs: HashMap::new(),
        }
    }

    /// Does the next operation.
    ///
    /// # Panics
    /// When the operations contradict each other: the log is not whole.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Open {
                fd,
                name,
                create,
                truncate,
            } => self.open(*fd, name, *create, *truncate),
            Operation::Close { fd } => {
                self.open.remove(fd);
            }
            Operation::Duplicate { from, to } => {
                self.open.insert(*to, self.opened(*from));
            }
            Operation::Write { fd, offset, bytes } => self.change(
                *fd,
                Change::Write {
                    offset: *offset as usize,
                    bytes: bytes.clone(),
                },
            ),
            Operation::Truncate { fd, len } => self.change(*fd, Change::Truncate(*len as usize)),
            Operation::Allocate {
                fd,
                mode,
                offset,
                len,
            } => match *mode {
                0 => self.change(*fd, Change::Grow((offset + len) as usize)),
                KEEP_SIZE => {}
                INSERT_RANGE => self.change(
                    *fd,
                    Change::Insert {
                        offset: *offset as usize,
                        len: *len as usize,
                    },
                ),
                other => panic!("fallocate of mode {other:#x} is not in the model of a disk"),
            },
            Operation::SyncBegin {
                fd,
                number,
                everything,
            } => self.sync_begins(*fd, *number, *everything),
            Operation::SyncEnd { number } => self.sync_ended(*number),
            Operation::Rename { from, to } => {
                let file = self.names.remove(from).expect("what is renamed is there");
                self.names.insert(to.clone(), file);
                self.pending_names
                    .push(NameChange::Rename(from.clone(), to.clone()));
            }
            Operation::Unlink { name } => {
                self.names.remove(name).expect("what is removed is there");
                self.pending_names.push(NameChange::Remove(name.clone()));
            }
            Operation::Link { from, to } => self.add(to, self.names[from]),
        }
    }

    /// The folder after a power cut at this moment.
    pub fn after_power_cut(&self, unsynced: Unsynced) -> Folder {
        let mut random = match unsynced {
            Unsynced::Torn(seed) => Random::new(seed),
            Unsynced::Lost | Unsynced::Kept => Random::new(0),
        };
        let mut names = self.durable_names.clone();
        let first = match unsynced {
            Unsynced::Lost => 0,
            Unsynced::Kept => self.pending_names.len(),
            Unsynced::Torn(_) => random.below(self.pending_names.len() + 1),
        };
        let any = matches!(unsynced, Unsynced::Torn(_)) && self.rule == Names::ByFolder;
        for (index, change) in self.pending_names.iter().enumerate() {
            let survives = if any { random.below(2) == 0 } else { index < first };
            if survives {
                change.apply(&mut names);
            }
        }
        names
            .into_iter()
            .map(|(name, file)| {
                let file = &self.files[file];
                let content = match unsynced {
                    Unsynced::Lost => file.durable.clone(),
                    Unsynced::Kept => file.cached(),
                    Unsynced::Torn(_) => file.torn(&mut random),
                };
                (name, content)
            })
            .collect()
    }

    /// The folder as running programs see it.
    pub fn cached(&self) -> Folder {
        self.names
            .iter()
            .map(|(name, file)| (name.clone(), self.files[*file].cached()))
            .collect()
    }

    /// The bytes of a file that are certain to survive a power cut now, if its name is known to running programs.
    pub fn durable(&self, name: &str) -> Option<&[u8]> {
        Some(&self.files[*self.names.get(name)?].durable)
    }

    /// How long a file is to running programs.
    pub fn cached_len(&self, name: &str) -> Option<usize> {
        Some(self.files[*self.names.get(name)?].cached_len())
    }

    fn open(&mut self, fd: u64, name: &str, create: bool, truncate: bool) {
        let is_folder = |other: &String| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
        if name.is_empty() || (!create && self.names.keys().any(is_folder)) {
            self.open.insert(fd, Opened::Folder);
            return;
        }
        if !self.names.contains_key(name) {
            assert!(create, "{name} was opened and never created");
            self.files.push(File::default());
            self.add(name, self.files.len() - 1);
        }
        let file = self.names[name];
        self.open.insert(fd, Opened::File(file));
        if truncate {
            self.files[file].pending.push(Change::Truncate(0));
        }
    }

    fn add(&mut self, name: &str, file: usize) {
        self.names.insert(name.to_owned(), file);
        self.pending_names.push(NameChange::Add(name.to_owned(), file));
    }

    fn opened(&self, fd: u64) -> Opened {
        *self.open.get(&fd).expect("the descriptor is open")
    }

    fn change(&mut self, fd: u64, change: Change) {
        match self.opened(fd) {
            Opened::File(file) => self.files[file].pending.push(change),
            Opened::Folder => panic!("a folder is not written to: {change:?}"),
        }
    }

    fn sync_begins(&mut self, fd: u64, number: u64, everything: bool) {
        let all_names = self.settled_names + self.pending_names.len();
        let count = |file: usize| (file, self.files[file].settled + self.files[file].pending.len());
        let sync = match self.opened(fd) {
            _ if everything => Sync {
                files: (0..self.files.len()).map(count).collect(),
                names: Some(all_names),
            },
            Opened::Folder => Sync {
                files: Vec::new(),
                names: Some(all_names),
            },
            Opened::File(file) => Sync {
                files: vec![count(file)],
                names: (self.rule == Names::WithFile)
                    .then(|| self.creation_of(file))
                    .flatten(),
            },
        };
        self.syncs.insert(number, sync);
    }

    /// The count of changes to names up to the creation of a file, when that is not durable.
    fn creation_of(&self, file: usize) -> Option<usize> {
        let created = |change: &NameChange| matches!(change, NameChange::Add(_, added) if *added == file);
        Some(self.settled_names + self.pending_names.iter().rposition(created)? + 1)
    }

    fn sync_ended(&mut self, number: u64) {
        let sync = self.syncs.remove(&number).expect("the sync has begun");
        for (file, count) in sync.files {
            self.files[file].settle(count);
        }
        let settled = sync.names.unwrap_or(0).saturating_sub(self.settled_names);
        for change in self.pending_names.drain(..settled) {
            change.apply(&mut self.durable_names);
        }
        self.settled_names += settled;
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Rename(from, to) => {
                // Nothing to rename when its creation did not survive.
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FD: u64 = 3;
    const DIR: u64 = 4;

    fn open(fd: u64, name: &str) -> Operation {
        Operation::Open {
            fd,
            name: name.to_owned(),
            create: true,
            truncate: false,
        }
    }

    fn write(offset: u64, bytes: &[u8]) -> Operation {
        Operation::Write {
            fd: FD,
            offset,
            bytes: bytes.to_vec(),
        }
    }

    fn sync(fd: u64) -> [Operation; 2] {
        let begin = Operation::SyncBegin {
            fd,
            number: fd,
            everything: false,
        };
        [begin, Operation::SyncEnd { number: fd }]
    }

    fn insert(offset: u64, len: u64) -> Operation {
        Operation::Allocate {
            fd: FD,
            mode: INSERT_RANGE,
            offset,
            len,
        }
    }

    fn disk_after(rule: Names, operations: &[Operation]) -> Disk {
        let mut disk = Disk::new(rule, &Folder::new());
        operations.iter().for_each(|operation| disk.apply(operation));
        disk
    }

    fn folder(files: &[(&str, &[u8])]) -> Folder {
        let file = |(name, content): &(&str, &[u8])| ((*name).to_owned(), content.to_vec());
        files.iter().map(file).collect()
    }

    /// A file whose first bytes and name are safe.
    fn begun(bytes: &[u8]) -> Vec<Operation> {
        let mut operations = vec![open(FD, "a"), open(DIR, ""), write(0, bytes)];
        operations.extend(sync(FD));
        operations.extend(sync(DIR));
        operations
    }

    #[test]
    fn only_what_a_sync_covers_is_safe() {
        let mut operations = begun(b"one");
        let [begin, end] = sync(FD);
        operations.extend([write(3, b" two"), begin, write(7, b" three"), end]);
        let disk = disk_after(Names::ByFolder, &operations);
        assert_eq!(disk.after_power_cut(Unsynced::Lost), folder(&[("a", b"one two")]));
        assert_eq!(
            disk.after_power_cut(Unsynced::Kept),
            folder(&[("a", b"one two three")])
        );
        assert_eq!(disk.durable("a"), Some(&b"one two"[..]));
        // While the sync is going on nothing is promised.
        let disk = disk_after(Names::ByFolder, &operations[..operations.len() - 1]);
        assert_eq!(disk.after_power_cut(Unsynced::Lost), folder(&[("a", b"one")]));
    }

    #[test]
    fn a_name_is_safe_with_its_folder_or_with_its_file() {
        let mut operations = vec![open(DIR, ""), open(9, "journal"), open(FD, "a"), write(0, b"one")];
        operations.extend(sync(FD));
        let (by_folder, with_file) = (
            disk_after(Names::ByFolder, &operations),
            disk_after(Names::WithFile, &operations),
        );
        assert_eq!(by_folder.after_power_cut(Unsynced::Lost), Folder::new());
        let both = folder(&[("a", b"one"), ("journal", b"")]);
        assert_eq!(with_file.after_power_cut(Unsynced::Lost), both);
        operations.extend(sync(DIR));
        let by_folder = disk_after(Names::ByFolder, &operations);
        assert_eq!(by_folder.after_power_cut(Unsynced::Lost), both);
    }

    #[test]
    fn a_rename_and_a_removal_wait_for_the_folder() {
        let mut operations = begun(b"old");
        operations.extend([open(9, "b")]);
        operations.extend([Operation::Rename {
            from: "b".to_owned(),
            to: "a".to_owned(),
        }]);
        let lost = |operations: &[Operation]| {
            disk_after(Names::ByFolder, operations).after_power_cut(Unsynced::Lost)
        };
        assert_eq!(lost(&operations), folder(&[("a", b"old")]));
        operations.extend(sync(DIR));
        assert_eq!(lost(&operations), folder(&[("a", b"")]));
        operations.push(Operation::Unlink { name: "a".to_owned() });
        assert_eq!(lost(&operations), folder(&[("a", b"")]));
        operations.extend(sync(DIR));
        assert_eq!(lost(&operations), Folder::new());
    }

    #[test]
    fn what_was_written_after_lost_room_is_found_before_it() {
        let old: Vec<u8> = [[b'a'; 4096], [b'b'; 4096]].concat();
        let mut operations = begun(&old);
        operations.extend([
            insert(4096, 4096),
            write(0, b"A"),
            write(4096, b"new"),
            write(8192, b"B"),
        ]);
        let disk = disk_after(Names::ByFolder, &operations);
        let kept = &disk.after_power_cut(Unsynced::Kept)["a"];
        assert_eq!(kept.len(), 3 * 4096);
        assert_eq!(
            (kept[0], &kept[4096..4099], kept[8192]),
            (b'A', &b"new"[..], b'B')
        );
        let mut seen = [0; 2];
        for seed in 0..200 {
            let torn = &disk.after_power_cut(Unsynced::Torn(seed))["a"];
            let inserted = torn.len() == 3 * 4096;
            let behind = &torn[if inserted { 8192 } else { 4096 }..];
            assert!(b"aA".contains(&torn[0]) && b"bB".contains(&behind[0]), "{seed}");
            assert!(behind[1..4096].iter().all(|byte| *byte == b'b'), "{seed}");
            if !inserted {
                assert_eq!(torn.len(), 2 * 4096, "{seed}");
                assert!(!torn.windows(3).any(|bytes| bytes == b"new"), "{seed}");
            }
            seen[usize::from(inserted)] += 1;
        }
        assert!(seen[0] > 20 && seen[1] > 20, "{seen:?}");
    }

    #[test]
    fn torn_bytes_are_old_or_new_sector_by_sector() {
        let mut operations = begun(&[b'o'; 20_000]);
        operations.push(write(1000, &[b'm'; 18_000]));
        operations.push(write(500, &[b'n'; 30_000]));
        let disk = disk_after(Names::ByFolder, &operations);
        let mut lengths = std::collections::BTreeSet::new();
        let mut mixed = 0;
        for seed in 0..200 {
            let torn = &disk.after_power_cut(Unsynced::Torn(seed))["a"];
            assert!((20_000..=30_500).contains(&torn.len()), "{seed}");
            assert!(torn[..500].iter().all(|byte| *byte == b'o'), "{seed}");
            for sector in torn[1024..18_944].chunks(512) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "{seed}");
                assert!(b"omn".contains(&sector[0]), "{seed}");
            }
            assert!(torn[20_000..].iter().all(|byte| b"\0n".contains(byte)), "{seed}");
            lengths.insert(torn.len());
            mixed += usize::from(torn.contains(&b'n') && torn.contains(&b'm'));
        }
        assert!(lengths.len() > 20 && mixed > 20, "{} {mixed}", lengths.len());
    }
}
