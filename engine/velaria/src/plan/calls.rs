//! Calls and operators that mean another expression: `IF(a, b, c)` is a `CASE`, `j -> 'a'` is a function of JSON.
//!
//! The rewrite works on the syntax tree, before names and types are looked up.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use velaria_contract::{Error, ErrorCode, Position, Result};
use velaria_sql::ast::{
    BinaryOperator, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, LambdaFunction, LambdaFunctionParameter, LambdaSyntax, ObjectName, ObjectNamePart,
    OneOrManyWithParens, Query, Value, VisitMut, VisitorMut,
};
use velaria_sql::position_of;

use crate::plan::spellings;

/// Rewrites `query`, which was read from `text`.
///
/// # Errors
/// `VEL-2009` for a call that would be misread, `VEL-2004` for a spelling with other arguments than it takes.
pub(crate) fn rewrite(text: &str, query: &mut Query, state: &SessionState) -> Result<()> {
    match query.visit(&mut Rewriter { text, state }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter<'a> {
    text: &'a str,
    state: &'a SessionState,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Function(function) if self.takes_functions(function) => {
                arguments_mut(function).for_each(read_lambda);
            }
            Expr::BinaryOp { op: BinaryOperator::Arrow | BinaryOperator::LongArrow, .. } => rotate(expr),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let rewritten = match expr {
            Expr::Function(function) => match self.call(function) {
                Ok(rewritten) => rewritten,
                Err(error) => return ControlFlow::Break(error),
            },
            Expr::Extract { field, expr, .. } if is_second(field) && !is_interval(expr) => Some(seconds(expr)),
            // The planner would take DataFusion's function, past the checks of `function/guard.rs`.
            Expr::Extract { field, expr, .. } => {
                let part = Expr::value(Value::SingleQuotedString(field.to_string()));
                Some(call("date_part", [&part, expr]))
            }
            Expr::BinaryOp { left, op: BinaryOperator::Arrow, right } => Some(call("json_extract", [left, right])),
            Expr::BinaryOp { left, op: BinaryOperator::LongArrow, right } => {
                Some(call("json_extract_string", [left, right]))
            }
            _ => None,
        };
        if let Some(rewritten) = rewritten {
            *expr = rewritten;
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    fn takes_functions(&self, function: &Function) -> bool {
        name_of(function).is_some_and(|name| self.state.higher_order_functions().contains_key(&name))
    }

    fn call(&self, function: &Function) -> Result<Option<Expr>> {
        let Some(name) = name_of(function) else { return Ok(None) };
        let count = count_of(function);
        if name == "count" && count > 1 {
            return Err(self.count_of_several(function));
        }
        let rewritten = match name.as_str() {
            "struct_pack" => struct_pack(function),
            "mode" | "percentile_disc" if !function.within_group.is_empty() => {
                within_group(function, &arguments(function))
            }
            "date_part" | "datepart" => match arguments(function).as_slice() {
                [Expr::Value(part), of] if is_second_text(&part.value) && !is_interval(of) => Some(seconds(of)),
                _ => None,
            },
            _ => spellings::find(&name, count).and_then(|template| fill(template, function)),
        };
        if rewritten.is_none() && self.is_spelling_only(&name) {
            return Err(self.misspelt(&name, function, count));
        }
        Ok(rewritten)
    }

    /// Whether `name` is a spelling, and no function by itself.
    fn is_spelling_only(&self, name: &str) -> bool {
        spellings::names().any(|known| known == name)
            && !self.state.scalar_functions().contains_key(name)
            && !self.state.aggregate_functions().contains_key(name)
            && !self.state.higher_order_functions().contains_key(name)
    }

    fn misspelt(&self, name: &str, function: &Function, found: usize) -> Error {
        let mut counts: Vec<usize> = spellings::counts(name).collect();
        counts.sort_unstable();
        let message = if counts.contains(&found) {
            format!("{name} is not an aggregate")
        } else if counts.is_empty() {
            format!("{name} does not accept these arguments")
        } else {
            let plural = if counts == [1] { "" } else { "s" };
            let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
            format!("{name} takes {} argument{plural}, not {found}", counts.join(" or "))
        };
        Error::new(ErrorCode::TypeMismatch, message).with_position(self.position(function))
    }

    /// Without this, DataFusion would count the rows in which none of them is `NULL`.
    fn count_of_several(&self, function: &Function) -> Error {
        Error::new(ErrorCode::InvalidStatement, "COUNT takes one argument")
            .with_hint("count rows with COUNT(*) and a FILTER")
            .with_position(self.position(function))
    }

    fn position(&self, function: &Function) -> Option<Position> {
        match function.name.0.first() {
            Some(ObjectNamePart::Identifier(ident)) => position_of(self.text, ident.span),
            _ => None,
        }
    }
}

/// The name of a function that is not qualified, in lower case.
fn name_of(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident.value.to_lowercase()),
        _ => None,
    }
}

fn count_of(function: &Function) -> usize {
    match &function.args {
        FunctionArguments::List(list) => list.args.len(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => 0,
    }
}

fn arguments(function: &Function) -> Vec<Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    list.args
        .iter()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

fn arguments_mut(function: &mut Function) -> impl Iterator<Item = &mut Expr> {
    let list = match &mut function.args {
        FunctionArguments::List(list) => list.args.as_mut_slice(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => &mut [],
    };
    list.iter_mut().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

/// The template of a spelling with the arguments of a call. Templates without an aggregate have no place for what may
/// follow an aggregate's call.
fn fill(mut template: Expr, function: &Function) -> Option<Expr> {
    let mut attach = Attach { function, aggregates: 0 };
    let _: ControlFlow<()> = template.visit(&mut attach);
    let follows = function.over.is_some() || function.filter.is_some() || !function.within_group.is_empty();
    if follows && attach.aggregates == 0 {
        return None;
    }
    let _: ControlFlow<()> = template.visit(&mut Fill { arguments: &arguments(function) });
    Some(Expr::Nested(Box::new(template)))
}

/// Gives the aggregates of a template what stands in and behind the call.
struct Attach<'a> {
    function: &'a Function,
    aggregates: usize,
}

impl VisitorMut for Attach<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(aggregate) = expr else { return ControlFlow::Continue(()) };
        if !name_of(aggregate).is_some_and(|name| spellings::AGGREGATES.contains(&name.as_str())) {
            return ControlFlow::Continue(());
        }
        self.aggregates += 1;
        aggregate.filter.clone_from(&self.function.filter);
        aggregate.over.clone_from(&self.function.over);
        aggregate.null_treatment.clone_from(&self.function.null_treatment);
        aggregate.within_group.clone_from(&self.function.within_group);
        if let (FunctionArguments::List(to), FunctionArguments::List(from)) = (&mut aggregate.args, &self.function.args)
        {
            to.duplicate_treatment = from.duplicate_treatment;
            to.clauses.clone_from(&from.clauses);
        }
        ControlFlow::Continue(())
    }
}

struct Fill<'a> {
    arguments: &'a [Expr],
}

impl VisitorMut for Fill<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
            && let Some(place) = name.strip_prefix('$').and_then(|place| place.parse::<usize>().ok())
            && let Some(argument) = place.checked_sub(1).and_then(|place| self.arguments.get(place))
        {
            *expr = Expr::Nested(Box::new(argument.clone()));
        }
        ControlFlow::Continue(())
    }
}

/// `struct_pack(a := 1)` is `named_struct('a', 1)`.
fn struct_pack(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let mut fields = Vec::new();
    for argument in &list.args {
        let FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } = argument else { return None };
        fields.push(Expr::value(Value::SingleQuotedString(name.value.clone())));
        fields.push(value.clone());
    }
    Some(call_of("named_struct", fields))
}

/// `percentile_disc(p) WITHIN GROUP (ORDER BY x)` is `quantile_disc(x, p)`; `mode()` likewise.
fn within_group(function: &Function, arguments: &[Expr]) -> Option<Expr> {
    let [order] = function.within_group.as_slice() else { return None };
    let ascending = order.options.asc != Some(false);
    let name = match (arguments.len(), ascending) {
        (0, _) => "mode",
        (1, true) => "quantile_disc",
        _ => return None,
    };
    let arguments = std::iter::once(order.expr.clone()).chain(arguments.iter().cloned()).collect();
    let Expr::Function(mut result) = call_of(name, arguments) else { return None };
    result.filter.clone_from(&function.filter);
    result.over.clone_from(&function.over);
    Some(Expr::Function(result))
}

fn is_second(field: &DateTimeField) -> bool {
    matches!(field, DateTimeField::Second | DateTimeField::Seconds)
}

fn is_second_text(value: &Value) -> bool {
    matches!(value, Value::SingleQuotedString(text) if ["second", "seconds", "sec"].contains(&text.to_lowercase().as_str()))
}

/// The nanoseconds of an interval are counted wrong upstream; its whole seconds are right.
fn is_interval(expr: &Expr) -> bool {
    matches!(expr, Expr::Interval(_))
}

/// The seconds of a minute with their fraction, which DataFusion cuts off.
fn seconds(of: &Expr) -> Expr {
    let part = Expr::value(Value::SingleQuotedString("nanosecond".to_owned()));
    let nanoseconds = call_of("date_part", vec![part, of.clone()]);
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(nanoseconds),
        op: BinaryOperator::Divide,
        right: Box::new(Expr::value(Value::Number("1e9".to_owned(), false))),
    }))
}

fn call(name: &str, arguments: [&Expr; 2]) -> Expr {
    call_of(name, arguments.into_iter().cloned().collect())
}

fn call_of(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `x -> x + 1` as an argument of a function that takes a function.
fn read_lambda(argument: &mut Expr) {
    if let Some((params, body)) = lambda(argument) {
        *argument = Expr::Lambda(LambdaFunction { params, body: Box::new(body), syntax: LambdaSyntax::Arrow });
    }
}

/// `AND` and `OR` bind weaker than the arrow, but belong to the body.
fn lambda(expr: &Expr) -> Option<(OneOrManyWithParens<LambdaFunctionParameter>, Expr)> {
    let Expr::BinaryOp { left, op, right } = expr else { return None };
    match (op, left.as_ref()) {
        (BinaryOperator::Arrow, Expr::Identifier(name)) => {
            Some((OneOrManyWithParens::One(parameter(name)), right.as_ref().clone()))
        }
        (BinaryOperator::Arrow, Expr::Tuple(names)) => {
            let names = names.iter().map(|name| match name {
                Expr::Identifier(name) => Some(parameter(name)),
                _ => None,
            });
            Some((OneOrManyWithParens::Many(names.collect::<Option<_>>()?), right.as_ref().clone()))
        }
        (BinaryOperator::And | BinaryOperator::Or, left) => {
            let (names, body) = lambda(left)?;
            Some((names, Expr::BinaryOp { left: Box::new(body), op: op.clone(), right: right.clone() }))
        }
        _ => None,
    }
}

fn parameter(name: &Ident) -> LambdaFunctionParameter {
    LambdaFunctionParameter { name: name.clone(), data_type: None }
}

/// `j ->> 'a' = 'x'` is read as `j ->> ('a' = 'x')`, which has no meaning: the comparison is of what the arrow finds.
fn rotate(expr: &mut Expr) {
    let Expr::BinaryOp { left, op, right } = &*expr else { return };
    let found =
        |key: &Expr| Box::new(Expr::BinaryOp { left: left.clone(), op: op.clone(), right: Box::new(key.clone()) });
    let mut rotated = right.as_ref().clone();
    let key = match &mut rotated {
        Expr::BinaryOp { left, .. } => left,
        Expr::IsNull(key) | Expr::IsNotNull(key) => key,
        Expr::Like { expr, .. } | Expr::ILike { expr, .. } => expr,
        Expr::InList { expr, .. } | Expr::Between { expr, .. } => expr,
        _ => return,
    };
    if matches!(key.as_ref(), Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_))) {
        *key = found(key);
        *expr = rotated;
    }
}
