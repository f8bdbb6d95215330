//! Documentation site: an mdBook of the pages that `docs/SUMMARY.md` lists, and the checks of them.
//!
//! Pages are the Markdown files of the repository. They are copied side by side into the target
//! folder, where a link to another page leads to its copy, and a link to any other file to the
//! repository.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{links, run, target_folder};

const DOCS: &str = "docs";
const SUMMARY: &str = "SUMMARY.md";
const IMAGES: &str = "images";
const CONFIG: [&str; 2] = ["book.toml", "book.css"];
/// Pages whose commands `tests/cli/pages.rs` runs.
const RUN_PAGES: [&str; 2] = ["docs/start.md", "docs/recipes.md"];
/// Marks above a block of commands: why it is not run, or which file of the repository runs it.
const NOT_RUN: &str = "<!-- not run: ";
const RUN_BY: &str = "<!-- run by ";
/// Mark of a block that fails, as the page says.
const FAILS: &str = "<!-- fails -->";
/// Mark of a page none of whose commands is run.
const NONE_RUN: &str = "<!-- no command of this page is run: ";

/// Page: a file of the repository, and its name in the site.
struct Page {
    source: PathBuf,
    name: String,
}

/// Builds the site with `mdbook`, and checks its links.
pub(crate) fn book() -> Result<()> {
    let found = faults(&docs_files()?)?;
    ensure!(found.is_empty(), "faults:\n{}", found.join("\n"));
    let version = Command::new("mdbook").arg("--version").stdout(Stdio::null()).status();
    version
        .context("no mdbook; `cargo install mdbook --locked --no-default-features` builds it")?;
    let pages = pages()?;
    let folder = target_folder().join("book");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    lay_out(&pages, &folder)?;
    let site = folder.join("html");
    run(Command::new("mdbook").arg("build").arg(&folder))?;
    let dead: Vec<String> =
        pages.iter().map(|page| dead_links(page, &site)).collect::<Result<_>>()?;
    let dead: String = dead.concat();
    ensure!(dead.is_empty(), "dead links in {}:\n{dead}", site.display());
    println!("{} pages in {}", pages.len(), site.join("index.html").display());
    Ok(())
}

/// Checks pages, without a build: all are listed, and each of their commands is run or says why not.
pub(crate) fn faults(files: &[PathBuf]) -> Result<Vec<String>> {
    let pages = pages()?;
    let is_page = |path: &&PathBuf| {
        let is_markdown = path.extension() == Some(OsStr::new("md"));
        is_markdown && path.starts_with(DOCS) && !path.ends_with(SUMMARY)
    };
    let unlisted = files.iter().filter(is_page).filter(|path| {
        let is_listed = pages.iter().any(|page| page.source == **path);
        !is_listed
    });
    let mut faults: Vec<String> =
        unlisted.map(|path| format!("{}: not in {DOCS}/{SUMMARY}", path.display())).collect();
    let mut names = BTreeSet::new();
    for page in pages.iter().filter(|page| page.source.is_file()) {
        let shown = page.source.display();
        if !names.insert(&page.name) {
            faults.push(format!("{shown}: a second page named {}", page.name));
        }
        let text = fs::read_to_string(&page.source)?;
        let lines = command_faults(&page.source, &text);
        faults.extend(lines.map(|(line, fault)| format!("{shown}:{line}: {fault}")));
        if text.contains("![](") {
            faults.push(format!("{shown}: a picture without alternative text"));
        }
    }
    Ok(faults)
}

/// Files of the folder of documentation.
fn docs_files() -> Result<Vec<PathBuf>> {
    fs::read_dir(DOCS)?.map(|entry| Ok(entry?.path())).collect()
}

/// Pages in the order of the summary.
fn pages() -> Result<Vec<Page>> {
    let path = Path::new(DOCS).join(SUMMARY);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let targets = links::targets(&text).map(|(_, target)| joined(Path::new(DOCS), target));
    Ok(targets.map(|source| Page { name: name(&source), source }).collect())
}

/// Name of a page in the site: that of its file, or of its folder for a `README.md`.
fn name(source: &Path) -> String {
    let stem = match source.file_stem() {
        Some(stem) if stem == "README" => source.parent().and_then(Path::file_name),
        stem => stem,
    };
    let stem = stem.unwrap_or(OsStr::new("index")).to_string_lossy().to_lowercase();
    format!("{stem}.md")
}

/// Path relative to a folder, without `..`.
fn joined(folder: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::ParentDir => {
                whole.pop();
            }
            component => whole.push(component),
        }
    }
    whole
}

/// Commands of a page that are neither run nor marked, by line.
fn command_faults(source: &Path, text: &str) -> impl Iterator<Item = (usize, String)> {
    let is_run_page = RUN_PAGES.iter().any(|page| source == Path::new(page));
    let is_marked_page = text.lines().any(|line| line.starts_with(NONE_RUN));
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| **line == "```sh").map(|(at, _)| at);
    let blocks = starts.map(|at| {
        let above = lines[..at].iter().rev().find(|line| !line.is_empty());
        (at + 1, above.copied().unwrap_or_default(), lines.get(at + 1).copied().unwrap_or_default())
    });
    let fault = |(line, above, first): (usize, &str, &str)| {
        let runner = above.strip_prefix(RUN_BY).and_then(|rest| rest.strip_suffix(" -->"));
        let is_run = is_run_page && (above == FAILS || !above.starts_with("<!--"));
        let fault = match runner {
            Some(path) if !Path::new(path).is_file() => format!("{path}: no such file"),
            Some(_) => return None,
            None if is_marked_page || above.starts_with(NOT_RUN) => return None,
            None if is_run && first.contains("isogloss ") => return None,
            None => format!("commands that are not run; above them: {NOT_RUN}REASON -->"),
        };
        Some((line, fault))
    };
    blocks.filter_map(fault).collect::<Vec<_>>().into_iter()
}

/// Copies pages, summary, images and configuration into the folder of the book.
fn lay_out(pages: &[Page], folder: &Path) -> Result<()> {
    let sources = folder.join("src");
    fs::create_dir_all(sources.join(IMAGES))?;
    let files = Files::new(&folder.join("html"))?;
    for page in pages {
        let text = fs::read_to_string(&page.source)?;
        let replace = |target: &str| in_site(target, &page.source, pages, &files);
        fs::write(sources.join(&page.name), links::replaced(&text, replace))?;
    }
    let summary = Path::new(DOCS).join(SUMMARY);
    let text = fs::read_to_string(&summary)?;
    let replace = |target: &str| in_site(target, &summary, pages, &files);
    fs::write(sources.join(SUMMARY), links::replaced(&text, replace))?;
    for image in fs::read_dir(Path::new(DOCS).join(IMAGES))? {
        let image = image?;
        fs::copy(image.path(), sources.join(IMAGES).join(image.file_name()))?;
    }
    for file in CONFIG {
        fs::copy(Path::new(DOCS).join(file), folder.join(file))?;
    }
    Ok(())
}

/// Link target in the site, for a target in a file of the repository.
fn in_site(target: &str, source: &Path, pages: &[Page], files: &Files) -> String {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    if path.contains(':') || path.is_empty() {
        return target.to_owned();
    }
    let heading = if heading.is_empty() { String::new() } else { format!("#{heading}") };
    let path = joined(source.parent().unwrap_or(Path::new("")), path);
    let page = pages.iter().find(|page| page.source == path);
    if let Some(page) = page {
        format!("{}{heading}", page.name)
    } else if let Ok(image) = path.strip_prefix(Path::new(DOCS).join(IMAGES)) {
        format!("{IMAGES}/{}", image.display())
    } else {
        format!("{}{heading}", files.address(&path))
    }
}

/// Where the files of the repository are that are no pages.
enum Files {
    /// Address of the repository on GitHub, and a commit.
    GitHub { address: String, commit: String },
    /// Path from the site to the working copy, for a site that is looked at where it was built.
    Here(PathBuf),
}

impl Files {
    /// GitHub where a workflow says which repository this is, or else the working copy.
    fn new(site: &Path) -> Result<Self> {
        let variables = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA"].map(env::var);
        if let [Ok(server), Ok(repository), Ok(commit)] = variables {
            return Ok(Self::GitHub { address: format!("{server}/{repository}"), commit });
        }
        fs::create_dir_all(site)?;
        let (site, root) = (site.canonicalize()?, Path::new(".").canonicalize()?);
        let n_shared = site.components().zip(root.components()).take_while(|(a, b)| a == b).count();
        let up = site.components().skip(n_shared).map(|_| Component::ParentDir);
        Ok(Self::Here(up.chain(root.components().skip(n_shared)).collect()))
    }

    fn address(&self, path: &Path) -> String {
        let kind = if path.is_dir() { "tree" } else { "blob" };
        match self {
            Self::GitHub { address, commit } => {
                format!("{address}/{kind}/{commit}/{}", path.display())
            }
            // mdBook takes any relative path to a Markdown file for one to a page.
            Self::Here(root) if path.extension() == Some(OsStr::new("md")) => {
                root.join(path).parent().unwrap_or(root).display().to_string()
            }
            Self::Here(root) => root.join(path).display().to_string(),
        }
    }
}

/// Lists links of a built page that lead to no file or to no element, a line each.
fn dead_links(page: &Page, site: &Path) -> Result<String> {
    let name = Path::new(&page.name).with_extension("html");
    let read = |path: &Path| fs::read_to_string(path).with_context(|| path.display().to_string());
    let text = read(&site.join(&name))?;
    let mut dead = String::new();
    for target in ["href=\"", "src=\""].into_iter().flat_map(|key| text.split(key).skip(1)) {
        let target = target.split('"').next().unwrap_or_default();
        let (path, id) = target.split_once('#').unwrap_or((target, ""));
        if path.contains(':') {
            continue;
        }
        let found = site.join(if path.is_empty() { name.as_os_str() } else { path.as_ref() });
        // Pages have elements with names; other files have none.
        let is_page = found.extension() == Some(OsStr::new("html"));
        let is_there = found.exists()
            && (id.is_empty() || !is_page || read(&found)?.contains(&format!("id=\"{id}\"")));
        if !is_there {
            dead += &format!("{}: {target}\n", name.display());
        }
    }
    Ok(dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(source: &str) -> Page {
        let source = PathBuf::from(source);
        Page { name: name(&source), source }
    }

    #[test]
    fn links_lead_to_pages_or_to_the_repository() {
        let pages = [page("README.md"), page("docs/methods.md"), page("examples/results.md")];
        let files = Files::GitHub { address: "https://host/a/b".into(), commit: "c".into() };
        let in_site = |target: &str| in_site(target, "docs/methods.md".as_ref(), &pages, &files);
        assert_eq!(in_site("../README.md"), "index.md");
        assert_eq!(in_site("../examples/results.md#speed"), "results.md#speed");
        assert_eq!(in_site("#tasks"), "#tasks");
        assert_eq!(in_site("images/a.svg"), "images/a.svg");
        assert_eq!(in_site("../Cargo.toml"), "https://host/a/b/blob/c/Cargo.toml");
        assert_eq!(in_site("https://c.org/#d"), "https://c.org/#d");
        assert_eq!(page("web/README.md").name, "web.md");
    }

    #[test]
    fn dead_links_of_a_built_page_are_named() {
        let site = tempfile::tempdir().unwrap();
        let html =
            r##"<h2 id="c">C</h2><a href="#c"></a><a href="a.html#d"></a><img src="e.svg">"##;
        fs::write(site.path().join("a.html"), html).unwrap();
        let page = Page { source: "docs/a.md".into(), name: "a.md".into() };
        let dead = dead_links(&page, site.path()).unwrap();
        assert_eq!(dead, "a.html: a.html#d\na.html: e.svg\n");
    }

    #[test]
    fn commands_are_run_or_marked() {
        let faults = |source: &str, text: &str| {
            command_faults(source.as_ref(), text).map(|(line, _)| line).collect::<Vec<_>>()
        };
        let text = "a\n\n```sh\nisogloss b\n```\n\n<!-- not run: slow -->\n```sh\nc\n```\n";
        assert!(faults("docs/start.md", text).is_empty());
        assert_eq!(faults("docs/other.md", text), [3]);
        assert_eq!(faults("docs/start.md", "```sh\nls\n```\n"), [1]);
        assert_eq!(faults("a.md", "<!-- run by none.rs -->\n```sh\nls\n```\n"), [2]);
        assert!(faults("a.md", &format!("{NONE_RUN}slow -->\n```sh\nls\n```\n")).is_empty());
    }
}
