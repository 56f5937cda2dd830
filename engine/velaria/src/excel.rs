//! Workbooks in a session.

use velaria_connector::{ExcelSheet, ExcelSheetName, ReadOptions, excel_sheets, open_excel, read_excel};
use velaria_contract::Result;

use crate::Session;
use crate::dataframe::DataFrame;
use crate::plan::files::type_of;

/// A sheet as a frame. Its rows are in memory.
#[derive(Debug, Clone)]
pub struct ExcelFrame {
    /// The name of the sheet.
    pub name: String,
    /// The rows.
    pub frame: DataFrame,
    /// What a person should know: values that became NULL or text, rows that were skipped.
    pub warnings: Vec<String>,
}

impl Session {
    /// A frame over one sheet of a workbook (xlsx, xls, xlsb or ods, by content), which is read now and whole.
    ///
    /// # Errors
    /// `VEL-6001` to `VEL-6004` when the file cannot be opened; `VEL-5007`, `VEL-5008` and `VEL-3001` when it is empty,
    /// damaged, no workbook or encrypted; `VEL-7001` for options that cannot be and for a sheet that is not there;
    /// `VEL-2006` for a name that stands twice in the header; `VEL-5003` for a value of another type than was given.
    pub async fn read_excel(&self, path: &str, options: &ReadOptions) -> Result<ExcelFrame> {
        // Reading a workbook takes long, and must not happen on the thread of a caller that polls once.
        tokio::task::yield_now().await;
        let context = self.context();
        let sheet = open_excel(&context.access, path, options, &|word| type_of(context, word))?;
        self.excel_frame(sheet)
    }

    /// A frame for each sheet that is meant: one, or all that are not hidden for `sheet` `*`.
    ///
    /// # Errors
    /// Those of [`Session::read_excel`].
    pub async fn read_excel_sheets(&self, path: &str, options: &ReadOptions) -> Result<Vec<ExcelFrame>> {
        tokio::task::yield_now().await;
        let context = self.context();
        let sheets = read_excel(&context.access, path, options, &|word| type_of(context, word))?;
        sheets.into_iter().map(|sheet| self.excel_frame(sheet)).collect()
    }

    /// The sheets of a workbook, hidden ones included.
    ///
    /// # Errors
    /// Those of [`Session::read_excel`] that do not come from cells.
    pub async fn excel_sheets(&self, path: &str) -> Result<Vec<ExcelSheetName>> {
        tokio::task::yield_now().await;
        excel_sheets(&self.context().access, path)
    }

    fn excel_frame(&self, sheet: ExcelSheet) -> Result<ExcelFrame> {
        let ExcelSheet { name, schema, batches, warnings } = sheet;
        let frame = DataFrame::from_batches(self.context(), "excel", schema, batches)?;
        Ok(ExcelFrame { name, frame, warnings })
    }
}
