package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"google.golang.org/grpc/status"
)

// An Acknowledgement answers one batch of outcomes, in the order they came. A client that did
// not get it takes the batch for not written, and sends it again: the same outcome twice is one.
type Acknowledgement struct {
	Batch    int64  `json:"batch"`    // from 0
	Added    int64  `json:"added"`    // new outcomes
	Same     int64  `json:"same"`     // outcomes that the history had already
	Snapshot string `json:"snapshot"` // of the history that has them all
}

// DoPut takes outcomes. A batch is acknowledged when it is durable in the reward history, all
// of it; the first that is refused ends the call, and those before it stay.
func (s *Server) DoPut(in flight.FlightService_DoPutServer) error {
	if err := s.clients.enter(); err != nil {
		return err
	}
	defer s.clients.leave()
	batches := make(chan received)
	go receive(in, batches)
	for n := int64(0); ; n++ {
		var got received
		select {
		case got = <-batches:
		case <-s.stopping.Done():
			return errStopping()
		}
		if errors.Is(got.err, io.EOF) {
			return nil
		}
		if got.err != nil {
			return fmt.Errorf("batch %d: %w", n, got.err)
		}
		if err := s.put(in, n, got.rec); err != nil {
			return fmt.Errorf("batch %d: %w", n, err)
		}
	}
}

func (s *Server) put(in flight.FlightService_DoPutServer, n int64, rec arrow.Record) error {
	defer rec.Release()
	outcomes, err := decodeOutcomes(rec)
	if err != nil {
		return err
	}
	done, err := s.o.History.Append(in.Context(), outcomes)
	if err != nil {
		return err
	}
	s.counters.outcomes.Add(done.Added)
	s.counters.same.Add(done.Same)
	s.o.Log.Info("outcomes recorded", "added", done.Added, "same", done.Same, "snapshot", done.Snapshot)
	body, err := json.Marshal(Acknowledgement{n, done.Added, done.Same, done.Snapshot})
	if err != nil {
		return err
	}
	return in.Send(&flight.PutResult{AppMetadata: body})
}

// received is what came of one batch.
type received struct {
	rec arrow.Record
	err error
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
	r, err := flight.NewRecordReader(in)
	if err != nil {
		hand(received{err: asRefusal(err)})
		return
	}
	defer r.Release()
	for r.Next() {
		rec := r.Record()
		rec.Retain()
		if !hand(received{rec: rec}) {
			return
		}
	}
	if err := r.Err(); err != nil {
		hand(received{err: asRefusal(err)})
		return
	}
	hand(received{err: io.EOF})
}

// asRefusal marks an error of the decoder as the client's; those of gRPC have a status already.
func asRefusal(err error) error {
	if _, ok := status.FromError(err); ok || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		return err
	}
	return badRequest("%w", err)
}
