//! Numbers, quoted strings and URL paths, written to a string without intermediate ones.

/// Decimal digits of the largest number.
const DIGITS: usize = 20;

/// Appends `number` in decimal.
pub(super) fn number(out: &mut String, mut number: u64) {
    let mut digits = [b'0'; DIGITS];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(number);
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    push_digits(out, digits.get(DIGITS - used..).unwrap_or_default());
}

/// Appends a number of thousandths with three digits after the point.
pub(super) fn thousandths(out: &mut String, value: u64) {
    number(out, value / 1000);
    let digits = [b'.', digit_of(value / 100), digit_of(value / 10), digit_of(value)];
    push_digits(out, &digits);
}

/// The last decimal digit of a number.
fn digit_of(number: u64) -> u8 {
    u8::try_from(number % 10).map_or(b'0', |digit| b'0' + digit)
}

fn push_digits(out: &mut String, digits: &[u8]) {
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// Appends bytes as hexadecimal in capitals.
pub(super) fn hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            let digit = char::from_digit(nibble.into(), 16).unwrap_or('0');
            out.push(digit.to_ascii_uppercase());
        }
    }
}

/// Appends a quoted string (RFC 8216, 4.2), which holds neither quotes nor line ends: those become other characters.
pub(super) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    out.extend(text.chars().map(|c| match c {
        '"' => '\'',
        c if c.is_control() => ' ',
        c => c,
    }));
    out.push('"');
}

/// Appends a path as URLs have it: what may not stand in one (RFC 3986, 3.3) is percent-encoded.
pub(super) fn path(out: &mut String, path: &str) {
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'@' => out.push(char::from(byte)),
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                hex(out, &[byte]);
            }
        }
    }
}
