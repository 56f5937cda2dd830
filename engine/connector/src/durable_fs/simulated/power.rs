//! What is left after a power failure.

use super::disk::{Change, Disk, Edit, Inode, Names, Step};

/// What the disk writes at once, or not at all.
const SECTOR_BYTES: usize = 512;

/// The disk after a power failure that was decided by `seed`.
pub(super) fn after_loss(disk: &Disk, seed: u64) -> Disk {
    let mut dice = Dice(seed);
    let inodes = disk.inodes.iter().map(|inode| Inode::synced(content(inode, &mut dice))).collect();
    Disk::synced(inodes, names(&disk.durable, &disk.pending, &mut dice))
}

/// How a disk treats what it was not told to keep.
enum Fate {
    /// Nothing of it was written.
    Lost,
    /// All of it was written.
    Kept,
    /// It was written in order, up to some point.
    Prefix,
    /// Each part was written or not.
    Torn,
}

fn fate(dice: &mut Dice) -> Fate {
    match dice.below(4) {
        0 => Fate::Lost,
        1 => Fate::Kept,
        2 => Fate::Prefix,
        _ => Fate::Torn,
    }
}

fn content(inode: &Inode, dice: &mut Dice) -> Vec<u8> {
    let mut content = inode.durable.clone();
    let parts: Vec<Edit> = inode.pending.iter().flat_map(sectors).collect();
    for part in survivors(&parts, dice) {
        part.apply(&mut content);
    }
    content
}

fn survivors<'a, T>(parts: &'a [T], dice: &mut Dice) -> Vec<&'a T> {
    match fate(dice) {
        Fate::Lost => Vec::new(),
        Fate::Kept => parts.iter().collect(),
        Fate::Prefix => parts.iter().take(dice.below(parts.len() + 1)).collect(),
        Fate::Torn => parts.iter().filter(|_| dice.below(2) == 0).collect(),
    }
}

/// The parts of a change that the disk writes by themselves.
fn sectors(change: &Change) -> Vec<Edit> {
    let Edit::Write { at, bytes } = &change.edit else {
        return vec![change.edit.clone()];
    };
    let (first, rest) = bytes.split_at((SECTOR_BYTES - at % SECTOR_BYTES).min(bytes.len()));
    let mut at = *at;
    let mut parts = Vec::new();
    for bytes in std::iter::once(first).chain(rest.chunks(SECTOR_BYTES)) {
        parts.push(Edit::Write { at, bytes: bytes.to_vec() });
        at += bytes.len();
    }
    parts
}

fn names(durable: &Names, pending: &[Step], dice: &mut Dice) -> Names {
    let mut names = durable.clone();
    let mut kept = survivors(pending, dice);
    if dice.below(2) == 0 {
        shuffle(&mut kept, dice);
    }
    for step in kept {
        names.apply(step);
    }
    names.drop_unreachable();
    names
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for last in (1..items.len()).rev() {
        items.swap(last, dice.below(last + 1));
    }
}

/// Numbers that follow from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    /// A number from 0 to below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % end as u64).unwrap_or_default()
    }
}
