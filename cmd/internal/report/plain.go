package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed plain.tmpl
var plainText string

var plainPage = template.Must(template.Must(page.Clone()).Parse(plainText))

// A Plain is a page with one table and some figures.
type Plain struct {
	Title    string
	Markdown string // a paragraph, an empty line, and a table as Markdown has it
	Figures  []TrainingFigure

	Style  template.CSS
	Script template.JS
	Policy string
	Intro  string
	Rows   [][]string // the first is the head
}

// WritePlain draws the page as one HTML file.
func WritePlain(w io.Writer, p Plain) error {
	p.Style, p.Script, p.Policy = template.CSS(style), template.JS(script), policy()
	intro, rest, _ := strings.Cut(p.Markdown, "\n\n")
	p.Intro = intro
	for row := range strings.Lines(rest) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		if strings.Trim(cells[0], "-: ") == "" {
			continue
		}
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		p.Rows = append(p.Rows, cells)
	}
	return plainPage.ExecuteTemplate(w, "plain", &p)
}
