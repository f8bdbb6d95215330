//! `isogloss devices`: the list of devices.

mod check;

use isogloss::device::{compiled, list};

use super::End;
use crate::args::DevicesArgs;
use crate::wording::device_properties;

pub(crate) fn run(args: &DevicesArgs) -> anyhow::Result<End> {
    if args.check {
        return check::run(args);
    }
    let devices = list();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&devices)?);
        return Ok(End::Done);
    }
    for device in &devices {
        println!("{:<10} {}", device.name, device_properties(device));
    }
    println!("\ncompiled in: {}", compiled().join(", "));
    Ok(End::Done)
}
