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
pub(crate) fn targets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(line, text)| {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.map(move |(target, _)| (line, target))
    })
}

/// Replaces link targets of a text, code blocks left as they are.
pub(crate) fn replaced(text: &str, replace: impl Fn(&str) -> String) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (number, line) in prose(text) {
        let mut parts = line.split("](");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            whole += "](";
            match part.split_once(')') {
                Some((target, rest)) => whole += &format!("{}){rest}", replace(target)),
                None => whole += part,
            }
        }
        lines[number - 1] = whole;
    }
    lines.join("\n") + "\n"
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
    fn targets_are_replaced_outside_code() {
        let text = "[a](b) and [c](d), e\n```\n[f](g)\n```\n";
        let expected = "[a](B) and [c](D), e\n```\n[f](g)\n```\n";
        assert_eq!(replaced(text, str::to_uppercase), expected);
    }

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
