//! What is found in many small texts.

use proptest::prelude::*;

use super::*;

fn of(text: &str) -> Result<Sniffed> {
    sniff(text, true, &CsvOptions::default())
}

/// Delimiter, columns, header, lines before it.
fn table(text: &str) -> (char, usize, bool, u64) {
    let sniffed = of(text).unwrap_or_else(|error| panic!("{text:?}: {}", error.report()));
    let dialect = sniffed.dialect;
    (char::from(dialect.delimiter), sniffed.names.len(), dialect.header, dialect.skip_rows)
}

#[test]
fn the_delimiter_is_the_one_that_gives_even_records() {
    for (text, expected) in [
        ("a,b\n1,2\n", (',', 2, true, 0)),
        ("a;b\n1,5;2,5\n3,5;4\n", (';', 2, true, 0)),
        ("a\tb\tc\n1\tx, y\t3\n", ('\t', 3, true, 0)),
        ("a|b\n1|2\n", ('|', 2, true, 0)),
        ("a^b^c\n1^2^3\n4^5^6\n", ('^', 3, true, 0)),
        ("a b\n1 x\n2 y\n", (' ', 2, true, 0)),
        ("root:x:0\nbin:x:1\nnobody:x:99\n", (':', 3, false, 0)),
        ("1,5;2,5\n3,5;4,5\n", (';', 2, false, 0)),
        ("Smith, John\t5\nDoe, Jane\t6\n", ('\t', 2, false, 0)),
        ("id,tags\n1,a|b\n2,c|d\n", (',', 2, true, 0)),
        ("1,a|b\n2,c|d\n", (',', 2, false, 0)),
        ("id;v\n1;[1,2,3]\n2;[4,5,6]\n", (';', 2, true, 0)),
        ("\"a,x\";\"b\"\n\"1,2\";3\n", (';', 2, true, 0)),
        ("0\ta\t,\n0\t,\ta\n", ('\t', 3, false, 0)),
        ("t,v\n2024-01-01 10:00:00,1\n2024-01-01 11:00:00,2\n", (',', 2, true, 0)),
    ] {
        assert_eq!(table(text), expected, "{text:?}");
    }
}

#[test]
fn a_single_column_is_one_column() {
    for (text, expected) in [
        ("id\n1\n2\n", (',', 1, true, 0)),
        ("1\n2\n3\n", (',', 1, false, 0)),
        ("name\nJohn Smith\nJane Doe\n", (',', 1, true, 0)),
        ("full name\nJohn Smith\nJane Doe\n", (',', 1, true, 0)),
        ("10:30\n11:45\n12:00\n", (',', 1, false, 0)),
        ("2024-01-01 10:00:00\n2024-01-02 11:00:00\n2024-01-03 11:00:00\n", (',', 1, false, 0)),
        ("a", (',', 1, true, 0)),
        ("x\n\n\n", (',', 1, true, 0)),
    ] {
        assert_eq!(table(text), expected, "{text:?}");
    }
}

#[test]
fn uneven_records_are_kept_for_the_reader_and_not_hidden() {
    for (text, delimiter, columns) in [
        ("a,b,c\n1,2,3\n4,5\n", ',', 3),
        ("a,b,c\n1,2\n3,4\n", ',', 3),
        ("a,b\n1\n2\n3\n", ',', 2),
        ("a,b\n1,2,3\n4,5,6\n", ',', 2),
        ("a\n1,2\n3,4\n", ',', 1),
        ("a\n1;2\n3;4\n", ';', 1),
        ("a;b;c\n1;2;3\n4;5\n6;7;8\n", ';', 3),
        ("2024-01-01 10:00:00,a,b\n2024-01-01 10:00:00,c\n2024-01-01 10:00:00,d,e\n", ',', 3),
        ("a,b\n1,\"x\n2,y\n", ',', 2),
    ] {
        let (found, width, ..) = table(text);
        assert_eq!((found, width), (delimiter, columns), "{text:?}");
    }
}

#[test]
fn two_equally_good_delimiters_are_an_error_that_names_them() {
    for text in ["a,b|c\nd,e|f\n", "a,b;c\n", "x,y\tz\nu,v\tw\n"] {
        let error = of(text).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Ambiguous, "{text:?}");
    }
    let error = of("a,b|c|d\nd,e|f|g\n").unwrap_err();
    assert_eq!(error.message(), "the delimiter can be ',' or '|'");
    assert_eq!(error.hint(), Some("say delimiter=',' for 2 columns, or delimiter='|' for 3"));
    let options = CsvOptions::default().with_delimiter("|").unwrap();
    assert_eq!(sniff("a,b|c\nd,e|f\n", true, &options).unwrap().dialect.delimiter, b'|');
}

#[test]
fn titles_and_comments_before_the_header_are_passed() {
    for (text, expected) in [
        ("Sales report 2024\na,b\n1,2\n3,4\n", (',', 2, true, 1)),
        ("Report\nby: me\n\nname,n\nx,1\ny,2\n", (',', 2, true, 2)),
        ("sep=;\na;b\n1;2\n", (';', 2, true, 1)),
        ("sep=,\r\na,b\r\n1,2\r\n", (',', 2, true, 1)),
        ("# made by x, today\na,b\n1,2\n", (',', 2, true, 0)),
        ("a,b\n# note\n1,2\n", (',', 2, true, 0)),
        ("#id,name\n1,x\n2,y\n", (',', 2, true, 0)),
    ] {
        assert_eq!(table(text), expected, "{text:?}");
    }
    let comment = |text: &str| of(text).unwrap().dialect.comment;
    assert_eq!(comment("# made by x, today\na,b\n1,2\n"), Some(b'#'));
    assert_eq!(comment("#id,name\n1,x\n2,y\n"), None);
    assert_eq!(comment("a,b\n#1,x\n#2,y\n"), None);
}

/// Files that users of another engine reported: duckdb issues 19578, 14117, 7231, 15576, 16215 and 10714.
#[test]
fn files_that_others_stumbled_over_are_read() {
    for (text, expected) in [
        ("Country;Location;Count;Date\nChina;\"35.86166;104.19397\";97100,7;04/07/20\n", (';', 4, true, 0)),
        ("id,name,age\n2,\"Alice,Doe\",30\n1,\"John, Doe,25\n3,\"Bob\",35\n4,\"John\",\"45\n", (',', 3, true, 0)),
        ("0\t0.05\t0.498\n1\t0.11\t0.97\n2\t0.98\t0.57\n", ('\t', 3, false, 0)),
        ("Extract of 2025-01-06\nid;owner;flag\n1;\"A \"\"B\"\"\";x|y\n2;C;x|y\n3;D;x|y\n", (';', 3, true, 1)),
        ("day,text\n1/1/19,\"text\"\n1/6/19,\"text, with comma\"\n1/9/19,'text'\n", (',', 2, true, 0)),
        ("Value\n\"68,527.00\"\n", (',', 1, true, 0)),
        ("creationDate, Id\n", (',', 2, true, 0)),
    ] {
        assert_eq!(table(text), expected, "{text:?}");
    }
}

#[test]
fn quotes_and_escapes_are_found() {
    let signs = |text: &str| {
        let dialect = of(text).unwrap().dialect;
        (dialect.quote.map(char::from), dialect.escape.map(char::from))
    };
    assert_eq!(signs("a,b\n\"x,y\",2\n"), (Some('"'), None));
    assert_eq!(signs("a,b\n'x,y',2\n'z',3\n"), (Some('\''), None));
    assert_eq!(signs("a,b\n'x','2'\n'z','3'\n"), (Some('\''), None));
    assert_eq!(signs("a,b\n'tis,2\n'twas,3\n"), (Some('"'), None));
    assert_eq!(signs("a,b\nit's,2\nrock 'n' roll,3\n"), (Some('"'), None));
    assert_eq!(signs("a,b\n\"x \\\"y\\\", z\",2\n\"w\",3\n"), (Some('"'), Some('\\')));
    assert_eq!(signs("a,b\n\"C:\\dir\\\",2\n"), (Some('"'), None));
    assert_eq!(signs("a,b\n\"x \"\"y\"\"\",2\n"), (Some('"'), None));
}

#[test]
fn numbers_are_read_by_whole_columns() {
    let signs = |text: &str| {
        let dialect = of(text).unwrap().dialect;
        (char::from(dialect.decimal), dialect.thousands)
    };
    assert_eq!(signs("a;b\n1,5;x\n2,25;y\n"), (',', None));
    assert_eq!(signs("a;b\n1.234,5;x\n2,25;y\n"), (',', Some('.')));
    assert_eq!(signs("a,b\n\"1,234.5\",x\n2.25,y\n"), ('.', Some(',')));
    assert_eq!(signs("a;b\n1,5;x\nn/a;y\nold, 3;z\n"), ('.', None));
    let sniffed = of("a;b\n1,234;x\n2,345;y\n").unwrap();
    assert_eq!(sniffed.warnings.len(), 1, "{:?}", sniffed.warnings);
}

#[test]
fn given_options_win() {
    let options = CsvOptions {
        delimiter: Some(b'|'),
        quote: Some(None),
        header: Some(false),
        skip_rows: Some(1),
        decimal: Some(b','),
        ..CsvOptions::default()
    };
    let sniffed = sniff("a,b\n\"1,2\n3,4\n", true, &options).unwrap();
    let dialect =
        Dialect { delimiter: b'|', quote: None, header: false, skip_rows: 1, decimal: b',', ..Dialect::default() };
    assert_eq!(sniffed.dialect, dialect);
    assert_eq!(sniffed.names, ["c0"]);
}

#[test]
fn a_cut_head_gives_what_the_whole_gives() {
    let text = format!("id;name;price\n{}", "1;\"a;b\";1,5\n2;\"x\ny\";2,5\n3;z;3,5\n4;w;4,5\n".repeat(3));
    let whole = of(&text).unwrap().dialect;
    for end in 50..text.len() {
        assert_eq!(sniff(&text[..end], false, &CsvOptions::default()).unwrap().dialect, whole, "{end}");
    }
}

#[test]
fn lines_that_are_longer_than_what_is_looked_at_are_looked_at() {
    let line = |value: &str| vec![value; 20_000].join("|") + "\n";
    let text = line("name1") + &line("1") + &line("2");
    let sniffed = of(&text).unwrap();
    assert_eq!((sniffed.dialect.delimiter, sniffed.names.len(), sniffed.dialect.header), (b'|', 20_000, true));
    let sniffed = sniff("12,13,1", false, &CsvOptions::default()).unwrap();
    assert!(sniffed.dialect.header, "of a record that is cut nothing is known");
}

/// A field that is quoted where it has to be.
fn print_field(field: &str, delimiter: u8) -> String {
    if field.contains([char::from(delimiter), '"', '\n', '\r', '\'']) || field.is_empty() {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}

fn print(table: &[Vec<String>], delimiter: u8, line_end: &str) -> String {
    let lines = table.iter().map(|record| {
        let fields: Vec<String> = record.iter().map(|field| print_field(field, delimiter)).collect();
        fields.join(&char::from(delimiter).to_string()) + line_end
    });
    lines.collect()
}

fn read_as(text: &str, sniffed: &Sniffed) -> Vec<Vec<String>> {
    let dialect = &sniffed.dialect;
    let signs =
        Signs { delimiter: dialect.delimiter, quote: dialect.quote, escape: dialect.escape, comment: dialect.comment };
    let text = text.splitn(dialect.skip_rows as usize + 1, '\n').last().unwrap();
    let records = Records::of(text, false, signs, usize::MAX);
    let field = |value: records::Value<'_>| match value.quoted {
        true => value.text.replace("\"\"", "\""),
        false => value.text.to_owned(),
    };
    (0..records.len()).map(|record| records.values(text, record).map(field).collect()).collect()
}

/// Tables of two columns and more: a column of numbers, which tells the header, and columns of texts with many signs.
fn tables() -> impl Strategy<Value = (Vec<Vec<String>>, bool)> {
    (2_usize..5, 2_usize..8, any::<bool>()).prop_flat_map(|(columns, rows, header)| {
        let text = "[a-c]{1,3}|[a-c,;|\"' \n#.0-9]{0,6}|[a-z]{2} [a-z]{2}, [a-z]";
        let row = (0_u32..10_000, prop::collection::vec(text, columns - 1));
        let rows = prop::collection::vec(row, rows);
        rows.prop_map(move |rows| {
            let names = (0..columns).map(|column| format!("n{}", char::from(b'a' + column as u8))).collect::<Vec<_>>();
            let rows = rows
                .into_iter()
                .map(|(number, texts)| std::iter::once(number.to_string()).chain(texts).collect::<Vec<String>>());
            (header.then_some(names).into_iter().chain(rows).collect(), header)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_table_is_found_or_called_ambiguous_and_never_another(
        (table, header) in tables(),
        delimiter in prop::sample::select(&COMMON[..]),
        line_end in prop::sample::select(&["\n", "\r\n"][..]),
    ) {
        let text = print(&table, delimiter, line_end);
        match of(&text) {
            Ok(sniffed) => {
                prop_assert_eq!(read_as(&text, &sniffed), table, "{:?} {:?}", text, sniffed);
                prop_assert_eq!(sniffed.dialect.header, header, "{:?} {:?}", text, sniffed);
            }
            Err(error) => prop_assert_eq!(error.code(), ErrorCode::Ambiguous),
        }
    }

    #[test]
    fn no_text_is_too_strange(text in "[ -~\n\r\t\"',;|#é]{0,80}", cut in 0_usize..80, whole in any::<bool>()) {
        let end = text.floor_char_boundary(cut);
        let _ = sniff(&text[..end], whole, &CsvOptions::default());
    }
}
