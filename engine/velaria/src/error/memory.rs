//! An exhausted memory pool, in words: which operation asked, what was left, and who holds the rest.

use velaria_contract::{Error, ErrorCode};
use velaria_sql::lower_first;

use super::text::clean;

const HINT: &str = "give the session a higher memory limit, or make the query smaller";

/// The error for DataFusion's account of what happened.
pub(super) fn from_exhausted(message: &str) -> Error {
    if message.contains("max_temp_directory_size") {
        let limit =
            after(message, "allowable limit of ").and_then(|rest| rest.split(". ").next()).unwrap_or("their size");
        return Error::new(ErrorCode::OutOfMemory, format!("the temporary files reached the limit of {limit}"))
            .with_hint("make the query smaller");
    }
    let Some(asked) = Asked::parse(message) else {
        return Error::new(ErrorCode::OutOfMemory, lower_first(&clean(message))).with_hint(HINT);
    };
    let error = Error::new(ErrorCode::OutOfMemory, asked.to_string());
    match holders(message).as_slice() {
        [] => error.with_hint(HINT),
        holders => error.with_hint(format!("most is held by {}; {HINT}", holders.join(", "))),
    }
}

struct Asked<'a> {
    who: String,
    wanted: &'a str,
    free: &'a str,
    limit: &'a str,
}

impl<'a> Asked<'a> {
    fn parse(message: &'a str) -> Option<Self> {
        let asked = after(message, "Failed to allocate additional ")?;
        let (wanted, rest) = asked.split_once(" for ")?;
        let (who, rest) = rest.split_once(" with ")?;
        let (_, rest) = rest.split_once(" - ")?;
        let (free, rest) = rest.split_once(" remain available")?;
        let limit = after(rest, "pool_size: ")?.trim_end_matches(')');
        Some(Self { who: operation(who), wanted, free, limit })
    }
}

impl std::fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { who, wanted, free, limit } = self;
        write!(f, "out of memory: {who} needs {wanted} more, but {free} of {limit} can be had")
    }
}

/// Who holds memory, and how much.
fn holders(message: &str) -> Vec<String> {
    let listed = after(message, "(across reservations) as:").and_then(|rest| rest.split("\nError: ").next());
    let lines = listed.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .filter_map(|line| {
            let (name, rest) = line.split_once('#')?;
            let held = after(rest, "consumed ")?.split(',').next()?;
            (!held.starts_with("0.0 ")).then(|| format!("{} ({held})", operation(name)))
        })
        .collect()
}

/// The operation behind the name of an operator, such as `HashJoinInput[0]`.
fn operation(name: &str) -> String {
    const OPERATIONS: [(&str, &str); 11] = [
        ("Join", "a join"),
        ("Sort", "a sort"),
        ("TopK", "a sort"),
        ("Aggregate", "an aggregate"),
        ("GroupedHash", "an aggregate"),
        ("Window", "a window function"),
        ("Repartition", "an exchange between threads"),
        ("Recursive", "a recursive query"),
        ("Result", "the result"),
        ("Unnest", "unnest"),
        ("Search", "a search"),
    ];
    let known = OPERATIONS.iter().find(|(part, _)| name.contains(part)).map(|(_, words)| (*words).to_owned());
    known.unwrap_or_else(|| name.split('[').next().unwrap_or(name).to_owned())
}

fn after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_once(start).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_the_limit_and_the_holders_are_named() {
        let error = from_exhausted(
            "Additional allocation failed for HashJoinInput[1] with top memory consumers (across reservations) as:\n  \
             HashJoinInput[0]#0(can spill: false) consumed 32.1 MB, peak 32.1 MB,\n  \
             ExternalSorter[1]#5(can spill: true) consumed 31.9 MB, peak 31.9 MB,\n  \
             AggregateStream[0]#4(can spill: false) consumed 0.0 B, peak 0.0 B.\n\
             Error: Failed to allocate additional 128.0 KB for HashJoinInput[1] with 31.9 MB already allocated for this \
             reservation - 2.0 KB remain available for the total memory pool: fair(pool_size: 64.0 MB)",
        );
        assert_eq!(error.message(), "out of memory: a join needs 128.0 KB more, but 2.0 KB of 64.0 MB can be had");
        assert_eq!(
            error.hint(),
            Some(
                "most is held by a join (32.1 MB), a sort (31.9 MB); give the session a higher memory limit, or make the query smaller"
            )
        );
    }

    #[test]
    fn full_temporary_files_are_told_apart() {
        let error = from_exhausted(
            "The used disk space during the spilling process has exceeded the allowable limit of 100.0 GB. \
             Please try increasing the config: `datafusion.runtime.max_temp_directory_size`.",
        );
        assert_eq!(error.message(), "the temporary files reached the limit of 100.0 GB");
    }
}
