//! Names that the code of a module defines, imports and uses, without that of tests.

use std::collections::{HashMap, HashSet};

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItem, Item, Pat, Token, UseTree, Visibility};

/// The names of a module.
#[derive(Default)]
pub(super) struct Names {
    /// Items that the module defines.
    pub(super) defined: HashSet<String>,
    /// Paths that a name is imported by, re-exports included.
    pub(super) imports: HashMap<String, Vec<Vec<String>>>,
    /// Glob imports: the modules all of whose names are imported.
    pub(super) globs: Vec<Vec<String>>,
    /// Uses of items of the module or of others.
    pub(super) uses: Vec<Use>,
}

/// Use of a path in the code of a module.
pub(super) struct Use {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    /// Whether it is only a re-export (`pub use`).
    pub(super) is_reexport: bool,
}

/// Collects the names of a module, without those of its child modules.
pub(super) fn gather(items: &[Item]) -> Names {
    let mut gatherer = Gatherer::default();
    for item in items {
        if !is_test(attributes(item)) {
            gatherer.names.defined.extend(defined_name(item));
        }
        gatherer.visit_item(item);
    }
    gatherer.names
}

/// Whether an item is compiled only for tests.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        attribute.meta.require_list().is_ok_and(|list| {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition.starts_with("all(test,")
        })
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn defined_name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

#[derive(Default)]
struct Gatherer {
    names: Names,
    /// Local variables of the enclosing functions, which shadow items of the same name.
    variables: Vec<HashSet<String>>,
}

impl Gatherer {
    fn import(&mut self, tree: &UseTree, before: &[String], is_reexport: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (name, path, line) = match tree {
            UseTree::Path(tree) => {
                return self.import(&tree.tree, &with(&tree.ident), is_reexport);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import(tree, before, is_reexport));
            }
            UseTree::Glob(_) => return self.names.globs.push(before.to_owned()),
            UseTree::Name(tree) if tree.ident == "self" => {
                let Some(name) = before.last() else { return };
                (name.clone(), before.to_owned(), tree.ident.span().start().line)
            }
            UseTree::Name(tree) => {
                (tree.ident.to_string(), with(&tree.ident), tree.ident.span().start().line)
            }
            UseTree::Rename(tree) => {
                let is_self = tree.ident == "self";
                let path = if is_self { before.to_owned() } else { with(&tree.ident) };
                (tree.rename.to_string(), path, tree.ident.span().start().line)
            }
        };
        self.names.imports.entry(name).or_default().push(path.clone());
        self.names.uses.push(Use { path, line, is_reexport });
    }

    fn in_function(&mut self, variables: Variables, visit: impl FnOnce(&mut Self)) {
        self.variables.push(variables.0);
        visit(self);
        self.variables.pop();
    }

    /// Collects paths of two names or more from the tokens of a macro call.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut n_colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    n_colons += 1;
                    if n_colons < 2 && punct.spacing() == Spacing::Alone {
                        n_colons = 0;
                        self.end_of_tokens(&mut path, line);
                    }
                    continue;
                }
                TokenTree::Ident(ident) => {
                    if n_colons != 2 {
                        self.end_of_tokens(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                }
                TokenTree::Group(group) => {
                    self.end_of_tokens(&mut path, line);
                    self.tokens(group.stream());
                }
                _ => self.end_of_tokens(&mut path, line),
            }
            n_colons = 0;
        }
        self.end_of_tokens(&mut path, line);
    }

    fn end_of_tokens(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.names.uses.push(Use { path, line, is_reexport: false });
        }
    }
}

impl<'ast> Visit<'ast> for Gatherer {
    fn visit_item(&mut self, item: &'ast Item) {
        // Child modules are collected on their own.
        if !matches!(item, Item::Mod(_)) && !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !matches!(item, ImplItem::Fn(function) if is_test(&function.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // A path that begins with two colons leads out of the crate.
        if item.leading_colon.is_none() {
            let is_reexport = !matches!(item.vis, Visibility::Inherited);
            self.import(&item.tree, &[], is_reexport);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let mut variables = Variables::default();
        variables.visit_item_fn(item);
        self.in_function(variables, |this| visit::visit_item_fn(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let mut variables = Variables::default();
        variables.visit_impl_item_fn(item);
        self.in_function(variables, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        let mut variables = Variables::default();
        variables.visit_trait_item_fn(item);
        self.in_function(variables, |this| visit::visit_trait_item_fn(this, item));
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let is_variable = match names.as_slice() {
            [name] => self.variables.iter().any(|variables| variables.contains(name)),
            _ => false,
        };
        if path.leading_colon.is_none() && !is_variable {
            let line = path.segments.first().map_or(0, |first| first.ident.span().start().line);
            self.names.uses.push(Use { path: names, line, is_reexport: false });
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated;
        match arguments.parse2(called.tokens.clone()) {
            // The visitor needs syntax that outlives it; what is parsed here does not.
            Ok(arguments) => {
                let mut inner =
                    Gatherer { names: Names::default(), variables: self.variables.clone() };
                arguments.iter().for_each(|argument| inner.visit_expr(argument));
                self.names.uses.extend(inner.names.uses);
            }
            Err(_) => self.tokens(called.tokens.clone()),
        }
    }
}

/// Local variables that a function binds, anywhere in it.
#[derive(Default)]
struct Variables(HashSet<String>);

impl<'ast> Visit<'ast> for Variables {
    fn visit_pat(&mut self, pat: &'ast Pat) {
        if let Pat::Ident(pat) = pat {
            self.0.insert(pat.ident.to_string());
        }
        visit::visit_pat(self, pat);
    }
}
