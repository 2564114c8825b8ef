package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// flightTrainer is a trainer in a process of its own: its arguments are those of trainer.
func flightTrainer() {
	t := trainer{run: os.Args[1], addrFile: os.Args[2], cursorFile: os.Args[3], rollouts: os.Args[4] == "rollouts"}
	if err := t.train(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A trainer takes the batches of plan.parquet one after the other and sends two rewards for
// each sample; when they are acknowledged it keeps the cursor. Whatever dies, it comes back.
type trainer struct {
	run        string
	addrFile   string // where the server is, now
	cursorFile string
	rollouts   bool                  // send the two rewards of a group by two calls
	took       func(positions int64) // each batch that was acknowledged; nil: nobody asks
}

// A wrongStream is what no crash excuses.
type wrongStream struct{ error }

func (t *trainer) train(ctx context.Context) error {
	for {
		err := t.attempt(ctx)
		if wrong, ok := errors.AsType[wrongStream](err); ok || err == nil {
			return errors.Join(wrong.error)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", t.run, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// attempt goes on from the cursor until the end of the plan, or until something dies.
func (t *trainer) attempt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	addr, err := os.ReadFile(t.addrFile)
	if err != nil {
		return err
	}
	c, err := flight.NewClientWithMiddleware(strings.TrimSpace(string(addr)), nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer c.Close()
	cursor, err := os.ReadFile(t.cursorFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	next, err := position(cursor)
	if err != nil {
		return wrongStream{err}
	}
	ticket, err := json.Marshal(map[string]any{"plans": []string{"plan.parquet"}, "batch": 16, "cursor": string(cursor)})
	if err != nil {
		return wrongStream{err}
	}
	in, err := c.DoGet(ctx, &flight.Ticket{Ticket: ticket})
	if err != nil {
		return err
	}
	r, err := flight.NewRecordReader(in)
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		rec := r.Record()
		if rec.NumRows() == 0 {
			return nil
		}
		positions := rec.Column(0).(*array.Int64).Int64Values()
		if positions[0] != next {
			return wrongStream{fmt.Errorf("%s: position %d where %d is next", t.run, positions[0], next)}
		}
		if err := t.send(ctx, c, rec); err != nil {
			return err
		}
		cursor := r.LatestAppMetadata()
		if next, err = position(cursor); err != nil {
			return wrongStream{err}
		}
		aside := t.cursorFile + ".tmp"
		if err := errors.Join(os.WriteFile(aside, cursor, 0o600), os.Rename(aside, t.cursorFile)); err != nil {
			return err
		}
		if t.took != nil {
			t.took(rec.NumRows())
		}
	}
	return errors.Join(errors.New("no end marker"), r.Err())
}

func position(cursor []byte) (int64, error) {
	var c struct{ Position int64 }
	if len(cursor) == 0 {
		return 0, nil
	}
	return c.Position, errors.Join(json.Unmarshal(cursor, &c))
}

// send sends the outcomes of a batch, and returns when they are acknowledged.
func (t *trainer) send(ctx context.Context, c flight.Client, rec arrow.Record) error {
	if !t.rollouts {
		p, err := t.put(ctx, c, "outcomes", rec, 0)
		if err != nil {
			return err
		}
		return p.wait()
	}
	var puts [2]*pendingPut
	for i := range puts { // the first is acknowledged after the second was sent
		var err error
		if puts[i], err = t.put(ctx, c, "rollouts", rec, i); err != nil {
			return err
		}
	}
	return errors.Join(puts[0].wait(), puts[1].wait())
}

// A pendingPut is a batch that was sent.
type pendingPut struct {
	out flight.FlightService_DoPutClient
}

func (t *trainer) put(ctx context.Context, c flight.Client, path string, rec arrow.Record, i int) (*pendingPut, error) {
	out, err := c.DoPut(ctx)
	if err != nil {
		return nil, err
	}
	text := arrow.BinaryTypes.String
	fields := []arrow.Field{{Name: "run", Type: text}, {Name: "step", Type: arrow.PrimitiveTypes.Int64}, {Name: "position", Type: arrow.PrimitiveTypes.Int64}, {Name: "sample_id", Type: text}}
	tail := `"rewards":[1,0]`
	if path == "rollouts" {
		fields = append(fields, arrow.Field{Name: "group_size", Type: arrow.PrimitiveTypes.Int32}, arrow.Field{Name: "rollout", Type: arrow.PrimitiveTypes.Int32}, arrow.Field{Name: "reward", Type: arrow.PrimitiveTypes.Float32})
		tail = fmt.Sprintf(`"group_size":2,"rollout":%d,"reward":%d`, i, 1-i)
	} else {
		fields = append(fields, arrow.Field{Name: "rewards", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32)})
	}
	var lines bytes.Buffer
	positions, ids := rec.Column(0).(*array.Int64), rec.Column(2).(*array.String)
	for row := range positions.Len() {
		p := positions.Value(row)
		fmt.Fprintf(&lines, `{"run":%q,"step":%d,"position":%d,"sample_id":%q,%s}`, t.run, p/16, p, ids.Value(row), tail)
	}
	schema := arrow.NewSchema(fields, nil)
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader("["+strings.ReplaceAll(lines.String(), "}{", "},{")+"]"))
	if err != nil {
		return nil, wrongStream{err}
	}
	w := flight.NewRecordWriter(out, ipc.WithSchema(schema))
	w.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{path}})
	return &pendingPut{out}, errors.Join(w.Write(batch), w.Close(), out.CloseSend())
}

// wait returns when the batch is acknowledged. A call that ends without that has failed.
func (p *pendingPut) wait() error {
	if _, err := p.out.Recv(); err != nil {
		return fmt.Errorf("not acknowledged: %w", err)
	}
	if _, err := p.out.Recv(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
