//! Sums over the units of a cube (work group), through shared memory.

use burn_cubecl::cubecl::{self, prelude::*};

/// Shared memory of [`sum`]: a number and a place for the partial sum of every unit.
#[cube]
pub(crate) fn new_partials<N: Size>(#[comptime] n_units: usize) -> Shared<[Vector<f32, N>]> {
    Shared::<[Vector<f32, N>]>::new_slice(n_units)
}

/// Sum of a value over all `n_units` units of a cube, a power of two; every unit gets it.
///
/// The order of summation depends on `n_units` alone, so it is the same in every run.
#[cube]
pub(crate) fn sum<N: Size>(
    value: Vector<f32, N>,
    partials: &mut Shared<[Vector<f32, N>]>,
    #[comptime] n_units: usize,
) -> Vector<f32, N> {
    let unit = UNIT_POS as usize;
    // Another sum may still be read from these partials.
    sync_cube();
    partials[unit] = value;
    sync_cube();
    let mut n_left = (n_units / 2).runtime();
    while n_left > 0 {
        if unit < n_left {
            let other = partials[unit + n_left];
            partials[unit] += other;
        }
        n_left /= 2;
        sync_cube();
    }
    partials[0]
}
