//! A schedule as a picture: which snapshot lives when, and what each action does.

use super::{Action, Method, schedule};

/// A schedule as text, a line an action: `o` marks a snapshot that is alive, `-` a plain step, `=` a taped one, `<` one that
/// is reversed. `None` for the continuous adjoints, which have no schedule.
pub fn diagram(method: Method, steps: usize) -> Option<String> {
    let mut alive = vec![false; steps + 1];
    let (mut at, mut taped, mut text) = (0, vec![], String::new());
    for action in schedule(method, steps)? {
        let mut marks = vec![' '; steps];
        let said = match action {
            Action::Advance { to } => {
                marks[at..to].fill('-');
                at = to;
                format!("advance to {to}")
            }
            Action::Tape => {
                marks[at] = '=';
                taped.push(at);
                at += 1;
                format!("tape step {}", at - 1)
            }
            Action::Store => {
                alive[at] = true;
                format!("store {at}")
            }
            Action::Restore { step } => {
                at = step;
                format!("restore {step}")
            }
            Action::Free { step } => {
                alive[step] = false;
                format!("free {step}")
            }
            Action::Turn => "turn: the cotangent arrives".into(),
            Action::Reverse => {
                let step = taped.pop().unwrap_or_default();
                marks[step] = '<';
                format!("reverse step {step}")
            }
        };
        let snapshot = |i: usize| if alive[i] { 'o' } else { '.' };
        let line: String = (0..steps).flat_map(|i| [snapshot(i), marks[i]]).chain([snapshot(steps)]).collect();
        text += &format!("{line}  {said}\n");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagram_shows_snapshots_and_steps() {
        let shown = diagram(Method::Revolve(2), 3).unwrap();
        let expected = "\
o . . .  store 0
o-. . .  advance to 1
o o . .  store 1
o o-. .  advance to 2
o o .=.  tape step 2
o o . .  turn: the cotangent arrives
o o .<.  reverse step 2
o o . .  restore 1
o o=. .  tape step 1
o o<. .  reverse step 1
o . . .  free 1
o . . .  restore 0
o=. . .  tape step 0
o<. . .  reverse step 0
. . . .  free 0
";
        assert_eq!(shown, expected);
        assert_eq!(diagram(Method::ReverseTime, 3), None);
    }
}
