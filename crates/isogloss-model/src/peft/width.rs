//! Width of a bottleneck: a width divided by a reduction factor.

/// The whole part of `width / reduction_factor`, at least one.
pub(super) fn bottleneck_width(width: usize, reduction_factor: f64) -> usize {
    ((width as f64 / reduction_factor).floor() as usize).max(1)
}
