//! Dependency tree decoding: maximum spanning trees (Chu-Liu/Edmonds) of a parser's scores.

use burn::tensor::{Tensor, TensorData};
use isogloss_model::{ForwardOptions, Model, ModelInput};
use isogloss_text::{Sentence, TreeError, WordTargets, maximum_spanning_tree};

use crate::Error;
use crate::error::ToolError;
use crate::ground::outputs::{argmax, check_finite};
use crate::ground::tensors::host_values;

/// Dependency tree over all words of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree<'a> {
    heads: Vec<usize>,
    relations: Vec<&'a str>,
    tags: Option<Vec<&'a str>>,
}

/// Relation and tag of a word without a token, whose head is the root word of the sentence.
const LOST_RELATION: &str = "dep";
const LOST_TAG: &str = "X";

impl Tree<'_> {
    /// Writes the tree into its sentence.
    pub(crate) fn write_to(&self, sentence: &mut Sentence) -> Result<(), TreeError> {
        sentence.set_tree(&self.heads, &self.relations)?;
        self.tags.as_ref().map_or(Ok(()), |tags| sentence.set_upos(tags))
    }
}

/// Decodes the maximum spanning trees of the sentences of a batch; `lengths` are their numbers of
/// words.
///
/// # Errors
/// If a score is not finite; `whose` names the sentence of a row.
pub(crate) fn trees<'m>(
    model: &'m Model,
    pass: &ForwardOptions,
    words: &WordTargets,
    input: &ModelInput,
    lengths: &[usize],
    whose: &dyn Fn(usize) -> String,
) -> Result<Vec<Tree<'m>>, Error> {
    let parser = model.parser().expect("the task of a model with a parser is parsing");
    let scores = model.parse(input, pass);
    let (n_words, width) = (words.n_words, words.n_words + 1);
    let arcs = host_values(scores.arcs.clone().reshape([-1, width as i32]));
    let rows = arcs.chunks(n_words * width).zip(words.first_subwords.chunks(n_words)).zip(lengths);
    let heads = rows.enumerate().map(|(row, ((arcs, first_subwords), length))| {
        let has_token = |word: &usize| first_subwords[*word].is_some();
        let present: Vec<_> = (0..*length).filter(has_token).collect();
        best_heads(arcs, width, &present, *length, || whose(row))
    });
    let heads: Vec<Vec<Option<usize>>> = heads.collect::<Result<_, _>>()?;

    let padded = heads.iter().flat_map(|heads| {
        let heads = heads.iter().map(|head| head.unwrap_or(0) as i32);
        heads.chain(std::iter::repeat(0)).take(n_words)
    });
    let data = TensorData::new(padded.collect::<Vec<i32>>(), [lengths.len(), n_words]);
    let at_heads = Tensor::from_data(data, &scores.arcs.device());
    let of_word = |word: usize| whose(word / n_words);
    let relations = parser.relations(&scores, at_heads);
    let relations = best_names(relations, &parser.spec().relations, of_word)?;
    let tags = scores.tags.clone();
    let tags = tags.map(|logits| best_names(logits, &parser.spec().tags, of_word)).transpose()?;
    let trees = heads.into_iter().enumerate().map(|(row, heads)| {
        let of_row = |names: &[&'m str]| names[row * n_words..][..heads.len()].to_vec();
        with_lost_words(&heads, of_row(&relations), tags.as_deref().map(of_row))
    });
    Ok(trees.collect())
}

/// Maximum spanning tree over the words that have a token alone: the head of each of them.
///
/// `arcs` are `[n_words, width]`, the root in column 0.
fn best_heads(
    arcs: &[f32],
    width: usize,
    present: &[usize],
    length: usize,
    whose: impl Fn() -> String,
) -> Result<Vec<Option<usize>>, Error> {
    let mut heads = vec![None; length];
    if present.is_empty() {
        return Ok(heads);
    }
    let mut scores = vec![0.0; (present.len() + 1).pow(2)];
    for (row, word) in scores.chunks_mut(present.len() + 1).skip(1).zip(present) {
        let arcs = &arcs[word * width..][..width];
        row[0] = arcs[0];
        row[1..].iter_mut().zip(present).for_each(|(score, head)| *score = arcs[head + 1]);
    }
    check_finite(&scores, |_| whose())?;
    let found = maximum_spanning_tree(&scores, present.len()).map_err(ToolError::from)?;
    for (word, head) in present.iter().zip(found) {
        heads[*word] = Some(head.checked_sub(1).map_or(0, |head| present[head] + 1));
    }
    Ok(heads)
}

/// Completes a tree to all words: words without a token are attached to its root, or to the first
/// of them if no word has a token.
fn with_lost_words<'a>(
    heads: &[Option<usize>],
    mut relations: Vec<&'a str>,
    mut tags: Option<Vec<&'a str>>,
) -> Tree<'a> {
    let root = heads.iter().position(|head| *head == Some(0)).unwrap_or(0);
    let mut all = Vec::with_capacity(heads.len());
    for (word, head) in heads.iter().enumerate() {
        all.push(head.unwrap_or(if word == root { 0 } else { root + 1 }));
        if head.is_none() {
            relations[word] = if word == root { "root" } else { LOST_RELATION };
            tags.iter_mut().for_each(|tags| tags[word] = LOST_TAG);
        }
    }
    Tree { heads: all, relations, tags }
}

/// The name of the highest logit (argmax) of each row; `whose` names the sentence of a row.
fn best_names(
    logits: Tensor<2>,
    names: &[String],
    whose: impl Fn(usize) -> String,
) -> Result<Vec<&str>, Error> {
    let values = host_values(logits);
    check_finite(&values, |at| whose(at / names.len()))?;
    Ok(values.chunks(names.len()).map(|row| names[argmax(row)].as_str()).collect())
}

#[cfg(test)]
mod tests {
    use isogloss_text::check_tree;

    use super::*;

    #[test]
    fn words_without_a_token_hang_on_the_root_of_the_best_tree_of_the_others() {
        // Word 2 has no token; word 1 is the best root, word 3 below it.
        let arcs = [9.0, 0.0, 5.0, 1.0, 9.0, 9.0, 9.0, 9.0, 1.0, 7.0, 9.0, 0.0];
        let heads = best_heads(&arcs, 4, &[0, 2], 3, String::new).unwrap();
        assert_eq!(heads, [Some(0), None, Some(1)]);
        let tree = with_lost_words(&heads, vec!["root", "x", "obj"], Some(vec!["A", "B", "C"]));
        assert_eq!(tree.heads, [0, 1, 1]);
        assert_eq!(tree.relations, ["root", "dep", "obj"]);
        assert_eq!(tree.tags, Some(vec!["A", "X", "C"]));
    }

    #[test]
    fn a_sentence_without_any_token_still_has_a_tree() {
        let heads = best_heads(&[], 1, &[], 3, String::new).unwrap();
        let tree = with_lost_words(&heads, vec!["x"; 3], None);
        assert_eq!(tree.heads, [0, 1, 1]);
        assert_eq!(check_tree(&tree.heads), Ok(()));
        assert_eq!(tree.relations, ["root", "dep", "dep"]);
    }
}
