//! `isogloss compress`: weights stored in 16 or 8 bits.

use isogloss::compress;

use super::{End, resolve_standalone_model};
use crate::args::CompressArgs;

pub(crate) fn run(args: &CompressArgs) -> anyhow::Result<End> {
    let folder = resolve_standalone_model(&args.model, &args.hub)?;
    let [before, after] = compress(&folder, args.storage, &args.out)?.map(|n| n as f64 / 1e6);
    println!("{before:.1} MB of weights to {after:.1}, in {}", args.out.display());
    Ok(End::Done)
}
