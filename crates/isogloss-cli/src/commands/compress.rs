//! `isogloss compress`: weights stored in 16 or 8 bits.

use isogloss::compress;

use super::End;
use super::merged::WholeModel;
use super::output::check_is_empty;
use crate::args::CompressArgs;

pub(crate) fn run(args: &CompressArgs) -> anyhow::Result<End> {
    check_is_empty(&args.out)?;
    let model = WholeModel::resolve(&args.model, &args.hub)?;
    let [before, after] = compress(model.path(), args.storage, &args.out)?.map(|n| n as f64 / 1e6);
    println!("{before:.1} MB of weights to {after:.1}, in {}", args.out.display());
    Ok(End::Done)
}
