//! Parity of tokenizer folders with `AutoTokenizer`: token ids, offsets, word ids and segments for each
//! of the settings of `tokenizer.json` and the files beside it, on texts in many scripts.
//!
//! The counts stand in `docs/tokenizers.md`, which is compared with what is counted here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use isogloss_tests::fixtures;
use isogloss_text::{Encoded, Tokenizer};
use serde_json::{Value, json};

/// Length in tokens that nothing is truncated to, where neither call nor folder gives one.
const NO_LIMIT: usize = 512;

fn read(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixtures().join(name)).unwrap()).unwrap()
}

/// Sets the value at a JSON pointer; `-` appends to a list.
fn set(file: &mut Value, pointer: &str, value: &Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let parent = file.pointer_mut(parent).unwrap();
    match parent.as_array_mut() {
        Some(list) if last == "-" => list.push(value.clone()),
        _ => parent[last] = value.clone(),
    }
}

/// Writes the folder of a setting, and loads its tokenizer.
fn load(setting: &Value, bases: &Value) -> Result<Tokenizer, isogloss_text::TextError> {
    let folder = tempfile::tempdir().unwrap();
    let mut file = bases[setting["base"].as_str().unwrap()].clone();
    for (pointer, value) in setting["changes"].as_object().unwrap() {
        set(&mut file, pointer, value);
    }
    let write = |name: &str, content: &Value| {
        fs::write(folder.path().join(name), content.to_string()).unwrap();
    };
    write("tokenizer.json", &file);
    setting["files"].as_object().unwrap().iter().for_each(|(name, content)| write(name, content));
    Tokenizer::from_file(&folder.path().join("tokenizer.json"))
}

/// Encodes text `i` as the setting says, in the form of the fixture.
fn encode(tokenizer: &Tokenizer, setting: &Value, texts: &[&str], i: usize) -> Value {
    let given = setting["max_length"].as_u64().map(|length| usize::try_from(length).unwrap());
    let max_length = given.or(tokenizer.model_max_length()).unwrap_or(NO_LIMIT);
    let pair = (setting["pair"] == true).then(|| texts[(i + 1) % texts.len()]);
    let is_split = setting["words"] == true;
    let encoded = if is_split {
        let words = texts[i].split(' ').filter(|word| !word.is_empty());
        let words: Vec<String> = words.map(str::to_owned).collect();
        tokenizer.encode_words(&words, max_length).unwrap()
    } else {
        tokenizer.encode(texts[i], pair, max_length).unwrap()
    };
    let Encoded { ids, offsets, word_ids, type_ids, .. } = encoded;
    let offsets: Vec<usize> = offsets.into_iter().flat_map(|(start, end)| [start, end]).collect();
    match setting["segments"] == true {
        _ if is_split => json!([ids, offsets, word_ids]),
        true => json!([ids, offsets, type_ids]),
        false => json!([ids, offsets]),
    }
}

/// A row of the table: the texts of a setting, and how many are encoded as by transformers 5 and 4.
fn row(name: &str, n_texts: usize, equal: [usize; 2]) -> String {
    format!("| {name} | {n_texts} | {} | {} |", equal[0], equal[1])
}

#[test]
fn the_table_counts_the_texts_that_are_encoded_as_by_transformers() {
    let (matrix, other) = (read("tokenizer_matrix.json"), read("tokenizer_matrix_v4.json"));
    assert_eq!(matrix["made_by"]["script_sha256"], other["matrix"]["sha256"]);
    let texts: Vec<&str> =
        matrix["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let mut rows = Vec::new();
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for setting in matrix["settings"].as_array().unwrap() {
        let name = setting["name"].as_str().unwrap();
        let tokenizer = load(setting, &matrix["bases"]).unwrap();
        let in_v4: BTreeMap<usize, &Value> = other["differs"][name]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| (usize::try_from(pair[0].as_u64().unwrap()).unwrap(), &pair[1]))
            .collect();
        let mut equal = [0; 2];
        for i in 0..texts.len() {
            let found = encode(&tokenizer, setting, &texts, i);
            let answer = matrix["answers"][name][i].as_u64().unwrap();
            let v5 = &matrix["encodings"][usize::try_from(answer).unwrap()];
            let v4 = in_v4.get(&i).copied().unwrap_or(v5);
            equal[0] += usize::from(found == *v5);
            equal[1] += usize::from(found == *v4);
            if found != *v5 {
                let text = format!("{:?}: {found}, transformers 5: {v5}", texts[i]);
                shown.entry(name.to_owned()).or_insert(text);
            }
        }
        rows.push(row(name, texts.len(), equal));
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tokenizers.md");
    let page = fs::read_to_string(page).unwrap();
    // The last column says what is told.
    let counted = |line: &str| Some(line.rsplit_once(" | ")?.0.to_owned() + " |");
    let table: Vec<String> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| setting"))
        .filter_map(counted)
        .collect();
    assert_eq!(table, rows, "first differences: {shown:#?}");
}
