//! "Did you mean" suggestions: the known name nearest to an unknown one.

/// The most similar of `names` by normalized Levenshtein similarity, if that is above 0.6.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|other| (strsim::normalized_levenshtein(name, other), other))
        .filter(|(similarity, _)| *similarity > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other.to_owned())
}

/// End of an error message that suggests the nearest name.
pub(super) fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", the nearest is \"{name}\"")).unwrap_or_default()
}
