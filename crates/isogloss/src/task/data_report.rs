//! Dataset statistics of labeled and parallel data: what was truncated, lost and left out.

use std::collections::BTreeMap;

use isogloss_text::Encoded;
use serde::{Deserialize, Serialize};

use crate::embedding::tokenized_text::TokenizedText;

/// Dataset statistics: examples that were kept, truncated and left out, and words without a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataReport {
    /// Examples kept.
    pub n: usize,
    /// Truncated texts, longer than the model or the recipe allows.
    pub n_truncated: usize,
    /// Examples of which a text has no token, such as zero-width spaces alone: the model reads
    /// special tokens only, and its answer, which is scored, says nothing about the text.
    pub n_without_tokens: usize,
    /// Length of the longest example before truncation, in tokens.
    pub longest: usize,
    /// Words to be tagged, attached or linked, or spans of running text, without a token, because
    /// they were truncated or are unknown to the tokenizer; in scores they count as wrong.
    pub n_words_lost: usize,
    /// The truncated ones among these.
    pub n_words_cut: usize,
    /// Examples left out because the source language lacks their label, by label.
    pub left_out: BTreeMap<String, usize>,
    /// Words whose relation or part of speech the source language lacks, by label, in sentences that
    /// are kept; in scores they count as wrong.
    pub unseen: BTreeMap<String, usize>,
    /// Texts without the field of spans, in files where others have it; they count as texts without
    /// spans.
    pub n_without_spans: usize,
    /// Spans that begin or end inside a word, or inside a token where tokens are tagged: the whole
    /// word is tagged.
    pub n_spans_widened: usize,
    /// Spans without a tag, because all of their words are tagged for others or because they cover
    /// white space alone; they count as missed.
    pub n_spans_untagged: usize,
    /// Training examples without a translation, where translations are read.
    pub n_untranslated: usize,
    /// Parallel sentences left out because their word alignment is empty.
    pub n_unlinked: usize,
}

/// Count of a data report in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountInWords {
    /// What happened, in one or two words, such as `cut`.
    pub fate: &'static str,
    /// The sentence about it, with the count.
    pub text: String,
}

impl DataReport {
    /// Total number of examples left out.
    pub fn n_left_out(&self) -> usize {
        self.left_out.values().sum()
    }

    /// Counts of tokenized texts: how many there are, are truncated, and have no token, and the
    /// length of the longest.
    pub fn from_texts(texts: &[TokenizedText]) -> Self {
        Self::from_encodings(texts.iter().map(TokenizedText::encoded))
    }

    /// As [`from_texts`](Self::from_texts), of encodings.
    pub(crate) fn from_encodings<'a>(encoded: impl IntoIterator<Item = &'a Encoded>) -> Self {
        let mut counts = Self::default();
        for one in encoded {
            counts.n += 1;
            counts.n_truncated += usize::from(one.n_truncated > 0);
            counts.longest = counts.longest.max(one.len() + one.n_truncated);
            counts.n_without_tokens += usize::from(one.lacks_tokens);
        }
        counts
    }

    /// Adds the words of a text that have no token, and how many of them were truncated.
    pub(crate) fn add_lost_words(&mut self, [n_lost, n_cut]: [usize; 2]) {
        self.n_words_lost += n_lost;
        self.n_words_cut += n_cut;
    }

    /// Adds the counts of another dataset.
    pub fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.n_truncated += other.n_truncated;
        self.n_without_tokens += other.n_without_tokens;
        self.longest = self.longest.max(other.longest);
        self.n_words_lost += other.n_words_lost;
        self.n_words_cut += other.n_words_cut;
        add_labels(&mut self.left_out, &other.left_out);
        add_labels(&mut self.unseen, &other.unseen);
        self.n_without_spans += other.n_without_spans;
        self.n_spans_widened += other.n_spans_widened;
        self.n_spans_untagged += other.n_spans_untagged;
        self.n_untranslated += other.n_untranslated;
        self.n_unlinked += other.n_unlinked;
    }

    /// Counts in words: what was truncated, lost and left out, one for each count that is not 0.
    /// The command line and the page show these.
    pub fn in_words(&self) -> Vec<CountInWords> {
        let Self { n_truncated, n_without_tokens, n_words_lost, n_words_cut, .. } = *self;
        let Self { n_without_spans, n_spans_widened, n_spans_untagged, .. } = *self;
        let Self { n_untranslated, n_unlinked, .. } = *self;
        let n_unknown = n_words_lost - n_words_cut;
        let (n_left_out, labels) = (self.n_left_out(), label_counts(&self.left_out));
        let (n_unseen, unseen) = (self.unseen.values().sum(), label_counts(&self.unseen));
        let counts = [
            (n_truncated, "cut", format!("{n_truncated} texts were too long and are cut off")),
            (
                n_without_tokens,
                "no token",
                format!(
                    "{n_without_tokens} texts have no token: the model reads special tokens only"
                ),
            ),
            (
                n_words_lost,
                "lost",
                format!(
                    "{n_words_lost} words have no token, {n_words_cut} cut off and {n_unknown} unknown to the tokenizer; in scores they count as wrong"
                ),
            ),
            (
                n_left_out,
                "left out",
                format!("{n_left_out} examples with labels that are not learned: {labels}"),
            ),
            (
                n_unseen,
                "unseen",
                format!(
                    "{n_unseen} labels of words are not learned, and count as wrong in scores: {unseen}"
                ),
            ),
            (
                n_without_spans,
                "no spans",
                format!(
                    "{n_without_spans} texts lack the field of spans; they are read as texts without any"
                ),
            ),
            (
                n_spans_widened,
                "widened",
                format!(
                    "{n_spans_widened} spans begin or end inside a word or token, which is tagged whole"
                ),
            ),
            (
                n_spans_untagged,
                "untagged",
                format!(
                    "{n_spans_untagged} spans share all of their words with others or cover no word; they have no tag, and count as missed"
                ),
            ),
            (
                n_untranslated,
                "single",
                format!("{n_untranslated} examples of training have no translation"),
            ),
            (
                n_unlinked,
                "unlinked",
                format!("{n_unlinked} parallel sentences without linked words are left out"),
            ),
        ];
        let told = counts.into_iter().filter(|(n, ..)| *n > 0);
        told.map(|(_, fate, text)| CountInWords { fate, text }).collect()
    }
}

/// Adds the counts of another dataset by label.
fn add_labels(counts: &mut BTreeMap<String, usize>, others: &BTreeMap<String, usize>) {
    for (label, n) in others {
        *counts.entry(label.clone()).or_default() += n;
    }
}

/// Counts by label as text.
fn label_counts(counts: &BTreeMap<String, usize>) -> String {
    let counts = counts.iter().map(|(label, n)| format!("{label} ({n})"));
    counts.collect::<Vec<_>>().join(", ")
}

impl<'a> Extend<&'a DataReport> for DataReport {
    fn extend<I: IntoIterator<Item = &'a Self>>(&mut self, others: I) {
        others.into_iter().for_each(|other| self.add(other));
    }
}

impl<'a> FromIterator<&'a DataReport> for DataReport {
    fn from_iter<I: IntoIterator<Item = &'a Self>>(others: I) -> Self {
        let mut all = Self::default();
        all.extend(others);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_is_in_words() {
        assert_eq!(DataReport { n: 3, longest: 9, ..DataReport::default() }.in_words(), []);
        let left_out = |label: &str| BTreeMap::from([(label.to_owned(), 2)]);
        let one = DataReport { n_truncated: 1, left_out: left_out("a"), ..DataReport::default() };
        let two = DataReport { n_truncated: 3, left_out: left_out("b"), ..DataReport::default() };
        let both: DataReport = [&one, &two].into_iter().collect();
        let found: Vec<_> = both.in_words().into_iter().map(|one| (one.fate, one.text)).collect();
        let left = "4 examples with labels that are not learned: a (2), b (2)".to_owned();
        let cut = "4 texts were too long and are cut off".to_owned();
        assert_eq!(found, [("cut", cut), ("left out", left)]);
    }
}
