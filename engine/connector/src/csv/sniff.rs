//! Stand-in until the detection of dialects is merged.

use velaria_contract::Result;

use super::dialect::{CsvOptions, Dialect};

pub(crate) struct Sniffed {
    pub(crate) dialect: Dialect,
    pub(crate) warnings: Vec<String>,
}

pub(crate) fn sniff(_: &str, _: bool, options: &CsvOptions) -> Result<Sniffed> {
    let plain = Dialect::default();
    let dialect = Dialect {
        delimiter: options.delimiter.unwrap_or(plain.delimiter),
        quote: options.quote.unwrap_or(plain.quote),
        escape: options.escape.flatten(),
        comment: options.comment.flatten(),
        header: options.header.unwrap_or(true),
        skip_rows: options.skip_rows.unwrap_or(0),
        decimal: options.decimal.unwrap_or(b'.'),
        thousands: options.thousands.flatten(),
        date_order: options.date_order,
    };
    Ok(Sniffed { dialect, warnings: Vec::new() })
}
