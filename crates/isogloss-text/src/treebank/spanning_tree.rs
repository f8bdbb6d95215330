//! Maximum spanning tree: single-root dependency decoding by Chu-Liu/Edmonds.
//!
//! Chu and Liu 1965 and Edmonds 1967 find the best arborescence of a directed graph: each node
//! takes its best head, and a cycle is contracted to one node until none is left.
//! The order of contractions is free; along a path of best heads, as in Gabow et al. 1986, each
//! contraction costs its number of nodes times the width of the graph, O(n²) in total.

use crate::treebank::{TreeError, check_tree};

/// Maximum spanning tree (MST) decoding for dependency parsing (Chu-Liu/Edmonds): the single-root
/// tree with the maximum sum of arc scores, as the head of each word.
///
/// The tree always has exactly one root: arcs are compared by the number of root arcs first, fewest
/// best, and by score second.
/// Chu-Liu/Edmonds only adds, subtracts and compares, so is exact for such pairs; a large penalty
/// on root arcs would lose precision, and reattaching surplus roots may miss the best tree.
/// Ties are broken deterministically; sums are in f64.
///
/// ```
/// use isogloss_text::maximum_spanning_tree;
///
/// // Both words score best below the root; the best tree with one root has the second below the first.
/// let scores = [
///     0.0, 0.0, 0.0, // not read
///     5.0, 0.0, 1.0, // the heads of word 1: root, itself (not read), word 2
///     4.0, 3.0, 0.0, // the heads of word 2
/// ];
/// assert_eq!(maximum_spanning_tree(&scores, 2)?, [0, 1]);
/// # Ok::<(), isogloss_text::TreeError>(())
/// ```
///
/// # Shapes
/// - `scores`: `[n_words + 1, n_words + 1]`, row = dependent, column = head, 0 = the root; row 0
///   and the diagonal are not read, and minus infinity forbids an arc
/// - returns: `[n_words]`, 0 for the root, else the index of a word, counted from 1
///
/// # Errors
/// [`TreeError::ScoreCount`] if `scores` has another length, [`TreeError::Score`] for a score that
/// is NaN or plus infinity, and [`TreeError::NoTree`] if minus infinity leaves no tree with one
/// root, or there is no word.
///
/// # Source
/// Stanojević and Cohen 2021, A Root of a Problem: Optimizing Single-Root Dependency Parsing,
/// EMNLP, for the separate weighting of root arcs; they subtract a constant from each root arc, the
/// pairs here are the limit of a large constant.
pub fn maximum_spanning_tree(scores: &[f32], n_words: usize) -> Result<Vec<usize>, TreeError> {
    if let Some(heads) = greedy_heads(scores, n_words) {
        return Ok(heads);
    }
    let mut graph = Graph::new(scores, n_words)?;
    let mut done = vec![false; graph.width];
    done[0] = true;
    for start in 1..graph.width {
        let mut path = if done[start] { vec![] } else { vec![start] };
        while let Some(&slot) = path.last() {
            let head = graph.enter(slot).ok_or(TreeError::NoTree)?;
            if done[head] {
                path.drain(..).for_each(|slot| done[slot] = true);
            } else if let Some(start) = path.iter().position(|&slot| slot == head) {
                let cycle = path.split_off(start);
                cycle.iter().for_each(|&slot| done[slot] = true);
                done[slot] = false;
                graph.contract(slot, &cycle);
                path.push(slot);
            } else {
                path.push(head);
            }
        }
    }
    let heads = graph.expand();
    match heads.iter().filter(|&&head| head == 0).count() {
        1 => Ok(heads),
        _ => Err(TreeError::NoTree),
    }
}

/// Greedy decoding: the best head of each word on its own, if these form a tree with one root, as
/// in most sentences; no tree has a better score.
///
/// `None` also if a score is missing or cannot be compared.
fn greedy_heads(scores: &[f32], n_words: usize) -> Option<Vec<usize>> {
    let width = n_words.checked_add(1)?;
    if width.checked_mul(width) != Some(scores.len()) {
        return None;
    }
    let mut heads = Vec::with_capacity(n_words);
    for (word, row) in scores.chunks(width).enumerate().skip(1) {
        let (mut head, mut best) = (0, f32::NEG_INFINITY);
        for (column, &score) in row.iter().enumerate().filter(|&(column, _)| column != word) {
            if score.is_nan() || score == f32::INFINITY {
                return None;
            }
            if score > best {
                (head, best) = (column, score);
            }
        }
        if best == f32::NEG_INFINITY {
            return None;
        }
        heads.push(head);
    }
    check_tree(&heads).is_ok().then_some(heads)
}

/// Dependency arc, with its score after the contractions so far.
#[derive(Debug, Clone, Copy)]
struct Arc {
    score: f64,
    head: u32,
    word: u32,
}

impl Arc {
    /// Arc comparison: any arc is better than a root arc; otherwise the score decides.
    ///
    /// This compares pairs of the number of root arcs and the score: a cycle never contains a root
    /// arc, so subtracting its arcs leaves that number unchanged.
    fn is_better_than(self, other: Self) -> bool {
        let ordering = (self.head != 0).cmp(&(other.head != 0));
        ordering.then(self.score.total_cmp(&other.score)).is_gt()
    }
}

/// The better of two arcs, the first on a tie.
fn better(first: Option<Arc>, second: Option<Arc>) -> Option<Arc> {
    match (first, second) {
        (Some(one), Some(two)) if two.is_better_than(one) => second,
        (Some(_), _) => first,
        (None, _) => second,
    }
}

/// Graph of Chu-Liu/Edmonds, in which cycles are contracted.
///
/// A slot is a row and column of `arcs`. It holds a node: at first the word of the same number,
/// later a contracted cycle, which takes one slot of the cycle and leaves the others without arcs.
struct Graph {
    width: usize,
    /// The best arc into slot `row` out of slot `column`, at `row * width + column`.
    arcs: Vec<Option<Arc>>,
    /// The node in each slot.
    nodes: Vec<usize>,
    /// For each node, the contracted cycle of which it is a part, itself a node; 0 for none.
    parents: Vec<usize>,
    /// For each node, the selected arc into it; the root has none.
    entering: Vec<Option<Arc>>,
}

impl Graph {
    fn new(scores: &[f32], n_words: usize) -> Result<Self, TreeError> {
        let width = n_words.saturating_add(1);
        let expected = width.saturating_mul(width);
        if scores.len() != expected {
            return Err(TreeError::ScoreCount { n_words, expected, found: scores.len() });
        }
        let mut arcs = vec![None; expected];
        for word in 1..width {
            for head in (0..width).filter(|&head| head != word) {
                let idx = word * width + head;
                let score = scores[idx];
                if score.is_nan() || score == f32::INFINITY {
                    return Err(TreeError::Score { word, head });
                }
                if score != f32::NEG_INFINITY {
                    let small = |number: usize| {
                        u32::try_from(number).expect("a square matrix in memory has a width in u32")
                    };
                    arcs[idx] =
                        Some(Arc { score: score.into(), head: small(head), word: small(word) });
                }
            }
        }
        Ok(Self {
            width,
            arcs,
            nodes: (0..width).collect(),
            parents: vec![0; width],
            entering: vec![None; width],
        })
    }

    /// Selects the best arc into a slot; returns the slot of its head, `None` if there is no arc.
    fn enter(&mut self, slot: usize) -> Option<usize> {
        let row = &self.arcs[slot * self.width..][..self.width];
        let mut best: Option<Arc> = None;
        let mut from = 0;
        for (column, &arc) in row.iter().enumerate() {
            // The comparison keeps the first of equal arcs.
            if let Some(arc) = arc
                && best.is_none_or(|best| arc.is_better_than(best))
            {
                best = Some(arc);
                from = column;
            }
        }
        self.entering[self.nodes[slot]] = best;
        best.map(|_| from)
    }

    /// Contracts the nodes of a cycle to one node, in one of its slots.
    ///
    /// An arc into a member replaces the arc of the cycle into it, so its score is the difference.
    fn contract(&mut self, kept: usize, cycle: &[usize]) {
        let width = self.width;
        let node = self.parents.len();
        let mut into = vec![None; width];
        let mut out_of = vec![None; width];
        for &member in cycle {
            let replaced = self.entering[self.nodes[member]].map_or(0.0, |arc| arc.score);
            for slot in 0..width {
                let arc = self.arcs[member * width + slot].take();
                let arc = arc.map(|arc| Arc { score: arc.score - replaced, ..arc });
                into[slot] = better(into[slot], arc);
                out_of[slot] = better(out_of[slot], self.arcs[slot * width + member].take());
            }
            self.parents[self.nodes[member]] = node;
        }
        // Arcs inside the cycle are no arcs of the new node.
        for &member in cycle {
            into[member] = None;
            out_of[member] = None;
        }
        for slot in 0..width {
            self.arcs[kept * width + slot] = into[slot];
            self.arcs[slot * width + kept] = out_of[slot];
        }
        self.nodes[kept] = node;
        self.parents.push(0);
        self.entering.push(None);
    }

    /// Expands the cycles after an arc is selected into each node: an arc into a cycle replaces the
    /// one into its member; returns the head of each word.
    fn expand(mut self) -> Vec<usize> {
        let widen = |number: u32| usize::try_from(number).expect("usize has 32 bits or more");
        for node in (self.width..self.parents.len()).rev() {
            if let Some(arc) = self.entering[node] {
                let mut member = widen(arc.word);
                while self.parents[member] != node {
                    member = self.parents[member];
                }
                self.entering[member] = Some(arc);
            }
        }
        let words = self.entering.iter().take(self.width).skip(1);
        words.map(|arc| arc.map_or(0, |arc| widen(arc.head))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::maximum_spanning_tree;
    use crate::treebank::{TreeError, check_tree};

    /// All trees with one root over up to seven words.
    static TREES: LazyLock<Vec<Vec<Vec<usize>>>> = LazyLock::new(|| (0..=7).map(trees).collect());

    fn trees(n_words: usize) -> Vec<Vec<usize>> {
        let n_choices = (n_words + 1).pow(u32::try_from(n_words).unwrap());
        let heads = |mut choice: usize| -> Vec<usize> {
            (0..n_words)
                .map(|_| {
                    let head = choice % (n_words + 1);
                    choice /= n_words + 1;
                    head
                })
                .collect()
        };
        (0..n_choices).map(heads).filter(|heads| check_tree(heads).is_ok()).collect()
    }

    fn total(scores: &[f32], heads: &[usize]) -> f64 {
        let width = heads.len() + 1;
        heads.iter().zip(1..).map(|(head, word)| f64::from(scores[word * width + head])).sum()
    }

    /// Checks that the decoded tree has the best score of all trees, or that there is no tree.
    fn is_best(scores: &[f32], n_words: usize) -> Result<(), TestCaseError> {
        let best = TREES[n_words].iter().map(|heads| total(scores, heads)).max_by(f64::total_cmp);
        match (best, maximum_spanning_tree(scores, n_words)) {
            (Some(best), Ok(heads)) => {
                prop_assert_eq!(check_tree(&heads), Ok(()));
                prop_assert!((total(scores, &heads) - best).abs() < 1e-9, "{:?}", heads);
            }
            (best, found) => {
                prop_assert_eq!(found, Err(TreeError::NoTree));
                prop_assert!(best.is_none_or(|best| best == f64::NEG_INFINITY));
            }
        }
        Ok(())
    }

    fn matrix(
        score: impl Strategy<Value = f32> + Clone,
        n_words: impl Strategy<Value = usize>,
    ) -> impl Strategy<Value = (Vec<f32>, usize)> {
        n_words.prop_flat_map(move |n_words| {
            (prop::collection::vec(score.clone(), (n_words + 1).pow(2)), Just(n_words))
        })
    }

    fn tied() -> impl Strategy<Value = f32> + Clone {
        (-3i8..4).prop_map(f32::from)
    }

    fn sparse() -> impl Strategy<Value = f32> + Clone {
        prop_oneof![Just(f32::NEG_INFINITY), tied(), -1e3f32..1e3]
    }

    #[test]
    fn there_are_as_many_trees_as_cayley_counts() {
        let counts: Vec<usize> = TREES.iter().map(Vec::len).collect();
        assert_eq!(counts, [0, 1, 2, 9, 64, 625, 7776, 117_649]);
    }

    proptest! {
        #[test]
        fn no_tree_scores_better((scores, n_words) in matrix(-1e3f32..1e3, 1usize..8)) {
            is_best(&scores, n_words)?;
        }

        #[test]
        fn no_tree_scores_better_where_scores_are_equal((scores, n_words) in matrix(tied(), 1usize..8)) {
            is_best(&scores, n_words)?;
        }

        #[test]
        fn forbidden_arcs_are_not_taken((scores, n_words) in matrix(sparse(), 0usize..8)) {
            is_best(&scores, n_words)?;
        }

        #[test]
        fn any_scores_give_a_tree_or_an_error((scores, n_words) in matrix(any::<f32>(), 0usize..9)) {
            if let Ok(heads) = maximum_spanning_tree(&scores, n_words) {
                prop_assert_eq!(check_tree(&heads), Ok(()));
            }
        }
    }

    #[test]
    fn great_root_scores_bring_no_second_root() {
        #[rustfmt::skip]
        let scores = [
            0.0, 0.0, 0.0, 0.0,
            1e9, 0.0, 1.0, 3.0,
            1e9, 2.0, 0.0, 1.0,
            1e9, 1.0, 2.0, 0.0,
        ];
        is_best(&scores, 3).unwrap();
        assert_eq!(maximum_spanning_tree(&scores, 3).unwrap(), [3, 1, 0]);
    }

    #[test]
    fn scores_that_cannot_be_compared_are_named() {
        let message = |scores: &[f32], n_words| {
            maximum_spanning_tree(scores, n_words).unwrap_err().to_string()
        };
        let mut scores = [0.0; 9];
        scores[7] = f32::NAN;
        let expected = "the score of head 1 for word 2 is neither finite nor minus infinity";
        assert_eq!(message(&scores, 2), expected);
        scores[7] = f32::INFINITY;
        assert_eq!(message(&scores, 2), expected);
        assert_eq!(message(&scores, 3), "expected 16 scores for 3 words and the root, found 9");
        assert_eq!(message(&[0.0], 0), "no tree with one root has a finite score");
        assert!(maximum_spanning_tree(&scores, usize::MAX).is_err());
    }

    #[test]
    fn what_is_not_an_arc_is_not_read() {
        let nan = f32::NAN;
        let scores = [nan, nan, nan, 5.0, nan, 1.0, 4.0, 3.0, nan];
        assert_eq!(maximum_spanning_tree(&scores, 2).unwrap(), [0, 1]);
    }

    #[test]
    fn cycles_in_cycles_of_a_long_sentence_are_resolved() {
        // Words score their neighbors best, better toward the end: each contraction adds a word.
        let n_words = 500;
        let width = n_words + 1;
        let mut scores = vec![0.0; width * width];
        for word in 1..width {
            for head in 0..width {
                let likes = if word.abs_diff(head) == 1 { 1000.0 } else { 0.0 };
                scores[word * width + head] = likes + (word.min(head) as f32);
            }
        }
        let heads = maximum_spanning_tree(&scores, n_words).unwrap();
        check_tree(&heads).unwrap();
        // The root scores lowest at the first word, but a word must take it; the rest is a chain.
        assert_eq!(
            total(&scores, &heads),
            (1..n_words).map(|word| 1000.0 + word as f64).sum::<f64>() + 1000.0
        );
    }
}
