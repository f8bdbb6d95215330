//! Memory allocator settings: makes glibc's `malloc` keep freed memory.

/// Tunes glibc's `malloc` (`mallopt`) to keep freed pages instead of returning them to the system.
///
/// Call it once, at the start of a program. It does nothing if the C library is not glibc. Each
/// training step frees and allocates the same few hundred megabytes; without this, a quarter of the
/// step's time went into pages that the operating system zeroes again.
pub fn tune_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "mallopt is a C function")]
    // SAFETY: mallopt only sets parameters of the allocator, which has its own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}
