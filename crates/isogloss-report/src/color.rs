//! Recipe colors: each recipe has the same color throughout the page.

/// Number of recipe colors in the style sheet; with more recipes they repeat.
pub(crate) const N_COLORS: usize = 8;

/// Color swatch: the small square in a recipe's color.
pub(crate) fn swatch(color: usize) -> String {
    format!("<i class=\"swatch c{}\"></i>", color % N_COLORS)
}
