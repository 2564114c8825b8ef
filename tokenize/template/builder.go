package template

import "strings"

// A builder joins text and keeps its spans ascending, disjoint and not empty. Spans that touch become one: special tokens are
// not matched across the seam of two documents either.
type builder struct {
	text  strings.Builder
	spans []Span
}

func (b *builder) grow(n int) { b.text.Grow(n) }

func (b *builder) fixed(s string) { b.text.WriteString(s) }

func (b *builder) untrusted(s string) {
	start := b.text.Len()
	b.text.WriteString(s)
	b.mark(start, start+len(s))
}

func (b *builder) mark(start, end int) {
	if start >= end {
		return
	}
	if n := len(b.spans); n > 0 && start <= b.spans[n-1].End {
		b.spans[n-1].End = max(b.spans[n-1].End, end)
		return
	}
	b.spans = append(b.spans, Span{start, end})
}

// shifted marks inner spans of a content of which cut bytes were taken off the front and whose rest lies at [start, end).
func (b *builder) shifted(inner []Span, start, end, cut int) {
	for _, s := range inner {
		b.mark(max(s.Start-cut, 0)+start, min(s.End-cut+start, end))
	}
}

func (b *builder) prompt() Prompt { return Prompt{Text: b.text.String(), Spans: b.spans} }
