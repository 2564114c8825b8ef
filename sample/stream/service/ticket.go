package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
)

// MaxWait is the longest that a ticket may wait for a plan to grow. The server forgets a client
// that vanished long before.
const MaxWait = time.Hour

// A Ticket is everything that the server has to know of a stream, as JSON.
type Ticket struct {
	Plans       []string      `json:"plans"`           // names, one after the other
	Cursor      stream.Cursor `json:"cursor,omitzero"` // or its text
	Batch       int           `json:"batch,omitzero"`  // as in stream.Options
	BatchTokens int64         `json:"batch_tokens,omitzero"`
	DropLast    bool          `json:"drop_last,omitzero"`
	Balance     bool          `json:"balance,omitzero"`
	Rank        int           `json:"rank,omitzero"`
	Ranks       int           `json:"ranks,omitzero"`
	Worker      int           `json:"worker,omitzero"`
	Workers     int           `json:"workers,omitzero"`
	WaitSeconds float64       `json:"wait_seconds,omitzero"` // most, for each next segment of a plan that still grows
}

// UnmarshalJSON reads a ticket strictly. Its cursor may be the text that batches carry.
func (t *Ticket) UnmarshalJSON(data []byte) error {
	type plain Ticket
	wire := struct {
		*plain
		Cursor json.RawMessage `json:"cursor"`
	}{plain: (*plain)(t)}
	if err := strict(data, &wire); err != nil {
		return err
	}
	text := string(wire.Cursor)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(wire.Cursor, &text); err != nil {
			return err
		}
	} else if text == "null" {
		text = ""
	}
	var err error
	t.Cursor, err = stream.ParseCursor(text)
	return err
}

// strict decodes one JSON value; an unknown key is an error.
func strict(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// options opens the plans of a ticket.
func (s *Server) options(data []byte) (o stream.Options, err error) {
	var t Ticket
	if err := json.Unmarshal(data, &t); err != nil {
		if errors.Is(err, stream.ErrCursor) {
			return o, err
		}
		return o, badRequest("ticket: %w", err)
	}
	o = stream.Options{
		Cursor: t.Cursor, Batch: t.Batch, BatchTokens: t.BatchTokens, DropLast: t.DropLast, Balance: t.Balance,
		Rank: t.Rank, Ranks: t.Ranks, Worker: t.Worker, Workers: t.Workers, MaxBatch: s.o.MaxBatch, Limit: s.clients.part,
	}
	if !(t.WaitSeconds >= 0 && t.WaitSeconds <= MaxWait.Seconds()) {
		return o, badRequest("ticket: wait_seconds %g is not one of 0 to %g", t.WaitSeconds, MaxWait.Seconds())
	}
	if t.WaitSeconds > 0 {
		follow := stream.Follow{
			Open:    func(i int) (*curriculum.Plan, error) { return s.openPlan(t.Plans[i]) },
			Most:    time.Duration(t.WaitSeconds * float64(time.Second)),
			Changed: s.drawn.wait,
		}
		o.More = follow.More
	}
	for _, name := range t.Plans {
		p, err := s.openPlan(name)
		if err != nil {
			return o, err
		}
		o.Plans = append(o.Plans, p)
	}
	return o, nil
}

// PlansFolder is where a dataset keeps the plans that a server draws.
const PlansFolder = "plans"

// A PlanFile is where a plan lies.
type PlanFile struct {
	FS   fs.FS
	Name string
}

// openPlan opens a plan by its name, as it stands now.
func (s *Server) openPlan(name string) (*curriculum.Plan, error) {
	at, ok := s.o.Plans[name]
	if !ok {
		if err := checkName(name); err != nil {
			return nil, err
		}
		at = PlanFile{s.o.FS, path.Join(PlansFolder, name)}
	}
	p, err := curriculum.Open(at.FS, at.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no plan %q: %w; the server has %q", name, fs.ErrNotExist, s.planNames())
	}
	return p, err
}

// checkName refuses a name that could leave the folder of plans.
func checkName(name string) error {
	if !fs.ValidPath(name) || strings.ContainsAny(name, `/\`) || path.Ext(name) != ".parquet" || strings.HasPrefix(name, ".") {
		return badRequest("plan %q is not a name such as phase-2.parquet", name)
	}
	return nil
}

// planNames lists the plans that tickets may name.
func (s *Server) planNames() []string {
	names := []string{}
	for name := range s.o.Plans {
		names = append(names, name)
	}
	entries, _ := fs.ReadDir(s.o.FS, PlansFolder) // none is no error
	for _, e := range entries {
		base, ext := strings.CutSuffix(e.Name(), ".parquet")
		_, shadowed := s.o.Plans[e.Name()]
		if ext && !shadowed && !strings.Contains(base, ".") { // refusals and later segments have a dot
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}
