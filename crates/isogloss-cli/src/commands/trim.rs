//! `isogloss trim`: a vocabulary trimmed to the tokens of a corpus.

use std::path::PathBuf;

use isogloss::text::Texts;
use isogloss::{TrimOptions, trim};

use super::End;
use super::merged::WholeModel;
use super::output::check_is_empty;
use super::text_files::TextFiles;
use crate::args::TrimArgs;
use crate::wording::trim_lines;

pub(crate) fn run(args: &TrimArgs) -> anyhow::Result<End> {
    check_is_empty(&args.out)?;
    let model = WholeModel::resolve(&args.model, &args.hub)?;
    let paths = args.corpus.iter().chain(&args.compare);
    let files = TextFiles::new(model.path(), &args.fields, args.quoting, paths)?;
    let corpus = |path: &PathBuf| {
        let mut texts = Texts::default();
        files.add(&mut texts, path).map(|()| texts)
    };
    let corpora = args.corpus.iter().map(corpus).collect::<Result<Vec<_>, _>>()?;
    let mut others = Texts::default();
    args.compare.iter().try_for_each(|path| files.add(&mut others, path))?;
    let others = (!args.compare.is_empty()).then_some(&others);
    let options = TrimOptions { keep: args.keep, storage: args.storage, n_checked: args.check };
    let report = trim(model.path(), &corpora, others, options, &args.out)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        trim_lines(&report).iter().for_each(|line| println!("{line}"));
        println!("wrote     {}", args.out.display());
    }
    Ok(End::Done)
}
