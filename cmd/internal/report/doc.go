// Package report draws the facts of an audit as one HTML file for a person. DESIGN.md says why
// it is built as it is.
//
// Its rule: the file works alone. It asks no server for anything, its policy forbids it to, and
// it can be read without its script. Every text of a dataset goes through html/template and
// audit.Printable; nothing of the dataset stands inside a script.
//
// What it costs: under 5 MB, whatever the dataset; longer lists are cut, and say so.
package report
