//! Featurization for dependency parsing: tokenizes treebank sentences, with the head, relation and
//! part-of-speech tag of each word as targets.

use crate::features::featurize::{FeaturizedExample, SpanMisfits, featurize, token_label};
use crate::tokenizer::Encoder;
use crate::treebank::{NO_VALUE, Sentence};
use crate::{
    Content, Example, FeatureOptions, Features, Featurized, IGNORE_INDEX, LabelSet, LineProblem,
    Subtypes, Target, TextError, TokenId, Tokenizer, Unseen, WordTargets,
};

/// Label sets of a dependency parser: relations and part-of-speech tags.
#[derive(Debug, Clone, Copy)]
pub struct ParseLabels<'a> {
    /// The dependency relations, with or without subtypes.
    pub relations: &'a LabelSet,
    /// Whether the relations have subtypes.
    pub subtypes: Subtypes,
    /// The universal part-of-speech tags (UPOS), if these are targets too.
    pub tags: Option<&'a LabelSet>,
    /// The tags that scores know, where these are no targets: any other is an unseen label.
    pub scored_tags: Option<&'a LabelSet>,
}

/// Featurizes treebank sentences for dependency parsing: a head and a relation for each word, and a
/// part-of-speech tag if `labels` has tags.
/// If `labels` is `None`, there are no targets, and heads are not checked.
///
/// # Errors
/// With labels, the errors of [`Sentence::check_tree`], [`LineProblem::EmptyField`] for a word
/// without a relation or part of speech, and [`TextError::UnknownLabel`] with the line of a word
/// whose relation or part of speech is not in the label sets, unless [`FeatureOptions::unseen`]
/// allows it.
/// [`TextError::MissingField`] for an example that is not a treebank sentence, and the errors of
/// [`Tokenizer::encode_words`].
/// The error is that of the first invalid example.
pub fn featurize_parsing(
    tokenizer: &Tokenizer,
    examples: &[Example],
    labels: Option<ParseLabels<'_>>,
    options: &FeatureOptions,
) -> Result<Featurized, TextError> {
    featurize(examples, options.unseen, |example| {
        let Content::Tree(sentence) = &example.content else {
            return Err(TextError::MissingField {
                path: example.origin.path.to_path_buf(),
                line: example.origin.line,
                field: "head".into(),
                nearest: None,
                key: None,
            });
        };
        let input = Encoder::new(tokenizer).encode_words(&sentence.forms(), options.max_length)?;
        let n_words = sentence.words().len();
        let first_subwords = input.first_subwords(n_words);
        let n_words_lost = input.count_lost(&first_subwords);
        let narrow = |idx: &Option<usize>| idx.and_then(|idx| u32::try_from(idx).ok());
        let first_subwords: Vec<Option<u32>> = first_subwords.iter().map(narrow).collect();
        let none = || vec![IGNORE_INDEX; n_words];
        let (heads, relations, tags) = (none(), none(), none());
        let mut targets = WordTargets { n_words, first_subwords, heads, relations, tags };
        let mut unseen = Vec::new();
        if let Some(labels) = labels {
            unseen = fill(&mut targets, sentence, labels, options.unseen == Unseen::Keep)?;
        }
        let first_text = 0..input.len();
        let features = Features { input, target: Target::Words(targets) };
        let (lost, misfits) = (Vec::new(), SpanMisfits::default());
        Ok(FeaturizedExample { features, first_text, lost, n_words_lost, misfits, unseen })
    })
}

/// Writes the target heads, relations and tags of a sentence; returns the unseen labels that are
/// kept, without relations of which another subtype is known.
fn fill(
    targets: &mut WordTargets,
    sentence: &Sentence,
    labels: ParseLabels<'_>,
    keeps_unseen: bool,
) -> Result<Vec<String>, TextError> {
    sentence.check_tree()?;
    let heads = sentence.heads()?;
    let mut unseen = Vec::new();
    let mut id = |word: usize, set: &LabelSet, name: &str, field: &str| match set.id(name) {
        _ if name == NO_VALUE => {
            Err(sentence.word_fault(word, LineProblem::EmptyField { field: field.to_owned() }))
        }
        Some(id) => Ok(token_label(id)),
        None if keeps_unseen => {
            // Scores compare relations without subtypes, so another subtype may be right.
            let without_subtype = |name| Subtypes::Cut.apply(name);
            let mut known = set.names().iter().map(|known| without_subtype(known));
            if known.all(|known| known != without_subtype(name)) {
                unseen.push(name.to_owned());
            }
            Ok(IGNORE_INDEX)
        }
        None => Err(TextError::UnknownLabel {
            path: sentence.origin().path.to_path_buf(),
            line: sentence.line(TokenId::Word(word)),
            label: name.to_owned(),
            nearest: set.nearest(name),
        }),
    };
    for (at, (word, head)) in sentence.words().iter().zip(heads).enumerate() {
        let relation = labels.subtypes.apply(&word.deprel);
        let relation = id(at + 1, labels.relations, relation, "deprel")?;
        let tags = labels.tags.or(labels.scored_tags);
        let tag = tags.map(|tags| id(at + 1, tags, &word.upos, "upos")).transpose()?;
        let has_token = |word: usize| targets.first_subwords.get(word).is_some_and(Option::is_some);
        if !has_token(at) {
            continue;
        }
        let head_has_token = head.checked_sub(1).is_none_or(has_token);
        if let (Some(tag), Some(_)) = (tag, labels.tags) {
            targets.tags[at] = tag;
        }
        if head_has_token {
            targets.heads[at] = i32::try_from(head).expect("a sentence has few words");
            targets.relations[at] = relation;
        }
    }
    Ok(unseen)
}

#[cfg(test)]
mod tests {
    use super::{ParseLabels, featurize_parsing};
    use crate::tokenizer::tests::unigram;
    use crate::{
        Example, FeatureOptions, Featurized, LabelSet, Subtypes, Target, TextError, TokenBatch,
        Unseen, WordTargets, read_treebank,
    };

    const X: i32 = crate::IGNORE_INDEX;

    const TREES: &str = "# a\n1\tLicht\t_\tNOUN\t_\t_\t3\tnsubj:pass\t_\t_\n\
        2\tWohn\t_\tX\t_\t_\t1\tnmod\t_\t_\n3\taus\t_\tADV\t_\t_\t0\troot\t_\t_\n\n\
        1\taus\t_\tADV\t_\t_\t0\troot\t_\t_\n";

    fn examples(text: &str) -> Vec<Example> {
        let treebank = read_treebank(text.as_bytes(), "de.conllu".as_ref()).unwrap();
        treebank.sentences.into_iter().map(Example::from).collect()
    }

    fn featurized(text: &str, options: FeatureOptions) -> Result<Featurized, TextError> {
        let relations = LabelSet::new(["nmod", "nsubj", "root"]).unwrap();
        let tags = LabelSet::new(["ADV", "NOUN", "X"]).unwrap();
        let (subtypes, tags) = (Subtypes::Cut, Some(&tags));
        let labels = ParseLabels { relations: &relations, subtypes, tags, scored_tags: None };
        featurize_parsing(&unigram(), &examples(text), Some(labels), &options)
    }

    fn targets(featurized: &Featurized) -> &WordTargets {
        match &featurized.features[0].target {
            Target::Words(targets) => targets,
            other => panic!("expected targets of words, found {other:?}"),
        }
    }

    #[test]
    fn words_have_their_position_head_relation_and_tag() {
        // <s> ▁Licht ▁W ohn ▁aus </s>
        let featurized = featurized(TREES, FeatureOptions::new(16)).unwrap();
        let found = targets(&featurized);
        assert_eq!(found.first_subwords, [Some(1), Some(2), Some(4)]);
        assert_eq!(
            (found.heads.as_slice(), found.relations.as_slice()),
            (&[3, 1, 0][..], &[1, 0, 2][..])
        );
        assert_eq!(found.tags, [1, 2, 0]);

        let features: Vec<_> = featurized.features.iter().rev().collect();
        let batch = TokenBatch::collate(&features, vec![1, 0], 0).unwrap();
        let crate::Targets::Words(joined) = batch.targets else { panic!("words") };
        assert_eq!(joined.n_words, 3);
        assert_eq!(joined.heads, [0, X, X, 3, 1, 0]);
        assert_eq!(joined.first_subwords[..3], [Some(1), None, None]);
    }

    #[test]
    fn words_that_are_cut_off_are_no_targets_nor_heads() {
        let featurized = featurized(TREES, FeatureOptions::new(5)).unwrap();
        let found = targets(&featurized);
        assert_eq!(found.first_subwords, [Some(1), Some(2), None]);
        assert_eq!(
            (found.heads.as_slice(), found.relations.as_slice()),
            (&[X, 1, X][..], &[X, 0, X][..])
        );
        assert_eq!(found.tags, [1, 2, X]);
        let report = featurized.truncation;
        assert_eq!((report.n_truncated, report.n_words_lost), (1, 1));
    }

    #[test]
    fn unseen_relations_stop_leave_out_or_stay_without_a_target() {
        let text = TREES.replace("nmod", "obl:arg");
        let options = FeatureOptions::new(16);
        let error = featurized(&text, options).unwrap_err().to_string();
        assert_eq!(
            error,
            "de.conllu:3: unknown label \"obl\"; data.unseen_labels says what to do with such labels"
        );
        let skipped = featurized(&text, options.with_unseen(Unseen::Skip)).unwrap();
        assert_eq!((skipped.kept, skipped.skipped["obl"]), (vec![1], 1));
        let kept = featurized(&text, options.with_unseen(Unseen::Keep)).unwrap();
        assert_eq!(targets(&kept).relations, [1, X, 2]);
        assert_eq!(targets(&kept).heads, [3, 1, 0]);
        assert_eq!(kept.unseen, [("obl".to_owned(), 1)].into());
        assert_eq!(skipped.unseen, [].into());
    }

    #[test]
    fn kept_words_are_counted_by_each_unseen_label_also_where_they_are_cut_off() {
        // The maximum length leaves out the last word of the first sentence.
        let text = TREES.replace("nsubj:pass", "NSUBJ").replace("ADV", "adv");
        let keeping = FeatureOptions::new(5).with_unseen(Unseen::Keep);
        let kept = featurized(&text, keeping).unwrap();
        assert_eq!(kept.unseen, [("NSUBJ".to_owned(), 1), ("adv".to_owned(), 2)].into());
        assert_eq!(kept.kept, [0, 1]);
    }

    #[test]
    fn another_subtype_of_a_known_relation_is_no_unseen_label() {
        let relations = LabelSet::new(["nsubj:pass", "root"]).unwrap();
        // Tags are scored by their names, without being targets.
        let tags = LabelSet::new(["ADV", "NOUN"]).unwrap();
        let (subtypes, scored_tags) = (Subtypes::Keep, Some(&tags));
        let labels = ParseLabels { relations: &relations, subtypes, tags: None, scored_tags };
        let text = TREES.replace("nsubj:pass", "nsubj:outer");
        let keeping = FeatureOptions::new(16).with_unseen(Unseen::Keep);
        let kept = featurize_parsing(&unigram(), &examples(&text), Some(labels), &keeping).unwrap();
        assert_eq!(targets(&kept).relations, [X, X, 1]);
        assert_eq!(targets(&kept).tags, [X, X, X]);
        assert_eq!(kept.unseen, [("X".to_owned(), 1), ("nmod".to_owned(), 1)].into());
    }

    #[test]
    fn a_word_without_annotation_is_refused_where_unseen_labels_are_kept() {
        let keeping = FeatureOptions::new(16).with_unseen(Unseen::Keep);
        for (old, new, part) in [("nmod", "_", "deprel"), ("\tX", "\t_", "upos")] {
            let text = TREES.replace(old, new);
            let error = featurized(&text, keeping).unwrap_err().to_string();
            assert_eq!(error, format!("de.conllu:3: empty {part:?}"));
        }
    }

    #[test]
    fn what_is_no_tree_or_lacks_a_value_is_named_by_its_line() {
        let message = |old: &str, new: &str| {
            assert!(TREES.contains(old));
            featurized(&TREES.replacen(old, new, 1), FeatureOptions::new(16))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message("3\tnsubj", "2\tnsubj"),
            "de.conllu:2: word 1 is its own head or above its own head"
        );
        assert_eq!(message("3\tnsubj", "0\tnsubj"), "de.conllu:4: words 1 and 3 are both the root");
        assert_eq!(message("3\tnsubj", "_\tnsubj"), "de.conllu:2: word 1 has no head");
        assert_eq!(message("nmod", "_"), "de.conllu:3: empty \"deprel\"");
        assert_eq!(message("\tX", "\t_"), "de.conllu:3: empty \"upos\"");
    }

    #[test]
    fn without_labels_any_heads_will_do() {
        let text = TREES.replace("3\tnsubj:pass", "_\t_");
        let found = featurize_parsing(&unigram(), &examples(&text), None, &FeatureOptions::new(16));
        assert_eq!(targets(&found.unwrap()).heads, [X, X, X]);
    }
}
