package curriculum

import (
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

// FuzzHeader: any text in a plan's header is read back as it is written, or refused; what is read
// can be resumed or not, and never panics.
func FuzzHeader(f *testing.F) {
	table := testTable(3, 3)
	c := DefaultConfig(1)
	p, err := New(table, c)
	if err != nil {
		f.Fatal(err)
	}
	s, err := p.Next(f.Context(), learn(f, table, c), 2)
	if err != nil {
		f.Fatal(err)
	}
	var pairs []string
	for _, pair := range s.Header.pairs() {
		pairs = append(pairs, pair[1])
	}
	config, state := "", ""
	for _, pair := range s.Header.pairs() {
		switch pair[0] {
		case keyPrefix + "config":
			config = pair[1]
		case keyPrefix + "state":
			state = pair[1]
		}
	}
	f.Add(config, state, int64(0), int64(2), pairs[1])
	f.Add("{}", "{}", int64(-1), int64(1)<<62, "")
	f.Add(`{"phase":-1,"strategy":"uniform","gates":["x="]}`, `[]`, int64(1), int64(0), "x")
	f.Fuzz(func(t *testing.T, config, state string, first, rows int64, id string) {
		h := s.Header
		h.First, h.Rows, h.PlanID = first, rows, id
		values := map[string]string{}
		for _, pair := range h.pairs() {
			values[pair[0]] = pair[1]
		}
		values[keyPrefix+"config"], values[keyPrefix+"state"] = config, state
		back, err := parseHeader(func(key string) (string, bool) { v, ok := values[key]; return v, ok })
		if err != nil {
			return
		}
		if back.First != first || back.Rows != rows || back.PlanID != id {
			t.Errorf("%+v", back)
		}
		if p, err := New(table, back.Config); err == nil {
			_ = p.restore(back.State)
		}
	})
}

// FuzzPlan opens any bytes as a plan's file.
func FuzzPlan(f *testing.F) {
	table := testTable(30, 20)
	c := DefaultConfig(1)
	fsys := faultfs.New()
	p, err := New(table, c)
	if err != nil {
		f.Fatal(err)
	}
	s, err := p.Next(f.Context(), learn(f, table, c), 0)
	if err == nil {
		err = s.Write(fsys, "plan.parquet")
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fsys.Files()["plan.parquet"])
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := faultfs.New()
		if _, err := dataset.WriteFile(fsys, "plan.parquet", data); err != nil {
			t.Fatal(err)
		}
		plan, err := Open(fsys, "plan.parquet")
		if err != nil {
			return
		}
		n := int64(0)
		for rows, err := range plan.Entries(0) {
			if err != nil {
				return
			}
			n += int64(len(rows))
		}
		if n != plan.Len() {
			t.Errorf("%d entries of %d", n, plan.Len())
		}
	})
}
