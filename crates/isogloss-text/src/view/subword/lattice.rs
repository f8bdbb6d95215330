//! All ways to cut a word into the pieces of a Unigram model, and draws among them.

use rand::Rng;
use tokenizers::Token;
use tokenizers::models::unigram::Unigram;

use super::token;
use super::trie::Trie;

/// How much less than the least score of a piece an unknown character has, as in SentencePiece and `tokenizers`.
const UNKNOWN_PENALTY: f64 = 10.0;

/// The pieces of a Unigram model.
#[derive(Debug)]
pub(super) struct Pieces {
    trie: Trie,
    /// The score of each piece, by id.
    scores: Vec<f64>,
    /// The id and the score of an unknown character.
    unknown: Option<(u32, f64)>,
    /// The piece of each byte, where unknown characters are spelled in bytes.
    bytes: Vec<Option<u32>>,
}

/// The pieces of one word, as far as they have been found.
///
/// Places are counted in bytes; every place where a piece begins or ends lies between two characters.
#[derive(Debug, Default)]
pub(super) struct Lattice {
    nodes: Vec<Node>,
    /// The last node that ends at each place; the others are found from it.
    ending: Vec<Option<usize>>,
    /// The logarithm of the sum of `exp(alpha * score)` over all cuts of the word up to each place.
    log_sums: Vec<f64>,
}

/// A piece at a place.
#[derive(Debug, Clone, Copy)]
struct Node {
    id: u32,
    start: usize,
    score: f64,
    /// As `log_sums`, over all cuts that end with this piece.
    log_sum: f64,
    /// The node before this one that ends at the same place.
    other: Option<usize>,
}

/// A cut of the word up to a place, of the best there.
#[derive(Debug, Clone, Copy)]
struct Hypothesis {
    score: f64,
    /// The last piece, and the rank of the cut before it.
    last: Option<(usize, usize)>,
}

impl Pieces {
    pub(super) fn new(model: &Unigram, unk_id: Option<u32>) -> Self {
        let pieces = || model.iter().map(|(piece, _)| piece.as_str()).zip(0..);
        let trie = Trie::new(pieces());
        let byte = |byte: u8| trie.id(&format!("<0x{byte:02X}>"));
        let bytes = match model.byte_fallback() {
            true => (0..=u8::MAX).map(byte).collect(),
            false => Vec::new(),
        };
        Self {
            scores: model.iter().map(|&(_, score)| score).collect(),
            unknown: unk_id.map(|id| (id, model.min_score - UNKNOWN_PENALTY)),
            bytes,
            trie,
        }
    }

    /// The tokens of a cut, drawn with a probability proportional to `exp(alpha * score)` among all cuts, or the `n_best` of the highest score.
    ///
    /// `None` if the word cannot be cut into these pieces.
    ///
    /// Kudo 2018, Subword Regularization, arXiv:1804.10959; among all cuts, by sums forward and draws backward (Scott 2002, Bayesian Methods for Hidden Markov Models).
    pub(super) fn draw(
        &self,
        word: &str,
        alpha: f64,
        n_best: Option<usize>,
        lattice: &mut Lattice,
        rng: &mut impl Rng,
    ) -> Option<Vec<Token>> {
        lattice.clear(word.len());
        for (start, c) in word.char_indices() {
            lattice.sum(start);
            let mut is_known = false;
            for (len, id) in self.trie.prefixes(word.as_bytes().get(start..)?) {
                lattice.push(id, start, start + len, *self.scores.get(id as usize)?, alpha);
                is_known |= len == c.len_utf8();
            }
            if let (false, Some((id, score))) = (is_known, self.unknown) {
                lattice.push(id, start, start + c.len_utf8(), score, alpha);
            }
        }
        lattice.sum(word.len());
        // Not so where the word cannot be cut, and where scores are beyond all measure.
        if !lattice.log_sums.last()?.is_finite() {
            return None;
        }
        let path = match n_best {
            None => lattice.draw(rng),
            Some(n_best) => lattice.draw_among(&lattice.best(n_best), alpha, rng),
        };
        Some(self.tokens(word, &path))
    }

    /// The tokens of a cut; unknown characters side by side are one token, as in `tokenizers`.
    fn tokens(&self, word: &str, path: &[(u32, usize)]) -> Vec<Token> {
        let mut tokens = Vec::with_capacity(path.len());
        let is_unknown = |id| self.unknown.is_some_and(|(unknown, _)| unknown == id);
        let mut start = 0;
        for part in path.chunk_by(|&(a, _), &(b, _)| is_unknown(a) && is_unknown(b)) {
            let Some(&(id, end)) = part.last() else { continue };
            if is_unknown(id) {
                self.push_unknown(id, word, start, end, &mut tokens);
            } else {
                tokens.push(token(id, start, end));
            }
            start = end;
        }
        tokens
    }

    /// Adds the characters at `start..end`, which may make up a piece together.
    fn push_unknown(
        &self,
        unknown: u32,
        word: &str,
        start: usize,
        end: usize,
        tokens: &mut Vec<Token>,
    ) {
        let characters = word.get(start..end).unwrap_or_default();
        let byte = |byte: u8| self.bytes.get(usize::from(byte)).copied().flatten();
        let spelled = || characters.bytes().map(byte).collect::<Option<Vec<u32>>>();
        let ids = match self.trie.id(characters) {
            Some(id) => vec![id],
            None => spelled().unwrap_or_else(|| vec![unknown]),
        };
        tokens.extend(ids.into_iter().map(|id| token(id, start, end)));
    }
}

impl Lattice {
    /// Makes room for a word.
    fn clear(&mut self, n_bytes: usize) {
        self.nodes.clear();
        self.ending.clear();
        self.ending.resize(n_bytes + 1, None);
        self.log_sums.clear();
        self.log_sums.resize(n_bytes + 1, f64::NEG_INFINITY);
        self.log_sums[0] = 0.0;
    }

    /// Adds a piece, whose place has been summed up.
    fn push(&mut self, id: u32, start: usize, end: usize, score: f64, alpha: f64) {
        let log_sum = self.log_sums[start] + alpha * score;
        let other = self.ending[end].replace(self.nodes.len());
        self.nodes.push(Node { id, start, score, log_sum, other });
    }

    /// Sums up the cuts that end at a place.
    fn sum(&mut self, end: usize) {
        let most =
            self.ending_at(end).map(|(_, node)| node.log_sum).fold(f64::NEG_INFINITY, f64::max);
        if most > f64::NEG_INFINITY {
            let sum: f64 =
                self.ending_at(end).map(|(_, node)| libm::exp(node.log_sum - most)).sum();
            self.log_sums[end] = most + libm::log(sum);
        }
    }

    /// The nodes that end at a place, and their indices.
    fn ending_at(&self, end: usize) -> impl Iterator<Item = (usize, &Node)> {
        let node = |idx: usize| Some((idx, self.nodes.get(idx)?));
        let last = self.ending[end].and_then(node);
        std::iter::successors(last, move |(_, node_after)| node_after.other.and_then(node))
    }

    /// Draws a cut from the end of the word to its start; the id and the end of each piece.
    fn draw(&self, rng: &mut impl Rng) -> Vec<(u32, usize)> {
        let mut path = Vec::new();
        let mut end = self.log_sums.len() - 1;
        while end > 0 {
            let sum = self.log_sums[end];
            let weights =
                self.ending_at(end).map(|(idx, node)| (idx, libm::exp(node.log_sum - sum)));
            let node = &self.nodes[weighted(weights, 1.0, rng)];
            path.push((node.id, end));
            end = node.start;
        }
        path.reverse();
        path
    }

    /// The cuts of the whole word with the highest scores, the best first, and those of its beginnings.
    fn best(&self, n_best: usize) -> Vec<Vec<Hypothesis>> {
        let mut best: Vec<Vec<Hypothesis>> = vec![Vec::new(); self.log_sums.len()];
        best[0].push(Hypothesis { score: 0.0, last: None });
        for end in 1..best.len() {
            let mut here = Vec::new();
            for (idx, node) in self.ending_at(end) {
                for (rank, before) in best[node.start].iter().enumerate() {
                    let score = before.score + node.score;
                    here.push(Hypothesis { score, last: Some((idx, rank)) });
                }
            }
            here.sort_by(|a, b| b.score.total_cmp(&a.score));
            here.truncate(n_best);
            best[end] = here;
        }
        best
    }

    /// Draws one of the best cuts; the id and the end of each piece.
    fn draw_among(
        &self,
        best: &[Vec<Hypothesis>],
        alpha: f64,
        rng: &mut impl Rng,
    ) -> Vec<(u32, usize)> {
        let mut end = best.len() - 1;
        let most = best[end].first().map_or(0.0, |best| best.score);
        let weights: Vec<f64> =
            best[end].iter().map(|cut| libm::exp(alpha * (cut.score - most))).collect();
        let mut rank = weighted(weights.iter().copied().enumerate(), weights.iter().sum(), rng);
        let mut path = Vec::new();
        while let Some((idx, rank_before)) = best[end][rank].last {
            let node = &self.nodes[idx];
            path.push((node.id, end));
            (end, rank) = (node.start, rank_before);
        }
        path.reverse();
        path
    }
}

/// Draws an item with a probability proportional to its weight; `sum` is that of all weights, which may be off by rounding.
fn weighted(items: impl Iterator<Item = (usize, f64)>, sum: f64, rng: &mut impl Rng) -> usize {
    let mut left = sum * rng.random::<f64>();
    let mut drawn = 0;
    for (item, weight) in items {
        if weight > 0.0 {
            drawn = item;
        }
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    drawn
}
