//! Featurization for token classification (sequence tagging): tokenizes words or text and assigns a
//! tag id to words or subwords.

mod units;

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::units::{TaggedUnits, tag_spans, tag_words};
use crate::features::featurize::{FeaturizedExample, SpanMisfits, featurize, label_id, whole};
use crate::tokenizer::Encoder;
use crate::{
    Bio, Content, Encoded, Example, FeatureOptions, Features, Featurized, LabelSet, Slot,
    TagScheme, TextError, Tokenizer, bio_labels, is_tagged, whitespace_words,
};

/// Prediction units of token classification: which tokens have the tags of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagUnits {
    /// The first token of each word; running text is split at whitespace.
    Word,
    /// Every token with a visible character; also suitable for languages without spaces between
    /// words.
    ///
    /// The later tokens of a word with the tag `B-<name>` have the tag `I-<name>`.
    Subword,
}

/// Featurizes examples for token classification (sequence tagging): one tag for each word or
/// subword; no tags if `labels` is `None`.
///
/// Tags of words, subwords and slots are converted to the tag scheme of `labels`, if that is IOB1,
/// BIOES or BILOU: the last unit of a span ends it.
/// Slots are converted to BIO tags, see [`bio_labels`](crate::bio_labels); the second text of a
/// pair is ignored.
///
/// # Errors
/// [`TextError::UnknownLabel`] for a tag that is not in `labels` unless such examples are to be
/// skipped, and the errors of [`Tokenizer::encode`].
/// The error is that of the first invalid example.
pub fn featurize_tagging(
    tokenizer: &Tokenizer,
    examples: &[Example],
    labels: Option<&LabelSet>,
    units: TagUnits,
    options: &FeatureOptions,
) -> Result<Featurized, TextError> {
    featurize(examples, options.unseen, |example| {
        tagging(Encoder::new(tokenizer), example, labels, units, options.max_length)
    })
}

/// Featurizes one example for token classification, see
/// [`featurize_tagging`](crate::featurize_tagging).
pub(crate) fn tagging(
    encoder: Encoder<'_>,
    example: &Example,
    labels: Option<&LabelSet>,
    units: TagUnits,
    max_length: usize,
) -> Result<FeaturizedExample, TextError> {
    let from_words = |words: &[String], tags: &[String], untagged: &[&Slot]| {
        let (input, first_text) = whole(encoder.encode_words(words, max_length)?);
        let units = match labels {
            None => TaggedUnits::default(),
            Some(labels) => {
                let scheme = TagScheme::from_labels(labels.names());
                let every_subword = units == TagUnits::Subword;
                tag_words(&input, tags, untagged, every_subword, scheme, |tag| {
                    label_id(labels, tag, example)
                })?
            }
        };
        Ok(tagged(input, first_text, units, 0))
    };
    match (&example.content, units) {
        (Content::Words { words, tags }, _) => from_words(words, tags, &[]),
        (Content::Tree(sentence), _) => {
            let tags: Vec<String> = sentence.words().iter().map(|word| word.upos.clone()).collect();
            from_words(&sentence.forms(), &tags, &[])
        }
        (Content::Text { text, slots, .. }, TagUnits::Word) => {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            let spans = whitespace_words(text);
            let tags: Vec<String> = bio_labels(&spans, slots).iter().map(Bio::to_string).collect();
            let slots_tagged = slots.iter().zip(is_tagged(&spans, slots));
            let untagged = slots_tagged.filter(|(_, is_tagged)| !is_tagged);
            let untagged: Vec<&Slot> = untagged.map(|(slot, _)| slot).collect();
            let mut featurized = from_words(&words, &tags, &untagged)?;
            featurized.misfits.n_widened = n_widened(&spans, slots);
            Ok(featurized)
        }
        (Content::Text { text, slots, .. }, TagUnits::Subword) => {
            let (input, first_text) = encoder.encode(text, None, max_length)?;
            let Some(labels) = labels else {
                return Ok(tagged(input, first_text, TaggedUnits::default(), 0));
            };
            let spans = encoder.tokenizer().spans(&input, text);
            let scheme = TagScheme::from_labels(labels.names());
            let id = |tag: &str| label_id(labels, tag, example);
            let units = tag_spans(text, &spans, slots, &input, scheme, id)?;
            Ok(tagged(input, first_text, units, n_widened(&spans, slots)))
        }
    }
}

/// Number of slots that begin or end inside a unit.
fn n_widened(units: &[(usize, usize)], slots: &[Slot]) -> usize {
    let splits_unit = |at: usize| units.iter().any(|&(start, end)| start < at && at < end);
    slots.iter().filter(|slot| splits_unit(slot.start) || splits_unit(slot.end)).count()
}

fn tagged(
    input: Encoded,
    first_text: Range<usize>,
    units: TaggedUnits,
    n_widened: usize,
) -> FeaturizedExample {
    let TaggedUnits { target, lost, n_untagged } = units;
    let n_cut = lost.iter().filter(|word| word.is_cut).count();
    let n_words_lost = [lost.len() - n_untagged, n_cut];
    let misfits = SpanMisfits { n_widened, n_untagged };
    let features = Features { input, target };
    FeaturizedExample { features, first_text, lost, n_words_lost, misfits, unseen: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::{TagUnits, featurize_tagging};
    use crate::tokenizer::tests::{UNIGRAM, read, unigram};
    use crate::{
        Example, FeatureOptions, Featurized, Format, LabelSet, LostWord, ReadOptions, Target,
        TextError, read_examples,
    };

    const X: i32 = crate::IGNORE_INDEX;

    fn jsonl(data: &str) -> Vec<Example> {
        read_examples(data.as_bytes(), "de.jsonl".as_ref(), &ReadOptions::new(Format::Jsonl))
            .unwrap()
    }

    fn conll(data: &str) -> Vec<Example> {
        read_examples(data.as_bytes(), "de.conll".as_ref(), &ReadOptions::new(Format::Conll))
            .unwrap()
    }

    fn tag(
        examples: &[Example],
        names: &[&str],
        units: TagUnits,
        max_length: usize,
    ) -> Result<Featurized, TextError> {
        let labels = LabelSet::new(names.iter().copied()).unwrap();
        featurize_tagging(
            &unigram(),
            examples,
            Some(&labels),
            units,
            &FeatureOptions::new(max_length),
        )
    }

    fn tokens(featurized: &Featurized) -> &[i32] {
        match &featurized.features[0].target {
            Target::Tokens(labels) => labels,
            other => panic!("expected labels for tokens, found {other:?}"),
        }
    }

    #[test]
    fn words_carry_their_tag_on_their_first_token() {
        // <s> ▁Licht ▁W ohn ▁aus </s>
        let examples = jsonl(
            r#"{"text": "Licht Wohn aus", "slots": [{"start": 6, "end": 10, "slot": "area"}]}"#,
        );
        let names = ["B-area", "I-area", "O"];
        assert_eq!(
            tokens(&tag(&examples, &names, TagUnits::Word, 16).unwrap()),
            [X, 2, 0, X, 2, X]
        );
        assert_eq!(
            tokens(&tag(&examples, &names, TagUnits::Subword, 16).unwrap()),
            [X, 2, 0, 1, 2, X]
        );
    }

    #[test]
    fn spans_that_do_not_fit_the_units_are_counted() {
        // <s> ▁Licht ▁W ohn ▁aus </s>
        let count = |slots: &[(usize, usize)], units: TagUnits| {
            let slots: Vec<String> = slots
                .iter()
                .map(|(start, end)| format!(r#"{{"start": {start}, "end": {end}, "slot": "a"}}"#))
                .collect();
            let line = format!(r#"{{"text": "Licht Wohn aus", "slots": [{}]}}"#, slots.join(","));
            let featurized = tag(&jsonl(&line), &["B-a", "I-a", "O"], units, 16).unwrap();
            let misfits = featurized.misfits;
            // Those without a tag are missed spans at the end.
            let place = |word: &LostWord| (word.at, word.label, word.is_cut);
            let lost: Vec<_> = featurized.lost[0].iter().map(place).collect();
            assert_eq!(lost, vec![(6, 0, false); misfits.n_untagged], "{line}");
            assert_eq!(featurized.truncation.n_words_lost, 0, "{line}");
            (misfits.n_widened, misfits.n_untagged)
        };
        let (word, subword) = (TagUnits::Word, TagUnits::Subword);
        assert_eq!(count(&[(0, 5), (6, 14)], word), (0, 0));
        assert_eq!(count(&[(0, 5), (6, 14)], subword), (0, 0));
        assert_eq!(count(&[(6, 7)], word), (1, 0));
        assert_eq!(count(&[(6, 7)], subword), (0, 0));
        // Two spans of one word: the longer one has its tag.
        assert_eq!(count(&[(6, 7), (7, 10)], word), (2, 1));
        assert_eq!(count(&[(6, 7), (7, 10)], subword), (0, 0));
        assert_eq!(count(&[(3, 8)], subword), (1, 0));
        // White space around a span is in no word.
        assert_eq!(count(&[(5, 11)], word), (0, 0));
        // A span of white space alone is of no word.
        for units in [word, subword] {
            assert_eq!(count(&[(5, 6)], units), (0, 1));
            assert_eq!(count(&[(0, 5), (5, 6)], units), (0, 1));
        }
    }

    #[test]
    fn later_subwords_of_a_tagged_word_are_inside() {
        let examples = conll("Licht O\nWohn B-area\n");
        let names = ["B-area", "I-area", "O"];
        assert_eq!(tokens(&tag(&examples, &names, TagUnits::Word, 16).unwrap()), [X, 2, 0, X, X]);
        assert_eq!(
            tokens(&tag(&examples, &names, TagUnits::Subword, 16).unwrap()),
            [X, 2, 0, 1, X]
        );
    }

    #[test]
    fn subwords_have_the_tags_of_the_scheme_of_the_labels() {
        // <s> ▁Licht ▁W ohn ▁aus </s>
        let names = ["O", "B-area", "I-area", "E-area", "S-area"];
        let words = |tags: &str| {
            let lines = ["Licht", "Wohn", "aus"].iter().zip(tags.split(' '));
            let lines: String = lines.map(|(word, tag)| format!("{word} {tag}\n")).collect();
            tokens(&tag(&conll(&lines), &names, TagUnits::Subword, 16).unwrap()).to_vec()
        };
        assert_eq!(words("O B-area O"), [X, 0, 1, 3, 0, X]);
        assert_eq!(words("B-area I-area O"), [X, 1, 2, 3, 0, X]);
        assert_eq!(words("B-area B-area I-area"), [X, 4, 1, 2, 3, X]);
        // Slots of running text give the same.
        let text =
            r#"{"text": "Licht Wohn aus", "slots": [{"start": 6, "end": 10, "slot": "area"}]}"#;
        let featurized = tag(&jsonl(text), &names, TagUnits::Subword, 16).unwrap();
        assert_eq!(tokens(&featurized), [X, 0, 1, 3, 0, X]);
        // A span that is truncated ends beyond the last token.
        let text =
            r#"{"text": "Licht Wohn aus", "slots": [{"start": 6, "end": 14, "slot": "area"}]}"#;
        let featurized = tag(&jsonl(text), &names, TagUnits::Subword, 5).unwrap();
        assert_eq!(tokens(&featurized), [X, 0, 1, 2, X]);
        let lost: Vec<_> = featurized.lost[0].iter().map(|word| (word.at, word.label)).collect();
        assert_eq!(lost, [(5, 3)]);
        let names = ["O", "B-area", "I-area", "L-area", "U-area"];
        let featurized =
            tag(&conll("Licht O\nWohn B-area\naus B-area\n"), &names, TagUnits::Subword, 16);
        assert_eq!(tokens(&featurized.unwrap()), [X, 0, 1, 3, 4, X]);
    }

    #[test]
    fn subwords_label_text_without_spaces() {
        // <s> ▁ 打开 灯 </s>: the lone metaspace covers no character.
        let examples = jsonl(
            r#"{"text": "打开灯", "slots": [{"start": 0, "end": 2, "slot": "do"}, {"start": 2, "end": 3, "slot": "what"}]}"#,
        );
        let featurized = tag(&examples, &["B-do", "B-what", "O"], TagUnits::Subword, 16).unwrap();
        assert_eq!(tokens(&featurized), [X, X, 0, 1, X]);
    }

    #[test]
    fn what_is_cut_off_is_reported() {
        let examples = conll("Licht O\nWohn B-area\naus O\n");
        let featurized = tag(&examples, &["B-area", "O"], TagUnits::Word, 4).unwrap();
        assert_eq!(tokens(&featurized), [X, 1, 0, X]);
        let report = featurized.truncation;
        assert_eq!((report.n_truncated, report.longest, report.n_words_lost), (1, 6, 1));
    }

    #[test]
    fn words_that_no_token_stands_for_are_kept_with_their_place_and_tag() {
        let place = |word: &LostWord| (word.at, word.label, word.is_cut);
        // <s> ▁Licht ▁W ohn </s>, and the last word is truncated.
        let examples = conll("Licht O\nWohn B-area\naus B-area\n");
        let featurized = tag(&examples, &["B-area", "I-area", "O"], TagUnits::Word, 5).unwrap();
        assert_eq!(featurized.lost[0].iter().map(place).collect::<Vec<_>>(), [(5, 0, true)]);
        assert_eq!(featurized.truncation.n_words_cut, 1);
        // The second slot is truncated entirely, the first in part.
        let text = r#"{"text": "Licht Wohn aus", "slots": [{"start": 0, "end": 10, "slot": "x"}, {"start": 11, "end": 14, "slot": "y"}]}"#;
        let names = ["B-x", "B-y", "I-x", "I-y", "O"];
        let featurized = tag(&jsonl(text), &names, TagUnits::Subword, 4).unwrap();
        let lost: Vec<_> = featurized.lost[0].iter().map(place).collect();
        assert_eq!(lost, [(4, 2, true), (4, 1, true)]);
    }

    #[test]
    fn an_unseen_tag_names_the_sentence() {
        let examples = conll("aus O\n\nLicht O\nWohn B-arae\n");
        let error = tag(&examples, &["B-area", "O"], TagUnits::Word, 8).unwrap_err();
        assert_eq!(
            error.to_string(),
            "de.conll:3: unknown label \"B-arae\", did you mean \"B-area\"?"
        );
    }

    #[test]
    fn words_that_are_cut_off_at_the_start_are_lost_before_the_first_token() {
        let left = UNIGRAM.replacen("Right", "Left", 1);
        let tokenizer = read(&left);
        let labels = LabelSet::new(["B-L", "I-L", "O"]).unwrap();
        let options = FeatureOptions::new(4);
        // <s> ▁aus ▁W </s>: the first word is cut off, the third has a token.
        let words = conll("Licht B-L\naus I-L\nW O\n");
        let featurized =
            featurize_tagging(&tokenizer, &words, Some(&labels), TagUnits::Word, &options).unwrap();
        assert_eq!(featurized.features[0].input.ids, [0, 8, 6, 2]);
        assert_eq!(featurized.features[0].target, Target::Tokens(vec![X, 1, 2, X]));
        assert_eq!(featurized.lost[0], [LostWord { at: 1, label: 0, is_cut: true }]);
        // The same as a span of running text: its rest continues it.
        let text = r#"{"text": "Licht aus W", "slots": [{"slot": "L", "start": 0, "end": 9}]}"#;
        let spans = jsonl(text);
        let featurized =
            featurize_tagging(&tokenizer, &spans, Some(&labels), TagUnits::Subword, &options)
                .unwrap();
        assert_eq!(featurized.features[0].target, Target::Tokens(vec![X, 1, 2, X]));
        assert_eq!(featurized.lost[0], [LostWord { at: 1, label: 0, is_cut: true }]);
    }
}
