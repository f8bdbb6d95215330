//! Did-you-mean suggestions for unknown names, by edit distance.

/// Minimum normalized Damerau-Levenshtein similarity, from 0 to 1, of a suggestion.
const LEAST_SIMILARITY: f64 = 0.5;

/// Did-you-mean suggestion: the other name most similar to `wanted` by edit distance, the first on
/// a tie; `None` if none is similar.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut best: Option<(f64, &str)> = None;
    for name in names.into_iter().filter(|&name| name != wanted) {
        let similarity =
            strsim::normalized_damerau_levenshtein(&wanted.to_lowercase(), &name.to_lowercase());
        if similarity >= LEAST_SIMILARITY && best.is_none_or(|(most, _)| similarity > most) {
            best = Some((similarity, name));
        }
    }
    best.map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_finds_its_name() {
        assert_eq!(nearest("lable", ["text", "label", "split"]).as_deref(), Some("label"));
    }

    #[test]
    fn a_name_unlike_all_others_finds_none() {
        assert_eq!(nearest("intent", ["xyz", "q"]), None);
    }
}
