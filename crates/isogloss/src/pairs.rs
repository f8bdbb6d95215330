//! Pairs of sentences in two languages: what alignment learns from, and what it is tested on.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use isogloss_methods::LanguageSampling;
use isogloss_text::{
    Alignment, Bitext, DiagonalAlignerConfig, Dictionary, DictionaryAligner, Language,
    SentencePair, Symmetrization, WordForm, align_both_ways, read_alignments, read_pair_file,
};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::io;
use crate::recipe::Languages;

/// The `[pairs]` table: sentences and their translations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairsRecipe {
    /// The files, a pair a line between a tab; `{language}` stands for the language of the right side.
    pub path: String,
    /// Those languages.
    pub languages: Languages,
    /// Pairs of one pass through the model.
    pub batch_size: usize,
    /// Tokens after which a sentence is cut, specials included.
    pub max_length: usize,
    /// Pairs of each language that are trained on, the first of the file; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Pairs of each language that are kept for tests, evenly from the whole file.
    pub held_out: usize,
    /// How the language of each batch is drawn.
    pub sampling: LanguageSampling,
    /// How words are linked, for objectives that realign them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aligner: Option<AlignerRecipe>,
}

impl Default for PairsRecipe {
    fn default() -> Self {
        Self {
            path: String::new(),
            languages: Languages::All,
            batch_size: 16,
            max_length: 96,
            limit: None,
            held_out: 0,
            sampling: LanguageSampling::default(),
            aligner: None,
        }
    }
}

/// Where the links of words come from.
///
/// Of whichever links there are, only those remain that are one to one and not of a word to itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AlignerRecipe {
    /// Bilingual dictionaries, a word and a translation a line; see [`DictionaryAligner`].
    Dictionary {
        /// The files, from the left language to `{language}`.
        path: String,
        /// The files from `{language}` to the left language; the others, turned round, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reverse_path: Option<String>,
        /// Which words count as the same.
        #[serde(default)]
        words: WordForm,
    },
    /// A model of how words are translated and moved, learnt from the pairs; see
    /// [`align_both_ways`].
    Statistical {},
    /// Files of links, a line for each pair, as `isogloss align` and other aligners write them.
    Pharaoh {
        /// The files.
        path: String,
    },
}

/// The pairs of one language.
#[derive(Clone, Debug)]
pub struct PairSet {
    /// The language of the right side.
    pub language: Language,
    /// The file.
    pub path: PathBuf,
    /// Trained on.
    pub train: Vec<LinkedPair>,
    /// Never trained on.
    pub held_out: Vec<SentencePair>,
    /// Pairs left out because no two of their words were linked.
    pub n_unlinked: usize,
}

/// A pair, and which of its words translate each other.
#[derive(Clone, Debug)]
pub struct LinkedPair {
    /// The sentences.
    pub pair: SentencePair,
    /// Links of words between whitespace; none where no aligner is asked for.
    pub links: Alignment,
}

impl PairSet {
    /// Reads the pairs of every language that a recipe names, and links their words if `linked`.
    ///
    /// # Errors
    /// If a file is missing, faulty, or has nothing to train on.
    pub fn read_all(recipe: &PairsRecipe, linked: bool) -> Result<Vec<Self>, Error> {
        let languages = recipe.languages.with_files(&recipe.path)?;
        languages.into_iter().map(|language| Self::read(recipe, language, linked)).collect()
    }

    fn read(recipe: &PairsRecipe, language: Language, linked: bool) -> Result<Self, Error> {
        let path = file_of(&recipe.path, &language);
        let pairs = read_pair_file(&path)?;
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
            let problem = match n_unlinked {
                0 => "no pair is left to train on: all are held out".to_owned(),
                n => format!("no pair is left to train on: no words of {n} pairs were linked"),
            };
            return Err(Error::Damaged { path, problem });
        }
        let held_out = held_out.into_iter().map(|at| pairs[at].clone()).collect();
        Ok(Self { language, path, train, held_out, n_unlinked })
    }
}

/// The places of `n` pairs, evenly over the file, of which no two share a sentence.
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
    /// The paths that must hold `{language}`, by field.
    pub(crate) fn paths(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Dictionary { path, reverse_path, .. } => {
                let reverse = reverse_path.iter().map(|path| ("dictionary.reverse_path", &**path));
                std::iter::once(("dictionary.path", path.as_str())).chain(reverse).collect()
            }
            Self::Statistical {} => Vec::new(),
            Self::Pharaoh { path } => vec![("pharaoh.path", path)],
        }
    }

    fn link(&self, pairs: &[SentencePair], language: &Language) -> Result<Vec<Alignment>, Error> {
        let texts = || pairs.iter().map(|pair| (pair.left.as_str(), pair.right.as_str()));
        Ok(match self {
            Self::Dictionary { path, reverse_path, words } => {
                let forward = Dictionary::read(&file_of(path, language))?;
                let backward = match reverse_path {
                    Some(path) => Dictionary::read(&file_of(path, language))?,
                    None => forward.inverted(),
                };
                let aligner = DictionaryAligner::new(forward, backward).with_form(*words);
                aligner.align_all(pairs)
            }
            Self::Statistical {} => {
                let bitext = Bitext::from_pairs(texts(), WordForm::Bare);
                let symmetrization = Symmetrization::default();
                align_both_ways(&DiagonalAlignerConfig::default(), &bitext, symmetrization)
            }
            Self::Pharaoh { path } => {
                let path = file_of(path, language);
                let file = File::open(&path).map_err(io(&path))?;
                let count = |text: &str| text.split_whitespace().count();
                let n_words: Vec<_> = texts().map(|(l, r)| (count(l), count(r))).collect();
                read_alignments(file, &path, &n_words)?
            }
        })
    }
}

/// The file of one language.
fn file_of(path: &str, language: &Language) -> PathBuf {
    Path::new(&path.replace("{language}", language.as_str())).to_owned()
}
