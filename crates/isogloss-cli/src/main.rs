//! The `isogloss` command-line tool.

#![deny(clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

// Before all other modules, which print by its macros.
#[macro_use]
mod streams;

mod args;
mod awake;
mod commands;
mod input_lines;
mod interrupt;
mod version;
mod watch;
mod wording;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::interrupt::{STOPPED, listen_for_interrupt};

fn main() -> ExitCode {
    isogloss::tune_allocator();
    let args = Args::parse();
    let reads_by_flags = args.command.reads_by_flags();
    match run(args) {
        _ if streams::is_output_closed() => ExitCode::from(streams::EXIT_BROKEN_PIPE),
        Ok(commands::End::Done) => ExitCode::SUCCESS,
        Ok(commands::End::Stopped) => ExitCode::from(STOPPED),
        Err(error) => {
            let message = message(&error);
            let message = if reads_by_flags { wording::with_flags(&message) } else { message };
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Error message with its causes, without those that it already quotes.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

fn run(args: Args) -> anyhow::Result<commands::End> {
    match args.command {
        Command::New(args) => commands::new::run(&args),
        Command::Finetune(args) => {
            listen_for_interrupt()?;
            commands::finetune::run(&args)
        }
        Command::Distill(args) => {
            listen_for_interrupt()?;
            commands::finetune::distill(&args)
        }
        Command::Sweep(args) => {
            listen_for_interrupt()?;
            commands::sweep::run(&args)
        }
        Command::Evaluate(args) => commands::evaluate::run(&args),
        Command::Predict(args) => commands::predict::run(&args),
        Command::Centring(args) => commands::centring::run(&args),
        Command::Fisher(args) => commands::fisher::run(&args),
        Command::Subnetwork(args) => commands::subnetwork::run(&args),
        Command::Align(args) => commands::align::run(&args),
        Command::Embed(args) => commands::embed::run(&args),
        Command::Retrieve(args) => commands::retrieve::run(&args),
        Command::Alignment(args) => commands::alignment::run(&args),
        Command::Merge(args) => commands::merge::run(&args),
        Command::Prune(args) => commands::prune::run(&args),
        Command::Trim(args) => commands::trim::run(&args),
        Command::Compress(args) => commands::compress::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Recipe(args) => commands::recipe::run(&args),
        Command::Devices(args) => commands::devices::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Completions { shell } => {
            let mut command = <Args as clap::CommandFactory>::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "isogloss", &mut script);
            print!("{}", String::from_utf8(script)?);
            Ok(commands::End::Done)
        }
    }
}
