//! Statistical word alignment: IBM model 2 with a diagonal prior, trained by EM, as fast_align
//! (Dyer et al. 2013).

mod prior;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::align::bitext::Side;
use crate::fault::not_positive;
use crate::{Alignment, Bitext, Symmetrization, WordForm};
use prior::Prior;
use table::Table;

/// Translation probability of word pairs that do not co-occur in the training text; from
/// fast_align.
const UNSEEN_PROBABILITY: f64 = 1e-9;

/// Number of gradient steps on the tension after an EM iteration; from fast_align.
const TENSION_STEPS: usize = 8;

/// Learning rate of the gradient steps on the tension; from fast_align.
const TENSION_RATE: f64 = 20.0;

/// Range to which the tension is clamped; from fast_align.
const TENSION_RANGE: (f64, f64) = (0.1, 14.0);

/// Number of text pairs per parallel work item.
///
/// Sums are computed first within and then over work items, so this number determines the rounding,
/// and the number of threads does not.
const GROUP: usize = 128;

/// Hyperparameters of fast_align (Dyer et al. 2013), which train a [`FastAlign`]; the
/// defaults are those of `fast_align -d -o -v`.
///
/// ```
/// use isogloss_text::FastAlignConfig;
///
/// let config = FastAlignConfig { null_probability: 1.0, ..Default::default() };
/// assert_eq!(config.faults(), [("null_probability", "expected [0, 1), found 1".to_owned())]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FastAlignConfig {
    /// Number of EM iterations, `-I` of fast_align: the last one aligns the text, and each one
    /// before it re-estimates the translation probabilities.
    pub iterations: usize,
    /// NULL-word probability p0: the probability that a right word translates no left word.
    pub null_probability: f64,
    /// Initial tension λ: how strongly the prior favors the diagonal, that is, links between words
    /// at the same relative position in their texts.
    pub tension: f64,
    /// Whether to optimize the tension by gradient ascent, from the second iteration on.
    pub optimize_tension: bool,
    /// Concentration α of the Dirichlet prior on the translation probabilities, which are then
    /// estimated by variational Bayes; by maximum likelihood if unset.
    pub variational_bayes: Option<f64>,
}

impl Default for FastAlignConfig {
    fn default() -> Self {
        Self {
            iterations: 5,
            null_probability: 0.08,
            tension: 4.0,
            optimize_tension: true,
            variational_bayes: Some(0.01),
        }
    }
}

impl FastAlignConfig {
    /// Validates the configuration: the field name and the reason of each invalid value.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut expect = |valid: bool, field, expected: &str, found: &dyn std::fmt::Display| {
            if !valid {
                faults.push((field, format!("expected {expected}, found {found}")));
            }
        };
        expect(self.iterations > 0, "iterations", "at least 1", &self.iterations);
        expect(
            (0.0..1.0).contains(&self.null_probability),
            "null_probability",
            "[0, 1)",
            &self.null_probability,
        );
        faults.extend(not_positive("tension", self.tension));
        faults.extend(self.variational_bayes.and_then(|a| not_positive("variational_bayes", a)));
        faults
    }

    /// Trains a word aligner by expectation maximization (EM).
    ///
    /// Pairs with a blank text are skipped.
    /// Training is multi-threaded, and the result is bit-identical for any number of threads.
    ///
    /// The configuration must be valid: [`faults`](Self::faults) must return nothing.
    pub fn train(&self, bitext: &Bitext) -> FastAlign {
        let mut table = Table::new(&bitext.left, &bitext.right);
        let mut tension = self.tension;
        let mut iterations = Vec::new();
        let lengths = Lengths::new(bitext);
        for iteration in 1..self.iterations {
            let prior = Prior { null_probability: self.null_probability, tension };
            let expected = expect(bitext, &prior, &table);
            iterations.push(EmIteration { log_likelihood: expected.log_likelihood, tension });
            if self.optimize_tension && iteration > 1 {
                tension = lengths.fit_tension(tension, expected.feature);
            }
            table.estimate(self.variational_bayes);
        }
        FastAlign {
            form: bitext.form,
            left: bitext.left.clone(),
            right: bitext.right.clone(),
            prior: Prior { null_probability: self.null_probability, tension },
            table,
            iterations,
        }
    }
}

/// Training log of one EM iteration: log-likelihood and tension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmIteration {
    /// Log-likelihood of all right words given the left texts and all lengths, in nats, before the
    /// update of this iteration.
    pub log_likelihood: f64,
    /// The tension λ of this iteration.
    pub tension: f64,
}

/// Trained fast_align model (IBM model 2 with a diagonal prior, Dyer et al. 2013): links each right
/// word to a left word or to none.
///
/// The prior links right word j of m to none of n left words with probability p0, and otherwise to
/// left word i with a probability proportional to exp(−λ |i/n − j/m|), both counted from 1.
/// A table holds the probability of each right word given a left word.
/// A right word has at most one link, a left word any number; for both directions, see
/// [`align_bidirectional`].
///
/// The table takes 25 bytes per word pair that co-occurs in a pair of texts, which is most of the
/// memory.
///
/// # Source
/// Dyer, Chahuneau and Smith 2013, A Simple, Fast, and Effective Reparameterization of IBM Model 2,
/// NAACL; variational Bayes after Riley and Gildea 2012.
///
/// As in the authors' program, and unlike the paper,
/// the gradient of the tension uses positions of right words that are one too low and a norm of the
/// prior with swapped lengths, and the tension is clamped to 0.1 to 14.
///
/// ```
/// use isogloss_text::{Bitext, FastAlignConfig, WordForm};
///
/// let pairs = [("the house", "das Haus"), ("the book", "das Buch"), ("a book", "ein Buch")];
/// let aligner = FastAlignConfig::default().train(&Bitext::from_pairs(pairs, WordForm::Lowercase));
/// assert_eq!(aligner.align("a House", "ein Haus").to_string(), "0-0 1-1");
/// ```
#[derive(Debug)]
pub struct FastAlign {
    form: WordForm,
    left: Arc<Side>,
    right: Arc<Side>,
    prior: Prior,
    table: Table,
    iterations: Vec<EmIteration>,
}

impl FastAlign {
    /// Aligns two texts (Viterbi alignment): links each right word to the most probable left word,
    /// if that is more probable than no link.
    ///
    /// All word pairs that do not co-occur in the training text have the same small probability, so
    /// an unknown word is linked by position alone.
    pub fn align(&self, left: &str, right: &str) -> Alignment {
        let ids = |side: &Side, text: &str| -> Vec<Option<u32>> {
            text.split_whitespace().map(|word| side.id(&self.form.normalize(word))).collect()
        };
        let (left, right) = (ids(&self.left, left), ids(&self.right, right));
        self.best(&left, &right, |source, target| {
            let probability = target.and_then(|target| match source {
                None => Some(self.table.null(target)),
                Some(source) => self.table.probability((*source)?, target),
            });
            probability.unwrap_or(UNSEEN_PROBABILITY)
        })
    }

    /// Translation probability t(right | left); 0 if the words do not co-occur in a pair of
    /// training texts.
    pub fn translation_probability(&self, left: &str, right: &str) -> f64 {
        let ids = self
            .left
            .id(&self.form.normalize(left))
            .zip(self.right.id(&self.form.normalize(right)));
        ids.and_then(|(source, target)| self.table.probability(source, target)).unwrap_or(0.0)
    }

    /// The tension λ after training.
    pub fn tension(&self) -> f64 {
        self.prior.tension
    }

    /// The training log of each EM iteration.
    pub fn iterations(&self) -> &[EmIteration] {
        &self.iterations
    }

    /// The alignments of the training text.
    fn align_known(&self, bitext: &Bitext) -> Vec<Alignment> {
        let align = |idx: usize| {
            let (left, right) = bitext.pair(idx);
            self.best(left, right, |source, &target| match source {
                None => self.table.null(target),
                Some(&source) => {
                    self.table.probability(source, target).unwrap_or(UNSEEN_PROBABILITY)
                }
            })
        };
        (0..bitext.len()).into_par_iter().map(align).collect()
    }

    /// The most probable link of each right word; `translation` returns the probability of a right
    /// word given a left word, or given none.
    fn best<W>(
        &self,
        left: &[W],
        right: &[W],
        translation: impl Fn(Option<&W>, &W) -> f64,
    ) -> Alignment {
        let mut weights = vec![0.0; left.len()];
        let mut links = Vec::new();
        for (j, target) in right.iter().enumerate() {
            self.prior.fill(&mut weights, j + 1, right.len());
            let mut best = (self.prior.null_probability * translation(None, target), None);
            for (i, (source, weight)) in left.iter().zip(&weights).enumerate() {
                let probability = weight * translation(Some(source), target);
                if probability > best.0 {
                    best = (probability, Some(i));
                }
            }
            links.extend(best.1.map(|i| (i, j)));
        }
        links.into_iter().collect()
    }
}

/// Bidirectional word alignment: trains an aligner in each direction, aligns the training text, and
/// symmetrizes the two alignments of each pair.
///
/// The directions are trained one after the other, so peak memory is that of one model.
///
/// # Source
/// `fast_align` and `fast_align -r` with `atools`, as Gaschi et al. 2023 use them for realignment,
/// there with [`Symmetrization::GrowDiagFinalAnd`].
pub fn align_bidirectional(
    config: &FastAlignConfig,
    bitext: &Bitext,
    symmetrization: Symmetrization,
) -> Vec<Alignment> {
    let reversed = bitext.reversed();
    let forward = config.train(bitext).align_known(bitext);
    let backward = config.train(&reversed).align_known(&reversed);
    let join = |(forward, backward): (&Alignment, &Alignment)| {
        symmetrization.join(forward, &backward.reversed())
    };
    forward.par_iter().zip(&backward).map(join).collect()
}

/// Results of the E-step, summed over all right words.
#[derive(Default)]
struct Expected {
    log_likelihood: f64,
    /// The expected relative distance of linked words, negated.
    feature: f64,
}

/// E-step of EM: adds the expected number of links of each word pair to the counts of the table.
fn expect(bitext: &Bitext, prior: &Prior, table: &Table) -> Expected {
    let group = |start: usize| {
        let mut sums = Expected::default();
        let mut scratch = Scratch::default();
        for idx in start..bitext.len().min(start + GROUP) {
            scratch.expect_pair(bitext.pair(idx), prior, table, &mut sums);
        }
        sums
    };
    let sums: Vec<Expected> =
        (0..bitext.len().div_ceil(GROUP)).into_par_iter().map(|idx| group(idx * GROUP)).collect();
    sums.iter().fold(Expected::default(), |sum, part| Expected {
        log_likelihood: sum.log_likelihood + part.log_likelihood,
        feature: sum.feature + part.feature,
    })
}

#[derive(Default)]
struct Scratch {
    weights: Vec<f64>,
    slots: Vec<usize>,
}

impl Scratch {
    fn expect_pair(
        &mut self,
        (left, right): (&[u32], &[u32]),
        prior: &Prior,
        table: &Table,
        sums: &mut Expected,
    ) {
        if left.is_empty() {
            return;
        }
        self.weights.resize(left.len(), 0.0);
        for (j, &target) in right.iter().enumerate() {
            prior.fill(&mut self.weights, j + 1, right.len());
            self.slots.clear();
            let null = prior.null_probability * table.null(target);
            let mut total = null;
            for (&source, weight) in left.iter().zip(&mut self.weights) {
                let slot = table.slot(source, target).expect("the table has all pairs of words");
                self.slots.push(slot);
                *weight *= table.at(source, slot);
                total += *weight;
            }
            table.add_null(target, null / total);
            for (i, (&source, (&slot, weight))) in
                left.iter().zip(self.slots.iter().zip(&self.weights)).enumerate()
            {
                let posterior = weight / total;
                table.add(source, slot, posterior);
                // The right position is 0-based and the left position 1-based, as in fast_align.
                sums.feature += prior::feature(j, i + 1, right.len(), left.len()) * posterior;
            }
            sums.log_likelihood += total.ln();
        }
    }
}

/// Histogram of text lengths: the number of text pairs for each pair of lengths, right before left.
struct Lengths {
    n_pairs: BTreeMap<(usize, usize), usize>,
    n_right_words: usize,
}

impl Lengths {
    fn new(bitext: &Bitext) -> Self {
        let mut n_pairs = BTreeMap::new();
        let mut n_right_words = 0;
        for (left, right) in (0..bitext.len()).map(|idx| bitext.pair(idx)) {
            if !left.is_empty() && !right.is_empty() {
                *n_pairs.entry((right.len(), left.len())).or_insert(0) += 1;
                n_right_words += right.len();
            }
        }
        Self { n_pairs, n_right_words }
    }

    /// Optimizes the tension by gradient ascent, which moves the expected feature of the prior
    /// toward that of the posterior, `feature`, summed over all words.
    fn fit_tension(&self, mut tension: f64, feature: f64) -> f64 {
        if self.n_right_words == 0 {
            return tension;
        }
        let n_words = self.n_right_words as f64;
        let lengths: Vec<_> = self.n_pairs.iter().collect();
        for _ in 0..TENSION_STEPS {
            let parts: Vec<f64> = lengths
                .par_iter()
                .map(|&(&(n_right, n_left), &n_pairs)| {
                    let features =
                        (1..=n_right).map(|j| prior::model_feature(j, n_right, n_left, tension));
                    n_pairs as f64 * features.sum::<f64>()
                })
                .collect();
            let gradient = (feature - parts.iter().sum::<f64>()) / n_words;
            tension = (tension + TENSION_RATE * gradient).clamp(TENSION_RANGE.0, TENSION_RANGE.1);
        }
        tension
    }
}
