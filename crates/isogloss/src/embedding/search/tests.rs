//! Tests of the search against brute force, and of margins against values computed by hand.

use proptest::prelude::*;

use super::*;

fn vectors(values: Vec<f32>, width: usize) -> Vectors {
    Vectors::new(values, width).unwrap()
}

/// All candidates of each query, sorted by score and then by index.
fn brute_force(queries: &Vectors, candidates: &Vectors, k: usize) -> Vec<Vec<(usize, f32)>> {
    let of = |query: usize| {
        let score = |candidate: usize| {
            let pairs = queries.row(query).iter().zip(candidates.row(candidate));
            pairs.map(|(a, b)| a * b).sum::<f32>()
        };
        let mut scores: Vec<_> = (0..candidates.len()).map(|c| (c, score(c))).collect();
        // Zeros of both signs are equal.
        scores.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
        scores.truncate(k);
        scores
    };
    (0..queries.len()).map(of).collect()
}

fn lists(neighbors: &Neighbors) -> Vec<Vec<(usize, f32)>> {
    (0..neighbors.len()).map(|query| neighbors.for_query(query).collect()).collect()
}

/// Small whole numbers: every inner product is exact, and many are equal.
fn whole_numbers(n: usize, width: usize) -> impl Strategy<Value = Vectors> {
    prop::collection::vec(-2i8..=2, n * width)
        .prop_map(move |values| vectors(values.into_iter().map(f32::from).collect(), width))
}

fn sides() -> impl Strategy<Value = (Vectors, Vectors)> {
    (1usize..40, 1usize..300, 1usize..5).prop_flat_map(|(n_left, n_right, width)| {
        (whole_numbers(n_left, width), whole_numbers(n_right, width))
    })
}

proptest! {
    #[test]
    fn neighbors_are_those_of_brute_force((left, right) in sides(), k in 1usize..7) {
        let [forward, backward] = nearest_both_ways(&left, &right, k, &Device::flex());
        prop_assert_eq!(lists(&forward), brute_force(&left, &right, k));
        prop_assert_eq!(lists(&backward), brute_force(&right, &left, k));
        prop_assert_eq!(nearest(&left, &right, k, &Device::flex()), forward);
    }
}

#[test]
fn tiles_join_without_a_seam() {
    // One row and one column more than two tiles, in an order that puts the best anywhere.
    let (n_left, n_right) = (2 * TILE[0] + 1, 2 * TILE[1] + 1);
    let side = |n: usize, step: usize| {
        vectors((0..n).flat_map(|i| [(i * step % 997) as f32, 1.0]).collect(), 2)
    };
    let (left, right) = (side(n_left, 31), side(n_right, 71));
    let [forward, backward] = nearest_both_ways(&left, &right, 3, &Device::flex());
    assert_eq!(lists(&forward), brute_force(&left, &right, 3));
    assert_eq!(lists(&backward), brute_force(&right, &left, 3));
}

#[test]
fn equal_scores_go_to_the_lowest_index() {
    let same = vectors(vec![1.0; 2 * TILE[1] + 5], 1);
    let neighbors = nearest(&vectors(vec![2.0], 1), &same, 3, &Device::flex());
    assert_eq!(neighbors.for_query(0).collect::<Vec<_>>(), [(0, 2.0), (1, 2.0), (2, 2.0)]);
}

#[test]
fn nothing_has_no_neighbors() {
    let (none, one) = (vectors(Vec::new(), 1), vectors(vec![1.0], 1));
    assert_eq!(nearest(&one, &none, 2, &Device::flex()).first(0), None);
    assert!(nearest(&none, &one, 2, &Device::flex()).is_empty());
    assert_eq!(nearest(&one, &one, 0, &Device::flex()).first(0), None);
}

#[test]
fn margins_are_those_of_the_formula() {
    // cos   y0    y1    y2
    // x0    0.6   0.8   0
    // x1    0.96  1     0.6
    // With fewer candidates than k the means are over all of them: 1.4/3 and 2.56/3 of the rows,
    // 0.78, 0.9 and 0.3 of the columns.
    let left = vectors(vec![1.0, 0.0, 0.8, 0.6], 2);
    let right = vectors(vec![0.6, 0.8, 0.8, 0.6, 0.0, 1.0], 2);
    let cosines = [[0.6, 0.8, 0.0], [0.96, 1.0, 0.6]];
    let row_means = cosines.map(|row: [f32; 3]| row.iter().sum::<f32>() / 3.0);
    let column_mean = |column: usize| (cosines[0][column] + cosines[1][column]) / 2.0;
    let margin = |x: usize, y: usize| cosines[x][y] / (row_means[x] / 2.0 + column_mean(y) / 2.0);
    let [forward, backward] = nearest_by_margin(&left, &right, 3, &Device::flex());
    for x in 0..2 {
        for (y, found) in forward.for_query(x) {
            assert!((found - margin(x, y)).abs() < 1e-6, "{x} {y}: {found}");
        }
    }
    for y in 0..3 {
        for (x, found) in backward.for_query(y) {
            assert!((found - margin(x, y)).abs() < 1e-6, "{y} {x}: {found}");
        }
    }
    // y1 is near to both, a hub: x1 is nearest to it.
    // The margin of x1 with y0 is larger, 1.176 > 1.141.
    assert_eq!(nearest(&left, &right, 1, &Device::flex()).first(1).map(|(y, _)| y), Some(1));
    assert_eq!(forward.first(1).map(|(y, _)| y), Some(0));
}
