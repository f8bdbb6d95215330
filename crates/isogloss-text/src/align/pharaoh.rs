//! Parser of the Pharaoh format of word alignments: one text pair per line, one `left-right` per
//! link, such as `0-0 1-2`.
//!
//! Gold alignments have `-` for sure links and `?` for possible ones, such as `0-0 1?2`.

use std::fmt;
use std::io::Read;
use std::path::Path;

use crate::align::{Alignment, GoldAlignment, Link};
use crate::source::Source;
use crate::{LineProblem, TextError};

impl Alignment {
    /// Parses a line of the Pharaoh format, for texts of `n_left` and `n_right` words; links may be
    /// in any order and repeated.
    ///
    /// # Errors
    /// [`LineProblem::Link`] if a link is not two whole numbers around `-`,
    /// [`LineProblem::LinkRange`] if a word index is out of range.
    pub fn parse(line: &str, n_left: usize, n_right: usize) -> Result<Self, LineProblem> {
        line.split_whitespace().map(|link| parse_link(link, '-', (n_left, n_right))).collect()
    }
}

impl fmt::Display for Alignment {
    /// Writes the links in the Pharaoh format, in order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, (left, right)) in self.links().iter().enumerate() {
            let space = if idx == 0 { "" } else { " " };
            write!(f, "{space}{left}-{right}")?;
        }
        Ok(())
    }
}

impl GoldAlignment {
    /// Parses a line of gold links, for texts of `n_left` and `n_right` words: `0-0` is sure, `0?1`
    /// is possible.
    ///
    /// # Errors
    /// As [`Alignment::parse`].
    pub fn parse(line: &str, n_left: usize, n_right: usize) -> Result<Self, LineProblem> {
        let mut sure = Vec::new();
        let mut possible = Vec::new();
        for link in line.split_whitespace() {
            if link.contains('?') {
                possible.push(parse_link(link, '?', (n_left, n_right))?);
            } else {
                sure.push(parse_link(link, '-', (n_left, n_right))?);
            }
        }
        Ok(Self::new(sure.into_iter().collect(), possible.into_iter().collect()))
    }
}

fn parse_link(
    link: &str,
    separator: char,
    (n_left, n_right): (usize, usize),
) -> Result<Link, LineProblem> {
    let parse = || {
        let (left, right) = link.split_once(separator)?;
        // `usize` would also accept a plus sign.
        let number = |digits: &str| {
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        Some((number(left)?, number(right)?))
    };
    let (left, right) = parse().ok_or_else(|| LineProblem::Link { found: link.to_owned() })?;
    if left < n_left && right < n_right {
        Ok((left, right))
    } else {
        Err(LineProblem::LinkRange { link: link.to_owned(), n_left, n_right })
    }
}

/// Reads word alignments in the Pharaoh format from a byte stream; `path` names it in error
/// messages.
///
/// `n_words` has the numbers of words of the left and the right text of each pair; line k aligns
/// pair k, and an empty line is an alignment without links.
///
/// ```
/// use isogloss_text::read_alignments;
///
/// let alignments = read_alignments("0-0 1-1\n\n".as_bytes(), "en-de.pharaoh".as_ref(), &[(2, 2), (1, 4)])?;
/// assert_eq!(alignments.iter().map(|alignment| alignment.len()).collect::<Vec<_>>(), [2, 0]);
///
/// let error = read_alignments("0-2".as_bytes(), "en-de.pharaoh".as_ref(), &[(2, 2)]).unwrap_err();
/// assert_eq!(error.to_string(), "en-de.pharaoh:1: link \"0-2\" does not fit texts of 2 and 2 words");
/// # Ok::<(), isogloss_text::TextError>(())
/// ```
///
/// # Errors
/// [`TextError::Line`] names the first line with a malformed link or a word index that is out of
/// range, [`TextError::LineCount`] reports that there is not one line for each pair.
pub fn read_alignments(
    reader: impl Read,
    path: &Path,
    n_words: &[(usize, usize)],
) -> Result<Vec<Alignment>, TextError> {
    read_lines(reader, path, n_words, Alignment::parse)
}

/// Reads gold alignments from a byte stream, one line as in [`GoldAlignment::parse`]; otherwise as
/// [`read_alignments`].
///
/// # Errors
/// As [`read_alignments`].
pub fn read_gold_alignments(
    reader: impl Read,
    path: &Path,
    n_words: &[(usize, usize)],
) -> Result<Vec<GoldAlignment>, TextError> {
    read_lines(reader, path, n_words, GoldAlignment::parse)
}

fn read_lines<A>(
    reader: impl Read,
    path: &Path,
    n_words: &[(usize, usize)],
    parse: impl Fn(&str, usize, usize) -> Result<A, LineProblem>,
) -> Result<Vec<A>, TextError> {
    let source = Source::read(reader, path)?;
    let n_lines = source.lines().count();
    if n_lines != n_words.len() {
        return Err(TextError::LineCount {
            path: path.to_owned(),
            expected: n_words.len(),
            found: n_lines,
        });
    }
    source
        .lines()
        .zip(n_words)
        .map(|((line, content), &(n_left, n_right))| {
            parse(content, n_left, n_right).map_err(|problem| source.fault(line, problem))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{read_alignments, read_gold_alignments};
    use crate::align::tests::{alignment, alignments};
    use crate::{Alignment, GoldAlignment};

    fn message(data: &str, n_words: &[(usize, usize)]) -> String {
        read_alignments(data.as_bytes(), "x.txt".as_ref(), n_words).unwrap_err().to_string()
    }

    #[test]
    fn every_fault_names_its_line() {
        for malformed in ["1", "1-", "-1", "a-b", "1-2-3", "+1-1", "1?1", "1:1", "1.0-1"] {
            assert_eq!(
                message(&format!("0-0\n0-0 {malformed}\n"), &[(1, 1), (9, 9)]),
                format!("x.txt:2: link {malformed:?} is not of the form \"0-1\"")
            );
        }
        assert_eq!(
            message("0-0\n3-0\n", &[(1, 1), (3, 1)]),
            "x.txt:2: link \"3-0\" does not fit texts of 3 and 1 words"
        );
        assert_eq!(
            message("0-99999999999999999999999", &[(1, 1)]),
            "x.txt:1: link \"0-99999999999999999999999\" is not of the form \"0-1\""
        );
        assert_eq!(message("0-0\n", &[(1, 1); 3]), "x.txt: expected 3 lines, found 1");
    }

    #[test]
    fn order_repetition_and_line_ends_do_not_matter() {
        let data = "\u{feff}2-1\t0-0  2-1\r\n\r\n";
        let read = read_alignments(data.as_bytes(), "x.txt".as_ref(), &[(3, 2), (1, 1)]).unwrap();
        assert_eq!(read, [alignment("0-0 2-1"), alignment("")]);
    }

    #[test]
    fn gold_links_are_sure_or_possible() {
        let gold = read_gold_alignments("0-0 1?1".as_bytes(), "gold".as_ref(), &[(2, 2)]).unwrap();
        assert_eq!(gold, [GoldAlignment::new(alignment("0-0"), alignment("1-1"))]);
    }

    proptest! {
        #[test]
        fn printing_and_parsing_is_the_identity(links in alignments()) {
            prop_assert_eq!(Alignment::parse(&links.to_string(), 6, 6), Ok(links));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = read_alignments(bytes.as_slice(), "x".as_ref(), &[(2, 2)]);
        }
    }
}
