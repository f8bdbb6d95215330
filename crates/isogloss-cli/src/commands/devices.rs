//! `isogloss devices`: the list of devices.

mod check;

use isogloss::device::{DeviceInfo, compiled, list, open};

use super::End;
use crate::args::DevicesArgs;
use crate::wording::device_properties;

pub(crate) fn run(args: &DevicesArgs) -> anyhow::Result<End> {
    if args.check {
        return check::run(args);
    }
    if args.json {
        let devices: Vec<_> = list().into_iter().map(|info| opened(info).0).collect();
        println!("{}", serde_json::to_string_pretty(&devices)?);
        return Ok(End::Done);
    }
    // A line at a time: a driver that crashes is the one that would be next.
    for info in list() {
        let (info, problem) = opened(info);
        println!("{:<10} {}", info.name, device_properties(&info));
        if let Some(problem) = problem {
            println!("{:<10} cannot be used: {problem}", "");
        }
    }
    println!("\ncompiled in: {}", compiled().join(", "));
    Ok(End::Done)
}

/// The properties of a device once it is open, with the language of its kernels; those of the list
/// and the problem, if it cannot be opened.
fn opened(listed: DeviceInfo) -> (DeviceInfo, Option<String>) {
    let choice = listed.name.parse().map_err(anyhow::Error::from);
    match choice.and_then(|choice| Ok(open(choice)?)) {
        Ok(device) => (device.info, None),
        Err(error) => (listed, Some(format!("{error:#}"))),
    }
}
