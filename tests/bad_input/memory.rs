//! Memory limit of a call, by the address space of the process: a few bad bytes in a file must not
//! allocate hundreds of gigabytes, which a system with overcommit may grant.

/// Limit far above the needs of the fixtures and new threads, and far below the allocation of a
/// damaged size.
const LIMIT: u64 = 8 << 30;

/// Runs a call, and fails if it allocated more than the limit, on systems that can tell.
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

/// Peak address space of this process in bytes (`VmPeak`); `None` except on Linux.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}
