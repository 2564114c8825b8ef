package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/longctx/pipeline/sample/stream"
)

// DoGet streams the batches of a ticket. Each carries in its app_metadata the cursor after it,
// and the last, which has no rows, the cursor where the stream ended.
func (s *Server) DoGet(ticket *flight.Ticket, out flight.FlightService_DoGetServer) error {
	if err := s.clients.enter(); err != nil {
		return err
	}
	defer s.clients.leave()
	o, err := s.options(ticket.GetTicket())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(out.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	r, err := s.o.Source.NewReader(ctx, o)
	if err != nil {
		return refused(err)
	}
	defer r.Close()
	s.counters.streams.Add(1)
	log := s.o.Log.With("plan", o.Plans[0].ID(), "rank", o.Rank, "worker", o.Worker)
	log.Info("stream begins", "position", o.Cursor.Position)
	w := newSender(r.Schema(), out)
	copied, err := r.Each(func(b *stream.Batch) error {
		if err := w.send(b.Record, b.Cursor); err != nil {
			return err
		}
		s.counters.batches.Add(1)
		s.counters.rows.Add(b.Record.NumRows())
		s.counters.tokens.Add(b.Tokens)
		return nil
	})
	if err != nil {
		if s.stopping.Err() != nil {
			return errStopping()
		}
		return fmt.Errorf("after %d batches: %w", copied.Batches, err)
	}
	end := stream.EndMarker(r.Schema())
	defer end.Release()
	if err := w.send(end, copied.End); err != nil {
		return err
	}
	s.counters.completed.Add(1)
	log.Info("stream ends", "batches", copied.Batches, "samples", copied.Rows, "tokens", copied.Tokens, "position", copied.End.Position)
	return nil
}

// refused marks what a reader refuses as the client's mistake.
func refused(err error) error {
	if errors.Is(err, stream.ErrCursor) {
		return err
	}
	return badRequest("%w", err)
}

// GetFlightInfo answers a descriptor whose command is a ticket: the schema of its stream, and
// the ticket.
func (s *Server) GetFlightInfo(_ context.Context, d *flight.FlightDescriptor) (*flight.FlightInfo, error) {
	o, err := s.options(d.GetCmd())
	if err != nil {
		return nil, err
	}
	schema, err := s.o.Source.Schema(o)
	if err != nil {
		return nil, refused(err)
	}
	return &flight.FlightInfo{
		Schema: flight.SerializeSchema(schema, memory.DefaultAllocator), FlightDescriptor: d, Ordered: true,
		Endpoint:     []*flight.FlightEndpoint{{Ticket: &flight.Ticket{Ticket: d.GetCmd()}}},
		TotalRecords: -1, TotalBytes: -1,
	}, nil
}

// A sender writes batches with their cursors.
type sender struct {
	w *flight.Writer
}

func newSender(schema *arrow.Schema, out flight.DataStreamWriter) *sender {
	return &sender{flight.NewRecordWriter(out, ipc.WithSchema(schema))}
}

func (w *sender) send(rec arrow.Record, after stream.Cursor) error {
	return w.w.WriteWithAppMetadata(rec, []byte(after.String()))
}
