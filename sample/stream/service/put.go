package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"google.golang.org/grpc/status"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/stream/groups"
)

// An Acknowledgement answers one batch of outcomes or rollouts. A client that did not get it
// takes the batch for not written, and sends it again: the same row twice is one.
type Acknowledgement struct {
	Batch    int64  `json:"batch"`    // from 0
	Added    int64  `json:"added"`    // new rows
	Same     int64  `json:"same"`     // rows that were there already
	Snapshot string `json:"snapshot"` // of the history that has them all
}

// DoPut takes outcomes or rollouts. A batch is acknowledged when it is durable in the reward
// history, all of it: outcomes in the order they came, rollouts as their groups become
// complete. The first that is refused ends the call.
func (s *Server) DoPut(in flight.FlightService_DoPutServer) error {
	if err := s.clients.enter(); err != nil {
		return err
	}
	defer s.clients.leave()
	batches, answers := make(chan received), newAnswers()
	go receive(in, batches)
	ended := false
	for n := int64(0); !ended || answers.owed() > 0; {
		select {
		case got := <-batches:
			if errors.Is(got.err, io.EOF) {
				ended = true
				break
			}
			answers.owe()
			if err := s.put(in.Context(), got, n, answers); err != nil {
				return fmt.Errorf("batch %d: %w", n, err)
			}
			n++
		case <-answers.ready:
			if err := answers.send(in); err != nil {
				return err
			}
		case <-in.Context().Done():
			return in.Context().Err()
		case <-s.stopping.Done():
			return errStopping()
		}
	}
	return nil
}

// put takes one batch. What becomes of it is said to answers, or returned where it is refused
// at once.
func (s *Server) put(ctx context.Context, got received, n int64, to *answers) error {
	if got.err != nil {
		return got.err
	}
	defer got.rec.Release()
	if got.rollouts {
		return s.putRollouts(ctx, got.rec, n, to)
	}
	outcomes, err := decodeOutcomes(got.rec)
	if err != nil {
		return err
	}
	done, err := s.o.History.Append(ctx, outcomes)
	if err != nil {
		return err
	}
	s.counters.outcomes.Add(done.Added)
	s.counters.same.Add(done.Same)
	s.o.Log.Info("outcomes recorded", "added", done.Added, "same", done.Same, "snapshot", done.Snapshot)
	to.add(answer{ack: Acknowledgement{n, done.Added, done.Same, done.Snapshot}})
	return nil
}

func (s *Server) putRollouts(ctx context.Context, rec arrow.Record, n int64, to *answers) error {
	rows, err := decodeRollouts(rec)
	if err != nil {
		return err
	}
	return s.groups.Add(ctx, rows, func(done groups.Done, err error) {
		if err == nil {
			s.counters.rollouts.Add(done.Added)
			s.counters.rolloutsSame.Add(done.Same)
		}
		to.add(answer{Acknowledgement{n, done.Added, done.Same, done.Snapshot}, err})
	})
}

// send sends the answers that are there; the error is that of the first batch that failed.
func (a *answers) send(to flight.FlightService_DoPutServer) error {
	for _, got := range a.take() {
		if got.err != nil {
			return fmt.Errorf("batch %d: %w", got.ack.Batch, got.err)
		}
		body, err := json.Marshal(got.ack)
		if err != nil {
			return err
		}
		if err := to.Send(&flight.PutResult{AppMetadata: body}); err != nil {
			return err
		}
	}
	return nil
}

// received is what came of one batch.
type received struct {
	rec      arrow.Record
	rollouts bool
	err      error
}

// receive hands over batches until the client has no more or is gone. It runs beside the call,
// so that the call can end while the client says nothing.
func receive(in flight.FlightService_DoPutServer, to chan<- received) {
	hand := func(r received) bool {
		select {
		case to <- r:
			return true
		case <-in.Context().Done():
			if r.rec != nil {
				r.rec.Release()
			}
			return false
		}
	}
	defer func() {
		if r := recover(); r != nil { // a message that lies about its own shape
			hand(received{err: badRequest("decoder: %v", r)})
		}
	}()
	r, err := flight.NewRecordReader(&checkedStream{FlightService_DoPutServer: in}, ipc.WithAllocator(dataset.BoundedAllocator{Max: maxBuffer}))
	if err != nil {
		hand(received{err: asRefusal(err)})
		return
	}
	defer r.Release()
	rollouts, err := isRollouts(r.LatestFlightDescriptor())
	if err != nil {
		hand(received{err: err})
		return
	}
	for r.Next() {
		rec := r.Record()
		rec.Retain()
		if !hand(received{rec: rec, rollouts: rollouts}) {
			return
		}
	}
	if err := r.Err(); err != nil {
		hand(received{err: asRefusal(err)})
		return
	}
	hand(received{err: io.EOF})
}

// maxBuffer is the largest buffer of a column, uncompressed, that is believed to be one.
const maxBuffer = 1 << 30

// A checkedStream looks at the schema, the first message, before the library believes its counts.
type checkedStream struct {
	flight.FlightService_DoPutServer
	begun bool
}

func (c *checkedStream) Recv() (*flight.FlightData, error) {
	data, err := c.FlightService_DoPutServer.Recv()
	if err != nil || c.begun {
		return data, err
	}
	c.begun = true
	if err := dataset.CheckSchemaMessage(data.GetDataHeader()); err != nil {
		return nil, badRequest("first message: %w", err)
	}
	return data, nil
}

// isRollouts reads a descriptor: a path says what comes, and without one it is outcomes.
func isRollouts(d *flight.FlightDescriptor) (bool, error) {
	switch path := d.GetPath(); {
	case len(path) == 0, slices.Equal(path, []string{"outcomes"}):
		return false, nil
	case slices.Equal(path, []string{"rollouts"}):
		return true, nil
	default:
		return false, badRequest("path %q: what is put is \"outcomes\" or \"rollouts\"", path)
	}
}

// asRefusal marks an error of the decoder as the client's; those of gRPC have a status already.
func asRefusal(err error) error {
	if _, ok := status.FromError(err); ok || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		return err
	}
	return badRequest("%w", err)
}
