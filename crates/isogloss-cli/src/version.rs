//! Version of the command: release, commit and compiled backends.

use std::sync::LazyLock;

use isogloss::device::compiled;

/// Text of `isogloss --version`, without the name.
pub(crate) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let (release, backends) = (env!("CARGO_PKG_VERSION"), compiled().join(", "));
    match env!("ISOGLOSS_COMMIT") {
        "" => format!("{release} ({backends})"),
        commit => format!("{release} ({commit}; {backends})"),
    }
});
