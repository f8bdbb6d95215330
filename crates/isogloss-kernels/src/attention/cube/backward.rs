//! Backward kernels of attention: the gradient of the queries over tiles of keys, then those of
//! keys and values over tiles of queries. Both compute the probabilities again from the
//! log-sum-exps.

use burn_cubecl::cubecl::{self, prelude::*};

use super::tile::{
    Tiling, Vector4, add_parts, add_scaled, dot_products, head_of_cube, load_numbers, load_tile,
    new_tile, place_of_unit, read_row, row_to_read, sum_lanes, write_row, writes_row, zero_row,
};
use crate::cube::NO_SCORE;
use crate::cube::mask::{Mask, block_key, factor};

/// Computes the gradient of a tile of queries, and the dot product of each query's output gradient
/// and context, `projection`, which the other kernel reads.
#[cube(launch)]
pub(super) fn query_gradients(
    query: &[Vector4],
    key: &[Vector4],
    value: &[Vector4],
    bias: &[f32],
    context: &[Vector4],
    log_sum_exp: &[f32],
    grad: &[Vector4],
    grad_query: &mut [Vector4],
    projection: &mut [f32],
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
    let own_grad = read_row(grad, &place, &head, tiling);
    let own_context = read_row(context, &place, &head, tiling);
    let normalizer = log_sum_exp[head.rows + row_to_read(&place, &head)];
    let mut product = Vector4::new(0.0f32);
    #[unroll]
    for index in 0..comptime!(tiling.n_vectors) {
        product += own_grad[index] * own_context[index];
    }
    let mut mean = Array::<f32>::new(1usize);
    mean[0] = sum_lanes(product);
    add_parts(&mut mean, &mut partials, 1usize, tiling);
    if writes_row(&place, &head) {
        projection[head.rows + place.row] = mean[0];
    }

    let mut output = zero_row(tiling);
    let mut start = 0usize.runtime();
    while start < seq as usize {
        sync_cube();
        load_tile(key, &mut keys, start, &head, tiling);
        load_tile(value, &mut values, start, &head, tiling);
        load_numbers(bias, &mut biases, start, head.keys, NO_SCORE, &head, tiling);
        sync_cube();
        let scores = dot_products(&own, &keys, &mut partials, &place, tiling);
        let slopes = dot_products(&own_grad, &values, &mut partials, &place, tiling);
        #[unroll]
        for other in 0..tile_len {
            let probability = f32::exp(scores[other] * scale + biases[other] - normalizer);
            let mut slope = slopes[other];
            if comptime!(tiling.drops) {
                let counter = place.row * seq as usize + start + other;
                slope *= factor(&mask, &mask_key, counter as u32);
            }
            let slope = probability * (slope - mean[0]) * scale;
            add_scaled(&mut output, &keys, slope, &place, other, tiling);
        }
        start += tile_len;
    }
    write_row(&output, 1.0f32, grad_query, &place, &head, tiling);
}

/// Computes the gradients of a tile of keys and their values.
#[cube(launch)]
pub(super) fn key_value_gradients(
    query: &[Vector4],
    key: &[Vector4],
    value: &[Vector4],
    bias: &[f32],
    log_sum_exp: &[f32],
    projection: &[f32],
    grad: &[Vector4],
    grad_key: &mut [Vector4],
    grad_value: &mut [Vector4],
    seq: u32,
    scale: f32,
    mask: Mask,
    #[comptime] tiling: Tiling,
) {
    let head = head_of_cube(seq as usize, tiling);
    let place = place_of_unit(tiling);
    let tile_len = comptime!(tiling.tile_len);
    let mask_key = block_key(&mask, head.index);
    let mut queries = new_tile(tiling);
    let mut grads = new_tile(tiling);
    let mut normalizers = Shared::<[f32]>::new_slice(tile_len);
    let mut means = Shared::<[f32]>::new_slice(tile_len);
    let mut partials = Shared::<[f32]>::new_slice(comptime!(tiling.n_units() * tile_len));

    let own_key = read_row(key, &place, &head, tiling);
    let own_value = read_row(value, &place, &head, tiling);
    let own_bias = bias[head.keys + row_to_read(&place, &head)];
    let mut key_output = zero_row(tiling);
    let mut value_output = zero_row(tiling);
    let mut start = 0usize.runtime();
    while start < seq as usize {
        sync_cube();
        load_tile(query, &mut queries, start, &head, tiling);
        load_tile(grad, &mut grads, start, &head, tiling);
        // A query after the last has no probability.
        let infinite = -NO_SCORE;
        load_numbers(log_sum_exp, &mut normalizers, start, head.rows, infinite, &head, tiling);
        load_numbers(projection, &mut means, start, head.rows, 0.0f32, &head, tiling);
        sync_cube();
        let scores = dot_products(&own_key, &queries, &mut partials, &place, tiling);
        let slopes = dot_products(&own_value, &grads, &mut partials, &place, tiling);
        #[unroll]
        for other in 0..tile_len {
            let probability = f32::exp(scores[other] * scale + own_bias - normalizers[other]);
            let (mut weight, mut slope) = (probability, slopes[other]);
            if comptime!(tiling.drops) {
                let counter = (start + other) * seq as usize + place.row;
                let kept = factor(&mask, &mask_key, counter as u32);
                weight *= kept;
                slope *= kept;
            }
            add_scaled(&mut value_output, &grads, weight, &place, other, tiling);
            let slope = probability * (slope - means[other]) * scale;
            add_scaled(&mut key_output, &queries, slope, &place, other, tiling);
        }
        start += tile_len;
    }
    write_row(&key_output, 1.0f32, grad_key, &place, &head, tiling);
    write_row(&value_output, 1.0f32, grad_value, &place, &head, tiling);
}
