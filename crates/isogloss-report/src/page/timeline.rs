//! Unfreezing timeline: for each run that unfroze layers, a bar for each layer, overlaid with the
//! loss, the development score and the zero-shot score.

use super::curves::dev_language;
use crate::axis::{Axis, Scale};
use crate::chart::{EXTENT, Frame, Mark, draw, mean, smoothed, thinned};
use crate::color::{N_COLORS, swatch};
use crate::group::{Recipe, run_label};
use crate::html::{Text, breakable};
use crate::record::{DevPoint, RunRecord};

/// Renders the timelines; empty if no run unfroze a layer.
pub(super) fn render(recipes: &[Recipe<'_>]) -> String {
    let timelines = recipes.iter().flat_map(|recipe| {
        recipe.runs.iter().filter(|run| !run.opened.is_empty()).map(|run| timeline(recipe, run))
    });
    let figures: String = timelines.collect();
    if figures.is_empty() {
        return figures;
    }
    format!(
        "<p class=\"aside\">A bar begins where its layer began to learn; the head, and \
         layers that a recipe opens for good, have no row. Over the bars, each on a scale of its own: the training \
         loss as a line, the development score as points, and the mean score of the languages that are not \
         trained on, where it was watched, as small points.</p>\n\
         <div class=\"charts heats\">{figures}</div>\n"
    )
}

fn timeline(recipe: &Recipe<'_>, run: &RunRecord) -> String {
    let steps = run.train.iter().map(|point| point.step).chain(run.dev.iter().map(|p| p.step));
    let last = steps.max().unwrap_or(0);
    let x = Axis::steps(last as f64);
    let n_rows = run.opened.keys().next_back().map_or(0, |layer| layer + 1);
    let height = EXTENT / n_rows as f64;
    let mut svg = String::new();
    for (layer, step) in &run.opened {
        let (from, to) = (EXTENT * x.position(*step as f64), EXTENT * x.position(last as f64));
        svg += &format!(
            "<rect class=\"open c{}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
             height=\"{height:.1}\"><title>{}</title></rect>",
            recipe.color % N_COLORS,
            (n_rows - 1 - layer) as f64 * height,
            (to - from).max(0.0),
            Text(&format!("layer {layer} learns from step {step}")),
        );
    }
    let loss: Vec<_> = run.train.iter().filter_map(|p| Some((p.step as f64, p.loss?))).collect();
    over(&mut svg, &x, Mark::Line, &thinned(&smoothed(&loss), mean));
    let metric = run.results.as_ref().map(|results| results.metric.as_str());
    let score = |point: &DevPoint| match metric {
        Some(metric) => point.score(metric),
        None => point.accuracy.or(point.span_f1).or(point.las),
    };
    let chosen_by = dev_language(run);
    let dev = run.dev.iter().filter(|point| Some(point.language.as_str()) == chosen_by);
    let scores: Vec<_> = dev.filter_map(|p| Some((p.step as f64, score(p)?))).collect();
    over(&mut svg, &x, Mark::Points, &scores);
    let zero_shot = run.dev.iter().filter_map(|p| Some((p.step as f64, p.mean_target?)));
    over(&mut svg, &x, Mark::Specks, &zero_shot.collect::<Vec<_>>());

    let order: Vec<String> =
        in_order(run).map(|(layer, step)| format!("{layer} at {step}")).collect();
    let description = format!(
        "{}: layers in the order in which they opened: {}.",
        run_label(recipe, run),
        order.join(", ")
    );
    let frame = Frame {
        title: swatch(recipe.color) + &breakable(&run_label(recipe, run)),
        description: &description,
        key: String::new(),
        y: (0..n_rows)
            .map(|row| ((row as f64 + 0.5) / n_rows as f64, format!("layer {}", n_rows - 1 - row)))
            .collect(),
        x: x.ticks().map(|(position, label)| (position, label.to_owned())).collect(),
        x_title: "",
        note: "",
    };
    frame.render("chart heat", &svg)
}

/// Overlays a series on the whole height, with its own scale.
fn over(svg: &mut String, x: &Axis, mark: Mark, points: &[(f64, f64)]) {
    let Some(y) = Axis::around(Scale::Linear, points.iter().map(|point| point.1)) else { return };
    let position = |(step, value): &(f64, f64)| {
        (EXTENT * x.position(*step), EXTENT * (1.0 - y.position(*value)))
    };
    let points: Vec<_> = points.iter().filter(|point| y.holds(point.1)).map(position).collect();
    *svg += "<g class=\"over\">";
    draw(svg, mark, &points);
    *svg += "</g>";
}

/// Layers and their unfreezing steps, the first unfrozen in front.
fn in_order(run: &RunRecord) -> impl Iterator<Item = (usize, u64)> {
    let mut all: Vec<_> = run.opened.iter().map(|(layer, step)| (*layer, *step)).collect();
    all.sort_by_key(|(layer, step)| (*step, std::cmp::Reverse(*layer)));
    all.into_iter()
}
