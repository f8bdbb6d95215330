//! Quoting of TSV files without labels, such as sentence pairs: most are plain text, some are
//! written by pandas or Python's `csv.writer`.

use super::options::Quoting;
use super::table::Cells;
use super::{csv, table};
use crate::TextError;
use crate::source::Source;

/// Iterates over the rows of a TSV file; without a given quoting, the whole file tells it.
pub(crate) fn tab_rows(
    source: &Source,
    quoting: Option<Quoting>,
) -> Box<dyn Iterator<Item = Result<Cells<'_>, TextError>> + '_> {
    match quoting.unwrap_or_else(|| detect(source)) {
        Quoting::Minimal => Box::new(csv::tab_rows(source)),
        Quoting::None => Box::new(table::plain_rows(source, '\t')),
    }
}

/// Detects quoting: no cell has a quote that `csv.writer` would not write, and either a quoted cell
/// has a doubled quote or all cells are quoted. A quoted sentence among cells without quotes is
/// text, because `csv.writer` quotes a cell for what it holds, or all cells.
fn detect(source: &Source) -> Quoting {
    let (mut n_quoted, mut n_plain, mut has_doubled) = (0, 0, false);
    for (_, line) in source.lines().filter(|(_, line)| !line.is_empty()) {
        for cell in line.split('\t') {
            if !cell.contains('"') {
                n_plain += 1;
                continue;
            }
            let inner = cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"'));
            let Some(inner) = inner.filter(|inner| !inner.replace("\"\"", "").contains('"')) else {
                return Quoting::None;
            };
            n_quoted += 1;
            has_doubled |= inner.contains("\"\"");
        }
    }
    if has_doubled || n_quoted > 0 && n_plain == 0 { Quoting::Minimal } else { Quoting::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_file_tells_whether_its_cells_are_quoted() {
        let detected = |text: &str| detect(&Source::read(text.as_bytes(), "x".as_ref()).unwrap());
        for (text, expected) in [
            // As csv.writer writes `He said "no"`, with minimal quoting and with all cells quoted.
            ("\"He said \"\"no\"\"\"\tja\n", Quoting::Minimal),
            ("\"He said \"\"no\"\"\"\t\"ja\"\n", Quoting::Minimal),
            ("\"yes\"\t\"ja\"\n\"no\"\t\"nein\"\n", Quoting::Minimal),
            // Plain text with direct speech.
            ("\"Yes.\"\t\"Ja.\"\nno\tnein\n", Quoting::None),
            ("He said \"no\"\tja\n\"a\"\"b\"\tc\n", Quoting::None),
            ("\"No\", he said.\tja\n", Quoting::None),
            ("5\" disk\tx\n", Quoting::None),
            ("\"\ta\n", Quoting::None),
            ("yes\tja\n", Quoting::None),
        ] {
            assert_eq!(detected(text), expected, "{text}");
        }
    }
}
