//! Text and numbers as they stand on the page.

use std::fmt;

use crate::metrics::MeanStd;

/// Text with everything that HTML would read as markup escaped.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Control characters are not allowed in HTML at all.
                c if c.is_control() && !matches!(c, '\n' | '\t') => f.write_str("\u{fffd}")?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

/// A name that may be broken after its underscores.
pub(super) fn breakable(name: &str) -> String {
    Text(name).to_string().replace('_', "_<wbr/>")
}

/// A share as a percentage with one decimal and a true minus sign.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    match text.strip_prefix('-') {
        Some("0.0") => "0.0".to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// A mean with its deviation in percent, as plain text.
pub(super) fn plain_mean_std(summary: &MeanStd) -> String {
    match summary.std {
        Some(std) => format!("{} ± {}", percent(summary.mean), percent(std)),
        None => percent(summary.mean),
    }
}

/// A mean with its deviation in percent, the deviation set back.
pub(super) fn mean_std(summary: Option<&MeanStd>) -> String {
    match summary {
        None => "<span class=\"none\">–</span>".to_owned(),
        Some(MeanStd { mean, std: None, .. }) => percent(*mean),
        Some(MeanStd { mean, std: Some(std), .. }) => {
            format!("{}<span class=\"std\"> ± {}</span>", percent(*mean), percent(*std))
        }
    }
}

/// A metric's field name as people write it.
pub(super) fn metric_name(metric: &str) -> &str {
    match metric {
        "macro_f1" => "macro-F1",
        "span_f1" => "span F1",
        other => other,
    }
}

/// `1 seed`, `3 seeds`.
pub(super) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// The text with its first letter in upper case.
pub(super) fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
