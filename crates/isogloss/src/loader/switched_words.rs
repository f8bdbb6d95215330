//! Switched words: which words of a tagged text have other tokens in an augmented view of it, for
//! consistency on the others alone.

use isogloss_methods::{PredictionUnits, TextView};
use isogloss_text::TokenBatch;

/// A text of a batch: the view, its tokens, and which rows of its logits are predictions.
type ViewBatch = (TextView, TokenBatch, PredictionUnits);

/// Marks the switched words of every view of a batch of tagged texts.
pub(super) fn mark_switched_words(texts: &mut [ViewBatch]) {
    for index in 0..texts.len() {
        let made_of = match texts[index].0 {
            TextView::Original | TextView::Translated | TextView::SecondTranslated => continue,
            TextView::TranslatedSubwordSampled => TextView::Translated,
            _ => TextView::Original,
        };
        let Some(source) = texts.iter().find(|(text, ..)| *text == made_of) else { continue };
        let words = |view: &ViewBatch| word_tokens(&view.1, &view.2);
        let of_view = words(&texts[index]).into_iter().zip(words(source));
        let mark = |(view, source): (Vec<_>, Vec<_>)| -> Vec<bool> {
            view.iter().zip(&source).map(|(a, b)| a != b).collect()
        };
        let marks = of_view.map(mark).collect();
        if let PredictionUnits::Words { switched, .. } = &mut texts[index].2 {
            *switched = marks;
        }
    }
}

/// The tokens of each word, by example: those from its first subword to that of the next word.
fn word_tokens(batch: &TokenBatch, units: &PredictionUnits) -> Vec<Vec<Vec<i32>>> {
    let PredictionUnits::Words { seq_len, first_subwords, .. } = units else { return Vec::new() };
    let of_row = |(row, first): (usize, &Vec<Option<usize>>)| {
        let row = row * seq_len..(row + 1) * seq_len;
        let ids = &batch.input_ids[row.clone()];
        let n_tokens = batch.attention_mask[row].iter().filter(|real| **real != 0).count();
        let ends = |word: usize| first[word + 1..].iter().flatten().next().copied();
        let tokens = |(word, start): (usize, &Option<usize>)| match start {
            Some(start) => ids[*start..ends(word).unwrap_or(n_tokens)].to_vec(),
            None => Vec::new(),
        };
        first.iter().enumerate().map(tokens).collect()
    };
    first_subwords.iter().enumerate().map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use isogloss_methods::{PredictionUnits, TextView};
    use isogloss_text::TokenBatch;

    use super::mark_switched_words;

    /// A batch of tagged texts; rows end with a token 2, and words begin where `first` says.
    fn view(
        text: TextView,
        rows: &[&[u32]],
        first: &[&[Option<usize>]],
    ) -> (TextView, TokenBatch, PredictionUnits) {
        let batch = TokenBatch::from_ids(rows, 1);
        let first_subwords = first.iter().map(|words| words.to_vec()).collect();
        let units = PredictionUnits::Words {
            seq_len: batch.seq_len,
            first_subwords,
            switched: Vec::new(),
            subwords: Vec::new(),
        };
        (text, batch, units)
    }

    #[test]
    fn words_with_other_tokens_than_in_the_text_a_view_is_made_of_are_switched() {
        let first = [Some(1), Some(2), Some(4)];
        let mut texts = [
            view(
                TextView::Original,
                &[&[0, 10, 11, 12, 13, 2], &[0, 20, 2]],
                &[&first, &[Some(1), None]],
            ),
            // The second word has other tokens and as many; then fewer; and the last has more.
            view(
                TextView::SubwordSampled,
                &[&[0, 10, 11, 14, 13, 2], &[0, 20, 2]],
                &[&first, &[Some(1), None]],
            ),
            view(
                TextView::CodeSwitched,
                &[&[0, 10, 30, 13, 2], &[0, 20, 21, 2]],
                &[&[Some(1), Some(2), Some(3)], &[Some(1), None]],
            ),
            view(TextView::Translated, &[&[0, 40, 41, 2], &[0, 2]], &[&[Some(1), Some(2)], &[]]),
            view(
                TextView::TranslatedSubwordSampled,
                &[&[0, 40, 42, 43, 2], &[0, 2]],
                &[&[Some(1), Some(2)], &[]],
            ),
        ];
        mark_switched_words(&mut texts);
        let switched = |idx: usize| match &texts[idx].2 {
            PredictionUnits::Words { switched, .. } => switched.clone(),
            PredictionUnits::Texts => panic!("no words"),
        };
        assert_eq!(switched(0), Vec::<Vec<bool>>::new());
        assert_eq!(switched(1), [vec![false, true, false], vec![false, false]]);
        assert_eq!(switched(2), [vec![false, true, false], vec![true, false]]);
        assert_eq!(switched(3), Vec::<Vec<bool>>::new());
        assert_eq!(switched(4), [vec![false, true], vec![]]);
    }
}
