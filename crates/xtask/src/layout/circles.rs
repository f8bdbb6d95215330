//! Import cycles among the modules of a crate.
//!
//! The nodes of a graph are the children of one module, each with everything below it, and the
//! module's own file; so there is a graph for the top level of the crate and one for each folder in
//! it.
//! If code names an item, in `use` or in any other path, an edge leads from the module of that code
//! to the module that defines the item; re-exports are followed.
//! Naming a module without an item of it is no edge, and neither is a re-export from below the
//! module that re-exports.
//! A module named `error` may name everybody's types; what tests name is not counted.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Module, Modules, Resolved};

/// Import graph: the edges with the places in the code that cause them (file, line and item).
type Graph = BTreeMap<(String, String), BTreeSet<Use>>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    item: String,
    file: String,
    line: usize,
}

/// Node name of the parent module's own file.
const OWN_FILE: &str = "(its own file)";

/// Describes each import cycle of a crate, with few uses that close it: first the cycles among the
/// children of a module, then those through its own file.
pub(super) fn circles(name: &str, modules: &Modules) -> Vec<String> {
    let mut described = Vec::new();
    for (level, graph) in graphs(modules) {
        let over = [&[name.to_owned()], level.as_slice()].concat().join("::");
        let mut among_children = graph.clone();
        among_children.retain(|(from, to), _| from != OWN_FILE && to != OWN_FILE);
        let circles = components(&among_children);
        let through_parent =
            components(&graph).into_iter().find(|circle| circle.contains(OWN_FILE));
        for circle in circles.iter().chain(&through_parent) {
            described.push(describe(&over, circle, &graph));
        }
    }
    described
}

/// Import graph below each module, by the module's path.
fn graphs(modules: &Modules) -> BTreeMap<Vec<String>, Graph> {
    let mut graphs: BTreeMap<Vec<String>, Graph> = BTreeMap::new();
    for (index, module) in modules.iter() {
        let user = modules.home(index);
        if user.path.iter().any(|name| name == "error") {
            continue;
        }
        for used in &module.names.uses {
            for target in modules.resolve(index, &used.path) {
                let Resolved::Item(definer, name) = target else { continue };
                let definer = modules.home(definer);
                let is_below = definer.path.starts_with(&user.path);
                if definer.path == user.path || used.is_reexport && is_below {
                    continue;
                }
                let (level, edge) = edge(user, definer);
                let uses = graphs.entry(level).or_default().entry(edge).or_default();
                let item = [definer.path.as_slice(), &[name]].concat().join("::");
                // One place for each item is enough.
                if !uses.iter().any(|used| used.item == item) {
                    let file = module.file.display().to_string();
                    uses.insert(Use { item, file, line: used.line });
                }
            }
        }
    }
    graphs
}

/// The graph that a use belongs to, and its edge in it.
fn edge(user: &Module, definer: &Module) -> (Vec<String>, (String, String)) {
    let pairs = user.path.iter().zip(&definer.path);
    let n_shared = pairs.take_while(|(user, definer)| user == definer).count();
    let node =
        |module: &Module| module.path.get(n_shared).cloned().unwrap_or_else(|| OWN_FILE.to_owned());
    (user.path[..n_shared].to_owned(), (node(user), node(definer)))
}

/// Strongly connected components of two or more nodes.
fn components(graph: &Graph) -> Vec<BTreeSet<String>> {
    let nodes: BTreeSet<&String> = graph.keys().flat_map(|(from, to)| [from, to]).collect();
    let mut reached: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for node in &nodes {
        let mut open = vec![*node];
        let found = reached.entry(node).or_default();
        while let Some(from) = open.pop() {
            let next = graph.keys().filter(|edge| edge.0 == *from).map(|(_, to)| to);
            open.extend(next.filter(|to| found.insert(to)));
        }
    }
    let leads = |from: &String, to: &String| reached[from].contains(to);
    let mut components: Vec<BTreeSet<String>> = Vec::new();
    for node in nodes.into_iter().filter(|node| leads(node, node)) {
        match components
            .iter_mut()
            .find(|found| found.iter().all(|one| leads(one, node) && leads(node, one)))
        {
            Some(found) => {
                found.insert(node.clone());
            }
            None => components.push([node.clone()].into()),
        }
    }
    components
}

fn describe(over: &str, circle: &BTreeSet<String>, graph: &Graph) -> String {
    let inside: Vec<_> = graph
        .iter()
        .filter(|((from, to), _)| circle.contains(from) && circle.contains(to))
        .collect();
    let order = order(circle, graph);
    let height = |node: &String| order.iter().position(|one| one == node);
    let names: Vec<&str> = order.iter().map(String::as_str).collect();
    let mut text = format!(
        "{over}: a circle of {} modules; from the ground up they could be {}, without:",
        circle.len(),
        names.join(", ")
    );
    let (closing, kept): (Vec<_>, Vec<_>) =
        inside.into_iter().partition(|((from, to), _)| height(from) < height(to));
    for ((from, to), uses) in closing {
        text.push_str(&format!("\n  {from} -> {to}"));
        for Use { item, file, line } in uses {
            text.push_str(&format!("\n    {file}:{line} -> {item}"));
        }
    }
    text.push_str("\n  and with:");
    for ((from, to), uses) in kept {
        text.push_str(&format!(" {from} -> {to} ({}),", uses.len()));
    }
    text.pop();
    text
}

/// Feedback arc set heuristic: orders the nodes of a cycle so that few uses lead upwards.
///
/// A node that uses nothing goes to the bottom, one that nothing uses to the top; without either,
/// the node with the most uses of it minus its own uses goes to the bottom.
///
/// # Source
/// Eades, Lin & Smyth 1993, "A fast and effective heuristic for the feedback arc set problem".
fn order(circle: &BTreeSet<String>, graph: &Graph) -> Vec<String> {
    let (mut ground, mut top) = (Vec::new(), Vec::new());
    let mut left = circle.clone();
    while !left.is_empty() {
        let count = |of: fn(&(String, String)) -> (&String, &String), node: &String| -> usize {
            let edges = graph.iter().filter(|(edge, _)| {
                let (this, other) = of(edge);
                this == node && left.contains(other)
            });
            edges.map(|(_, uses)| uses.len()).sum()
        };
        let n_uses = |node: &String| count(|(from, to)| (from, to), node);
        let n_users = |node: &String| count(|(from, to)| (to, from), node);
        let lowest = left.iter().find(|node| n_uses(node) == 0);
        let highest = left.iter().find(|node| n_users(node) == 0);
        let most = left.iter().rev().max_by_key(|node| n_users(node) as i64 - n_uses(node) as i64);
        let (next, is_top) = match (lowest, highest, most) {
            (None, Some(highest), _) => (highest.clone(), true),
            (Some(node), ..) | (None, None, Some(node)) => (node.clone(), false),
            (None, None, None) => break,
        };
        left.remove(&next);
        if is_top { top.push(next) } else { ground.push(next) }
    }
    ground.extend(top.into_iter().rev());
    ground
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nodes of each cycle, by their parent module.
    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let described = circles("it", &Modules::from_texts(files));
        let first_lines = described.iter().filter_map(|text| text.lines().next());
        first_lines.map(|line| line.replace("; from the ground up they could be", ":")).collect()
    }

    #[test]
    fn modules_that_use_those_below_them_are_no_circle() {
        let root = "mod a; mod b; pub use a::A; pub use b::B;";
        let files = [
            ("lib.rs", root),
            ("a.rs", "pub struct A;"),
            ("b.rs", "use crate::A; pub struct B(A, other::a::C);"),
        ];
        assert!(circles_of(&files).is_empty());
    }

    #[test]
    fn a_circle_through_a_reexport_is_found_with_its_places() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use b::B;"),
            ("a.rs", "use crate::{\n    B as Other,\n};\npub struct A; pub struct A2(Other);"),
            ("b.rs", "mod c; pub use c::B;"),
            ("b/c.rs", "pub struct B; fn f(_: crate::a::A) {} fn g() { crate::a::A2 }"),
        ];
        let described = circles("it", &Modules::from_texts(&files));
        assert_eq!(
            described,
            ["it: a circle of 2 modules; from the ground up they could be a, b, without:
  a -> b
    a.rs:2 -> b::c::B
  and with: b -> a (2)"]
        );
    }

    #[test]
    fn a_circle_through_paths_in_code_is_found() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub fn a() { let b = 1; vec![crate::b::B { b }]; } pub const N: i32 = 1;"),
            ("b.rs", "use super::a; pub struct B; fn f() { a!(x y => a::N) }"),
        ];
        assert_eq!(circles_of(&files), ["it: a circle of 2 modules: a, b, without:"]);
    }

    #[test]
    fn a_circle_inside_a_folder_is_found_there() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; mod c; pub(crate) use b::B;"),
            ("a/b.rs", "use super::c::C; pub struct B;"),
            ("a/c.rs", "mod d; pub struct C;"),
            ("a/c/d.rs", "fn f(_: super::super::B) {}"),
        ];
        assert_eq!(circles_of(&files), ["it::a: a circle of 2 modules: b, c, without:"]);
    }

    #[test]
    fn a_parent_may_reexport_or_use_its_children_but_they_not_use_it_too() {
        let files = |parent: &'static str, child: &'static str| {
            circles_of(&[("lib.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", child)])
        };
        let own = "it::a: a circle of 2 modules: (its own file), b, without:";
        assert!(
            files("mod b; pub use b::B; pub struct A;", "use super::A; pub struct B;").is_empty()
        );
        assert!(files("mod b; use b::B; pub struct A(B);", "pub struct B;").is_empty());
        let uses = "mod b; pub use b::B; pub struct A; fn f(_: B) {}";
        assert_eq!(files(uses, "use super::A; pub struct B;"), [own]);
        assert_eq!(files(uses, "use super::*; pub struct B(A);"), [own]);
        assert!(files(uses, "use super::*; pub struct B;").is_empty());
    }

    #[test]
    fn errors_may_name_everything_and_tests_do_not_count() {
        let tests = "#[cfg(test)] mod tests; #[cfg(test)] use crate::b::B;
            #[cfg(test)] mod inner { fn f(_: crate::b::B) {} } pub struct A(crate::error::Error);";
        let files = [
            ("lib.rs", "mod a; mod b; mod error;"),
            ("a.rs", tests),
            ("b.rs", "pub struct B(crate::a::A);"),
            ("error.rs", "pub enum Error { Bad(crate::a::A) }"),
        ];
        assert!(circles_of(&files).is_empty());
    }

    #[test]
    fn what_is_written_inside_a_file_belongs_to_it() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod inner { use super::super::b::B; } pub struct A;"),
            ("b.rs", "pub struct B(super::a::A);"),
        ];
        assert_eq!(circles_of(&files), ["it: a circle of 2 modules: a, b, without:"]);
    }
}
