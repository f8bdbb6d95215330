//! Name resolution: the modules of a crate, what each defines and imports, and which item a path
//! means.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::names::{self, Names};

/// Modules of a crate, without those of tests; the first is the root.
pub(super) struct Modules {
    modules: Vec<Module>,
}

/// Module, in a file of its own or inline.
pub(super) struct Module {
    /// Path below the crate's root.
    pub(super) path: Vec<String>,
    /// The file that it is written in.
    pub(super) file: PathBuf,
    /// The module in whose file it is written: itself, or one around it.
    home: usize,
    parent: Option<usize>,
    children: HashMap<String, usize>,
    pub(super) names: Names,
}

/// Target of a path: what it resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    Module(usize),
    /// An item, with the module that defines it.
    Item(usize, String),
}

/// Maximum number of imports to follow, which ends cyclic imports.
const MAX_IMPORTS: usize = 16;

impl Modules {
    /// Reads the files of a crate, beginning with its root.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let folder = root.parent().context("the root of a crate lies in a folder")?;
        let read =
            |file: &Path| fs::read_to_string(file).with_context(|| file.display().to_string());
        Self::gather(root, folder, &read, &|file| file.is_file())
    }

    /// Reads a crate from texts by file name.
    #[cfg(test)]
    pub(super) fn from_texts(files: &[(&str, &str)]) -> Self {
        let texts: HashMap<PathBuf, &str> =
            files.iter().map(|(file, text)| (PathBuf::from(file), *text)).collect();
        let read = |file: &Path| Ok(texts[file].to_owned());
        Self::gather("lib.rs".as_ref(), "".as_ref(), &read, &|file| texts.contains_key(file))
            .unwrap()
    }

    fn gather(
        root: &Path,
        folder: &Path,
        read: &dyn Fn(&Path) -> Result<String>,
        is_file: &dyn Fn(&Path) -> bool,
    ) -> Result<Self> {
        let mut modules = Self { modules: Vec::new() };
        // Modules to visit, with the folder of their children and the items of inline ones.
        let mut open = vec![(None, String::new(), root.to_owned(), folder.to_owned(), None)];
        while let Some((parent, name, file, folder, items)) = open.pop() {
            let is_inline = Option::is_some(&items);
            let items = match items {
                Some(items) => items,
                None => {
                    let text = read(&file)?;
                    let parsed = syn::parse_file(&text);
                    parsed.with_context(|| file.display().to_string())?.items
                }
            };
            let index = modules.add(parent, name, file.clone(), is_inline, names::gather(&items));
            for item in items {
                let syn::Item::Mod(child) = item else { continue };
                if names::is_test(&child.attrs) {
                    continue;
                }
                let name = child.ident.to_string();
                let below = folder.join(&name);
                let (file, items) = match child.content {
                    Some((_, items)) => (file.clone(), Some(items)),
                    None => (below.with_extension("rs"), None),
                };
                ensure!(items.is_some() || is_file(&file), "{}: no such file", file.display());
                open.push((Some(index), name, file, below, items));
            }
        }
        Ok(modules)
    }

    fn add(
        &mut self,
        parent: Option<usize>,
        name: String,
        file: PathBuf,
        is_inline: bool,
        names: Names,
    ) -> usize {
        let index = self.modules.len();
        let (mut path, mut home) = (Vec::new(), index);
        if let Some(parent) = parent.map(|parent| &mut self.modules[parent]) {
            parent.children.insert(name.clone(), index);
            path.clone_from(&parent.path);
            path.push(name);
            if is_inline {
                home = parent.home;
            }
        }
        self.modules.push(Module { path, file, home, parent, children: HashMap::new(), names });
        index
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Module)> {
        self.modules.iter().enumerate()
    }

    /// The module whose file a module is written in.
    pub(super) fn home(&self, module: usize) -> &Module {
        &self.modules[self.modules[module].home]
    }

    /// Resolves a path in a module, with re-exports followed to the definition; empty if the path
    /// leads out of the crate. One name may be both a module and an item.
    pub(super) fn resolve(&self, module: usize, path: &[String]) -> Vec<Resolved> {
        self.follow(module, path, MAX_IMPORTS)
    }

    fn follow(&self, module: usize, path: &[String], n_imports: usize) -> Vec<Resolved> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let mut found = match first.as_str() {
            "crate" => vec![Resolved::Module(0)],
            "self" => vec![Resolved::Module(module)],
            "super" => self.parent(module).into_iter().map(Resolved::Module).collect(),
            name => self.look_up(module, name, rest.is_empty(), n_imports),
        };
        for (step, name) in rest.iter().enumerate() {
            let is_last = step + 1 == rest.len();
            // A name after an item is a part of it: a variant, an associated function.
            let Some(module) = found.iter().find_map(Resolved::module) else { break };
            found = if name == "super" {
                self.parent(module).into_iter().map(Resolved::Module).collect()
            } else {
                let known = self.look_up(module, name, is_last, n_imports);
                // A name that a macro makes counts as defined where the macro is called.
                if known.is_empty() { vec![Resolved::Item(module, name.clone())] } else { known }
            };
        }
        found
    }

    fn parent(&self, module: usize) -> Option<usize> {
        self.modules[module].parent
    }

    /// Targets of a name in a module; if the name is not the last of a path, only the module, if
    /// there is one.
    fn look_up(&self, module: usize, name: &str, is_last: bool, n_imports: usize) -> Vec<Resolved> {
        let Module { children, names, .. } = &self.modules[module];
        let mut found: Vec<Resolved> =
            children.get(name).copied().map(Resolved::Module).into_iter().collect();
        if !found.is_empty() && !is_last {
            return found;
        }
        if names.defined.contains(name) {
            found.push(Resolved::Item(module, name.to_owned()));
        }
        let Some(n_imports) = n_imports.checked_sub(1) else { return found };
        for import in names.imports.get(name).into_iter().flatten() {
            found.extend(self.follow(module, import, n_imports));
        }
        if found.is_empty() {
            let globs = names.globs.iter().flat_map(|path| self.follow(module, path, n_imports));
            let from = globs.filter_map(|target| target.module()).filter(|from| *from != module);
            found = from.flat_map(|from| self.look_up(from, name, is_last, n_imports)).collect();
        }
        found
    }
}

impl Resolved {
    fn module(&self) -> Option<usize> {
        match self {
            Self::Module(module) => Some(*module),
            Self::Item(..) => None,
        }
    }
}
