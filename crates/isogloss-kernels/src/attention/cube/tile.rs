//! Tiles of the attention kernels: how rows are split among units, loads into shared memory, and
//! dot products.

use burn_cubecl::cubecl::{self, prelude::*};

/// Four neighbouring elements of a row.
pub(super) type Vector4 = Vector<f32, Const<4>>;

/// Elements of a [`Vector4`].
const LANES: usize = 4;

/// Largest number of vectors of a row that one unit holds: 32 elements, of which the backward
/// pass has four sets in registers.
const MAX_VECTORS: usize = 8;

/// Units of a cube, about.
const UNITS: usize = 64;

/// Split of the work among the units of a cube, known when a kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tiling {
    /// Vectors of a row that one unit holds.
    pub(super) n_vectors: usize,
    /// Units that share a row.
    pub(super) n_parts: usize,
    /// Rows of a cube.
    pub(super) n_rows: usize,
    /// Rows of a tile in shared memory.
    pub(super) tile_len: usize,
    /// Whether there is dropout.
    pub(super) drops: bool,
}

impl Tiling {
    /// Split for heads of `width` elements; `None` if the width is no multiple of four, or too
    /// large.
    pub(super) fn new(width: usize, seq: usize, drops: bool) -> Option<Self> {
        let row_len = width / LANES;
        if width == 0 || !width.is_multiple_of(LANES) {
            return None;
        }
        let n_parts =
            (1..=16).find(|n| row_len.is_multiple_of(*n) && row_len / n <= MAX_VECTORS)?;
        let n_units = if seq <= UNITS / 2 { UNITS / 2 } else { UNITS };
        Some(Self {
            n_vectors: row_len / n_parts,
            n_parts,
            n_rows: (n_units / n_parts).max(1),
            tile_len: if n_parts == 1 { 16 } else { 8 },
            drops,
        })
    }

    pub(super) fn n_units(self) -> usize {
        self.n_rows * self.n_parts
    }

    /// Vectors of a whole row.
    pub(super) fn row_len(self) -> usize {
        self.n_vectors * self.n_parts
    }

    /// Shared memory that the largest kernel uses, in bytes.
    pub(super) fn shared_bytes(self) -> usize {
        let tiles = 2 * self.tile_len * self.row_len() * LANES;
        (tiles + 2 * self.tile_len + self.n_units() * self.tile_len) * size_of::<f32>()
    }
}

/// One head of one text in a tensor `[batch, seq, n_heads * width]`, in vectors.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Head {
    /// Number of the head among those of all texts, which is that of its dropout mask block.
    pub(super) index: u32,
    /// Position of its first row in values with one number per row and head.
    pub(super) rows: usize,
    /// Position of the text's first key in the attention bias.
    pub(super) keys: usize,
    offset: usize,
    stride: usize,
    seq: usize,
}

/// The head that this cube works on; the cubes of a launch are `[tiles, heads, batch]`.
#[cube]
pub(super) fn head_of_cube(seq: usize, #[comptime] tiling: Tiling) -> Head {
    let (head, text) = (CUBE_POS_Y as usize, CUBE_POS_Z as usize);
    let n_heads = CUBE_COUNT_Y as usize;
    let index = text * n_heads + head;
    let row_len = tiling.row_len();
    Head {
        index: index as u32,
        rows: index * seq,
        keys: text * seq,
        offset: (text * seq * n_heads + head) * row_len,
        stride: n_heads * row_len,
        seq,
    }
}

/// The row of this unit, and which part of the row's width.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Place {
    /// Row of the text; it may lie after the last.
    pub(super) row: usize,
    part: usize,
}

#[cube]
pub(super) fn place_of_unit(#[comptime] tiling: Tiling) -> Place {
    let unit = UNIT_POS as usize;
    let n_parts = comptime!(tiling.n_parts);
    Place {
        row: CUBE_POS_X as usize * comptime!(tiling.n_rows) + unit / n_parts,
        part: unit % n_parts,
    }
}

/// Whether this unit writes the numbers of its row.
#[cube]
pub(super) fn writes_row(place: &Place, head: &Head) -> bool {
    place.part == 0 && place.row < head.seq
}

/// The row of a unit that has none is the last one; it is not written.
#[cube]
pub(super) fn row_to_read(place: &Place, head: &Head) -> usize {
    min(place.row, head.seq - 1)
}

/// Reads this unit's part of its row.
#[cube]
pub(super) fn read_row(
    values: &[Vector4],
    place: &Place,
    head: &Head,
    #[comptime] tiling: Tiling,
) -> Array<Vector4> {
    let n_vectors = comptime!(tiling.n_vectors);
    let start = head.offset + row_to_read(place, head) * head.stride + place.part * n_vectors;
    let mut row = Array::<Vector4>::new(n_vectors);
    #[unroll]
    for index in 0..n_vectors {
        row[index] = values[start + index];
    }
    row
}

/// Writes this unit's part of its row, multiplied by `scale`.
#[cube]
pub(super) fn write_row(
    row: &Array<Vector4>,
    scale: f32,
    values: &mut [Vector4],
    place: &Place,
    head: &Head,
    #[comptime] tiling: Tiling,
) {
    let n_vectors = comptime!(tiling.n_vectors);
    let start = head.offset + place.row * head.stride + place.part * n_vectors;
    if place.row < head.seq {
        #[unroll]
        for index in 0..n_vectors {
            values[start + index] = row[index] * Vector4::new(scale);
        }
    }
}

/// A row of zeros.
#[cube]
pub(super) fn zero_row(#[comptime] tiling: Tiling) -> Array<Vector4> {
    let n_vectors = comptime!(tiling.n_vectors);
    let mut row = Array::<Vector4>::new(n_vectors);
    #[unroll]
    for index in 0..n_vectors {
        row[index] = Vector4::new(0.0f32);
    }
    row
}

/// Shared memory for a tile of rows.
#[cube]
pub(super) fn new_tile(#[comptime] tiling: Tiling) -> Shared<[Vector4]> {
    Shared::<[Vector4]>::new_slice(comptime!(tiling.tile_len * tiling.row_len()))
}

/// Loads the rows from `start` into a tile, all units together; zeros after the last row.
#[cube]
pub(super) fn load_tile(
    values: &[Vector4],
    tile: &mut Shared<[Vector4]>,
    start: usize,
    head: &Head,
    #[comptime] tiling: Tiling,
) {
    let (row_len, n_units) = comptime!((tiling.row_len(), tiling.n_units()));
    let len = comptime!(tiling.tile_len * row_len);
    #[unroll]
    for round in 0..comptime!(len.div_ceil(n_units)) {
        let index = UNIT_POS as usize + round * n_units;
        if index < len {
            let (row, column) = (start + index / row_len, index % row_len);
            let mut value = Vector4::new(0.0f32);
            if row < head.seq {
                value = values[head.offset + row * head.stride + column];
            }
            tile[index] = value;
        }
    }
}

/// Loads one number per row from `start`; `filler` after the last row. `offset` is the position of
/// row 0 in `values`.
#[cube]
pub(super) fn load_numbers(
    values: &[f32],
    numbers: &mut Shared<[f32]>,
    start: usize,
    offset: usize,
    filler: f32,
    head: &Head,
    #[comptime] tiling: Tiling,
) {
    let n_units = comptime!(tiling.n_units());
    #[unroll]
    for round in 0..comptime!(tiling.tile_len.div_ceil(n_units)) {
        let index = UNIT_POS as usize + round * n_units;
        if index < comptime!(tiling.tile_len) {
            let mut value = filler;
            if start + index < head.seq {
                value = values[offset + start + index];
            }
            numbers[index] = value;
        }
    }
}

/// Dot products of this unit's row with each row of a tile.
#[cube]
pub(super) fn dot_products(
    row: &Array<Vector4>,
    tile: &Shared<[Vector4]>,
    partials: &mut Shared<[f32]>,
    place: &Place,
    #[comptime] tiling: Tiling,
) -> Array<f32> {
    let tile_len = comptime!(tiling.tile_len);
    let mut products = Array::<f32>::new(tile_len);
    #[unroll]
    for other in 0..tile_len {
        products[other] = part_of_product(row, tile, place, other, tiling);
    }
    add_parts(&mut products, partials, tile_len, tiling);
    products
}

#[cube]
fn part_of_product(
    row: &Array<Vector4>,
    tile: &Shared<[Vector4]>,
    place: &Place,
    #[comptime] other: usize,
    #[comptime] tiling: Tiling,
) -> f32 {
    let (row_len, n_vectors) = comptime!((tiling.row_len(), tiling.n_vectors));
    let start = other * row_len + place.part * n_vectors;
    let mut total = Vector4::new(0.0f32);
    #[unroll]
    for index in 0..n_vectors {
        total += row[index] * tile[start + index];
    }
    sum_lanes(total)
}

#[cube]
pub(super) fn sum_lanes(x: Vector4) -> f32 {
    x.extract(0usize) + x.extract(1usize) + x.extract(2usize) + x.extract(3usize)
}

/// Adds the `n` numbers of all units that share a row; each of them gets the sums. `partials` has
/// room for `n` numbers of each unit.
#[cube]
pub(super) fn add_parts(
    numbers: &mut Array<f32>,
    partials: &mut Shared<[f32]>,
    #[comptime] n: usize,
    #[comptime] tiling: Tiling,
) {
    let n_parts = comptime!(tiling.n_parts);
    if comptime!(n_parts > 1) {
        let unit = UNIT_POS as usize;
        let first = unit / n_parts * n_parts;
        sync_cube();
        #[unroll]
        for index in 0..n {
            partials[unit * n + index] = numbers[index];
        }
        sync_cube();
        #[unroll]
        for index in 0..n {
            let mut total = 0.0f32;
            #[unroll]
            for part in 0..n_parts {
                total += partials[(first + part) * n + index];
            }
            numbers[index] = total;
        }
    }
}

/// Adds row number `other` of a tile, multiplied by `factor`, to this unit's row.
#[cube]
pub(super) fn add_scaled(
    row: &mut Array<Vector4>,
    tile: &Shared<[Vector4]>,
    factor: f32,
    place: &Place,
    #[comptime] other: usize,
    #[comptime] tiling: Tiling,
) {
    let (row_len, n_vectors) = comptime!((tiling.row_len(), tiling.n_vectors));
    let start = other * row_len + place.part * n_vectors;
    #[unroll]
    for index in 0..n_vectors {
        row[index] += Vector4::new(factor) * tile[start + index];
    }
}
