//! CoNLL layout detection: the columns of words and tags, and the lines without words, such as
//! comments.

use super::line::Line;
use super::ontonotes;
use crate::reader::columns::Columns;
use crate::reader::options::{Annotation, ReadOptions};
use crate::source::Source;
use crate::tag_scheme::is_span_tag;
use crate::{LineProblem, TextError};

/// Prefix of the CoNLL-U Plus comment that names the columns.
const GLOBAL_COLUMNS: &str = "# global.columns =";
/// Names of the column of words in headers and CoNLL-U Plus.
const WORD_NAMES: [&str; 5] = ["form", "token", "word", "tokens", "words"];
/// Names of the column of tags in headers, besides names such as `NE-COARSE-LIT`.
const TAG_NAMES: [&str; 7] = ["tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags"];
/// Mark of the last word of a sentence in HIPE files.
const END_OF_SENTENCE: &str = "EndOfSentence";
/// First words of comments without an equals sign.
const COMMENT_KEYS: [&str; 5] = ["id", "sent_id", "text", "newdoc", "newpar"];

/// Layout of a CoNLL file: the columns of words and tags, and the lines without words.
pub(super) struct Layout<'a> {
    pub(super) word: usize,
    tag: usize,
    /// The minimum number of columns; the exact number if `exact`, that is, if the tag is in the
    /// last column.
    n_columns: usize,
    exact: bool,
    has_tabs: bool,
    /// Whether the first column numbers the words, as in CoNLL-U.
    numbered: bool,
    /// The line number of the header, if there is one.
    header: Option<usize>,
    /// The column called MISC, which marks the ends of sentences in HIPE files.
    misc: Option<usize>,
    /// Prefix of every word: its language in WikiANN, such as `en:`.
    prefix: &'a str,
    annotation: Annotation,
}

impl<'a> Layout<'a> {
    /// Detects the layout of a file; `None` if no line has a word.
    pub(super) fn find(
        source: &Source,
        lines: &[Line<'a>],
        options: &ReadOptions,
    ) -> Result<Option<Self>, TextError> {
        let columns = &options.columns;
        let rows = |skip| {
            let rows = lines.iter().filter(move |line| Some(line.number) != skip);
            rows.filter(|line| !line.is_border(columns.word) && !line.is_marked())
        };
        let global = lines.iter().find_map(|line| line.content.strip_prefix(GLOBAL_COLUMNS));
        let global: Option<Vec<&str>> =
            global.map(|names| names.split_ascii_whitespace().collect());
        let first = rows(None).next();
        let is_named = columns.tag.as_ref().is_some_and(|tag| tag.parse::<usize>().is_err());
        let header = first.filter(|line| global.is_none() && is_header(line, columns, is_named));
        let names = global.as_deref().or(header.map(|line| line.cells.as_slice()));
        let skipped = header.map(|line| line.number);
        let plain = rows(skipped).next();
        let Some(first) = plain.or_else(|| lines.iter().find(|line| line.is_marked())) else {
            return Ok(None);
        };
        let all: Vec<_> = rows(skipped).collect();
        let columns = &*ontonotes::columns(&all, options)
            .map_err(|problem| source.fault(first.number, problem))?;
        // If all lines begin with `#`, those with the minimum number of columns are tokens.
        let n_cells = if plain.is_some() { first.cells.len() } else { 0 };
        let numbered = is_numbered(lines, skipped);
        let word = match names.and_then(word_column) {
            Some(named) if columns.word == 0 => named,
            _ if columns.word == 0 && numbered => 1,
            _ => columns.word,
        };
        let tag = tag_column(source, columns, names)?;
        let last = n_cells.saturating_sub(1);
        let is_word = |line: &&Line<'_>| !numbered || is_word_number(line);
        let tag_rows: Vec<_> = rows(skipped).filter(is_word).collect();
        let found = match tag {
            Some(tag) => tag,
            None if options.annotation == Annotation::Spans => {
                span_column(source, &tag_rows, word, numbered)?.unwrap_or(last)
            }
            None if options.annotation == Annotation::Text => last,
            None if numbered && names.is_none() && word == 1 => {
                return Err(source.fault(first.number, LineProblem::NumberedWords));
            }
            None if ontonotes::is_last_coreference(&tag_rows) => {
                return Err(source.fault(first.number, LineProblem::Coreference));
            }
            None if options.annotation == Annotation::Tags && global.is_some() => {
                let upos = names.and_then(|names| position(names, "upos"));
                upos.ok_or_else(|| source.fault(first.number, LineProblem::NoUpos))?
            }
            None => last,
        };
        let exact = tag.is_none() && found == last;
        let n_needed = word.max(tag.unwrap_or(if exact { 1 } else { found })).saturating_add(1);
        let n_columns = if exact { n_needed.max(n_cells) } else { n_needed };
        Ok(Some(Self {
            word,
            tag: if exact { n_columns - 1 } else { found },
            n_columns,
            exact,
            has_tabs: rows(skipped)
                .chain(plain.is_none().then_some(first))
                .any(|line| line.content.contains('\t')),
            numbered,
            header: skipped,
            misc: names.and_then(|names| position(names, "MISC")),
            prefix: language_prefix(&tag_rows, word),
            annotation: options.annotation,
        }))
    }

    /// Whether to skip a line without a word: a comment, a header, a multiword token or an empty
    /// node.
    pub(super) fn passes_over(&self, line: &Line<'_>, in_sentence: bool) -> bool {
        Some(line.number) == self.header
            || self.numbered && !line.is_marked() && !is_word_number(line)
            || line.is_marked() && self.is_comment(line, in_sentence)
    }

    /// Whether a line that begins with `#` is a comment, and not the token `#` or `#name` with its
    /// tag.
    fn is_comment(&self, line: &Line<'_>, in_sentence: bool) -> bool {
        let Line { content, cells, .. } = line;
        let n_cells = cells.len();
        // A line of a token alone lacks the tag, which is an error.
        if n_cells == 1 && *content != "#" {
            return content.contains(' ');
        }
        let has_columns =
            if self.exact { n_cells == self.n_columns } else { n_cells >= self.n_columns };
        if self.numbered || self.has_tabs != content.contains('\t') || !has_columns {
            return true;
        }
        if content.starts_with("#begin document") || content.starts_with("#end document") {
            return true;
        }
        let key = cells.get(1).copied().unwrap_or_default();
        let is_name = |key: &str| key.chars().next().is_some_and(char::is_alphabetic);
        let sets = key.split_once('=').is_some_and(|(key, _)| is_name(key))
            || is_name(key) && cells.get(2) == Some(&"=");
        if cells[0] == "#" && (sets || COMMENT_KEYS.contains(&key)) {
            return true;
        }
        let tag = cells.get(self.tag).copied().unwrap_or_default();
        self.annotation == Annotation::Spans && !in_sentence && !is_span_tag(tag)
    }

    /// Whether a line is marked as the last of its sentence, as in HIPE files, where blank lines end
    /// documents.
    pub(super) fn ends_sentence(&self, line: &Line<'_>) -> bool {
        let misc = self.misc.and_then(|column| line.cells.get(column));
        misc.is_some_and(|cell| cell.split('|').any(|mark| mark.trim() == END_OF_SENTENCE))
    }

    /// Extracts the word and the tag of a line.
    pub(super) fn cells<'l>(
        &self,
        source: &Source,
        line: &'l Line<'_>,
    ) -> Result<(&'l str, &'l str), TextError> {
        let (found, expected) = (line.cells.len(), self.n_columns);
        let n_least = if self.exact { self.word.max(1) + 1 } else { expected };
        let problem = match found {
            _ if found < n_least => {
                LineProblem::TooFewColumns { expected: expected.min(n_least), found }
            }
            _ if self.exact && found != expected => LineProblem::ColumnCount { expected, found },
            _ => {
                let word = line.cells[self.word];
                return Ok((word.strip_prefix(self.prefix).unwrap_or(word), line.cells[self.tag]));
            }
        };
        Err(source.fault(line.number, problem))
    }
}

/// Whether a line is a header, which names the columns.
fn is_header(line: &Line<'_>, columns: &Columns, is_named: bool) -> bool {
    let is_tag =
        |cell: &&str| TAG_NAMES.contains(&cell.to_lowercase().as_str()) || cell.starts_with("NE-");
    let of_word = line.cells.get(columns.word).map(|cell| cell.to_lowercase());
    let names_word = of_word.is_some_and(|cell| WORD_NAMES.contains(&cell.as_str()));
    let is_wanted = |cell: &&str| columns.tag.as_deref() == Some(*cell);
    is_named && line.cells.iter().any(is_wanted) || names_word && line.cells.iter().any(is_tag)
}

fn word_column(names: &[&str]) -> Option<usize> {
    names.iter().position(|name| WORD_NAMES.contains(&name.to_lowercase().as_str()))
}

/// Index of a name, in whatever case if none is the same.
fn position(names: &[&str], wanted: &str) -> Option<usize> {
    let same = names.iter().position(|name| *name == wanted);
    same.or_else(|| names.iter().position(|name| name.eq_ignore_ascii_case(wanted)))
}

/// The tag column of the options, by number or by its name in the file.
fn tag_column(
    source: &Source,
    columns: &Columns,
    names: Option<&[&str]>,
) -> Result<Option<usize>, TextError> {
    let Some(column) = &columns.tag else { return Ok(None) };
    let named = names.and_then(|names| position(names, column));
    match column.parse().ok().or(named) {
        Some(number) => Ok(Some(number)),
        None => {
            Err(TextError::ColumnNumber { path: source.path.to_path_buf(), column: column.clone() })
        }
    }
}

/// Detects the column of span tags if it is not the last; `None` if the last column has span tags,
/// or no column does. Several are an error if all columns after the word have span tags.
fn span_column(
    source: &Source,
    rows: &[&Line<'_>],
    word: usize,
    numbered: bool,
) -> Result<Option<usize>, TextError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let is_span = |line: &&&Line<'_>, column: usize| {
        line.cells.get(column).is_some_and(|cell| is_span_tag(cell))
    };
    let last = first.cells.len().saturating_sub(1);
    let is_coreference = ontonotes::is_last_coreference(rows);
    let has_spans = |column: &usize| rows.iter().all(|line| is_span(&line, *column));
    let all: Vec<usize> = (word + 1..last).filter(has_spans).collect();
    if rows.iter().any(|line| is_span(&line, last)) {
        // Nested spans (GermEval 2014), or gold tags beside predicted ones. Chunks stand beside parts
        // of speech, as in CoNLL-2003, whose last column is meant.
        let is_used = |column: &usize| {
            rows.iter().any(|line| line.cells.get(*column).is_some_and(|cell| *cell != "O"))
        };
        if (word + 1..=last).all(|column| has_spans(&column)) && all.iter().any(is_used) {
            let columns = all.into_iter().chain([last]).collect();
            return Err(source.fault(first.number, LineProblem::TagColumns { columns }));
        }
        return Ok(None);
    }
    match all[..] {
        [] if is_coreference => Err(source.fault(first.number, LineProblem::Coreference)),
        [] if numbered => Err(source.fault(first.number, LineProblem::NumberedWords)),
        [] => Ok(None),
        [column] => Ok(Some(column)),
        ref columns => {
            let problem = LineProblem::TagColumns { columns: columns.to_vec() };
            Err(source.fault(first.number, problem))
        }
    }
}

/// Whether the first column numbers the words, of every sentence from 1 (or 0), as in CoNLL-U, or on
/// and on over the file.
fn is_numbered(lines: &[Line<'_>], header: Option<usize>) -> bool {
    let (mut next, mut running, mut n_words) = (None, None, 0);
    for line in lines.iter().filter(|line| Some(line.number) != header) {
        if line.is_border(0) {
            next = None;
        } else if !line.is_marked() && is_word_number(line) {
            let number = line.cells[0].parse::<usize>().unwrap_or_default();
            let expected = next.unwrap_or(number.min(1));
            let goes_on = next.is_none() && running == Some(number);
            if !goes_on && number != expected || line.cells.len() < 3 {
                return false;
            }
            (next, running) = (Some(number + 1), Some(number + 1));
            n_words += 1;
        } else if !line.is_marked() && !is_range_or_decimal(line) {
            return false;
        }
    }
    n_words > 0
}

fn is_word_number(line: &Line<'_>) -> bool {
    let id = line.cells.first().copied().unwrap_or_default();
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the first cell is the ID of a multiword token, `1-2`, or of an empty node, `1.1`.
fn is_range_or_decimal(line: &Line<'_>) -> bool {
    let id = line.cells.first().copied().unwrap_or_default();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    id.split_once(['-', '.']).is_some_and(|(left, right)| digits(left) && digits(right))
}

/// The language prefix of all words, as in WikiANN, such as `en:`; empty if a word lacks it.
fn language_prefix<'a>(rows: &[&Line<'a>], word: usize) -> &'a str {
    let prefix = |line: &&Line<'a>| {
        let word: &'a str = line.cells.get(word)?;
        let language = word.split_once(':')?.0;
        let is_language =
            language.split('-').all(|part| part.bytes().all(|b| b.is_ascii_lowercase()))
                && (2..=12).contains(&language.len());
        is_language.then(|| &word[..=language.len()])
    };
    let Some(first) = rows.first().and_then(prefix) else { return "" };
    let is_everywhere = rows.len() > 1 && rows.iter().all(|line| prefix(line) == Some(first));
    if is_everywhere { first } else { "" }
}
