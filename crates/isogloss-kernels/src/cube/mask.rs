//! Dropout masks drawn on the GPU, bit for bit those of the CPU: the hash keys are computed in the
//! kernel, so nothing is copied from the host.

use burn_cubecl::cubecl::{self, prelude::*};

use crate::mask::Dropout;

/// Seed, threshold and scale of a dropout mask, as arguments of a kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(crate) struct Mask {
    seed_low: u32,
    seed_high: u32,
    threshold: u32,
    scale: f32,
}

impl From<Dropout> for MaskLaunch {
    fn from(dropout: Dropout) -> Self {
        let (seed, threshold) = (dropout.seed, dropout.threshold());
        Self::new(seed as u32, (seed >> 32) as u32, threshold, dropout.scale())
    }
}

/// A 64-bit number as two of 32 bits, because WebGPU has no 64-bit integers.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Key {
    low: u32,
    high: u32,
}

/// Hash key of mask block `block`: [`split_seed`](isogloss_random::split_seed) of the mask's seed.
#[cube]
pub(crate) fn block_key(mask: &Mask, block: u32) -> Key {
    let golden =
        multiply(&Key { low: block + 1, high: 0u32.runtime() }, 0x7f4a_7c15u32, 0x9e37_79b9u32);
    let z = Key { low: mask.seed_low ^ golden.low, high: mask.seed_high ^ golden.high };
    let z = multiply(&xor_shifted(&z, 30u32), 0x1ce4_e5b9u32, 0xbf58_476du32);
    let z = multiply(&xor_shifted(&z, 27u32), 0x1331_11ebu32, 0x94d0_49bbu32);
    xor_shifted(&z, 31u32)
}

/// `x ^ (x >> by)`, for `by` below 32.
#[cube]
fn xor_shifted(x: &Key, #[comptime] by: u32) -> Key {
    Key {
        low: x.low ^ (x.low >> by) ^ (x.high << comptime!(32 - by)),
        high: x.high ^ (x.high >> by),
    }
}

/// Low 64 bits of the product with a constant.
#[cube]
fn multiply(x: &Key, #[comptime] low: u32, #[comptime] high: u32) -> Key {
    Key { low: x.low * low, high: u32::mul_hi(x.low, low.runtime()) + x.low * high + x.high * low }
}

/// Factor of element `counter` of a mask block: 0 or the scale.
#[cube]
pub(crate) fn factor(mask: &Mask, key: &Key, counter: u32) -> f32 {
    select(hash(key, counter) >= mask.threshold, mask.scale, 0.0f32)
}

/// Hash function of the dropout mask, bit for bit the same as on the CPU.
#[cube]
fn hash(key: &Key, counter: u32) -> u32 {
    let x = counter + key.low;
    let x = (x ^ (x >> 16)) * 0x7feb_352d;
    let x = (x ^ (x >> 15) ^ key.high) * 0x846c_a68b;
    x ^ (x >> 16)
}
