//! What is sorted: elements one after the other in one piece of memory, and their weights.

use std::cmp::Ordering;
use std::ops::Range;

use tidegate_protocols::Error;
use tidegate_protocols::number::weight;

use super::options::Options;
use crate::db::Db;
use crate::structures::listpack::Element;

const NOT_A_NUMBER: Error = Error::Text("ERR One or more scores can't be converted into double");

/// One element.
struct Row {
    /// Where its text is.
    text: Range<usize>,
    /// Its weight, if that is a number.
    score: f64,
    /// Where the text is that is its weight, if it has one that is not itself.
    weight: Option<Range<usize>>,
}

/// Elements in order.
#[derive(Default)]
pub(super) struct Rows {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn push(&mut self, element: Element<'_>) {
        let text = append(&mut self.bytes, element.text(&mut itoa::Buffer::new()));
        self.rows.push(Row { text, score: 0.0, weight: None });
    }

    pub(super) fn reverse(&mut self) {
        self.rows.reverse();
    }

    pub(super) fn at(&self, index: usize) -> &[u8] {
        &self.bytes[self.rows[index].text.clone()]
    }

    /// Finds out what each weighs: 0, or nothing, if that leads nowhere.
    pub(super) fn weigh(&mut self, options: &Options<'_>, db: &mut Db<'_>) -> Result<(), Error> {
        let Self { bytes, rows } = self;
        let (own_bytes, mut are_numbers) = (bytes.len(), true);
        let mut score = |text: &[u8]| {
            weight(text).unwrap_or_else(|| {
                are_numbers = false;
                0.0
            })
        };
        match &options.by {
            None if options.alpha => {}
            None => rows.iter_mut().for_each(|row| row.score = score(&bytes[row.text.clone()])),
            Some(by) => {
                for row in rows.iter_mut() {
                    let mut found = None;
                    let element = bytes[row.text.clone()].to_vec();
                    by.look_up(&element, db, |value| match value {
                        Some(value) if options.alpha => found = Some(append(bytes, value)),
                        Some(value) => row.score = score(value),
                        None => {}
                    });
                    row.weight = found;
                    // Every element may lead to the same large value.
                    if bytes.len() - own_bytes > db.local.reply_bytes_max {
                        return Err(Error::ReplyTooLong);
                    }
                }
            }
        }
        if are_numbers { Ok(()) } else { Err(NOT_A_NUMBER) }
    }

    pub(super) fn sort(&mut self, options: &Options<'_>) {
        let Self { bytes, rows } = self;
        let text = |row: &Row| &bytes[row.text.clone()];
        let order = |a: &Row, b: &Row| -> Ordering {
            if !options.alpha {
                return a
                    .score
                    .partial_cmp(&b.score)
                    .unwrap_or(Ordering::Equal)
                    .then_with(|| text(a).cmp(text(b)));
            }
            if options.by.is_none() {
                return text(a).cmp(text(b));
            }
            let weight = |row: &Row| row.weight.clone().map(|weight| &bytes[weight]);
            weight(a).cmp(&weight(b))
        };
        // Both keep equal ones in their order.
        if options.descends {
            rows.sort_by(|a, b| order(b, a));
        } else {
            rows.sort_by(order);
        }
    }
}

/// Adds `text` to `bytes`; returns where it is.
fn append(bytes: &mut Vec<u8>, text: &[u8]) -> Range<usize> {
    let start = bytes.len();
    bytes.extend_from_slice(text);
    start..bytes.len()
}
