//! The colors that recipes have throughout the page.

/// Number of recipe colors in the style sheet; further recipes start over.
pub(crate) const N_COLORS: usize = 8;

/// The small square that stands for a recipe.
pub(crate) fn swatch(color: usize) -> String {
    format!("<i class=\"swatch c{}\"></i>", color % N_COLORS)
}
