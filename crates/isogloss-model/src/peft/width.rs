//! Bottleneck width: the input width divided by the reduction factor.

/// Bottleneck width: `width / reduction_factor` rounded down, at least one.
pub(super) fn bottleneck_width(width: usize, reduction_factor: f64) -> usize {
    ((width as f64 / reduction_factor).floor() as usize).max(1)
}
