//! Data file of a language as an argument: `FILE`, or `TAG=FILE`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use isogloss::text::Language;

/// Data file of a language as it was given, `FILE` or `TAG=FILE`.
#[derive(Clone, Debug)]
pub(crate) struct DataFile(String);

/// Data file with its language.
#[derive(Debug)]
pub(crate) struct LanguageFile {
    pub(crate) language: Language,
    pub(crate) path: PathBuf,
}

impl FromStr for DataFile {
    type Err = Infallible;

    fn from_str(given: &str) -> Result<Self, Infallible> {
        Ok(Self(given.to_owned()))
    }
}

impl DataFile {
    /// The file and its language: that before an equals sign, else that of the file's name.
    ///
    /// # Errors
    /// If there is neither.
    pub(crate) fn named(&self) -> anyhow::Result<LanguageFile> {
        let path = PathBuf::from(&self.0);
        if let Some((tag, file)) = self.0.split_once('=')
            && !path.exists()
        {
            let language = tag.parse().with_context(|| self.0.clone())?;
            return Ok(LanguageFile { language, path: file.into() });
        }
        let language = Language::from_file_name(&path).with_context(|| {
            let name = path.display();
            format!("{name}: expected a file named after its language, or TAG={name}")
        })?;
        Ok(LanguageFile { language, path })
    }
}
