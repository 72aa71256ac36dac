//! The program's own options.

use std::ffi::OsString;

use bakeplan::driver::tools::{self, PlanForm, ToolError};
use bakeplan::driver::{Call, Config};
use bakeplan::world::{RealWorld, Stream};
use clap::error::ContextKind;
use clap::{Parser, ValueEnum};

/// A compiler cache that plans: put it before a compiler's command line, or link a compiler's name to it.
///
///     brioche-cc gcc -O2 -c a.c b.c
///
/// What can't be cached is left to the compiler as if this program were not there. The environment
/// configures it: see --config and the README.
#[derive(Parser)]
#[command(name = "brioche-cc", version, verbatim_doc_comment, arg_required_else_help = true)]
#[command(override_usage = "brioche-cc COMPILER [ARGS]...\n       brioche-cc OPTION [-- COMPILER [ARGS]...]")]
struct Cli {
    #[command(flatten)]
    tool: Tool,

    /// With --show-stats: as JSON
    #[arg(long)]
    json: bool,

    /// The command line that --plan and --explain are asked about
    #[arg(trailing_var_arg = true, value_name = "COMPILER ARGS")]
    command: Vec<OsString>,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
#[allow(clippy::struct_excessive_bools, reason = "one of them is set")]
struct Tool {
    /// Show what a command line means; compiles nothing
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "human")]
    plan: Option<Form>,

    /// Say whether a command line would hit, and if not, what differs from the latest time
    #[arg(long)]
    explain: bool,

    /// Show the store's figures
    #[arg(long)]
    show_stats: bool,

    /// Set the figures to zero
    #[arg(long)]
    zero_stats: bool,

    /// Trim the store to its limit and remove leftovers
    #[arg(long)]
    gc: bool,

    /// Empty the store
    #[arg(long)]
    clear: bool,

    /// Check every byte of the store
    #[arg(long)]
    verify: bool,

    /// Show the configuration in force
    #[arg(long)]
    config: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Human,
    Json,
    Recipe,
}

/// Runs the tool that the call names.
pub(crate) fn run(world: &RealWorld, call: &Call) -> i32 {
    let args = std::iter::once(&call.argv0).chain(&call.args);
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(mut error) => {
            // The tip would have a compiler's option passed as a value, where a compiler is missing.
            error.remove(ContextKind::Suggested);
            let stream = if error.use_stderr() { Stream::Stderr } else { Stream::Stdout };
            super::say(stream, error.to_string().as_bytes());
            return error.exit_code();
        }
    };
    let said = complaint(&cli);
    if let Some(complaint) = said {
        super::say(Stream::Stderr, format!("brioche-cc: {complaint}\n").as_bytes());
        return 2;
    }
    match answer(world, call, &cli) {
        Ok((text, code)) => {
            match super::try_to_say(Stream::Stdout, text.as_bytes()) {
                // Who reads no further has what they want.
                Ok(()) | Err(rustix::io::Errno::PIPE) => code,
                Err(error) => {
                    super::say(Stream::Stderr, format!("brioche-cc: standard output: {error}\n").as_bytes());
                    1
                }
            }
        }
        Err(error) => {
            super::say(Stream::Stderr, format!("brioche-cc: {error}\n").as_bytes());
            1
        }
    }
}

/// What can't be meant.
fn complaint(cli: &Cli) -> Option<&'static str> {
    let asks = cli.tool.plan.is_some() || cli.tool.explain;
    match (asks, cli.command.is_empty()) {
        _ if cli.json && !cli.tool.show_stats => {
            Some("--json goes with --show-stats; for plans see --plan=json")
        }
        (true, true) => Some("name a compiler and its arguments, as in --plan -- gcc -c a.c"),
        (false, false) => Some("only --plan and --explain take a command line"),
        _ => None,
    }
}

fn answer(world: &RealWorld, call: &Call, cli: &Cli) -> Result<(String, i32), ToolError> {
    let Tool { plan, explain, show_stats, zero_stats, gc, clear, verify, config: _ } = cli.tool;
    let config = Config::read(world);
    let done = |text| Ok((text, 0));
    if let Some(form) = plan {
        let form = match form {
            Form::Human => PlanForm::Human,
            Form::Json => PlanForm::Json,
            Form::Recipe => PlanForm::Recipe,
        };
        return done(tools::plan(world, &call.executable, &cli.command, form)?);
    }
    if explain {
        return done(tools::explain(world, &call.executable, &cli.command)?);
    }
    if !(show_stats || zero_stats || gc || clear || verify) {
        return done(tools::configuration(&config));
    }
    let store = config.open_store()?;
    if show_stats {
        return done(tools::statistics(&store, &config, cli.json)?);
    }
    if zero_stats {
        store.zero_statistics()?;
        return done("figures set to zero\n".to_owned());
    }
    if gc {
        return done(tools::collect(&store)?);
    }
    if clear {
        store.clear()?;
        return done("store emptied; the figures stay (--zero-stats)\n".to_owned());
    }
    let (text, clean) = tools::verify(&store)?;
    Ok((text, i32::from(!clean)))
}
