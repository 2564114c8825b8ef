package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/sample/audit"
)

// auditWidth bounds the lines of the summary.
const auditWidth = 98

// paint is whether to write colours.
type paint bool

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	yellow = "33"
)

func (p paint) in(code, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// printAudit writes the summary for a terminal: findings first, then how the samples are spread.
func printAudit(w io.Writer, dir string, f *audit.Facts, p paint) error {
	b := new(strings.Builder)
	t := &f.Totals
	fmt.Fprintf(b, "%s  dataset %.12s, history %.12s", p.in(bold, audit.PrintableLine(dir)), f.Dataset.ID, f.History.Snapshot)
	for _, r := range f.History.Runs {
		if r.Chosen {
			fmt.Fprintf(b, ", run %s", audit.PrintableLine(r.Name))
		}
	}
	fmt.Fprintf(b, "\n%s samples, %s with a known reward; %s groups, %s rollouts, %s without a reward\n\n",
		cli.Count(t.Samples), cli.Count(t.Known), cli.Count(t.Groups), cli.Count(t.Rollouts), cli.Count(t.RolloutsUnknown))
	printFindings(b, f, p)
	if t.Known > 0 {
		printStates(b, f)
		printSets(b, f)
		printAgain(b, f)
		printSamples(b, f, "unlearnable so far", f.Unlearnable)
		printSamples(b, f, "hardest that may still be learned", f.Hardest)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printFindings writes what asks for a person in full, and notes in one line each where they fit.
func printFindings(b *strings.Builder, f *audit.Facts, p paint) {
	if len(f.Findings) == 0 {
		b.WriteString("nothing stands out\n\n")
	}
	for _, x := range f.Findings {
		mark := p.in(dim, "note")
		if x.Level == audit.Look {
			mark = p.in(bold+";"+red, "LOOK")
		}
		lines := wrap(audit.PrintableLine(x.Text), auditWidth-6)
		for i, line := range lines {
			if i > 0 {
				mark = "    "
			}
			fmt.Fprintf(b, "%s  %s\n", mark, line)
		}
		if x.Level == audit.Look {
			for i, line := range wrap(audit.PrintableLine(x.Hint), auditWidth-9) {
				arrow := "→"
				if i > 0 {
					arrow = " "
				}
				fmt.Fprintf(b, "      %s %s\n", arrow, p.in(yellow, line))
			}
		}
	}
	if len(f.Findings) > 0 {
		b.WriteByte('\n')
	}
}

// wrap breaks a text at spaces.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func printStates(b *strings.Builder, f *audit.Facts) {
	var largest int64
	order := []audit.State{audit.Unlearnable, audit.NoSuccess, audit.Learning, audit.Solved, audit.NoReward, audit.NeverVisited}
	for _, s := range order {
		largest = max(largest, f.Totals.States.Of(s))
	}
	b.WriteString("samples by what is known of them\n")
	for _, s := range order {
		n := f.Totals.States.Of(s)
		fmt.Fprintf(b, "%15s │%-40s %s\n", strings.ReplaceAll(s.String(), "_", " "), cli.Bar(n, largest, 40), cli.Count(n))
	}
	b.WriteByte('\n')
}

// maxPrintedSets bounds the rows of one kind of sets.
const maxPrintedSets = 8

func printSets(b *strings.Builder, f *audit.Facts) {
	rows := [][]string{{"", "samples", "mean reward, 95 %", "n", "unlearnable", "solved", "unvisited", "zero variance"}}
	for _, by := range []string{audit.ByPhase, audit.ByDataSource} {
		sets := f.SetsBy(by)
		for _, s := range sets[:min(len(sets), maxPrintedSets)] {
			name := "phase " + s.Name
			if by == audit.ByDataSource {
				name = "task " + clip(audit.PrintableLine(s.Name), 12)
			}
			if s.Name == "" {
				name = "no task said"
			}
			rows = append(rows, []string{
				name, cli.Count(s.Samples), s.Mean.String(), cli.Count(s.Mean.N), cli.Count(s.States.Unlearnable),
				cli.Count(s.States.Solved), cli.Count(s.States.NeverVisited), zeroShare(s),
			})
		}
		if n := len(sets) - maxPrintedSets; n > 0 {
			rows = append(rows, []string{fmt.Sprintf("and %s more", cli.Count(int64(n))), "", "", "", "", "", "", ""})
		}
	}
	cli.Table(b, rows)
	b.WriteByte('\n')
}

func zeroShare(s audit.Set) string {
	if s.Groups == 0 {
		return "unknown"
	}
	return audit.Value(float64(s.Zero) / float64(s.Groups)).Percent()
}

func printAgain(b *strings.Builder, f *audit.Facts) {
	r := f.Retrospective.Transitions
	if len(r) == 0 {
		return
	}
	rows := [][]string{{"retrospective", "samples", "before", "since", "solved", "improved", "no success", "worse"}}
	for _, t := range r {
		rows = append(rows, []string{
			fmt.Sprintf("phase %d in %d", t.From, t.To), cli.Count(t.Samples), t.Before.String(), t.Since.String(), cli.Count(t.Became[audit.BecameSolved]),
			cli.Count(t.Became[audit.BecameBetter]), cli.Count(t.Became[audit.BecameNothing]), cli.Count(t.Became[audit.BecameWorse]),
		})
	}
	cli.Table(b, rows)
	b.WriteByte('\n')
}

// printedSamples are the first of a list.
const printedSamples = 5

func printSamples(b *strings.Builder, f *audit.Facts, title string, list []int32) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "%s (%s)\n", title, cli.Count(int64(len(list))))
	rows := [][]string{{"sample", "task", "phase", "tokens", "mean reward, 95 %", "right ever", "visits"}}
	for _, n := range list[:min(len(list), printedSamples)] {
		s := &f.Samples[n]
		name := s.SourceID
		if name == "" {
			name = s.ID.String()[:12]
		}
		rows = append(rows, []string{
			clip(audit.PrintableLine(name), 28), clip(audit.PrintableLine(s.DataSource), 12), fmt.Sprint(s.Phase), cli.Count(int64(s.PromptLength)),
			s.Estimate.String(), fmt.Sprintf("%d/%d", s.Successes, s.Rollouts), fmt.Sprint(s.Visits),
		})
	}
	cli.Table(b, rows)
	b.WriteByte('\n')
}

// clip shortens a text to some characters.
func clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}
