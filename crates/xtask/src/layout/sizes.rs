//! Size limits of functions and files.

use std::path::Path;

use anyhow::{Context, Result};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 80;

/// Reports a file with too many lines and, in a library, each function with too many, signature
/// included.
pub(super) fn faults(file: &Path, text: &str, is_library: bool) -> Result<Vec<String>> {
    let shown = file.display();
    let mut faults = Vec::new();
    let n_lines = text.lines().count();
    if n_lines > MAX_FILE_LINES {
        faults.push(format!("{shown}: {n_lines} lines, more than {MAX_FILE_LINES}"));
    }
    if is_library {
        let syntax = syn::parse_file(text).with_context(|| shown.to_string())?;
        let mut functions = Functions::default();
        functions.visit_file(&syntax);
        faults.extend(functions.long.into_iter().map(|(name, line, n_lines)| {
            format!("{shown}:{line}: {name} has {n_lines} lines, more than {MAX_FUNCTION_LINES}")
        }));
    }
    Ok(faults)
}

/// Functions with too many lines: name, first line, number of lines.
#[derive(Default)]
struct Functions {
    long: Vec<(String, usize, usize)>,
}

impl Functions {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let n_lines = body.span().end().line + 1 - first;
        if n_lines > MAX_FUNCTION_LINES {
            self.long.push((signature.ident.to_string(), first, n_lines));
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.measure(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(text: &str, is_library: bool) -> Vec<String> {
        faults("src/a.rs".as_ref(), text, is_library).unwrap()
    }

    #[test]
    fn a_function_is_measured_with_its_signature_and_without_its_comment() {
        let of_lines = |n: usize| format!("//! A.\n/// B.\nfn f() {{{}}}\n", "\n".repeat(n - 1));
        assert!(faults_of(&of_lines(MAX_FUNCTION_LINES), true).is_empty());
        let fault = "src/a.rs:3: f has 81 lines, more than 80";
        assert_eq!(faults_of(&of_lines(MAX_FUNCTION_LINES + 1), true), [fault]);
        assert!(faults_of(&of_lines(MAX_FUNCTION_LINES + 1), false).is_empty());
    }

    #[test]
    fn methods_and_files_are_measured_too() {
        let body = "\n".repeat(MAX_FILE_LINES);
        let text = format!("impl A {{ fn f(&self) {{{body}}} }}\n");
        assert_eq!(faults_of(&text, true).len(), 2);
        assert_eq!(faults_of(&text, false), ["src/a.rs: 401 lines, more than 400"]);
    }
}
