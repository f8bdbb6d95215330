//! CoNLL-U parser: reads treebanks without loss.
//!
//! The rows of a sentence must be in the only order that the format allows, so that a [`Sentence`]
//! can store words, ranges and empty nodes separately and still be written unchanged.

use crate::source::Source;
use crate::treebank::token_id::number;
use crate::treebank::{
    EmptyNode, MultiwordToken, NO_VALUE, Sentence, TokenId, TreeError, Treebank, Word,
};
use crate::{LineProblem, TextError};

/// The columns in their order, <https://universaldependencies.org/format.html>.
const COLUMNS: [&str; 10] =
    ["id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc"];

/// Parses the sentences of a CoNLL-U file; there may be none.
pub(crate) fn parse(source: &Source) -> Result<Treebank, TextError> {
    check_global_columns(source)?;
    let mut sentences = Vec::new();
    let mut open: Option<Sentence> = None;
    for (line, content) in source.lines() {
        // Further carriage returns before a line end are removed: once written, they would be read
        // as part of the line end.
        let content = content.trim_end_matches('\r');
        if content.trim().is_empty() {
            sentences.extend(open.take().map(|sentence| finish(source, sentence)).transpose()?);
        } else {
            let sentence = open.get_or_insert_with(|| Sentence {
                origin: source.origin(line),
                comments: Vec::new(),
                words: Vec::new(),
                multiword_tokens: Vec::new(),
                empty_nodes: Vec::new(),
            });
            push(sentence, content).map_err(|problem| source.fault(line, problem))?;
        }
    }
    sentences.extend(open.map(|sentence| finish(source, sentence)).transpose()?);
    Ok(Treebank { path: source.path.clone(), sentences })
}

/// Refuses CoNLL-U Plus, a file that names other columns than those of CoNLL-U.
fn check_global_columns(source: &Source) -> Result<(), TextError> {
    let named = source.lines().find_map(|(line, content)| {
        Some((line, content.strip_prefix("# global.columns")?.trim_start().strip_prefix('=')?))
    });
    let Some((line, names)) = named else { return Ok(()) };
    let is_same = names.split_ascii_whitespace().map(str::to_ascii_lowercase).eq(COLUMNS);
    if is_same { Ok(()) } else { Err(source.fault(line, LineProblem::GlobalColumns)) }
}

/// Parses a line and adds it to a sentence.
fn push(sentence: &mut Sentence, content: &str) -> Result<(), LineProblem> {
    if content.starts_with('#') {
        if sentence.rows().next().is_some() {
            return Err(LineProblem::MisplacedComment);
        }
        sentence.comments.push(content.to_owned());
        return Ok(());
    }
    let (found, columns) = row(content)?;
    let expected = next_id(sentence, found);
    if found != expected {
        return Err(LineProblem::TokenOrder { expected, found });
    }
    match found {
        TokenId::Word(_) => sentence.words.push(columns),
        TokenId::Range(first, last) => {
            sentence.multiword_tokens.push(MultiwordToken { first, last, columns });
        }
        TokenId::Empty(after, number) => {
            sentence.empty_nodes.push(EmptyNode { after, number, columns });
        }
    }
    Ok(())
}

fn row(content: &str) -> Result<(TokenId, Word), LineProblem> {
    let mut cells = content.split('\t');
    let cells: [&str; COLUMNS.len()] = std::array::from_fn(|_| cells.next().unwrap_or_default());
    let n_cells = content.bytes().filter(|&byte| byte == b'\t').count() + 1;
    if n_cells != COLUMNS.len() {
        return Err(LineProblem::ColumnCount { expected: COLUMNS.len(), found: n_cells });
    }
    let [id, form, lemma, upos, xpos, feats, head, deprel, deps, misc] = cells;
    let id = TokenId::parse(id).ok_or_else(|| LineProblem::TokenId { found: id.to_owned() })?;
    if let Some((_, column)) = cells.iter().zip(COLUMNS).find(|(cell, _)| cell.trim().is_empty()) {
        return Err(LineProblem::EmptyField { field: column.to_owned() });
    }
    let head = match head {
        NO_VALUE => None,
        _ => Some(number(head).ok_or_else(|| LineProblem::HeadNumber { found: head.to_owned() })?),
    };
    let columns = Word {
        form: form.to_owned(),
        lemma: lemma.to_owned(),
        upos: upos.to_owned(),
        xpos: xpos.to_owned(),
        feats: feats.to_owned(),
        head,
        deprel: deprel.to_owned(),
        deps: deps.to_owned(),
        misc: misc.to_owned(),
    };
    Ok((id, columns))
}

/// The expected next ID, of the same kind as the found one if that kind is allowed.
fn next_id(sentence: &Sentence, found: TokenId) -> TokenId {
    let n_words = sentence.words.len();
    let next_word = TokenId::Word(n_words + 1);
    let range = sentence.multiword_tokens.last();
    match found {
        TokenId::Word(_) => next_word,
        TokenId::Range(first, _) => {
            let may_begin = first == n_words + 1 && range.is_none_or(|range| range.last <= n_words);
            if may_begin { found } else { next_word }
        }
        // No row is allowed between a range and its first word.
        TokenId::Empty(..) if range.is_some_and(|range| range.first > n_words) => next_word,
        TokenId::Empty(..) => {
            let before = sentence.empty_nodes.last().filter(|node| node.after == n_words);
            TokenId::Empty(n_words, before.map_or(0, |node| node.number) + 1)
        }
    }
}

/// Validates a complete sentence: it must have words, and its ranges and heads must be within them.
fn finish(source: &Source, sentence: Sentence) -> Result<Sentence, TextError> {
    let n_words = sentence.words.len();
    if let Some(range) = sentence.multiword_tokens.last().filter(|range| range.last > n_words) {
        let range = TokenId::Range(range.first, range.last);
        let line = sentence.line(range);
        return Err(source.fault(line, LineProblem::WideRange { range, n_words }));
    }
    if n_words == 0 {
        return Err(source.fault(sentence.origin.line, LineProblem::NoWord));
    }
    for (line, row) in sentence.lines() {
        if let (TokenId::Word(word), Some(head)) = (row.id, row.columns.head)
            && head > n_words
        {
            let error = TreeError::HeadRange { word, head, n_words };
            return Err(source.fault(line, LineProblem::Tree { source: error }));
        }
    }
    Ok(sentence)
}
