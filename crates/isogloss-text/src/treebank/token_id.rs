//! Token IDs of CoNLL-U rows.

use std::fmt;

/// CoNLL-U token ID of a row: word, multiword token or empty node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenId {
    /// A word by its index, counted from 1.
    Word(usize),
    /// A multiword token of the words from the first to the last, written `1-2`.
    Range(usize, usize),
    /// An empty node: its number after a word, written `8.1`; word 0 is the start of the sentence.
    Empty(usize, usize),
}

impl TokenId {
    /// Parses a token ID; `None` if it is malformed.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        if let Some((first, last)) = id.split_once('-') {
            let (first, last) = (number(first)?, number(last)?);
            return (1 <= first && first <= last).then_some(Self::Range(first, last));
        }
        if let Some((after, node)) = id.split_once('.') {
            let (after, node) = (number(after)?, number(node)?);
            return (node >= 1).then_some(Self::Empty(after, node));
        }
        number(id).map(Self::Word)
    }
}

/// Parses a number; a sign and leading zeros, which writing would lose, are rejected.
pub(crate) fn number(digits: &str) -> Option<usize> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "{word}"),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
            Self::Empty(after, number) => write!(f, "{after}.{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TokenId;

    #[test]
    fn ids_read_back_as_written() {
        for (text, id) in [
            ("3", TokenId::Word(3)),
            ("1-2", TokenId::Range(1, 2)),
            ("0.1", TokenId::Empty(0, 1)),
            ("8.10", TokenId::Empty(8, 10)),
        ] {
            assert_eq!(TokenId::parse(text), Some(id));
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "_", "01", "+1", "2-1", "0-1", "1-", "1.0", "1.", "1-2-3", "1.1.1", "１"]
        {
            assert_eq!(TokenId::parse(text), None, "{text:?} was taken");
        }
        assert_eq!(TokenId::parse("99999999999999999999"), None);
    }
}
