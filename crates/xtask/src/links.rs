//! Markdown link check: each link leads to a file of the repository, and to a heading in it.

use std::fs;
use std::path::Path;

/// Lists the broken links of a Markdown file; web links are not checked.
pub(crate) fn faults(file: &Path, text: &str) -> Vec<String> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut faults = Vec::new();
    for (line, target) in targets(text) {
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        if path.contains(':') {
            continue;
        }
        let found = if path.is_empty() { file.to_owned() } else { folder.join(path) };
        let fault = if !found.exists() {
            Some("no such file")
        } else if heading.is_empty() {
            None
        } else {
            let text = fs::read_to_string(&found).unwrap_or_default();
            (!headings(&text).any(|known| known == heading)).then_some("no such heading")
        };
        faults.extend(fault.map(|fault| format!("{}:{line}: {target}: {fault}", file.display())));
    }
    faults
}

/// Lines of a text outside code blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((at + 1, line))
    })
}

/// Link targets of a text, with their line numbers.
fn targets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(line, text)| {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.map(move |(target, _)| (line, target))
    })
}

/// Heading anchors of a text, as links name them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let titles = prose(text).filter(|(_, line)| line.starts_with('#'));
    titles.map(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_files_and_headings() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.md"), "# On a GPU, too\n").unwrap();
        let file = folder.path().join("a.md");
        let text = "# Here\n[a](#here) [b](b.md#on-a-gpu-too) [c](https://c.org#d)\n\
                    ```\n[d](d.md)\n```\n[e](e.md), [f](b.md#f)\n";
        fs::write(&file, text).unwrap();
        let shown = file.display();
        let expected = [
            format!("{shown}:6: e.md: no such file"),
            format!("{shown}:6: b.md#f: no such heading"),
        ];
        assert_eq!(faults(&file, text), expected);
    }
}
