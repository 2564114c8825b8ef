package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"google.golang.org/grpc/codes"

	"github.com/longctx/pipeline/sample/stream/service"
)

var rolloutSchema = arrow.NewSchema([]arrow.Field{
	{Name: "run", Type: arrow.BinaryTypes.String},
	{Name: "step", Type: arrow.PrimitiveTypes.Uint64},
	{Name: "position", Type: arrow.PrimitiveTypes.Int64},
	{Name: "sample_id", Type: arrow.BinaryTypes.String},
	{Name: "group", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "group_size", Type: arrow.PrimitiveTypes.Int32},
	{Name: "rollout", Type: arrow.PrimitiveTypes.Int8},
	{Name: "reward", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "response_length", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "stop_reason", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

// rollout is one rollout of the sample at a position, as JSON.
func (r *running) rollout(position int64, size, i int, reward string) string {
	for entries := range r.plan.Entries(position) {
		return fmt.Sprintf(`{"run":"r","step":0,"position":%d,"sample_id":%q,"group":"g%d","group_size":%d,"rollout":%d,"reward":%s,"response_length":%d}`,
			position, entries[0].SampleID, position, size, i, reward, 10+i)
	}
	panic("no such position")
}

// An upload is one call that puts rollouts.
type upload struct {
	t   testing.TB
	out flight.FlightService_DoPutClient
	w   *flight.Writer
}

func (r *running) upload(t testing.TB, path ...string) *upload {
	t.Helper()
	out, err := r.client(t).DoPut(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := flight.NewRecordWriter(out, ipc.WithSchema(rolloutSchema))
	w.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: path})
	return &upload{t, out, w}
}

func (u *upload) send(lines ...string) {
	u.t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, rolloutSchema, strings.NewReader("["+strings.Join(lines, ",")+"]"))
	if err != nil {
		u.t.Fatal(err)
	}
	if err := u.w.Write(rec); err != nil && !errors.Is(err, io.EOF) { // the status comes with answer
		u.t.Fatal(err)
	}
}

func (u *upload) end() {
	u.t.Helper()
	if err := errors.Join(u.w.Close(), u.out.CloseSend()); err != nil {
		u.t.Error(err)
	}
}

func (u *upload) answer() (a service.Acknowledgement, err error) {
	res, err := u.out.Recv()
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(res.GetAppMetadata(), &a)
}

func TestRolloutsOfManyClientsAreAcknowledgedWhenTheirGroupIsWhole(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	a, b := r.upload(t, "rollouts"), r.upload(t, "rollouts")
	a.send(r.rollout(0, 3, 0, "1"))
	a.send(r.rollout(1, 1, 0, "0.5"))
	if got, err := a.answer(); err != nil || got.Batch != 1 || got.Added != 1 { // the first still waits
		t.Fatalf("%+v, %v", got, err)
	}
	a.end() // the call stays open for its answer
	b.send(r.rollout(0, 3, 2, "null"), r.rollout(0, 3, 1, "0"))
	first, err := a.answer()
	second, err2 := b.answer()
	if err != nil || err2 != nil || first.Batch != 0 || second.Added != 2 || first.Snapshot != second.Snapshot {
		t.Fatalf("%+v, %+v, %v, %v", first, second, err, err2)
	}
	if _, err := a.answer(); !errors.Is(err, io.EOF) {
		t.Errorf("after its last answer: %v", err)
	}
	out := r.recorded(t)
	if len(out) != 2 || out[1].Rollouts[2].Reward.Known || out[1].Rollouts[1].ResponseLength != 11 {
		t.Errorf("%+v", out)
	}
	b.send(r.rollout(0, 3, 0, "0"))
	_, err = b.answer()
	wantCode(t, err, codes.AlreadyExists, "batch 1: row 0: another rollout has this place")
}

func TestRolloutsThatWereNotAcknowledgedComeAgainAfterAKill(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	a, b := r.upload(t, "rollouts"), r.upload(t, "rollouts")
	a.send(r.rollout(0, 2, 0, "1"))
	b.send(r.rollout(0, 2, 1, "0"), r.rollout(1, 2, 0, "0"))
	if got, err := a.answer(); err != nil || got.Batch != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	_, err := b.answer()
	wantCode(t, err, codes.Unavailable, "")
	r.fsys = r.fsys.AfterCrash()
	r.serve(t, service.Options{})
	b = r.upload(t, "rollouts")
	b.send(r.rollout(0, 2, 1, "0"), r.rollout(1, 2, 0, "0"))
	b.send(r.rollout(1, 2, 1, "1"))
	for range 2 {
		if got, err := b.answer(); err != nil || got.Batch == 0 && (got.Added != 1 || got.Same != 1) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if n := len(r.recorded(t)); n != 2 {
		t.Errorf("%d outcomes", n)
	}
}

func TestFlushEndsAStepWithWhatCame(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	c, a := r.client(t), r.upload(t, "rollouts")
	a.send(r.rollout(0, 4, 2, "1"))
	var counters map[string]int64
	for counters["groups_waiting"] != 1 {
		if err := act(t.Context(), c, "counters", nil, &counters); err != nil {
			t.Fatal(err)
		}
	}
	var f struct{ Groups, Missing int64 }
	if err := act(t.Context(), c, "flush", ticket{"run": "r", "step": 0}, &f); err != nil || f.Groups != 1 || f.Missing != 3 {
		t.Fatalf("%+v, %v", f, err)
	}
	if got, err := a.answer(); err != nil || got.Added != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	wantCode(t, act(t.Context(), c, "flush", ticket{"step": 0}, &f), codes.InvalidArgument, "the run has no name")
	wantCode(t, act(t.Context(), c, "flush", ticket{"run": "r", "steps": 0}, &f), codes.InvalidArgument, `unknown field "steps"`)
}

func TestRolloutsThatCannotBeAreRefusedWithTheirReason(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{Waiting: 3000})
	for _, test := range []struct {
		path  string
		lines []string
		code  codes.Code
		want  string
	}{
		{"rollout", []string{r.rollout(0, 1, 0, "1")}, codes.InvalidArgument, `path ["rollout"]`},
		{"outcomes", []string{r.rollout(0, 1, 0, "1")}, codes.InvalidArgument, "outcomes"},
		{"rollouts", []string{r.rollout(0, 1, 0, "1"), r.rollout(0, 2, 2, "1")}, codes.InvalidArgument, "row 1: rollout 2 is not one of 2"},
		{"rollouts", []string{r.rollout(0, 2, 0, "7")}, codes.InvalidArgument, "reward 7 is outside"},
		{"rollouts", []string{r.rollout(0, 4000, 0, "1")}, codes.ResourceExhausted, "too many incomplete groups"},
	} {
		u := r.upload(t, test.path)
		u.send(test.lines...)
		_, err := u.answer()
		wantCode(t, err, test.code, test.want)
	}
}

func TestAClientThatVanishesLeavesItsRolloutsAndItsPlace(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{MaxClients: 2})
	var wg sync.WaitGroup
	for i := range 8 { // one after the other or two at once; each waits for the last
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for {
				out, err := r.client(t).DoPut(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				w := flight.NewRecordWriter(out, ipc.WithSchema(rolloutSchema))
				w.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{"rollouts"}})
				u := &upload{t, out, w}
				u.send(r.rollout(0, 9, i, "1"))
				u.send(r.rollout(int64(i+1), 1, 0, "1"))
				if _, err := u.answer(); err == nil {
					return // the second is answered, the first not yet
				}
			}
		})
	}
	wg.Wait()
	for {
		u := r.upload(t, "rollouts")
		u.send(r.rollout(0, 9, 8, "0"))
		if got, err := u.answer(); err == nil {
			if got.Added != 1 || len(r.recorded(t)) != 9 {
				t.Errorf("%+v, %d outcomes", got, len(r.recorded(t)))
			}
			return
		}
	}
}
