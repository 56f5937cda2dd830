//! `COPY … TO`: the rows of a table or query into a file.

use std::fmt;

use sqlparser::ast::{self, Spanned};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};
use velaria_contract::{Error, ErrorCode, Result};

use crate::diagnostic::{self, closest, position_of};
use crate::parser::{lower_query, plain_name, unsupported};

/// `COPY table | (query) TO 'path' [(option [value], …)]`.
#[derive(Debug, Clone)]
pub struct Copy {
    /// The rows.
    pub source: Box<ast::Query>,
    /// The path of the file.
    pub path: String,
    /// Where the path stands.
    pub path_span: Span,
    /// How the rows are written; `None` leaves it to the ending of the path.
    pub format: Option<Format>,
    /// Whether a CSV file or a sheet starts with the names of the columns.
    pub header: bool,
    /// The byte between two fields of a CSV file.
    pub delimiter: u8,
    /// Whether a file that is there already is replaced.
    pub overwrite: bool,
    /// Whether text that a spreadsheet would run as a formula gets a quote in front.
    pub escape_formulas: bool,
}

/// A format that files are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    Json,
    /// Parquet.
    Parquet,
    /// An Arrow IPC stream.
    Arrow,
    /// A workbook with one sheet.
    Xlsx,
}

impl Format {
    /// The format that `name` means, be it a word or the ending of a path.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.to_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" | "ndjson" | "jsonl" => Some(Self::Json),
            "parquet" => Some(Self::Parquet),
            "arrow" | "arrows" => Some(Self::Arrow),
            "xlsx" => Some(Self::Xlsx),
            _ => None,
        }
    }
}

/// Where the path stands is not a part of the statement, as in the rest of the syntax tree.
impl PartialEq for Copy {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
            && self.path == other.path
            && self.format == other.format
            && self.header == other.header
            && self.delimiter == other.delimiter
            && self.overwrite == other.overwrite
            && self.escape_formulas == other.escape_formulas
    }
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.format.map(|format| match format {
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::Xlsx => "xlsx",
        });
        write!(f, "COPY ({}) TO '{}' (", self.source, self.path.replace('\'', "''"))?;
        if let Some(format) = format {
            write!(f, "FORMAT {format}, ")?;
        }
        let delimiter = char::from(self.delimiter).to_string().replace('\'', "''");
        write!(f, "HEADER {}, DELIMITER '{delimiter}', OVERWRITE {}, ", self.header, self.overwrite)?;
        write!(f, "ESCAPE_FORMULAS {})", self.escape_formulas)
    }
}

const OPTIONS: [&str; 5] = ["FORMAT", "HEADER", "DELIMITER", "OVERWRITE", "ESCAPE_FORMULAS"];
const FORMATS: [&str; 6] = ["csv", "json", "ndjson", "parquet", "arrow", "xlsx"];

/// Reads what follows the word `COPY`.
pub(crate) fn parse(text: &str, parser: &mut Parser<'_>) -> Result<Copy> {
    let malformed = |error: ParserError| diagnostic::from_parser(text, &error);
    let source = source(text, parser)?;
    let direction = parser.peek_token();
    if parser.parse_keyword(Keyword::FROM) {
        return Err(unsupported(text, "COPY reads no files", direction.span)
            .with_hint("COPY table TO 'path' writes one; files are read by read_csv, read_parquet and read_json"));
    }
    parser.expect_keyword(Keyword::TO).map_err(malformed)?;
    let target = parser.peek_token();
    if !matches!(target.token, Token::SingleQuotedString(_)) {
        return Err(unsupported(text, "COPY writes to a path", target.span)
            .with_hint("write the path of the file in single quotes"));
    }
    let path = parser.parse_literal_string().map_err(malformed)?;
    let mut copy = Copy {
        source,
        path,
        path_span: target.span,
        format: None,
        header: true,
        delimiter: b',',
        overwrite: false,
        escape_formulas: false,
    };
    let _ = parser.parse_keyword(Keyword::WITH);
    if parser.consume_token(&Token::LParen) {
        loop {
            option(text, parser, &mut copy)?;
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen).map_err(malformed)?;
    }
    Ok(copy)
}

fn source(text: &str, parser: &mut Parser<'_>) -> Result<Box<ast::Query>> {
    let malformed = |error: ParserError| diagnostic::from_parser(text, &error);
    if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query().map_err(malformed)?;
        parser.expect_token(&Token::RParen).map_err(malformed)?;
        return lower_query(text, query);
    }
    let name = parser.parse_object_name(false).map_err(malformed)?;
    let span = name.span();
    let name = plain_name(text, name)?;
    // The same as the query that reads the whole table.
    let query = Parser::new(&sqlparser::dialect::GenericDialect {})
        .try_with_sql(&format!("SELECT * FROM \"{}\"", name.value.replace('"', "\"\"")))
        .and_then(|mut parser| parser.parse_query())
        .map_err(malformed)?;
    lower_query(text, unquoted(query, name.quote_style, span))
}

/// The table of `query` written as it was: a name without quotes matches in any case. Its place is that of the statement.
fn unquoted(mut query: Box<ast::Query>, quote: Option<char>, span: Span) -> Box<ast::Query> {
    if let ast::SetExpr::Select(select) = query.body.as_mut()
        && let Some(ast::TableFactor::Table { name, .. }) = select.from.first_mut().map(|from| &mut from.relation)
        && let Some(ast::ObjectNamePart::Identifier(ident)) = name.0.first_mut()
    {
        ident.quote_style = quote;
        ident.span = span;
    }
    query
}

fn option(text: &str, parser: &mut Parser<'_>, copy: &mut Copy) -> Result<()> {
    let name = parser.next_token();
    let word = match &name.token {
        Token::Word(word) => word.value.to_uppercase(),
        other => {
            return Err(diagnostic::unexpected_token(&other.to_string()).with_position(position_of(text, name.span)));
        }
    };
    let value = value(parser);
    let invalid = |hint: &str| {
        Error::new(ErrorCode::InvalidStatement, format!("invalid value of option {word}"))
            .with_hint(hint)
            .with_position(position_of(text, name.span))
    };
    match word.as_str() {
        "FORMAT" => {
            let format = value.as_deref().and_then(Format::named);
            copy.format = Some(format.ok_or_else(|| invalid(&format!("one of {}", FORMATS.join(", "))))?);
        }
        "HEADER" => copy.header = flag(value.as_deref()).ok_or_else(|| invalid("true or false"))?,
        "OVERWRITE" => copy.overwrite = flag(value.as_deref()).ok_or_else(|| invalid("true or false"))?,
        "ESCAPE_FORMULAS" => copy.escape_formulas = flag(value.as_deref()).ok_or_else(|| invalid("true or false"))?,
        "DELIMITER" => match value.as_deref().map(str::as_bytes) {
            Some([byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => copy.delimiter = *byte,
            _ => return Err(invalid("one ASCII character that is neither a quote nor a line end")),
        },
        _ => {
            let error = Error::new(ErrorCode::InvalidStatement, format!("unknown option of COPY: {word}"))
                .with_position(position_of(text, name.span));
            return Err(match closest(&word, OPTIONS) {
                Some(meant) => error.with_hint(format!("did you mean {meant}?")),
                None => error.with_hint(format!("there are: {}", OPTIONS.join(", "))),
            });
        }
    }
    Ok(())
}

/// The word, text or truth value after the name of an option.
fn value(parser: &mut Parser<'_>) -> Option<String> {
    let next = parser.peek_token();
    let value = match next.token {
        Token::Word(word) => word.value,
        Token::SingleQuotedString(text) => text,
        _ => return None,
    };
    parser.advance_token();
    Some(value)
}

fn flag(value: Option<&str>) -> Option<bool> {
    match value.map(str::to_lowercase).as_deref() {
        None | Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Statement, parse};

    fn copy(text: &str) -> Copy {
        match parse(text).unwrap() {
            Statement::Copy(copy) => copy,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_are_read_in_any_order() {
        let read = copy("COPY (SELECT 1 AS a) TO 'x' WITH (overwrite, delimiter ';', HEADER false, FORMAT Csv)");
        assert_eq!(
            (read.path.as_str(), read.format, read.header, read.delimiter, read.overwrite),
            ("x", Some(Format::Csv), false, b';', true)
        );
        assert_eq!(copy("COPY \"T\" TO 'it''s.csv'").path, "it's.csv");
        assert!(copy("copy t to 'x' (format 'parquet');").format == Some(Format::Parquet));
    }

    #[test]
    fn what_is_no_copy_to_is_refused_with_its_place() {
        for (text, code) in [
            ("COPY t FROM 'x'", ErrorCode::Unsupported),
            ("COPY t TO STDOUT", ErrorCode::Unsupported),
            ("COPY t TO PROGRAM 'rm'", ErrorCode::Unsupported),
            ("COPY t TO 'x' (FORMAT xml)", ErrorCode::InvalidStatement),
            ("COPY t TO 'x' (FROMAT csv)", ErrorCode::InvalidStatement),
            ("COPY t TO 'x' (DELIMITER 'ab')", ErrorCode::InvalidStatement),
            ("COPY t TO 'x' (FORMAT csv", ErrorCode::Syntax),
            ("COPY t TO 'x' y", ErrorCode::Syntax),
            ("COPY", ErrorCode::Syntax),
            ("COPY a.b TO 'x'", ErrorCode::Unsupported),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code(), code, "{text}: {}", error.report());
            assert!(error.position().is_some(), "{text}: {}", error.report());
        }
    }
}
