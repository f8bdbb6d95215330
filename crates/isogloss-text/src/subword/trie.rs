//! Trie (prefix tree) of vocabulary pieces, with common-prefix search.

/// Marks a node where no piece ends.
const NONE: u32 = u32::MAX;

/// Trie (prefix tree) of strings with ids, in breadth-first order: the children of a node are
/// adjacent, sorted.
#[derive(Debug)]
pub(super) struct Trie {
    /// The last byte of each node but the root.
    labels: Vec<u8>,
    /// The index of the first child of each node, not counting the root; its last child is before
    /// the first child of the next node.
    children: Vec<u32>,
    /// The id of the string that ends at each node.
    ids: Vec<u32>,
}

impl Trie {
    /// Builds a trie of these strings; of equal strings the highest id counts, as in `tokenizers`.
    pub(super) fn new<'a>(pieces: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let mut pieces: Vec<(&[u8], u32)> =
            pieces.into_iter().map(|(piece, id)| (piece.as_bytes(), id)).collect();
        pieces.sort_unstable();

        let mut trie = Self { labels: Vec::new(), children: Vec::new(), ids: Vec::new() };
        // The strings below each node, and the length of their common prefix.
        let mut nodes = vec![(pieces.as_slice(), 0)];
        let mut next = 0;
        while let Some(&(below, depth)) = nodes.get(next) {
            let n_equal = below.iter().take_while(|(piece, _)| piece.len() == depth).count();
            let (here, longer) = below.split_at(n_equal);
            trie.ids.push(here.last().map_or(NONE, |&(_, id)| id));
            trie.children.push(n_nodes(nodes.len() - 1));
            let byte = |piece: &[u8]| piece.get(depth).copied();
            for child in longer.chunk_by(|(a, _), (b, _)| byte(a) == byte(b)) {
                trie.labels.extend(child.first().and_then(|(piece, _)| byte(piece)));
                nodes.push((child, depth + 1));
            }
            next += 1;
        }
        trie.children.push(n_nodes(nodes.len() - 1));
        trie
    }

    /// Common-prefix search: the length in bytes and the id of each piece that is a prefix of
    /// `text`, the shortest first.
    pub(super) fn prefixes(&self, text: &[u8]) -> impl Iterator<Item = (usize, u32)> {
        let mut node = 0;
        let mut bytes = text.iter().enumerate();
        std::iter::from_fn(move || {
            for (idx, byte) in bytes.by_ref() {
                let first = *self.children.get(node)? as usize;
                let labels = self.labels.get(first..*self.children.get(node + 1)? as usize)?;
                node = 1 + first + labels.binary_search(byte).ok()?;
                match *self.ids.get(node)? {
                    NONE => {}
                    id => return Some((idx + 1, id)),
                }
            }
            None
        })
        .fuse()
    }

    /// The id of a piece.
    pub(super) fn id(&self, piece: &str) -> Option<u32> {
        self.prefixes(piece.as_bytes()).find(|&(len, _)| len == piece.len()).map(|(_, id)| id)
    }
}

fn n_nodes(n: usize) -> u32 {
    u32::try_from(n).expect("a tokenizer file is smaller than 4 GiB")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Trie;

    #[test]
    fn the_last_of_equal_pieces_counts() {
        let trie = Trie::new([("ab", 3), ("a", 1), ("ab", 2), ("", 9)]);
        assert_eq!(trie.prefixes(b"abc").collect::<Vec<_>>(), [(1, 1), (2, 3)]);
        assert_eq!((trie.id("ab"), trie.id("abc"), trie.id("")), (Some(3), None, None));
    }

    proptest! {
        #[test]
        fn prefixes_are_the_pieces_that_the_text_begins_with(
            pieces in prop::collection::btree_set("[ab灯]{1,4}", 0..20),
            text in "[ab灯]{0,8}",
        ) {
            let trie = Trie::new(pieces.iter().map(String::as_str).zip(0..));
            let mut expected: Vec<(usize, u32)> =
                pieces.iter().zip(0..).filter(|(piece, _)| text.starts_with(piece.as_str())).map(|(piece, id)| (piece.len(), id)).collect();
            expected.sort_unstable();
            prop_assert_eq!(trie.prefixes(text.as_bytes()).collect::<Vec<_>>(), expected);
        }
    }
}
