//! Mutations that damage a file, for fuzz tests.

use proptest::prelude::*;
use proptest::sample::Index;

/// Mutation that damages a file.
#[derive(Clone, Debug)]
pub enum Damage {
    /// Sets a byte in the first part of the file, which holds its structure.
    Early(Index, u8),
    /// Sets any byte of the file.
    Any(Index, u8),
    /// Sets eight bytes: a length or an offset.
    Number(Index, u64),
    Truncate(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
}

/// Random mutation.
pub fn damage() -> impl Strategy<Value = Damage> {
    let number = prop::sample::select(vec![0, 1, 1 << 31, 1 << 32, 1 << 40, 1 << 63, u64::MAX]);
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Early(at, byte)),
        // Digits, which stay inside the grammar of a header.
        4 => (any::<Index>(), b'0'..=b'9').prop_map(|(at, byte)| Damage::Early(at, byte)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Any(at, byte)),
        1 => (any::<Index>(), number).prop_map(|(at, number)| Damage::Number(at, number)),
        1 => any::<Index>().prop_map(Damage::Truncate),
        1 => (any::<Index>(), 1usize..64).prop_map(|(at, n)| Damage::Remove(at, n)),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..32))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

impl Damage {
    pub fn apply(&self, bytes: &mut Vec<u8>, early: std::ops::Range<usize>) {
        if bytes.is_empty() {
            return;
        }
        let early = early.start.min(bytes.len() - 1)..early.end.min(bytes.len());
        match self {
            Self::Early(at, byte) => bytes[early.start + at.index(early.len())] = *byte,
            Self::Any(at, byte) => *at.get_mut(bytes) = *byte,
            Self::Number(at, number) => {
                let at = early.start + at.index(early.len());
                let number = number.to_le_bytes();
                bytes.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = new);
            }
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Self::Remove(at, n) => {
                let start = at.index(bytes.len());
                bytes.drain(start..(start + n).min(bytes.len()));
            }
            Self::Insert(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
        }
    }
}
