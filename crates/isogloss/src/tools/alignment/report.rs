//! Files of alignment and of scores.

use std::collections::BTreeMap;
use std::path::Path;

use super::options::AlignmentOptions;
use crate::error::{io, json};
use crate::ground::files::write_atomically;
use crate::{Error, Results};

/// What `isogloss alignment` writes.
pub type AlignmentReport = isogloss_report::AlignmentReport<AlignmentOptions>;

/// Writes a report as JSON.
///
/// # Errors
/// If the file cannot be written.
pub fn write_report(report: &AlignmentReport, path: &Path) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec_pretty(report).map_err(json(path))?;
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

impl Results {
    /// Reads the `results.json` of a run.
    ///
    /// # Errors
    /// If the file is missing or does not hold results.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(io(path))?;
        serde_json::from_slice(&bytes).map_err(json(path))
    }

    /// The main scores of all languages but the source.
    pub fn target_scores(&self) -> BTreeMap<String, f64> {
        let targets = self.languages.iter().filter(|(tag, _)| *tag != self.source());
        targets.map(|(tag, result)| (tag.clone(), result.scores.main())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_leave_the_source_out() {
        let scores = [("ar", 0.2), ("de", 0.3), ("en", 0.9)];
        let languages = scores.map(|(tag, score)| {
            format!(
                r#""{tag}":{{"n":1,"left_out":0,"truncated":0,"accuracy":{score},"macro_f1":0}}"#
            )
        });
        let text = format!(
            r#"{{"task":"classification","metric":"accuracy","sources":["en"],
            "selection":{{"rule":"","step":1,"score":1}},"languages":{{{}}},
            "mean_target":0.4,"gap":0.5,"n_targets":5}}"#,
            languages.join(",")
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let results = Results::read(file.path()).unwrap();
        assert_eq!(results.target_scores(), [("ar".into(), 0.2), ("de".into(), 0.3)].into());
    }

    #[test]
    fn a_report_is_read_as_it_was_written_and_is_no_results() {
        let report = AlignmentReport {
            model: "m".to_owned(),
            source: "en".to_owned(),
            options: AlignmentOptions::default(),
            languages: BTreeMap::new(),
            correlations: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alignment.json");
        write_report(&report, &path).unwrap();
        let read: AlignmentReport = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(read, report);
        let error = Results::read(&path).unwrap_err().to_string();
        assert!(error.contains("alignment.json: missing field"), "{error}");
    }
}
