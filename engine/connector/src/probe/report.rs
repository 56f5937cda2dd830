//! A report as text, for people.

use std::fmt;

use super::Probe;

/// The names that are shown on one line.
const NAMES_SHOWN: usize = 20;

impl fmt::Display for Probe {
    /// What the file is, what is uncertain, and the calls; one thing a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "file", &self.path)?;
        line(f, "format", &format!("{} (score {}, {} confidence)", self.final_format, self.score, self.confidence))?;
        if let (Some(encoding), Some(reason)) = (&self.encoding, &self.encoding_reason) {
            line(f, "encoding", &format!("{encoding} ({reason})"))?;
        }
        if let Some(compression) = self.compression {
            line(f, "compression", compression)?;
        }
        for (name, value) in &self.options {
            if !matches!(name.as_str(), "encoding" | "compression" | "mappings" | "format") {
                line(f, name, &value.to_string())?;
            }
        }
        line(f, "columns", &self.columns_text())?;
        for warning in &self.warnings {
            line(f, "warning", warning)?;
        }
        for other in self.candidates.iter().skip(1) {
            line(
                f,
                "candidate",
                &format!("{} (score {}): {}, {}", other.format, other.score, other.reason, other.evidence.join(", ")),
            )?;
        }
        line(f, "python", &self.calls.python)?;
        line(f, "sql", &self.calls.sql)?;
        line(f, "shell", &self.calls.shell)
    }
}

impl Probe {
    fn columns_text(&self) -> String {
        let field = |field: &super::ProbeField| match &field.data_type {
            Some(data_type) => format!("{} {data_type}", field.name),
            None => field.name.clone(),
        };
        let names: Vec<String> = self.fields.iter().take(NAMES_SHOWN).map(field).collect();
        let more = if self.fields.len() > NAMES_SHOWN { ", …" } else { "" };
        format!("{} ({}{more})", self.fields.len(), names.join(", "))
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "{:<12} {text}", format!("{name}:"))
}
