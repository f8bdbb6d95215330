//! Line reader for the standard input and files: the lines before an error are not lost.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use anyhow::{anyhow, bail};
use isogloss::text::{LineProblem, TextError, is_json_object};

/// Iterator over the lines of a stream, without line endings and byte order mark. Lines end in LF or
/// CR LF; in CR, as in files, if there is no LF at all. The first error, which names its line, is the
/// last item.
pub(crate) struct InputLines<R> {
    reader: R,
    /// Name of the stream in messages.
    name: String,
    /// The lines of a stream without LF that are not read yet.
    cr_lines: VecDeque<Vec<u8>>,
    /// Number of lines read.
    n: usize,
    is_over: bool,
}

impl<R: BufRead> InputLines<R> {
    /// The lines of the standard input.
    pub(crate) fn new(reader: R) -> Self {
        Self::named("standard input", reader)
    }

    /// The lines of a stream that has this name in messages.
    pub(crate) fn named(name: impl Into<String>, reader: R) -> Self {
        Self { reader, name: name.into(), cr_lines: VecDeque::new(), n: 0, is_over: false }
    }

    /// Reads the next lines, at most `size`, and the error that ends them early.
    pub(crate) fn batch(&mut self, size: usize) -> (Vec<String>, Option<anyhow::Error>) {
        let mut texts = Vec::new();
        for line in self.take(size) {
            match line {
                Ok(text) => texts.push(text),
                Err(fault) => return (texts, Some(fault)),
            }
        }
        (texts, None)
    }

    /// Reads the next line with its ending, which is empty at the end of the stream.
    fn read_bytes(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        if let Some(next) = self.cr_lines.pop_front() {
            *line = next;
            return Ok(());
        }
        self.reader.read_until(b'\n', line)?;
        if self.n == 1 && !line.ends_with(b"\n") {
            self.cr_lines =
                line.split_inclusive(|byte| *byte == b'\r').map(<[_]>::to_vec).collect();
            *line = self.cr_lines.pop_front().unwrap_or_default();
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<Option<String>> {
        let mut line = Vec::new();
        self.n += 1;
        let n = self.n;
        let name = self.name.clone();
        let found = self.read_bytes(&mut line);
        if n == 1 && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if n == 1 && [b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| line.starts_with(*mark)) {
            bail!(TextError::Utf16 { path: name.into() });
        }
        // The incomplete line before an I/O error is dropped.
        found.map_err(|error| anyhow!("{name}:{n}: {error}"))?;
        if line.is_empty() {
            return Ok(None);
        }
        for end in *b"\n\r" {
            line.pop_if(|last| *last == end);
        }
        if line.contains(&0) {
            bail!("{name}:{n}: a NUL character; expected text in UTF-8, a line each");
        }
        let text = String::from_utf8(line).map_err(|_| anyhow!("{name}:{n}: not valid UTF-8"))?;
        if is_json_object(&text) {
            bail!("{name}:{n}: {}", LineProblem::JsonObject);
        }
        Ok(Some(text))
    }
}

impl<R: BufRead> Iterator for InputLines<R> {
    type Item = anyhow::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let line = self.read().transpose();
        self.is_over = !matches!(line, Some(Ok(_)));
        line
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Error, Read};

    use super::*;

    fn read(reader: impl Read) -> (Vec<String>, Option<String>) {
        let (mut lines, mut fault) = (Vec::new(), None);
        for line in InputLines::new(BufReader::new(reader)) {
            assert!(fault.is_none(), "a fault is the last item");
            match line {
                Ok(line) => lines.push(line),
                Err(error) => fault = Some(error.to_string()),
            }
        }
        (lines, fault)
    }

    #[test]
    fn lines_are_texts_without_marks_and_ends() {
        for (input, expected) in [
            ("a\nb\n", &["a", "b"][..]),
            ("a\nb", &["a", "b"]),
            ("a\r\nb\r\n", &["a", "b"]),
            ("a\r\nb\r", &["a", "b"]),
            ("\u{feff}a\nb\n", &["a", "b"]),
            // A byte order mark in the middle, as in concatenated files, is a character of the
            // text.
            ("a\n\u{feff}b\n", &["a", "\u{feff}b"]),
            // Without any LF, as old programs of the Mac write it.
            ("a\rb\r", &["a", "b"]),
            ("\u{feff}a\r\rb", &["a", "", "b"]),
            // Only the line ending is removed: words keep their spaces.
            (" a \r\r\n", &[" a \r"]),
            // megagonlabs/ginza#78: an empty line gives a line of output, so that lines stay side
            // by side.
            ("a\n\nb\n", &["a", "", "b"]),
            // msteveb/linenoise#31
            ("\n", &[""]),
            // tseemann/cgmlst-dists#9
            ("a\n\n\n", &["a", "", ""]),
            // lisitsyn/tapkee#25
            ("", &[]),
            ("\u{feff}", &[]),
            ("\u{feff}\n", &[""]),
        ] {
            assert_eq!(
                read(input.as_bytes()),
                (expected.iter().map(|s| s.to_string()).collect(), None),
                "{input:?}"
            );
        }
    }

    #[test]
    fn a_fault_names_its_line_and_is_the_last_item() {
        let not_utf8 = "standard input:2: not valid UTF-8";
        let utf16 =
            "standard input: UTF-16; UTF-8 is read, which `iconv -f utf-16 -t utf-8` makes of it";
        let nul = "a NUL character; expected text in UTF-8, a line each";
        for (input, n_before, expected) in [
            (&b"a\nk\xfcche\nb\n"[..], 1, not_utf8.to_owned()),
            // j0ru/kickoff#157: the last character is cut off.
            (b"a\nVW-H\xc3", 1, not_utf8.to_owned()),
            (b"a\nb\0c\nd\n", 1, format!("standard input:2: {nul}")),
            // UTF-16, as a shell of Windows redirects.
            (b"\xff\xfea\0\n\0", 0, utf16.to_owned()),
            (b"\xfe\xff\0a\0\n", 0, utf16.to_owned()),
            // Both bytes of a letter are no ASCII: U+706F, U+6253.
            (b"\xff\xfe\x6f\x70\x53\x62", 0, utf16.to_owned()),
            (
                b"a\n{\"text\": \"b\"}\n",
                1,
                format!("standard input:2: {}", LineProblem::JsonObject),
            ),
            (b"a\0\n\0", 0, format!("standard input:1: {nul}")),
        ] {
            let (lines, fault) = read(input);
            assert_eq!((lines.len(), fault), (n_before, Some(expected)), "{input:?}");
        }
    }

    #[test]
    fn an_error_of_the_system_keeps_the_lines_before_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(Error::other("the cable is out"))
            }
        }
        let (lines, fault) = read(b"a\nb\nhalf".chain(Broken));
        assert_eq!(lines, ["a", "b"]);
        assert_eq!(fault.unwrap(), "standard input:3: the cable is out");
    }
}
