package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/stream"
	"github.com/longctx/pipeline/sample/stream/service"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

// A running server and what it serves.
type running struct {
	fsys    *faultfs.FS
	m       *dataset.Manifest
	plan    *curriculum.Plan
	server  *service.Server
	addr    string
	stop    func() error // gracefully; returns what Serve does
	history *history.Store
}

// start serves a dataset with the plan "plan.parquet".
func start(t testing.TB, spec streamtest.Spec, o service.Options) *running {
	t.Helper()
	r := &running{fsys: faultfs.New()}
	r.m, _ = streamtest.Dataset(t, r.fsys, spec)
	c := curriculum.DefaultConfig(1)
	c.Seed = 4
	r.plan = streamtest.Plan(t, r.fsys, r.m, "plans/plan.parquet", c, 0, 0)
	r.serve(t, o)
	return r
}

// serve starts a server, perhaps again, on the files as they are.
func (r *running) serve(t testing.TB, o service.Options) {
	t.Helper()
	src, err := stream.Open(r.fsys, stream.SourceOptions{Cache: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.history, err = history.Open(r.fsys, nil); err != nil {
		t.Fatal(err)
	}
	o.Source, o.FS, o.History = src, r.fsys, r.history
	if o.Grace == 0 {
		o.Grace = time.Second
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.server, r.addr = service.New(o), lis.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(ctx, lis) }()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return errors.Join(<-done, src.Close(), r.history.Close())
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

func (r *running) client(t testing.TB, options ...grpc.DialOption) flight.Client {
	t.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	c, err := flight.NewClientWithMiddleware(r.addr, nil, nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A got is what a client took of a stream.
type got struct {
	positions []int64
	cursor    string // after what was taken
	complete  bool
}

// get reads a stream, at most n batches (-1: all).
func get(ctx context.Context, c flight.Client, ticket map[string]any, n int) (g got, err error) {
	body, err := json.Marshal(ticket)
	if err != nil {
		return g, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, err := c.DoGet(ctx, &flight.Ticket{Ticket: body})
	if err != nil {
		return g, err
	}
	r, err := flight.NewRecordReader(in)
	if err != nil {
		return g, err
	}
	defer r.Release()
	for ; n != 0 && r.Next(); n-- {
		rec := r.Record()
		g.complete = rec.NumRows() == 0
		g.positions = append(g.positions, rec.Column(0).(*array.Int64).Int64Values()...)
		g.cursor = string(r.LatestAppMetadata())
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) && n != 0 {
		return g, err
	}
	return g, nil
}

// act does an action and decodes its answer.
func act(ctx context.Context, c flight.Client, name string, body, into any) error {
	data, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	in, err := c.DoAction(ctx, &flight.Action{Type: name, Body: data})
	if err != nil {
		return err
	}
	res, err := in.Recv()
	if err != nil {
		return err
	}
	return json.Unmarshal(res.GetBody(), into)
}

var outcomeSchema = arrow.NewSchema([]arrow.Field{
	{Name: "run", Type: arrow.BinaryTypes.String},
	{Name: "train_stage", Type: arrow.BinaryTypes.String},
	{Name: "phase", Type: arrow.PrimitiveTypes.Int64},
	{Name: "step", Type: arrow.PrimitiveTypes.Int64},
	{Name: "position", Type: arrow.PrimitiveTypes.Int64},
	{Name: "sample_id", Type: arrow.BinaryTypes.String},
	{Name: "temperature", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "rewards", Type: arrow.ListOf(arrow.PrimitiveTypes.Float64)},
	{Name: "stop_reasons", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
}, nil)

// outcomesJSON makes a batch of outcomes from JSON lines.
func outcomesJSON(t testing.TB, lines ...string) arrow.Record {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, outcomeSchema, strings.NewReader("["+strings.Join(lines, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// put sends batches of outcomes and returns the acknowledgements that came.
func put(ctx context.Context, c flight.Client, batches ...arrow.Record) (acks []service.Acknowledgement, err error) {
	out, err := c.DoPut(ctx)
	if err != nil {
		return nil, err
	}
	w := flight.NewRecordWriter(out, ipc.WithSchema(batches[0].Schema()))
	w.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: []byte("outcomes")})
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			break // the status comes with Recv
		}
		res, err := out.Recv()
		if err != nil {
			return acks, err
		}
		var a service.Acknowledgement
		if err := json.Unmarshal(res.GetAppMetadata(), &a); err != nil {
			return acks, err
		}
		acks = append(acks, a)
	}
	if err := errors.Join(w.Close(), out.CloseSend()); err != nil {
		return acks, err
	}
	if _, err := out.Recv(); !errors.Is(err, io.EOF) {
		return acks, err
	}
	return acks, nil
}
