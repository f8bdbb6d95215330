//! Sleep inhibitor of runs, by a `systemd-inhibit` that records its arguments and takes no lock.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use isogloss::{RunFolder, RunStatus};
use isogloss_tests::runs::Workshop;
use serde_json::Value;

/// As the real one: it runs the command after its own four options, and ends with it.
const TOOL: &str =
    "#!/bin/sh\nprintf '%s\\n' \"$@\" >arguments\necho $$ >pid\nshift 4\nexec \"$@\"\n";

/// As the real one where no session manager runs.
const REFUSES: &str = "#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n";

/// Line of a run whose sleep is held off.
const LINE: &str = "awake     sleep is held off by systemd-inhibit\n";

/// Workshop with a recipe of `epochs` and a tool in the folder `bin`.
fn workshop(tool: &str, epochs: u32) -> Workshop {
    let shop = Workshop::new();
    let training = format!("epochs = {epochs}\nbatch_size = 8\ncheckpoint_every = 1");
    fs::write(shop.path("tiny.toml"), shop.recipe(&training, "")).unwrap();
    fs::create_dir(shop.path("bin")).unwrap();
    let path = shop.path("bin/systemd-inhibit");
    fs::write(&path, tool).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    shop
}

/// Command with the tool before all other programs.
fn command(shop: &Workshop, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isogloss"));
    let others = std::env::var_os("PATH").unwrap();
    let path = [shop.path("bin")].into_iter().chain(std::env::split_paths(&others));
    command.args(args.split(' ')).args(["--device", "flex"]).current_dir(shop.path("."));
    command.env("PATH", std::env::join_paths(path).unwrap());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn streams(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap())
}

/// Whether the tool's process still runs; a zombie that nobody waits for does not.
fn runs(shop: &Workshop) -> bool {
    let pid = fs::read_to_string(shop.path("pid")).unwrap();
    match fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")) {
        Ok(stat) => !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'),
        Err(_) => false,
    }
}

#[track_caller]
fn ends_soon(shop: &Workshop) {
    let began = Instant::now();
    while runs(shop) {
        assert!(began.elapsed() < Duration::from_secs(10), "the tool outlives the run");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn sleep_is_held_off_until_a_run_ends() {
    for args in ["finetune tiny.toml", "sweep tiny.toml --seeds 1"] {
        let shop = workshop(TOOL, 1);
        let output = command(&shop, args).output().unwrap();
        let [_, error] = streams(&output);
        assert!(output.status.success(), "{error}");
        assert_eq!(error.matches(LINE).count(), 1, "{error}");
        let recorded = fs::read_to_string(shop.path("arguments")).unwrap();
        let expected = "--what=idle:sleep\n--who=isogloss\n--why=training\n--mode=block\n";
        assert!(recorded.starts_with(expected), "{recorded}");
        assert!(!runs(&shop));
    }
}

#[test]
fn machines_read_what_holds_off_sleep() {
    let shop = workshop(TOOL, 1);
    let [out, error] = streams(&command(&shop, "finetune tiny.toml --json").output().unwrap());
    assert_eq!(error, "");
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(first, serde_json::json!({ "event": "awake", "by": "systemd-inhibit" }));
}

#[test]
fn a_run_that_fails_leaves_nothing_behind() {
    let shop = workshop(TOOL, 1);
    fs::remove_file(shop.path("model/tokenizer.json")).unwrap();
    let output = command(&shop, "finetune tiny.toml").output().unwrap();
    let [_, error] = streams(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(LINE) && error.contains("tokenizer.json"), "{error}");
    assert!(!runs(&shop));
}

#[test]
fn the_tool_lasts_through_a_run_and_ends_with_it_however_it_ends() {
    for (signal, code) in [("-INT", Some(130)), ("-KILL", None)] {
        let shop = workshop(TOOL, 10_000);
        let child = command(&shop, "finetune tiny.toml").spawn().unwrap();
        let folder = RunFolder::new(shop.path("runs/tiny/seed-7"));
        while !matches!(folder.status(), Ok(RunStatus::Unfinished(1..))) {
            sleep(Duration::from_millis(5));
        }
        assert!(runs(&shop));
        let mut kill = Command::new("kill");
        assert!(kill.args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), code, "{:?}", streams(&output));
        ends_soon(&shop);
    }
}

#[test]
fn a_machine_that_may_sleep_starts_no_tool() {
    let shop = workshop(TOOL, 1);
    let output = command(&shop, "finetune tiny.toml --allow-sleep").output().unwrap();
    let [_, error] = streams(&output);
    assert!(output.status.success(), "{error}");
    assert!(!error.contains("awake") && !shop.path("arguments").exists(), "{error}");
}

#[test]
fn a_run_goes_on_without_the_tool() {
    for is_there in [true, false] {
        let shop = workshop(REFUSES, 1);
        let mut command = command(&shop, "finetune tiny.toml");
        if !is_there {
            command.env("PATH", shop.path("data"));
        }
        let output = command.output().unwrap();
        let [_, error] = streams(&output);
        assert!(output.status.success(), "{error}");
        assert!(!error.contains("awake") && !error.contains("bus"), "{error}");
    }
}
