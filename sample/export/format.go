package export

import (
	"fmt"
	"io"
	"slices"
)

// A Format is one kind of file. To add one, write its row and put it into Formats.
type Format struct {
	Name      string // Example: "verl"
	Extension string // Example: ".parquet"
	About     string // one line for the help
	Tokens    bool   // its rows carry prompt_tokens
	Lean      bool   // it can be made of a dataset without text
	Mark      string // a text that its trainer does not take as text; empty: none

	open func(io.Writer) encoder
}

// An encoder writes rows in one format.
type encoder interface {
	Encode(r *Row) error
	Close() error // writes what is left; the writer below stays open
}

// Formats are all formats, in the order of the help.
var Formats = []Format{
	{Name: "verl", Extension: ".parquet", About: "verl, any version: chat, data_source, reward_model, extra_info", open: parquetOf(verlOf)},
	{Name: "trl", Extension: ".parquet", About: "TRL: chat, and columns that reach the reward function", open: parquetOf(trlOf)},
	{Name: "openrlhf", Extension: ".jsonl", About: "OpenRLHF: chat, and a label that carries sample_id and answers", Mark: "<image>", open: jsonlOf(openrlhfOf)},
	{Name: "hf", Extension: ".parquet", About: "Hugging Face datasets, own loops: chat, ids and all columns", Tokens: true, Lean: true, open: parquetOf(hfOf)},
	{Name: "jsonl", Extension: ".jsonl", About: "one JSON object a line: chat and all columns but the ids", open: jsonlOf(jsonlRowOf)},
}

// Lookup finds a format by its name.
func Lookup(name string) (Format, bool) {
	i := slices.IndexFunc(Formats, func(f Format) bool { return f.Name == name })
	if i < 0 {
		return Format{}, false
	}
	return Formats[i], true
}

// Names returns the names of all formats.
func Names() []string {
	names := make([]string, len(Formats))
	for i, f := range Formats {
		names[i] = f.Name
	}
	return names
}

// encode writes rows into w.
func (f Format) encode(w io.Writer, rows func(yield func(*Row, error) bool)) error {
	e := f.open(w)
	for r, err := range rows {
		if err == nil {
			err = e.Encode(r)
		}
		if err != nil {
			return err
		}
	}
	if err := e.Close(); err != nil {
		return fmt.Errorf("end of the file: %w", err)
	}
	return nil
}
