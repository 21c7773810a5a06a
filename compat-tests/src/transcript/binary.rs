//! Memcached's binary protocol in symbols: `get key=k` out, `get status=0000 …` in.
//!
//! Source: memcached `doc/protocol-binary.txt`.

use super::text::{Names, Place, escape, hex, words};
use crate::wire::{Silence, Wire};

const OPCODES: [(u8, &str); 39] = [
    (0x00, "get"),
    (0x01, "set"),
    (0x02, "add"),
    (0x03, "replace"),
    (0x04, "delete"),
    (0x05, "increment"),
    (0x06, "decrement"),
    (0x07, "quit"),
    (0x08, "flush"),
    (0x09, "getq"),
    (0x0a, "noop"),
    (0x0b, "version"),
    (0x0c, "getk"),
    (0x0d, "getkq"),
    (0x0e, "append"),
    (0x0f, "prepend"),
    (0x10, "stat"),
    (0x11, "setq"),
    (0x12, "addq"),
    (0x13, "replaceq"),
    (0x14, "deleteq"),
    (0x15, "incrementq"),
    (0x16, "decrementq"),
    (0x17, "quitq"),
    (0x18, "flushq"),
    (0x19, "appendq"),
    (0x1a, "prependq"),
    (0x1b, "verbosity"),
    (0x1c, "touch"),
    (0x1d, "gat"),
    (0x1e, "gatq"),
    (0x20, "sasllist"),
    (0x21, "saslauth"),
    (0x22, "saslstep"),
    (0x23, "gatk"),
    (0x24, "gatkq"),
    (0x30, "rget"),
    (0x31, "rset"),
    (0x32, "rsetq"),
];

/// The fields of a request before it is packed.
#[derive(Default)]
struct Fields {
    key: Vec<u8>,
    value: Vec<u8>,
    extras: Option<Vec<u8>>,
    flags: u32,
    exptime: Option<u32>,
    delta: Option<u64>,
    initial: u64,
    level: u32,
    opaque: u32,
    cas: u64,
    vbucket: u16,
    data_type: u8,
}

/// Packs a request written in symbols.
pub(crate) fn request(line: &str, names: &Names) -> Result<Vec<u8>, String> {
    let words = words(line)?;
    let (name, fields) = words.split_first().ok_or("an opcode is missing")?;
    let opcode = opcode(&String::from_utf8_lossy(name))?;
    let fields = parse_fields(fields, names)?;
    let extras = fields.extras.clone().unwrap_or_else(|| extras(opcode, &fields));
    let body = extras.len() + fields.key.len() + fields.value.len();
    let mut packet = vec![0x80, opcode];
    packet.extend((fields.key.len() as u16).to_be_bytes());
    packet.extend([extras.len() as u8, fields.data_type]);
    packet.extend(fields.vbucket.to_be_bytes());
    packet.extend((body as u32).to_be_bytes());
    packet.extend(fields.opaque.to_be_bytes());
    packet.extend(fields.cas.to_be_bytes());
    packet.extend(extras);
    packet.extend(fields.key);
    packet.extend(fields.value);
    Ok(packet)
}

fn opcode(name: &str) -> Result<u8, String> {
    if let Some(digits) = name.strip_prefix("0x") {
        return u8::from_str_radix(digits, 16).map_err(|error| error.to_string());
    }
    let known = OPCODES.iter().find(|(_, known)| *known == name);
    known.map(|(code, _)| *code).ok_or_else(|| format!("`{name}` is no opcode"))
}

fn parse_fields(words: &[Vec<u8>], names: &Names) -> Result<Fields, String> {
    let mut fields = Fields::default();
    for word in words {
        let word = names.fill(word, Place::Request)?;
        let equals = word.iter().position(|byte| *byte == b'=').ok_or("name=value expected")?;
        let (name, value) = (&word[..equals], &word[equals + 1..]);
        let text = String::from_utf8_lossy(value);
        let number = || match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).map_err(|error| error.to_string()),
            None => text.parse::<u64>().map_err(|error| error.to_string()),
        };
        match name {
            b"key" => fields.key = value.to_vec(),
            b"value" => fields.value = value.to_vec(),
            b"extras" => fields.extras = Some(hex(value)?),
            b"flags" => fields.flags = number()? as u32,
            b"exptime" => fields.exptime = Some(number()? as u32),
            b"delta" => fields.delta = Some(number()?),
            b"initial" => fields.initial = number()?,
            b"level" => fields.level = number()? as u32,
            b"opaque" => fields.opaque = number()? as u32,
            b"cas" => fields.cas = number()?,
            b"vbucket" => fields.vbucket = number()? as u16,
            b"type" => fields.data_type = number()? as u8,
            _ => return Err(format!("`{}` is no field", String::from_utf8_lossy(name))),
        }
    }
    Ok(fields)
}

/// The extras an opcode requires.
fn extras(opcode: u8, fields: &Fields) -> Vec<u8> {
    let exptime = fields.exptime.unwrap_or(0).to_be_bytes();
    match opcode {
        0x01..=0x03 | 0x11..=0x13 => [fields.flags.to_be_bytes(), exptime].concat(),
        0x05 | 0x06 | 0x15 | 0x16 => {
            let delta = fields.delta.unwrap_or(1).to_be_bytes();
            [&delta[..], &fields.initial.to_be_bytes(), &exptime].concat()
        }
        0x08 | 0x18 => fields.exptime.map(|exptime| exptime.to_be_bytes().to_vec()).unwrap_or_default(),
        0x1b => fields.level.to_be_bytes().to_vec(),
        0x1c..=0x1e | 0x23 | 0x24 => exptime.to_vec(),
        _ => Vec::new(),
    }
}

/// Reads one reply: a packet, or for `stat` all packets to the empty one.
pub(crate) fn read(wire: &mut Wire, names: &mut Names) -> Result<Vec<String>, Silence> {
    let mut lines = Vec::new();
    loop {
        let header = wire.bytes(24)?;
        let body_bytes = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let body = wire.bytes(body_bytes)?;
        let key_bytes = usize::from(u16::from_be_bytes([header[2], header[3]]));
        lines.push(show(&header, &body, names));
        if header[1] != 0x10 || key_bytes == 0 {
            return Ok(lines);
        }
    }
}

fn show(header: &[u8], body: &[u8], names: &mut Names) -> String {
    let known = OPCODES.iter().find(|(code, _)| *code == header[1]);
    let name = known.map_or_else(|| format!("0x{:02x}", header[1]), |(_, name)| (*name).to_owned());
    let digits =
        |bytes: &[u8]| bytes.iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"));
    let extras_end = usize::from(header[4]).min(body.len());
    let key_end = (extras_end + usize::from(u16::from_be_bytes([header[2], header[3]]))).min(body.len());
    let cas = u64::from_be_bytes(header[16..24].try_into().expect("a header is 24 bytes"));
    let magic = if header[0] == 0x81 { String::new() } else { format!("magic={:02x} ", header[0]) };
    let data_type = if header[5] == 0 { String::new() } else { format!("type={:02x} ", header[5]) };
    format!(
        "{magic}{name} {data_type}status={} opaque={} cas={} extras={} key={} value={}",
        digits(&header[6..8]),
        digits(&header[12..16]),
        names.cas(cas),
        digits(&body[..extras_end]),
        escape(&body[extras_end..key_end]).replace(' ', "\\x20"),
        escape(&body[key_end..]),
    )
    .trim_end()
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_packed_as_the_protocol_describes() {
        let names = Names::default();
        let packet = request("add key=Hello value=World flags=0xdeadbeef exptime=0xe10", &names).unwrap();
        let expected = "80 02 0005 08 00 0000 00000012 00000000 0000000000000000 deadbeef 00000e10 48656c6c6f 576f726c64";
        assert_eq!(packet, hex(expected.as_bytes()).unwrap());
    }
}
