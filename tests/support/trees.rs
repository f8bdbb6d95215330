//! Synthetic treebank in the vocabulary of `tests/fixtures/tokenizer.json`.

use std::fs;
use std::ops::Range;

use crate::runs::Workshop;

/// Words of the treebank by part of speech.
const VERBS: [[&str; 2]; 4] = [["turn", "on"], ["turn", "off"], ["stop", ""], ["open", ""]];
const NOUNS: [&str; 5] = ["lamp", "door", "room", "light", "music"];

/// Dependency tree by number: a verb with its particle and a noun; for some numbers `please` before
/// them, or a place below the noun.
fn sentence(number: usize) -> String {
    let mut rows: Vec<(&str, &str, usize, &str)> = Vec::new();
    let polite = number % 3 == 1;
    let verb = usize::from(polite) + 1;
    if polite {
        rows.push(("please", "INTJ", verb, "discourse"));
    }
    let [word, particle] = VERBS[number % 4];
    rows.push((word, "VERB", 0, "root"));
    if !particle.is_empty() {
        rows.push((particle, "ADP", verb, "compound:prt"));
    }
    let noun = rows.len() + 2;
    rows.push(("the", "DET", noun, "det"));
    rows.push((NOUNS[number % 5], "NOUN", verb, "obj"));
    if number.is_multiple_of(2) {
        rows.push(("in", "ADP", noun + 3, "case"));
        rows.push(("the", "DET", noun + 3, "det"));
        rows.push(("kitchen", "NOUN", noun, "nmod"));
    }
    let words: Vec<_> = rows.iter().map(|row| row.0).collect();
    let mut text = format!("# sent_id = {number}\n# text = {}\n", words.join(" "));
    for (id, (form, upos, head, deprel)) in (1..).zip(rows) {
        if id == noun - 1 {
            // Multiword tokens and empty nodes must be preserved.
            text.push_str(&format!("{id}-{noun}\tthe{}\t_\t_\t_\t_\t_\t_\t_\t_\n", words[id]));
        }
        let row = format!("{form}\t{form}\t{upos}\t_\t_\t{head}\t{deprel}\t_\tMisc={id}");
        text.push_str(&format!("{id}\t{row}\n"));
        if id == noun {
            text.push_str(&format!("{id}.1\tx\t_\t_\t_\t_\t_\t_\t{id}:dep\t_\n"));
        }
    }
    text + "\n"
}

/// German sentence of the same kind; its relation `obl:arg` is in no English sentence.
const GERMAN: &str = "1\tbitte\t_\tINTJ\t_\t_\t3\tdiscourse\t_\t_\n\
    2\tlicht\t_\tNOUN\t_\t_\t3\tobl:arg\t_\t_\n\
    3\tan\t_\tVERB\t_\t_\t0\troot\t_\t_\n\n";

impl Workshop {
    /// Writes `trees/{language}-{split}.conllu`: English training data, whose development set is
    /// the same, and test sets in English and German. The tokenizer gets a mask token.
    #[must_use]
    pub fn with_trees(self) -> Self {
        let shop = self.with_pairs();
        fs::create_dir(shop.path("trees")).unwrap();
        let english = |numbers: Range<usize>| numbers.map(sentence).collect::<String>();
        for (name, text) in [
            ("en-train", english(0..24)),
            ("en-dev", english(0..24)),
            ("en-test", english(24..36)),
            ("de-test", GERMAN.repeat(2)),
        ] {
            fs::write(shop.path(&format!("trees/{name}.conllu")), text).unwrap();
        }
        shop
    }
}
