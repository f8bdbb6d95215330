//! Sleep inhibitor: keeps the machine awake while it trains, by the tool of its system.
//!
//! The tool is a child process that ends with this process, however this one ends. A tool that is
//! absent, or that the system refuses, is no error: the machine then sleeps as it is set to.

use std::io::Read;
use std::process::{Child, Command, Stdio, id};
use std::sync::mpsc::channel;
use std::thread::{sleep, spawn};
use std::time::Duration;

use serde_json::json;

/// How long a tool may take to hold off sleep before the run begins without a word about it:
/// PowerShell compiles its script, and systemd asks its session manager.
const PATIENCE: Duration = Duration::from_secs(5);

/// After which time a tool that does not answer is taken to work, if it has not ended by then.
const TRIAL: Duration = Duration::from_millis(100);

/// What a shell below `systemd-inhibit` runs, which runs it once sleep is held off: it answers, and
/// lasts until the standard input is closed, as it is when this process ends.
const UNTIL_CLOSED: &str = "echo held; exec cat";

/// `ES_CONTINUOUS | ES_SYSTEM_REQUIRED`, in decimal, as PowerShell reads hexadecimal as signed.
const EXECUTION_STATE: u32 = 0x8000_0001;

/// Sleep inhibitor of a run: sleep is held off until it is dropped.
pub(crate) struct Awake(Option<Child>);

impl Awake {
    /// Starts the system's tool unless `allow_sleep`, and says so if it works: as a line, or as an
    /// event for machines.
    pub(crate) fn hold(allow_sleep: bool, json: bool) -> Self {
        let Some(tool) = Tool::for_system(id()).filter(|_| !allow_sleep) else { return Self(None) };
        let Ok(mut child) = tool.command().spawn() else { return Self(None) };
        if tool.works(&mut child) {
            match json {
                true => println!("{}", json!({ "event": "awake", "by": tool.name })),
                false => eprintln!("awake     sleep is held off by {}", tool.name),
            }
        }
        Self(Some(child))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.stdin.take());
            // It may have ended by itself.
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// Command that holds off sleep for as long as this process lives.
struct Tool {
    name: &'static str,
    args: Vec<String>,
    /// Whether it writes to its standard output as soon as sleep is held off.
    answers: bool,
    /// Whether it lasts until its standard input is closed.
    reads: bool,
}

impl Tool {
    /// The tool of this system, for the process `id`.
    fn for_system(id: u32) -> Option<Self> {
        if cfg!(target_os = "macos") {
            Some(Self::caffeinate(id))
        } else if cfg!(target_os = "linux") {
            Some(Self::systemd_inhibit())
        } else if cfg!(windows) {
            Some(Self::powershell(id))
        } else {
            None
        }
    }

    fn caffeinate(id: u32) -> Self {
        let args = ["-i", "-w", &id.to_string()].map(str::to_owned).into();
        Self { name: "caffeinate", args, answers: false, reads: false }
    }

    fn systemd_inhibit() -> Self {
        let lock = ["--what=idle:sleep", "--who=isogloss", "--why=training", "--mode=block"];
        let args = lock.into_iter().chain(["sh", "-c", UNTIL_CLOSED]);
        let args = args.map(str::to_owned).collect();
        Self { name: "systemd-inhibit", args, answers: true, reads: true }
    }

    fn powershell(id: u32) -> Self {
        let script = format!(
            "$power = Add-Type -Name Power -Namespace Isogloss -PassThru -MemberDefinition \
             '[DllImport(\"kernel32.dll\")] public static extern uint \
             SetThreadExecutionState(uint flags);'; \
             if ($power::SetThreadExecutionState({EXECUTION_STATE}) -eq 0) {{ exit 1 }}; \
             [Console]::Out.WriteLine('held'); Wait-Process -Id {id}"
        );
        let args = ["-NoProfile", "-NonInteractive", "-Command", &script].map(str::to_owned);
        Self { name: "powershell", args: args.into(), answers: true, reads: false }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.name);
        let piped = |is: bool| if is { Stdio::piped() } else { Stdio::null() };
        command.args(&self.args).stdin(piped(self.reads)).stdout(piped(self.answers));
        command.stderr(Stdio::null());
        // Ctrl-C in a terminal is for the run alone, which still has its last step to save.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        #[cfg(windows)]
        std::os::windows::process::CommandExt::creation_flags(&mut command, CREATE_NO_WINDOW);
        command
    }

    /// Whether the tool, which was just started, holds off sleep.
    fn works(&self, child: &mut Child) -> bool {
        if !self.answers {
            sleep(TRIAL);
            return matches!(child.try_wait(), Ok(None));
        }
        let Some(mut output) = child.stdout.take() else { return false };
        let (sender, receiver) = channel();
        // Nobody reads the answer if it comes after the patience is gone.
        spawn(move || sender.send(output.read_exact(&mut [0]).is_ok()));
        receiver.recv_timeout(PATIENCE).unwrap_or(false)
    }
}

/// Windows' process flag for a console of its own without a window.
#[cfg(windows)]
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_of_other_systems_watch_the_process() {
        assert_eq!(Tool::caffeinate(71).args, ["-i", "-w", "71"]);
        let tool = Tool::powershell(71);
        assert_eq!(tool.args[..3], ["-NoProfile", "-NonInteractive", "-Command"]);
        let script = &tool.args[3];
        assert!(script.contains("::SetThreadExecutionState(2147483649)"), "{script}");
        assert!(script.ends_with("; Wait-Process -Id 71"), "{script}");
    }

    #[test]
    fn a_tool_that_ends_does_not_work() {
        let tool = |name, answers| Tool { name, args: Vec::new(), answers, reads: true };
        for (name, answers) in [("true", true), ("false", true), ("true", false)] {
            if let Ok(mut child) = tool(name, answers).command().spawn() {
                assert!(!tool(name, answers).works(&mut child), "{name}");
                child.wait().unwrap();
            }
        }
    }
}
