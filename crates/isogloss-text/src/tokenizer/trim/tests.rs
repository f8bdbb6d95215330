//! Tests of vocabulary trimming: texts of kept pieces keep their segmentation, with every kind of
//! subword model.

use proptest::prelude::*;

use crate::tokenizer::tests::{BYTE_LEVEL, UNIGRAM, WORD_PIECE, read};
use crate::{
    KeptPieces, PieceCounts, SegmentationComparison, Tokenizer, TokenizerInput, trim_tokenizer,
};

/// The padding token of the Unigram model, which is not one of its special tokens; in the other
/// models, the id of a special token.
const PADDING: [u32; 1] = [1];

fn trimmed(json: &str, kept: &KeptPieces) -> Tokenizer {
    let bytes = trim_tokenizer(&read(json), json.as_bytes(), "t.json".as_ref(), &kept.ids).unwrap();
    Tokenizer::from_bytes(&bytes, "trimmed.json".as_ref()).unwrap()
}

fn kept(json: &str, texts: &[&str], limit: Option<usize>) -> Result<KeptPieces, String> {
    let tokenizer = read(json);
    let mut counts = PieceCounts::new(&tokenizer).unwrap();
    let texts: Vec<_> = texts.iter().map(|text| TokenizerInput::Text(text)).collect();
    counts.add(&texts).unwrap();
    counts.select(&PADDING, limit).map_err(|error| error.to_string())
}

fn pieces(tokenizer: &Tokenizer) -> Vec<String> {
    (0..).map_while(|id| tokenizer.token(id)).collect()
}

#[test]
fn special_tokens_pieces_of_the_texts_and_characters_are_kept() {
    let kept_pieces = kept(UNIGRAM, &["Licht aus"], None).unwrap();
    let tokenizer = trimmed(UNIGRAM, &kept_pieces);
    let expected =
        ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁Licht", "▁aus", "灯", "🎵", "e", "<mask>"];
    assert_eq!(pieces(&tokenizer), expected);
    assert_eq!((kept_pieces.n_unseen, kept_pieces.n_lost), (9, 0));
    assert_eq!(tokenizer.encode("Licht aus", None, 9).unwrap().ids, [0, 5, 6, 2]);
    assert_eq!(tokenizer.mask_id().unwrap(), 10);
    // Each of the characters without a piece is unknown, and they are joined.
    assert_eq!(tokenizer.encode("Wohn", None, 9).unwrap().ids, [0, 4, 3, 2]);

    let kept_pieces = kept(WORD_PIECE, &["licht"], None).unwrap();
    let tokenizer = trimmed(WORD_PIECE, &kept_pieces);
    assert_eq!(pieces(&tokenizer), ["[UNK]", "[CLS]", "[SEP]", "licht", "灯", "##开", "打"]);
    assert_eq!(tokenizer.encode("lichter", None, 9).unwrap().ids, [1, 0, 2]);
}

#[test]
fn pieces_that_merges_make_on_the_way_are_kept() {
    let tokenizer = trimmed(BYTE_LEVEL, &kept(BYTE_LEVEL, &["s au"], None).unwrap());
    assert_eq!(pieces(&tokenizer), ["<s>", "</s>", "<unk>", "a", "u", "s", "Ġ", "au", "Ġau"]);
    let tokenizer = trimmed(BYTE_LEVEL, &kept(BYTE_LEVEL, &["aus"], None).unwrap());
    assert_eq!(pieces(&tokenizer), ["<s>", "</s>", "<unk>", "a", "u", "s", "Ġ", "au"]);
    assert_eq!(tokenizer.encode("aus au", None, 9).unwrap().ids, [0, 7, 5, 6, 7, 1]);
}

#[test]
fn a_limit_takes_the_rarest_pieces_first_but_characters_of_the_texts() {
    let texts = ["Licht Licht aus", "灯"];
    let kept_pieces = kept(UNIGRAM, &texts, Some(10)).unwrap();
    assert_eq!(
        pieces(&trimmed(UNIGRAM, &kept_pieces)),
        ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁Licht", "▁aus", "灯", "e", "<mask>"]
    );
    let kept_pieces = kept(UNIGRAM, &texts, Some(9)).unwrap();
    assert_eq!(kept_pieces.n_lost, 1);
    assert!(!pieces(&trimmed(UNIGRAM, &kept_pieces)).contains(&"▁aus".to_owned()));
    assert_eq!(
        kept(UNIGRAM, &texts, Some(5)).unwrap_err(),
        "cannot trim the vocabulary: 5 pieces are fewer than the 6 special tokens and fallbacks that are always kept"
    );
    assert_eq!(
        kept(UNIGRAM, &[""], None).unwrap_err(),
        "cannot trim the vocabulary: the texts have no pieces"
    );
}

#[test]
fn each_corpus_counts_alike() {
    let tokenizer = read(UNIGRAM);
    let mut counts = PieceCounts::new(&tokenizer).unwrap();
    counts.add(&[TokenizerInput::Text("Licht Licht Licht aus aus aus aus")]).unwrap();
    counts.add(&[TokenizerInput::Text("Licht")]).unwrap();
    // One piece besides special tokens, fallbacks for unknown text, and characters of the texts.
    let kept = counts.select(&PADDING, Some(8)).unwrap();
    assert!(kept.ids.contains(&tokenizer.id("▁Licht").unwrap()));
    assert_eq!((kept.ids.len(), kept.n_lost), (8, 1));
}

#[test]
fn what_other_texts_lose_is_counted() {
    let kept_pieces = kept(UNIGRAM, &["Licht"], None).unwrap();
    let trimmed = trimmed(UNIGRAM, &kept_pieces);
    let texts = ["Licht", "Licht aus", "Wohn"].map(TokenizerInput::Text);
    let comparison =
        SegmentationComparison::new(&read(UNIGRAM), &trimmed, &kept_pieces.ids, &texts).unwrap();
    assert_eq!(
        comparison,
        SegmentationComparison {
            n_texts: 3,
            n_changed: 2,
            n_tokens: 5,
            n_tokens_trimmed: 6,
            n_unknown: 0,
            n_unknown_trimmed: 2,
        }
    );
}

#[test]
fn all_cuts_of_a_word_can_be_kept() {
    for (json, text, found) in [
        (UNIGRAM, "打开灯", vec!["▁", "打开", "灯"]),
        (WORD_PIECE, "lichter", vec!["licht", "##er"]),
        (BYTE_LEVEL, "aus", vec!["a", "u", "s", "au"]),
    ] {
        let tokenizer = read(json);
        let mut counts = PieceCounts::new(&tokenizer).unwrap();
        counts.add_all_segmentations(&[TokenizerInput::Text(text)]).unwrap();
        let ids = counts.select(&PADDING, None).unwrap().ids;
        for piece in found {
            assert!(ids.contains(&tokenizer.id(piece).unwrap()), "{piece}");
        }
    }
}

proptest! {
    #[test]
    fn the_texts_are_cut_as_before(texts in prop::collection::vec("\\PC{0,12}|[Licht auseWohnr🎵打开灯<>mask]{0,24}", 1..8)) {
        for json in [UNIGRAM, WORD_PIECE, BYTE_LEVEL] {
            let tokenizer = read(json);
            let words: Vec<Vec<String>> =
                texts.iter().map(|text| text.split_whitespace().map(str::to_owned).collect()).collect();
            let texts = texts.iter().map(|text| TokenizerInput::Text(text));
            let inputs: Vec<_> = texts.chain(words.iter().map(|words| TokenizerInput::Words(words))).collect();
            let mut counts = PieceCounts::new(&tokenizer).unwrap();
            counts.add(&inputs).unwrap();
            let Ok(kept) = counts.select(&PADDING, None) else { continue };
            let comparison = SegmentationComparison::new(&tokenizer, &trimmed(json, &kept), &kept.ids, &inputs).unwrap();
            prop_assert_eq!(comparison.n_changed, 0);
        }
    }
}
