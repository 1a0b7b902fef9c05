//! What docs/run-it.md tells its readers to type is what the rehearsal carries out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A text of this repository.
fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)).unwrap()
}

/// The commands in the blocks of a page, on one's own machine (`$`) and on the server (`#`), without remarks.
fn commands(page: &str) -> BTreeSet<&str> {
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("console\n"));
    let lines =
        blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ").or(line.strip_prefix("# ")));
    lines.map(|line| line.split("  # ").next().unwrap_or(line).trim_end()).collect()
}

/// The commands that the rehearsal carries out as they stand: each is the one argument of `guide`, in quotes.
fn rehearsed(script: &str) -> BTreeSet<&str> {
    let lines = script.lines().filter(|line| !line.trim_start().starts_with('#'));
    let calls = lines.filter_map(|line| line.trim_start().split_once("guide ").map(|(_, rest)| rest));
    let quoted = calls.filter_map(|rest| {
        let quote = rest.chars().next().filter(|first| ['\'', '"'].contains(first))?;
        rest[1..].split_once(quote).map(|(command, _)| command)
    });
    quoted.collect()
}

#[test]
fn every_command_of_the_guide_is_carried_out_in_the_rehearsal_and_no_other() {
    let (page, script) = (text("docs/run-it.md"), text("deploy/rehearsal/run"));
    let (told, rehearsed) = (commands(&page), rehearsed(&script));
    assert!(told.len() >= 20, "only {} commands were found", told.len());
    let left: Vec<_> = told.difference(&rehearsed).collect();
    assert!(left.is_empty(), "the rehearsal does not run: {left:#?}");
    let unknown: Vec<_> = rehearsed.difference(&told).collect();
    assert!(unknown.is_empty(), "the guide does not tell: {unknown:#?}");
}

#[test]
fn a_command_in_a_sentence_of_the_guide_is_one_of_its_blocks_or_a_form() {
    let page = text("docs/run-it.md");
    let told = commands(&page);
    let sentences: String = page.split("```").step_by(2).collect();
    let in_sentences = sentences.split('`').skip(1).step_by(2);
    // `deploy/release ENVIRONMENT …` says how a command is put together.
    let typed = in_sentences.filter(|code| code.starts_with("deploy/") && code.contains(' '));
    for command in typed.filter(|code| !code.contains("ENVIRONMENT")) {
        assert!(told.contains(command), "no block has: {command}");
    }
}

#[test]
fn what_the_guide_tells_and_the_rehearsal_leaves_out_is_found() {
    let page =
        "```console\n$ deploy/run production status      # what serves\n# reboot\nanswers\n```\n`deploy/x`\n";
    assert_eq!(commands(page), BTreeSet::from(["deploy/run production status", "reboot"]));
    let script =
        "  guide 'reboot' || failed \"no way\"\nguide \"echo 'a'\" > x\n# guide 'nothing'\nguide() {\n";
    assert_eq!(rehearsed(script), BTreeSet::from(["reboot", "echo 'a'"]));
}
