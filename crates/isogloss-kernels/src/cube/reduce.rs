//! Reductions over the units of a cube (work group), through shared memory.

use burn_cubecl::cubecl::{self, prelude::*};

use super::NO_SCORE;

/// Shared memory of a reduction: a place for the partial result of every unit.
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
    // Another result may still be read from these partials.
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

/// [`sum`] of one number of each unit.
#[cube]
pub(crate) fn sum_number(
    value: f32,
    partials: &mut Shared<[Vector<f32, Const<1>>]>,
    #[comptime] n_units: usize,
) -> f32 {
    sum::<Const<1>>(Vector::new(value), partials, n_units).extract(0usize)
}

/// Largest value of all `n_units` units of a cube, a power of two, above [`NO_SCORE`]; every unit
/// gets it.
#[cube]
pub(crate) fn largest(
    value: f32,
    partials: &mut Shared<[Vector<f32, Const<1>>]>,
    #[comptime] n_units: usize,
) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube();
    partials[unit] = Vector::new(max(value, NO_SCORE));
    sync_cube();
    let mut n_left = (n_units / 2).runtime();
    while n_left > 0 {
        if unit < n_left {
            let other = partials[unit + n_left].extract(0usize);
            partials[unit] = Vector::new(max(partials[unit].extract(0usize), other));
        }
        n_left /= 2;
        sync_cube();
    }
    partials[0].extract(0usize)
}
