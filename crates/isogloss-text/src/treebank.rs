//! Treebanks: sentences with dependency trees, in the CoNLL-U format.
//!
//! A lossless document model, with validation ([`check_tree`]), decoding
//! ([`maximum_spanning_tree`]) and evaluation ([`score_parses`]) of dependency trees.
//! Enhanced dependencies (DEPS) are kept as text and not interpreted.
//!
//! The format is that of Universal Dependencies, <https://universaldependencies.org/format.html>.

mod alignment;
mod parse;
mod scores;
mod spanning_tree;
mod token_id;
mod tree;
mod universal;

use std::fmt;
use std::iter;
use std::path::Path;
use std::sync::Arc;

pub(crate) use parse::parse;
pub use scores::{MatchCounts, ParseScores, score_parses};
pub use spanning_tree::maximum_spanning_tree;
pub use token_id::TokenId;
pub use tree::{TreeError, check_tree};
pub use universal::Subtypes;

use crate::{LineProblem, Origin, TextError};

/// The cell of a column without a value.
pub(crate) const NO_VALUE: &str = "_";

/// Treebank: the sentences of a CoNLL-U file.
///
/// Its [`Display`](fmt::Display) output is the file: a treebank that
/// [`read_treebank`](crate::read_treebank) read from a valid file is written as the same bytes.
/// A byte order mark, CRLF line ends and superfluous empty lines, which the reader also accepts,
/// are removed, and a missing empty line after the last sentence is added.
///
/// ```
/// use isogloss_text::{read_treebank, score_parses};
///
/// let file = "# text = zum Tor\n\
///     1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_\n\
///     1\tzu\tzu\tADP\t_\t_\t3\tcase\t_\t_\n\
///     2\tdem\tder\tDET\t_\t_\t3\tdet\t_\t_\n\
///     3\tTor\tTor\tNOUN\t_\t_\t0\troot\t_\t_\n\n";
/// let gold = read_treebank(file.as_bytes(), "gold.conllu".as_ref())?;
/// assert_eq!(gold.to_string(), file);
/// assert_eq!(gold.sentences[0].heads()?, [3, 3, 0]);
///
/// let mut parsed = gold.clone();
/// parsed.sentences[0].set_tree(&[2, 3, 0], &["case", "det", "root"]).expect("these heads are words");
/// let scores = score_parses(&gold, &parsed)?;
/// assert_eq!(scores.las.f1(), 2.0 / 3.0);
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treebank {
    /// The path of the file, as in error messages.
    pub path: Arc<Path>,
    /// The sentences in the order of the file.
    pub sentences: Vec<Sentence>,
}

impl fmt::Display for Treebank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentences.iter().try_for_each(|sentence| sentence.fmt(f))
    }
}

/// Sentence of a treebank: comments, words, multiword tokens and empty nodes.
///
/// Its rows are always in order; [`Display`](fmt::Display) writes them with an empty line after the
/// last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    origin: Origin,
    comments: Vec<String>,
    words: Vec<Word>,
    multiword_tokens: Vec<MultiwordToken>,
    empty_nodes: Vec<EmptyNode>,
}

/// Columns of a CoNLL-U row, except its ID.
///
/// A column without a value is `_`; in `form` and `lemma` this may also be the character itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// FORM: the word form, which may contain spaces.
    pub form: String,
    /// LEMMA: the lemma.
    pub lemma: String,
    /// UPOS: the universal part-of-speech tag.
    pub upos: String,
    /// XPOS: the language-specific part-of-speech tag.
    pub xpos: String,
    /// FEATS: the morphological features, `Name=Value` separated by `|`.
    pub feats: String,
    /// HEAD: 0 for the root, else the index of a word of the sentence, counted from 1; `None` for
    /// `_`.
    pub head: Option<usize>,
    /// DEPREL: the dependency relation to the head, with its subtype, as in `acl:relcl`.
    pub deprel: String,
    /// DEPS: the enhanced dependencies, as text.
    pub deps: String,
    /// MISC: any other annotation, such as `SpaceAfter=No`.
    pub misc: String,
}

/// Multiword token: one token of several words, such as `1-2 zum` of `zu` and `dem`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiwordToken {
    /// First word of the range, counted from 1.
    pub first: usize,
    /// Last word of the range.
    pub last: usize,
    /// CoNLL-U columns of the multiword token, of which `form` and `misc` have values.
    pub columns: Word,
}

/// Empty node: a node of the enhanced dependency graph without a word, such as `8.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptyNode {
    /// The word it follows, counted from 1; 0 at the start of the sentence.
    pub after: usize,
    /// Empty-node number: its number among the nodes after this word, counted from 1.
    pub number: usize,
    /// CoNLL-U columns of the node.
    pub columns: Word,
}

/// One row of a sentence.
pub(crate) struct Row<'a> {
    pub(crate) id: TokenId,
    pub(crate) columns: &'a Word,
}

impl Sentence {
    /// Source location: the file, and the line of the first comment or row.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The comments before the first row, each with its `#`.
    pub fn comments(&self) -> &[String] {
        &self.comments
    }

    /// The words of the tree, at least one; the word at index `i` has the ID `i + 1`.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The form of each word.
    pub fn forms(&self) -> Vec<String> {
        self.words.iter().map(|word| word.form.clone()).collect()
    }

    /// The multiword tokens, in order, without overlap.
    pub fn multiword_tokens(&self) -> &[MultiwordToken] {
        &self.multiword_tokens
    }

    /// The empty nodes, in order.
    pub fn empty_nodes(&self) -> &[EmptyNode] {
        &self.empty_nodes
    }

    /// The head of each word: 0 for the root, else the index of a word, counted from 1.
    ///
    /// # Errors
    /// [`TreeError::NoHead`] with the line of the first word without a head.
    pub fn heads(&self) -> Result<Vec<usize>, TextError> {
        let heads = self.words.iter().zip(1..);
        let heads = heads.map(|(word, id)| word.head.ok_or(TreeError::NoHead { word: id }));
        heads.collect::<Result<_, _>>().map_err(|error| self.fault(error))
    }

    /// Validates the dependency tree: the heads must form a tree with one root.
    ///
    /// # Errors
    /// The errors of [`check_tree`], or [`TreeError::NoHead`] for a word without a head, with its
    /// line.
    pub fn check_tree(&self) -> Result<(), TextError> {
        check_tree(&self.heads()?).map_err(|error| self.fault(error))
    }

    /// Sets the head and the dependency relation of each word; all other columns, including DEPS,
    /// are unchanged.
    ///
    /// Any heads within the sentence are accepted; [`check_tree`] checks whether they form a tree.
    ///
    /// # Errors
    /// [`TreeError`] if there is not one head and one relation for each word, a head is beyond the
    /// sentence, or a relation is not a valid cell; the sentence is then unchanged.
    pub fn set_tree(
        &mut self,
        heads: &[usize],
        deprels: &[impl AsRef<str>],
    ) -> Result<(), TreeError> {
        let n_words = self.words.len();
        for found in [heads.len(), deprels.len()] {
            if found != n_words {
                return Err(TreeError::WordCount { expected: n_words, found });
            }
        }
        tree::check_range(heads)?;
        check_cells(deprels)?;
        for ((word, &head), deprel) in self.words.iter_mut().zip(heads).zip(deprels) {
            word.head = Some(head);
            word.deprel = deprel.as_ref().to_owned();
        }
        Ok(())
    }

    /// Sets the universal part-of-speech tag (UPOS) of each word; all other columns are unchanged.
    ///
    /// # Errors
    /// [`TreeError`] if there is not one tag for each word, or a tag is not a valid cell; the
    /// sentence is then unchanged.
    pub fn set_upos(&mut self, tags: &[impl AsRef<str>]) -> Result<(), TreeError> {
        if tags.len() != self.words.len() {
            return Err(TreeError::WordCount { expected: self.words.len(), found: tags.len() });
        }
        check_cells(tags)?;
        for (word, tag) in self.words.iter_mut().zip(tags) {
            word.upos = tag.as_ref().to_owned();
        }
        Ok(())
    }

    /// Iterates over all rows in the order of the file: an empty node follows its word, a range
    /// precedes its words.
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut empty_nodes = self.empty_nodes.iter().peekable();
        let mut multiword_tokens = self.multiword_tokens.iter().peekable();
        let mut n_words = 0;
        iter::from_fn(move || {
            if let Some(node) = empty_nodes.next_if(|node| node.after == n_words) {
                let id = TokenId::Empty(node.after, node.number);
                return Some(Row { id, columns: &node.columns });
            }
            if let Some(token) = multiword_tokens.next_if(|token| token.first == n_words + 1) {
                let id = TokenId::Range(token.first, token.last);
                return Some(Row { id, columns: &token.columns });
            }
            let columns = self.words.get(n_words)?;
            n_words += 1;
            Some(Row { id: TokenId::Word(n_words), columns })
        })
    }

    /// Iterates over all rows with their line numbers in the file.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, Row<'_>)> {
        (self.origin.line + self.comments.len()..).zip(self.rows())
    }

    /// The line number of a row, or of the first row if there is no such row.
    pub(crate) fn line(&self, id: TokenId) -> usize {
        let line = self.lines().find(|(_, row)| row.id == id).map(|(line, _)| line);
        line.unwrap_or(self.origin.line + self.comments.len())
    }

    fn fault(&self, error: TreeError) -> TextError {
        let word = error.word().unwrap_or(1);
        self.word_fault(word, LineProblem::Tree { source: error })
    }

    /// The error that names the line of a word, counted from 1.
    pub(crate) fn word_fault(&self, word: usize, problem: LineProblem) -> TextError {
        TextError::Line {
            path: self.origin.path.to_path_buf(),
            line: self.line(TokenId::Word(word)),
            column: None,
            problem,
        }
    }
}

/// Checks that each value, one per word, is a valid cell of a CoNLL-U file.
fn check_cells(values: &[impl AsRef<str>]) -> Result<(), TreeError> {
    for (value, word) in values.iter().map(AsRef::as_ref).zip(1..) {
        if value.trim().is_empty() || value.contains(['\t', '\n', '\r']) {
            return Err(TreeError::Cell { word, found: value.to_owned() });
        }
    }
    Ok(())
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for comment in &self.comments {
            writeln!(f, "{comment}")?;
        }
        for Row { id, columns } in self.rows() {
            writeln!(f, "{id}\t{columns}")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { form, lemma, upos, xpos, feats, head, deprel, deps, misc } = self;
        write!(f, "{form}\t{lemma}\t{upos}\t{xpos}\t{feats}\t")?;
        match head {
            Some(head) => write!(f, "{head}")?,
            None => f.write_str(NO_VALUE)?,
        }
        write!(f, "\t{deprel}\t{deps}\t{misc}")
    }
}

#[cfg(test)]
mod tests;
