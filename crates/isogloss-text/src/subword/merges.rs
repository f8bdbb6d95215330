//! BPE-dropout: segmentation of a BPE model that skips merges at random (Provilkov et al. 2020).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rand::Rng;
use serde::Deserialize;
use tokenizers::models::bpe::BPE;
use tokenizers::{Model as _, Token};

use crate::subword::token;

/// BPE merge table: the ranked merges of a BPE model.
#[derive(Debug)]
pub(crate) struct Merges {
    /// The model without its merges, which splits a word into its initial symbols.
    symbols: BPE,
    /// The rank of each merge, 0 for the first, and the id of the merged piece.
    merges: HashMap<(u32, u32), (usize, u32)>,
}

/// The part of a serialized model for which `tokenizers` has no accessor.
#[derive(Deserialize)]
struct File {
    merges: Vec<(String, String)>,
}

/// A symbol of a word, in a doubly linked list.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    start: usize,
    end: usize,
    before: Option<usize>,
    after: Option<usize>,
}

impl Merges {
    /// Reads the merges of a model.
    ///
    /// # Errors
    /// If the model cannot be serialized to JSON, the only access to its merges.
    pub(crate) fn new(model: &BPE) -> Result<Self, serde_json::Error> {
        let file: File = serde_json::from_str(&serde_json::to_string(model)?)?;
        let vocab = model.get_vocab();
        let prefix = model.continuing_subword_prefix.as_deref().unwrap_or_default();
        let merge = |(rank, (left, right)): (usize, &(String, String))| {
            let made = format!("{left}{}", right.get(prefix.len()..)?);
            Some(((*vocab.get(left)?, *vocab.get(right)?), (rank, *vocab.get(&made)?)))
        };
        let merges = file.merges.iter().enumerate().filter_map(merge).collect();
        let mut symbols = model.clone();
        symbols.dropout = Some(1.0);
        Ok(Self { symbols, merges })
    }

    /// Samples a segmentation (BPE-dropout): each merge is skipped with the probability `dropout`
    /// each time it is possible.
    ///
    /// The best of the remaining merges is applied, until all are skipped or none remains.
    /// `None` if the model refuses the word.
    ///
    /// # Source
    /// Provilkov et al. 2020, BPE-Dropout, arXiv:1910.13267, algorithm 1.
    pub(super) fn sample(
        &self,
        word: &str,
        dropout: f64,
        rng: &mut impl Rng,
    ) -> Option<Vec<Token>> {
        self.merge(word, || rng.random::<f64>() < dropout, |_| ())
    }

    /// The intermediate pieces of a word: its initial symbols, and the result of each merge.
    pub(crate) fn intermediate_pieces(&self, word: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        self.merge(word, || false, |id| ids.push(id));
        ids
    }

    /// BPE segmentation of a word, in which a merge is skipped when `skips` returns true; `passes`
    /// is called with each initial symbol and the result of each merge.
    fn merge(
        &self,
        word: &str,
        mut skips: impl FnMut() -> bool,
        mut passes: impl FnMut(u32),
    ) -> Option<Vec<Token>> {
        let characters = self.symbols.tokenize(word).ok()?;
        characters.iter().for_each(|token| passes(token.id));
        let n_symbols = characters.len();
        let symbol = |(idx, token): (usize, &Token)| Symbol {
            id: token.id,
            start: token.offsets.0,
            end: token.offsets.1,
            before: idx.checked_sub(1),
            after: (idx + 1 < n_symbols).then_some(idx + 1),
        };
        let mut symbols: Vec<Symbol> = characters.iter().enumerate().map(symbol).collect();
        let mut is_merged = vec![false; n_symbols];

        // The best merge first, the leftmost of equal ones.
        let mut possible: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
        possible.extend((0..n_symbols).filter_map(|idx| self.at(&symbols, idx)));
        let mut skipped = Vec::new();
        while let Some(merge) = possible.pop() {
            let Reverse((_, left)) = merge;
            // Stale entry: one of its two symbols may have been merged with another since.
            if is_merged[left] || self.at(&symbols, left) != Some(merge) {
                continue;
            }
            if skips() {
                skipped.push(merge);
                continue;
            }
            let Some((right, made)) = self.merged(&symbols, left) else { continue };
            let Symbol { end, after, .. } = symbols[right];
            is_merged[right] = true;
            passes(made);
            symbols[left] = Symbol { id: made, end, after, ..symbols[left] };
            if let Some(after) = after {
                symbols[after].before = Some(left);
            }
            let around = [symbols[left].before, Some(left)];
            possible.extend(around.into_iter().flatten().filter_map(|idx| self.at(&symbols, idx)));
            possible.extend(skipped.drain(..));
        }
        let left = symbols.iter().zip(&is_merged).filter(|&(_, &is_merged)| !is_merged);
        Some(left.map(|(symbol, _)| token(symbol.id, symbol.start, symbol.end)).collect())
    }

    /// The rank of the merge of a symbol with the next, and the index of the symbol.
    fn at(&self, symbols: &[Symbol], left: usize) -> Option<Reverse<(usize, usize)>> {
        let right = symbols[left].after?;
        let &(rank, _) = self.merges.get(&(symbols[left].id, symbols[right].id))?;
        Some(Reverse((rank, left)))
    }

    /// BPE merge of a symbol with the next: the index of the next one, and the id of the merged
    /// piece.
    fn merged(&self, symbols: &[Symbol], left: usize) -> Option<(usize, u32)> {
        let right = symbols[left].after?;
        let &(_, made) = self.merges.get(&(symbols[left].id, symbols[right].id))?;
        Some((right, made))
    }
}
