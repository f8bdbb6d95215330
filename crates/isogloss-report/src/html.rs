//! HTML escaping and number formatting.

use std::fmt;

use crate::summary::MeanStd;

/// HTML escaping: displays a text with every markup character escaped.
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

/// Name with line-break opportunities after its underscores.
pub(super) fn breakable(name: &str) -> String {
    Text(name).to_string().replace('_', "_<wbr/>")
}

/// Percentage with one decimal and a true minus sign.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    match text.strip_prefix('-') {
        Some("0.0") => "0.0".to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// Mean ± standard deviation in percent, as plain text.
pub(super) fn plain_mean_std(summary: &MeanStd) -> String {
    match summary.std {
        Some(std) => format!("{} ± {}", percent(summary.mean), percent(std)),
        None => percent(summary.mean),
    }
}

/// Mean ± standard deviation in percent, as HTML with the deviation in a `std` span.
pub(super) fn mean_std(summary: Option<&MeanStd>) -> String {
    summarized(summary, |_, value| percent(value))
}

/// Mean ± standard deviation as HTML, with the mean's number format for both.
pub(super) fn mean_std_number(summary: Option<&MeanStd>) -> String {
    summarized(summary, |mean, value| Digits::for_value(mean).write(value))
}

/// Mean ± standard deviation as HTML; `write` gets the mean, and the value to write.
fn summarized(summary: Option<&MeanStd>, write: impl Fn(f64, f64) -> String) -> String {
    match summary {
        None => "<span class=\"none\">–</span>".to_owned(),
        Some(MeanStd { mean, std, .. }) => {
            let std = std.map(|std| format!("<span class=\"std\"> ± {}</span>", write(*mean, std)));
            write(*mean, *mean) + &std.unwrap_or_default()
        }
    }
}

/// Formats a number of any size with at least three significant digits and a true minus sign.
pub(super) fn number(value: f64) -> String {
    Digits::for_value(value).write(value)
}

/// Number format for values near one value: `0.0123`, `1.23`, `123`, `1.23e6`.
struct Digits {
    decimals: usize,
    power: i32,
}

impl Digits {
    fn for_value(value: f64) -> Self {
        let power = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
        match power {
            -3..=5 => Self { decimals: usize::try_from(2 - power).unwrap_or(0), power: 0 },
            _ => Self { decimals: 2, power },
        }
    }

    fn write(&self, value: f64) -> String {
        let Self { decimals, power } = *self;
        let text = match power {
            0 => format!("{value:.decimals$}"),
            _ => format!("{:.decimals$}e{power}", value / 10f64.powi(power)),
        };
        text.replace('-', "−")
    }
}

/// Display name of a metric, by its field name.
pub(super) fn metric_name(metric: &str) -> &str {
    match metric {
        "macro_f1" => "macro-F1",
        "span_f1" => "span F1",
        "las" => "LAS",
        "uas" => "UAS",
        "upos" => "UPOS",
        other => other,
    }
}

/// Count with its noun: `1 seed`, `3 seeds`.
pub(super) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// The text with its first letter in upper case.
pub(super) fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_have_three_digits() {
        let sizes = [0.0, 0.00123, 1.0, -12.34, 123.4, 123_456.0, 1.234e6, 5.678e-4];
        let expected = ["0.00", "0.00123", "1.00", "−12.3", "123", "123456", "1.23e6", "5.68e−4"];
        assert_eq!(sizes.map(number), expected);
    }

    #[test]
    fn deviations_are_as_exact_as_their_means() {
        let summary = |mean, std| mean_std_number(Some(&MeanStd { n: 2, mean, std: Some(std) }));
        assert_eq!(summary(123.4, 5.67), "123<span class=\"std\"> ± 6</span>");
        assert_eq!(summary(2e-5, 3e-7), "2.00e−5<span class=\"std\"> ± 0.03e−5</span>");
        assert_eq!(mean_std_number(None), "<span class=\"none\">–</span>");
    }
}
