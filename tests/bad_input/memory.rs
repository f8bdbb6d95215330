//! How much a call makes the process's address space grow: a few bad bytes in a file must not ask
//! for hundreds of gigabytes, which a lazy system may grant without a word.

/// Far above what the fixtures need and what new threads reserve, far below what a size that was
/// believed would take.
const LIMIT: u64 = 8 << 30;

/// Runs a call; fails if it asked for a huge piece of memory, on systems that can tell.
#[track_caller]
pub(crate) fn within_memory<T>(case: &str, call: impl FnOnce() -> T) -> T {
    let before = peak();
    let value = call();
    if let (Some(before), Some(after)) = (before, peak()) {
        let growth = after.saturating_sub(before);
        assert!(growth < LIMIT, "{case}: {growth} bytes of address space");
    }
    value
}

/// The largest address space that this process has had, in bytes; Linux alone tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}
