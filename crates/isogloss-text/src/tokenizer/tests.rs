//! Tests of tokenizers, with a small one of each kind.

use std::path::Path;

use proptest::prelude::*;

use super::{SpecialTokens, Tokenizer};
use crate::TextError;

/// A tokenizer like that of XLM-R, with a handful of pieces, and truncation and padding set in the
/// file.
pub(crate) const UNIGRAM: &str = r#"{
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 32}, "direction": "Right", "pad_id": 1, "pad_type_id": 0, "pad_token": "<pad>", "pad_to_multiple_of": null},
    "added_tokens": [
        {"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
        {"id": 13, "content": "<mask>", "single_word": false, "lstrip": true, "rstrip": false, "normalized": false, "special": true}
    ],
    "normalizer": null,
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        "pair": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "</s>", "type_id": 1}}
        ],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}
    },
    "decoder": null,
    "model": {
        "type": "Unigram", "unk_id": 3, "byte_fallback": false,
        "vocab": [
            ["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁", -3.0], ["▁Licht", -2.0], ["▁W", -2.0], ["ohn", -2.0],
            ["▁aus", -2.0], ["打开", -2.0], ["灯", -2.0], ["🎵", -2.0], ["e", -4.0]
        ]
    }
}"#;

/// A tokenizer like that of multilingual BERT.
pub(crate) const WORD_PIECE: &str = r###"{
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": true, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "licht": 3, "##er": 4, "灯": 5, "##开": 6, "打": 7}
    }
}"###;

/// A tokenizer like that of RoBERTa.
pub(crate) const BYTE_LEVEL: &str = r#"{
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0], "trim_offsets": true, "add_prefix_space": false},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {
        "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null,
        "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        "vocab": {"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3, "u": 4, "s": 5, "Ġ": 6, "au": 7, "Ġau": 8}, "merges": [["a", "u"], ["Ġ", "au"]]
    }
}"#;

pub(crate) fn unigram() -> Tokenizer {
    read(UNIGRAM)
}

pub(crate) fn read(json: &str) -> Tokenizer {
    Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref()).unwrap()
}

pub(crate) fn word_level() -> Tokenizer {
    read(
        r#"{
        "version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "Licht": 1, "灯": 7}, "unk_token": "[UNK]"}
    }"#,
    )
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

#[test]
fn the_vocabulary_reaches_to_the_highest_id() {
    assert_eq!((unigram().vocab_size(), unigram().kind()), (14, "Unigram"));
    assert_eq!((word_level().vocab_size(), word_level().kind()), (8, "WordLevel"));
    assert_eq!((read(WORD_PIECE).vocab_size(), read(WORD_PIECE).kind()), (8, "WordPiece"));
    assert_eq!((read(BYTE_LEVEL).vocab_size(), read(BYTE_LEVEL).kind()), (9, "BPE"));
    assert_eq!(unigram().token(13).as_deref(), Some("<mask>"));
    assert_eq!(unigram().token(14), None);
    assert_eq!(unigram().id("<pad>"), Some(1));
}

#[test]
fn truncation_and_padding_of_the_file_are_switched_off() {
    let encoded = unigram().encode("Licht Licht Licht Licht", None, 16).unwrap();
    assert_eq!(encoded.ids, [0, 5, 5, 5, 5, 2]);
    assert_eq!(encoded.n_truncated, 0);
}

#[test]
fn offsets_count_characters() {
    // The pieces are ▁ e U+0301 ▁ 🎵 ▁ 打开 灯.
    let text = "e\u{301} 🎵 打开灯";
    let encoded = unigram().encode(text, None, 16).unwrap();
    let spans = unigram().spans(&encoded, text);
    let chars: Vec<char> = text.chars().collect();
    let shown: Vec<String> =
        spans.iter().map(|&(start, end)| chars[start..end].iter().collect()).collect();
    assert_eq!(shown, ["", "", "e", "\u{301}", "", "🎵", "", "打开", "灯", ""]);
    assert_eq!(
        encoded.special,
        [true, false, false, false, false, false, false, false, false, true]
    );
    assert_eq!(
        encoded.word_ids,
        [None, Some(0), Some(0), Some(0), Some(1), Some(1), Some(2), Some(2), Some(2), None]
    );
}

#[test]
fn spans_leave_out_the_space_that_a_piece_begins_with() {
    let encoded = unigram().encode("Licht aus", None, 16).unwrap();
    assert_eq!(encoded.offsets, [(0, 0), (0, 5), (5, 9), (0, 0)]);
    assert_eq!(unigram().spans(&encoded, "Licht aus"), [(0, 0), (0, 5), (6, 9), (0, 0)]);
}

#[test]
fn normalized_texts_keep_their_own_offsets() {
    // Case and accents are removed, and each Chinese character becomes a word.
    let encoded = read(WORD_PIECE).encode("LI\u{301}CHTER 打灯", None, 16).unwrap();
    assert_eq!(encoded.ids, [1, 3, 4, 7, 5, 2]);
    assert_eq!(encoded.offsets, [(0, 0), (0, 6), (6, 8), (9, 10), (10, 11), (0, 0)]);
    assert_eq!(encoded.word_ids, [None, Some(0), Some(0), Some(1), Some(2), None]);

    let encoded = read(BYTE_LEVEL).encode("au  aus", None, 16).unwrap();
    assert_eq!(encoded.ids, [0, 7, 6, 8, 5, 1]);
    assert_eq!(
        read(BYTE_LEVEL).spans(&encoded, "au  aus"),
        [(0, 0), (0, 2), (3, 3), (4, 6), (6, 7), (0, 0)]
    );
}

#[test]
fn the_longer_text_of_a_pair_is_cut_first() {
    let pair = unigram().encode("Licht", Some("aus aus aus aus"), 6).unwrap();
    assert_eq!(pair.ids, [0, 5, 2, 8, 8, 2]);
    assert_eq!(pair.type_ids, [0, 0, 0, 1, 1, 1]);
    assert_eq!(pair.n_truncated, 2);
    assert_eq!(unigram().encode("Licht Licht Licht", Some("aus"), 5).unwrap().ids, [0, 5, 2, 8, 2]);
    assert_eq!(word_level().encode("Licht", Some("灯"), 2).unwrap().type_ids, [0, 1]);
}

/// `transformers` 4.57.6 and 5.23.0 give no `token_type_ids` then, and the model takes zeros.
#[test]
fn a_model_that_gets_no_type_ids_has_zeros() {
    let with = |inputs: &str| {
        let config = format!("{{\"model_input_names\": {inputs}}}");
        let beside = |name: &str| (name == "tokenizer_config.json").then(|| config.clone().into());
        Tokenizer::from_folder_bytes(WORD_PIECE.as_bytes(), beside).unwrap()
    };
    let types = |inputs: &str| with(inputs).encode("licht", Some("打"), 9).unwrap().type_ids;
    assert_eq!(types(r#"["input_ids", "attention_mask"]"#), [0; 5]);
    for inputs in [r#"["input_ids", "token_type_ids", "attention_mask"]"#, "null"] {
        assert_eq!(types(inputs), [0, 0, 0, 1, 1], "{inputs}");
    }
    // The classes of XLM-R and of transformers 5 have none by default.
    for class in ["BertTokenizerFast", "XLMRobertaTokenizer", "TokenizersBackend"] {
        let config = format!("{{\"tokenizer_class\": {class:?}}}");
        let beside = |name: &str| (name == "tokenizer_config.json").then(|| config.clone().into());
        let tokenizer = Tokenizer::from_folder_bytes(WORD_PIECE.as_bytes(), beside).unwrap();
        let found = tokenizer.encode("licht", Some("打"), 9).unwrap().type_ids;
        assert_eq!(found[3], u32::from(class.starts_with("Bert")), "{class}");
    }
    let joined = |inputs: &str| {
        let tokens = SpecialTokens::from_tokenizer(&with(inputs)).unwrap();
        tokens.surround(&[&[3], &[7]]).type_ids
    };
    assert_eq!(joined(r#"["input_ids"]"#), [0; 5]);
    assert_eq!(joined("null"), [0, 0, 0, 1, 1]);
}

#[test]
fn the_mask_token_is_that_of_the_files_beside() {
    let vocabulary = WORD_PIECE.replace(r#""打": 7"#, r#""打": 7, "[MASK]": 8, "<gap>": 9"#);
    let mask = |files: &[(&str, &str)]| {
        let files: std::collections::BTreeMap<_, _> = files.iter().copied().collect();
        let beside = |name: &str| files.get(name).map(|text| text.as_bytes().to_vec());
        let tokenizer = Tokenizer::from_folder_bytes(vocabulary.as_bytes(), beside).unwrap();
        tokenizer.mask_id().unwrap()
    };
    let (config, map) = ("tokenizer_config.json", "special_tokens_map.json");
    assert_eq!(mask(&[]), 8);
    assert_eq!(mask(&[(config, r#"{"mask_token": "<gap>"}"#)]), 9);
    assert_eq!(mask(&[(config, r#"{"mask_token": {"content": "<gap>", "lstrip": true}}"#)]), 9);
    assert_eq!(
        mask(&[(config, r#"{"mask_token": "[MASK]"}"#), (map, r#"{"mask_token": "<gap>"}"#)]),
        9
    );
    // transformers reads no special_tokens_map.json beside an added_tokens_decoder.
    let decoder = r#"{"mask_token": "[MASK]", "added_tokens_decoder": {}}"#;
    assert_eq!(mask(&[(config, decoder), (map, r#"{"mask_token": "<gap>"}"#)]), 8);
    // A token beyond the vocabulary is added to it, as transformers does.
    assert_eq!(mask(&[(config, r#"{"mask_token": "<new>"}"#)]), 10);
}

#[test]
fn a_vocabulary_without_the_file_of_the_tokenizer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let message = || Tokenizer::from_file(&path).unwrap_err().to_string();
    assert!(message().ends_with("cannot be read"), "{}", message());
    std::fs::write(folder.path().join("vocab.txt"), "[UNK]\n").unwrap();
    for part in ["tokenizer.json: ", "vocab.txt alone", "save_pretrained"] {
        assert!(message().contains(part), "{}", message());
    }
}

#[test]
fn the_special_tokens_must_leave_room() {
    let error = unigram().encode("Licht", None, 2).unwrap_err();
    assert!(matches!(error, TextError::MaxLength { max_length: 2, n_special: 2 }));
    assert_eq!(unigram().encode("Licht aus", None, 3).unwrap().ids, [0, 5, 2]);
    assert!(unigram().encode("Licht", Some("aus"), 3).is_err());
    assert!(word_level().encode("Licht", None, 0).is_err());
}

#[test]
fn words_count_even_where_they_give_no_token() {
    let encoded = word_level().encode_words(&words(&["灯", " ", "", "Licht"]), 16).unwrap();
    assert_eq!(encoded.ids, [7, 1]);
    assert_eq!(encoded.word_ids, [Some(0), Some(3)]);
    assert_eq!(encoded.offsets, [(0, 1), (0, 5)]);
    assert_eq!(encoded.first_subwords(4), [Some(0), None, None, Some(1)]);
}

#[test]
fn no_text_gives_special_tokens_alone() {
    assert_eq!(unigram().encode("", None, 8).unwrap().ids, [0, 2]);
    assert_eq!(unigram().encode_words(&[], 8).unwrap().ids, [0, 2]);
    assert!(word_level().encode("", None, 8).unwrap().is_empty());
}

#[test]
fn a_batch_equals_its_texts_one_by_one() {
    let tokenizer = unigram();
    let texts = [("Licht aus", None), ("打开灯", Some("Wohn")), ("", None)];
    let alone: Vec<_> =
        texts.iter().map(|&(text, pair)| tokenizer.encode(text, pair, 5).unwrap()).collect();
    assert_eq!(tokenizer.encode_batch(&texts, 5).unwrap(), alone);

    let sentences = [words(&["Licht", "aus"]), words(&[]), words(&["Wohn"])];
    let alone: Vec<_> =
        sentences.iter().map(|words| tokenizer.encode_words(words, 5).unwrap()).collect();
    assert_eq!(tokenizer.encode_words_batch(&sentences, 5).unwrap(), alone);
}

#[test]
fn a_text_that_the_model_refuses_is_an_error() {
    let json = r#"{"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "?"}}"#;
    assert!(
        read(json)
            .encode("b", None, 4)
            .unwrap_err()
            .to_string()
            .starts_with("cannot tokenize \"b\": ")
    );
}

#[test]
fn what_is_no_tokenizer_is_refused_by_name() {
    let message = |json: &str| {
        Tokenizer::from_bytes(json.as_bytes(), "model/tokenizer.json".as_ref())
            .unwrap_err()
            .to_string()
    };
    for json in ["", "{}", "[]", r#"{"version": "2.0"}"#] {
        assert!(
            message(json).starts_with("model/tokenizer.json: not a usable tokenizer: "),
            "{}",
            message(json)
        );
    }
    let huge = r#"{"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel", "vocab": {"a": 4294967295}, "unk_token": "a"}}"#;
    assert!(message(huge).ends_with("a token id exceeds 2147483647"));
    assert!(matches!(
        Tokenizer::from_file(Path::new("/nowhere/tokenizer.json")),
        Err(TextError::Io { .. })
    ));
}

proptest! {
    #[test]
    fn any_bytes_give_a_tokenizer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Tokenizer::from_bytes(&bytes, "x".as_ref());
    }

    #[test]
    fn a_damaged_file_gives_a_tokenizer_or_an_error(
        json in prop::sample::select(vec![UNIGRAM, WORD_PIECE, BYTE_LEVEL]),
        index: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = json.as_bytes().to_vec();
        *index.get_mut(&mut bytes) = byte;
        if let Ok(tokenizer) = Tokenizer::from_bytes(&bytes, "x".as_ref()) {
            let _ = tokenizer.encode("Licht 打开灯", Some("aus"), 8);
        }
    }

    #[test]
    fn offsets_lead_back_to_the_words(
        text in prop::collection::vec(prop::sample::select(vec!["Licht", "灯", "🎵", "e\u{301}", " ", "\u{3000}", "\n"]), 0..20)
    ) {
        let text = text.join(" ");
        let chars: Vec<char> = text.chars().collect();
        let encoded = word_level().encode(&text, None, 99).unwrap();
        let joined: String = encoded.offsets.iter().flat_map(|&(start, end)| chars[start..end].to_vec()).collect();
        prop_assert_eq!(joined, text.split_whitespace().collect::<String>());
    }

    #[test]
    fn spans_follow_each_other_and_hold_no_space(text in "[Lichtauseo🎵\u{301}打开灯 \u{2581}]{0,24}", max_length in 3usize..30) {
        let tokenizer = unigram();
        let encoded = tokenizer.encode(&text, None, max_length).unwrap();
        prop_assert!(encoded.len() <= max_length);
        let n_tokens = encoded.len();
        prop_assert_eq!(
            [encoded.type_ids.len(), encoded.offsets.len(), encoded.word_ids.len(), encoded.special.len()],
            [n_tokens; 4]
        );
        let chars: Vec<char> = text.chars().collect();
        let mut reached = 0;
        let mut seen = String::new();
        for (start, end) in tokenizer.spans(&encoded, &text) {
            if start < end {
                prop_assert!(start >= reached);
                reached = end;
                seen.extend(&chars[start..end]);
                prop_assert!(!chars[start].is_whitespace() && !chars[end - 1].is_whitespace());
            }
        }
        if encoded.n_truncated == 0 {
            prop_assert_eq!(seen.replace('\u{2581}', ""), text.replace([' ', '\u{2581}'], ""));
        }
    }
}
