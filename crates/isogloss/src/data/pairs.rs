//! Parallel corpus with word alignments, for training and held out.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;

use isogloss_text::{
    Alignment, Bitext, Dictionary, DictionaryAligner, Language, SentencePair, align_bidirectional,
    read_alignments, read_pair_file,
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
    /// Whether the words of each batch are aligned in training, by the model itself.
    pub aligned_in_training: bool,
}

/// How the words of pairs are aligned when the pairs are read.
#[derive(Clone, Copy)]
pub enum PairLinks<'a> {
    /// Not at all.
    None,
    /// By the aligner of the recipe, if that is no encoder.
    Aligner,
    /// By the encoder of the recipe: a function from pairs to their alignments.
    Encoder(&'a AlignPairs<'a>),
}

/// A function from pairs to their word alignments.
pub type AlignPairs<'a> = dyn Fn(&[SentencePair]) -> Result<Vec<Alignment>, Error> + 'a;

/// Sentence pair with its word alignment.
#[derive(Clone, Debug)]
pub struct LinkedPair {
    /// The sentences.
    pub pair: SentencePair,
    /// Word alignment of words between whitespace; empty without an aligner, or if they are aligned
    /// in training.
    pub links: Alignment,
}

impl PairSet {
    /// Reads the pairs of every language of a recipe, and aligns their words.
    ///
    /// # Errors
    /// If a file is missing, faulty, or has nothing to train on.
    pub fn read_all(recipe: &PairsRecipe, links: PairLinks<'_>) -> Result<Vec<Self>, Error> {
        let languages = recipe.languages.with_files(&recipe.path)?;
        languages.into_iter().map(|language| Self::read(recipe, language, links)).collect()
    }

    fn read(recipe: &PairsRecipe, language: Language, links: PairLinks<'_>) -> Result<Self, Error> {
        let path = recipe.path.find(&language)?;
        let pairs = read_pair_file(&path, recipe.quoting)?;
        let held_out = held_out(&pairs, recipe.held_out);
        let texts: HashSet<&str> =
            held_out.iter().flat_map(|at| [pairs[*at].left.as_str(), &pairs[*at].right]).collect();
        let is_new = |at: &usize| {
            let pair = &pairs[*at];
            !texts.contains(pair.left.as_str()) && !texts.contains(pair.right.as_str())
        };
        let known = (0..pairs.len()).filter(is_new).take(recipe.limit.unwrap_or(usize::MAX));
        let known: Vec<usize> = known.collect();
        let of_known = || known.iter().map(|at| pairs[*at].clone()).collect::<Vec<_>>();
        let links = match (&recipe.aligner, links) {
            (Some(_), PairLinks::Encoder(align)) => Some(align(&of_known())?),
            (Some(aligner), PairLinks::Aligner) => {
                let links = aligner.link(&pairs, &language)?;
                links.map(|links| known.iter().map(|at| links[*at].clone()).collect())
            }
            _ => None,
        };
        let (mut train, mut n_unlinked) = (Vec::new(), 0);
        for (at, pair) in of_known().into_iter().enumerate() {
            let links =
                links.as_ref().map(|links: &Vec<Alignment>| trained_links(&links[at], &pair));
            if links.as_ref().is_some_and(Alignment::is_empty) {
                n_unlinked += 1;
            } else {
                train.push(LinkedPair { pair, links: links.unwrap_or_default() });
            }
        }
        if train.is_empty() {
            return Err(DataError::NoPairLeft { path, n_unlinked }.into());
        }
        let held_out = held_out.into_iter().map(|at| pairs[at].clone()).collect();
        let in_training = |aligner: &AlignerRecipe| aligner.by_trained_model().is_some();
        let aligned_in_training = recipe.aligner.as_ref().is_some_and(in_training);
        Ok(Self { language, path, train, held_out, n_unlinked, aligned_in_training })
    }
}

/// Links that are trained on (Gaschi et al. 2023): one-to-one, between words that are written
/// differently.
pub(crate) fn trained_links(links: &Alignment, pair: &SentencePair) -> Alignment {
    links.one_to_one().without_identical(&pair.left, &pair.right)
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
    /// Aligns the words of all pairs of a file; `None` for an encoder.
    fn link(
        &self,
        pairs: &[SentencePair],
        language: &Language,
    ) -> Result<Option<Vec<Alignment>>, Error> {
        let texts = || pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
        Ok(Some(match self {
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
            Self::Statistical(table) => {
                let bitext = Bitext::from_pairs(texts(), table.words);
                align_bidirectional(&table.config(), &bitext, table.symmetrization)
            }
            Self::Encoder(_) => return Ok(None),
            Self::Pharaoh { path } => {
                let path = path.find(language)?;
                let file = File::open(&path).map_err(io(&path))?;
                let count = |text: &str| text.split_whitespace().count();
                let n_words: Vec<_> = texts().map(|(l, r)| (count(l), count(r))).collect();
                read_alignments(file, &path, &n_words)?
            }
        }))
    }
}
