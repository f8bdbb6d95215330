//! `isogloss merge`: adapters merged into the weights of a model.

use isogloss::device::{DeviceChoice, open};

use super::output::check_is_empty;
use super::{End, model_folder};
use crate::args::MergeArgs;

pub(crate) fn run(args: &MergeArgs) -> anyhow::Result<End> {
    check_is_empty(&args.out)?;
    let device = open(DeviceChoice::default())?;
    isogloss::merge(&model_folder(&args.model, &args.hub)?, &args.out, &device.device)?;
    println!("merged into {}", args.out.display());
    Ok(End::Done)
}
