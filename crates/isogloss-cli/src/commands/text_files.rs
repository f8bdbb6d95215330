//! Files of texts (`--corpus`, `--compare`) and the fields that hold the texts in JSON Lines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;
use isogloss::SavedScoring;
use isogloss::text::{Columns, Format, Quoting, Texts, read_string_fields};

use crate::args::TextFieldArgs;

/// Reader of files of texts.
pub(crate) struct TextFiles<'a> {
    fields: &'a TextFieldArgs,
    /// The columns of the files that the model was trained on.
    saved: Columns,
    quoting: Option<Quoting>,
}

impl<'a> TextFiles<'a> {
    /// Reads the columns that are saved with the model of a folder, in place of which the flags may
    /// name others.
    ///
    /// # Errors
    /// If the settings of the model cannot be read, or the flags name fields and no file of `paths`
    /// has any.
    pub(crate) fn new<'p>(
        model: &Path,
        fields: &'a TextFieldArgs,
        quoting: Option<Quoting>,
        mut paths: impl Iterator<Item = &'p PathBuf>,
    ) -> anyhow::Result<Self> {
        let named =
            [("--text-column", &fields.text_column), ("--pair-column", &fields.pair_column)];
        let named = named.iter().find(|(_, field)| field.is_some());
        if let Some((flag, _)) = named
            && !paths.any(|path| has_fields(path))
        {
            bail!(
                "{flag} names a field of JSON Lines; all cells of a table and all lines are read"
            );
        }
        let saved = SavedScoring::read(model)?.map(|scoring| scoring.reading.columns);
        Ok(Self { fields, saved: saved.unwrap_or_default(), quoting })
    }

    /// Adds the texts of a file; prints the fields with strings that are not read.
    pub(crate) fn add(&self, texts: &mut Texts, path: &Path) -> anyhow::Result<()> {
        let mut columns = Columns::default();
        if has_fields(path) {
            let found = read_string_fields(path)?;
            columns = self.columns(&found);
            self.print_unread(path, &columns, found);
        }
        Ok(texts.add_file(path, &columns, self.quoting)?)
    }

    /// The fields that the flags name, else those of the model's run that the file has.
    fn columns(&self, found: &BTreeSet<String>) -> Columns {
        let saved = |name: &String| Some(name).filter(|name| found.contains(*name)).cloned();
        let Columns { text, pair, .. } = &self.saved;
        let default = Columns::default();
        let text = self.fields.text_column.clone().or_else(|| saved(text));
        let pair = self.fields.pair_column.clone().or_else(|| pair.as_ref().and_then(saved));
        let pair = pair.filter(|name| !name.is_empty());
        Columns { text: text.unwrap_or(default.text), pair, ..default }
    }

    fn print_unread(&self, path: &Path, read: &Columns, found: BTreeSet<String>) {
        let default = Columns::default();
        // Labels and splits are no texts.
        let known =
            [&read.text, &default.label, &default.split, &self.saved.label, &self.saved.split];
        let is_known = |name: &String| known.contains(&name) || read.pair.as_ref() == Some(name);
        let unread = found.iter().filter(|name| !is_known(name));
        let unread: Vec<String> = unread.map(|name| format!("{name:?}")).collect();
        if !unread.is_empty() {
            eprintln!(
                "{}: not read: {}; --pair-column names a field of second texts",
                path.display(),
                unread.join(", ")
            );
        }
    }
}

fn has_fields(path: &Path) -> bool {
    Format::from_path(path) == Some(Format::Jsonl)
}
