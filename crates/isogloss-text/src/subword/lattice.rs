//! Segmentation lattice of a Unigram model: forward-filtering backward-sampling, and n-best
//! sampling (Kudo 2018).

use rand::Rng;
use tokenizers::Token;
use tokenizers::models::unigram::Unigram;

use crate::subword::token;
use crate::subword::trie::Trie;

/// Penalty of an unknown character, subtracted from the minimum score of all pieces, as in
/// SentencePiece and `tokenizers`.
const UNKNOWN_PENALTY: f64 = 10.0;

/// Vocabulary of a Unigram model: pieces with their log-probabilities.
#[derive(Debug)]
pub(super) struct Pieces {
    trie: Trie,
    /// The score of each piece, by id.
    scores: Vec<f64>,
    /// The id and the score of an unknown character.
    unknown: Option<(u32, f64)>,
    /// Byte-fallback pieces: the piece of each byte; empty for a model without byte fallback.
    bytes: Vec<Option<u32>>,
}

/// Segmentation lattice of one word: all matching pieces, as nodes.
///
/// Positions are byte offsets between two characters.
#[derive(Debug, Default)]
pub(super) struct Lattice {
    nodes: Vec<Node>,
    /// The last node that ends at each position, the head of a linked list of such nodes.
    ending: Vec<Option<usize>>,
    /// Forward variable: the log of the sum of `exp(alpha * score)` over all segmentations of the
    /// word up to each position.
    log_sums: Vec<f64>,
}

/// Lattice node: a piece at a position of the word.
#[derive(Debug, Clone, Copy)]
struct Node {
    id: u32,
    start: usize,
    score: f64,
    /// As `log_sums`, over all segmentations up to its end that end with this piece.
    log_sum: f64,
    /// The previous node that ends at the same position, in the linked list.
    other: Option<usize>,
}

/// One of the n-best segmentations of the word up to a position.
#[derive(Debug, Clone, Copy)]
struct Hypothesis {
    score: f64,
    /// Back-pointer: the node of the last piece, and the rank of the segmentation before it.
    last: Option<(usize, usize)>,
}

impl Pieces {
    /// Reads the vocabulary of a model; `unk_id` is the id of its unknown piece.
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

    /// Samples a segmentation with a probability proportional to `exp(alpha * score)`, among all or
    /// among the `n_best` of the highest score.
    ///
    /// `None` if the word has no segmentation into these pieces.
    ///
    /// # Source
    /// Kudo 2018, Subword Regularization, arXiv:1804.10959; among all segmentations by forward
    /// filtering, backward sampling (Scott 2002, Bayesian Methods for Hidden Markov Models).
    pub(super) fn sample(
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
        // Not finite if the word has no segmentation, or if scores overflow.
        if !lattice.log_sums.last()?.is_finite() {
            return None;
        }
        let path = match n_best {
            None => lattice.sample(rng),
            Some(n_best) => lattice.sample_n_best(&lattice.n_best(n_best), alpha, rng),
        };
        Some(self.tokens(word, &path))
    }

    /// The tokens of a segmentation; adjacent unknown characters are one token, as in `tokenizers`.
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

    /// Adds the tokens of unknown characters at `start..end`: a piece of all of them, byte-fallback
    /// pieces, or the unknown piece.
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
    /// Resets the lattice for a word of `n_bytes`.
    fn clear(&mut self, n_bytes: usize) {
        self.nodes.clear();
        self.ending.clear();
        self.ending.resize(n_bytes + 1, None);
        self.log_sums.clear();
        self.log_sums.resize(n_bytes + 1, f64::NEG_INFINITY);
        self.log_sums[0] = 0.0;
    }

    /// Adds a node at `start..end`; the forward variable of `start` must be known.
    fn push(&mut self, id: u32, start: usize, end: usize, score: f64, alpha: f64) {
        let log_sum = self.log_sums[start] + alpha * score;
        let other = self.ending[end].replace(self.nodes.len());
        self.nodes.push(Node { id, start, score, log_sum, other });
    }

    /// Computes the forward variable of a position.
    fn sum(&mut self, end: usize) {
        let most =
            self.ending_at(end).map(|(_, node)| node.log_sum).fold(f64::NEG_INFINITY, f64::max);
        if most > f64::NEG_INFINITY {
            let sum: f64 =
                self.ending_at(end).map(|(_, node)| libm::exp(node.log_sum - most)).sum();
            self.log_sums[end] = most + libm::log(sum);
        }
    }

    /// Iterates over the nodes that end at a position, with their indices.
    fn ending_at(&self, end: usize) -> impl Iterator<Item = (usize, &Node)> {
        let node = |idx: usize| Some((idx, self.nodes.get(idx)?));
        let last = self.ending[end].and_then(node);
        std::iter::successors(last, move |(_, node_after)| node_after.other.and_then(node))
    }

    /// Backward sampling: samples a segmentation from the end of the word; returns the id and the
    /// end of each piece.
    fn sample(&self, rng: &mut impl Rng) -> Vec<(u32, usize)> {
        let mut path = Vec::new();
        let mut end = self.log_sums.len() - 1;
        while end > 0 {
            let sum = self.log_sums[end];
            let weights =
                self.ending_at(end).map(|(idx, node)| (idx, libm::exp(node.log_sum - sum)));
            let node = &self.nodes[sample_weighted(weights, 1.0, rng)];
            path.push((node.id, end));
            end = node.start;
        }
        path.reverse();
        path
    }

    /// The n-best segmentations of each prefix of the word, the best first.
    fn n_best(&self, n_best: usize) -> Vec<Vec<Hypothesis>> {
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

    /// Samples one of the n-best segmentations; returns the id and the end of each piece.
    fn sample_n_best(
        &self,
        best: &[Vec<Hypothesis>],
        alpha: f64,
        rng: &mut impl Rng,
    ) -> Vec<(u32, usize)> {
        let mut end = best.len() - 1;
        let most = best[end].first().map_or(0.0, |best| best.score);
        let weights: Vec<f64> =
            best[end].iter().map(|cut| libm::exp(alpha * (cut.score - most))).collect();
        let mut rank =
            sample_weighted(weights.iter().copied().enumerate(), weights.iter().sum(), rng);
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

/// Weighted sampling: samples an item with a probability proportional to its weight; `sum` is the
/// sum of all weights, up to rounding.
fn sample_weighted(
    items: impl Iterator<Item = (usize, f64)>,
    sum: f64,
    rng: &mut impl Rng,
) -> usize {
    let mut left = sum * rng.random::<f64>();
    let mut sampled = 0;
    for (item, weight) in items {
        if weight > 0.0 {
            sampled = item;
        }
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    sampled
}
