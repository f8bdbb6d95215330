//! Dependency parsing evaluation of the CoNLL 2018 shared task: UAS, LAS, CLAS, MLAS, BLEX and the
//! scores of segmentation and tags.
//!
//! The system may segment the text into other sentences, tokens and words than the gold standard,
//! if both have the same text.
//! The scores of enhanced dependencies, ELAS and EULAS, are left out.
//!
//! Zeman et al. 2018, CoNLL 2018 Shared Task: Multilingual Parsing from Raw Text to Universal
//! Dependencies, and its evaluation script `conll18_ud_eval.py`.

use serde::{Deserialize, Serialize};

use crate::TextError;
use crate::treebank::alignment::{Segmented, SegmentedWord, Span, align};
use crate::treebank::universal::{is_content, is_function, is_universal};
use crate::treebank::{NO_VALUE, Treebank};

/// Counts for precision, recall and F1: units of the gold standard, of the system, and correct
/// ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchCounts {
    /// The units of the gold standard.
    pub n_gold: usize,
    /// The units of the system.
    pub n_system: usize,
    /// The units of the system that are correct.
    pub n_correct: usize,
}

impl MatchCounts {
    /// Precision: correct units among those of the system, in 0..=1; 0 if there is none.
    pub fn precision(&self) -> f64 {
        ratio(self.n_correct, self.n_system)
    }

    /// Recall: correct units among those of the gold standard, in 0..=1; 0 if there is none.
    pub fn recall(&self) -> f64 {
        ratio(self.n_correct, self.n_gold)
    }

    /// F1: the harmonic mean of precision and recall, in 0..=1; 0 if there is no unit at all.
    ///
    /// This is the score that is reported; with gold segmentation it is accuracy where every word
    /// counts.
    pub fn f1(&self) -> f64 {
        ratio(2 * self.n_correct, self.n_gold + self.n_system)
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Dependency parsing scores (UAS, LAS and others) of a parsed treebank.
///
/// A word is correct if it is aligned to a word of the gold standard and both agree in the
/// properties that the score compares; heads agree if they are aligned to each other or both are
/// the root.
/// Relations are compared without subtypes, and only universal features are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseScores {
    /// Tokens with the same characters; a multiword token is one token.
    pub tokens: MatchCounts,
    /// Sentences with the same characters.
    pub sentences: MatchCounts,
    /// Words that are aligned.
    pub words: MatchCounts,
    /// Words with the correct universal part-of-speech tag (UPOS).
    pub upos: MatchCounts,
    /// Words with the correct language-specific part-of-speech tag (XPOS).
    pub xpos: MatchCounts,
    /// Words with the correct universal features (UFeats).
    pub ufeats: MatchCounts,
    /// Words with the correct UPOS, XPOS and universal features (AllTags).
    pub all_tags: MatchCounts,
    /// Words with the correct lemma; any lemma is correct if the gold standard has none.
    pub lemmas: MatchCounts,
    /// Unlabeled attachment score (UAS): words with the correct head.
    pub uas: MatchCounts,
    /// Labeled attachment score (LAS): words with the correct head and relation.
    pub las: MatchCounts,
    /// Content-word labeled attachment score (CLAS): content words with the correct head and
    /// relation.
    pub clas: MatchCounts,
    /// Morphology-aware labeled attachment score (MLAS): as `clas`, with the correct part of
    /// speech, features and dependent function words.
    pub mlas: MatchCounts,
    /// Bilexical dependency score (BLEX): as `clas`, with the correct lemma.
    pub blex: MatchCounts,
}

/// Evaluates a parsed treebank against the gold standard: UAS, LAS and the other scores of the
/// CoNLL 2018 shared task.
///
/// # Errors
/// [`TextError::TextMismatch`] if the two do not have the same text, apart from spaces, and the
/// errors of [`Sentence::check_tree`](crate::Sentence::check_tree) for a sentence of either.
///
/// # Source
/// The evaluation script of the shared task; its scores agree within 1e-9 in our tests.
/// An empty node inside a multiword token, which the script treats as a word, is skipped here.
pub fn score_parses(gold: &Treebank, system: &Treebank) -> Result<ParseScores, TextError> {
    let (gold, system) = (Segmented::new(gold)?, Segmented::new(system)?);
    let aligned = align(&gold, &system)?;
    let words = Words::new(&gold, &system, &aligned);
    let any = |_: &SegmentedWord<'_>| true;
    let content = |word: &SegmentedWord<'_>| is_content(word.relation);
    Ok(ParseScores {
        tokens: equal_spans(&gold.tokens, &system.tokens),
        sentences: equal_spans(&gold.sentences, &system.sentences),
        words: words.count(any, |_, _| true),
        upos: words.count(any, |g, s| words.same_upos(g, s)),
        xpos: words.count(any, |g, s| words.same_xpos(g, s)),
        ufeats: words.count(any, |g, s| words.same_feats(g, s)),
        all_tags: words.count(any, |g, s| {
            words.same_upos(g, s) && words.same_xpos(g, s) && words.same_feats(g, s)
        }),
        lemmas: words.count(any, |g, s| words.same_lemma(g, s)),
        uas: words.count(any, |g, s| words.same_head(g, s)),
        las: words.count(any, |g, s| words.same_arc(g, s)),
        clas: words.count(content, |g, s| words.same_arc(g, s)),
        mlas: words.count(content, |g, s| {
            words.same_arc(g, s)
                && words.same_upos(g, s)
                && words.same_feats(g, s)
                && words.same_function_words(g, s)
        }),
        blex: words.count(content, |g, s| words.same_arc(g, s) && words.same_lemma(g, s)),
    })
}

/// Counts equal spans of two lists, which are sorted and do not overlap.
fn equal_spans(gold: &[Span], system: &[Span]) -> MatchCounts {
    let mut n_correct = 0;
    let mut rest = system.iter().peekable();
    for span in gold {
        while rest.next_if(|other| other.start < span.start).is_some() {}
        n_correct += usize::from(rest.next_if_eq(&span).is_some());
    }
    MatchCounts { n_gold: gold.len(), n_system: system.len(), n_correct }
}

/// Words of both treebanks, with the properties that the scores compare.
struct Words<'a> {
    gold: Side<'a>,
    system: Side<'a>,
    aligned: &'a [(usize, usize)],
    /// For each word of the system, the aligned word of the gold standard, if there is one.
    gold_of: Vec<Option<usize>>,
}

struct Side<'a> {
    words: &'a [SegmentedWord<'a>],
    /// The universal features of each word, sorted.
    feats: Vec<Vec<&'a str>>,
    /// The dependent function words of each word, in the order of the text.
    function_words: Vec<Vec<usize>>,
}

impl<'a> Side<'a> {
    fn new(words: &'a [SegmentedWord<'a>]) -> Self {
        let mut function_words = vec![Vec::new(); words.len()];
        for (idx, word) in words.iter().enumerate() {
            if let Some(head) = word.head
                && is_function(word.relation)
            {
                function_words[head].push(idx);
            }
        }
        let feats = words.iter().map(|word| universal_features(&word.columns.feats)).collect();
        Self { words, feats, function_words }
    }
}

fn universal_features(feats: &str) -> Vec<&str> {
    let mut feats: Vec<&str> = feats.split('|').filter(|feat| is_universal(feat)).collect();
    feats.sort_unstable();
    feats
}

impl<'a> Words<'a> {
    fn new(
        gold: &'a Segmented<'a>,
        system: &'a Segmented<'a>,
        aligned: &'a [(usize, usize)],
    ) -> Self {
        let mut gold_of = vec![None; system.words.len()];
        for &(gold, system) in aligned {
            gold_of[system] = Some(gold);
        }
        Self { gold: Side::new(&gold.words), system: Side::new(&system.words), aligned, gold_of }
    }

    /// Counts the words for which `keep` is true; correct are aligned words for which `same` is
    /// true, and `keep` for the gold word.
    fn count(
        &self,
        keep: impl Fn(&SegmentedWord<'_>) -> bool,
        same: impl Fn(usize, usize) -> bool,
    ) -> MatchCounts {
        let kept = |words: &[SegmentedWord<'_>]| words.iter().filter(|word| keep(word)).count();
        let correct =
            self.aligned.iter().filter(|&&(g, s)| keep(&self.gold.words[g]) && same(g, s));
        MatchCounts {
            n_gold: kept(self.gold.words),
            n_system: kept(self.system.words),
            n_correct: correct.count(),
        }
    }

    fn same_upos(&self, g: usize, s: usize) -> bool {
        self.gold.words[g].columns.upos == self.system.words[s].columns.upos
    }

    fn same_xpos(&self, g: usize, s: usize) -> bool {
        self.gold.words[g].columns.xpos == self.system.words[s].columns.xpos
    }

    fn same_feats(&self, g: usize, s: usize) -> bool {
        self.gold.feats[g] == self.system.feats[s]
    }

    fn same_lemma(&self, g: usize, s: usize) -> bool {
        let lemma = &self.gold.words[g].columns.lemma;
        lemma == NO_VALUE || *lemma == self.system.words[s].columns.lemma
    }

    fn same_head(&self, g: usize, s: usize) -> bool {
        match (self.gold.words[g].head, self.system.words[s].head) {
            (Some(g), Some(s)) => self.gold_of[s] == Some(g),
            (gold, system) => gold == system,
        }
    }

    fn same_arc(&self, g: usize, s: usize) -> bool {
        self.same_head(g, s) && self.gold.words[g].relation == self.system.words[s].relation
    }

    fn same_function_words(&self, g: usize, s: usize) -> bool {
        let (gold, system) = (&self.gold.function_words[g], &self.system.function_words[s]);
        gold.len() == system.len()
            && gold.iter().zip(system).all(|(&g, &s)| {
                self.gold_of[s] == Some(g)
                    && self.gold.words[g].relation == self.system.words[s].relation
                    && self.same_upos(g, s)
                    && self.same_feats(g, s)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{MatchCounts, ParseScores, score_parses};
    use crate::{Treebank, read_treebank};

    fn treebank(text: &str, path: &str) -> Treebank {
        read_treebank(text.as_bytes(), path.as_ref()).unwrap()
    }

    fn by_name(scores: &ParseScores) -> [(&'static str, MatchCounts); 13] {
        [
            ("Tokens", scores.tokens),
            ("Sentences", scores.sentences),
            ("Words", scores.words),
            ("UPOS", scores.upos),
            ("XPOS", scores.xpos),
            ("UFeats", scores.ufeats),
            ("AllTags", scores.all_tags),
            ("Lemmas", scores.lemmas),
            ("UAS", scores.uas),
            ("LAS", scores.las),
            ("CLAS", scores.clas),
            ("MLAS", scores.mlas),
            ("BLEX", scores.blex),
        ]
    }

    #[test]
    fn scores_equal_those_of_the_shared_task() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/treebank.json");
        let fixture: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let cases = fixture["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 30);
        for (case, idx) in cases.iter().zip(0..) {
            let gold = treebank(case["gold"].as_str().unwrap(), "gold");
            let system = treebank(case["system"].as_str().unwrap(), "system");
            for (name, counts) in by_name(&score_parses(&gold, &system).unwrap()) {
                let found = [
                    counts.n_gold as f64,
                    counts.n_system as f64,
                    counts.n_correct as f64,
                    counts.precision(),
                    counts.recall(),
                    counts.f1(),
                ];
                let expected: [f64; 6] =
                    serde_json::from_value(case["scores"][name].clone()).unwrap();
                let worst =
                    found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
                assert!(
                    worst.fold(0.0, f64::max) < 1e-9,
                    "case {idx}, {name}: expected {expected:?}, found {found:?}"
                );
            }
        }
    }

    const GOLD: &str = "# a\n1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_\n\
        1\tzu\t_\t_\t_\t_\t3\tcase\t_\t_\n2\tdem\t_\t_\t_\t_\t3\tdet\t_\t_\n3\tTor\t_\t_\t_\t_\t0\troot\t_\t_\n";

    #[test]
    fn a_treebank_is_its_own_best_parse() {
        let gold = treebank(GOLD, "gold");
        for (name, counts) in by_name(&score_parses(&gold, &gold).unwrap()) {
            assert_eq!(counts.f1(), 1.0, "{name}");
        }
    }

    #[test]
    fn texts_must_be_equal_but_for_spaces() {
        let gold = treebank(GOLD, "gold.conllu");
        let spaced = treebank("1\tzum\u{a0}T or\t_\t_\t_\t_\t0\troot\t_\t_\n", "system.conllu");
        assert_eq!(score_parses(&gold, &spaced).unwrap().words.n_correct, 0);

        let message = |text: &str| {
            let system = treebank(text, "system.conllu");
            score_parses(&gold, &system).unwrap_err().to_string()
        };
        assert_eq!(
            message("\n1\tzum\t_\t_\t_\t_\t0\troot\t_\t_\n2\tTal\t_\t_\t_\t_\t1\tobj\t_\t_\n"),
            "system.conllu:3: expected the text \"or\" of gold.conllu:5, found \"al\""
        );
        assert_eq!(
            message("1\tzumTo\t_\t_\t_\t_\t0\troot\t_\t_\n"),
            "system.conllu:1: expected the text \"r\" of gold.conllu:5, found \"\""
        );
    }

    #[test]
    fn both_sides_must_be_trees() {
        let gold = treebank(GOLD, "gold.conllu");
        let system = treebank(&GOLD.replace("\t0\troot", "\t1\troot"), "system.conllu");
        for (one, two) in [(&gold, &system), (&system, &gold)] {
            assert_eq!(
                score_parses(one, two).unwrap_err().to_string(),
                "system.conllu:3: no word is the root"
            );
        }
    }

    #[test]
    fn nothing_scores_nothing() {
        let mut gold = treebank(GOLD, "gold.conllu");
        gold.sentences.clear();
        assert_eq!(score_parses(&gold, &gold).unwrap().las.f1(), 0.0);
        let system = treebank(GOLD, "system.conllu");
        let error = score_parses(&gold, &system).unwrap_err().to_string();
        assert_eq!(
            error,
            "system.conllu:2: expected the text \"\" of gold.conllu:1, found \"zumTor\""
        );
    }
}
