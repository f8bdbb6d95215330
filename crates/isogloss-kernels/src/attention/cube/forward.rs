//! Forward kernel of attention: context vectors and log-sum-exps, by a running softmax over tiles
//! of keys.

use burn_cubecl::cubecl::{self, prelude::*};

use super::tile::{
    Tiling, Vector4, add_scaled, dot_products, head_of_cube, load_numbers, load_tile, new_tile,
    place_of_unit, read_row, write_row, writes_row, zero_row,
};
use crate::cube::NO_SCORE;
use crate::cube::mask::{Mask, block_key, factor};

/// Computes the context vectors of a tile of queries for one head of one text.
#[cube(launch)]
pub(super) fn attend(
    query: &[Vector4],
    key: &[Vector4],
    value: &[Vector4],
    bias: &[f32],
    context: &mut [Vector4],
    log_sum_exp: &mut [f32],
    seq: u32,
    scale: f32,
    mask: Mask,
    #[comptime] tiling: Tiling,
) {
    let head = head_of_cube(seq as usize, tiling);
    let place = place_of_unit(tiling);
    let tile_len = comptime!(tiling.tile_len);
    let mask_key = block_key(&mask, head.index);
    let mut keys = new_tile(tiling);
    let mut values = new_tile(tiling);
    let mut biases = Shared::<[f32]>::new_slice(tile_len);
    let mut partials = Shared::<[f32]>::new_slice(comptime!(tiling.n_units() * tile_len));

    let own = read_row(query, &place, &head, tiling);
    let mut output = zero_row(tiling);
    let mut maximum = NO_SCORE.runtime();
    let mut total = 0.0f32;
    let mut start = 0usize.runtime();
    while start < seq as usize {
        sync_cube();
        load_tile(key, &mut keys, start, &head, tiling);
        load_tile(value, &mut values, start, &head, tiling);
        load_numbers(bias, &mut biases, start, head.keys, NO_SCORE, &head, tiling);
        sync_cube();
        let mut scores = dot_products(&own, &keys, &mut partials, &place, tiling);
        let mut highest = maximum;
        #[unroll]
        for other in 0..tile_len {
            scores[other] = scores[other] * scale + biases[other];
            highest = max(highest, scores[other]);
        }
        let decay = f32::exp(maximum - highest);
        maximum = highest;
        total *= decay;
        #[unroll]
        for index in 0..comptime!(tiling.n_vectors) {
            output[index] *= Vector4::new(decay);
        }
        #[unroll]
        for other in 0..tile_len {
            let mut weight = f32::exp(scores[other] - maximum);
            total += weight;
            if comptime!(tiling.drops) {
                let counter = place.row * seq as usize + start + other;
                weight *= factor(&mask, &mask_key, counter as u32);
            }
            add_scaled(&mut output, &values, weight, &place, other, tiling);
        }
        start += tile_len;
    }
    write_row(&output, 1.0 / total, context, &place, &head, tiling);
    if writes_row(&place, &head) {
        log_sum_exp[head.rows + place.row] = maximum + f32::ln(total);
    }
}
