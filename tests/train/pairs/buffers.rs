//! Runs on a device with small buffers: flex, under the limit of a browser's or an integrated GPU.

use std::fs;

use isogloss::Error;
use isogloss::device::{DeviceChoice, DeviceError, OpenDevice, open};
use isogloss::text::{Tokenizer, read_treebank_file};
use isogloss_tests::runs::{Workshop, plan_of};
use serde_json::Value;

/// Bytes of the embedding matrix of the tiny model, 120 × 32, which every limit below allows.
const EMBEDDINGS: u64 = 120 * 32 * 4;

/// Width of the tiny model's feed-forward networks.
const INTERMEDIATE: usize = 64;

/// Words of the dictionary that [`Workshop::with_pairs`] writes, each a single token.
const WORDS: [[&str; 2]; 8] = [
    ["on", "an"],
    ["off", "aus"],
    ["lamp", "licht"],
    ["door", "tür"],
    ["please", "bitte"],
    ["the", "das"],
    ["room", "küche"],
    ["it", "der"],
];

/// Runs a recipe where no buffer has more bytes.
fn run(shop: &Workshop, recipe: &str, max_buffer_bytes: u64) -> Result<(), Error> {
    let OpenDevice { device, mut info } = open(DeviceChoice::Flex).unwrap();
    info.max_buffer_bytes = Some(max_buffer_bytes);
    let run = shop.run("run");
    _ = fs::remove_dir_all(run.path());
    shop.try_finish_on(&OpenDevice { device, info }, &plan_of(recipe), &run).map(|_| ())
}

/// Fails unless a recipe is refused because of a tensor of this shape where that does not fit, and
/// runs where it just fits.
#[track_caller]
fn assert_limit(shop: &Workshop, recipe: &str, name: &str, shape: &[usize], advice: &str) {
    let n_bytes = 4 * shape.iter().product::<usize>() as u64;
    assert!(n_bytes > EMBEDDINGS, "{name}: {n_bytes}");
    let Err(error) = run(shop, recipe, n_bytes - 1) else { panic!("{name}: runs") };
    let shape: Vec<_> = shape.iter().map(usize::to_string).collect();
    let Error::Device(DeviceError::TooLarge { what, bytes, remedy, .. }) = error else {
        panic!("{name}: {error}");
    };
    assert_eq!((what, bytes), (format!("{name} of {}", shape.join(" × ")), n_bytes));
    assert!(remedy.contains(advice), "{remedy}");
    assert!(!shop.path("run/checkpoints").exists(), "{name}: a step was made");
    run(shop, recipe, n_bytes).unwrap();
}

/// Most tokens of a text in some splits of all languages.
fn longest(shop: &Workshop, languages: &[&str], splits: &[&str]) -> usize {
    let tokenizer = Tokenizer::from_file(&shop.path("model/tokenizer.json")).unwrap();
    let lines = languages.iter().flat_map(|language| {
        let text = fs::read_to_string(shop.path(&format!("data/{language}.jsonl"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    });
    let of_splits = lines.filter(|line| splits.contains(&line["split"].as_str().unwrap()));
    let n_tokens = of_splits
        .map(|line| tokenizer.encode(line["text"].as_str().unwrap(), None, 40).unwrap().len());
    n_tokens.max().unwrap()
}

/// Writes `n` different pairs of three words, so of five tokens with the special ones.
fn write_pairs(shop: &Workshop, n: usize) {
    let pairs = (0..n).map(|pair| {
        let words = [pair % 8, pair / 8 % 8, pair / 64 % 8].map(|word| WORDS[word]);
        let [left, right] = [0, 1].map(|side| words.map(|word| word[side]).join(" "));
        format!("{left}\t{right}\n")
    });
    fs::write(shop.path("pairs/en-de.tsv"), pairs.collect::<String>()).unwrap();
}

/// Recipe on these pairs, without labels.
fn pairs_recipe(shop: &Workshop, batch_size: usize, tables: &str) -> String {
    format!(
        "[model]\nsource = {:?}\n[task.retrieval]\n[data]\nsources = [\"en\"]\n\
         [training]\nmax_steps = 1\nevaluation_batch_size = 1\n\
         [pairs]\npath = {:?}\nlanguages = [\"de\"]\nbatch_size = {batch_size}\n\
         max_length = 38\nheld_out = 2\naligner.dictionary = {{ path = {:?} }}\n{tables}\n",
        shop.path("model"),
        shop.path("pairs/en-{language}.tsv"),
        shop.path("dictionaries/en-{language}.txt"),
    )
}

#[test]
fn batches_of_training_and_evaluation_are_told_apart() {
    let shop = Workshop::new();
    let name = "feed-forward activation tensor";
    let recipe =
        |training: &str, tables| shop.recipe(&format!("max_steps = 1\n{training}"), tables);
    // 24 training examples, in one batch.
    let length = longest(&shop, &["en"], &["train"]);
    let trained = recipe("batch_size = 32\nevaluation_batch_size = 1", "");
    let shape = [24, length, INTERMEDIATE];
    assert_limit(&shop, &trained, name, &shape, "lower training.batch_size");
    // R-Drop has two passes in one batch.
    let twice =
        recipe("batch_size = 12\nevaluation_batch_size = 1", "[[objective]]\nmethod.r_drop = {}\n");
    assert_limit(&shop, &twice, name, &shape, "lower training.batch_size");
    // 12 test examples in each language.
    let length = longest(&shop, &["en", "de", "xx"], &["test"]);
    let evaluated = recipe("batch_size = 1\nevaluation_batch_size = 64", "");
    let shape = [12, length, INTERMEDIATE];
    assert_limit(&shop, &evaluated, name, &shape, "lower training.evaluation_batch_size");
}

#[test]
fn logits_of_masked_tokens_grow_with_the_rate() {
    let shop = Workshop::new().with_pairs();
    let blocks = format!(
        "[task.language_modeling]\n[data]\nsources = [\"en\"]\n[training]\nmax_steps = 1\n\
         [[objective]]\nmethod.mmlm = {{}}\n[masking]\nrate = 0.75\n\
         [monolingual]\npath = {:?}\nlanguages = [\"de\"]\nbatch_size = 8\nmax_length = 12\n\
         held_out = 1\n",
        shop.path("text/{language}.txt")
    );
    let recipe = format!("[model]\nsource = {:?}\n{blocks}", shop.path("model"));
    let name = "masked-language-model logit matrix";
    // Nine of the twelve tokens of a block, over a vocabulary of 120.
    assert_limit(&shop, &recipe, name, &[8 * 9, 120], "lower masking.rate");
    write_pairs(&shop, 20);
    // Two sentences of five tokens each, cut by nothing.
    let joined = "[[objective]]\nmethod.tlm = {}\n[masking]\nrate = 1.0\n";
    let recipe = pairs_recipe(&shop, 6, joined);
    assert_limit(&shop, &recipe, name, &[6 * 10, 120], "lower masking.rate");
}

#[test]
fn similarities_and_queues_of_pairs_are_named() {
    let shop = Workshop::new().with_pairs();
    write_pairs(&shop, 302);
    let objective = |method: &str| format!("[[objective]]\nmethod.{method}\n");
    // Sentences are shorter than the maximum length, by which 20 of them would not fit.
    let recipe = pairs_recipe(&shop, 20, &objective("info_nce = {}"));
    let name = "feed-forward activation tensor";
    assert_limit(&shop, &recipe, name, &[20, 5, INTERMEDIATE], "lower pairs.batch_size");
    let recipe = pairs_recipe(&shop, 100, &objective("info_nce = { chunk_size = 4 }"));
    let name = "sentence similarity matrix";
    assert_limit(&shop, &recipe, name, &[100, 100], "lower pairs.batch_size");
    let xlco = "xlco = { layer = 1, queue_size = 200, mixup = false, masked = false }";
    let recipe = pairs_recipe(&shop, 4, &objective(xlco));
    assert_limit(&shop, &recipe, "negative queue", &[200, 32], "lower queue_size");
    // Three words on each side of a pair, each linked to its translation.
    let recipe = pairs_recipe(&shop, 20, &objective("realign = {}"));
    let name = "word similarity matrix";
    assert_limit(&shop, &recipe, name, &[2 * 60, 2 * 60], "lower pairs.batch_size");
}

#[test]
fn relations_of_all_words_are_scored_at_once() {
    let shop = Workshop::new().with_trees();
    let recipe = format!(
        "[model]\nsource = {:?}\n[task.parsing]\narc_width = 24\nlabel_width = 40\n\
         [data]\npath = {:?}\nsources = [\"en\"]\nlanguages = [\"de\"]\nunseen_labels = \"keep\"\n\
         [training]\nbatch_size = 16\nmax_steps = 1\nevaluation_batch_size = 1\n",
        shop.path("model"),
        shop.path("trees/{language}-{split}.conllu"),
    );
    let treebank = read_treebank_file(&shop.path("trees/en-train.conllu")).unwrap();
    let words = || treebank.sentences.iter().map(|sentence| sentence.words());
    let n_words = words().map(<[_]>::len).max().unwrap();
    let mut relations: Vec<_> = words().flatten().map(|word| word.deprel.as_str()).collect();
    relations.sort();
    relations.dedup();
    let shape = [16 * n_words, relations.len(), 40];
    assert_limit(&shop, &recipe, "relation score tensor", &shape, "lower training.batch_size");
}
