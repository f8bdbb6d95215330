//! Glossary check: refuses words of our own that the field has a standard term for.
//!
//! A reader searches for the standard term, so code and its documentation comments use that one.

use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Glossary entry: a standard term, and the words refused in its place.
struct Term {
    write: &'static str,
    /// Refused identifiers.
    names: &'static [&'static str],
    /// Refused phrases of documentation comments, in lower case.
    phrases: &'static [&'static str],
    /// The folder in which they are refused; elsewhere they have another meaning.
    within: &'static str,
}

const GLOSSARY: [Term; 31] = [
    term("momentum encoder", &["slow_model", "SlowModel"], &["slow model", "slow copy"]),
    term("negative queue", &[], &["memory of earlier pairs", "remember of earlier pairs"]),
    term(
        "GradCache (gradient caching)",
        &["in_chunks", "ChunkedContrast"],
        &["contrast in chunks", "gradients in chunks"],
    ),
    term("frozen cache", &["KeptStates", "kept_states"], &["kept states", "what leaves"]),
    term(
        "sentence embedding",
        &["sentence_vector", "sentence_vectors"],
        &["sentence vector", "sentence vectors", "where a sentence is put"],
    ),
    term("attention map", &[], &["token looks", "tokens look"]),
    term("embedding matrix", &["embedding_table"], &["embedding table"]),
    term(
        "knowledge distillation",
        &[],
        &["what a teacher does", "what a teacher's do", "what the teacher does"],
    ),
    term(
        "layer-wise distillation",
        &["inner_distillation", "InnerDistillation"],
        &["inner distillation"],
    ),
    term("validation scores", &["held_out_scores"], &["held-out scores"]),
    term(
        "learning-rate schedule",
        &["LearningRateCurve"],
        &["learning-rate curve", "learning rate curve", "curve of the learning rate"],
    ),
    term("ParamLocation, TokenPosition", &["ParamPlace", "TokenPlace"], &[]),
    term("LanguageEpochs", &["Rounds", "RoundsProgress"], &["rounds over data"]),
    term("initial model", &["first_model", "FirstModel"], &[]),
    term(
        "prune",
        &["cut_out", "CutOut", "CutOutOptions", "CutOutReport"],
        &["cut out", "parts that are gone"],
    ),
    term("adapter-only checkpoint", &["on_base", "load_on_base", "save_on_base"], &[]),
    term("GradientSource", &["Learner", "StepLearner"], &[]),
    term("auxiliary logits, aux_logits", &["further_logits"], &["further logits"]),
    term("tune_allocator", &["keep_pages"], &[]),
    term(
        "PCGrad, gradient conflict",
        &["project_conflicts", "ProjectConflicts", "ProjectConflictsConfig"],
        &["pull against each other"],
    ),
    term("meta-learning", &[], &["a few steps lead far"]),
    term(
        "unfreeze",
        &["opens_at", "open_layers", "opens_layers", "opened_at", "mark_all_that_may_train"],
        &["opening of layers", "layers are opened"],
    ),
    term("FastAlign (fast_align)", &["DiagonalAligner"], &["diagonal aligner"]),
    term("bidirectional", &["BothWays", "align_both_ways"], &[]),
    term("checkpoint, restore", &[], &["is gone on from"]),
    term("ForwardOptions", &["Pass", "Passes"], &[]),
    term("a variant that names the fault", &["Damaged", "Unsuitable"], &[]),
    term("l2_normalized", &["unit_rows"], &[]),
    term("checkpoint_edit", &["StoredFolder", "stored_folder"], &[]),
    term("prediction units, PredictionUnits", &["Units"], &["speak of the same thing"]),
    Term { within: "crates/isogloss-text", ..term("SpecialTokens", &["Frame", "frame"], &[]) },
];

const fn term(
    write: &'static str,
    names: &'static [&'static str],
    phrases: &'static [&'static str],
) -> Term {
    Term { write, names, phrases, within: "" }
}

/// Names of functions that do not say what the function does, and what to write.
const EMPTY_FUNCTION_NAMES: [(&str, &str); 6] = [
    ("ask", "forward"),
    ("drawn", "sample"),
    ("of", "new, or from_… or for_… with what it is made from or for"),
    ("some", "sample_evenly"),
    ("these", "select"),
    ("those", "select"),
];

/// Names each refused phrase of a Markdown file, with the term to write.
pub(crate) fn prose_faults(file: &Path, text: &str) -> Vec<String> {
    let mut found = Found::new(file);
    let lines = text.lines().enumerate();
    let words = lines.flat_map(|(at, line)| words(line).map(move |word| (word, at + 1)));
    found.phrases(&words.collect::<Vec<_>>());
    found.described(file)
}

/// Names each refused word of a file of Rust code, with the term to write.
pub(crate) fn faults(file: &Path, text: &str) -> Result<Vec<String>> {
    let tokens: TokenStream = text
        .parse()
        .map_err(|fault: proc_macro2::LexError| anyhow::anyhow!("{fault}"))
        .with_context(|| file.display().to_string())?;
    let mut found = Found::new(file);
    found.read(tokens);
    found.end_of_comment();
    Ok(found.described(file))
}

#[derive(Default)]
struct Found {
    /// Entries that apply to the file.
    terms: Vec<&'static Term>,
    /// Line, refused word, term to write.
    faults: Vec<(usize, String, &'static str)>,
    /// The words of the documentation comment so far, in lower case, with their lines.
    comment: Vec<(String, usize)>,
}

impl Found {
    fn new(file: &Path) -> Self {
        let terms = GLOSSARY.iter().filter(|term| file.starts_with(term.within)).collect();
        Self { terms, ..Self::default() }
    }

    fn described(mut self, file: &Path) -> Vec<String> {
        self.faults.sort();
        let describe = |(line, refused, write)| {
            format!("{}:{line}: {refused:?}: the field says {write}", file.display())
        };
        self.faults.into_iter().map(describe).collect()
    }

    fn read(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match &token {
                // A documentation comment is an attribute, `#[doc = "…"]` or `#![doc = "…"]`.
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    tokens
                        .next_if(|next| matches!(next, TokenTree::Punct(p) if p.as_char() == '!'));
                    let attribute = tokens.next_if(|next| matches!(next, TokenTree::Group(_)));
                    if let Some(TokenTree::Group(group)) = attribute
                        && !self.comment_line(&group)
                    {
                        self.end_of_comment();
                        self.read(group.stream());
                    }
                    continue;
                }
                TokenTree::Ident(ident) => {
                    self.name(&ident.to_string(), ident.span().start().line);
                    if let Some(TokenTree::Ident(name)) = tokens.peek()
                        && ident == "fn"
                    {
                        self.function_name(&name.to_string(), name.span().start().line);
                    }
                }
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    let text = literal.to_string();
                    let words = words(&text).map(|word| (word, line));
                    self.phrases(&words.collect::<Vec<_>>());
                }
                TokenTree::Group(group) => {
                    self.end_of_comment();
                    self.read(group.stream());
                }
                _ => {}
            }
            self.end_of_comment();
        }
    }

    fn name(&mut self, name: &str, line: usize) {
        for term in &self.terms {
            let refused = term.names.iter().find(|refused| **refused == name);
            self.faults.extend(refused.map(|refused| (line, (*refused).to_owned(), term.write)));
        }
    }

    fn function_name(&mut self, name: &str, line: usize) {
        let empty = EMPTY_FUNCTION_NAMES.into_iter().find(|(empty, _)| *empty == name);
        let write = match name.starts_with("of_") {
            true => Some("from_… or for_…"),
            false => empty.map(|(_, write)| write),
        };
        self.faults.extend(write.map(|write| (line, name.to_owned(), write)));
    }

    /// Takes up the words of an attribute that is a line of a comment, and says whether it is one.
    fn comment_line(&mut self, attribute: &proc_macro2::Group) -> bool {
        let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
        let [TokenTree::Ident(doc), TokenTree::Punct(_), TokenTree::Literal(text)] = &tokens[..]
        else {
            return false;
        };
        if attribute.delimiter() != Delimiter::Bracket || doc != "doc" {
            return false;
        }
        let line = text.span().start().line;
        // The literal without its quotes. In a block comment, lines count from the first.
        let text = text.to_string();
        for (below, text) in text.trim_matches('"').split("\\n").enumerate() {
            self.comment.extend(words(text).map(|word| (word, line + below)));
        }
        true
    }

    fn end_of_comment(&mut self) {
        let comment = std::mem::take(&mut self.comment);
        self.phrases(&comment);
    }

    /// Looks for phrases among words that follow one another, given with their lines.
    fn phrases(&mut self, prose: &[(String, usize)]) {
        for term in &self.terms {
            for phrase in term.phrases {
                let phrase_words: Vec<String> = words(phrase).collect();
                for window in prose.windows(phrase_words.len()) {
                    if window.iter().map(|(word, _)| word).eq(&phrase_words) {
                        self.faults.push((window[0].1, (*phrase).to_owned(), term.write));
                    }
                }
            }
        }
    }
}

/// The words and punctuation marks of a text, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    let is_of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '\'';
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let end = match rest.find(|letter| !is_of_word(letter)) {
            Some(0) => first.len_utf8(),
            Some(end) => end,
            None => rest.len(),
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word.to_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(text: &str) -> Vec<String> {
        faults("a.rs".as_ref(), text).unwrap()
    }

    #[test]
    fn names_are_refused_where_they_are_whole() {
        let fault = "a.rs:2: \"keep_pages\": the field says tune_allocator";
        assert_eq!(faults_of("fn f() {\n    keep_pages();\n}"), [fault]);
        assert!(faults_of("fn keep_pages_2() { g(\"keep_pages\") } // keep_pages").is_empty());
    }

    #[test]
    fn phrases_are_refused_in_comments_across_their_lines() {
        let text =
            "//! Kept\n//! - states.\nstruct A {\n    /// The kept\n    /// States.\n    a: u8,\n}";
        let fault = "a.rs:4: \"kept states\": the field says frozen cache";
        assert_eq!(faults_of(text), [fault]);
        assert!(faults_of("/// So kept.\n/// States.\nfn f() {}").is_empty());
        assert!(faults_of("/// Kept\nfn states() {}\n/// States\nfn f() {}").is_empty());
    }

    #[test]
    fn phrases_are_refused_in_messages_and_markdown() {
        let fault = "a.rs:1: \"kept states\": the field says frozen cache";
        assert_eq!(faults_of("fn f() { g(\"no kept states\"); }"), [fault]);
        assert_eq!(faults_of("#[error(\"kept states of {path}\")]\nstruct A;"), [fault]);
        let found = prose_faults("a.md".as_ref(), "# A\n\nThe kept\nstates.\n");
        assert_eq!(found, ["a.md:3: \"kept states\": the field says frozen cache"]);
    }

    #[test]
    fn names_of_functions_say_what_they_do() {
        let fault = "a.rs:1: \"of_plan\": the field says from_… or for_…";
        assert_eq!(faults_of("fn of_plan() {}"), [fault]);
        assert_eq!(faults_of("fn these() {}"), ["a.rs:1: \"these\": the field says select"]);
        assert!(faults_of("fn f(of: u8) { let these = of; }").is_empty());
    }
}
