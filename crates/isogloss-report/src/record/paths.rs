//! Path shortening: absolute paths in recipes and environments lose their first folders, as a
//! shared page is not to name folders of the machine that made it.

/// Number of last components that are kept of a path.
const N_KEPT: usize = 2;

/// Shortens a value if it is an absolute path, to its last components: `/home/me/corpora/models/e5`
/// becomes `…/models/e5`.
pub(super) fn shortened(value: &str) -> String {
    let parts: Vec<&str> = value.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
    if !is_absolute(value) || parts.len() <= N_KEPT {
        return value.to_owned();
    }
    format!("…/{}", parts[parts.len() - N_KEPT..].join("/"))
}

/// Shortens the absolute paths among the quoted strings of a text, such as a recipe.
pub(super) fn shortened_strings(text: &str) -> String {
    let line = |line: &str| {
        let parts: Vec<String> = line
            .split('"')
            .enumerate()
            .map(|(at, part)| if at % 2 == 1 { shortened(part) } else { part.to_owned() })
            .collect();
        parts.join("\"")
    };
    text.split_inclusive('\n').map(line).collect()
}

/// Whether a path is absolute on Unix or on Windows, whatever this machine is.
fn is_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let has_drive = bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    path.starts_with('/')
        || path.starts_with("\\\\")
        || has_drive && matches!(bytes[2], b'/' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_keep_their_end() {
        for (path, expected) in [
            ("/home/me/corpora/models/e5", "…/models/e5"),
            ("C:\\Users\\me\\models\\e5", "…/models/e5"),
            ("\\\\server\\share\\models\\e5", "…/models/e5"),
            ("/tmp/e5", "/tmp/e5"),
            ("corpora/models/e5/best", "corpora/models/e5/best"),
            ("intfloat/multilingual-e5-small", "intfloat/multilingual-e5-small"),
            ("a / b / c", "a / b / c"),
        ] {
            assert_eq!(shortened(path), expected);
        }
    }

    #[test]
    fn strings_of_a_recipe_are_shortened_alone() {
        let recipe = "# a/b\nsource = \"/home/me/models/e5\"\nlist = [\"/a/b/c.txt\", \"d\"]\n";
        let expected = "# a/b\nsource = \"…/models/e5\"\nlist = [\"…/b/c.txt\", \"d\"]\n";
        assert_eq!(shortened_strings(recipe), expected);
    }
}
