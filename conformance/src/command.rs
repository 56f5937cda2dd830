//! The command: arguments, the loop over surfaces and files, and the exit code.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::corpus::{self, CorpusFile, DataFile, data_files, slt_files};
use crate::engine::{CliSurface, EngineSurface, PythonSurface, ReplaySurface, Surface, default_cli, default_python};
use crate::kill::{self, Kill, Worker};
use crate::report::{FileReport, Report, SkippedRecords, SurfaceReport};
use crate::runs::{self, Runs};
use crate::suite::{Suite, SurfaceName};
use crate::{Error, Result, find_root, functions, update, workload};

/// Runs the corpus on every surface with the same expected results.
#[derive(Debug, Parser)]
#[command(name = "velaria-conformance")]
enum Command {
    /// Run a suite.
    Run(Run),
    /// Run the example of every function, and compare docs/sql/functions.md with it.
    Functions(Functions),
    /// Kill stream queries at random moments, and compare what is left with what was promised.
    Kill(Kill),
    /// Start tracked runs, many at a time, kill some of them, and look at what is left.
    Runs(Runs),
    /// The process that `kill` kills.
    #[command(hide = true)]
    CrashWorker(Worker),
}

#[derive(Debug, clap::Args)]
struct Functions {
    /// Write the page instead of comparing it.
    #[arg(long)]
    write: bool,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// The suite: a file of conformance/suites, without its ending.
    #[arg(long, default_value = "core")]
    suite: String,
    /// Only this surface; may be given more than once.
    #[arg(long = "surface", value_enum)]
    surfaces: Vec<SurfaceName>,
    /// Only files whose name below sqllogic contains this text.
    #[arg(long)]
    filter: Option<String>,
    /// Write the report as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The interpreter with the installed package.
    #[arg(long)]
    python: Option<PathBuf>,
    /// The command line binary.
    #[arg(long)]
    cli: Option<PathBuf>,
    /// Where the surface `replay` cuts tables into micro-batches.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rewrite the expected results to what engine-1 answers. For authors only.
    #[arg(long, conflicts_with_all = ["surfaces", "json"])]
    update: bool,
}

/// Runs the command; `0` when everything passed, `1` when something failed, `2` when the command cannot run.
pub fn main(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> ExitCode {
    let done = match Command::parse_from(args) {
        Command::Run(run) => execute(&run, out),
        Command::Functions(functions) => execute_functions(&functions, out),
        Command::Kill(kill) => kill::execute(&kill, out),
        Command::Runs(runs) => runs::execute(&runs, out),
        Command::CrashWorker(worker) => kill::work(&worker),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to tell when stderr is closed.
            let _ = writeln!(err, "velaria-conformance: {error}");
            ExitCode::from(2)
        }
    }
}

fn execute_functions(functions: &Functions, out: &mut dyn Write) -> Result<bool> {
    let current = std::env::current_dir().map_err(Error::io(Path::new(".")))?;
    let root = find_root(&current)?;
    let made = [(functions::PAGE, functions::page(&root)?), (functions::HELP, functions::help(&root)?)];
    let mut is_fresh = true;
    for (name, text) in made {
        let path = root.join(name);
        if functions.write {
            std::fs::write(&path, text).map_err(Error::io(&path))?;
        } else if std::fs::read_to_string(&path).map_err(Error::io(&path))? != text {
            is_fresh = false;
            writeln!(out, "{name} is stale: write it with `velaria-conformance functions --write`")?;
        }
    }
    Ok(is_fresh)
}

fn execute(run: &Run, out: &mut dyn Write) -> Result<bool> {
    let current = std::env::current_dir().map_err(Error::io(Path::new(".")))?;
    let root = find_root(&current)?;
    let json = run.json.as_ref().map(|path| current.join(path));
    // Records name files as a reader of the repository sees them.
    std::env::set_current_dir(&root).map_err(Error::io(&root))?;
    let suite = Suite::read(&root, &run.suite)?;
    let plan = Plan { files: filtered(slt_files(&root, &suite.folders)?, run), data: data_files(&root)?, suite, root };
    if run.update {
        return plan.update(out);
    }
    let surfaces = plan.surfaces(run).into_iter().map(|name| plan.run_surface(name, run)).collect::<Result<_>>()?;
    let report = Report::new(&run.suite, surfaces);
    report.print(out)?;
    if let Some(path) = &json {
        write_json(path, &report)?;
    }
    Ok(report.is_success())
}

fn filtered(files: Vec<CorpusFile>, run: &Run) -> Vec<CorpusFile> {
    files.into_iter().filter(|file| is_wanted(&file.name, run)).collect()
}

fn is_wanted(name: &str, run: &Run) -> bool {
    run.filter.as_deref().is_none_or(|filter| name.contains(filter))
}

fn write_json(path: &Path, report: &Report) -> Result<()> {
    let text = velaria::json::to_pretty(report).map_err(|error| Error::Usage(error.to_string()))?;
    std::fs::write(path, text).map_err(Error::io(path))
}

/// What is to be run.
struct Plan {
    root: PathBuf,
    suite: Suite,
    files: Vec<CorpusFile>,
    data: Vec<DataFile>,
}

impl Plan {
    fn surfaces(&self, run: &Run) -> Vec<SurfaceName> {
        let wanted = |name: &SurfaceName| run.surfaces.is_empty() || run.surfaces.contains(name);
        self.suite.surfaces.iter().copied().filter(wanted).collect()
    }

    fn run_surface(&self, name: SurfaceName, run: &Run) -> Result<SurfaceReport> {
        let surface = self.surface(name, run);
        let mut files = Vec::new();
        for file in &self.files {
            files.push(match self.suite.skip_reason(name, &file.name) {
                Some(reason) => skipped(file, reason)?,
                None => corpus::run_file(surface.as_ref(), &self.data, file),
            });
        }
        if self.suite.workloads
            && let Some(threads) = name.threads()
        {
            files.extend(workload::check_all(&self.root, threads, |name| is_wanted(name, run))?);
        }
        Ok(SurfaceReport::new(name.as_str(), files).with_notes(surface.notes()))
    }

    fn surface(&self, name: SurfaceName, run: &Run) -> Box<dyn Surface> {
        match name {
            SurfaceName::Engine1 => Box::new(EngineSurface::new(1)),
            SurfaceName::Engine4 => Box::new(EngineSurface::new(4)),
            SurfaceName::Python => {
                let python = run.python.clone().unwrap_or_else(|| default_python(&self.root));
                Box::new(PythonSurface::new(python, &self.root))
            }
            SurfaceName::Replay => Box::new(ReplaySurface::new(run.seed)),
            SurfaceName::Cli => Box::new(CliSurface::new(run.cli.clone().unwrap_or_else(default_cli))),
        }
    }

    fn update(&self, out: &mut dyn Write) -> Result<bool> {
        let surface = EngineSurface::new(1);
        for file in &self.files {
            if update::update_file(&surface, &self.data, file)? {
                writeln!(out, "updated {}", file.name)?;
            }
        }
        Ok(true)
    }
}

fn skipped(file: &CorpusFile, reason: &str) -> Result<FileReport> {
    let mut report = FileReport::new(&file.name);
    let records = corpus::count_records(&corpus::parse(file)?);
    report.skip(SkippedRecords { line: 0, records, reason: reason.to_owned() });
    Ok(report)
}
