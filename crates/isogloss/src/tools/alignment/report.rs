//! Files of alignment reports and of run results.

use std::collections::BTreeMap;
use std::path::Path;

use isogloss_text::Language;

use super::options::AlignmentOptions;
use crate::error::{io, json};
use crate::ground::files::write_atomically;
use crate::{Error, Results};

/// Alignment report: the JSON output of `isogloss alignment`.
pub type AlignmentReport = isogloss_report::AlignmentReport<AlignmentOptions>;

/// Matches the languages of scores with those of alignment measures, by [`Language::matches`].
/// Returns the `measured_as` of a report, and a sentence for each language that is left out because
/// its match is ambiguous.
pub fn match_languages<'a>(
    scored: impl Iterator<Item = &'a String>,
    measured: impl Iterator<Item = &'a String>,
) -> (BTreeMap<String, String>, Vec<String>) {
    let languages = |tags: &mut dyn Iterator<Item = &'a String>| -> Vec<Language> {
        tags.filter_map(|tag| tag.parse().ok()).collect()
    };
    let mut scored = scored;
    let mut measured = measured;
    let (scored, measured) = (languages(&mut scored), languages(&mut measured));
    let mut scores_of: BTreeMap<&Language, Vec<&Language>> = BTreeMap::new();
    let mut unclear = Vec::new();
    for language in &scored {
        match language.matches(&measured)[..] {
            [] => {}
            [found] => scores_of.entry(found).or_default().push(language),
            ref several => unclear.push(format!(
                "the scores of {language} may be of {}: they are left out",
                in_words(several)
            )),
        }
    }
    let mut measured_as = BTreeMap::new();
    for (found, scored) in scores_of {
        match scored[..] {
            _ if scored.contains(&found) => {}
            [language] => _ = measured_as.insert(language.to_string(), found.to_string()),
            ref several => unclear.push(format!(
                "{found} was measured, and there are scores of {}: they are left out",
                in_words(several)
            )),
        }
    }
    (measured_as, unclear)
}

fn in_words(languages: &[&Language]) -> String {
    languages.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

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

    /// The main score of each language but the sources.
    pub fn target_scores(&self) -> BTreeMap<String, f64> {
        let targets = self.languages.iter().filter(|(tag, _)| !self.is_source(tag));
        targets.map(|(tag, result)| (tag.clone(), result.scores.main())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_meet_measures_by_fallback_and_what_is_unclear_is_told() {
        let matched = |scored: &[&str], measured: &[&str]| {
            let [scored, measured]: [Vec<String>; 2] =
                [scored, measured].map(|tags| tags.iter().map(ToString::to_string).collect());
            let (found, unclear) = match_languages(scored.iter(), measured.iter());
            (found.into_iter().collect::<Vec<_>>(), unclear)
        };
        let one = |scored: &str, measured: &str| vec![(scored.to_owned(), measured.to_owned())];
        assert_eq!(matched(&["de", "zh-CN"], &["de", "zh"]), (one("zh-CN", "zh"), vec![]));
        assert_eq!(matched(&["zh"], &["zh-CN", "fr"]), (one("zh", "zh-CN"), vec![]));
        assert_eq!(matched(&["de", "fr"], &["de", "zh"]), (vec![], vec![]));
        // zh is scored itself, so its measure is not used for zh-CN.
        assert_eq!(matched(&["zh", "zh-CN"], &["zh"]), (vec![], vec![]));
        let unclear = "zh was measured, and there are scores of zh-CN and zh-TW: they are left out";
        assert_eq!(matched(&["zh-CN", "zh-TW"], &["zh"]), (vec![], vec![unclear.to_owned()]));
        let unclear = "the scores of zh may be of zh-CN and zh-TW: they are left out";
        assert_eq!(matched(&["zh"], &["zh-CN", "zh-TW"]), (vec![], vec![unclear.to_owned()]));
    }

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
            measured_as: BTreeMap::new(),
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
