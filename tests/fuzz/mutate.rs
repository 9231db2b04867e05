//! Mutations of bytes, texts, JSON and CSV.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

/// Numbers at the edges of types.
const NUMBERS: &[&str] = &[
    "0",
    "-0.0",
    "-1",
    "1",
    "2",
    "3",
    "255",
    "256",
    "65535",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e7",
    "10000000",
    "10000001",
    "1e308",
    "1.7976931348623157e308",
    "5e-324",
    "1e-310",
    "-1e300",
    "1e999",
    "0.1",
    "NaN",
    "inf",
    "-inf",
    "",
];

/// Texts that some reader may take for something else.
const TEXTS: &[&str] = &[
    "",
    ".",
    "..",
    "/",
    "/dev/zero",
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "\0",
    "\u{1b}[2J",
    "\u{feff}",
    "\u{ffff}",
    "\u{202e}",
    "<b>&\"'",
    "|",
    "\n",
    "\r\n",
    "=1+1",
    "é",
    "`",
    "#",
    "-",
    "quick",
    "anode",
    "seed",
    "*",
    "?",
];

/// A number at the edge of a type, as text.
pub fn number(random: &mut ChaCha8Rng) -> &'static str {
    NUMBERS.choose(random).expect("some")
}

fn text(random: &mut ChaCha8Rng) -> String {
    match random.gen_range(0..8) {
        0 => TEXTS.choose(random).expect("some").repeat(1 << random.gen_range(0..16)),
        1 => char::from_u32(random.gen_range(0..0x11_0000)).map_or(String::new(), String::from),
        _ => (*TEXTS.choose(random).expect("some")).to_owned(),
    }
}

/// Two of several inputs, which may be the same.
pub fn two<'a>(random: &mut ChaCha8Rng, pool: &'a [Vec<u8>]) -> (&'a [u8], &'a [u8]) {
    let mut pick = || pool.choose(random).map_or(&b""[..], Vec::as_slice);
    (pick(), pick())
}

/// A few edits of bytes.
pub fn bytes(random: &mut ChaCha8Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut found = input.to_vec();
    for _ in 0..1 << random.gen_range(0..4) {
        edit(random, &mut found, other);
    }
    found.truncate(1 << 20);
    found
}

fn edit(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.extend_from_slice(other);
        return;
    }
    let at = random.gen_range(0..bytes.len());
    let end = (at + (1usize << random.gen_range(0..10))).min(bytes.len());
    match random.gen_range(0..10) {
        0 => bytes[at] ^= 1 << random.gen_range(0..8),
        1 => bytes[at] = *[0, 1, 0x7f, 0x80, 0xff, b'0', b'-', b' ', b'\n', b',', b'"'].choose(random).expect("some"),
        2 => bytes[at] = random.r#gen(),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            let to = random.gen_range(0..=bytes.len());
            bytes.splice(to..to, copy);
        }
        5 => bytes.truncate(at),
        6 if !other.is_empty() => {
            let from = random.gen_range(0..other.len());
            let to = (from + (end - at)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        // A number in the text becomes another.
        7 | 8 => {
            let digit = |b: &u8| b.is_ascii_digit();
            let from = bytes[at..].iter().position(digit).map_or(at, |n| at + n);
            let to = from + bytes[from..].iter().take_while(|b| digit(b)).count();
            bytes.splice(from..to, number(random).bytes());
        }
        _ => drop(bytes.splice(at..at, text(random).into_bytes())),
    }
}

/// A few edits of a JSON text by its structure, some of its bytes; `words` are names that its reader knows.
pub fn json(random: &mut ChaCha8Rng, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let parsed = serde_json::from_slice::<Value>(input);
    let (Ok(mut value), false) = (parsed, random.gen_ratio(1, 5)) else { return bytes(random, input, other) };
    let other: Value = serde_json::from_slice(other).unwrap_or_default();
    for _ in 0..1 << random.gen_range(0..3) {
        let count = nodes(&value);
        let mut at = random.gen_range(0..count);
        if let Some(node) = node(&mut value, &mut at) {
            change(random, node, &other, words);
        }
    }
    let mut text = if random.r#gen() { serde_json::to_vec(&value) } else { serde_json::to_vec_pretty(&value) }
        .expect("JSON can be written");
    if random.gen_ratio(1, 30) {
        text.splice(0..0, *b"\xef\xbb\xbf");
    }
    text.truncate(1 << 21);
    text
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(nodes).sum(),
        Value::Object(map) => map.values().map(nodes).sum(),
        _ => 0,
    }
}

fn node<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(list) => inside(list.iter_mut(), at),
        Value::Object(map) => inside(map.values_mut(), at),
        _ => None,
    }
}

fn inside<'a>(values: impl Iterator<Item = &'a mut Value>, at: &mut usize) -> Option<&'a mut Value> {
    for value in values {
        let count = nodes(value);
        if *at < count {
            return node(value, at);
        }
        *at -= count;
    }
    None
}

fn change(random: &mut ChaCha8Rng, at: &mut Value, other: &Value, words: &[&str]) {
    let word = |random: &mut ChaCha8Rng| words.choose(random).map_or_else(|| "a".into(), |w| (*w).to_owned());
    match (random.gen_range(0..12), &mut *at) {
        (0..3, Value::Object(map)) if !map.is_empty() => {
            let key = map.keys().nth(random.gen_range(0..map.len())).cloned().unwrap_or_default();
            let value = map.shift_remove(&key).unwrap_or_default();
            match random.gen_range(0..3) {
                0 => {}
                1 => drop(map.insert(word(random), value)),
                _ => {
                    map.insert(key, value.clone());
                    map.insert(word(random), value);
                }
            }
        }
        (0..3, Value::Array(list)) if !list.is_empty() => {
            let place = random.gen_range(0..list.len());
            let value = list[place].clone();
            match random.gen_range(0..3) {
                0 => drop(list.remove(place)),
                1 => list.extend(std::iter::repeat_n(value, 1 << random.gen_range(0..9))),
                _ => list.insert(place, leaf(random, words)),
            }
        }
        (3, _) => {
            // A part of another input, or of the same.
            let (mut other, count) = (other.clone(), nodes(other));
            let mut place = random.gen_range(0..count);
            if let Some(part) = node(&mut other, &mut place) {
                *at = part.take();
            }
        }
        (4, _) => {
            let deep = 1 << random.gen_range(0..8);
            let value = at.take();
            let wrap = |value: Value, _| if random.r#gen() { json!([value]) } else { json!({ word(random): value }) };
            *at = (0..deep).fold(value, wrap);
        }
        (5, _) => *at = json!(word(random)),
        _ => *at = leaf(random, words),
    }
}

fn leaf(random: &mut ChaCha8Rng, words: &[&str]) -> Value {
    match random.gen_range(0..10) {
        0 => Value::Null,
        1 => json!(random.r#gen::<bool>()),
        2 => json!([]),
        3 => Value::Object(Map::new()),
        4 => json!(text(random)),
        5 => json!(words.choose(random).copied().unwrap_or("a")),
        _ => serde_json::from_str(number(random)).unwrap_or_else(|_| json!(number(random))),
    }
}

/// A few edits of a CSV text by its cells, some of its bytes.
pub fn csv(random: &mut ChaCha8Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
    if random.gen_ratio(1, 4) {
        return bytes(random, input, other);
    }
    let text = String::from_utf8_lossy(input).into_owned();
    let mut lines: Vec<Vec<String>> = text.lines().map(|l| l.split(',').map(str::to_owned).collect()).collect();
    for _ in 0..1 << random.gen_range(0..3) {
        if lines.is_empty() {
            break;
        }
        let (row, rows) = (random.gen_range(0..lines.len()), lines.len());
        let column = random.gen_range(0..lines[row].len().max(1));
        // Tables become very wide, and names very long, but not often: each takes time.
        let extreme = if random.gen_ratio(1, 40) { 8 } else { 0 };
        match extreme + random.gen_range(0..8) {
            0 => drop(lines.remove(row)),
            1 => lines.extend(std::iter::repeat_n(lines[row].clone(), 1 << random.gen_range(0..10))),
            2 => lines.iter_mut().for_each(|line| {
                if let Some(cell) = line.get(column).cloned() {
                    line.push(cell);
                }
            }),
            3 => lines.swap(row, random.gen_range(0..rows)),
            4 => lines
                .iter_mut()
                .skip(1)
                .filter_map(|l| l.get_mut(column))
                .for_each(|cell| *cell = number(random).into()),
            5 => {
                if let Some(cell) = lines[row].get_mut(column) {
                    *cell = self::text(random);
                }
            }
            8..12 => {
                let columns = (1 << random.gen_range(6..17)) / rows;
                for (i, line) in lines.iter_mut().enumerate() {
                    line.extend((0..columns).map(|k| if i == 0 { format!("c{k}") } else { "1".into() }));
                }
            }
            12..16 => {
                if let Some(name) = lines[0].get_mut(column) {
                    *name = "x".repeat(1 << random.gen_range(6..19));
                }
            }
            _ => {
                if let Some(cell) = lines[row].get_mut(column) {
                    *cell = number(random).into();
                }
            }
        }
    }
    let mut text = lines.iter().map(|line| line.join(",") + "\n").collect::<String>().into_bytes();
    text.truncate(1 << 20);
    text
}
