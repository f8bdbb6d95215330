//! Kernel launches on GPUs, counted while some work runs.

use std::collections::BTreeMap;

/// Counts the kernel launches on GPUs while `work` runs, by the name of the kernel, on all threads
/// of the process; there are none on the CPU.
///
/// A launch costs the host some microseconds, so a step of many small kernels is slow on any GPU.
pub fn count_launches<T>(work: impl FnOnce() -> T) -> (T, BTreeMap<String, usize>) {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return observed::count(work);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    (work(), BTreeMap::new())
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod observed {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, PoisonError};

    use burn_cubecl::cubecl::config::TypeNameFormatLevel;
    use burn_cubecl::cubecl::config::type_name_format;
    use burn_cubecl::cubecl::logging::{LaunchObservation, LaunchObserver};

    #[derive(Default)]
    struct Counter(Mutex<BTreeMap<&'static str, usize>>);

    impl LaunchObserver for Counter {
        fn launched(&self, kernel: &'static str) {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *counts.entry(kernel).or_default() += 1;
        }
    }

    pub(super) fn count<T>(work: impl FnOnce() -> T) -> (T, BTreeMap<String, usize>) {
        let counter = Arc::new(Counter::default());
        let observation = LaunchObservation::new(counter.clone());
        let result = work();
        drop(observation);
        let counts = counter.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_name = BTreeMap::new();
        for (kernel, n) in counts.iter() {
            let name = type_name_format(kernel, TypeNameFormatLevel::Short);
            *by_name.entry(name).or_default() += n;
        }
        (result, by_name)
    }
}
