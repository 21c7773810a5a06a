//! Fills the replies of a real server into a script.

use std::net::SocketAddr;

use super::Subject;
use super::replay::{Played, Player};
use super::script::{Script, Step};
use super::text::shorten;

/// The script's text with the real server's replies. What already matches stays as it is, and so does what is
/// for Tidegate only.
pub fn record(script: &Script, address: SocketAddr) -> Result<String, String> {
    let mut player = Player::new(script, address);
    let mut text = Vec::new();
    let mut written = 0;
    for step in script.steps.iter().filter(|step| step.only.is_none_or(|only| only.holds(Subject::Real))) {
        let expected = script.expected(step, Subject::Real);
        let answer =
            player.record(step, expected).map_err(|error| format!("{}: {error}", script.place(step.line)))?;
        if step.head.until && !answer.matches {
            let got = answer.lines.join(" ");
            return Err(format!(
                "{}: until> wants its reply written by hand; last: {got}",
                script.place(step.line)
            ));
        }
        text.extend_from_slice(&script.lines[written..step.line]);
        text.push(request_line(script, step, &answer));
        text.extend_from_slice(&script.lines[step.line + 1..step.expected.start]);
        if answer.matches {
            text.extend_from_slice(expected);
        } else {
            let end = answer.lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
            text.extend(answer.lines[..end].iter().map(|line| shorten(line)));
        }
        written = step.expected.end;
    }
    text.extend_from_slice(&script.lines[written..]);
    Ok(text.join("\n") + "\n")
}

/// The request's line, with the number of replies there really were.
fn request_line(script: &Script, step: &Step, answer: &Played) -> String {
    let line = &script.lines[step.line];
    if answer.replies == step.head.replies {
        return line.clone();
    }
    let (head, rest) = line.split_once('>').expect("a request has it");
    let mut words: Vec<String> = head
        .split(' ')
        .filter(|word| !word.is_empty() && word.parse::<usize>().is_err())
        .map(str::to_owned)
        .collect();
    if answer.replies != 1 {
        words.push(answer.replies.to_string());
    }
    format!("{}>{rest}", words.join(" "))
}
