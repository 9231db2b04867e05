//! `anode man`: one page with every command and its options.

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::arguments::{Cli, EXIT_CODES};
use super::error::CliError;
use super::output::print;

/// Prints the man page.
///
/// # Errors
/// None that a caller can cause.
pub fn man() -> Result<(), CliError> {
    let text = page().map_err(CliError::io("man page"))?;
    print(text.trim_end());
    Ok(())
}

fn page() -> std::io::Result<String> {
    // The exit codes get a section of the usual name.
    let command = Cli::command().after_help(None::<&str>);
    let whole = Man::new(command.clone());
    let mut out = vec![];
    whole.render_title(&mut out)?;
    whole.render_name_section(&mut out)?;
    whole.render_synopsis_section(&mut out)?;
    whole.render_description_section(&mut out)?;
    whole.render_options_section(&mut out)?;
    whole.render_subcommands_section(&mut out)?;
    let mut text = String::from_utf8_lossy(&out).into_owned();
    text =
        text.replace(".SH OPTIONS\n", ".SH \"OPTIONS OF ALL COMMANDS\"\n").replace(".SH SUBCOMMANDS", ".SH COMMANDS");
    for verb in command.get_subcommands() {
        let name = verb.get_name();
        // Every command stands on this page; it has none of its own.
        text = text.replace(&format!("anode\\-{name}(1)"), &format!("anode {name}"));
        text += &options(name, verb)?;
        for nested in verb.get_subcommands() {
            text += &options(&format!("{name} {}", nested.get_name()), nested)?;
        }
    }
    text = text.replace("anode\\-help(1)", "anode help");
    text += ".SH \"EXIT STATUS\"\n";
    for line in EXIT_CODES.lines().skip(1).map(|line| line.trim().replace('-', "\\-")) {
        match line.split_once(' ').filter(|_| line.starts_with(|c: char| c.is_ascii_digit())) {
            Some((code, meaning)) => text += &format!(".TP\n{code}\n{}\n", meaning.trim()),
            // The rest of the meaning of the code before.
            None => text += &format!("{line}\n"),
        }
    }
    Ok(text)
}

/// The section of a command's own options, where it has some.
fn options(name: &str, verb: &Command) -> std::io::Result<String> {
    if verb.get_arguments().all(|argument| argument.get_id() == "help") {
        return Ok(String::new());
    }
    let mut options = vec![];
    Man::new(verb.clone()).render_options_section(&mut options)?;
    let title = format!(".SH \"OPTIONS OF ANODE {}\"\n", name.to_uppercase());
    Ok(String::from_utf8_lossy(&options).replace(".SH OPTIONS\n", &title))
}
