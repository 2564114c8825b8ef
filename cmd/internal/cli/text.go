package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
)

// Count writes a number with thousands separators.
func Count(n int64) string { return humanize.Comma(n) }

// Bytes writes a number of bytes with a unit.
func Bytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// Table writes rows in columns, the first to the left and the others to the right.
func Table(w io.Writer, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := 0
	for _, r := range rows {
		width = max(width, len([]rune(r[0])))
	}
	for _, r := range rows {
		pad := strings.Repeat(" ", width-len([]rune(r[0])))
		fmt.Fprintf(tw, "%s%s\t%s\t\n", r[0], pad, strings.Join(r[1:], "\t"))
	}
	tw.Flush()
}

// blocks are eighths of a character cell.
var blocks = []rune(" ▏▎▍▌▋▊▉█")

// Bar draws a horizontal bar of n in the given number of cells for the largest.
func Bar(n, largest int64, cells int) string {
	if n <= 0 || largest <= 0 {
		return ""
	}
	eighths := max(1, int(float64(n)/float64(largest)*float64(cells*8)+0.5))
	bar := strings.Repeat("█", eighths/8)
	if r := eighths % 8; r > 0 {
		bar += string(blocks[r])
	}
	return bar
}
