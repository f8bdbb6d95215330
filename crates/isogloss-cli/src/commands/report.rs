//! `isogloss report`: the HTML report about runs, or a table of their scores.

use anyhow::{Context, bail};
use isogloss::report::{
    RunRecord, copied_seeds, find_runs, render, score_table, unlike_seeds, unlike_test_data,
};

use super::End;
use crate::args::ReportArgs;

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<End> {
    let folders = find_runs(&args.runs);
    if folders.is_empty() {
        bail!("no runs: none of the folders holds a metrics.jsonl");
    }
    let runs: Vec<_> =
        folders.iter().map(|folder| RunRecord::load(folder)).collect::<Result<_, _>>()?;
    let copies = copied_seeds(&runs);
    for [copy, run] in &copies {
        let [copy, run] = [copy, run].map(|run| run.dir().display());
        eprintln!("{copy}: left out, its recipe has the seed of {run}, and a seed counts once");
    }
    let recipe = "another recipe than";
    let data = "scored in other languages or on other test data than";
    let unlike = unlike_seeds(&runs).into_iter().map(|runs| (runs, recipe));
    for (runs, difference) in unlike.chain(unlike_test_data(&runs).into_iter().map(|of| (of, data)))
    {
        let [run, first] = runs.map(|run| run.dir().display());
        eprintln!("{run}: {difference} {first}; both are in the mean over seeds");
    }
    if let Some(format) = args.table {
        let n_open = runs.iter().filter(|run| !run.is_finished()).count();
        if n_open > 0 {
            eprintln!("{n_open} of {} runs are not finished, and left out", runs.len());
        }
        print!("{}", score_table(&runs, format));
        return Ok(End::Done);
    }
    let html = render(&runs);
    std::fs::write(&args.out, html).with_context(|| args.out.display().to_string())?;
    println!("{} runs in {}", runs.len() - copies.len(), args.out.display());
    Ok(End::Done)
}
