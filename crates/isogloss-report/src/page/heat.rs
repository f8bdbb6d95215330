//! Heat maps of the trace of the Fisher information by block and step, one for each recipe.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::axis::{Axis, Scale};
use crate::chart::{EXTENT, Frame, labels};
use crate::color::swatch;
use crate::flatness::{Fisher, Flatness, flatness_measures};
use crate::group::Recipe;
use crate::html::{Text, breakable, capitalized, number};
use crate::record::RunRecord;

/// Maximum number of columns; of more measurements only every second, third, … step is drawn.
const MAX_COLUMNS: usize = 48;
/// Maximum number of step labels below a heat map.
const MAX_STEPS: usize = 5;
/// Number of rectangles in the color legend.
const N_PATCHES: usize = 48;

/// Heat maps with one color scale for each kind of Fisher information; empty if none was measured.
pub(super) fn render(recipes: &[Recipe<'_>]) -> String {
    let runs = recipes.iter().flat_map(|recipe| recipe.runs.iter().copied());
    let measured = flatness_measures(runs).into_iter().filter_map(|quantity| {
        let Flatness::Trace(fisher) = quantity else { return None };
        let map = |recipe| Map::new(recipe, |run| measured_traces(run, fisher));
        let maps = recipes.iter().map(map);
        let what = format!("What each block adds to the {}", quantity.name());
        let when = "by optimizer step, on development data of the source";
        on_one_scale(maps.collect(), &what, when, quantity.unit())
    });
    let unit = Flatness::Trace(Fisher::True).unit();
    let opening = recipes.iter().map(|recipe| Map::new(recipe, opening_traces));
    let opening = on_one_scale(
        opening.collect(),
        "What the parameters that open with each layer add to the trace of the Fisher information",
        "whenever it chose the next layer, on training data",
        unit,
    );
    measured.chain(opening).collect()
}

/// Fisher trace: block, step and the block's trace there.
type Trace<'a> = (&'a str, u64, f64);

fn measured_traces<'a>(run: &'a RunRecord, fisher: Fisher<'_>) -> Vec<Trace<'a>> {
    let points = run.measures.iter();
    points
        .flat_map(|point| fisher.blocks(point).map(|(block, trace)| (block, point.step, trace)))
        .collect()
}

fn opening_traces(run: &RunRecord) -> Vec<Trace<'_>> {
    let blocks = run.layer_traces.iter().flat_map(|(step, blocks)| {
        blocks.iter().map(|(block, trace)| (block.as_str(), *step, *trace))
    });
    blocks.collect()
}

/// Renders heat maps with a common color scale; `None` if nothing was measured.
fn on_one_scale(maps: Vec<Map<'_>>, what: &str, when: &str, unit: &str) -> Option<String> {
    let traces = maps.iter().flat_map(|map| map.cells.values().map(Cell::mean));
    let has_zeros = traces.clone().any(|trace| !Scale::Log.holds(trace));
    let scale = Axis::around(Scale::Log, traces)?;
    let has_seeds = maps.iter().any(|map| map.cells.values().any(|cell| cell.seeds.len() > 1));
    let figures: String = maps.iter().map(|map| map.render(&scale)).collect();
    Some(format!(
        "<p class=\"aside\">{}, {when}{}. The scale of colors is logarithmic and the same for all \
         maps.</p>\n{}\
         <div class=\"charts heats\">{figures}</div>\n",
        Text(what),
        if has_seeds { ", mean over seeds" } else { "" },
        legend(&scale, &format!("Trace, {unit}"), has_zeros),
    ))
}

/// Heat map of one recipe's Fisher traces.
struct Map<'a> {
    recipe: &'a Recipe<'a>,
    /// Rows, from top to bottom.
    blocks: Vec<&'a str>,
    /// Columns, from left to right.
    steps: Vec<u64>,
    cells: BTreeMap<(&'a str, u64), Cell>,
}

/// Heat map cell: a block's trace at a step, with the seed of each run that measured it.
#[derive(Default)]
struct Cell {
    seeds: Vec<(Option<u64>, f64)>,
}

impl Cell {
    fn mean(&self) -> f64 {
        self.seeds.iter().map(|(_, trace)| trace).sum::<f64>() / self.seeds.len() as f64
    }
}

impl<'a> Map<'a> {
    fn new(recipe: &'a Recipe<'a>, of_run: impl Fn(&'a RunRecord) -> Vec<Trace<'a>>) -> Self {
        let mut cells: BTreeMap<(&str, u64), Cell> = BTreeMap::new();
        for run in &recipe.runs {
            for (block, step, trace) in of_run(run) {
                cells.entry((block, step)).or_default().seeds.push((run.seed(), trace));
            }
        }
        let blocks: BTreeSet<&str> = cells.keys().map(|(block, _)| *block).collect();
        let mut blocks: Vec<&str> = blocks.into_iter().collect();
        blocks.sort_by_key(|block| depth(block));
        let steps: BTreeSet<u64> = cells.keys().map(|(_, step)| *step).collect();
        let stride = steps.len().div_ceil(MAX_COLUMNS).max(1);
        let mut steps: Vec<u64> = steps.into_iter().rev().step_by(stride).collect();
        steps.reverse();
        Self { recipe, blocks, steps, cells }
    }

    /// Renders the heat map as a `<figure>`; empty if nothing was measured.
    fn render(&self, scale: &Axis) -> String {
        if self.cells.is_empty() {
            return String::new();
        }
        let middle = |at: usize, n: usize| (at as f64 + 0.5) / n as f64;
        let (n_rows, n_columns) = (self.blocks.len(), self.steps.len());
        let mut svg = String::new();
        for (row, block) in self.blocks.iter().enumerate() {
            for (column, step) in self.steps.iter().enumerate() {
                let Some(cell) = self.cells.get(&(*block, *step)) else { continue };
                svg += &patch(cell.mean(), scale, (column, n_columns), (row, n_rows), &{
                    let name = capitalized(&block_name(block));
                    format!("{name}, step {step}: {}", exact(cell))
                });
            }
        }
        let n_named = MAX_STEPS.min(n_columns);
        let named: BTreeSet<usize> = match n_named {
            1 => BTreeSet::from([0]),
            _ => (0..n_named).map(|at| at * (n_columns - 1) / (n_named - 1)).collect(),
        };
        let rows = self.blocks.iter().enumerate();
        let frame = Frame {
            title: swatch(self.recipe.color) + &breakable(&self.recipe.label),
            description: &self.description(),
            key: String::new(),
            y: rows.map(|(at, block)| (middle(at, n_rows), block_name(block))).collect(),
            x: named
                .into_iter()
                .map(|at| (middle(at, n_columns), self.steps[at].to_string()))
                .collect(),
            x_title: "",
            note: "",
        };
        frame.render("chart heat", &svg)
    }

    fn description(&self) -> String {
        let (Some(first), Some(last)) = (self.steps.first(), self.steps.last()) else {
            return String::new();
        };
        let rows = self.blocks.iter().filter_map(|block| {
            let trace = |step: &u64| Some(number(self.cells.get(&(*block, *step))?.mean()));
            Some(format!("{} from {} to {}", block_name(block), trace(first)?, trace(last)?))
        });
        let rows: Vec<String> = rows.collect();
        format!(
            "{}: trace by block, step {first} to {last}. {}.",
            self.recipe.label,
            rows.join("; ")
        )
    }
}

/// Heat map cell: a colored rectangle at a column and a row; `n_columns` and `n_rows` are the
/// totals.
pub(super) fn patch(
    value: f64,
    scale: &Axis,
    (column, n_columns): (usize, usize),
    (row, n_rows): (usize, usize),
    title: &str,
) -> String {
    let edge = |at: usize, n: usize| EXTENT * at as f64 / n as f64;
    let (width, height) = (edge(1, n_columns), edge(1, n_rows));
    let color = match scale.holds(value) {
        true => format!("class=\"cell\" style=\"--v:{:.3}\"", scale.position(value)),
        false => "class=\"zero\"".to_owned(),
    };
    format!(
        "<rect {color} x=\"{:.2}\" y=\"{:.2}\" width=\"{width:.2}\" height=\"{height:.2}\">\
         <title>{}</title></rect>",
        edge(column, n_columns),
        edge(row, n_rows),
        Text(title)
    )
}

/// Color legend: the title, then the color scale with its ticks.
pub(super) fn legend(scale: &Axis, title: &str, has_zeros: bool) -> String {
    let width = EXTENT / N_PATCHES as f64;
    let patch = |at: usize| {
        let position = (at as f64 + 0.5) / N_PATCHES as f64;
        // Each rectangle reaches under the next one, so that no seam shows between them.
        format!(
            "<rect class=\"cell\" style=\"--v:{position:.3}\" x=\"{:.2}\" width=\"{:.2}\" \
             height=\"{EXTENT}\"/>",
            at as f64 * width,
            (1.5 * width).min(EXTENT - at as f64 * width)
        )
    };
    let patches: String = (0..N_PATCHES).map(patch).collect();
    let ticks: Vec<(f64, String)> =
        scale.ticks().map(|(position, label)| (position, label.to_owned())).collect();
    let zero = match has_zeros {
        true => "<span class=\"zero\"><i></i>0</span>",
        false => "",
    };
    format!(
        "<div class=\"legend\"><span>{}</span><div class=\"ramp\">\
         <svg role=\"img\" aria-label=\"Colors from low to high\" \
         viewBox=\"0 0 {EXTENT} {EXTENT}\" preserveAspectRatio=\"none\">{patches}</svg>\
         <div class=\"x\">{}</div></div>{zero}</div>\n",
        Text(title),
        labels("left", &ticks),
    )
}

/// Traces of all seeds as they were logged, after their mean if there are several.
fn exact(cell: &Cell) -> String {
    match cell.seeds.as_slice() {
        [(_, trace)] => trace.to_string(),
        seeds => {
            let seeds = seeds.iter().map(|(seed, trace)| match seed {
                Some(seed) => format!("seed {seed}: {trace}"),
                None => trace.to_string(),
            });
            let seeds: Vec<String> = seeds.collect();
            format!("mean {} ({})", number(cell.mean()), seeds.join(", "))
        }
    }
}

/// Sort key of blocks, from the output down to the input.
fn depth(block: &str) -> (u8, Reverse<u64>, &str) {
    match (block, layer(block)) {
        ("head", _) => (0, Reverse(0), block),
        (_, Some(index)) => (2, Reverse(index), block),
        ("embeddings", _) => (3, Reverse(0), block),
        // Other blocks, such as a pooler, lie between the layers and the head.
        _ => (1, Reverse(0), block),
    }
}

fn layer(block: &str) -> Option<u64> {
    block.strip_prefix("layers.")?.parse().ok()
}

fn block_name(block: &str) -> String {
    layer(block).map_or_else(|| block.to_owned(), |index| format!("layer {index}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(traces: impl Iterator<Item = (u64, f64)>) -> RunRecord {
        let line = |(step, trace): (u64, f64)| {
            format!(
                r#"{{"kind":"measure","step":{step},"fisher":{{"estimator":"exact","trace":{trace},"blocks":{{"head":{trace}}}}}}}"#
            ) + "\n"
        };
        run_record(&traces.map(line).collect::<String>())
    }

    fn run_record(lines: &str) -> RunRecord {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("recipe.toml"), "").unwrap();
        std::fs::write(folder.path().join("environment.json"), "{}").unwrap();
        std::fs::write(folder.path().join("metrics.jsonl"), lines).unwrap();
        RunRecord::load(folder.path()).unwrap()
    }

    #[test]
    fn what_fun_chose_layers_by_is_a_map_of_its_own() {
        let run = run_record(concat!(
            r#"{"kind":"open","step":0,"layers":[1],"traces":[0.25,4.0]}"#,
            "\n",
            r#"{"kind":"open","step":50,"layers":[0],"traces":[0.5,8.0]}"#,
            "\n",
        ));
        let html = render(&[Recipe {
            label: "fun".to_owned(),
            color: 0,
            copies: Vec::new(),
            runs: vec![&run],
        }]);
        for title in ["Layer 0, step 0: 0.25<", "Layer 1, step 50: 8<"] {
            assert_eq!(html.matches(title).count(), 1, "{title}");
        }
        assert_eq!(html.matches("<figure").count(), 1);
        // A schedule with a fixed order measures no traces.
        let run = run_record("{\"kind\":\"open\",\"step\":0,\"layers\":[1]}\n");
        assert_eq!(
            render(&[Recipe {
                label: String::new(),
                color: 0,
                copies: Vec::new(),
                runs: vec![&run]
            }]),
            ""
        );
    }

    #[test]
    fn long_runs_are_thinned_but_keep_their_last_step() {
        let run = run((0..=100).map(|at| (10 * at, 1.0)));
        let recipe =
            Recipe { label: "plain".to_owned(), color: 0, copies: Vec::new(), runs: vec![&run] };
        let map = Map::new(&recipe, |run| measured_traces(run, Fisher::True));
        assert!(map.steps.len() <= MAX_COLUMNS);
        assert_eq!(map.steps.last(), Some(&1000));
        assert!(map.steps.windows(2).all(|pair| pair[1] - pair[0] == 30));
    }

    #[test]
    fn the_scale_of_colors_is_one_for_all_maps() {
        let runs =
            [run([(0, 100.0), (5, 1.0)].into_iter()), run([(0, 10.0), (5, 0.0)].into_iter())];
        let recipe = |at: usize| Recipe {
            label: String::new(),
            color: at,
            copies: Vec::new(),
            runs: vec![&runs[at]],
        };
        let html = render(&[recipe(0), recipe(1)]);
        for (position, title) in
            [("1.000", "step 0: 100"), ("0.000", "step 5: 1"), ("0.500", "step 0: 10")]
        {
            let cells: Vec<&str> =
                html.split("<rect").filter(|cell| cell.contains(&format!("{title}<"))).collect();
            assert_eq!(cells.len(), 1, "{title}");
            assert!(cells[0].contains(&format!("--v:{position}")), "{}", cells[0]);
        }
        assert!(html.contains("class=\"zero\""), "zero has no position on it");
        assert_eq!(render(&[]), "");
    }

    #[test]
    fn blocks_lie_from_the_head_down_to_the_embeddings() {
        let mut blocks = ["embeddings", "layers.10", "head", "layers.2", "pooler", "layers.0"];
        blocks.sort_by_key(|block| depth(block));
        assert_eq!(
            blocks.map(block_name),
            ["head", "pooler", "layer 10", "layer 2", "layer 0", "embeddings"]
        );
    }
}
