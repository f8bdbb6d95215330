//! Maximum weight matching of a bipartite graph, by the Hungarian algorithm.

use crate::Alignment;

/// Maximum weight matching: links each word of the shorter text to another word of the longer one,
/// so that the sum of similarities is greatest. Of equal sums, the result depends on the order of
/// the words alone. A NaN similarity gives no link.
///
/// # Shapes
/// - `similarities`: `[n_left, n_right]`, row by row
///
/// # Source
/// Kuhn 1955, The Hungarian Method for the Assignment Problem; the form with potentials and
/// shortest augmenting paths, in O(n² m), of Jonker and Volgenant 1987.
pub(super) fn max_weight_matching(similarities: &[f32], n_right: usize) -> Alignment {
    let n_left = similarities.len() / n_right;
    let at = |left: usize, right: usize| similarities[left * n_right + right];
    let (n_rows, n_columns) = (n_left.min(n_right), n_left.max(n_right));
    let weight = |row: usize, column: usize| {
        if n_left <= n_right { at(row, column) } else { at(column, row) }
    };
    // Sums of the least stay finite, so that potentials do.
    const LEAST: f64 = -1e30;
    let cost = |row: usize, column: usize| {
        let weight = f64::from(weight(row, column));
        -(if weight.is_nan() { LEAST } else { weight.clamp(LEAST, -LEAST) })
    };
    let matched = assign(n_rows, n_columns, cost);
    let links = matched.into_iter().enumerate().filter_map(|(column, row)| {
        let row = row?;
        let is_number = !weight(row, column).is_nan();
        let link = if n_left <= n_right { (row, column) } else { (column, row) };
        is_number.then_some(link)
    });
    links.collect()
}

/// Assignment of the least cost of each row to a column: the row of each column. There are at least
/// as many columns as rows.
fn assign(
    n_rows: usize,
    n_columns: usize,
    cost: impl Fn(usize, usize) -> f64,
) -> Vec<Option<usize>> {
    // The last column stands for none: an augmenting path begins there.
    let none = n_columns;
    let mut row_of: Vec<Option<usize>> = vec![None; n_columns + 1];
    let (mut of_rows, mut of_columns) = (vec![0.0; n_rows], vec![0.0; n_columns + 1]);
    for row in 0..n_rows {
        row_of[none] = Some(row);
        let mut slack = vec![f64::INFINITY; n_columns];
        let mut before = vec![none; n_columns];
        let mut visited = vec![false; n_columns + 1];
        let mut column = none;
        while let Some(current) = row_of[column] {
            visited[column] = true;
            let (mut least, mut nearest) = (f64::INFINITY, none);
            for other in (0..n_columns).filter(|other| !visited[*other]) {
                let reduced = cost(current, other) - of_rows[current] - of_columns[other];
                if reduced < slack[other] {
                    (slack[other], before[other]) = (reduced, column);
                }
                if slack[other] < least {
                    (least, nearest) = (slack[other], other);
                }
            }
            for other in 0..=n_columns {
                if visited[other] {
                    of_columns[other] -= least;
                    if let Some(row) = row_of[other] {
                        of_rows[row] += least;
                    }
                } else {
                    slack[other] -= least;
                }
            }
            column = nearest;
        }
        while column != none {
            let previous = before[column];
            row_of[column] = row_of[previous];
            column = previous;
        }
    }
    row_of.truncate(n_columns);
    row_of
}
