//! Small drawings of series in text, as LATENCY GRAPH shows them.
//!
//! A column is a sample: a bar over [`ROWS`] lines, each of which can be a third, two thirds or wholly
//! filled, scaled from the least to the greatest sample, and below it its label, read downwards. A drawing
//! is at most [`COLUMNS`] wide; the rest follows below. The look is that of Redis.

/// Lines of a bar.
const ROWS: usize = 4;

/// Samples side by side.
const COLUMNS: usize = 80;

/// The fillings of the topmost line of a bar.
const TOPS: [char; 3] = ['_', 'o', '#'];

/// The filling of lines below it.
const BODY: char = '|';

/// Draws samples and their labels.
pub(super) fn render(samples: &[(u64, String)]) -> String {
    let values = || samples.iter().map(|(value, _)| *value);
    let (low, high) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
    let parts: Vec<String> = samples.chunks(COLUMNS).map(|part| part_of(part, low, high)).collect();
    parts.join("\n")
}

fn part_of(samples: &[(u64, String)], low: u64, high: u64) -> String {
    let steps = TOPS.len() * ROWS;
    let scale = (high - low).max(1) as f64;
    let height = |value: u64| (((value - low) as f64 * steps as f64 / scale) as usize).min(steps - 1);
    let mut text = String::new();
    for floor in (0..ROWS).rev().map(|row| row * TOPS.len()) {
        text.extend(samples.iter().map(|(value, _)| match height(*value).checked_sub(floor) {
            None => ' ',
            Some(filled) => TOPS.get(filled).copied().unwrap_or(BODY),
        }));
        text.push('\n');
    }
    let label_chars = samples.iter().map(|(_, label)| label.len()).max().unwrap_or(0);
    // A blank line parts the bars from the labels.
    text.extend(samples.iter().map(|_| ' '));
    text.push('\n');
    for place in 0..label_chars {
        text.extend(samples.iter().map(|(_, label)| label.chars().nth(place).unwrap_or(' ')));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_bars_with_labels_below() {
        let samples = [(1, "9s".to_owned()), (12, "10s".to_owned()), (5, "1m".to_owned())];
        assert_eq!(render(&samples), " # \n | \n |o\n_||\n   \n911\ns0m\n s \n");
    }

    #[test]
    fn equal_samples_are_flat() {
        let samples = [(7, "1s".to_owned()), (7, "2s".to_owned())];
        assert_eq!(render(&samples), "  \n  \n  \n__\n  \n12\nss\n");
    }
}
