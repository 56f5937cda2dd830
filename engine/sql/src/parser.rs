//! Text to [`Statement`].
//!
//! The text is tokenised once; the tokens say whether there is exactly one statement and of which kind, and only then
//! is it parsed. What parses but has no meaning in Velaria is refused here, before any name is looked up.

use sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use sqlparser::ast::{self, ObjectNamePart, ObjectType, Spanned, SqliteOnConflict, TableObject};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};
use velaria_contract::{Error, ErrorCode, Result};

use crate::balance::balance;
use crate::clauses;
use crate::copy;
use crate::create_table::{self, Outside};
use crate::delete;
use crate::diagnostic::{self, closest, position_of};
use crate::dialect::VelariaDialect;
use crate::extension;
use crate::extension::Extensions;
use crate::from_first;
use crate::in_list;
use crate::index::{self, DropIndex};
use crate::inspect::{self, Explain};
use crate::limits::{self, GRAMMAR_DEPTH_MAX};
use crate::names;
use crate::nesting;
use crate::parameter::{self, Parameters};
use crate::stack;
use crate::statement::{CreateTable, Drop, DropKind, ExtendedQuery, Insert, OnConflict, Statement};
use crate::stream::{self, StreamStatement};
use crate::update;
use crate::view;
use crate::window_by;

const DIALECT: VelariaDialect = VelariaDialect;

/// The first words of the statements that exist, for the suggestion when another word stands there.
const FIRST_WORDS: [&str; 16] = [
    "SELECT",
    "WITH",
    "VALUES",
    "CREATE",
    "INSERT",
    "REPLACE",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "DROP",
    "COPY",
    "REINDEX",
    "SHOW",
    "DESCRIBE",
    "SUMMARIZE",
    "EXPLAIN",
];

/// First words that are short for others.
const SHORT_WORDS: [&str; 2] = ["DESC", "FROM"];

/// Reads exactly one statement; one semicolon may follow it.
///
/// Unnamed output columns of queries come back with an alias (see [`crate`] on names).
///
/// # Errors
/// `VEL-1001` for text that is not well formed, `VEL-1002` for empty text, `VEL-1003` for more than one statement,
/// `VEL-1004` for text or nesting beyond the limits, `VEL-2008` for a LIMIT or OFFSET that is not a non-negative
/// integer, `VEL-3001` for statements and clauses that Velaria does not have.
pub fn parse(text: &str) -> Result<Statement> {
    parse_with(text, &Parameters::None)
}

/// Reads exactly one statement like [`parse`] and puts values into its open places.
///
/// # Errors
/// Those of [`parse`], and `VEL-7001` when values and open places do not fit.
pub fn parse_with(text: &str, parameters: &Parameters) -> Result<Statement> {
    limits::check_text(text)?;
    let mut tokens = single_statement(text, tokenize(text)?)?;
    check_first_word(text, &tokens)?;
    limits::check_count(text, &tokens)?;
    from_first::complete(&mut tokens);
    nesting::check(text, &tokens)?;
    let open = parameter::number(&mut tokens);
    let outside = create_table::take(text, &mut tokens)?;
    let extensions = extension::take(text, &mut tokens)?;
    in_list::mark(&mut tokens);
    stack::with_room(tokens.len(), || {
        let mut statement = extended(text, parse_tokens(text, tokens, outside)?, extensions)?;
        if open || *parameters != Parameters::None {
            parameter::bind(text, &mut statement, parameters)?;
        }
        Ok(statement)
    })
}

/// Reads exactly one statement over streams; one semicolon may follow it.
///
/// # Errors
/// Those of [`parse`].
pub fn parse_stream(text: &str) -> Result<StreamStatement> {
    limits::check_text(text)?;
    let mut tokens = single_statement(text, tokenize(text)?)?;
    check_first_word(text, &tokens)?;
    limits::check_count(text, &tokens)?;
    from_first::complete(&mut tokens);
    nesting::check(text, &tokens)?;
    let outside = create_table::take(text, &mut tokens)?;
    let options = stream::take_options(text, &mut tokens)?;
    let windows = window_by::take(text, &mut tokens)?;
    if let Some(extensions) = extension::take(text, &mut tokens)? {
        let clause = if extensions.keyword_search.is_some() { "KEYWORD SEARCH" } else { "HYBRID SEARCH" };
        let message = format!("not supported in SQL v1: stream SQL does not support {clause}");
        return Err(unsupported(text, &message, Span::empty()));
    }
    let open = parameter::number(&mut tokens);
    in_list::mark(&mut tokens);
    stack::with_room(tokens.len(), || {
        let mut statement = parse_tokens(text, tokens, outside)?;
        if open {
            parameter::bind(text, &mut statement, &Parameters::None)?;
        }
        Ok(StreamStatement { statement, windows, options })
    })
}

/// The statement with the clauses that were taken out of it.
fn extended(text: &str, statement: Statement, extensions: Option<Extensions>) -> Result<Statement> {
    match (statement, extensions) {
        (statement, None) => Ok(statement),
        (Statement::Query(query), Some(extensions)) => {
            Ok(Statement::ExtendedQuery(ExtendedQuery { query, extensions }))
        }
        (Statement::Explain(explain), Some(extensions)) => Ok(Statement::Explain(Explain { extensions, ..explain })),
        (_, Some(_)) => Err(unsupported(text, "WINDOW BY and SEARCH stand in queries only", Span::empty())),
    }
}

fn parse_tokens(text: &str, tokens: Vec<TokenWithSpan>, outside: Outside) -> Result<Statement> {
    if let Some(statement) = inspect::parse(text, &tokens) {
        return statement;
    }
    let mut parser = sql_parser(tokens);
    if parser.parse_keyword(Keyword::COPY) {
        let copy = copy::parse(text, &mut parser)?;
        expect_end(text, &parser)?;
        return Ok(Statement::Copy(copy));
    }
    let parsed = parser.parse_statement().map_err(|error| diagnostic::from_parser(text, &error))?;
    expect_end(text, &parser)?;
    lower(text, parsed, outside)
}

/// A parser of these tokens that never recurses too deep.
pub(crate) fn sql_parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&DIALECT).with_recursion_limit(GRAMMAR_DEPTH_MAX).with_tokens_with_locations(tokens)
}

pub(crate) fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>> {
    Tokenizer::new(&DIALECT, text).tokenize_with_location().map_err(|error| diagnostic::from_tokenizer(text, &error))
}

/// The tokens of the one statement, without the semicolons after it.
fn single_statement(text: &str, mut tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let meaningful =
        |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::SemiColon | Token::EOF);
    let Some(first) = tokens.iter().position(meaningful) else { return Err(empty_statement()) };
    let end = tokens.iter().skip(first).position(|token| token.token == Token::SemiColon);
    let Some(end) = end.map(|offset| first + offset) else { return Ok(tokens.split_off(first)) };
    if let Some(second) = tokens.iter().skip(end).find(|token| meaningful(token)) {
        return Err(Error::new(ErrorCode::MultipleStatements, "more than one statement")
            .with_hint("run one statement at a time")
            .with_position(position_of(text, second.span)));
    }
    tokens.truncate(end);
    Ok(tokens.split_off(first))
}

fn empty_statement() -> Error {
    Error::new(ErrorCode::EmptyStatement, "unsupported statement").with_hint("the text holds no statement")
}

fn check_first_word(text: &str, tokens: &[TokenWithSpan]) -> Result<()> {
    let Some(first) = tokens.first() else { return Err(empty_statement()) };
    let word = match &first.token {
        Token::LParen => return Ok(()),
        Token::Word(word) if is_first_word(&word.value) => return Ok(()),
        Token::Word(word) => word.value.as_str(),
        _ => "",
    };
    let hint = closest(word, FIRST_WORDS).map_or_else(
        || format!("a statement starts with one of {}", FIRST_WORDS.join(", ")),
        |meant| format!("did you mean {meant}?"),
    );
    Err(unsupported(text, "unsupported statement", first.span).with_hint(hint))
}

fn is_first_word(word: &str) -> bool {
    FIRST_WORDS.iter().chain(&SHORT_WORDS).any(|known| known.eq_ignore_ascii_case(word))
}

pub(crate) fn expect_end(text: &str, parser: &Parser<'_>) -> Result<()> {
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(());
    }
    Err(diagnostic::unexpected_token(&next.token.to_string())
        .with_hint("the statement ends before it")
        .with_position(position_of(text, next.span)))
}

fn lower(text: &str, parsed: ast::Statement, outside: Outside) -> Result<Statement> {
    match parsed {
        ast::Statement::Query(query) => Ok(Statement::Query(lower_query(text, query)?)),
        ast::Statement::CreateTable(create) => lower_create_table(text, create, outside).map(Statement::CreateTable),
        ast::Statement::Insert(insert) => lower_insert(text, insert).map(Statement::Insert),
        ast::Statement::Update(update) => update::lower(text, update).map(Statement::Update),
        ast::Statement::Delete(delete) => delete::lower(text, delete).map(Statement::Delete),
        ast::Statement::Truncate(truncate) => delete::lower_truncate(text, truncate).map(Statement::Truncate),
        ast::Statement::CreateView(create) => view::lower(text, create).map(Statement::CreateView),
        ast::Statement::CreateIndex(create) => index::lower(text, create).map(Statement::CreateIndex),
        ast::Statement::Drop {
            object_type: object_type @ (ObjectType::Table | ObjectType::View | ObjectType::Index),
            if_exists,
            names,
            cascade: false,
            restrict: false,
            purge: false,
            temporary: false,
            table: None,
        } => {
            let name = single_name(text, names)?;
            Ok(match object_type {
                ObjectType::Index => Statement::DropIndex(DropIndex { name, if_exists }),
                ObjectType::View => Statement::Drop(Drop { kind: DropKind::View, name, if_exists }),
                _ => Statement::Drop(Drop { kind: DropKind::Table, name, if_exists }),
            })
        }
        other => Err(unsupported(text, "unsupported statement", other.span())
            .with_hint(format!("a statement starts with one of {}", FIRST_WORDS.join(", ")))),
    }
}

pub(crate) fn lower_query(text: &str, mut query: Box<ast::Query>) -> Result<Box<ast::Query>> {
    // First, because everything after it recurses.
    balance(&mut query);
    from_first::expand(&mut query);
    limits::check_query(text, &query)?;
    clauses::check(text, &query)?;
    names::name_outputs(&mut query);
    Ok(query)
}

fn lower_create_table(text: &str, create: ast::CreateTable, outside: Outside) -> Result<CreateTable> {
    let plain = CreateTableBuilder::new(create.name.clone())
        .columns(create.columns.clone())
        .constraints(create.constraints.clone())
        .query(create.query.clone())
        .if_not_exists(create.if_not_exists)
        .or_replace(create.or_replace)
        .temporary(create.temporary)
        .hive_formats(create.hive_formats.clone())
        .build();
    let bare_hive = create.hive_formats.as_ref().is_none_or(|formats| *formats == ast::HiveFormat::default());
    if plain != create || !bare_hive {
        return Err(unsupported(text, "unsupported clause in CREATE TABLE", create.name.span())
            .with_hint("CREATE [OR REPLACE] TABLE [IF NOT EXISTS] name (column TYPE [rule …], …) or … AS query"));
    }
    if create.columns.is_empty() && create.query.is_none() && outside.provider.is_none() && outside.options.is_empty() {
        return Err(Error::new(ErrorCode::Syntax, "CREATE TABLE requires at least one column")
            .with_position(position_of(text, create.name.span())));
    }
    let query = create.query.map(|query| lower_query(text, query)).transpose()?;
    Ok(CreateTable {
        name: plain_name(text, create.name)?,
        columns: create.columns,
        constraints: create.constraints,
        query,
        if_not_exists: create.if_not_exists,
        or_replace: create.or_replace,
        kind: outside.kind,
        provider: outside.provider,
        options: outside.options,
    })
}

fn lower_insert(text: &str, insert: ast::Insert) -> Result<Insert> {
    if has_unsupported_clause(&insert) {
        return Err(unsupported(text, "unsupported clause in INSERT", insert.table.span())
            .with_hint("INSERT INTO table [(column, …)] VALUES … or SELECT …"));
    }
    let on_conflict = match (insert.replace_into, insert.or) {
        (true, _) | (_, Some(SqliteOnConflict::Replace)) => OnConflict::Replace,
        (false, _) => OnConflict::Fail,
    };
    let span = insert.table.span();
    let TableObject::TableName(name) = insert.table else {
        return Err(unsupported(text, "unsupported target of INSERT", span).with_hint("name a table"));
    };
    let Some(source) = insert.source else {
        return Err(
            Error::new(ErrorCode::Syntax, "INSERT expected VALUES or SELECT").with_position(position_of(text, span))
        );
    };
    let columns = insert.columns.into_iter().map(|column| plain_name(text, column)).collect::<Result<_>>()?;
    Ok(Insert { table: plain_name(text, name)?, columns, source: lower_query(text, source)?, on_conflict })
}

fn has_unsupported_clause(insert: &ast::Insert) -> bool {
    let clauses = [
        insert.or.is_some_and(|or| or != SqliteOnConflict::Replace),
        insert.ignore,
        insert.overwrite,
        insert.table_alias.is_some(),
        insert.partitioned.is_some(),
        insert.on.is_some(),
        insert.returning.is_some(),
        insert.output.is_some(),
        insert.priority.is_some(),
        insert.insert_alias.is_some(),
        insert.settings.is_some(),
        insert.format_clause.is_some(),
        insert.multi_table_insert_type.is_some(),
        !insert.assignments.is_empty(),
        !insert.after_columns.is_empty(),
    ];
    clauses.contains(&true)
}

fn single_name(text: &str, mut names: Vec<ast::ObjectName>) -> Result<ast::Ident> {
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => plain_name(text, name),
        (Some(second), false) => {
            Err(unsupported(text, "DROP takes one name", second.span()).with_hint("drop one at a time"))
        }
        (None, _) => Err(empty_statement()),
    }
}

/// Tables live in one flat catalog: a qualified name has no meaning.
pub(crate) fn plain_name(text: &str, mut name: ast::ObjectName) -> Result<ast::Ident> {
    let span = name.span();
    match (name.0.pop(), name.0.is_empty()) {
        (Some(ObjectNamePart::Identifier(ident)), true) => Ok(ident),
        _ => Err(unsupported(text, "qualified names are not supported here", span)
            .with_hint("a session has one catalog: name the table alone")),
    }
}

pub(crate) fn unsupported(text: &str, message: &str, span: Span) -> Error {
    Error::new(ErrorCode::Unsupported, message).with_position(position_of(text, span))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> ErrorCode {
        parse(text).unwrap_err().code()
    }

    #[test]
    fn a_semicolon_and_comments_may_follow_the_statement() {
        assert!(parse("SELECT 1; -- done\n /* really */ ;").is_ok());
        assert!(parse("-- first\nSELECT ';' AS \";\"").is_ok());
    }

    #[test]
    fn text_without_a_statement_is_refused() {
        for text in ["", "  \n", ";", "-- only a comment", "/* a */ ;;"] {
            assert_eq!(code(text), ErrorCode::EmptyStatement, "{text:?}");
        }
    }

    #[test]
    fn two_statements_are_refused_at_the_second() {
        let error = parse("SELECT 1;\nSELECT 2").unwrap_err();
        assert_eq!(error.code(), ErrorCode::MultipleStatements);
        let place = error.position().unwrap();
        assert_eq!((place.line, place.column, place.length), (2, 1, 6));
    }

    #[test]
    fn a_misspelt_first_word_is_suggested() {
        let error = parse("SELEC * FROM t").unwrap_err();
        assert_eq!(error.message(), "unsupported statement");
        assert_eq!(error.hint(), Some("did you mean SELECT?"));
    }

    #[test]
    fn statements_that_reach_files_or_settings_do_not_exist() {
        for text in
            ["COPY t FROM 'x'", "SET x = 1", "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'x'", "ATTACH 'x'"]
        {
            assert_eq!(code(text), ErrorCode::Unsupported, "{text}");
        }
    }

    #[test]
    fn nesting_beyond_the_limit_is_refused_at_once() {
        let text = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(code(&text), ErrorCode::StatementTooLarge);
    }

    #[test]
    fn a_long_chain_of_operators_is_refused_before_it_can_exhaust_the_stack() {
        for operator in ["+", "||", "UNION ALL SELECT"] {
            let text = format!("SELECT 1{}", format!(" {operator} 1").repeat(200_000));
            assert_eq!(code(&text), ErrorCode::StatementTooLarge, "{operator}");
        }
        let values = vec!["(-1, 1 + 1)"; 20_000].join(", ");
        assert!(parse(&format!("INSERT INTO t VALUES {values}")).is_ok());
    }

    #[test]
    fn broken_text_never_panics_and_always_says_where() {
        for text in
            ["SELECT", "SELECT * FROM", "SELECT 'a FROM t", "SELECT (1", "SELECT 1 2", "CREATE TABLE", "INSERT INTO t"]
        {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), velaria_contract::ErrorKind::Parse, "{text}: {error}");
            assert!(error.position().is_some(), "{text}: {error}");
        }
    }
}
