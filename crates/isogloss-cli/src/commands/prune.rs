//! `isogloss prune`: structured pruning of a model to a subnetwork.

use isogloss::text::Texts;
use isogloss::{CENTRING, PruneOptions, prune, saves_subnetworks};

use super::End;
use super::merged::WholeModel;
use super::output::check_is_empty;
use super::text_files::TextFiles;
use crate::args::PruneArgs;
use crate::wording::size;

pub(crate) fn run(args: &PruneArgs) -> anyhow::Result<End> {
    check_is_empty(&args.out)?;
    let model = WholeModel::resolve(&args.model, &args.hub)?;
    let mut texts = Texts::default();
    let files = TextFiles::new(model.path(), &args.fields, None, args.compare.iter())?;
    args.compare.iter().try_for_each(|path| files.add(&mut texts, path))?;
    let texts = (!args.compare.is_empty()).then_some(&texts);
    let options = PruneOptions { n_checked: args.check };
    let centring = model.path().join(CENTRING);
    if centring.exists() {
        let path = centring.display();
        eprintln!(
            "{path}: of the whole model; estimate that of the pruned one by isogloss centring"
        );
    }
    if saves_subnetworks(model.path()) {
        eprintln!(
            "{}: the subnetworks of languages are of the whole model, and are not taken over: the \
             pruned one is used whole for all languages",
            model.path().join("subnetworks").display()
        );
    }
    let report = prune(model.path(), &args.subnetwork, texts, options, &args.out)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(End::Done);
    }
    let ([heads, heads_left], [blocks, blocks_left]) = (report.n_heads, report.n_feed_forward);
    let [parameters, left] = report.n_parameters.map(size);
    let [bytes, bytes_left] = report.n_bytes.map(|n| n as f64 / 1e6);
    let of = if texts.is_some() { "texts" } else { "rows of drawn tokens" };
    println!(
        "parts     {heads_left} of {heads} heads, {blocks_left} of {blocks} feed-forward blocks"
    );
    println!("weights   {parameters} parameters to {left}, {bytes:.1} MB to {bytes_left:.1}");
    println!(
        "states    of {} {of}, those of the masked model to within {:.1e}",
        report.states.n_texts, report.states.largest_difference
    );
    println!("wrote     {}", args.out.display());
    Ok(End::Done)
}
