// Package source turns raw records into samples: one file per family of sources.
//
// A record is one JSON object. The rule: every record ends as samples or as rejects with a
// reason, never as silence, and a record is read whole or not at all - [Check] proves it valid
// (syntax, UTF-8, unique names, depth) before a family sees it, so that a family only cuts.
//
// The cost: one strict pass of jsontext over the bytes, then cuts with IndexByte. A string
// without escapes is never copied here; one with escapes is copied once, into memory that the
// parser reuses for the next record. See ../DESIGN.md for figures.
package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

// A Family is one kind of source.
type Family struct {
	Name string // Example: "qmsum"
	// DataSource is the task name of records when neither they nor the input say one.
	DataSource string
	// Recognize reports whether a record has this family's shape.
	Recognize func(record *Record) bool
	// Samples hands each sample of a record to out, and each reject.
	Samples func(record *Record, out *Out)
}

// Families are all kinds of sources, the most particular first: the first one that
// recognizes a record takes it. The last one takes everything.
var Families = []*Family{
	&verl, &qmsum, &loogle, &tatqa, &qasper, &narrativeqa, &docmath, &frames, &longbench, &longbench2,
	&twoWiki, &hotpotqa, &musique, &multihop, &trainer, &generic,
}

// Names returns the names of all families.
func Names() []string {
	names := make([]string, 0, len(Families))
	for _, f := range Families {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

// Lookup returns the family of a name.
func Lookup(name string) (*Family, bool) {
	i := slices.IndexFunc(Families, func(f *Family) bool { return f.Name == name })
	if i < 0 {
		return nil, false
	}
	return Families[i], true
}

// Recognize returns the first family that recognizes all of the records; records that
// are not valid do not count.
func Recognize(records [][]byte) *Family {
	var valid []*Record
	c := NewChecker()
	for _, r := range records {
		if v, p := c.Check(r, false); p == nil {
			valid = append(valid, newRecord(v))
		}
	}
	for _, f := range Families {
		if len(valid) > 0 && !slices.ContainsFunc(valid, func(r *Record) bool { return !f.Recognize(r) }) {
			return f
		}
	}
	return &generic
}

// A Problem says why a record or a sample cannot be taken.
type Problem struct {
	Reason dataset.Reason
	Detail string
}

func (p *Problem) Error() string { return string(p.Reason) + ": " + p.Detail }

// NewProblem returns a problem that was found outside this package.
func NewProblem(r dataset.Reason, format string, args ...any) *Problem {
	return problem(r, format, args...)
}

func problem(r dataset.Reason, format string, args ...any) *Problem {
	return &Problem{r, fmt.Sprintf(format, args...)}
}

func missing(field string) *Problem {
	return problem(dataset.ReasonMissingField, "no field %q", field)
}

func wrongType(field string, v Value, want string) *Problem {
	return problem(dataset.ReasonWrongType, "field %q is %s, not %s", field, v.Kind(), want)
}

// Targets are the fields of the generic format that a map may rename.
var Targets = []string{
	"id", "context", "document", "question", "questions", "answer", "answers", "response", "data_source", "meta", "messages",
}

// CheckMap returns an error unless every target of a map is a field of the generic format
// and every path is one.
func CheckMap(m map[string]string) error {
	for _, target := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(Targets, target) {
			return fmt.Errorf("map: no field %q; fields are %s", target, strings.Join(Targets, ", "))
		}
		if m[target] == "" || slices.Contains(strings.Split(m[target], "."), "") {
			return fmt.Errorf("map: field %q: bad path %q", target, m[target])
		}
	}
	return nil
}
