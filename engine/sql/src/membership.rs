//! `x = 1 OR x = 2 OR …` as `x IN (1, 2, …)`.
//!
//! Only literals of one kind are put into one list: a list is brought to one type, and 2.5 beside 1 would turn a
//! comparison of integers into one of floats.

use std::collections::HashMap;

use sqlparser::ast::{BinaryOperator, Expr, Value};

/// The operands of a chain of `op`, with comparisons of one column with literals collected into lists. A list stands where
/// its first comparison stood.
pub(crate) fn collect(operands: Vec<Expr>, op: &BinaryOperator) -> Vec<Expr> {
    let wanted = match op {
        BinaryOperator::Or => BinaryOperator::Eq,
        BinaryOperator::And => BinaryOperator::NotEq,
        _ => return operands,
    };
    let mut lists: HashMap<(String, Kind), usize> = HashMap::new();
    let mut collected: Vec<Expr> = Vec::new();
    for operand in operands {
        let Some(key) = key(&operand, &wanted) else {
            collected.push(operand);
            continue;
        };
        match lists.get(&key).and_then(|index| collected.get_mut(*index)) {
            Some(first) => add(first, operand),
            None => {
                lists.insert(key, collected.len());
                collected.push(operand);
            }
        }
    }
    collected
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Integer,
    Text,
}

/// The column and the kind of literal that are compared.
fn key(operand: &Expr, wanted: &BinaryOperator) -> Option<(String, Kind)> {
    let Expr::BinaryOp { left, op, right } = operand else { return None };
    let (Expr::Identifier(_) | Expr::CompoundIdentifier(_), Expr::Value(value)) = (left.as_ref(), right.as_ref())
    else {
        return None;
    };
    let kind = match &value.value {
        Value::Number(digits, false) if digits.parse::<i64>().is_ok() => Kind::Integer,
        Value::SingleQuotedString(_) => Kind::Text,
        _ => return None,
    };
    (op == wanted).then(|| (left.to_string(), kind))
}

/// Adds the literal of `comparison` to `first`, which is a comparison or already a list.
fn add(first: &mut Expr, comparison: Expr) {
    let Expr::BinaryOp { right, .. } = comparison else { return };
    if let Expr::InList { list, .. } = first {
        list.push(*right);
    } else if let Expr::BinaryOp { left, op, right: literal } = first {
        *first = Expr::InList {
            negated: *op == BinaryOperator::NotEq,
            expr: left.clone(),
            list: vec![(**literal).clone(), *right],
        };
    }
}

#[cfg(test)]
mod tests {
    use crate::{Statement, parse};

    #[test]
    fn literals_of_one_kind_become_one_list() {
        let terms: Vec<String> = (0..40).map(|term| format!("t.a = {term} OR b = 'x{term}' OR a = {term}.5")).collect();
        let Statement::Query(query) = parse(&format!("SELECT a FROM t WHERE {}", terms.join(" OR "))).unwrap() else {
            panic!("not a query")
        };
        let printed = query.to_string();
        assert!(printed.contains("t.a IN (0, 1, 2,"), "{printed}");
        assert!(printed.contains("b IN ('x0', 'x1',"), "{printed}");
        assert!(printed.contains("OR a = 0.5 OR a = 1.5"), "{printed}");
    }

    #[test]
    fn short_chains_stay_as_they_are() {
        let text = "SELECT a FROM t WHERE a = 1 OR a = 2 OR a = 3";
        let Statement::Query(query) = parse(text).unwrap() else { panic!("not a query") };
        assert_eq!(query.to_string(), text);
    }
}
