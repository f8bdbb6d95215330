//! Parallel corpus with word alignments, for training and held out.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;

use isogloss_text::{
    Alignment, Bitext, Dictionary, DictionaryAligner, FastAlignConfig, Language, SentencePair,
    Symmetrization, WordForm, align_bidirectional, read_alignments, read_pair_file,
};

use crate::Error;
use crate::error::{DataError, io};
use crate::recipe::{AlignerRecipe, PairsRecipe};

/// Parallel corpus of one language.
#[derive(Clone, Debug)]
pub struct PairSet {
    /// The language of the right side.
    pub language: Language,
    /// The file.
    pub path: PathBuf,
    /// Training pairs.
    pub train: Vec<LinkedPair>,
    /// Held-out pairs, never trained on.
    pub held_out: Vec<SentencePair>,
    /// Pairs left out because their word alignment is empty.
    pub n_unlinked: usize,
}

/// Sentence pair with its word alignment.
#[derive(Clone, Debug)]
pub struct LinkedPair {
    /// The sentences.
    pub pair: SentencePair,
    /// Word alignment of words between whitespace; empty without an aligner.
    pub links: Alignment,
}

impl PairSet {
    /// Reads the pairs of every language of a recipe, and aligns their words if `linked`.
    ///
    /// # Errors
    /// If a file is missing, faulty, or has nothing to train on.
    pub fn read_all(recipe: &PairsRecipe, linked: bool) -> Result<Vec<Self>, Error> {
        let languages = recipe.languages.with_files(&recipe.path)?;
        languages.into_iter().map(|language| Self::read(recipe, language, linked)).collect()
    }

    fn read(recipe: &PairsRecipe, language: Language, linked: bool) -> Result<Self, Error> {
        let path = recipe.path.find(&language)?;
        let pairs = read_pair_file(&path, recipe.quoting)?;
        let links = match (&recipe.aligner, linked) {
            (Some(aligner), true) => aligner.link(&pairs, &language)?,
            _ => vec![Alignment::default(); pairs.len()],
        };
        let held_out = held_out(&pairs, recipe.held_out);
        let texts: HashSet<&str> =
            held_out.iter().flat_map(|at| [pairs[*at].left.as_str(), &pairs[*at].right]).collect();
        let is_new = |pair: &SentencePair| {
            !texts.contains(pair.left.as_str()) && !texts.contains(pair.right.as_str())
        };
        let known = pairs.iter().zip(links).filter(|(pair, _)| is_new(pair));
        let (mut train, mut n_unlinked) = (Vec::new(), 0);
        for (pair, links) in known.take(recipe.limit.unwrap_or(usize::MAX)) {
            let links = links.one_to_one().without_identical(&pair.left, &pair.right);
            if linked && links.is_empty() {
                n_unlinked += 1;
            } else {
                train.push(LinkedPair { pair: pair.clone(), links });
            }
        }
        if train.is_empty() {
            return Err(DataError::NoPairLeft { path, n_unlinked }.into());
        }
        let held_out = held_out.into_iter().map(|at| pairs[at].clone()).collect();
        Ok(Self { language, path, train, held_out, n_unlinked })
    }
}

/// Indices of `n` held-out pairs, spread evenly over the file, of which no two share a sentence.
fn held_out(pairs: &[SentencePair], n: usize) -> Vec<usize> {
    let mut seen = HashSet::new();
    let distinct: Vec<usize> = (0..pairs.len())
        .filter(|at| {
            let (left, right) = (pairs[*at].left.trim(), pairs[*at].right.trim());
            let is_new = !seen.contains(&(0, left)) && !seen.contains(&(1, right));
            seen.extend([(0, left), (1, right)]);
            is_new
        })
        .collect();
    let n = n.min(distinct.len());
    (0..n).map(|i| distinct[i * distinct.len() / n]).collect()
}

impl AlignerRecipe {
    fn link(&self, pairs: &[SentencePair], language: &Language) -> Result<Vec<Alignment>, Error> {
        let texts = || pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
        Ok(match self {
            Self::Dictionary { path, reverse_path, words, rule } => {
                let forward = Dictionary::read(&path.find(language)?)?;
                let backward = match reverse_path {
                    Some(path) => Dictionary::read(&path.find(language)?)?,
                    None => forward.inverted(),
                };
                let aligner = DictionaryAligner::new(forward, backward);
                let aligner = aligner.with_form(*words).with_rule(*rule);
                aligner.align_all(pairs)
            }
            Self::Statistical {} => {
                let bitext = Bitext::from_pairs(texts(), WordForm::Bare);
                let symmetrization = Symmetrization::default();
                align_bidirectional(&FastAlignConfig::default(), &bitext, symmetrization)
            }
            Self::Pharaoh { path } => {
                let path = path.find(language)?;
                let file = File::open(&path).map_err(io(&path))?;
                let count = |text: &str| text.split_whitespace().count();
                let n_words: Vec<_> = texts().map(|(l, r)| (count(l), count(r))).collect();
                read_alignments(file, &path, &n_words)?
            }
        })
    }
}
