//! A guess at an encoding that no byte of the file names.
//!
//! `chardetng` gives the likeliest encoding and no number for how likely it is. So it is asked again as if the text came
//! from other countries: the encodings that it then prefers are the rivals. A rival counts when it reads the sample as
//! another text, and one that people could have written. A guess with rivals and few bytes to tell them apart is an error
//! that names them.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, GBK};
use velaria_contract::{Error, ErrorCode, Result};

use super::{Charset, Detected, Sample};

/// With rivals, fewer bytes outside ASCII than this decide nothing; between alphabets of Latin letters somewhat fewer do.
const BYTES_TO_GUESS: usize = 12;
const BYTES_TO_GUESS_LATIN: usize = 8;
/// The letters of Western Europe that other tables of Latin letters seldom have in their place. With these alone the
/// common reading is believed, however few they are.
const WESTERN: &str = "äöüßÄÖÜéáíóúâàçñåøëôîãÉÁÀÇÑÅØÓÍ";
/// Words of one letter in Russian, Ukrainian and Greek.
const SHORT_WORDS: [&str; 27] = [
    "а", "в", "и", "к", "о", "с", "у", "я", "з", "й", "є", "і", "А", "В", "И", "К", "О", "С", "У", "Я", "З", "Й", "Є",
    "І", "η", "ο", "ή",
];
/// From this many on a guess needs no second look.
const BYTES_TO_TRUST: usize = 64;
/// The lines that are given to the detector, which is slow.
const EVIDENCE_BYTES_MAX: usize = 8 << 10;
const CANDIDATES_SHOWN: usize = 5;

/// Countries whose readers expect different encodings.
const COUNTRIES: [&str; 14] = ["cn", "tw", "jp", "kr", "ru", "pl", "cz", "gr", "tr", "il", "sa", "lv", "th", "fr"];

/// The encoding of a text that is neither UTF-8 nor UTF-16.
///
/// # Errors
/// `VEL-7003` with the candidates when the sample does not decide between them.
pub(super) fn guess(sample: &Sample) -> Result<Detected> {
    let evidence = evidence(sample);
    let bytes = evidence.iter().filter(|byte| !byte.is_ascii()).count();
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&evidence, true);
    let best = charset(detector.guess(None, Utf8Detection::Deny));
    let text = best.decode(&evidence).filter(|_| reads(best, sample));
    let believable = text.as_deref().is_some_and(plausible);
    let trusted = believable && bytes >= BYTES_TO_TRUST;
    let rivals = if trusted { Vec::new() } else { rivals(&detector, best, text.as_deref(), &evidence, sample) };
    let western = text.as_deref().is_some_and(is_western);
    let needed = match text.as_deref() {
        // Turkish reads as Icelandic, which is far rarer.
        Some(text) if text.contains(['þ', 'ð']) => BYTES_TO_TRUST,
        _ if rivals.iter().all(|rival| is_latin(*rival)) => BYTES_TO_GUESS_LATIN,
        _ => BYTES_TO_GUESS,
    };
    // Odd words in a text that nothing else reads: it is what it seems, but somebody should look.
    let alone = bytes >= BYTES_TO_TRUST && rivals.is_empty() && text.as_deref().is_some_and(is_wide);
    if !(believable || alone) || (!western && bytes < needed && !rivals.is_empty()) {
        return Err(ambiguous(best, &rivals, &evidence));
    }
    let warning = warning(best, &rivals, bytes, believable);
    let reason = format!("a guess from {bytes} bytes outside ASCII");
    Ok(Detected { charset: best, bom_bytes: 0, reason, warning })
}

/// What to look at when a guess is not certain.
fn warning(best: Charset, rivals: &[Charset], bytes: usize, believable: bool) -> Option<String> {
    let guess = format!("the encoding {} is a guess from {bytes} bytes", best.name());
    if !rivals.is_empty() {
        let others: Vec<String> = rivals.iter().take(CANDIDATES_SHOWN).map(|rival| rival.name()).collect();
        return Some(format!("{guess}; it could be {}", others.join(" or ")));
    }
    (!believable).then(|| format!("{guess}; some words of the text are odd"))
}

/// The lines with bytes outside ASCII.
fn evidence(sample: &Sample) -> Vec<u8> {
    let mut lines = Vec::new();
    for part in sample.parts(0) {
        for line in part.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.is_ascii()) {
            let room = EVIDENCE_BYTES_MAX - lines.len();
            if line.len() > room {
                // A long line is cut behind a byte of ASCII, which ends a character in every encoding here but for the
                // second bytes of some: what is cut wrongly is one character of very many.
                let end = line[..room].iter().rposition(|byte| matches!(byte, b' ' | b',' | b';' | b'\t' | b'|'));
                lines.extend_from_slice(&line[..end.unwrap_or(0)]);
                return lines;
            }
            lines.extend_from_slice(line);
        }
    }
    lines
}

fn reads(charset: Charset, sample: &Sample) -> bool {
    sample.parts(0).all(|part| charset.decode(part).is_some())
}

fn charset(encoding: &'static Encoding) -> Charset {
    // The same characters, and some more.
    Charset::Legacy(if encoding == GBK { GB18030 } else { encoding })
}

fn rivals(
    detector: &EncodingDetector,
    best: Charset,
    text: Option<&str>,
    evidence: &[u8],
    sample: &Sample,
) -> Vec<Charset> {
    let mut rivals = Vec::new();
    for country in COUNTRIES {
        let rival = charset(detector.guess(Some(country.as_bytes()), Utf8Detection::Deny));
        if rival == best || rivals.contains(&rival) {
            continue;
        }
        let possible = |other: &String| Some(other.as_str()) != text && (plausible(other) || is_wide(other));
        let other = rival.decode(evidence).filter(possible);
        if other.is_some() && reads(rival, sample) {
            rivals.push(rival);
        }
    }
    rivals
}

/// Whether all letters of `text` outside ASCII are common ones of Western Europe, amid others.
fn is_western(text: &str) -> bool {
    let is_word = |word: &str| {
        let letters = word.chars().filter(|character| !character.is_ascii());
        letters.clone().count() * 2 <= word.chars().count() && letters.clone().all(|letter| WESTERN.contains(letter))
    };
    let mut words =
        text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_ascii()).peekable();
    words.peek().is_some() && words.all(is_word)
}

/// Whether the letters of an encoding are those of Latin alphabets.
fn is_latin(charset: Charset) -> bool {
    let names = ["windows-1250", "windows-1252", "windows-1254", "windows-1257", "windows-1258"];
    let isos = ["iso-8859-2", "iso-8859-4", "iso-8859-10", "iso-8859-13", "iso-8859-15"];
    names.iter().chain(&isos).any(|name| charset.name() == *name)
}

/// Whether people could have written `text`: letters of one script stand together, none is large behind a small one, and
/// words of Latin letters are mostly ASCII.
fn plausible(text: &str) -> bool {
    let (mut latin, mut latin_ascii, mut odd, mut good, mut short) = (0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
    for word in text.split(|character: char| !character.is_alphanumeric()) {
        if word.is_ascii() {
            continue;
        }
        match one_script(word) {
            Some(Script::Latin) => {
                latin += word.chars().count();
                latin_ascii += word.chars().filter(char::is_ascii).count();
                good += 1;
            }
            Some(Script::Greek | Script::Cyrillic) if is_mixed_case(word) => odd += 1,
            // Korean has hardly any Han left; among other text it is a wrong reading.
            Some(Script::Han) if text.chars().any(|other| script(other) == Some(Script::Hangul)) => odd += 1,
            Some(_) => good += 1,
            None if SHORT_WORDS.contains(&word) => short += 1,
            None => odd += 1,
        }
    }
    // Words of one letter stand amid others.
    if short * 2 > good {
        odd += short;
    }
    odd += text.chars().filter(|character| is_strange(*character)).count();
    // A word such as "Łódź" has more letters outside ASCII than inside; many such words are something else.
    let foreign = latin >= 4 && latin_ascii * 5 < latin;
    !foreign && odd * 10 <= good
}

/// Whether nearly all of `text` outside ASCII is of East Asian scripts, which other encodings hardly ever read by chance.
fn is_wide(text: &str) -> bool {
    let others = text.chars().filter(|character| !character.is_ascii() && character.is_alphanumeric());
    let is_wide =
        |character: &char| matches!(script(*character), Some(Script::Hangul | Script::Japanese | Script::Han));
    let (all, wide) = (others.clone().count(), others.filter(is_wide).count());
    wide > 0 && wide * 10 >= all * 9 && !text.chars().any(is_strange)
}

fn is_mixed_case(word: &str) -> bool {
    word.chars().zip(word.chars().skip(1)).any(|(before, after)| before.is_lowercase() && after.is_uppercase())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Hebrew,
    Arabic,
    Thai,
    Hangul,
    Japanese,
    Han,
}

/// The script of all letters of `word`; Japanese has kana beside Han. A single letter of an alphabet is no word.
fn one_script(word: &str) -> Option<Script> {
    let mut scripts = word.chars().filter(|character| !character.is_ascii_digit()).map(script);
    let first = scripts.next()??;
    let mut all = first;
    for other in scripts {
        all = match (all, other?) {
            (one, same) if one == same => one,
            (Script::Han, Script::Japanese) | (Script::Japanese, Script::Han) => Script::Japanese,
            (Script::Latin, wide @ (Script::Hangul | Script::Han | Script::Japanese)) if is_product(word) => wide,
            (wide @ (Script::Hangul | Script::Han | Script::Japanese), Script::Latin) if is_product(word) => wide,
            _ => return None,
        };
    }
    let letters = word.chars().filter(|character| !character.is_ascii_digit()).count();
    let single = letters == 1
        && match all {
            Script::Greek | Script::Cyrillic | Script::Hebrew | Script::Arabic | Script::Thai => true,
            // A sign beside a number, read as a letter.
            Script::Latin => word.len() > word.chars().last().map_or(0, char::len_utf8),
            Script::Hangul | Script::Japanese | Script::Han => false,
        };
    (!single).then_some(all)
}

/// Whether `word` is one like "LG전자" or "手机iPhone": letters of ASCII on one side of a word, not one sign amid letters.
fn is_product(word: &str) -> bool {
    let ascii = |character: char| character.is_ascii_alphanumeric();
    let wide = word.trim_start_matches(ascii);
    let (wide, latin) = match wide.len() < word.len() {
        true => (wide, &word[..word.len() - wide.len()]),
        false => (word.trim_end_matches(ascii), word),
    };
    let upper = !latin.chars().any(|character| character.is_ascii_lowercase());
    !wide.chars().any(|character| script(character) == Some(Script::Latin)) && (upper || wide.chars().count() > 1)
}

fn script(character: char) -> Option<Script> {
    Some(match u32::from(character) {
        0x41..=0x5a | 0x61..=0x7a | 0xaa | 0xb5 | 0xba | 0xc0..=0x24f | 0x1e00..=0x1eff | 0xb2 | 0xb3 | 0xb9 => {
            Script::Latin
        }
        0xbc..=0xbe => Script::Latin,
        0x370..=0x3ff => Script::Greek,
        0x400..=0x52f => Script::Cyrillic,
        0x590..=0x5ff => Script::Hebrew,
        0x600..=0x6ff => Script::Arabic,
        0xe00..=0xe7f => Script::Thai,
        0xac00..=0xd7af => Script::Hangul,
        0x3005..=0x3007 | 0x3040..=0x30ff => Script::Japanese,
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0x2_0000..=0x3_134f => Script::Han,
        _ => return None,
    })
}

/// Characters that come out of a wrong decoding and hardly ever stand in a table.
fn is_strange(character: char) -> bool {
    matches!(u32::from(character), 0x80..=0x9f | 0x2500..=0x25ff | 0xe000..=0xf8ff | 0xff61..=0xff9f)
        || "‚‹›†‡ˆ˜ƒ¤¦¨¬¯¸¶".contains(character)
}

fn ambiguous(best: Charset, rivals: &[Charset], evidence: &[u8]) -> Error {
    let candidates: Vec<Charset> = std::iter::once(best).chain(rivals.iter().copied()).take(CANDIDATES_SHOWN).collect();
    let readings: Vec<String> = candidates
        .iter()
        .filter_map(|candidate| {
            let text = candidate.decode(evidence)?;
            Some(format!("encoding={} reads {:?}", candidate.name(), excerpt(&text)))
        })
        .collect();
    Error::new(ErrorCode::Ambiguous, "the encoding of the text cannot be told with certainty")
        .with_hint(format!("say which it is with the option encoding: {}", readings.join(", ")))
}

/// Some of the first line around its first character outside ASCII.
fn excerpt(text: &str) -> String {
    const SHOWN_CHARS: usize = 16;
    let place = text.chars().position(|character| !character.is_ascii()).unwrap_or(0);
    text.chars().skip(place.saturating_sub(4)).take(SHOWN_CHARS).take_while(|character| *character != '\n').collect()
}

#[cfg(test)]
mod tests {
    use encoding_rs::{
        BIG5, EUC_JP, EUC_KR, KOI8_U, SHIFT_JIS, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1254,
    };

    use super::*;

    fn of(bytes: &[u8]) -> Result<Detected> {
        guess(&Sample { head: bytes.to_vec(), whole: true, later: Vec::new() })
    }

    #[test]
    fn tables_of_many_languages_are_read_as_they_were_written() {
        let tables: [(&'static Encoding, &str); 14] = [
            (GB18030, "编号,商品,价格\n1,电视机,1000\n2,冰箱,2000\n3,洗衣机,3000\n"),
            (GB18030, "姓名,城市\n张三,北京\n李四,上海\n"),
            (BIG5, "編號,商品名稱,價格\n1,電視機,1000\n2,冰箱,2000\n"),
            (SHIFT_JIS, "名前,都市\n田中,東京\n鈴木,大阪\n"),
            (SHIFT_JIS, "a,b\n1,カタカナ\n2,ひらがな\n"),
            (EUC_JP, "名前,都市\n田中,東京\n鈴木,大阪\n"),
            (EUC_KR, "이름,도시\n김철수,서울\n이영희,부산\n"),
            (WINDOWS_1250, "jméno,město\nŠtěpán,Plzeň\nJiří,Brno\n"),
            (WINDOWS_1251, "имя,город\nИван,Москва\nАнна,Казань\n"),
            (WINDOWS_1252, "name;stadt\nMüller;Köln\nGroß;Düsseldorf\n"),
            (WINDOWS_1252, "a,b\n1,café\n"),
            (WINDOWS_1253, "όνομα,πόλη\nΓιώργος,Αθήνα\n"),
            (WINDOWS_1254, "ad,şehir\nIşık,İstanbul\nÇağrı,Eskişehir\n"),
            (KOI8_U, "имя,город\nИван,Москва\nАнна,Казань\n"),
        ];
        for (encoding, text) in tables {
            let (bytes, _, lossy) = encoding.encode(text);
            assert!(!lossy, "{text}");
            let detected = of(&bytes).unwrap_or_else(|error| panic!("{text}: {}", error.report()));
            assert_eq!(detected.charset.decode(&bytes).unwrap(), text, "{}", detected.charset.name());
        }
    }

    #[test]
    fn words_of_one_letter_are_words_amid_others() {
        let text = "nr;satz\n1;Столица России - Москва, а река - Лена\n2;Утром он гулял в парке, а я спал\n";
        let (bytes, _, _) = WINDOWS_1251.encode(text);
        assert_eq!(of(&bytes).unwrap().charset.decode(&bytes).unwrap(), text);
        assert!(plausible("он гулял в парке") && !plausible("а,в\nгулял\n") && !plausible("5А\n"));
    }

    #[test]
    fn odd_words_in_a_text_that_nothing_else_reads_are_warned_of() {
        let text = "id;t\n1;中华人民共和国的首都是北京人口超过两千万𠀀ß\n2;他每天早上都去公园里散步然后回家吃早饭ß\n";
        let (bytes, _, lossy) = GB18030.encode(text);
        assert!(!lossy);
        let detected = of(&bytes).unwrap();
        assert_eq!(detected.charset.decode(&bytes).unwrap(), text);
        assert!(detected.warning.unwrap().ends_with("; some words of the text are odd"));
        // Traditional Chinese with such words reads as simplified as well, and nobody can say which it is.
        let (bytes, _, _) =
            BIG5.encode("臺灣的首都是臺北人口大約兩百六十萬é他每天早上都去公園裡散步é然後回家吃早飯é\n");
        match of(&bytes) {
            Ok(detected) => assert_eq!(detected.charset.name(), "big5"),
            Err(error) => assert_eq!(error.code(), ErrorCode::Ambiguous),
        }
    }

    #[test]
    fn too_little_evidence_is_an_error_that_shows_the_readings() {
        let (bytes, _, _) = GBK.encode("a,b\n1,张\n");
        let error = of(&bytes).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Ambiguous);
        assert!(
            error.hint().unwrap().contains("encoding=gb18030 reads \"b,张\"") || error.hint().unwrap().contains("张")
        );
    }

    #[test]
    fn signs_beside_numbers_are_western() {
        for text in ["a,b\n5°,10\n", "a\n“x” – y\n"] {
            let (bytes, _, _) = WINDOWS_1252.encode(text);
            let detected = of(&bytes).unwrap_or_else(|error| panic!("{text}: {}", error.report()));
            assert_eq!(detected.charset.decode(&bytes).unwrap(), text);
        }
    }

    #[test]
    fn one_damaged_byte_does_not_turn_chinese_into_another_language() {
        let (bytes, _, _) = GB18030.encode("编号,商品,价格\n1,电视机,1000\n2,冰箱,2000\n3,洗衣机,3000\n");
        let mut bytes = bytes.into_owned();
        bytes.extend(b"4,\xff,1\n");
        let error = of(&bytes).map(|detected| detected.charset.decode(&bytes)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Ambiguous);
    }
}
